//! `POST /connect/cancel`

use axum::{extract::State, http::StatusCode};

use super::{body::Body, operation::Caller};
use crate::{
    engine::REQUEST_ID_MAX,
    http::{AppState, Refusal},
};

/// Ends what this customer began under `requestId`. For what has ended, or never began, nothing is done.
pub(super) async fn cancel(
    State(state): State<AppState>,
    Caller(access): Caller,
    body: Body,
) -> Result<StatusCode, Refusal> {
    let request_id = body.text("requestId")?.flatten().unwrap_or_default();
    if request_id.is_empty() || request_id.len() > REQUEST_ID_MAX {
        let message = format!("Say which attempt, in at most {REQUEST_ID_MAX} bytes.");
        return Err(Refusal::invalid(vec![("requestId".to_owned(), message)]));
    }
    state.engine.cancel(access.scope(), &request_id).await?;
    Ok(StatusCode::NO_CONTENT)
}
