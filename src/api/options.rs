//! `POST /connection-options`: the ways to connect, as the SDKs ask for them before they open anything.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde_json::Value;

use super::{body::Body, operation::Caller};
use crate::{
    engine::{ConnectionView, EngineError, IntegrationView},
    http::{AppState, Refusal, auth_options::connection_parameters_schema},
    model::Access,
};

/// A bare list. The default carries no key: an SDK that was told no key takes the entry without one. For a
/// connection that is made again, that is its own.
pub(super) async fn list(
    State(state): State<AppState>,
    Caller(access): Caller,
    body: Body,
) -> Result<Json<Vec<Value>>, Refusal> {
    let (view, own) = selected(&state, &access, &body).await?;
    let mut options = options(&state, &view, own.as_deref());
    if access.is_backend {
        for option in &mut options {
            option["connectorParametersSchema"] = connection_parameters_schema(&view.connector);
        }
    }
    Ok(Json(options))
}

/// What is asked about, and the way that a connection has already.
async fn selected(
    state: &AppState,
    access: &Access,
    body: &Body,
) -> Result<(Arc<IntegrationView>, Option<String>), Refusal> {
    if let Some(connection) = first(body, &["connectionId", "connectionKey"])? {
        let ConnectionView { connection, view } = state.engine.connection_view(access, &connection).await?;
        return Ok((view, Some(connection.auth_option)));
    }
    if let Some(integration) = first(body, &["integrationId", "integrationKey"])? {
        return Ok((state.engine.integration(access, &integration).await?.0, None));
    }
    let message = "Which integration: its id or key, or `connectionId`, or `connectorId`.";
    let connector = first(body, &["connectorId", "connectorKey"])?
        .ok_or_else(|| EngineError::invalid("integrationId", message))?;
    let workspace = state.engine.workspace(access.workspace).await?;
    Ok((workspace.of_connector(&connector, |key| access.sees(key))?.clone(), None))
}

/// The first of these members that is there.
fn first(body: &Body, names: &[&str]) -> Result<Option<String>, Refusal> {
    for name in names {
        if let Some(text) = body.text(name)?.flatten().filter(|text| !text.is_empty()) {
            return Ok(Some(text));
        }
    }
    Ok(None)
}

fn options(state: &AppState, view: &IntegrationView, own: Option<&str>) -> Vec<Value> {
    let default = view.option(own).or_else(|| view.option(None)).map(|option| option.key.clone());
    let mut options: Vec<Value> = view.usable().map(|option| state.auth_option_json(view, option)).collect();
    // The default first, without its key.
    options.sort_by_key(|option| option["key"].as_str() != default.as_deref());
    if let Some(first) = options.first_mut().and_then(Value::as_object_mut) {
        first.remove("key");
    }
    options
}
