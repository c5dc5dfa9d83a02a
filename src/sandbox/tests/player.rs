//! A client that follows a connector's file to the letter, with the house's own protocol rooms.

use axum::{
    body::Body,
    http::{HeaderMap, Request as HttpRequest, StatusCode},
};
use serde_json::{Map, Value};
use url::Url;

use super::stage::{Answer, CALLBACK, OWN, Stage, VERIFIER, request_of};
use crate::{
    catalog::{
        Connector, Namespace, Template,
        connector::{Api, AuthOption, AuthType, ClientAuth, Field, Request},
        input,
    },
    model::{Parameters, Secret, Timestamp},
    protocol::{
        Call, Endpoint, Reply, inject,
        jwt::{Minting, client_assertion, mint},
        oauth1,
        oauth2::{self, AuthorizeAsk, Client, CodeGrant},
        token_reply::{self, TokenRefusal, TokenReply},
    },
    sandbox::written::names,
};

pub(super) const ES256: &str = include_str!("../keys/es256.pem");
pub(super) const RS256: &str = include_str!("../keys/rs256.pem");

/// What a callback carries.
pub(super) type Callback = Vec<(String, String)>;

/// A client of one option.
pub(super) struct Player<'a> {
    pub(super) stage: &'a Stage,
    pub(super) connector: &'a Connector,
    pub(super) option: &'a AuthOption,
    pub(super) values: Namespace,
    pub(super) client: Client,
    pub(super) token: Option<(String, String)>,
    count: u32,
}

impl<'a> Player<'a> {
    pub(super) fn new(stage: &'a Stage, connector: &'a Connector, option: &str) -> Self {
        let option = connector.auth.iter().find(|one| one.key == option).expect("an option");
        let id = format!("sandbox-{}", connector.key);
        let mut values = Namespace::new();
        values.client(&id, Some(&Secret::new(own_secret(connector, option))));
        values.workspace("acme", "Acme");
        values.customer("c1", Some("Ann"), &Map::new());
        values.set("scopes", &option.scopes.default.join(&option.scopes.separator));
        values.parameters(connector, &parameters(connector, option));
        for field in &option.fields {
            values.set(&field.name, &typed(option, field));
            for part in field.split.iter().flat_map(|split| &split.into) {
                values.set(part, "acme");
            }
        }
        let given = input::typed(option).map(|field| (field.name.clone(), typed(option, field))).collect();
        // What is computed follows from what is typed.
        if let Ok(input) = input::check(option, &given) {
            values.plain(&input.plain);
        }
        let client = Client { id, secret: None, assertion: None };
        Self { stage, connector, option, values, client, token: None, count: 0 }
    }

    pub(super) fn api(&self) -> &'a Api {
        self.option.api.as_ref().or(self.connector.api.as_ref()).expect("an API")
    }

    fn next(&mut self) -> String {
        self.count += 1;
        format!("{}-{}-{}", self.connector.key, self.option.key, self.count)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.stage.now()
    }

    /// A token as the file's `jwt` says.
    pub(super) fn mint(&mut self) -> String {
        let jwt = self.option.jwt.as_ref().expect("a jwt table");
        let rendered = |name: &String, template: &Template| {
            (name.clone(), template.render(&self.values).expect("every name is known"))
        };
        let claims: Vec<_> = jwt.claims.iter().map(|(name, value)| rendered(name, value)).collect();
        let header: Vec<_> = jwt.header.iter().map(|(name, value)| rendered(name, value)).collect();
        let key = Secret::new(jwt.key.render(&self.values).expect("a key"));
        let claims = claims.into_iter().map(|(name, value)| (name, Value::from(value))).collect();
        let id = self.next();
        let minting = Minting {
            algorithm: &jwt.algorithm,
            key: &key,
            header: &header,
            claims: &claims,
            now: self.now(),
            expires_in: jwt.expires_in,
            id: &id,
        };
        mint(&minting).expect("a key that fits").expose().clone()
    }

    /// The client as it is at this moment, with a fresh assertion or signed secret.
    pub(super) fn prove(&mut self, audience: &str) {
        if self.option.jwt.is_some() {
            let token = self.mint();
            self.values.set("jwt", &token);
        }
        let own = self.option.client.as_ref();
        if let Some(own) = own {
            self.client.id = own.id.render(&self.values).expect("an id");
        }
        let secret = match own.and_then(|own| own.secret.as_ref()) {
            Some(secret) => secret.render(&self.values).expect("a secret"),
            None => own_secret(self.connector, self.option),
        };
        if self.option.client_auth == ClientAuth::PrivateKeyJwt {
            let id = self.next();
            let key = Secret::new(secret.clone());
            let assertion = client_assertion(&self.client.id, &key, audience, None, &[], self.now(), &id);
            self.client.assertion = Some(assertion.expect("a key that fits"));
        }
        self.client.secret = Some(Secret::new(secret));
    }

    pub(super) fn endpoint(&self, request: &Request) -> Endpoint {
        let key = &self.connector.key;
        Endpoint::render(request, self.api(), &self.values).unwrap_or_else(|error| panic!("{key}: {error}"))
    }

    pub(super) async fn send(&self, call: Call) -> Answer {
        let url = call.url.as_str().strip_prefix("https://").expect("providers are met by https");
        let mut request = HttpRequest::builder().method(call.method).uri(format!("/sandbox/{url}"));
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        self.stage.send(request.body(Body::from(call.body)).expect("a request")).await
    }

    fn ask<'b>(&'b self, scopes: &'b [String]) -> AuthorizeAsk<'b> {
        AuthorizeAsk {
            client_id: &self.client.id,
            redirect_uri: CALLBACK,
            scopes,
            state: "s1",
            verifier: Some(VERIFIER),
        }
    }

    /// Where the browser goes.
    pub(super) async fn authorize(&mut self) -> Url {
        let option = self.option;
        let endpoint = self.endpoint(option.authorize.as_ref().expect("authorize"));
        if let Some(first) = &option.request_token {
            let first = self.endpoint(first);
            let params = oauth1::request_token_params(option, &option.scopes.default);
            let mut call = first.call_with(params).expect("a call");
            self.prove("");
            self.token = None;
            self.sign(&mut call, &[("oauth_callback", CALLBACK)]);
            let answer = self.send(call).await;
            let temporary = oauth1::temporary_reply(&reply(&answer), self.now())
                .unwrap_or_else(|error| panic!("{}: {error}", answer.text));
            self.token = Some((temporary.token, temporary.secret.expose().clone()));
            let token = &self.token.as_ref().expect("just set").0;
            return oauth1::authorize_url(option, &endpoint, token, &option.scopes.default);
        }
        if let Some(par) = &option.par {
            let par = self.endpoint(par);
            self.prove(par.url.as_str());
            let ask = self.ask(&option.scopes.default);
            let call = oauth2::pushed_request(option, &par, &self.client, &ask, &endpoint).expect("a call");
            let answer = self.send(call).await;
            assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
            let uri = oauth2::pushed_reply(&reply(&answer), self.now()).expect("a request_uri");
            return oauth2::pushed_authorize_url(option, &endpoint, &self.client.id, &uri);
        }
        if option.client.is_some() {
            self.prove("");
        }
        let mut url = oauth2::authorize_url(option, &endpoint, &self.ask(&option.scopes.default));
        if !url.query_pairs().any(|(name, _)| name == "redirect_uri") {
            url.query_pairs_mut().append_pair("sandbox_redirect_uri", CALLBACK);
        }
        url
    }

    /// What the browser brings back, by redirect or by form.
    pub(super) async fn visit(&self, url: &Url, account: &str, scenario: &str) -> Callback {
        let path = format!("/sandbox/{}", url.as_str().strip_prefix("https://").expect("https"));
        let page = self.stage.get(&path, &[]).await;
        let key = &self.connector.key;
        assert_eq!(page.status, StatusCode::OK, "{key}: {} {}", page.text, page.header("location"));
        assert!(!request_of(&page).is_empty());
        let form = [("account", account), ("scenario", scenario), ("decision", "allow")];
        let answer = self.stage.answer(&page, &form, OWN).await;
        if answer.status == StatusCode::SEE_OTHER {
            return answer.location().query_pairs().into_owned().collect();
        }
        answer.fields()
    }

    fn code_call(&mut self, callback: &[(String, String)]) -> Call {
        let option = self.option;
        let request = option.token.as_ref().expect("token");
        let endpoint = self.endpoint(request);
        self.prove(endpoint.url.as_str());
        let get = |name: &str| callback.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let code = get(&option.callback.code).unwrap_or_else(|| panic!("{}: {callback:?}", option.key));
        let echo: Vec<_> =
            callback.iter().filter(|(name, _)| option.callback.echo.contains(name)).cloned().collect();
        let verifier = Some(VERIFIER);
        let scopes = &option.scopes.default;
        let grant = CodeGrant { code, redirect_uri: CALLBACK, verifier, scopes, echo: &echo };
        oauth2::code_request(option, &endpoint, &self.client, &grant).expect("a call")
    }

    /// The token call of the option, whatever its type.
    pub(super) fn token_call(&mut self, callback: &[(String, String)]) -> Call {
        for (name, param) in &self.option.callback.keep {
            let value = callback.iter().find(|(key, _)| key == param).map(|(_, value)| value.as_str());
            self.values.set(name, value.unwrap_or_else(|| panic!("{param} is not in the callback")));
        }
        if self.option.kind == AuthType::OAuth2 {
            return self.code_call(callback);
        }
        let request = self.option.token.as_ref().expect("token");
        if self.option.jwt.is_some() {
            let token = self.mint();
            self.values.set("jwt", &token);
        }
        let endpoint = self.endpoint(request);
        let (option, scopes) = (self.option, &self.option.scopes.default);
        match option.kind {
            AuthType::ClientCredentials => {
                self.prove(endpoint.url.as_str());
                oauth2::client_credentials_request(option, &endpoint, &self.client, scopes)
            }
            AuthType::Jwt => {
                let assertion = self.mint();
                oauth2::jwt_bearer_request(option, &endpoint, None, &assertion, scopes)
            }
            AuthType::OAuth1 => {
                let verifier = callback.iter().find(|(name, _)| name == "oauth_verifier");
                let verifier = verifier.map(|(_, value)| value.clone()).unwrap_or_default();
                let mut call = endpoint.call().expect("a call");
                self.sign(&mut call, &[("oauth_verifier", &verifier)]);
                Ok(call)
            }
            _ => endpoint.call(),
        }
        .expect("a call")
    }

    /// Reads a token reply and remembers what the file keeps of it.
    pub(super) fn take(&mut self, request: &Request, answer: &Answer) -> Result<TokenReply, TokenRefusal> {
        let reply = reply(answer);
        let tokens = match self.option.kind {
            AuthType::OAuth1 => oauth1::token_reply(request, &reply, self.now())?,
            _ => token_reply::token_reply(request, &reply, self.now())?,
        };
        self.values.tokens(&tokens.access_token, tokens.refresh_token.as_ref());
        let secret = tokens.token_secret.as_ref().map(|secret| secret.expose().clone());
        self.token = secret.map(|secret| (tokens.access_token.expose().clone(), secret));
        for (name, path) in &request.keep {
            let kept = at(&tokens.body, path).and_then(Value::as_str);
            self.values.set(name, kept.unwrap_or_else(|| panic!("{name} is not kept: {}", tokens.body)));
        }
        Ok(tokens)
    }

    /// From nothing to tokens that open the account.
    pub(super) async fn connect(&mut self, account: &str, scenario: &str) -> Option<TokenReply> {
        let mut callback = Callback::new();
        if self.option.authorize.is_some() {
            let url = self.authorize().await;
            callback = self.visit(&url, account, scenario).await;
        }
        let token = self.option.token.as_ref()?;
        let call = self.token_call(&callback);
        let answer = self.send(call).await;
        let key = &self.connector.key;
        let mut tokens =
            self.take(token, &answer).unwrap_or_else(|error| panic!("{key}: {error} {}", answer.text));
        if let Some(exchange) = self.option.exchange.as_ref().filter(|_| !self.swaps_late()) {
            let answer = self.send(self.endpoint(exchange).call().expect("a call")).await;
            tokens = self.take(exchange, &answer).expect("a swapped token");
        }
        Some(tokens)
    }

    /// The swap needs what only `discover` finds.
    pub(super) fn swaps_late(&self) -> bool {
        let found =
            |name: &str| self.option.discover.iter().any(|discover| discover.request.keep.contains_key(name));
        self.option.exchange.as_ref().is_some_and(|swap| names(swap).any(|name| found(&name)))
    }

    /// The swap, or a refresh that is sent as written.
    pub(super) async fn swap(&mut self, request: &Request) -> TokenReply {
        if self.option.jwt.is_some() {
            let token = self.mint();
            self.values.set("jwt", &token);
        }
        let answer = self.send(self.endpoint(request).call().expect("a call")).await;
        self.take(request, &answer).unwrap_or_else(|error| panic!("{error} {}", answer.text))
    }

    /// Signs a call with what is at hand.
    pub(super) fn sign(&mut self, call: &mut Call, extra: &[(&str, &str)]) {
        let nonce = self.next();
        self.sign_with(call, extra, &nonce, self.now().seconds());
    }

    pub(super) fn sign_with(&mut self, call: &mut Call, extra: &[(&str, &str)], nonce: &str, timestamp: i64) {
        let method = self.option.signature.as_ref().map_or("HMAC-SHA1", |signature| &signature.method);
        let realm = self.option.signature.as_ref().and_then(|signature| signature.realm.as_ref());
        let realm = realm.map(|realm| realm.render(&self.values).expect("a realm"));
        let signing = oauth1::Signing {
            method: oauth1::SignatureMethod::parse(method).expect("a method"),
            realm: realm.as_deref(),
            client: &self.client,
            token: self.token.as_ref().map(|(token, secret)| oauth1::Token { token, secret }),
            nonce,
            timestamp,
        };
        oauth1::sign(call, &signing, extra).expect("a signed call");
    }

    /// A call of the file's, with credentials where it puts them.
    pub(super) async fn call(&mut self, request: &Request) -> Answer {
        if self.option.jwt.is_some() && self.option.token.is_none() {
            let token = self.mint();
            self.values.set("jwt", &token);
        }
        if let Some(fixed) = &self.option.token_static {
            self.prove("");
            let render = |template: &Template| template.render(&self.values).expect("typed");
            self.token = Some((render(&fixed.token), render(&fixed.secret)));
        }
        let endpoint = self.endpoint(request);
        let mut call = endpoint.call().expect("a call");
        if !endpoint.places_token {
            inject::inject(&self.option.usage, &self.values, &mut call).expect("credentials");
        }
        if self.option.usage.sign {
            self.sign(&mut call, &[]);
        }
        self.send(call).await
    }

    /// The call that shows whether credentials work.
    pub(super) async fn test(&mut self) -> Answer {
        let test = self.api().test.as_ref().expect("a test call");
        self.call(test).await
    }
}

/// The answer as the protocol rooms read it.
pub(super) fn reply(answer: &Answer) -> Reply {
    let headers: HeaderMap = answer.headers.clone();
    Reply { status: answer.status, headers, body: answer.text.clone().into_bytes() }
}

pub(super) fn at<'v>(reply: &'v Value, dotted: &str) -> Option<&'v Value> {
    reply.pointer(&format!("/{}", dotted.replace('.', "/")))
}

/// The secret of the sandbox's client: its key where the file signs with it.
fn own_secret(connector: &Connector, option: &AuthOption) -> String {
    let algorithm = option.jwt.as_ref().map_or("", |jwt| jwt.algorithm.as_str());
    let by_secret =
        option.jwt.as_ref().is_some_and(|jwt| jwt.key.names().any(|name| name == "client.secret"));
    match algorithm {
        "ES256" if by_secret => ES256.to_owned(),
        "RS256" if by_secret => RS256.to_owned(),
        _ if option.client_auth == ClientAuth::PrivateKeyJwt => ES256.to_owned(),
        _ => format!("sandbox-secret-{}", connector.key),
    }
}

fn parameters(connector: &Connector, option: &AuthOption) -> Parameters {
    let is_ec = option.jwt.as_ref().is_some_and(|jwt| jwt.algorithm == "ES256");
    let key = if is_ec { ES256 } else { RS256 };
    let mut given = Parameters::default();
    for (name, parameter) in &connector.parameters {
        if parameter.secret {
            given.secret.insert(name.clone(), Secret::from(key));
        } else if parameter.schema.get("default").is_none() {
            let example = parameter.schema.pointer("/examples/0").cloned();
            given.plain.insert(name.clone(), example.unwrap_or_else(|| Value::from("acme")));
        }
    }
    given
}

fn typed(option: &AuthOption, field: &Field) -> String {
    let signs = option.signs_with(&field.name);
    let first = field.options.first().map(|(value, _)| value);
    let suggested = field.default.as_ref().or(first).or(field.example.as_ref());
    match suggested {
        _ if signs => RS256.to_owned(),
        _ if field.secret => format!("sandbox-{}", field.name),
        Some(value) => value.clone(),
        None => format!("sandbox{}", field.name.replace('_', "")),
    }
}
