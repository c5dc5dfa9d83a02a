//! `/webhooks`

use std::time::Duration;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde_json::{Value, json};

use super::{body::Body, events::event_json, operation::Caller};
use crate::{
    engine::{DesiredWebhook, OVERLAP_DEFAULT, OVERLAP_MAX, WebhookError, overlaps},
    http::{AppState, Refusal},
    model::{Secret, Target, Webhook},
    store::WebhookPatch,
};

/// `{items}`, newest first: there are never many.
pub(super) async fn list(
    State(state): State<AppState>,
    Caller(access): Caller,
) -> Result<Json<Value>, Refusal> {
    let webhooks = state.engine.webhooks(&access).await?;
    let items: Vec<_> = webhooks.iter().map(|webhook| webhook_json(&state, webhook)).collect();
    Ok(Json(json!({ "items": items })))
}

/// One webhook, without its secret.
pub(super) async fn get(
    State(state): State<AppState>,
    Caller(access): Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    Ok(Json(webhook_json(&state, &state.engine.webhook(&access, &id).await?)))
}

/// `{url | yourApp, events?, secret?}`. The answer alone holds the secret.
pub(super) async fn create(
    State(state): State<AppState>,
    Caller(access): Caller,
    body: Body,
) -> Result<Json<Value>, Refusal> {
    let desired = DesiredWebhook {
        target: target(&body)?.ok_or_else(|| wrong("url", "This is required."))?,
        events: body.texts("events")?.flatten(),
        secret: body.text("secret")?.flatten().map(Secret::new),
    };
    let is_url = matches!(desired.target, Target::Url(_));
    let made = state.engine.add_webhook(&access, desired).await;
    let (webhook, secret) = made.map_err(|error| refused(error, is_url))?;
    Ok(Json(with_secret(webhook_json(&state, &webhook), &secret)))
}

/// `{url | yourApp, events}`: what is absent stays; `events: null` means all.
pub(super) async fn change(
    State(state): State<AppState>,
    Caller(access): Caller,
    Path(id): Path<String>,
    body: Body,
) -> Result<Json<Value>, Refusal> {
    let patch = WebhookPatch { target: target(&body)?, events: body.texts("events")? };
    let is_url = !matches!(patch.target, Some(Target::YourApp(_)));
    let changed = state.engine.change_webhook(&access, &id, patch).await;
    Ok(Json(webhook_json(&state, &changed.map_err(|error| refused(error, is_url))?)))
}

/// Nothing is sent to it any more.
pub(super) async fn remove(
    State(state): State<AppState>,
    Caller(access): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    state.engine.remove_webhook(&access, &id).await.map_err(|error| refused(error, true))?;
    Ok(StatusCode::NO_CONTENT)
}

/// `{overlap?}` in seconds. The answer alone holds the new secret.
pub(super) async fn rotate_secret(
    State(state): State<AppState>,
    Caller(access): Caller,
    Path(id): Path<String>,
    body: Body,
) -> Result<Json<Value>, Refusal> {
    let overlap = body.whole("overlap")?.flatten().map_or(OVERLAP_DEFAULT, Duration::from_secs);
    if overlap > OVERLAP_MAX {
        let message = format!("This has to be a number of seconds from 0 to {}.", OVERLAP_MAX.as_secs());
        return Err(wrong("overlap", &message));
    }
    let rotated = state.engine.rotate_webhook_secret(&access, &id, overlap).await;
    let (webhook, secret) = rotated.map_err(|error| refused(error, true))?;
    Ok(Json(with_secret(webhook_json(&state, &webhook), &secret)))
}

/// Sends it an event of type `webhook.test`; answers with the event.
pub(super) async fn test(
    State(state): State<AppState>,
    Caller(access): Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let event = state.engine.test_webhook(&access, &id).await?;
    Ok(Json(event_json(&state, &event).await))
}

fn webhook_json(state: &AppState, webhook: &Webhook) -> Value {
    let mut json = json!({
        "id": webhook.id,
        "events": webhook.events,
        "origin": if webhook.from_file { "file" } else { "api" },
        "createdAt": webhook.created_at,
        "updatedAt": webhook.updated_at,
    });
    match &webhook.target {
        Target::Url(url) => json["url"] = json!(url),
        Target::YourApp(path) => json["yourApp"] = json!(path),
    }
    if let Some(until) = overlaps(webhook, state.engine.clock().now()) {
        json["previousSecretUntil"] = json!(until);
    }
    json
}

fn with_secret(mut json: Value, secret: &Secret<String>) -> Value {
    json["secret"] = json!(secret.expose());
    json
}

fn target(body: &Body) -> Result<Option<Target>, Refusal> {
    match (body.text("url")?.flatten(), body.text("yourApp")?.flatten()) {
        (Some(_), Some(_)) => Err(wrong("yourApp", "Give either `url` or `yourApp`.")),
        (Some(url), None) => Ok(Some(Target::Url(url))),
        (None, Some(path)) => Ok(Some(Target::YourApp(path))),
        (None, None) => Ok(None),
    }
}

fn refused(error: WebhookError, is_url: bool) -> Refusal {
    let message = sentence(&error.to_string());
    let conflict =
        |reason| Refusal { status: StatusCode::CONFLICT, ..Refusal::bad_request(reason, message.clone()) };
    match error {
        WebhookError::Target(_) if is_url => wrong("url", &message),
        WebhookError::Target(_) => wrong("yourApp", &message),
        WebhookError::UnknownEvent { place, .. } => wrong(&format!("events[{place}]"), &message),
        WebhookError::NoEvents => wrong("events", &message),
        WebhookError::Secret(_) => wrong("secret", &message),
        WebhookError::TooMany(_) => conflict("too_many_webhooks"),
        WebhookError::FromFile => conflict("owned_by_file"),
        WebhookError::Engine(error) => error.into(),
    }
}

fn wrong(name: &str, message: &str) -> Refusal {
    Refusal::invalid(vec![(name.to_owned(), message.to_owned())])
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().map(|letter| letter.to_uppercase().collect()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}
