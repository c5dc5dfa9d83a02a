//! `POST /connections/{sel}/refresh-credentials` and `POST /connections/{sel}/test`

use axum::{
    Json,
    extract::{Path, State},
};
use serde_json::{Value, json};

use super::operation::Caller;
use crate::{
    engine::{CheckError, ConnectionView, RefreshError},
    http::{AppState, Refusal},
};

/// Renews the credentials now; answers with the connection.
pub(super) async fn refresh_credentials(
    State(state): State<AppState>,
    Caller(access): Caller,
    Path(selector): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let ConnectionView { view, .. } = state.engine.connection_view(&access, &selector).await?;
    let renewed = state.engine.refresh_credentials(&access, &selector).await;
    let ConnectionView { connection, view } = renewed.map_err(|error| refused(error, &view.name))?;
    Ok(Json(state.connection_json(&connection, &view, &access)?))
}

/// `{ok, account?, error?}`: whether the provider takes the credentials, asked now.
pub(super) async fn test(
    State(state): State<AppState>,
    Caller(access): Caller,
    Path(selector): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let ConnectionView { connection, view } = state.engine.connection_view(&access, &selector).await?;
    if !view.can_test(&connection) {
        let message = format!("{} has no call to test a connection with.", view.name);
        return Err(Refusal::bad_request("no_test", message));
    }
    let refusal = match state.engine.check(access.scope(), connection.id).await {
        Ok(account) => return Ok(Json(json!({ "ok": true, "account": account }))),
        Err(CheckError::Credential(error @ (RefreshError::NotFound | RefreshError::Engine(_)))) => {
            return Err(error.into());
        }
        Err(CheckError::Credential(error)) => refused(error, &view.name),
        Err(CheckError::Refused(failure)) => (*failure).into(),
    };
    Ok(Json(json!({ "ok": false, "error": refusal.body() })))
}

/// With the app's own name in what a person reads.
pub(super) fn refused(error: RefreshError, app: &str) -> Refusal {
    match error {
        RefreshError::Disconnected(reason) => Refusal::disconnected(reason, app),
        error => error.into(),
    }
}
