//! The keys that verify a workspace's tokens, made and retired by whoever runs the server.

use async_trait::async_trait;

use super::Result;
use crate::model::{Timestamp, WorkspaceId};

/// A key on file.
pub struct KeyRecord {
    /// Row id.
    pub id: String,
    /// The name tokens may call it by.
    pub kid: Option<String>,
    /// The public key; none for a secret.
    pub pem: Option<String>,
    /// The configuration file owns it.
    pub of_file: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends, or ended.
    pub retires_at: Option<Timestamp>,
    /// When a token signed with it was last seen, for public keys.
    pub last_used_at: Option<Timestamp>,
}

/// A public key about to be kept.
pub struct NewKey<'a> {
    /// Row id.
    pub id: &'a str,
    /// Whose.
    pub workspace: WorkspaceId,
    /// The name tokens may call it by.
    pub kid: &'a str,
    /// The public key.
    pub pem: &'a str,
}

/// What became of retiring a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retiring {
    /// It counts until then.
    Until(Timestamp),
    /// It was over already.
    Over(Timestamp),
    /// It stands in the configuration file.
    OfFile,
    /// There is none.
    Unknown,
}

/// The keys of workspaces.
#[async_trait]
pub trait KeyStore {
    /// A workspace's keys, oldest first, retired ones too.
    async fn workspace_keys(&self, workspace: WorkspaceId) -> Result<Vec<KeyRecord>>;
    /// Keeps a public key. False when a key of the workspace has its name.
    async fn add_workspace_key(&self, new: &NewKey<'_>, now: Timestamp) -> Result<bool>;
    /// Lets a public key count until `at` and no longer.
    async fn retire_workspace_key(
        &self,
        workspace: WorkspaceId,
        kid: &str,
        at: Timestamp,
        now: Timestamp,
    ) -> Result<Retiring>;
    /// Notes when keys were last seen, by row id. An older time than the one that is known changes nothing.
    async fn note_key_use(&self, used: &[(String, Timestamp)]) -> Result<()>;
}
