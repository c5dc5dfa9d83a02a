//! Connections as their owners keep them: found by their own key, changed, imported, read out.

use async_trait::async_trait;
use serde_json::{Value, json, to_string};
use sqlx::{Row as _, Sqlite, Transaction};

use super::{
    super::{
        ChangedConnection, ConnectionChange, ConnectionStore, CredentialChange, Imported, ImportedConnection,
        ParameterChange, Result, StoreError,
    },
    SqliteStore, complete,
    journal::note_connection,
    row::{self, connection_columns},
};
use crate::model::{Action, Actor, Connection, ConnectionId, Scope, StoredCredential, Timestamp};

#[async_trait]
impl ConnectionStore for SqliteStore {
    async fn connections_by_key(&self, scope: Scope, key: &str) -> Result<Vec<Connection>> {
        let of_workspace = concat!(
            "select ",
            connection_columns!(),
            " from connection indexed by connection_key
              where workspace_id = $1
                and key = $2
                and state <> 'archived'
              limit 2"
        );
        let of_customer = concat!(
            "select ",
            connection_columns!(),
            " from connection indexed by connection_key
              where workspace_id = $1
                and key = $2
                and customer_id = $3
                and state <> 'archived'
              limit 2"
        );
        let query = match scope.customer {
            None => sqlx::query(of_workspace).bind(scope.workspace.to_string()).bind(key),
            Some(customer) => sqlx::query(of_customer)
                .bind(scope.workspace.to_string())
                .bind(key)
                .bind(customer.to_string()),
        };
        query.fetch_all(&self.readers).await?.iter().map(row::connection).collect()
    }

    async fn change_connection(
        &self,
        scope: Scope,
        id: ConnectionId,
        change: &ConnectionChange,
        by: Actor,
        now: Timestamp,
    ) -> Result<ChangedConnection> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        let Some(before) = live(&mut tx, scope, id).await? else { return Ok(ChangedConnection::Gone) };
        if let Some(parameters) = &change.parameters
            && !set_parameters(&mut tx, id, parameters).await?
        {
            return Ok(ChangedConnection::Moved);
        }
        if let Some(credential) = &change.credential {
            if is_other_account(&before, credential) {
                return Ok(ChangedConnection::OtherAccount);
            }
            if !set_credential(&mut tx, id, credential).await? {
                return Ok(ChangedConnection::Moved);
            }
        }
        match set_texts(&mut tx, id, change, now).await {
            Ok(()) => {}
            Err(StoreError::Conflict(_)) => return Ok(ChangedConnection::KeyTaken),
            Err(error) => return Err(error),
        }
        let action = match &change.credential {
            Some(_) => Action::ConnectionReconnected,
            None => Action::ConnectionUpdated,
        };
        note_connection(&mut tx, id, by, action, json!({ "changed": names(change) }), now).await?;
        let connection = complete::placed(&mut tx, id).await?;
        tx.commit().await?;
        Ok(ChangedConnection::Changed(Box::new(connection)))
    }

    async fn import_connection(
        &self,
        import: &ImportedConnection<'_>,
        by: Actor,
        now: Timestamp,
    ) -> Result<Imported> {
        complete::import(&self.writer, import, by, now).await
    }

    async fn read_credential(
        &self,
        scope: Scope,
        id: ConnectionId,
        by: Actor,
        now: Timestamp,
    ) -> Result<Option<StoredCredential>> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        if live(&mut tx, scope, id).await?.is_none() {
            return Ok(None);
        }
        let found = sqlx::query(
            "select sealed_credentials, credential_version, expires_at, refresh_sent_version
             from connection
             where id = $1",
        )
        .bind(id.to_string())
        .fetch_one(&mut *tx)
        .await?;
        let Some(stored) = row::credential(&found)? else { return Ok(None) };
        let detail = json!({ "version": found.try_get::<i64, _>("credential_version")? });
        note_connection(&mut tx, id, by, Action::CredentialsRead, detail, now).await?;
        tx.commit().await?;
        Ok(Some(stored))
    }
}

async fn live(
    tx: &mut Transaction<'_, Sqlite>,
    scope: Scope,
    id: ConnectionId,
) -> Result<Option<Connection>> {
    let found = sqlx::query(concat!(
        "select ",
        connection_columns!(),
        " from connection
          where id = $1
            and workspace_id = $2
            and ($3 is null or customer_id = $3)
            and state <> 'archived'"
    ))
    .bind(id.to_string())
    .bind(scope.workspace.to_string())
    .bind(scope.customer.map(|id| id.to_string()))
    .fetch_optional(&mut **tx)
    .await?;
    found.as_ref().map(row::connection).transpose()
}

fn is_other_account(before: &Connection, credential: &CredentialChange) -> bool {
    let both = before.account.as_ref().zip(credential.account.as_ref());
    both.is_some_and(|(before, now)| before.id != now.id)
}

/// False when they are others than the change was made out of.
async fn set_parameters(
    tx: &mut Transaction<'_, Sqlite>,
    id: ConnectionId,
    change: &ParameterChange,
) -> Result<bool> {
    let (plain, sealed) = &change.before;
    let done = sqlx::query(
        "update connection
         set connector_parameters = $4,
             sealed_parameters = $5
         where id = $1
           and connector_parameters = $2
           and sealed_parameters is $3",
    )
    .bind(id.to_string())
    .bind(to_string(plain).expect("JSON serializes"))
    .bind(sealed)
    .bind(to_string(&change.plain).expect("JSON serializes"))
    .bind(&change.sealed)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// False when the version moved on.
async fn set_credential(
    tx: &mut Transaction<'_, Sqlite>,
    id: ConnectionId,
    change: &CredentialChange,
) -> Result<bool> {
    let done = sqlx::query(
        "update connection
         set auth_option = $3,
             state = 'ready',
             reason = null,
             input = $4,
             account_id = coalesce($5, account_id),
             account_label = case when $5 is null then account_label else $6 end,
             sealed_credentials = $7,
             credential_version = credential_version + 1,
             expires_at = $8,
             refresh_at = $9,
             refresh_sent_version = null,
             refresh_owner = null,
             refresh_until = null,
             refresh_tried_at = null,
             refresh_unreported = 0,
             retry_attempts = 0
         where id = $1
           and credential_version = $2",
    )
    .bind(id.to_string())
    .bind(change.from)
    .bind(&change.auth_option)
    .bind(to_string(&change.input).expect("strings serialize"))
    .bind(change.account.as_ref().map(|account| &account.id))
    .bind(change.account.as_ref().and_then(|account| account.label.as_ref()))
    .bind(&change.sealed)
    .bind(change.expires_at.map(Timestamp::millis))
    .bind(change.refresh_at.map(Timestamp::millis))
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

async fn set_texts(
    tx: &mut Transaction<'_, Sqlite>,
    id: ConnectionId,
    change: &ConnectionChange,
    now: Timestamp,
) -> Result<()> {
    sqlx::query(
        "update connection
         set name = case when $2 then $3 else name end,
             key = case when $4 then $5 else key end,
             meta = case when $6 then $7 else meta end,
             updated_at = $8
         where id = $1",
    )
    .bind(id.to_string())
    .bind(change.name.is_some())
    .bind(change.name.as_ref().and_then(Option::as_ref))
    .bind(change.key.is_some())
    .bind(change.key.as_ref().and_then(Option::as_ref))
    .bind(change.meta.is_some())
    .bind(change.meta.as_ref().and_then(Option::as_ref).map(Value::to_string))
    .bind(now.millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// What was changed, by its names on the wire.
fn names(change: &ConnectionChange) -> Vec<&'static str> {
    let all = [
        ("name", change.name.is_some()),
        ("key", change.key.is_some()),
        ("meta", change.meta.is_some()),
        ("connectorParameters", change.parameters.is_some()),
        ("credentials", change.credential.is_some()),
    ];
    all.into_iter().filter_map(|(name, is_changed)| is_changed.then_some(name)).collect()
}
