//! `GET /connections`

use axum::{
    Json,
    extract::{Query, State},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Caller, limit};
use crate::{
    http::{AppState, Refusal, wire::connection_json},
    model::ConnectionId,
    store::ConnectionFilter,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListQuery {
    search: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
    integration_id: Option<String>,
    integration_key: Option<String>,
    disconnected: Option<bool>,
}

/// `{items, cursor?}`, newest first, without archived ones.
pub(super) async fn list(
    State(state): State<AppState>,
    Caller(session): Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<Value>, Refusal> {
    let workspace = state.engine.workspace(session.workspace).await?;
    let selector = query.integration_key.or(query.integration_id);
    let integration =
        selector.map(|selector| workspace.integration(&selector).map(|view| view.integration.id));
    if integration == Some(None) {
        return Ok(Json(json!({ "items": [] })));
    }
    let filter = ConnectionFilter {
        integration: integration.flatten(),
        disconnected: query.disconnected,
        search: query.search.filter(|words| !words.is_empty()),
        before: query.cursor.as_deref().and_then(ConnectionId::parse),
        limit: u32::try_from(limit(query.limit.as_deref())?).unwrap_or(u32::MAX),
    };
    let page = state.engine.find_connections(&session, &filter).await?;
    let items: Vec<_> = page
        .items
        .iter()
        .map(|found| connection_json(&found.connection, &found.view, &session.customer))
        .collect();
    let mut answer = json!({ "items": items });
    if let Some(last) = page.items.last().filter(|_| page.more) {
        answer["cursor"] = json!(last.connection.id);
    }
    Ok(Json(answer))
}
