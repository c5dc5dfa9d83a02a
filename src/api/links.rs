//! `POST /links`

use std::time::Duration;

use axum::{Json, extract::State, http::StatusCode};
use serde_json::{Value, json};

use super::{body::Body, operation::Caller};
use crate::{
    engine::DesiredLink,
    http::{AppState, Refusal},
};

/// Makes a link that signs a customer in: `{url, expiresAt}`.
pub(super) async fn create(
    State(state): State<AppState>,
    Caller(access): Caller,
    body: Body,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let desired = DesiredLink {
        customer: body.text("customerId")?.flatten(),
        name: body.text("name")?.flatten(),
        integrations: body.texts("integrations")?.flatten(),
        life: life(body.value("expiresIn").flatten())?,
    };
    let link = state.engine.make_link(&access, desired).await?;
    Ok((StatusCode::CREATED, Json(json!({ "url": link.url, "expiresAt": link.expires_at }))))
}

/// Seconds, or a text such as `1h`.
fn life(given: Option<Value>) -> Result<Option<Duration>, Refusal> {
    let read = match &given {
        None => return Ok(None),
        Some(Value::Number(seconds)) => seconds.as_u64().map(Duration::from_secs),
        Some(Value::String(text)) => {
            text.parse().ok().map(Duration::from_secs).or_else(|| humantime::parse_duration(text).ok())
        }
        Some(_) => None,
    };
    let message = "This has to be whole seconds, or a text such as `30m`, `1h` or `7d`.";
    let wrong = || Refusal::invalid(vec![("expiresIn".to_owned(), message.to_owned())]);
    read.map(Some).ok_or_else(wrong)
}
