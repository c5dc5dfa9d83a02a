//! `/integrations`: listed and read by everybody, made and changed by the backend.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde_json::{Map, Value};

use super::{
    body::{Body, Member},
    operation::Caller,
    query::{Asked, listed},
};
use crate::{
    engine::{
        EngineError, IntegrationChange, IntegrationQuery, IntegrationView, NewConnector, NewIntegration,
        ParametersGiven,
    },
    http::{AppState, Refusal},
    model::{Access, Secret},
};

type Answer = Result<Json<Value>, Refusal>;

/// What `PATCH` may change.
const WRITABLE: [&str; 8] =
    ["name", "description", "logoUri", "featured", "isTest", "oAuthCallbackUri", "parameters", "meta"];
/// What it may change of `parameters`.
const PARAMETERS: [&str; 4] = ["clientId", "clientSecret", "scopes", "connectorParameters"];

/// `{items, cursor?}`, each with this customer's connection.
pub(super) async fn list(State(state): State<AppState>, Caller(access): Caller, asked: Asked) -> Answer {
    let workspace = state.engine.workspace(access.workspace).await?;
    let wanted = IntegrationQuery {
        search: asked.text("search"),
        key: asked.text("integrationKey"),
        include_archived: asked.flag("includeArchived")?.unwrap_or_default(),
        cursor: asked.cursor(|key| workspace.integration(key).map(|view| view.integration.key.clone()))?,
        limit: asked.limit()?,
        ..IntegrationQuery::default()
    };
    let page = state.engine.find_integrations(&access, &wanted).await?;
    let items = page.items.iter().map(|item| state.integration_json(item)).collect();
    Ok(listed(items, u32::try_from(wanted.limit).unwrap_or(u32::MAX), "key"))
}

/// One integration with its ways to connect and this customer's connection.
pub(super) async fn find(
    State(state): State<AppState>,
    Caller(access): Caller,
    Path(selector): Path<String>,
) -> Answer {
    whole_json(&state, &access, &selector).await.map(Json)
}

/// Makes an integration.
pub(super) async fn create(
    State(state): State<AppState>,
    Caller(access): Caller,
    body: Body,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let connector = body.text("connectorId")?.flatten().or(body.text("connectorKey")?.flatten());
    let own = body.object("connector")?.flatten();
    let missing = || EngineError::invalid("connectorId", "Which connector of the catalog, by its key.");
    let connector = match (own, connector) {
        (Some(own), None) => NewConnector::Own(own),
        (Some(_), Some(_)) => {
            let message = "Send a connector of your own, or the key of one of the catalog.";
            return Err(EngineError::invalid("connector", message).into());
        }
        (None, of) => NewConnector::Of(of.ok_or_else(missing)?),
    };
    let new = NewIntegration {
        key: body.text("key")?.flatten(),
        connector,
        change: change_of(&body, &Value::Null, false)?,
    };
    let made = state.engine.create_integration(&access, new).await;
    Ok((StatusCode::CREATED, shown(&state, &access, made).await?))
}

/// Changes what is sent and leaves the rest. A member that cannot be changed is refused.
pub(super) async fn patch(
    State(state): State<AppState>,
    Caller(access): Caller,
    Path(selector): Path<String>,
    body: Body,
) -> Answer {
    let before = whole_json(&state, &access, &selector).await?;
    body.admit(&WRITABLE, &before)?;
    if let Some(given) = body.object("parameters")?.flatten() {
        Body::within("parameters", given).admit(&PARAMETERS, &before["parameters"])?;
    }
    let change = change_of(&body, &before, false)?;
    shown(&state, &access, state.engine.change_integration(&access, &selector, &change).await).await
}

/// The same for somebody who sends back the whole integration: what cannot be changed is ignored, what is
/// absent is the default again. `parameters`, where they are sent, are replaced whole, but for the secret,
/// which nobody can send back.
pub(super) async fn put(
    State(state): State<AppState>,
    Caller(access): Caller,
    Path(selector): Path<String>,
    body: Body,
) -> Answer {
    let change = change_of(&body, &whole_json(&state, &access, &selector).await?, true)?;
    shown(&state, &access, state.engine.change_integration(&access, &selector, &change).await).await
}

/// Archives; answers with the archived integration, however often.
pub(super) async fn archive(
    State(state): State<AppState>,
    Caller(access): Caller,
    Path(selector): Path<String>,
) -> Answer {
    shown(&state, &access, state.engine.archive_integration(&access, &selector).await).await
}

/// Brings an archived integration back.
pub(super) async fn restore(
    State(state): State<AppState>,
    Caller(access): Caller,
    Path(selector): Path<String>,
) -> Answer {
    shown(&state, &access, state.engine.restore_integration(&access, &selector).await).await
}

/// There is nothing to set up: an integration works as soon as its client is there. Answers as it is.
pub(super) async fn setup(state: State<AppState>, caller: Caller, selector: Path<String>) -> Answer {
    find(state, caller, selector).await
}

/// For the older SDK: deletes the customer's connection to it. Answers with the integration, however often.
pub(super) async fn disconnect(
    State(state): State<AppState>,
    Caller(access): Caller,
    Path(selector): Path<String>,
) -> Answer {
    let summary = state.engine.disconnect(&access, &selector).await?;
    Ok(Json(state.integration_whole_json(&summary, &access)))
}

/// An integration as the caller sees it.
async fn whole_json(state: &AppState, access: &Access, selector: &str) -> Result<Value, Refusal> {
    let summary = state.engine.integration_summary(access, selector).await?;
    Ok(state.integration_whole_json(&summary, access))
}

/// What was made or changed, as it is now.
async fn shown(state: &AppState, access: &Access, done: Result<Arc<IntegrationView>, EngineError>) -> Answer {
    whole_json(state, access, &done?.integration.id.to_string()).await.map(Json)
}

fn change_of(body: &Body, before: &Value, is_whole: bool) -> Result<IntegrationChange, Refusal> {
    let is_test = body.flag("isTest")?.filter(|_| !body.is_as_in(before, "isTest"));
    let mut change = IntegrationChange {
        name: body.wanted("name", body.text("name")?, before, is_whole),
        description: body.wanted("description", body.text("description")?, before, is_whole),
        logo: body.wanted("logoUri", body.text("logoUri")?, before, is_whole),
        featured: body.wanted("featured", body.flag("featured")?, before, is_whole),
        sandbox: is_test.map(Option::unwrap_or_default),
        oauth_callback_uri: body.wanted("oAuthCallbackUri", body.text("oAuthCallbackUri")?, before, is_whole),
        meta: body.wanted("meta", body.value("meta"), before, is_whole),
        ..IntegrationChange::default()
    };
    if let Some(given) = body.object("parameters")? {
        parameters_of(&mut change, given.unwrap_or_default(), is_whole)?;
    }
    Ok(change)
}

fn parameters_of(
    change: &mut IntegrationChange,
    given: Map<String, Value>,
    is_whole: bool,
) -> Result<(), Refusal> {
    let given = Body::within("parameters", given);
    let connector_parameters = given.object("connectorParameters")?;
    change.client_id = whole(given.text("clientId")?, is_whole);
    change.client_secret = given.text("clientSecret")?.map(|secret| secret.map(Secret::new));
    change.scopes = whole(given.texts("scopes")?, is_whole);
    change.connector_parameters = match connector_parameters {
        Some(Some(given)) if is_whole => Some(ParametersGiven::Whole(given)),
        Some(Some(given)) => Some(ParametersGiven::Merged(given)),
        Some(None) => Some(ParametersGiven::Whole(Map::new())),
        None => is_whole.then(|| ParametersGiven::Whole(Map::new())),
    };
    Ok(())
}

/// Where everything is replaced, what is absent is the default.
fn whole<T>(member: Member<T>, is_whole: bool) -> Member<T> {
    if is_whole { member.or(Some(None)) } else { member }
}
