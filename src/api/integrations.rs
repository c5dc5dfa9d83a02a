//! `GET /integrations`

use axum::{
    Json,
    extract::{Query, State},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Caller, limit};
use crate::{
    engine::IntegrationQuery,
    http::{AppState, Refusal},
};

/// Unknown parameters are ignored: the public React hooks send a `hash` of their own.
#[derive(Deserialize)]
pub(super) struct ListQuery {
    search: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

/// `{items, cursor?}`, each with this customer's connection.
pub(super) async fn list(
    State(state): State<AppState>,
    Caller(session): Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<Value>, Refusal> {
    let wanted = IntegrationQuery {
        search: query.search,
        category: None,
        cursor: query.cursor,
        limit: limit(query.limit.as_deref())?,
        connected_first: false,
    };
    let page = state.engine.find_integrations(&session, &wanted).await?;
    let items: Vec<_> = page.items.iter().map(|item| state.integration_json(item, &session)).collect();
    let mut answer = json!({ "items": items });
    if let Some(cursor) = page.next {
        answer["cursor"] = cursor.into();
    }
    Ok(Json(answer))
}
