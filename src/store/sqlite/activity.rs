//! When connections were last called through.

use async_trait::async_trait;
use serde_json::json;

use super::SqliteStore;
use crate::{
    model::{ConnectionId, Timestamp},
    store::{ActivityStore, Result},
};

#[async_trait]
impl ActivityStore for SqliteStore {
    async fn note_active(&self, connections: &[(ConnectionId, Timestamp)]) -> Result<()> {
        let pairs: Vec<_> = connections.iter().map(|(id, at)| json!([id, at.millis()])).collect();
        sqlx::query(
            "update connection
             set last_active_at = noted.value ->> 1
             from json_each($1) as noted
             where connection.id = noted.value ->> 0
             and (last_active_at is null or last_active_at < noted.value ->> 1)",
        )
        .bind(json!(pairs).to_string())
        .execute(&self.writer)
        .await?;
        Ok(())
    }
}
