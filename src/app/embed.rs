//! The page inside somebody else's: what opens it, and what each address of it shows.
//!
//! A token is swapped for a session at the first step, by GET (`/embed/…`, the address of an iframe) or by a
//! form that a public SDK posts into one (`/screens/…`). The session keeps how the embed was opened; from
//! then on it alone travels in addresses and forms, and the frame never leaves this origin.

use axum::{
    RequestPartsExt,
    extract::{Form, FromRequestParts, Path, Query, State},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use url::form_urlencoded;

use super::{
    parts::link::{MAIN, segment},
    refused::PageRefusal,
    serve::{Answer, PageQuery, show_app, show_catalog, show_connected, show_connection},
    viewer::Viewer,
};
use crate::{
    engine::{EngineError, SessionRefusal},
    http::{
        AppState, Refusal,
        headers::{is_framed, see_other},
        json,
    },
    model::{Access, Opening, Purpose, Scheme, redirect::Origin},
};

/// What opens an embed, as the public SDKs send it. Fields that are unknown are ignored.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Asked {
    token: Option<String>,
    session: Option<String>,
    theme: Option<String>,
    name: Option<String>,
    option: Option<String>,
    auth_option_key: Option<String>,
    allow_multiple_connections: Option<String>,
    connector_parameters: Option<String>,
    request_id: Option<String>,
    custom_state: Option<String>,
    connection_id: Option<String>,
    connection_key: Option<String>,
    integration_id: Option<String>,
    integration_key: Option<String>,
    connector_id: Option<String>,
    connector_key: Option<String>,
    redirect_uri: Option<String>,
}

impl Asked {
    fn opening(&self, path: &str, purpose: Purpose, headers: &HeaderMap) -> Result<Opening, Refusal> {
        let given = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        let parameters = given(&self.connector_parameters).map(|text| json::object(text.as_bytes()));
        let malformed =
            |_| Refusal::bad_request("malformed_input", "`connectorParameters` has to be a JSON object.");
        Ok(Opening {
            path: path.to_owned(),
            purpose,
            option: given(&self.auth_option_key).or_else(|| given(&self.option)),
            name: given(&self.name),
            request_id: given(&self.request_id),
            custom_state: given(&self.custom_state),
            allow_multiple: matches!(self.allow_multiple_connections.as_deref(), Some("1" | "true")),
            connector_parameters: parameters.transpose().map_err(malformed)?,
            scheme: match self.theme.as_deref() {
                Some("light") => Some(Scheme::Light),
                Some("dark") => Some(Scheme::Dark),
                Some("auto") => Some(Scheme::Auto),
                _ => None,
            },
            parent: origin_around(headers).map(|origin| origin.as_str().to_owned()),
        })
    }

    fn connection(&self) -> Option<&str> {
        first([&self.connection_id, &self.connection_key])
    }

    fn integration(&self) -> Option<&str> {
        first([&self.integration_id, &self.integration_key])
    }

    fn connector(&self) -> Option<&str> {
        first([&self.connector_id, &self.connector_key])
    }
}

fn first<const N: usize>(values: [&Option<String>; N]) -> Option<&str> {
    values.into_iter().flatten().map(String::as_str).find(|value| !value.is_empty())
}

/// A GET of an embed: what its address says, and where it came from.
pub struct Visit {
    state: AppState,
    asked: Asked,
    query: PageQuery,
    raw_query: String,
    headers: HeaderMap,
}

impl FromRequestParts<AppState> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Response> {
        let Query(asked) = parts.extract().await.map_err(IntoResponse::into_response)?;
        let Query(query) = parts.extract().await.map_err(IntoResponse::into_response)?;
        let raw_query = parts.uri.query().unwrap_or_default().to_owned();
        Ok(Self { state: state.clone(), asked, query, raw_query, headers: parts.headers.clone() })
    }
}

/// What an address of an embed shows.
enum Place<'a> {
    Catalog,
    App(&'a str),
    /// The app of a connector: goes on to its own address.
    Connector(&'a str),
    Connection(&'a str),
    Renewal(&'a str),
    Connected,
}

impl Visit {
    /// Swaps a token for a session and goes on at `path`; with a session it shows the page, or why not,
    /// framed like the page and with a way back.
    async fn show(self, path: &str, purpose: Purpose, place: Place<'_>) -> Answer {
        if self.asked.token.is_some() {
            return open(&self.state, (path, purpose), &self.asked, &self.headers).await;
        }
        let viewer = self.viewer().await?;
        match self.page(&viewer, place).await {
            Ok(response) => Ok(response),
            Err(refusal) => Err(PageRefusal::of(refusal, &self.state, Some(&viewer)).await),
        }
    }

    /// Where a page of its own goes that names a way back: `/connect` leads there, and a dialog does not.
    fn by_redirect(&self, name: &str, selector: &str) -> Option<Response> {
        let has_way_back = self.asked.redirect_uri.as_deref().is_some_and(|uri| !uri.is_empty());
        (has_way_back && !is_framed(&self.headers)).then(|| {
            let mut query = form_urlencoded::Serializer::new(self.raw_query.clone());
            see_other(&format!("/connect?{}", query.append_pair(name, selector).finish()))
        })
    }

    async fn viewer(&self) -> Result<Viewer, PageRefusal> {
        let missing = || PageRefusal::anywhere(EngineError::from(SessionRefusal::MissingToken));
        let handle = self.asked.session.clone().ok_or_else(missing)?;
        Viewer::inside(&self.state, handle).await.map_err(PageRefusal::anywhere)
    }

    async fn page(&self, viewer: &Viewer, place: Place<'_>) -> Result<Response, Refusal> {
        let (state, query) = (&self.state, &self.query);
        Ok(match place {
            Place::Catalog => show_catalog(state, viewer, query).await?,
            Place::App(selector) => show_app(state, viewer, selector, query).await?,
            Place::Connection(selector) => show_connection(state, viewer, selector, query, false).await?,
            Place::Renewal(selector) => show_connection(state, viewer, selector, query, true).await?,
            Place::Connected => show_connected(state, viewer, query).await?,
            Place::Connector(connector) => {
                let access = Access::from(&viewer.session);
                let view = state.engine.integration_of_connector(&access, connector).await?;
                let path = connect_path(&view.integration.key);
                see_other(&format!("{path}?session={}", viewer.handle))
            }
        })
    }
}

async fn open(
    state: &AppState,
    (path, purpose): (&str, Purpose),
    asked: &Asked,
    headers: &HeaderMap,
) -> Answer {
    let opening = asked.opening(path, purpose, headers).map_err(PageRefusal::anywhere)?;
    let missing = || PageRefusal::anywhere(EngineError::from(SessionRefusal::MissingToken));
    let token = asked.token.as_ref().ok_or_else(missing)?;
    let (_, handle) = state.engine.open_embed(token, opening).await.map_err(PageRefusal::anywhere)?;
    Ok(see_other(&format!("{path}?session={}", handle.expose())))
}

/// `GET /embed/main`
pub async fn main(visit: Visit) -> Answer {
    visit.show(MAIN, Purpose::Browse, Place::Catalog).await
}

/// `GET /embed/integrations/{sel}`
pub async fn integration(Path(selector): Path<String>, visit: Visit) -> Answer {
    let path = format!("/embed/integrations/{}", segment(&selector));
    visit.show(&path, Purpose::Browse, Place::App(&selector)).await
}

/// `GET /embed/integrations/{sel}/connect`
pub async fn connect(Path(selector): Path<String>, visit: Visit) -> Answer {
    if let Some(response) = visit.by_redirect("integrationKey", &selector) {
        return Ok(response);
    }
    visit.show(&connect_path(&selector), Purpose::Connect, Place::App(&selector)).await
}

/// `GET /embed/connectors/{sel}/connect`: the integration of a connector, where there is one only.
pub async fn connect_connector(Path(connector): Path<String>, visit: Visit) -> Answer {
    let path = format!("/embed/connectors/{}/connect", segment(&connector));
    visit.show(&path, Purpose::Connect, Place::Connector(&connector)).await
}

/// `GET /embed/connections/{sel}`
pub async fn connection(Path(selector): Path<String>, visit: Visit) -> Answer {
    visit.show(&connection_path(&selector), Purpose::Browse, Place::Connection(&selector)).await
}

/// `GET /embed/connections/{sel}/refresh`
pub async fn refresh(Path(selector): Path<String>, visit: Visit) -> Answer {
    if let Some(response) = visit.by_redirect("connectionId", &selector) {
        return Ok(response);
    }
    let path = format!("{}/refresh", connection_path(&selector));
    visit.show(&path, Purpose::Connect, Place::Renewal(&selector)).await
}

/// `GET /embed/connected`: what came of it, for the page around to hear.
pub async fn connected(visit: Visit) -> Answer {
    visit.show(MAIN, Purpose::Connect, Place::Connected).await
}

/// `GET /embed/session`: whether the session still counts. A page that is open asks now and then, which keeps
/// it from ending meanwhile.
pub async fn session(visit: Visit) -> Result<StatusCode, PageRefusal> {
    visit.viewer().await.map(|_| StatusCode::NO_CONTENT)
}

/// `POST /screens/connect`: connects what is named, or lets the customer choose an app.
pub async fn screen_connect(
    State(state): State<AppState>,
    headers: HeaderMap,
    Form(asked): Form<Asked>,
) -> Answer {
    let path = match (asked.connection(), asked.integration(), asked.connector()) {
        (Some(connection), _, _) => format!("{}/refresh", connection_path(connection)),
        (None, Some(integration), _) => connect_path(integration),
        (None, None, Some(connector)) => format!("/embed/connectors/{}/connect", segment(connector)),
        (None, None, None) => MAIN.to_owned(),
    };
    open(&state, (&path, Purpose::Connect), &asked, &headers).await
}

/// `POST /screens/connection`: how a connection is, and what can be done about it.
pub async fn screen_connection(
    State(state): State<AppState>,
    headers: HeaderMap,
    Form(asked): Form<Asked>,
) -> Answer {
    let Some(connection) = asked.connection() else {
        let missing = Refusal::bad_request("invalid_query", "`connectionId` is missing.");
        return Err(PageRefusal::anywhere(missing));
    };
    open(&state, (&connection_path(connection), Purpose::Connect), &asked, &headers).await
}

/// `POST /screens/integrations/{sel}/connect`
pub async fn screen_integration(
    State(state): State<AppState>,
    Path(selector): Path<String>,
    headers: HeaderMap,
    Form(asked): Form<Asked>,
) -> Answer {
    open(&state, (&connect_path(&selector), Purpose::Connect), &asked, &headers).await
}

fn connect_path(integration: &str) -> String {
    format!("/embed/integrations/{}/connect", segment(integration))
}

fn connection_path(connection: &str) -> String {
    format!("/embed/connections/{}", segment(connection))
}

/// Origin of the page around, as the browser tells it: a form that was posted has it, and the first GET says
/// where it came from.
fn origin_around(headers: &HeaderMap) -> Option<Origin> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let posted = text(header::ORIGIN).and_then(Origin::parse);
    posted.or_else(|| Origin::of(&text(header::REFERER)?.parse().ok()?))
}
