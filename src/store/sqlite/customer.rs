//! Customers, their page sessions and the links that begin one.

use serde_json::to_string;
use sqlx::{Row as _, SqlitePool, sqlite::SqliteRow};

use super::{
    super::{NewLink, NewSession, Result, record::same_details},
    row,
};
use crate::model::{Customer, CustomerId, HandleHash, Session, Surface, Timestamp, WorkspaceId};

pub(super) async fn ensure(
    readers: &SqlitePool,
    writer: &SqlitePool,
    seen: &Customer,
    workspace: WorkspaceId,
    now: Timestamp,
) -> Result<Customer> {
    let known = sqlx::query(
        "select id, internal_id, name, fields
         from customer
         where workspace_id = $1
           and internal_id = $2",
    )
    .bind(workspace.to_string())
    .bind(&seen.internal_id)
    .fetch_optional(readers)
    .await?;
    if let Some(row) = known {
        let known = customer(&row)?;
        if same_details(&known, seen) {
            return Ok(known);
        }
    }
    let row = sqlx::query(
        "insert into customer (id, workspace_id, internal_id, name, fields, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $6)
         on conflict (workspace_id, internal_id) do update
            set name = coalesce(excluded.name, name),
                fields = case excluded.fields when '{}' then fields else excluded.fields end,
                updated_at = excluded.updated_at
         returning id, internal_id, name, fields",
    )
    .bind(seen.id.to_string())
    .bind(workspace.to_string())
    .bind(&seen.internal_id)
    .bind(&seen.name)
    .bind(to_string(&seen.fields).expect("JSON serializes"))
    .bind(now.millis())
    .fetch_one(writer)
    .await?;
    customer(&row)
}

pub(super) async fn find(
    pool: &SqlitePool,
    workspace: WorkspaceId,
    id: CustomerId,
) -> Result<Option<Customer>> {
    sqlx::query("select id, internal_id, name, fields from customer where workspace_id = $1 and id = $2")
        .bind(workspace.to_string())
        .bind(id.to_string())
        .fetch_optional(pool)
        .await?
        .as_ref()
        .map(customer)
        .transpose()
}

fn customer(row: &SqliteRow) -> Result<Customer> {
    Ok(Customer {
        id: row::customer_id(row, "id")?,
        internal_id: row.try_get("internal_id")?,
        name: row.try_get("name")?,
        fields: row::json(row, "fields")?,
    })
}

pub(super) async fn add_session(pool: &SqlitePool, session: &NewSession, now: Timestamp) -> Result<()> {
    sqlx::query(
        "insert into page_session (session_hash, workspace_id, customer_id, surface, integrations,
                                   expires_at, created_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(session.hash.as_bytes().as_slice())
    .bind(session.workspace.to_string())
    .bind(session.customer.to_string())
    .bind(match session.surface {
        Surface::Page => "page",
        Surface::Embed => "embed",
    })
    .bind(session.integrations.as_ref().map(|keys| to_string(keys).expect("strings serialize")))
    .bind(session.expires_at.millis())
    .bind(now.millis())
    .execute(pool)
    .await?;
    Ok(())
}

pub(super) async fn session(pool: &SqlitePool, hash: HandleHash, now: Timestamp) -> Result<Option<Session>> {
    let found = sqlx::query(
        "select s.workspace_id, s.surface, s.integrations, s.expires_at,
                c.id, c.internal_id, c.name, c.fields
         from page_session s
         join customer c on c.id = s.customer_id and c.workspace_id = s.workspace_id
         where s.session_hash = $1
           and s.expires_at > $2",
    )
    .bind(hash.as_bytes().as_slice())
    .bind(now.millis())
    .fetch_optional(pool)
    .await?;
    let Some(row) = found else { return Ok(None) };
    Ok(Some(Session {
        workspace: row::workspace_id(&row, "workspace_id")?,
        customer: customer(&row)?,
        surface: match row.try_get::<&str, _>("surface")? {
            "embed" => Surface::Embed,
            _ => Surface::Page,
        },
        integrations: row::json_option(&row, "integrations")?,
        expires_at: row::time(&row, "expires_at")?,
    }))
}

pub(super) async fn add_link(pool: &SqlitePool, link: &NewLink, now: Timestamp) -> Result<()> {
    let mut tx = pool.begin_with("begin immediate").await?;
    if link.demo {
        sqlx::query("delete from link where demo = 1").execute(&mut *tx).await?;
    }
    sqlx::query(
        "insert into link (ticket_hash, workspace_id, customer_id, integrations, demo, expires_at, created_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(link.hash.as_bytes().as_slice())
    .bind(link.workspace.to_string())
    .bind(link.customer.to_string())
    .bind(link.integrations.as_ref().map(|keys| to_string(keys).expect("strings serialize")))
    .bind(link.demo)
    .bind(link.expires_at.millis())
    .bind(now.millis())
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}

pub(super) async fn link(pool: &SqlitePool, hash: HandleHash, now: Timestamp) -> Result<Option<NewLink>> {
    let found = sqlx::query(
        "select workspace_id, customer_id, integrations, demo, expires_at
         from link
         where ticket_hash = $1
           and expires_at > $2",
    )
    .bind(hash.as_bytes().as_slice())
    .bind(now.millis())
    .fetch_optional(pool)
    .await?;
    let Some(row) = found else { return Ok(None) };
    Ok(Some(NewLink {
        hash,
        workspace: row::workspace_id(&row, "workspace_id")?,
        customer: row::customer_id(&row, "customer_id")?,
        integrations: row::json_option(&row, "integrations")?,
        demo: row.try_get("demo")?,
        expires_at: row::time(&row, "expires_at")?,
    }))
}
