//! One provider as seen from one integration: its requests filled in, its calls sent.
//!
//! The only place that rewrites addresses for the sandbox.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use url::Url;

use super::{Engine, EngineError, IntegrationView, WorkspaceView, directory::client_secret_place};
use crate::{
    catalog::{
        connector::{Api, AuthOption, Request},
        values::Namespace,
    },
    model::{Credentials, Customer, Failure, FailureKey, Secret},
    outbound::{OutboundError, Reach},
    protocol::{
        Call, CallError, Endpoint, Reply,
        endpoint::EndpointError,
        inject::{InjectError, inject},
        oauth2::Client,
    },
    vault::Sealed,
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
    Outbound(#[from] OutboundError),
}

impl ProviderError {
    /// What the customer reads.
    pub(super) fn failure(&self, app: &str) -> Failure {
        match self {
            Self::Endpoint(_) => Failure::new(
                FailureKey::InvalidInput,
                format!("That does not lead to {app}. Check what you typed."),
            ),
            Self::Call(_) | Self::Inject(_) => Failure::new(
                FailureKey::InvalidInput,
                format!("{app} cannot be called with that. Check what you typed for stray characters."),
            ),
            Self::Outbound(_) => Failure::new(
                FailureKey::ProviderUnreachable,
                format!("{app} could not be reached. Nothing was changed; try again in a moment."),
            ),
        }
    }
}

/// One provider as seen from one integration and auth option.
pub(super) struct Provider<'e> {
    engine: &'e Engine,
    pub(super) view: Arc<IntegrationView>,
    pub(super) option: AuthOption,
    pub(super) client: Option<Client>,
    pub(super) names: Namespace,
}

impl<'e> Provider<'e> {
    /// `input` is what the customer typed without secrets; `credentials` brings the rest.
    pub(super) fn new(
        engine: &'e Engine,
        workspace: &WorkspaceView,
        view: &Arc<IntegrationView>,
        option: &AuthOption,
        customer: &Customer,
        input: &BTreeMap<String, String>,
        credentials: &Credentials,
    ) -> Result<Self, EngineError> {
        let client = engine.client(view)?;
        let mut names = Namespace::new();
        names.parameters(&view.connector, &view.integration.settings.connector_parameters);
        names.workspace(&workspace.workspace.key, &workspace.workspace.name);
        names.customer(&customer.internal_id, customer.name.as_deref(), &customer.fields);
        if let Some(client) = &client {
            names.client(&client.id, client.secret.as_ref());
        }
        names.plain(input);
        let mut provider = Self { engine, view: view.clone(), option: option.clone(), client, names };
        provider.learn(credentials);
        provider.names.optional(option);
        Ok(provider)
    }

    /// Takes credentials, or newer ones, into the namespace.
    pub(super) fn learn(&mut self, credentials: &Credentials) {
        self.names.plain(&credentials.kept);
        self.names.secret(&credentials.input);
        if let Some(token) = &credentials.access_token {
            self.names.tokens(token, credentials.refresh_token.as_ref());
        }
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
        Ok(Endpoint::render(request, &self.api(), &self.names)?)
    }

    /// A request with the credentials in it.
    pub(super) fn authorized(&self, request: &Request) -> Result<Call, ProviderError> {
        let mut call = self.endpoint(request)?.call()?;
        inject(&self.option.usage, &self.names, &mut call)?;
        Ok(call)
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

/// `https://HOST/PATH?query` as `base/sandbox/HOST/PATH?query`.
fn played(base: &Url, url: &Url) -> Url {
    let mut played = base.clone();
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    played.set_path(&format!("/sandbox/{host}{port}{}", url.path()));
    played.set_query(url.query());
    played
}

impl Engine {
    /// The OAuth client of an integration. The sandbox's own where the integration is played and has none.
    fn client(&self, view: &IntegrationView) -> Result<Option<Client>, EngineError> {
        let integration = &view.integration;
        let Some(id) = &integration.settings.client_id else {
            return Ok(integration.settings.sandbox.then(|| Client {
                id: format!("sandbox-{}", integration.key),
                secret: Some(Secret::new(format!("sandbox-secret-{}", integration.key))),
            }));
        };
        let row = integration.id.to_string();
        let secret = view
            .sealed_client_secret
            .as_ref()
            .map(|sealed| {
                self.vault().open(client_secret_place(integration.workspace, &row), &Sealed(sealed.clone()))
            })
            .transpose()?
            .and_then(|bytes| String::from_utf8(bytes.expose().clone()).ok())
            .map(Secret::new);
        Ok(Some(Client { id: id.clone(), secret }))
    }
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
