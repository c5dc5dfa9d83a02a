//! One provider as seen from one integration: its requests filled in, its calls sent.
//!
//! The only place that rewrites addresses for the sandbox.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value};
use url::Url;

use super::{Engine, EngineError, IntegrationView, WorkspaceView, client::ClientError};
use crate::{
    catalog::{
        connector::{Api, AuthOption, Request},
        parameters::SCOPES,
        template::TemplateError,
        values::Namespace,
    },
    model::{Credentials, Customer, Failure, FailureKey, Parameters, Secret},
    outbound::{OutboundError, Reach},
    protocol::{
        Call, CallError, Endpoint, Reply,
        endpoint::EndpointError,
        inject::{InjectError, inject},
        oauth2::Client,
    },
};

/// Why a call to a provider was not made or brought nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProviderError {
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Inject(#[from] InjectError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Outbound(#[from] OutboundError),
}

impl From<TemplateError> for ProviderError {
    fn from(error: TemplateError) -> Self {
        Self::Endpoint(error.into())
    }
}

impl ProviderError {
    /// What the customer reads.
    pub(super) fn failure(&self, app: &str) -> Failure {
        match self {
            Self::Endpoint(EndpointError::Template(TemplateError::Missing(_))) => Failure::new(
                FailureKey::MissingClient,
                format!("{app} is not set up yet. Its team has to look at it."),
            ),
            Self::Endpoint(_) => Failure::new(
                FailureKey::InvalidInput,
                format!("That does not lead to {app}. Check what you typed."),
            ),
            Self::Call(_) | Self::Inject(_) => Failure::new(
                FailureKey::InvalidInput,
                format!("{app} cannot be called with that. Check what you typed for stray characters."),
            ),
            Self::Client(error) => error.failure(app),
            Self::Outbound(_) => Failure::new(
                FailureKey::ProviderUnreachable,
                format!("{app} could not be reached. Nothing was changed; try again in a moment."),
            ),
        }
    }
}

/// Whose connection, and what is known of it.
pub(super) struct Subject<'a> {
    pub(super) customer: &'a Customer,
    /// What the customer typed without secrets; the credentials bring the rest.
    pub(super) input: &'a BTreeMap<String, String>,
    /// The connection's own parameters.
    pub(super) parameters: &'a Parameters,
    pub(super) credentials: &'a Credentials,
}

/// One provider as seen from one integration and auth option.
pub(super) struct Provider<'e> {
    pub(super) engine: &'e Engine,
    pub(super) workspace: Arc<WorkspaceView>,
    pub(super) view: Arc<IntegrationView>,
    pub(super) option: AuthOption,
    pub(super) names: Namespace,
    /// What is asked for.
    pub(super) scopes: Vec<String>,
    /// What a token for the developer's own API says.
    pub(super) workspace_claims: Map<String, Value>,
    pub(super) registered: Option<Client>,
    /// OAuth 1: what signs along with the client's secret.
    pub(super) token_secret: Option<Secret<String>>,
    client: Result<Client, ClientError>,
}

impl<'e> Provider<'e> {
    pub(super) fn new(
        engine: &'e Engine,
        workspace: &Arc<WorkspaceView>,
        view: &Arc<IntegrationView>,
        option: &AuthOption,
        subject: &Subject<'_>,
    ) -> Result<Self, EngineError> {
        let parameters = subject.parameters.over(&engine.integration_parameters(view, option));
        let scopes = parameters.list(SCOPES);
        let scopes = scopes.unwrap_or_else(|| view.scopes(option));
        let mut names = Namespace::new();
        names.parameters(&view.connector, &parameters);
        names.workspace(&workspace.workspace.key, &workspace.workspace.name);
        let customer = subject.customer;
        names.customer(&customer.internal_id, customer.name.as_deref(), &customer.fields);
        names.set("scopes", &scopes.join(&option.scopes.separator));
        names.plain(subject.input);
        let mut provider = Self {
            engine,
            workspace: workspace.clone(),
            view: view.clone(),
            option: option.clone(),
            names,
            scopes,
            workspace_claims: workspace_claims(&workspace.workspace.key, customer),
            registered: engine.registered_client(view, option)?,
            token_secret: None,
            client: Err(ClientError::Missing),
        };
        if let Some(registered) = &provider.registered {
            provider.names.client(&registered.id, registered.secret.as_ref());
        }
        provider.learn(subject.credentials);
        Ok(provider)
    }

    /// Takes credentials, or newer ones, into the namespace, and makes what follows from them.
    pub(super) fn learn(&mut self, credentials: &Credentials) {
        self.names.plain(&credentials.kept);
        self.names.secret(&credentials.input);
        if let Some(token) = &credentials.access_token {
            self.names.tokens(token, credentials.refresh_token.as_ref());
        }
        self.token_secret = credentials.token_secret.clone();
        self.names.optional(&self.option);
        let minted = self.minted();
        if let Ok(Some(token)) = &minted {
            self.names.jwt(token);
        }
        self.client = self.own_client(minted.err());
    }

    /// The client that proves itself at the token endpoint.
    pub(super) fn client(&self) -> Result<&Client, ProviderError> {
        self.client.as_ref().map_err(|error| error.clone().into())
    }

    /// The rules for calling the API with this option.
    pub(super) fn api(&self) -> Cow<'_, Api> {
        match self.view.connector.api_for(&self.option) {
            Some(api) => Cow::Borrowed(api),
            None => Cow::Owned(Api::default()),
        }
    }

    /// A request with its templates filled in, going to one of the connector's hosts.
    pub(super) fn endpoint(&self, request: &Request) -> Result<Endpoint, ProviderError> {
        Endpoint::render(request, &self.api(), &self.names).map_err(|error| match (error, &self.client) {
            // A key that cannot sign is the cause; the name it leaves unset only the effect.
            (EndpointError::Template(TemplateError::Missing(name)), Err(cause)) if name == "jwt" => {
                cause.clone().into()
            }
            (error, _) => error.into(),
        })
    }

    /// Calls the API with the credentials in the call.
    pub(super) async fn call_api(&self, request: &Request) -> Result<Reply, ProviderError> {
        let mut call = self.endpoint(request)?.call()?;
        inject(&self.option.usage, &self.names, &mut call)?;
        // A header of the request's own goes before what `use` says.
        for (name, template) in &request.headers {
            call.set_header(name, &template.render(&self.names)?)?;
        }
        if self.option.usage.sign {
            let token = self.oauth1_token()?;
            return self.send_signed(&call, token.as_ref(), &[]).await;
        }
        self.send(call).await
    }

    /// Sends a call to the provider, or to the sandbox that plays it.
    pub(super) async fn send(&self, mut call: Call) -> Result<Reply, ProviderError> {
        let reach = if self.view.integration.settings.sandbox {
            if let Some(bound) = self.engine.inner.addresses.sandbox_bound {
                let base =
                    Url::parse(&format!("http://{bound}/")).expect("a socket address makes an address");
                call.url = played(&base, &call.url);
            }
            Reach::Sandbox
        } else {
            Reach::Public
        };
        Ok(self.engine.inner.ports.outbound.send(call, reach).await?)
    }

    /// The address for a browser: the provider's, or the sandbox's that plays it.
    pub(super) fn browser_address(&self, url: &Url) -> Url {
        if !self.view.integration.settings.sandbox {
            return url.clone();
        }
        let addresses = &self.engine.inner.addresses;
        played(addresses.sandbox_url.as_ref().unwrap_or(&addresses.public_url), url)
    }
}

/// What a token of the workspace says about a customer: the claims of a session token, and the standard
/// `sub`.
fn workspace_claims(workspace: &str, customer: &Customer) -> Map<String, Value> {
    let mut claims = Map::new();
    claims.insert("iss".to_owned(), workspace.into());
    claims.insert("sub".to_owned(), customer.internal_id.as_str().into());
    claims.insert("id".to_owned(), customer.internal_id.as_str().into());
    if let Some(name) = &customer.name {
        claims.insert("name".to_owned(), name.as_str().into());
    }
    if !customer.fields.is_empty() {
        claims.insert("fields".to_owned(), customer.fields.clone().into());
    }
    claims
}

/// `https://HOST/PATH?query` as `base/sandbox/HOST/PATH?query`.
pub(super) fn played(base: &Url, url: &Url) -> Url {
    let mut played = base.clone();
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    played.set_path(&format!("/sandbox/{host}{port}{}", url.path()));
    played.set_query(url.query());
    played
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_played_address_keeps_host_path_and_query() {
        let base = Url::parse("http://localhost:7080/").unwrap();

        let url = Url::parse("https://acme.zendesk.com/oauth/a%2Fb?x=1&y=%20").unwrap();

        assert_eq!(
            played(&base, &url).as_str(),
            "http://localhost:7080/sandbox/acme.zendesk.com/oauth/a%2Fb?x=1&y=%20"
        );
    }
}
