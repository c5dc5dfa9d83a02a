//! [`Process`]: Hitchpost as a process of its own, on the database of a server under test.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use hitchpost::model::ConnectionId;
use serde_json::Value;

use super::{app::TestApp, provider::free_port};

/// A process, ended with the test.
pub struct Process {
    child: Child,
    base: String,
    client: reqwest::Client,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal("CONT");
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    /// Starts on the folder of `app`: the same configuration, database and keys.
    pub async fn beside(app: &TestApp) -> Self {
        let port = free_port();
        let folder = &app.folder;
        let mut command = Command::new(env!("CARGO_BIN_EXE_hitchpost"));
        command
            .current_dir(folder)
            .env("HITCHPOST_CONFIG", folder.join("hitchpost.toml"))
            .env("HITCHPOST_DATABASE", format!("sqlite:{}", folder.join("test.db").display()))
            .env("HITCHPOST_LISTEN", format!("127.0.0.1:{port}"))
            .env_remove("HITCHPOST_ENCRYPTION_KEYS")
            .env_remove("HITCHPOST_PUBLIC_URL")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        #[expect(clippy::disallowed_methods, reason = "a caller of its own, not the server's client")]
        let client = reqwest::Client::builder().build().unwrap();
        let child = command.spawn().unwrap();
        let process = Self { child, base: format!("http://127.0.0.1:{port}"), client };
        process.is_up().await;
        process
    }

    async fn is_up(&self) {
        for _ in 0..600 {
            if self.client.get(format!("{}/healthz", self.base)).send().await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the process did not start in 30 s");
    }

    /// Asks it to test a connection; what it says of it.
    pub async fn tested(&self, token: &str, id: ConnectionId) -> Result<Value, reqwest::Error> {
        let url = format!("{}/connections/{id}/test", self.base);
        let answer = self.client.post(url).bearer_auth(token).send().await?;
        answer.json().await
    }

    /// Sends it a signal by name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).output();
        assert!(sent.is_ok(), "there is no `kill`");
    }

    /// Waits until it has ended of itself; its exit code.
    pub async fn ended(&mut self) -> Option<i32> {
        for _ in 0..600 {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the process did not end in 30 s");
    }

    /// Ends it without a word.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
