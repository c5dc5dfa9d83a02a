//! What only the providers can tell: whether their pages and endpoints answer, and know our client.

use std::{collections::BTreeMap, sync::Arc};

use http::{Method, StatusCode, header};
use url::Url;

use super::{Clocks, Engine, IntegrationView, Notes, Provider, WorkspaceView};
use crate::{
    catalog::{
        connector::{AuthOption, AuthType, Request, Target},
        input,
        template::TemplateError,
    },
    engine::{
        client::ClientError,
        oauth::TokenError,
        provider::{ProviderError, Subject},
    },
    model::{Credentials, Customer, CustomerId, Parameters},
    outbound::OutboundError,
    protocol::{
        Call, Reply,
        endpoint::EndpointError,
        oauth2::{self, AuthorizeAsk, CodeGrant},
        token_reply::{TokenRefusal, http_date, token_reply},
    },
};

/// A code that no provider ever gave.
const WRONG_CODE: &str = "hitchpost-doctor-asks-whether-this-endpoint-answers";
/// Whom the calls are made for: nobody.
const NOBODY: &str = "hitchpost-doctor";

/// One option of one integration, and where its findings go.
struct Asking<'a, 'n> {
    provider: Provider<'a>,
    callback: String,
    notes: &'a mut Notes<'n>,
    clocks: &'a Clocks,
}

impl Engine {
    pub(super) async fn ask_providers(
        &self,
        workspace: &Arc<WorkspaceView>,
        view: &Arc<IntegrationView>,
        notes: &mut Notes<'_>,
        clocks: &Clocks,
    ) {
        let nobody = Customer {
            id: CustomerId::from_uuid(view.integration.id.uuid()),
            internal_id: NOBODY.to_owned(),
            name: None,
            fields: serde_json::Map::new(),
        };
        let (parameters, credentials) = (Parameters::default(), Credentials::default());
        let mut bases = Vec::new();
        for option in view.usable() {
            // What most customers leave as it is.
            let usual =
                input::typed(option).filter_map(|field| Some((field.name.clone(), field.default.clone()?)));
            let input = usual.collect();
            let subject = Subject {
                customer: &nobody,
                input: &input,
                parameters: &parameters,
                credentials: &credentials,
            };
            let provider = match Provider::new(self, workspace, view, option, &subject) {
                Ok(provider) => provider,
                Err(error) => return notes.problem("client", error.to_string()),
            };
            let callback = match &option.redirect_uri {
                Some(own) => own.render(&provider.names).unwrap_or_default(),
                None => self.callback_uri(view),
            };
            let mut asking = Asking { provider, callback, notes, clocks };
            asking.authorize().await;
            asking.token().await;
            asking.api(&mut bases).await;
        }
        if let Some(own) = &view.integration.settings.oauth_callback_uri {
            self.ask_callback(own, notes).await;
        }
    }

    /// Whether somebody listens at a callback address that is not the usual one.
    async fn ask_callback(&self, uri: &str, notes: &mut Notes<'_>) {
        let Ok(url) = Url::parse(uri) else { return };
        if uri.starts_with(self.inner.addresses.public_url.as_str()) {
            return;
        }
        let knocked =
            self.inner.ports.outbound.send(Call::new(Method::GET, url), crate::outbound::Reach::Public);
        match knocked.await.map(|reply| reply.status) {
            // What every callback of ours says to an answer that nobody waits for.
            Ok(StatusCode::BAD_REQUEST) => notes.ok("callback", format!("{uri} answers as a callback does")),
            Ok(status) => notes.problem(
                "callback",
                format!(
                    "{uri} answers HTTP {}, so it does not lead to Hitchpost's /oauth/callback",
                    status.as_u16()
                ),
            ),
            Err(error) => notes.warn("callback", format!("{uri}: {error}")),
        }
    }
}

impl Asking<'_, '_> {
    fn option(&self) -> &AuthOption {
        &self.provider.option
    }

    /// ``Token endpoint of `oauth2`: `` and what follows.
    fn said(&self, check: &str, what: impl std::fmt::Display) -> String {
        let subject = match check {
            "authorize" => "page",
            "token" if self.option().kind == AuthType::OAuth1 => "first call",
            "token" => "token endpoint",
            _ => "API",
        };
        format!("{subject} of `{}`: {what}", self.option().key)
    }

    async fn send(&self, call: Call) -> Result<Reply, ProviderError> {
        let reply = self.provider.send(call).await?;
        let date = reply.headers.get(header::DATE).and_then(|date| http_date(date.to_str().ok()?));
        if let Some(date) = date {
            self.clocks.learn(date.seconds() - self.provider.engine.now().seconds());
        }
        Ok(reply)
    }

    /// The page that the browser is sent to, asked as the browser would ask for it.
    async fn authorize(&mut self) {
        let Some(request) = self.option().authorize.clone() else { return };
        // What was handed over before is what its page would show; without that it shows nothing.
        let is_plain = self.option().kind == AuthType::OAuth2 && self.option().par.is_none();
        let asked = match is_plain {
            true => self.authorize_url(&request),
            false => self.provider.endpoint(&request).map(|endpoint| endpoint.url),
        };
        let url = match asked {
            Ok(url) => url,
            Err(error) => return self.not_asked("authorize", &error),
        };
        match self.send(Call::new(Method::GET, url)).await {
            Ok(reply) => self.judge_page(&reply, is_plain),
            Err(ProviderError::Outbound(OutboundError::TooLarge(_))) => {
                self.notes.ok("authorize", self.said("authorize", "it is shown"));
            }
            Err(error) => self.not_asked("authorize", &error),
        }
    }

    fn authorize_url(&self, request: &Request) -> Result<Url, ProviderError> {
        let endpoint = self.provider.endpoint(request)?;
        let engine = self.provider.engine;
        let (state, verifier) = (engine.handle(), oauth2::pkce_verifier(engine.entropy().bytes()));
        let ask = AuthorizeAsk {
            client_id: &self.provider.client()?.id,
            redirect_uri: &self.callback,
            scopes: &self.provider.scopes,
            state: state.expose(),
            verifier: Some(verifier.expose()),
        };
        Ok(oauth2::authorize_url(self.option(), &endpoint, &ask))
    }

    fn judge_page(&mut self, reply: &Reply, is_plain: bool) {
        let status = reply.status;
        let location = reply.headers.get(header::LOCATION).and_then(|to| to.to_str().ok());
        let error = location.and_then(error_in);
        let body = String::from_utf8_lossy(&reply.body).to_ascii_lowercase();
        let blames_callback = ["redirect_uri", "redirect uri", "redirect url", "callback url"];
        let register = format!("register the callback {}", self.callback);
        let (level, what) = match (status.as_u16(), error) {
            (_, Some(error)) if error == "invalid_scope" => (
                super::Level::Problem,
                "the provider refuses the scopes (invalid_scope): check `scopes`".to_owned(),
            ),
            (_, Some(error))
                if !matches!(
                    error.as_str(),
                    "login_required" | "access_denied" | "interaction_required" | "consent_required"
                ) =>
            {
                (
                    super::Level::Problem,
                    format!("the provider refuses the request ({error}): check client_id, and {register}"),
                )
            }
            (404 | 410, _) => (
                super::Level::Problem,
                format!("there is no page (HTTP {status}): the connector's address is wrong or old"),
            ),
            (400..=422, _) if !is_plain => (super::Level::Ok, "it answers".to_owned()),
            (400 | 422, _) if blames_callback.iter().any(|words| body.contains(words)) => (
                super::Level::Problem,
                format!("the provider does not know the callback (HTTP {status}): {register}"),
            ),
            (400 | 401 | 422, _) => (
                super::Level::Problem,
                format!("the provider refuses the request (HTTP {status}): check client_id, and {register}"),
            ),
            (200..=399, _) => (super::Level::Ok, "it is shown".to_owned()),
            _ => (
                super::Level::Warning,
                format!("it answers HTTP {status}, which says nothing: open it in a browser"),
            ),
        };
        let message = self.said("authorize", what);
        self.notes.add(level, "authorize", message);
    }

    /// The endpoint that gives tokens, asked with a code that cannot be right.
    async fn token(&mut self) {
        if let Some(request) = self.option().request_token.clone() {
            return self.temporary(&request).await;
        }
        let Some(request) = self.option().token.clone() else { return };
        let engine = self.provider.engine;
        let call = match self.option().kind {
            AuthType::OAuth2 => self.code_call(&request),
            AuthType::ClientCredentials => self.client_call(&request),
            _ => return self.reach("token", &request).await,
        };
        let call = match call {
            Ok(call) => call,
            // The client is what a customer types.
            Err(ProviderError::Client(ClientError::Template(_) | ClientError::Missing)) => {
                return self.reach("token", &request).await;
            }
            Err(error) => return self.not_asked("token", &error),
        };
        match self.send(call).await {
            Ok(reply) => {
                let read = token_reply(&request, &reply, engine.now()).map(|_| ());
                self.judge_token(reply.status, read);
            }
            Err(error) => self.not_asked("token", &error),
        }
    }

    fn code_call(&self, request: &Request) -> Result<Call, ProviderError> {
        let endpoint = self.provider.endpoint(request)?;
        let client = self.provider.proven_client(&endpoint)?;
        let verifier = oauth2::pkce_verifier(self.provider.engine.entropy().bytes());
        let grant = CodeGrant {
            code: WRONG_CODE,
            redirect_uri: &self.callback,
            verifier: Some(verifier.expose()),
            scopes: &self.provider.scopes,
            echo: &[],
        };
        Ok(oauth2::code_request(self.option(), &endpoint, &client, &grant)?)
    }

    fn client_call(&self, request: &Request) -> Result<Call, ProviderError> {
        let endpoint = self.provider.endpoint(request)?;
        let client = self.provider.proven_client(&endpoint)?;
        Ok(oauth2::client_credentials_request(self.option(), &endpoint, &client, &self.provider.scopes)?)
    }

    async fn temporary(&mut self, request: &Request) {
        let now = self.provider.engine.now();
        let asked = self.provider.temporary_token(request, &self.callback, now).await;
        match asked {
            Ok(_) => {
                self.notes.ok("token", self.said("token", "the provider accepts the client and the callback"))
            }
            Err(TokenError::Refused(refusal)) => self.judge_token(StatusCode::OK, Err(refusal)),
            Err(TokenError::Provider(error)) => self.not_asked("token", &error),
            Err(TokenError::NotOffered) => {}
        }
    }

    fn judge_token(&mut self, status: StatusCode, read: Result<(), TokenRefusal>) {
        use super::Level::{Ok as Good, Problem, Warning};
        let takes_code = self.option().kind == AuthType::OAuth2;
        let (level, what) = match read {
            Ok(()) if takes_code => (Warning, "it gave a token for a code that nobody made".to_owned()),
            Ok(()) => (Good, "the provider accepts the client".to_owned()),
            _ if matches!(status.as_u16(), 404 | 405 | 410) => (
                Problem,
                format!("nothing answers there (HTTP {status}): the connector's address is wrong or old"),
            ),
            Err(TokenRefusal::Refused { code, client_fault: true, .. }) => (
                Problem,
                format!(
                    "the provider does not accept the client ({code}): check client_id and client_secret"
                ),
            ),
            Err(TokenRefusal::Refused { code, .. }) if code.contains("redirect_uri") => (
                Problem,
                format!("the provider does not know the callback ({code}): register {}", self.callback),
            ),
            Err(TokenRefusal::Refused { code, .. }) if code == "invalid_scope" => {
                (Problem, "the provider refuses the scopes (invalid_scope): check `scopes`".to_owned())
            }
            Err(TokenRefusal::Refused { .. }) if status == StatusCode::UNAUTHORIZED => (
                Problem,
                format!(
                    "the provider does not accept the client (HTTP {status}): check client_id and client_secret"
                ),
            ),
            Err(TokenRefusal::Refused { code, .. }) if takes_code && code != "unknown" => {
                (Good, format!("it refuses a wrong code as it should ({code})"))
            }
            Err(TokenRefusal::Refused { code, .. }) => {
                (Warning, format!("it refuses the call (HTTP {status}, {code}) and does not say why"))
            }
            Err(TokenRefusal::Transient { status, .. }) => {
                (Warning, format!("the provider is in trouble (HTTP {status}); ask again later"))
            }
            Err(TokenRefusal::Unreadable(what)) => (
                Problem,
                format!("its answer is not that of a token endpoint ({what}): is the address right?"),
            ),
        };
        let message = self.said("token", what);
        self.notes.add(level, "token", message);
    }

    /// Where the API is, asked without credentials: any answer will do.
    async fn api(&mut self, known: &mut Vec<Url>) {
        let Some(base) = self.provider.api().base.clone() else { return };
        let request = Request { target: Target::Url(base), ..plain() };
        match self.provider.endpoint(&request) {
            Ok(endpoint) if known.contains(&endpoint.url) => {}
            Ok(endpoint) => {
                known.push(endpoint.url);
                self.reach("api", &request).await;
            }
            Err(error) => self.not_asked("api", &error),
        }
    }

    /// Whether anybody answers at a request's address. Nothing of the request itself is sent.
    async fn reach(&mut self, check: &'static str, request: &Request) {
        let url = match self.provider.endpoint(&Request { target: request.target.clone(), ..plain() }) {
            Ok(endpoint) => endpoint.url,
            Err(error) => return self.not_asked(check, &error),
        };
        let host = url.host_str().unwrap_or_default().to_owned();
        match self.send(Call::new(Method::GET, url)).await {
            Ok(reply) if reply.status.is_server_error() => {
                let message = self.said(check, format!("{host} is in trouble (HTTP {})", reply.status));
                self.notes.warn(check, message);
            }
            Ok(_) | Err(ProviderError::Outbound(OutboundError::TooLarge(_))) => {
                let message = self.said(check, format!("{host} answers"));
                self.notes.ok(check, message);
            }
            Err(error) => self.not_asked(check, &error),
        }
    }

    /// Why there is no answer.
    fn not_asked(&mut self, check: &'static str, error: &ProviderError) {
        use super::Level::{Ok as Good, Problem};
        let (level, what) = match error {
            ProviderError::Endpoint(EndpointError::Template(
                TemplateError::Missing(name) | TemplateError::Unfit { name, .. },
            ))
            | ProviderError::Client(ClientError::Template(TemplateError::Missing(name))) => {
                (Good, format!("not asked: it depends on `{name}`, which each connection brings"))
            }
            ProviderError::Outbound(OutboundError::Refused { host, reason }) => (
                Problem,
                format!("{host} is not called: {reason}; list it in [server] egress_allow if that is meant"),
            ),
            other => (Problem, other.to_string()),
        };
        let message = self.said(check, what);
        self.notes.add(level, check, message);
    }
}

/// A request of which only the address counts.
fn plain() -> Request {
    Request {
        target: Target::Path(crate::catalog::Template::parse("/").expect("a template")),
        method: Method::GET,
        format: crate::catalog::connector::Format::Query,
        params: Vec::new(),
        body: None,
        headers: Vec::new(),
        basic: None,
        map: BTreeMap::new(),
        keep: BTreeMap::new(),
        error: None,
        expires_in: None,
    }
}

/// `error` in the query or fragment of an address, in a form that may be shown.
fn error_in(location: &str) -> Option<String> {
    let (_, behind) = location.split_once(['?', '#'])?;
    let pairs = url::form_urlencoded::parse(behind.as_bytes());
    let error = pairs.into_owned().find(|(name, _)| name == "error").map(|(_, value)| value)?;
    Some(crate::protocol::token_reply::provider_code(&error))
}
