//! `GET /integrations/{sel}/connector-spec`: what the older SDK reads before it connects.

use axum::{
    Json,
    extract::{Path, State},
};
use serde_json::{Map, Value, json};

use super::operation::Caller;
use crate::http::{AppState, Refusal, auth_options::parameters_schema};

/// The default option's handler, and every option's under its key.
pub(super) async fn find(
    State(state): State<AppState>,
    Caller(access): Caller,
    Path(selector): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let (view, _) = state.engine.integration(&access, &selector).await?;
    let options: Map<String, Value> =
        view.usable().map(|option| (option.key.clone(), state.auth_option_json(&view, option))).collect();
    let mut auth = view.option(None).map(|option| state.auth_option_json(&view, option)).unwrap_or(json!({}));
    let input_schema = auth["inputSchema"].clone();
    auth["options"] = Value::Object(options);
    let mut spec = json!({
        "key": view.connector.key,
        "name": view.connector.name,
        "logoUri": state.logo_uri(&view),
        "auth": auth,
        "inputSchema": input_schema,
    });
    if access.is_backend {
        spec["parametersSchema"] = parameters_schema(&view.connector);
    }
    Ok(Json(spec))
}
