//! OAuth 2 authorization code, refresh and revocation, as requests to send.
//!
//! What differs between providers is data on the auth option; this room knows the standard names
//! and where they go. It never sees a reply: that is [`super::token_reply`].

use ::oauth2::{PkceCodeChallenge, PkceCodeVerifier};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use url::{Url, form_urlencoded};

use super::{
    call::{Call, CallError},
    endpoint::Endpoint,
};
use crate::{
    catalog::connector::{AuthOption, AuthType, ClientAuth, ScopeAt},
    model::{Secret, redirect::append_query},
};

type Params = Vec<(String, String)>;

/// Parameters of the authorize address that tie the answer to the attempt; a connector cannot set them.
const BINDING: [&str; 4] = ["state", "redirect_uri", "code_challenge", "code_challenge_method"];

/// How a workspace is known to a provider.
#[derive(Clone)]
pub struct Client {
    /// Client id.
    pub id: String,
    /// Client secret; none for a public client.
    pub secret: Option<Secret<String>>,
}

/// What one visit to the provider asks for.
#[derive(Clone, Copy)]
pub struct AuthorizeAsk<'a> {
    /// Client id.
    pub client_id: &'a str,
    /// Where the provider sends the browser back to.
    pub redirect_uri: &'a str,
    /// Scopes; none asks for the provider's own default.
    pub scopes: &'a [String],
    /// The attempt's handle.
    pub state: &'a str,
    /// PKCE verifier; its challenge is sent when the option has `pkce`.
    pub verifier: Option<&'a str>,
}

/// A code and what must come with it.
#[derive(Clone, Copy)]
pub struct CodeGrant<'a> {
    /// The code as the callback brought it.
    pub code: &'a str,
    /// The same address as in [`AuthorizeAsk`] (RFC 6749 §4.1.3).
    pub redirect_uri: &'a str,
    /// The same verifier as in [`AuthorizeAsk`].
    pub verifier: Option<&'a str>,
    /// The same scopes; sent only when the option sends scopes with the token call.
    pub scopes: &'a [String],
    /// Callback parameters to repeat (`callback.echo`).
    pub echo: &'a [(String, String)],
}

/// What can be given back.
#[derive(Clone, Copy)]
pub struct Grant<'a> {
    /// Access token.
    pub access_token: &'a str,
    /// Refresh token.
    pub refresh_token: Option<&'a str>,
}

/// A PKCE verifier of 43 characters out of 32 random bytes. RFC 7636 §4.1.
pub fn pkce_verifier(bytes: [u8; 32]) -> Secret<String> {
    Secret::new(URL_SAFE_NO_PAD.encode(bytes))
}

/// The S256 challenge of a verifier. RFC 7636 §4.2.
pub fn challenge(verifier: &str) -> String {
    let verifier = PkceCodeVerifier::new(verifier.to_owned());
    PkceCodeChallenge::from_code_verifier_sha256(&verifier).as_str().to_owned()
}

/// Where the browser goes to ask for consent. The address's own query is kept.
///
/// Options that are not OAuth 2 but visit the provider (an app installation) get `state` and the
/// connector's parameters only.
pub fn authorize_url(option: &AuthOption, endpoint: &Endpoint, ask: &AuthorizeAsk<'_>) -> Url {
    let mut bound: Params = Vec::new();
    let mut plain: Params = Vec::new();
    if option.kind == AuthType::OAuth2 {
        put(&mut plain, option, "response_type", "code");
        put(&mut plain, option, "client_id", ask.client_id);
        put(&mut bound, option, "redirect_uri", ask.redirect_uri);
        if option.scopes.at == ScopeAt::Authorize {
            plain.extend(scopes(option, ask.scopes));
        }
        if let Some(verifier) = ask.verifier.filter(|_| option.pkce) {
            put(&mut bound, option, "code_challenge", &challenge(verifier));
            put(&mut bound, option, "code_challenge_method", "S256");
        }
        put_resource(&mut plain, option);
    }
    put(&mut bound, option, "state", ask.state);
    assemble(endpoint, option, plain, bound)
}

/// The call that trades a code for tokens. RFC 6749 §4.1.3.
pub fn code_request(
    option: &AuthOption,
    endpoint: &Endpoint,
    client: &Client,
    grant: &CodeGrant<'_>,
) -> Result<Call, CallError> {
    let mut params = Params::new();
    put(&mut params, option, "grant_type", "authorization_code");
    put(&mut params, option, "code", grant.code);
    put(&mut params, option, "redirect_uri", grant.redirect_uri);
    if let Some(verifier) = grant.verifier.filter(|_| option.pkce) {
        put(&mut params, option, "code_verifier", verifier);
    }
    if option.scopes.at == ScopeAt::Token {
        params.extend(scopes(option, grant.scopes));
    }
    put_resource(&mut params, option);
    params.extend(grant.echo.iter().cloned());
    authenticated(option, endpoint, client, params)
}

/// The call that renews tokens. RFC 6749 §6. `scopes` are those the grant has.
///
/// A request that places the refresh token itself, or is marked `template`, is sent as written.
pub fn refresh_request(
    option: &AuthOption,
    endpoint: &Endpoint,
    client: &Client,
    refresh_token: &str,
    granted: &[String],
) -> Result<Call, CallError> {
    if option.refresh.as_ref().is_some_and(|refresh| refresh.template) {
        return endpoint.call();
    }
    let mut params = Params::new();
    put(&mut params, option, "grant_type", "refresh_token");
    put(&mut params, option, "refresh_token", refresh_token);
    if option.scopes.on_refresh {
        params.extend(scopes(option, granted));
    }
    put_resource(&mut params, option);
    authenticated(option, endpoint, client, params)
}

/// The calls that give a grant back, refresh token first. RFC 7009 §2.1.
///
/// A request that places a token itself is sent once, as written.
pub fn revoke_requests(
    option: &AuthOption,
    endpoint: &Endpoint,
    client: &Client,
    grant: &Grant<'_>,
) -> Result<Vec<Call>, CallError> {
    if endpoint.places_token {
        return Ok(vec![endpoint.call()?]);
    }
    let refresh = grant.refresh_token.map(|token| (token, "refresh_token"));
    let tokens = refresh.into_iter().chain([(grant.access_token, "access_token")]);
    tokens
        .map(|(token, hint)| {
            let mut params = Params::new();
            put(&mut params, option, "token", token);
            put(&mut params, option, "token_type_hint", hint);
            authenticated(option, endpoint, client, params)
        })
        .collect()
}

/// Adds the client's proof of who it is. A request with its own `basic` brings it itself.
fn authenticated(
    option: &AuthOption,
    endpoint: &Endpoint,
    client: &Client,
    mut params: Params,
) -> Result<Call, CallError> {
    let secret = client.secret.as_ref().map(Secret::expose);
    let place = if endpoint.basic.is_some() { ClientAuth::Basic } else { option.client_auth };
    match (place, secret) {
        (ClientAuth::PrivateKeyJwt, _) => return Err(CallError::Unsupported("private_key_jwt")),
        (ClientAuth::Basic | ClientAuth::BasicRaw, _) if endpoint.basic.is_some() => {}
        (ClientAuth::Basic, Some(secret)) => {
            let mut call = endpoint.call_with(params)?;
            call.set_basic(&form_encode(&client.id), &form_encode(secret))?;
            return Ok(call);
        }
        (ClientAuth::BasicRaw, Some(secret)) => {
            let mut call = endpoint.call_with(params)?;
            call.set_basic(&client.id, secret)?;
            return Ok(call);
        }
        (ClientAuth::Body, Some(secret)) => {
            put(&mut params, option, "client_id", &client.id);
            put(&mut params, option, "client_secret", secret);
        }
        // A public client names itself (RFC 6749 §3.2.1).
        (ClientAuth::None, _) | (_, None) => put(&mut params, option, "client_id", &client.id),
    }
    endpoint.call_with(params)
}

/// One part of Basic credentials. RFC 6749 §2.3.1, appendix B.
fn form_encode(part: &str) -> String {
    form_urlencoded::byte_serialize(part.as_bytes()).collect()
}

/// The provider's name for a standard parameter; `None` when it is not to be sent.
fn name<'o>(option: &'o AuthOption, standard: &'o str) -> Option<&'o str> {
    Some(option.names.get(standard).map_or(standard, String::as_str)).filter(|name| !name.is_empty())
}

fn put(params: &mut Params, option: &AuthOption, standard: &str, value: &str) {
    if let Some(name) = name(option, standard) {
        params.push((name.to_owned(), value.to_owned()));
    }
}

fn put_resource(params: &mut Params, option: &AuthOption) {
    if let Some(resource) = &option.resource {
        put(params, option, "resource", resource);
    }
}

/// Scope parameters: the main one and the connector's further ones, empty ones left out.
fn scopes(option: &AuthOption, asked: &[String]) -> Params {
    let rules = &option.scopes;
    if !rules.supported {
        return Params::new();
    }
    let main = (&rules.param, asked);
    let further = rules.params.iter().map(|(name, scopes)| (name, scopes.as_slice()));
    std::iter::once(main)
        .chain(further)
        .filter(|(name, scopes)| !name.is_empty() && !scopes.is_empty())
        .map(|(name, scopes)| (name.clone(), scopes.join(&rules.separator)))
        .collect()
}

/// Puts an authorize address together so that no parameter appears twice (RFC 6749 §3.1):
/// what binds the attempt wins over the connector's words, and those win over the standard's.
fn assemble(endpoint: &Endpoint, option: &AuthOption, plain: Params, bound: Params) -> Url {
    let is_binding = |given: &str| BINDING.iter().any(|standard| name(option, standard) == Some(given));
    let mut url = endpoint.url.clone();
    let own: Vec<String> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
    if own.iter().any(|name| is_binding(name)) {
        let kept: Params = url.query_pairs().into_owned().filter(|(name, _)| !is_binding(name)).collect();
        url.set_query(None);
        append_query(&mut url, kept.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    }
    let params: Vec<_> = endpoint.params.iter().filter(|(name, _)| !is_binding(name)).collect();
    let is_taken = |name: &String| own.contains(name) || params.iter().any(|(param, _)| param == name);
    let standard: Vec<_> = plain.iter().filter(|(name, _)| !is_taken(name)).collect();
    let all = standard.into_iter().chain(params.iter().copied()).chain(&bound);
    append_query(&mut url, all.map(|(name, value)| (name.as_str(), value.as_str())));
    url.set_fragment(None);
    url
}

#[cfg(test)]
#[path = "oauth2_tests.rs"]
mod tests;
