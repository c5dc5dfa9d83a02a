//! `/connections`: listed, read, imported, changed, archived.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde_json::{Value, json};

use super::{body::Body, life::refused, operation::Caller, query::Asked};
use crate::{
    engine::{
        ConnectionPatch, ConnectionQuery, ConnectionView, EngineError, GivenCredentials, Import,
        ParametersGiven, RefreshError,
    },
    http::{AppState, Refusal},
    model::{Access, ConnectionId},
};

type Answer = Result<Json<Value>, Refusal>;

/// What `PATCH` and `PUT` may change.
const WRITABLE: [&str; 8] =
    ["name", "key", "meta", "connectorParameters", "authOptionKey", "input", "credentials", "test"];

/// `{items, cursor?}`, newest first.
pub(super) async fn list(State(state): State<AppState>, Caller(access): Caller, asked: Asked) -> Answer {
    let query = ConnectionQuery {
        search: asked.text("search"),
        integration: asked.texts(&["integrationId", "integrationKey"]),
        connector: asked.text("connectorId"),
        customer: asked.texts(&["customerId", "userId", "tenantId"]),
        disconnected: asked.flag("disconnected")?,
        connected: asked.flag("connected")?,
        is_test: asked.flag("isTest")?,
        include_archived: asked.flag("includeArchived")?.unwrap_or_default(),
        before: asked.cursor(ConnectionId::parse)?,
        limit: u32::try_from(asked.limit()?).unwrap_or(u32::MAX),
    };
    let page = state.engine.list_connections(&access, &query).await?;
    let items: Vec<Value> =
        page.items.iter().map(|found| shown(&state, found, &access)).collect::<Result<_, _>>()?;
    let mut answer = json!({ "items": items });
    if let Some(next) = page.next {
        answer["cursor"] = json!(next);
    }
    Ok(Json(answer))
}

/// One connection, an archived one too; with its credentials where the workspace lets a backend read them.
pub(super) async fn find(
    State(state): State<AppState>,
    Caller(access): Caller,
    Path(selector): Path<String>,
    asked: Asked,
) -> Answer {
    if !asked.flag("includeSecrets")?.unwrap_or_default() {
        let found = state.engine.connection_view(&access, &selector).await?;
        return shown(&state, &found, &access).map(Json);
    }
    let read = state.engine.read_credentials(&access, &selector).await;
    let (found, credentials) = match read {
        Ok(read) => read,
        Err(error @ RefreshError::Disconnected(_)) => {
            let ConnectionView { view, .. } = state.engine.connection_view(&access, &selector).await?;
            return Err(refused(error, &view.name));
        }
        Err(error) => return Err(error.into()),
    };
    let mut json = shown(&state, &found, &access)?;
    json["credentials"] = Value::Object(credentials);
    Ok(Json(json))
}

/// Makes a connection out of credentials that the backend has: 201, or 200 when one was renewed.
pub(super) async fn create(
    State(state): State<AppState>,
    Caller(access): Caller,
    body: Body,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let key = body.text("integrationKey")?.flatten();
    let integration = key.or(body.text("integrationId")?.flatten());
    let missing =
        || EngineError::invalid("integrationKey", "Which integration: its key, or `integrationId`.");
    let import = Import {
        customer: body.text("customerId")?.flatten(),
        integration: integration.ok_or_else(missing)?,
        option: body.text("authOptionKey")?.flatten(),
        name: body.text("name")?.flatten(),
        key: body.text("key")?.flatten(),
        meta: body.value("meta").flatten(),
        input: body.object("input")?.flatten().unwrap_or_default(),
        connector_parameters: body.object("connectorParameters")?.flatten().unwrap_or_default(),
        credentials: GivenCredentials(body.object("credentials")?.flatten().unwrap_or_default()),
        allow_multiple: body.flag("allowMultipleConnections")?.flatten().unwrap_or_default(),
        untested: body.flag("test")?.flatten() == Some(false),
    };
    let (found, is_new) = state.engine.import(&access, &import).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(shown(&state, &found, &access)?)))
}

/// Changes what is sent and leaves the rest. A member that cannot be changed is refused.
pub(super) async fn patch(
    State(state): State<AppState>,
    Caller(access): Caller,
    Path(selector): Path<String>,
    body: Body,
) -> Answer {
    let found = state.engine.connection_view(&access, &selector).await?;
    let before = shown(&state, &found, &access)?;
    body.admit(&WRITABLE, &before)?;
    let patch = patch_of(&body, &before, false)?;
    change(&state, &access, &selector, &patch).await
}

/// The same for somebody who sends back the whole connection: what cannot be changed is ignored, name, key
/// and meta are taken away when they are absent, and connector parameters are replaced whole.
pub(super) async fn put(
    State(state): State<AppState>,
    Caller(access): Caller,
    Path(selector): Path<String>,
    body: Body,
) -> Answer {
    let found = state.engine.connection_view(&access, &selector).await?;
    let before = shown(&state, &found, &access)?;
    let mut patch = patch_of(&body, &before, true)?;
    if patch.credentials.is_none() {
        patch.option = None;
    }
    change(&state, &access, &selector, &patch).await
}

/// Archives; answers with the archived connection, however often.
pub(super) async fn archive(
    State(state): State<AppState>,
    Caller(access): Caller,
    Path(selector): Path<String>,
) -> Answer {
    let archived = state.engine.archive(&access, &selector).await?;
    shown(&state, &archived, &access).map(Json)
}

async fn change(state: &AppState, access: &Access, selector: &str, patch: &ConnectionPatch) -> Answer {
    let changed = state.engine.change_connection(access, selector, patch).await?;
    shown(state, &changed, access).map(Json)
}

/// What is sent and is not what is shown: a name that is only shown is not made a connection's own.
fn patch_of(body: &Body, before: &Value, is_whole: bool) -> Result<ConnectionPatch, Refusal> {
    let is_news = |name: &str| !body.is_as_in(before, name);
    // A customer is not shown them, so null is no news from a backend alone.
    let is_hidden = before.get("connectorParameters").is_none();
    let given = body.object("connectorParameters")?;
    let given = given.filter(|_| is_hidden || is_news("connectorParameters"));
    let credentials = body.object("credentials")?.flatten();
    Ok(ConnectionPatch {
        name: body.wanted("name", body.text("name")?, before, is_whole),
        key: body.wanted("key", body.text("key")?, before, is_whole),
        meta: body.wanted("meta", body.value("meta"), before, is_whole),
        connector_parameters: given.map(|given| match given {
            Some(given) if !is_whole => ParametersGiven::Merged(given),
            given => ParametersGiven::Whole(given.unwrap_or_default()),
        }),
        option: body.text("authOptionKey")?.flatten().filter(|_| is_news("authOptionKey")),
        input: body.object("input")?.flatten().filter(|_| is_news("input")),
        credentials: credentials.map(GivenCredentials),
        untested: body.flag("test")?.flatten() == Some(false),
    })
}

fn shown(state: &AppState, found: &ConnectionView, access: &Access) -> Result<Value, Refusal> {
    state.connection_json(&found.connection, &found.view, access)
}
