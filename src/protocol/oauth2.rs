//! OAuth 2: authorization code, client credentials, JWT bearer, refresh and revocation, as requests
//! to send.
//!
//! What differs between providers is data on the auth option; this room knows the standard names
//! and where they go. It never sees a reply: that is [`super::token_reply`].

use ::oauth2::{PkceCodeChallenge, PkceCodeVerifier};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use url::{Url, form_urlencoded};

use super::{
    call::{Call, CallError},
    endpoint::Endpoint,
    params::{Binding, Params, assemble, name, put, put_resource, scopes},
};
use crate::{
    catalog::connector::{AuthOption, AuthType, ClientAuth, ScopeAt},
    model::Secret,
};

mod pushed;

pub use pushed::{pushed_authorize_url, pushed_reply, pushed_request};

/// Parameters of the authorize address that tie the answer to the attempt; a connector cannot set them.
const BINDING: [&str; 4] = ["state", "redirect_uri", "code_challenge", "code_challenge_method"];

/// RFC 7523 §2.1.
const JWT_BEARER_GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// RFC 7523 §2.2.
const CLIENT_ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How a workspace is known to a provider.
#[derive(Clone)]
pub struct Client {
    /// Client id.
    pub id: String,
    /// Client secret; none for a public client.
    pub secret: Option<Secret<String>>,
    /// A ready client assertion, for `private_key_jwt`.
    pub assertion: Option<Secret<String>>,
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
    assemble(endpoint, option, plain, Binding { names: &BINDING, params: bound })
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

/// The call that gets a token for the client itself. RFC 6749 §4.4.2.
///
/// Scopes travel with it whatever `scopes.at` says: there is no other request.
pub fn client_credentials_request(
    option: &AuthOption,
    endpoint: &Endpoint,
    client: &Client,
    asked: &[String],
) -> Result<Call, CallError> {
    let mut params = Params::new();
    put(&mut params, option, "grant_type", "client_credentials");
    params.extend(scopes(option, asked));
    put_resource(&mut params, option);
    authenticated(option, endpoint, client, params)
}

/// The call that trades a signed token for an access token. RFC 7523 §2.1.
///
/// The assertion alone says who asks; a client authenticates only where the connector says how or
/// which. A request that places `{{jwt}}` itself is sent as written.
pub fn jwt_bearer_request(
    option: &AuthOption,
    endpoint: &Endpoint,
    client: Option<&Client>,
    assertion: &str,
    asked: &[String],
) -> Result<Call, CallError> {
    if endpoint.places_jwt {
        return endpoint.call();
    }
    let mut params = Params::new();
    put(&mut params, option, "grant_type", JWT_BEARER_GRANT);
    put(&mut params, option, "assertion", assertion);
    if option.scopes.at == ScopeAt::Token {
        params.extend(scopes(option, asked));
    }
    put_resource(&mut params, option);
    let is_wanted = option.client_auth != ClientAuth::Body || option.client.is_some();
    match client.filter(|_| is_wanted) {
        Some(client) => authenticated(option, endpoint, client, params),
        None => endpoint.call_with(params),
    }
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
        (ClientAuth::PrivateKeyJwt, _) => {
            let assertion =
                client.assertion.as_ref().ok_or(CallError::Unsupported("private_key_jwt without a key"))?;
            put_client_id(&mut params, option, client);
            put(&mut params, option, "client_assertion_type", CLIENT_ASSERTION_TYPE);
            put(&mut params, option, "client_assertion", assertion.expose());
        }
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
            put_client_id(&mut params, option, client);
            put(&mut params, option, "client_secret", secret);
        }
        // A public client names itself (RFC 6749 §3.2.1).
        (ClientAuth::None, _) | (_, None) => put_client_id(&mut params, option, client),
    }
    endpoint.call_with(params)
}

/// Names the client, unless the parameters already do: none may appear twice (RFC 6749 §3.2).
fn put_client_id(params: &mut Params, option: &AuthOption, client: &Client) {
    let is_there = params.iter().any(|(given, _)| Some(given.as_str()) == name(option, "client_id"));
    if !is_there {
        put(params, option, "client_id", &client.id);
    }
}

/// One part of Basic credentials. RFC 6749 §2.3.1, appendix B.
fn form_encode(part: &str) -> String {
    form_urlencoded::byte_serialize(part.as_bytes()).collect()
}

#[cfg(test)]
mod grant_tests;
#[cfg(test)]
mod pushed_tests;
#[cfg(test)]
#[path = "oauth2_tests.rs"]
mod tests;
