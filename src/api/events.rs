//! `/events`, `/deliveries` and `POST /connections/{sel}/events`

use axum::{
    Json,
    extract::{Path, Query, State},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{body::Body, limit, operation::Caller, query::listed};
use crate::{
    http::{AppState, Refusal},
    model::{ConnectionId, Delivery, DeliveryId, DeliveryState, Event, EventId, WebhookId},
    store::{DeliveryFilter, EventFilter},
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventsQuery {
    cursor: Option<String>,
    limit: Option<String>,
    connection_id: Option<String>,
    r#type: Option<String>,
}

/// `{items, cursor?}`, newest first.
pub(super) async fn list(
    State(state): State<AppState>,
    Caller(access): Caller,
    Query(query): Query<EventsQuery>,
) -> Result<Json<Value>, Refusal> {
    let connection = query.connection_id.as_deref().filter(|id| !id.is_empty());
    let filter = EventFilter {
        connection: connection.and_then(ConnectionId::parse),
        kind: query.r#type.filter(|kind| !kind.is_empty()),
        before: cursor(query.cursor.as_deref(), EventId::parse)?,
        limit: page_size(query.limit.as_deref())?,
    };
    if connection.is_some() && filter.connection.is_none() {
        return Ok(listed(Vec::new(), filter.limit, "id"));
    }
    let page = state.engine.events(&access, &filter).await?;
    let mut items = Vec::new();
    for event in &page.items {
        items.push(event_json(&state, event).await);
    }
    Ok(listed(items, filter.limit, "id"))
}

/// One event.
pub(super) async fn get(
    State(state): State<AppState>,
    Caller(access): Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let event = state.engine.event(&access, &id).await?;
    Ok(Json(event_json(&state, &event).await))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeliveriesQuery {
    cursor: Option<String>,
    limit: Option<String>,
    state: Option<String>,
    webhook_id: Option<String>,
}

/// Deliveries of one event, `{items, cursor?}`, newest first.
pub(super) async fn deliveries_of(
    State(state): State<AppState>,
    Caller(access): Caller,
    Path(id): Path<String>,
    Query(query): Query<DeliveriesQuery>,
) -> Result<Json<Value>, Refusal> {
    let event = state.engine.event(&access, &id).await?;
    let filter = DeliveryFilter { event: Some(event.id), ..delivery_filter(&query)? };
    let page = state.engine.deliveries(&access, &filter).await?;
    Ok(listed(page.items.iter().map(delivery_json).collect(), filter.limit, "id"))
}

/// Deliveries of all events, `{items, cursor?}`, newest first.
pub(super) async fn deliveries(
    State(state): State<AppState>,
    Caller(access): Caller,
    Query(query): Query<DeliveriesQuery>,
) -> Result<Json<Value>, Refusal> {
    let filter = delivery_filter(&query)?;
    let page = state.engine.deliveries(&access, &filter).await?;
    Ok(listed(page.items.iter().map(delivery_json).collect(), filter.limit, "id"))
}

/// Sends an event again: `{webhookId?}`. Answers how many deliveries begin anew.
pub(super) async fn redeliver(
    State(state): State<AppState>,
    Caller(access): Caller,
    Path(id): Path<String>,
    body: Body,
) -> Result<Json<Value>, Refusal> {
    let webhook = body.text("webhookId")?.flatten();
    let deliveries = state.engine.redeliver(&access, &id, webhook.as_deref()).await?;
    Ok(Json(json!({ "deliveries": deliveries })))
}

/// `{type: "IMPORT_DONE"}`: the backend finished the first import of a connection.
pub(super) async fn report(
    State(state): State<AppState>,
    Caller(access): Caller,
    Path(selector): Path<String>,
    body: Body,
) -> Result<Json<Value>, Refusal> {
    if body.text("type")?.flatten().as_deref() != Some("IMPORT_DONE") {
        return Err(Refusal::invalid(vec![("type".to_owned(), "This has to be `IMPORT_DONE`.".to_owned())]));
    }
    let event = state.engine.report_import_done(&access, &selector).await?;
    Ok(Json(event_json(&state, &event).await))
}

/// An event as webhooks are told it, with its id.
pub(super) async fn event_json(state: &AppState, event: &Event) -> Value {
    let mut json = state.engine.event_body(event).await;
    json["id"] = json!(event.id);
    json
}

fn delivery_json(delivery: &Delivery) -> Value {
    json!({
        "id": delivery.id,
        "eventId": delivery.event,
        "webhookId": delivery.webhook,
        "state": delivery.state.as_str(),
        "attempts": delivery.attempts,
        "nextAttemptAt": delivery.next_at,
        "lastStatus": delivery.last_status,
        "lastError": delivery.last_error.map(|error| error.as_str()),
        "deliveredAt": delivery.delivered_at,
        "createdAt": delivery.created_at,
        "updatedAt": delivery.updated_at,
    })
}

fn delivery_filter(query: &DeliveriesQuery) -> Result<DeliveryFilter, Refusal> {
    let wrong = |name: &str, message: &str| Refusal::invalid(vec![(name.to_owned(), message.to_owned())]);
    let state = match query.state.as_deref().filter(|word| !word.is_empty()) {
        Some(word) => Some(
            DeliveryState::parse(word)
                .ok_or_else(|| wrong("state", "This has to be `pending`, `delivered` or `dead`."))?,
        ),
        None => None,
    };
    let webhook = match query.webhook_id.as_deref().filter(|id| !id.is_empty()) {
        Some(id) => Some(WebhookId::parse(id).ok_or_else(|| wrong("webhookId", "This is no id."))?),
        None => None,
    };
    Ok(DeliveryFilter {
        event: None,
        webhook,
        state,
        before: cursor(query.cursor.as_deref(), DeliveryId::parse)?,
        limit: page_size(query.limit.as_deref())?,
    })
}

/// Where a page begins: behind the item that the last page ended with. `0` is the beginning.
pub(super) fn cursor<T>(
    given: Option<&str>,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Refusal> {
    let Some(text) = given.filter(|text| !text.is_empty() && *text != "0") else { return Ok(None) };
    let refused = || Refusal::bad_request("invalid_cursor", "`cursor` has to come from the page before.");
    parse(text).map(Some).ok_or_else(refused)
}

pub(super) fn page_size(given: Option<&str>) -> Result<u32, Refusal> {
    Ok(u32::try_from(limit(given)?).unwrap_or(u32::MAX))
}
