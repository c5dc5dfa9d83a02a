//! The browser leaves for the provider, or for the developer's own page, bound to the attempt by a
//! cookie.

use url::Url;

use super::{
    Engine, EngineError, IntegrationView,
    connect::{Course, no_option},
    oauth::TokenError,
    oauth1,
    provider::{Provider, ProviderError},
};
use crate::{
    catalog::connector::{AuthOption, AuthType},
    model::{Attempt, Credentials, Failure, FailureKey, Handle, HandleHash, progress::AttemptSecrets},
    protocol::{
        Endpoint,
        oauth1::authorize_url as oauth1_authorize_url,
        oauth2::{self, AuthorizeAsk},
    },
};

/// The parameter that opens the developer's own page.
const TICKET: &str = "ticket";

/// The browser leaves, bound to the attempt by a cookie.
pub struct Departure {
    /// Where to.
    pub url: Url,
    /// Name part of the cookie.
    pub cookie: String,
    /// Value of the cookie.
    pub binding: Handle,
}

/// Name part of the cookie that binds a browser to the attempt waiting for `state`.
pub fn attempt_cookie(state: &HandleHash) -> String {
    format!("hitchpost_attempt_{}", state.short())
}

/// Whether the option's next step is a page of somebody else: the provider's, or the developer's own.
pub fn leaves(option: &AuthOption) -> bool {
    option.authorize.is_some() || option.kind == AuthType::Proxy
}

/// Where the browser goes, and what the answer is found by.
struct Way {
    url: Url,
    awaited: HandleHash,
}

impl Engine {
    pub(super) async fn depart(
        &self,
        attempt: &Attempt,
        course: &Course,
        mut secrets: AttemptSecrets,
    ) -> Result<Departure, EngineError> {
        let credentials = Credentials { input: secrets.input.clone(), ..Credentials::default() };
        let provider = self.provider_of_attempt(attempt, course, &secrets, &credentials)?;
        let redirect_uri = self.redirect_uri(&provider)?;
        let way = match course.option.kind {
            AuthType::OAuth1 => self.oauth1_way(&provider, &redirect_uri, &mut secrets).await?,
            AuthType::Proxy => self.own_page_way(&provider)?,
            _ => self.oauth2_way(&provider, &redirect_uri, &mut secrets).await?,
        };
        let mut request = attempt.request.clone();
        request.redirect_uri = Some(redirect_uri);
        request.needs_confirmation = false;
        request.problem = None;
        let binding = self.entropy().handle();
        let sealed = self.seal_secrets(attempt.workspace, attempt.id, &secrets);
        let left = self
            .store()
            .send_attempt_off(attempt.id, &request, &sealed, way.awaited, binding.hash(), self.now())
            .await?;
        if !left {
            return Err(EngineError::NotOpen);
        }
        Ok(Departure { url: way.url, cookie: attempt_cookie(&way.awaited), binding })
    }

    async fn oauth2_way(
        &self,
        provider: &Provider<'_>,
        redirect_uri: &str,
        secrets: &mut AttemptSecrets,
    ) -> Result<Way, EngineError> {
        let name = &provider.view.name;
        let refused = |error: ProviderError| error.failure(name);
        let authorize = provider.option.authorize.as_ref().ok_or_else(|| no_option(&provider.view))?;
        let endpoint = provider.endpoint(authorize).map_err(refused)?;
        let client_id = match provider.client() {
            Ok(client) => client.id.clone(),
            Err(error) if provider.option.kind == AuthType::OAuth2 => return Err(refused(error).into()),
            // An app is installed without an OAuth client.
            Err(_) => String::new(),
        };
        let state = self.entropy().handle();
        let verifier = oauth2::pkce_verifier(self.entropy().bytes());
        let ask = AuthorizeAsk {
            client_id: &client_id,
            redirect_uri,
            scopes: &provider.scopes,
            state: state.expose(),
            verifier: Some(verifier.expose()),
        };
        let url = match self.pushed(provider, &endpoint, &ask).await {
            Ok(Some(url)) => url,
            Ok(None) => oauth2::authorize_url(&provider.option, &endpoint, &ask),
            Err(error) => return Err(error.failure(name, false).into()),
        };
        secrets.pkce_verifier = Some(verifier);
        let mut url = provider.browser_address(&url);
        if provider.view.integration.settings.sandbox && !names_way_back(&provider.option) {
            // A provider goes back to the address registered there; the sandbox has no registrations.
            url.query_pairs_mut().append_pair("sandbox_redirect_uri", &self.callback_uri(&provider.view));
        }
        Ok(Way { url, awaited: state.hash() })
    }

    /// RFC 9126: hands the parameters over first, where the connector says so.
    async fn pushed(
        &self,
        provider: &Provider<'_>,
        authorize: &Endpoint,
        ask: &AuthorizeAsk<'_>,
    ) -> Result<Option<Url>, TokenError> {
        let Some(par) = &provider.option.par else { return Ok(None) };
        let endpoint = provider.endpoint(par)?;
        let client = provider.proven_client(&endpoint)?;
        let call = oauth2::pushed_request(&provider.option, &endpoint, &client, ask, authorize);
        let reply = provider.send(call.map_err(ProviderError::from)?).await?;
        let request_uri = oauth2::pushed_reply(&reply, self.now())?;
        Ok(Some(oauth2::pushed_authorize_url(&provider.option, authorize, ask.client_id, &request_uri)))
    }

    async fn oauth1_way(
        &self,
        provider: &Provider<'_>,
        redirect_uri: &str,
        secrets: &mut AttemptSecrets,
    ) -> Result<Way, EngineError> {
        let name = &provider.view.name;
        let option = &provider.option;
        let (Some(first), Some(authorize)) = (&option.request_token, &option.authorize) else {
            return Err(no_option(&provider.view));
        };
        let endpoint = provider.endpoint(authorize).map_err(|error| error.failure(name))?;
        let temporary = provider.temporary_token(first, redirect_uri, self.now()).await;
        let temporary = temporary.map_err(|error| error.failure(name, false))?;
        let url = oauth1_authorize_url(option, &endpoint, &temporary.token, &provider.scopes);
        let awaited = oauth1::awaited(provider.view.integration.id, &temporary.token);
        secrets.temporary = Some((temporary.token, temporary.secret));
        Ok(Way { url: provider.browser_address(&url), awaited })
    }

    /// The developer's own page, which its backend answers for.
    fn own_page_way(&self, provider: &Provider<'_>) -> Result<Way, EngineError> {
        let template = provider.option.url.as_ref().ok_or_else(|| no_option(&provider.view))?;
        let mut url = template.render_url(&provider.names).map_err(|error| {
            tracing::warn!(integration.id = %provider.view.integration.id, %error, "The own page has no address");
            Failure::new(FailureKey::MissingClient, format!("{} is not set up yet.", provider.view.name))
        })?;
        let ticket = self.entropy().handle();
        url.query_pairs_mut().append_pair(TICKET, ticket.expose());
        Ok(Way { url, awaited: ticket.hash() })
    }

    /// The callback address of an integration: what its developer registers at the provider.
    pub fn callback_uri(&self, view: &IntegrationView) -> String {
        if let Some(uri) = &view.integration.settings.oauth_callback_uri {
            return uri.clone();
        }
        let mut url = self.inner.addresses.public_url.clone();
        url.set_path(&format!("/oauth/callback/{}", view.integration.id));
        url.into()
    }

    fn redirect_uri(&self, provider: &Provider<'_>) -> Result<String, EngineError> {
        match &provider.option.redirect_uri {
            Some(template) => template.render(&provider.names).map_err(|_| {
                Failure::new(FailureKey::MissingClient, "The redirect address is not set up.").into()
            }),
            None => Ok(self.callback_uri(&provider.view)),
        }
    }
}

/// Whether the authorize address itself says where the provider sends the browser back to.
fn names_way_back(option: &AuthOption) -> bool {
    let is_sent = option.names.get("redirect_uri").is_none_or(|name| !name.is_empty());
    option.kind == AuthType::OAuth2 && option.redirect_uri.is_none() && is_sent
}
