//! `POST /connections/confirm`

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::{body::Body, operation::Caller};
use crate::{
    engine::{EngineError, Next, Outcome},
    http::{AppState, Refusal, way::way},
    model::{Access, Failure, FailureKey},
};

type Answer = Result<Json<Value>, Refusal>;

/// The backend's word: `{connection, redirectUrl}`, or `{redirectUrl}` when the customer has to choose first.
pub(super) async fn confirm(State(state): State<AppState>, Caller(access): Caller, body: Body) -> Answer {
    let confirmation = body.text("confirmation")?.flatten().unwrap_or_default();
    if confirmation.is_empty() {
        let message = "Send what came to your page as `confirmation`.";
        return Err(Refusal::invalid(vec![("confirmation".to_owned(), message.to_owned())]));
    }
    let customer = body.text("customerId")?.flatten();
    match state.engine.confirm(&access, &confirmation, customer.as_deref()).await? {
        Next::Done(outcome) => ended(&state, &access, &outcome),
        Next::Ask(ticket) => {
            let path = format!("/connect/continue/{}", ticket.expose());
            Ok(Json(json!({ "redirectUrl": absolute(&state, &path) })))
        }
        Next::Leave(_) | Next::Confirm(_) => Err(EngineError::NotOpen.into()),
    }
}

fn ended(state: &AppState, access: &Access, outcome: &Outcome) -> Answer {
    let onward = way(outcome).map(|way| absolute(state, &way));
    match (outcome.failure(), &outcome.connection) {
        (Some(failure), _) => Err(refusal(failure, onward)),
        (None, Some(connection)) => {
            let connection = state.connection_json(connection, &outcome.view, access)?;
            Ok(Json(json!({ "connection": connection, "redirectUrl": onward })))
        }
        (None, None) => Err(EngineError::NotFound("connection").into()),
    }
}

/// The browser may go where the failure is shown, unless it belongs to somebody else than the one who began.
fn refusal(failure: &Failure, onward: Option<String>) -> Refusal {
    let mut refusal = Refusal::from(failure.clone());
    if failure.key != FailureKey::WrongCustomer {
        refusal.data["redirectUrl"] = json!(onward);
    }
    refusal
}

fn absolute(state: &AppState, way: &str) -> String {
    let joined = state.engine.addresses().public_url.join(way);
    joined.map_or_else(|_| way.to_owned(), String::from)
}
