//! `POST /connection-options`: the ways to connect, as the SDKs ask for them before they open anything.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde_json::Value;

use super::{body::Body, operation::Caller};
use crate::{
    engine::{EngineError, IntegrationView},
    http::{AppState, Refusal, auth_options::connection_parameters_schema},
    model::Access,
};

/// Longer than any id or key.
const NAME_MAX: usize = 256;

/// A bare list. The default carries no key: an SDK that was told no key takes the entry without one. For a
/// connection that is made again, that is its own. Whoever names an option finds it by its key.
///
/// An option that is not there and connector parameters that could not be used are refused here, before a
/// window opens.
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
    let named = body.text("authOptionKey")?.flatten();
    let given = body.object("connectorParameters")?.flatten();
    state.engine.check_start(&access, &view, named.as_deref(), given.as_ref()).await?;
    if let (Some(named), Some(default)) = (named, options.first_mut())
        && view.option(own.as_deref()).or_else(|| view.option(None)).is_some_and(|option| option.key == named)
    {
        default["key"] = named.into();
    }
    Ok(Json(options))
}

/// What is asked about, and the way that a connection has already. A connection says more than an
/// integration that is named beside it, and that more than a connector.
async fn selected(
    state: &AppState,
    access: &Access,
    body: &Body,
) -> Result<(Arc<IntegrationView>, Option<String>), Refusal> {
    let connection = first(body, ["connectionId", "connectionKey"])?;
    let integration = first(body, ["integrationId", "integrationKey"])?;
    let connector = first(body, ["connectorId", "connectorKey"])?;
    match (connection, integration, connector) {
        (Some(connection), _, _) => {
            let found = state.engine.connection_view(access, &connection).await?;
            Ok((found.view, Some(found.connection.auth_option)))
        }
        (None, Some(integration), _) => Ok((state.engine.integration(access, &integration).await?.0, None)),
        (None, None, Some(connector)) => {
            let workspace = state.engine.workspace(access.workspace).await?;
            Ok((workspace.of_connector(&connector, |key| access.sees(key))?.clone(), None))
        }
        (None, None, None) => {
            let message = "Which integration: its id or key, or `connectionId`, or `connectorId`.";
            Err(EngineError::invalid("integrationId", message).into())
        }
    }
}

/// The first of two members that is there; each has to be something that names a thing.
fn first(body: &Body, names: [&str; 2]) -> Result<Option<String>, Refusal> {
    let mut found = None;
    for name in names {
        let text = body.text(name)?.flatten().filter(|text| !text.is_empty());
        if text.as_ref().is_some_and(|text| text.len() > NAME_MAX) {
            let message = format!("An id or key has at most {NAME_MAX} bytes.");
            return Err(EngineError::invalid(name, message).into());
        }
        found = found.or(text);
    }
    Ok(found)
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
