//! The keys that verify a workspace's tokens: made here, shown once, and retired when nobody needs them.
//!
//! Several count at the same time, so that one replaces another without a moment in which nobody can sign
//! in. Of a pair that is made here only the public half is kept.

use std::time::Duration;

use super::{Engine, EngineError};
use crate::{
    model::{Secret, Timestamp, WorkspaceId},
    protocol::jwt::{PublicKey, pair},
    store::{KeyRecord, NewKey, Retiring},
};

/// Longest name of a key.
const KID_MAX: usize = 64;

/// A key that was made. This is the only time that anybody sees the private half.
pub struct MadeKey {
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// Its name, for the header of tokens.
    pub kid: String,
    /// PEM, PKCS #8.
    pub private_key: Secret<String>,
}

/// A key as it is shown.
pub struct KeyView {
    /// The name tokens may call it by.
    pub kid: Option<String>,
    /// What kind of key.
    pub kind: &'static str,
    /// The configuration file owns it.
    pub of_file: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When a token signed with it was last seen, within a minute; known of public keys only.
    pub last_used_at: Option<Timestamp>,
    /// When it ends, or ended.
    pub retires_at: Option<Timestamp>,
}

impl Engine {
    /// Makes a key pair for a workspace and keeps the public half. Without a name it gets one.
    pub async fn make_key(&self, workspace_key: &str, kid: Option<&str>) -> Result<MadeKey, EngineError> {
        let workspace = self.workspace_by_key(workspace_key).await?.workspace.id;
        let now = self.now();
        let kid = kid.map_or_else(|| self.name_for_key(now), str::to_owned);
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if !(1..=KID_MAX).contains(&kid.len()) || !kid.bytes().all(fits) {
            let message = format!("A kid has 1 to {KID_MAX} letters, digits, hyphens, dots or underscores.");
            return Err(EngineError::invalid("kid", message));
        }
        let made = pair().ok_or_else(|| EngineError::invalid("kid", "The system has no chance to give."))?;
        let id = self.entropy().uuid(now).to_string();
        let new = NewKey { id: &id, workspace, kid: &kid, pem: &made.public };
        if !self.store().add_workspace_key(&new, now).await? {
            return Err(EngineError::AlreadyExists("key"));
        }
        self.forget_directory();
        Ok(MadeKey { workspace, kid, private_key: made.private })
    }

    /// A workspace's keys, oldest first, retired ones too.
    pub async fn keys_of(&self, workspace_key: &str) -> Result<Vec<KeyView>, EngineError> {
        let workspace = self.workspace_by_key(workspace_key).await?.workspace.id;
        Ok(self.store().workspace_keys(workspace).await?.into_iter().map(shown).collect())
    }

    /// Lets a public key count no longer, at once or after a while.
    pub async fn retire_key(
        &self,
        workspace_key: &str,
        kid: &str,
        after: Duration,
    ) -> Result<Retiring, EngineError> {
        let workspace = self.workspace_by_key(workspace_key).await?.workspace.id;
        let now = self.now();
        let done = self.store().retire_workspace_key(workspace, kid, now.plus(after), now).await?;
        self.forget_directory();
        Ok(done)
    }

    /// Keys of the workspaces that nobody can sign in to yet.
    pub async fn keyless_workspaces(&self) -> Result<Vec<String>, EngineError> {
        let now = self.now();
        let views = self.workspaces().await?;
        let keyless = views.iter().filter(|view| !view.has_key(now));
        let mut keys: Vec<_> = keyless.map(|view| view.workspace.key.clone()).collect();
        keys.sort_unstable();
        Ok(keys)
    }

    /// `2026-11-21-3f9a1c`: the day tells people which is the newer one.
    fn name_for_key(&self, now: Timestamp) -> String {
        let [one, two, three, ..] = self.entropy().bytes();
        let day = now.rfc3339();
        format!("{}-{one:02x}{two:02x}{three:02x}", day.get(..10).unwrap_or_default())
    }
}

fn shown(record: KeyRecord) -> KeyView {
    let kind = match &record.pem {
        None => "secret",
        Some(pem) => PublicKey::from_pem(None, pem).map_or("unreadable", |key| key.kind()),
    };
    KeyView {
        kid: record.kid,
        kind,
        of_file: record.of_file,
        created_at: record.created_at,
        last_used_at: record.last_used_at,
        retires_at: record.retires_at,
    }
}
