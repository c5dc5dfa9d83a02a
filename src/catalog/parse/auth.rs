//! Auth options: one way to sign in, from its title to the header that carries the token.

use http::Method;

use super::{
    ConnectorError, api, field,
    reader::{Item, Table},
    request,
};
use crate::catalog::connector::{
    AuthOption, AuthType, Callback, CallbackSignature, Client, ClientAuth, Jwt, ScopeAt, Scopes, Signature,
    TokenStatic, Usage,
};

const TYPES: &[(&str, AuthType)] = &[
    ("oauth2", AuthType::OAuth2),
    ("oauth1", AuthType::OAuth1),
    ("client-credentials", AuthType::ClientCredentials),
    ("api-key", AuthType::ApiKey),
    ("basic", AuthType::Basic),
    ("custom", AuthType::Custom),
    ("jwt", AuthType::Jwt),
    ("token-exchange", AuthType::TokenExchange),
    ("proxy", AuthType::Proxy),
    ("membrane-token", AuthType::MembraneToken),
    ("integration-app-token", AuthType::MembraneToken),
];

const CLIENT_AUTHS: &[(&str, ClientAuth)] = &[
    ("body", ClientAuth::Body),
    ("basic", ClientAuth::Basic),
    ("basic-raw", ClientAuth::BasicRaw),
    ("private_key_jwt", ClientAuth::PrivateKeyJwt),
    ("none", ClientAuth::None),
];

const SCOPE_PLACES: &[(&str, ScopeAt)] =
    &[("authorize", ScopeAt::Authorize), ("request_token", ScopeAt::RequestToken), ("token", ScopeAt::Token)];

/// Algorithms a connector may sign with; `none` is not one.
const JWT_ALGORITHMS: &[&str] = &[
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384",
    "EdDSA",
];

/// Seconds a token signed by us lives when the file does not say.
const JWT_LIFETIME: u64 = 300;

/// One `[[auth]]` table.
pub(super) fn option(item: &Item<'_>, connector: &str) -> Result<AuthOption, ConnectorError> {
    let table = item.table()?;
    let kind = table.need("type", |item| item.one_of(TYPES))?;
    let token = table.read("token", post)?;
    let refresh = table.read("refresh", |item| request::refresh(item, token.as_ref()))?;
    let option = AuthOption {
        key: table.read("key", key)?.unwrap_or_else(|| type_name(kind).to_owned()),
        title: table.read("title", Item::text)?.unwrap_or_else(|| title(kind, connector)),
        kind,
        help_url: table.read("help_url", super::page)?,
        environment: table.read("environment", Item::text)?,
        client: table.read("client", client)?,
        client_auth: table.or_default("client_auth", |item| item.one_of(CLIENT_AUTHS))?,
        pkce: table.read("pkce", Item::bool)?.unwrap_or(true),
        issuer: table.read("issuer", Item::text)?,
        resource: table.read("resource", Item::text)?,
        scopes: table.or_default("scopes", scopes)?,
        names: table.or_default("names", renames)?,
        redirect_uri: table.read("redirect_uri", Item::template)?,
        callback: table.or_default("callback", callback)?,
        request_token: table.read("request_token", post)?,
        authorize: table.read("authorize", |item| request::request(item, &Method::GET))?,
        par: table.read("par", post)?,
        token,
        exchange: table.read("exchange", post)?,
        refresh,
        revoke: table.read("revoke", post)?,
        discover: table.or_default("discover", |item| item.each(request::discover))?,
        jwt: table.read("jwt", jwt)?,
        signature: table.read("signature", signature)?,
        token_static: table.read("token_static", token_static)?,
        usage: table.read("use", usage)?.unwrap_or_else(|| usual_use(kind)),
        fields: table.or_default("field", |item| item.each(field::field))?,
        api: table.read("api", api)?,
        url: table.read("url", Item::template)?,
    };
    table.finish()?;
    Ok(option)
}

/// The name of a type as files have it.
pub fn type_name(kind: AuthType) -> &'static str {
    TYPES.iter().find(|(_, other)| *other == kind).map_or("", |(name, _)| name)
}

fn title(kind: AuthType, connector: &str) -> String {
    match kind {
        AuthType::OAuth2 | AuthType::OAuth1 | AuthType::Proxy => return format!("Sign in with {connector}"),
        AuthType::ClientCredentials => "Client ID and secret",
        AuthType::ApiKey => "API key",
        AuthType::Basic => "User name and password",
        AuthType::Custom | AuthType::TokenExchange => "Credentials",
        AuthType::Jwt => "Service account",
        AuthType::MembraneToken => "Workspace token",
    }
    .to_owned()
}

fn post(item: &Item<'_>) -> Result<crate::catalog::connector::Request, ConnectorError> {
    request::request(item, &Method::POST)
}

fn key(item: &Item<'_>) -> Result<String, ConnectorError> {
    let key = item.text()?;
    if super::is_slug(&key) {
        Ok(key)
    } else {
        Err(item.refuse("must be lower-case words joined by hyphens"))
    }
}

fn client(item: &Item<'_>) -> Result<Client, ConnectorError> {
    let table = item.table()?;
    // A table with only a secret keeps the integration's own id.
    let own = crate::catalog::Template::parse("{{client.id}}").expect("a template");
    let client = Client {
        id: table.read("id", Item::template)?.unwrap_or(own),
        secret: table.read("secret", Item::template)?,
    };
    table.finish()?;
    Ok(client)
}

fn scopes(item: &Item<'_>) -> Result<Scopes, ConnectorError> {
    let table = item.table()?;
    let usual = Scopes::default();
    let params = |item: &Item<'_>| {
        item.members()?
            .into_iter()
            .map(|(name, list)| Ok((name, list.texts()?)))
            .collect::<Result<_, ConnectorError>>()
    };
    let scopes = Scopes {
        default: table.or_default("default", Item::texts)?,
        separator: table.read("separator", separator)?.unwrap_or(usual.separator),
        param: table.read("param", Item::text)?.unwrap_or(usual.param),
        at: table.read("at", |item| item.one_of(SCOPE_PLACES))?.unwrap_or(usual.at),
        params: table.or_default("params", params)?,
        titles: table.or_default("titles", Item::map)?,
        supported: table.read("supported", Item::bool)?.unwrap_or(usual.supported),
        on_refresh: table.or_default("on_refresh", Item::bool)?,
    };
    table.finish()?;
    Ok(scopes)
}

fn separator(item: &Item<'_>) -> Result<String, ConnectorError> {
    let separator = item.any_text()?;
    if separator.chars().count() == 1 { Ok(separator) } else { Err(item.refuse("must be one character")) }
}

fn renames(item: &Item<'_>) -> Result<std::collections::BTreeMap<String, String>, ConnectorError> {
    item.members()?.into_iter().map(|(name, value)| Ok((name, value.any_text()?))).collect()
}

fn callback(item: &Item<'_>) -> Result<Callback, ConnectorError> {
    let table = item.table()?;
    let callback = Callback {
        code: table.read("code", Item::text)?.unwrap_or_else(|| Callback::default().code),
        keep: table.or_default("keep", Item::names)?,
        echo: table.or_default("echo", Item::texts)?,
        matching: table.or_default("match", Item::templates)?,
        signature: table.read("signature", callback_signature)?,
    };
    table.finish()?;
    Ok(callback)
}

fn callback_signature(item: &Item<'_>) -> Result<CallbackSignature, ConnectorError> {
    let table = item.table()?;
    let signature = CallbackSignature {
        param: table.need("param", Item::text)?,
        algorithm: table.need("algorithm", |item| word(item, &["HMAC-SHA256"]))?,
        encoding: table.need("encoding", |item| word(item, &["hex", "base64"]))?,
        key: table.need("key", Item::template)?,
    };
    table.finish()?;
    Ok(signature)
}

fn jwt(item: &Item<'_>) -> Result<Jwt, ConnectorError> {
    let table = item.table()?;
    let jwt = Jwt {
        algorithm: table.need("algorithm", |item| word(item, JWT_ALGORITHMS))?,
        key: table.need("key", Item::template)?,
        header: table.or_default("header", Item::templates)?,
        claims: table.or_default("claims", Item::templates)?,
        expires_in: table.read("expires_in", Item::number)?.unwrap_or(JWT_LIFETIME),
    };
    table.finish()?;
    Ok(jwt)
}

fn signature(item: &Item<'_>) -> Result<Signature, ConnectorError> {
    let table = item.table()?;
    let signature = Signature {
        method: table.need("method", |item| word(item, &["HMAC-SHA1", "HMAC-SHA256", "PLAINTEXT"]))?,
        realm: table.read("realm", Item::template)?,
    };
    table.finish()?;
    Ok(signature)
}

fn token_static(item: &Item<'_>) -> Result<TokenStatic, ConnectorError> {
    let table = item.table()?;
    let token = TokenStatic {
        token: table.need("token", Item::template)?,
        secret: table.need("secret", Item::template)?,
    };
    table.finish()?;
    Ok(token)
}

fn usage(item: &Item<'_>) -> Result<Usage, ConnectorError> {
    let table: Table<'_> = item.table()?;
    let usage = Usage {
        headers: table.or_default("headers", Item::templates)?,
        query: table.or_default("query", Item::templates)?,
        basic: table.read("basic", request::basic)?,
        sign: table.or_default("sign", Item::bool)?,
    };
    table.finish()?;
    Ok(usage)
}

/// A workspace token goes where bearer tokens go; for everything else the file must say.
fn usual_use(kind: AuthType) -> Usage {
    if kind != AuthType::MembraneToken {
        return Usage::default();
    }
    let bearer = crate::catalog::Template::parse("Bearer {{jwt}}").expect("a template");
    Usage { headers: vec![("Authorization".to_owned(), bearer)], ..Usage::default() }
}

/// One of a few words that stay text.
fn word(item: &Item<'_>, words: &[&str]) -> Result<String, ConnectorError> {
    let choices: Vec<_> = words.iter().map(|word| (*word, *word)).collect();
    item.one_of(&choices).map(str::to_owned)
}
