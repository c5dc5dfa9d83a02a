//! `POST /connection-options`: the ways to connect, as the SDKs ask for them before they open anything.

use axum::{Json, extract::State};
use serde_json::Value;

use super::{body::Body, operation::Caller};
use crate::{
    engine::{ConnectionView, EngineError, IntegrationView},
    http::{AppState, Refusal, auth_options::connection_parameters_schema},
};

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
    let connection = body.text("connectionId")?.flatten();
    let key = body.text("integrationKey")?.flatten();
    let selector = body.text("integrationId")?.flatten().or(key);
    let (view, own) = match (connection, selector) {
        (Some(connection), _) => {
            let ConnectionView { connection, view } =
                state.engine.connection_view(&access, &connection).await?;
            (view, Some(connection.auth_option))
        }
        (None, Some(selector)) => (state.engine.integration(&access, &selector).await?.0, None),
        (None, None) => {
            let message = "Which integration: its id or key, or `connectionId`.";
            return Err(EngineError::invalid("integrationId", message).into());
        }
    };
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
