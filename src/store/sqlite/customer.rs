//! Customers: made at first sight or by the backend, changed, archived and restored.

use async_trait::async_trait;
use serde_json::{Value, json, to_string};
use sqlx::{Row as _, Sqlite, Transaction, sqlite::SqliteRow};

use super::{
    super::{
        ArchivedCustomer, CustomerChange, CustomerFilter, CustomerName, CustomerRecord, CustomerStore,
        NewCustomer, NewLink, Page, Result, record::same_details,
    },
    SqliteStore, connection,
    journal::{Entry, note},
    row, session,
};
use crate::model::{
    Action, Actor, Connection, Customer, CustomerId, Scope, StoredCredential, Timestamp, WorkspaceId,
};

/// A customer's last activity is written down no more often than this, milliseconds.
const ACTIVITY_STEP: i64 = 60 * 60 * 1000;

/// Sorts after every id.
const BEHIND_ALL_IDS: &str = "~";

/// Columns of a customer.
macro_rules! customer_columns {
    () => {
        "id, internal_id, name, fields, meta, created_at, updated_at, last_active_at, archived_at"
    };
}

#[async_trait]
impl CustomerStore for SqliteStore {
    async fn ensure_customer(
        &self,
        seen: &Customer,
        workspace: WorkspaceId,
        now: Timestamp,
    ) -> Result<Option<Customer>> {
        let known = self.customer_record(workspace, CustomerName::InternalId(&seen.internal_id)).await?;
        if let Some(known) = known {
            if known.archived_at.is_some() {
                return Ok(None);
            }
            if same_details(&known.customer, seen) {
                self.note_activity(&known, now).await;
                return Ok(Some(known.customer));
            }
        }
        // Read to its end: the row comes before the commit, and the commit may fail.
        let rows = sqlx::query(
            "insert into customer (id, workspace_id, internal_id, name, fields, last_active_at,
                                   created_at, updated_at)
             values ($1, $2, $3, $4, $5, $6, $6, $6)
             on conflict (workspace_id, internal_id) do update
                set name = coalesce(excluded.name, name),
                    fields = case excluded.fields when '{}' then fields else excluded.fields end,
                    last_active_at = excluded.last_active_at,
                    updated_at = excluded.updated_at
                where archived_at is null
             returning id, internal_id, name, fields",
        )
        .bind(seen.id.to_string())
        .bind(workspace.to_string())
        .bind(&seen.internal_id)
        .bind(&seen.name)
        .bind(to_string(&seen.fields).expect("JSON serializes"))
        .bind(now.millis())
        .fetch_all(&self.writer)
        .await?;
        rows.first().map(customer).transpose()
    }

    async fn customer(&self, workspace: WorkspaceId, id: CustomerId) -> Result<Option<Customer>> {
        let known = self.customer_record(workspace, CustomerName::Id(id)).await?;
        Ok(known.map(|known| known.customer))
    }

    async fn customers(
        &self,
        workspace: WorkspaceId,
        filter: &CustomerFilter,
    ) -> Result<Page<CustomerRecord>> {
        let rows = sqlx::query(concat!(
            "select ",
            customer_columns!(),
            " from customer
              where workspace_id = $1
                and id < $2
                and ($3 is null or id = $3)
                and ($4 or archived_at is null)
                and ($5 is null
                     or instr(lower(coalesce(name, '')), lower($5)) > 0
                     or instr(lower(internal_id), lower($5)) > 0)
              order by id desc
              limit $6"
        ))
        .bind(workspace.to_string())
        .bind(filter.before.map_or(BEHIND_ALL_IDS.to_owned(), |id| id.to_string()))
        .bind(filter.only.map(|id| id.to_string()))
        .bind(filter.include_archived)
        .bind(&filter.search)
        .bind(i64::from(filter.limit) + 1)
        .fetch_all(&self.readers)
        .await?;
        let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
        Ok(Page {
            more: rows.len() > limit,
            items: rows.iter().take(limit).map(record).collect::<Result<_>>()?,
        })
    }

    async fn customer_record(
        &self,
        workspace: WorkspaceId,
        name: CustomerName<'_>,
    ) -> Result<Option<CustomerRecord>> {
        let by_id =
            concat!("select ", customer_columns!(), " from customer where workspace_id = $1 and id = $2");
        let by_internal_id = concat!(
            "select ",
            customer_columns!(),
            " from customer where workspace_id = $1 and internal_id = $2"
        );
        let (sql, named) = match name {
            CustomerName::Id(id) => (by_id, id.to_string()),
            CustomerName::InternalId(internal_id) => (by_internal_id, internal_id.to_owned()),
        };
        let row = sqlx::query(sql).bind(workspace.to_string()).bind(named).fetch_optional(&self.readers);
        row.await?.as_ref().map(record).transpose()
    }

    async fn add_customer(
        &self,
        new: &NewCustomer,
        by: Actor,
        now: Timestamp,
    ) -> Result<Option<CustomerRecord>> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        let row = sqlx::query(concat!(
            "insert into customer (id, workspace_id, internal_id, name, fields, meta, created_at, updated_at)
             values ($1, $2, $3, $4, $5, $6, $7, $7)
             on conflict (workspace_id, internal_id) do nothing
             returning ",
            customer_columns!()
        ))
        .bind(new.customer.id.to_string())
        .bind(new.workspace.to_string())
        .bind(&new.customer.internal_id)
        .bind(&new.customer.name)
        .bind(to_string(&new.customer.fields).expect("JSON serializes"))
        .bind(new.meta.as_ref().map(Value::to_string))
        .bind(now.millis())
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(None) };
        told(&mut tx, new.workspace, new.customer.id, by, Action::CustomerCreated, json!({}), now).await?;
        tx.commit().await?;
        record(&row).map(Some)
    }

    async fn change_customer(
        &self,
        workspace: WorkspaceId,
        id: CustomerId,
        change: &CustomerChange,
        by: Actor,
        now: Timestamp,
    ) -> Result<Option<CustomerRecord>> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        let row = sqlx::query(concat!(
            "update customer
             set name = case when $3 then $4 else name end,
                 fields = coalesce($5, fields),
                 meta = case when $6 then $7 else meta end,
                 updated_at = $8
             where workspace_id = $1
               and id = $2
             returning ",
            customer_columns!()
        ))
        .bind(workspace.to_string())
        .bind(id.to_string())
        .bind(change.name.is_some())
        .bind(change.name.clone().flatten())
        .bind(change.fields.as_ref().map(|fields| to_string(fields).expect("JSON serializes")))
        .bind(change.meta.is_some())
        .bind(change.meta.clone().flatten().map(|meta| meta.to_string()))
        .bind(now.millis())
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let detail = json!({ "changed": changed(change) });
        told(&mut tx, workspace, id, by, Action::CustomerUpdated, detail, now).await?;
        tx.commit().await?;
        record(&row).map(Some)
    }

    async fn archive_customer(
        &self,
        workspace: WorkspaceId,
        id: CustomerId,
        by: Actor,
        now: Timestamp,
    ) -> Result<Option<ArchivedCustomer>> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        let Some(known) = in_transaction(&mut tx, workspace, id).await? else { return Ok(None) };
        if known.archived_at.is_some() {
            return Ok(Some(ArchivedCustomer { record: known, ended: Vec::new() }));
        }
        sqlx::query("update customer set archived_at = $2, updated_at = $2 where id = $1")
            .bind(id.to_string())
            .bind(now.millis())
            .execute(&mut *tx)
            .await?;
        let ended = end_connections(&mut tx, workspace, id, by, now).await?;
        end_visits(&mut tx, id, now).await?;
        let detail = json!({ "connections": ended.len() });
        told(&mut tx, workspace, id, by, Action::CustomerArchived, detail, now).await?;
        tx.commit().await?;
        let record = CustomerRecord { archived_at: Some(now), updated_at: now, ..known };
        Ok(Some(ArchivedCustomer { record, ended }))
    }

    async fn restore_customer(
        &self,
        workspace: WorkspaceId,
        id: CustomerId,
        by: Actor,
        now: Timestamp,
    ) -> Result<Option<CustomerRecord>> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        let Some(known) = in_transaction(&mut tx, workspace, id).await? else { return Ok(None) };
        if known.archived_at.is_none() {
            return Ok(Some(known));
        }
        sqlx::query("update customer set archived_at = null, updated_at = $2 where id = $1")
            .bind(id.to_string())
            .bind(now.millis())
            .execute(&mut *tx)
            .await?;
        told(&mut tx, workspace, id, by, Action::CustomerRestored, json!({}), now).await?;
        tx.commit().await?;
        Ok(Some(CustomerRecord { archived_at: None, updated_at: now, ..known }))
    }

    async fn make_link(&self, link: &NewLink, by: Actor, now: Timestamp) -> Result<()> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        session::insert_link(&mut tx, link, now).await?;
        let detail = json!({ "expiresAt": link.expires_at, "integrations": link.integrations });
        told(&mut tx, link.workspace, link.customer, by, Action::LinkCreated, detail, now).await?;
        tx.commit().await?;
        Ok(())
    }
}

impl SqliteStore {
    /// Best effort: a disk that is full keeps nobody out whose token is good.
    async fn note_activity(&self, known: &CustomerRecord, now: Timestamp) {
        let is_recent = known.last_active_at.is_some_and(|last| now.millis() - last.millis() < ACTIVITY_STEP);
        if is_recent {
            return;
        }
        let noted = sqlx::query("update customer set last_active_at = $2 where id = $1")
            .bind(known.customer.id.to_string())
            .bind(now.millis())
            .execute(&self.writer)
            .await;
        if let Err(error) = noted {
            tracing::warn!(customer.id = %known.customer.id, %error, "When a customer was active is not noted");
        }
    }
}

/// Whether somebody archived this customer: nothing is made for them any more.
pub(super) async fn is_archived(tx: &mut Transaction<'_, Sqlite>, id: Option<CustomerId>) -> Result<bool> {
    let archived = sqlx::query("select 1 from customer where id = $1 and archived_at is not null")
        .bind(id.map(|id| id.to_string()))
        .fetch_optional(&mut **tx)
        .await?;
    Ok(archived.is_some())
}

async fn in_transaction(
    tx: &mut Transaction<'_, Sqlite>,
    workspace: WorkspaceId,
    id: CustomerId,
) -> Result<Option<CustomerRecord>> {
    let row = sqlx::query(concat!(
        "select ",
        customer_columns!(),
        " from customer where workspace_id = $1 and id = $2"
    ))
    .bind(workspace.to_string())
    .bind(id.to_string())
    .fetch_optional(&mut **tx)
    .await?;
    row.as_ref().map(record).transpose()
}

/// Archives every connection of a customer, as one by one.
async fn end_connections(
    tx: &mut Transaction<'_, Sqlite>,
    workspace: WorkspaceId,
    id: CustomerId,
    by: Actor,
    now: Timestamp,
) -> Result<Vec<(Connection, StoredCredential)>> {
    let rows = sqlx::query(concat!(
        "select ",
        row::connection_columns!(),
        " from connection
          where workspace_id = $1
            and customer_id = $2
            and state <> 'archived'
          order by id"
    ))
    .bind(workspace.to_string())
    .bind(id.to_string())
    .fetch_all(&mut **tx)
    .await?;
    let scope = Scope { workspace, customer: Some(id) };
    let mut ended = Vec::with_capacity(rows.len());
    for row in &rows {
        let connection = row::connection(row)?;
        if let Some(erased) = connection::end(tx, scope, connection.id, by, now).await? {
            ended.push((connection, erased));
        }
    }
    Ok(ended)
}

/// Ends page sessions, links and attempts, and what opens the product's own API.
async fn end_visits(tx: &mut Transaction<'_, Sqlite>, id: CustomerId, now: Timestamp) -> Result<()> {
    for statement in [
        "delete from page_session where customer_id = $1",
        "delete from link where customer_id = $1",
        "delete from app_credential where customer_id = $1",
    ] {
        sqlx::query(statement).bind(id.to_string()).execute(&mut **tx).await?;
    }
    // What waits for a choice holds tokens: it runs out now, so that the sweep gives them back.
    sqlx::query(
        "update attempt
         set expires_at = min(expires_at, $2),
             sealed_secret = case when ticket_hash is not null and state = 'consumed' then sealed_secret end,
             state_hash = null,
             confirmation_hash = null,
             updated_at = $2
         where customer_id = $1
           and state in ('pending', 'consumed')",
    )
    .bind(id.to_string())
    .bind(now.millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

fn changed(change: &CustomerChange) -> Vec<&'static str> {
    let parts = [
        ("name", change.name.is_some()),
        ("fields", change.fields.is_some()),
        ("meta", change.meta.is_some()),
    ];
    parts.into_iter().filter_map(|(name, is_changed)| is_changed.then_some(name)).collect()
}

async fn told(
    tx: &mut Transaction<'_, Sqlite>,
    workspace: WorkspaceId,
    id: CustomerId,
    by: Actor,
    action: Action,
    detail: Value,
    now: Timestamp,
) -> Result<()> {
    let subject = id.to_string();
    note(tx, &Entry { workspace, customer: Some(id), by, action, subject: &subject, detail }, now).await
}

pub(super) fn customer(row: &SqliteRow) -> Result<Customer> {
    Ok(Customer {
        id: row::customer_id(row, "id")?,
        internal_id: row.try_get("internal_id")?,
        name: row.try_get("name")?,
        fields: row::json(row, "fields")?,
    })
}

fn record(row: &SqliteRow) -> Result<CustomerRecord> {
    Ok(CustomerRecord {
        customer: customer(row)?,
        meta: row::json_option(row, "meta")?,
        created_at: row::time(row, "created_at")?,
        updated_at: row::time(row, "updated_at")?,
        last_active_at: row::time_option(row, "last_active_at")?,
        archived_at: row::time_option(row, "archived_at")?,
    })
}
