//! The server dies between a change and its delivery.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

use super::*;

/// The binary on a folder, killed with the test.
struct Process {
    child: Child,
    base: url::Url,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    async fn on(folder: &Path) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(env!("CARGO_BIN_EXE_hitchpost"))
            .current_dir(folder)
            .env("HITCHPOST_CONFIG", folder.join("hitchpost.toml"))
            .env("HITCHPOST_DATABASE", format!("sqlite:{}", folder.join("test.db").display()))
            .env("HITCHPOST_LISTEN", format!("127.0.0.1:{port}"))
            .env_remove("HITCHPOST_ENCRYPTION_KEYS")
            .env_remove("HITCHPOST_PUBLIC_URL")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let base = format!("http://127.0.0.1:{port}/").parse().unwrap();
        let process = Self { child, base };
        for _ in 0..600 {
            if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return process;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the process did not start in 30 s");
    }

    /// SIGKILL: nothing is written down any more.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[tokio::test]
async fn an_event_whose_server_was_killed_is_delivered_after_the_restart() {
    let receiver = Receiver::new().await;
    let app = TestApp::with(&config(&[&receiver])).await;
    let connection = connected(&app, "c1").await;
    receiver.has(1).await;
    until_none_is_pending(&app).await;
    let (token, address) = (backend(&app, None), format!("/connections/{connection}/events"));
    let folder = app.stop().await;
    receiver.is(Mood::Hangs);

    let first = Process::on(&folder).await;
    let reported =
        Browser::new(first.base.clone()).post_json(&address, &token, &json!({ "type": "IMPORT_DONE" })).await;
    let event = reported.json()["id"].as_str().unwrap().to_owned();
    receiver.has(2).await;
    first.kill();
    receiver.is(Mood::Answers(204));
    let second = Process::on(&folder).await;
    let messages = receiver.has(3).await;
    let mut delivered = Value::Null;
    let listed = format!("/events/{event}/deliveries");
    for _ in 0..500 {
        delivered = Browser::new(second.base.clone()).api(Method::GET, &listed, &token).await.json();
        if delivered["items"][0]["state"] == "delivered" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    assert_eq!((messages[1].id(), messages[2].id()), (event.as_str(), event.as_str()));
    assert_eq!(messages[1].body, messages[2].body);
    assert_eq!(delivered["items"][0]["state"], "delivered");
    drop(second);
    let _ = std::fs::remove_dir_all(folder);
}
