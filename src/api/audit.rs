//! `GET /audit`

use axum::{
    Json,
    extract::{Query, State},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    events::{cursor, page_size},
    operation::Caller,
    query::listed,
};
use crate::{
    http::{AppState, Refusal},
    model::{Action, AuditEntry, EventId},
    store::AuditFilter,
};

#[derive(Deserialize)]
pub(super) struct AuditQuery {
    cursor: Option<String>,
    limit: Option<String>,
    subject: Option<String>,
    action: Option<String>,
}

/// `{items, cursor?}`, newest first.
pub(super) async fn list(
    State(state): State<AppState>,
    Caller(access): Caller,
    Query(query): Query<AuditQuery>,
) -> Result<Json<Value>, Refusal> {
    let action = match query.action.as_deref().filter(|word| !word.is_empty()) {
        Some(word) => Some(Action::parse(word).ok_or_else(|| {
            Refusal::invalid(vec![("action".to_owned(), "There is no such action.".to_owned())])
        })?),
        None => None,
    };
    let filter = AuditFilter {
        subject: query.subject.filter(|subject| !subject.is_empty()),
        action,
        before: cursor(query.cursor.as_deref(), EventId::parse)?,
        limit: page_size(query.limit.as_deref())?,
    };
    let page = state.engine.audit(&access, &filter).await?;
    Ok(listed(page.items.iter().map(entry_json).collect(), filter.limit, "id"))
}

fn entry_json(entry: &AuditEntry) -> Value {
    json!({
        "id": entry.id,
        "createdAt": entry.created_at,
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "customerId": entry.customer,
        "detail": entry.detail,
    })
}
