//! Page sessions, and the links that begin one.

use std::time::Duration;

use serde_json::to_string;
use sqlx::{Row as _, Sqlite, SqlitePool, Transaction};

use super::{
    super::{NewLink, NewSession, Result},
    customer::customer,
    readers::Readers,
    row,
};
use crate::model::{Aim, HandleHash, Session, Surface, Timestamp};

pub(super) async fn add_session(pool: &SqlitePool, session: &NewSession, now: Timestamp) -> Result<()> {
    sqlx::query(
        "insert into page_session (session_hash, workspace_id, customer_id, surface, integrations,
                                   sealed_parameters, aim, expires_at, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(session.hash.as_bytes().as_slice())
    .bind(session.workspace.to_string())
    .bind(session.customer.to_string())
    .bind(match session.surface {
        Surface::Page => "page",
        Surface::Embed => "embed",
    })
    .bind(session.integrations.as_ref().map(|keys| to_string(keys).expect("strings serialize")))
    .bind(&session.sealed_parameters)
    .bind((session.aim != Aim::default()).then(|| to_string(&session.aim).expect("texts serialize")))
    .bind(session.expires_at.millis())
    .bind(now.millis())
    .execute(pool)
    .await?;
    Ok(())
}

pub(super) async fn extend_session(
    pool: &SqlitePool,
    hash: HandleHash,
    until: Timestamp,
    longest: Duration,
    now: Timestamp,
) -> Result<Option<Timestamp>> {
    let changed = sqlx::query(
        "update page_session
         set expires_at = min($2, created_at + $3)
         where session_hash = $1
           and expires_at > $4
           and expires_at < min($2, created_at + $3)
         returning expires_at",
    )
    .bind(hash.as_bytes().as_slice())
    .bind(until.millis())
    .bind(i64::try_from(longest.as_millis()).unwrap_or(i64::MAX))
    .bind(now.millis())
    .fetch_optional(pool)
    .await?;
    changed.map(|row| row::time(&row, "expires_at")).transpose()
}

pub(super) async fn session(readers: &Readers, hash: HandleHash, now: Timestamp) -> Result<Option<Session>> {
    let found = sqlx::query(
        "select s.workspace_id, s.surface, s.integrations, s.sealed_parameters, s.aim, s.expires_at,
                c.id, c.internal_id, c.name, c.fields
         from page_session s
         join customer c on c.id = s.customer_id and c.workspace_id = s.workspace_id
         where s.session_hash = $1
           and s.expires_at > $2
           and c.archived_at is null",
    )
    .bind(hash.as_bytes().as_slice())
    .bind(now.millis())
    .fetch_optional(readers)
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
        sealed_parameters: row.try_get("sealed_parameters")?,
        aim: row::json_option(&row, "aim")?.unwrap_or_default(),
        is_admin: false,
        expires_at: row::time(&row, "expires_at")?,
    }))
}

pub(super) async fn add_link(pool: &SqlitePool, link: &NewLink, now: Timestamp) -> Result<()> {
    let mut tx = pool.begin_with("begin immediate").await?;
    if link.demo {
        sqlx::query("delete from link where demo = 1").execute(&mut *tx).await?;
    }
    insert_link(&mut tx, link, now).await?;
    tx.commit().await?;
    Ok(())
}

pub(super) async fn insert_link(
    tx: &mut Transaction<'_, Sqlite>,
    link: &NewLink,
    now: Timestamp,
) -> Result<()> {
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
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn link(readers: &Readers, hash: HandleHash, now: Timestamp) -> Result<Option<NewLink>> {
    let found = sqlx::query(
        "select workspace_id, customer_id, integrations, demo, expires_at
         from link
         where ticket_hash = $1
           and expires_at > $2",
    )
    .bind(hash.as_bytes().as_slice())
    .bind(now.millis())
    .fetch_optional(readers)
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
