//! The calls that a file asks for, in their order: written from the words of `docs/connector-format.md`
//! and the RFCs, beside the engine and not with its help.

use hitchpost::catalog::connector::{
    AccountFrom, Api, AuthOption, AuthType, ClientAuth, Request, ScopeAt, Target, Templates,
};
use serde_json::Value;
use url::form_urlencoded;

use super::{
    call::{Body, Call, Pairs},
    known::{ANY, Known, names},
};

/// RFC 7523.
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// What ties the answer of an authorize address to the attempt.
const BINDING: [&str; 4] = ["state", "redirect_uri", "code_challenge", "code_challenge_method"];
/// Path and query of the call that is passed on.
const PROBE: &str = "/contract/probe";
pub const PROBED: &str = "/contract/probe?contract=1%2F2";

/// One option, and what is known of its connection.
#[derive(Clone)]
pub struct Script<'a> {
    pub option: &'a AuthOption,
    pub api: Option<&'a Api>,
    pub known: Known,
    pub scopes: Vec<String>,
    pub client: Client,
    pub redirect_uri: String,
}

/// Who the product is to the provider.
#[derive(Clone)]
pub struct Client {
    pub id: String,
    pub secret: Option<String>,
}

type Made<T> = Result<T, String>;

impl Script<'_> {
    fn wire(&self, standard: &str) -> Option<String> {
        let name = self.option.names.get(standard).map_or(standard, String::as_str);
        (!name.is_empty()).then(|| name.to_owned())
    }

    fn put(&self, pairs: &mut Pairs, standard: &str, value: &str) {
        pairs.extend(self.wire(standard).map(|name| (name, value.to_owned())));
    }

    fn put_scopes(&self, pairs: &mut Pairs) {
        let rules = &self.option.scopes;
        let further = rules.params.iter().map(|(name, scopes)| (name, scopes));
        let all = std::iter::once((&rules.param, &self.scopes)).chain(further);
        let sent = all.filter(|(name, scopes)| rules.supported && !name.is_empty() && !scopes.is_empty());
        pairs.extend(sent.map(|(name, scopes)| (name.clone(), scopes.join(&rules.separator))));
    }

    fn put_resource(&self, pairs: &mut Pairs) {
        if let Some(resource) = &self.option.resource {
            self.put(pairs, "resource", resource);
        }
    }

    fn filled(&self, templates: &Templates) -> Made<Pairs> {
        templates.iter().map(|(name, one)| Ok((name.clone(), self.known.text(one.source())?))).collect()
    }

    fn address(&self, request: &Request) -> Made<String> {
        let source = match &request.target {
            Target::Url(url) => url.source().to_owned(),
            Target::Path(path) => {
                let base = self.api.and_then(|api| api.base.as_ref()).ok_or("a path without a base")?;
                format!("{}{}", base.source().trim_end_matches('/'), path.source())
            }
        };
        self.known.text(&source)
    }

    /// A request of the file with standard parameters in front of its own.
    fn request(&self, what: &str, request: &Request, standard: Pairs, proof: bool) -> Made<Call> {
        let mut call = Call::new(what, request.method.as_str(), &self.address(request)?)?;
        let mut standard = standard;
        if proof {
            self.prove(request, &mut standard, &mut call)?;
        }
        let own = self.filled(&request.params)?;
        let is_own = |name: &String| own.iter().any(|(other, _)| other == name);
        let mut params: Pairs = standard.into_iter().filter(|(name, _)| !is_own(name)).collect();
        params.extend(own);
        self.load(&mut call, request, params)?;
        if let Some(api) = self.api {
            for (name, value) in self.filled(&api.headers)? {
                call.head(&name, value);
            }
        }
        for (name, value) in self.filled(&request.headers)? {
            call.head(&name, value);
        }
        if let Some(basic) = &request.basic {
            let name = self.known.text(basic.username.source())?;
            call.basic = Some((name, self.known.text(basic.password.source())?));
        }
        Ok(call)
    }

    /// Puts parameters where the request's format has them.
    fn load(&self, call: &mut Call, request: &Request, params: Pairs) -> Made<()> {
        use hitchpost::catalog::connector::Format;
        let in_address = request.format == Format::Query || matches!(request.method.as_str(), "GET" | "HEAD");
        match &request.body {
            Some(body) => {
                let mut body = self.json(body)?;
                if let (Value::Object(members), Format::Json) = (&mut body, request.format) {
                    for (name, value) in params {
                        members.entry(name).or_insert(Value::String(value));
                    }
                }
                call.body = Body::Json(body);
            }
            None if params.is_empty() => {}
            None if in_address => call.query.extend(params),
            None if request.format == Format::Json => {
                let members = params.into_iter().map(|(name, value)| (name, Value::String(value)));
                call.body = Body::Json(Value::Object(members.collect()));
            }
            None => call.body = Body::Form(params),
        }
        Ok(())
    }

    fn json(&self, body: &Value) -> Made<Value> {
        Ok(match body {
            Value::String(source) => Value::String(self.known.text(source)?),
            Value::Array(items) => {
                Value::Array(items.iter().map(|item| self.json(item)).collect::<Made<_>>()?)
            }
            Value::Object(members) => Value::Object(
                members.iter().map(|(name, one)| Ok((name.clone(), self.json(one)?))).collect::<Made<_>>()?,
            ),
            other => other.clone(),
        })
    }

    /// How the client shows who it is: RFC 6749 §2.3, RFC 7523 §2.2.
    fn prove(&self, request: &Request, params: &mut Pairs, call: &mut Call) -> Made<()> {
        if request.basic.is_some() {
            return Ok(());
        }
        let form = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let id = &self.client.id;
        match (self.option.client_auth, &self.client.secret) {
            (ClientAuth::PrivateKeyJwt, _) => {
                self.name_client(params);
                self.put(params, "client_assertion_type", ASSERTION);
                self.put(params, "client_assertion", ANY);
            }
            (ClientAuth::Basic, Some(secret)) => call.basic = Some((form(id), form(secret))),
            (ClientAuth::BasicRaw, Some(secret)) => call.basic = Some((id.clone(), secret.clone())),
            (ClientAuth::Body, Some(secret)) => {
                self.name_client(params);
                self.put(params, "client_secret", secret);
            }
            (ClientAuth::None, _) | (_, None) => self.name_client(params),
        }
        Ok(())
    }

    fn name_client(&self, params: &mut Pairs) {
        let name = self.wire("client_id");
        if !params.iter().any(|(other, _)| Some(other) == name.as_ref()) {
            self.put(params, "client_id", &self.client.id);
        }
    }

    /// The address that the browser leaves for; none where nobody leaves.
    pub fn authorize(&self) -> Made<Option<Call>> {
        if self.option.kind == AuthType::Proxy {
            return Ok(None);
        }
        let Some(request) = &self.option.authorize else { return Ok(None) };
        let whole = self.asked(request)?;
        if self.option.par.is_none() {
            return Ok(Some(whole));
        }
        let mut call = Call::new("the authorize address", "GET", &self.address(request)?)?;
        self.put(&mut call.query, "client_id", &self.client.id);
        self.put(&mut call.query, "request_uri", ANY);
        Ok(Some(call))
    }

    /// Everything that the customer is asked for.
    fn asked(&self, request: &Request) -> Made<Call> {
        let mut call = Call::new("the authorize address", "GET", &self.address(request)?)?;
        let (mut plain, mut bound) = (Pairs::new(), Pairs::new());
        let rules = &self.option.scopes;
        match self.option.kind {
            AuthType::OAuth1 => self.put(&mut bound, "oauth_token", ANY),
            AuthType::OAuth2 => {
                self.put(&mut plain, "response_type", "code");
                self.put(&mut plain, "client_id", &self.client.id);
                self.put_resource(&mut plain);
                self.put(&mut bound, "redirect_uri", &self.redirect_uri);
                self.put(&mut bound, "state", ANY);
                if self.option.pkce {
                    self.put(&mut bound, "code_challenge", ANY);
                    self.put(&mut bound, "code_challenge_method", "S256");
                }
            }
            _ => self.put(&mut bound, "state", ANY),
        }
        let asks = matches!(self.option.kind, AuthType::OAuth1 | AuthType::OAuth2);
        if asks && rules.at == ScopeAt::Authorize {
            self.put_scopes(&mut plain);
        }
        let binding: Vec<_> = match self.option.kind {
            AuthType::OAuth1 => self.wire("oauth_token").into_iter().collect(),
            _ => BINDING.iter().filter_map(|name| self.wire(name)).collect(),
        };
        call.query.retain(|(name, _)| !binding.contains(name));
        let own = self.filled(&request.params)?.into_iter().filter(|(name, _)| !binding.contains(name));
        let own: Pairs = own.collect();
        plain.retain(|(name, _)| !own.iter().chain(&call.query).any(|(other, _)| other == name));
        call.query.extend(plain.into_iter().chain(own).chain(bound));
        Ok(call)
    }

    /// Every call until there is a connection. The access token of calls before a swap cannot be told.
    pub fn connect(&self) -> Made<Vec<Call>> {
        let option = self.option;
        let mut calls = Vec::new();
        if let Some(first) = &option.request_token {
            let mut params = Pairs::new();
            if option.scopes.at == ScopeAt::RequestToken {
                self.put_scopes(&mut params);
            }
            let call = self.request("the request token call", first, params, false)?;
            calls.push(self.signed(call, None, &[("oauth_callback", self.redirect_uri.clone())])?);
        }
        if let (Some(par), Some(authorize)) = (&option.par, &option.authorize) {
            calls.push(self.request("the pushed call", par, self.asked(authorize)?.query, true)?);
        }
        calls.extend(self.trade()?);
        let unswapped = self.unswapped();
        let is_late = self.swaps_late();
        if !is_late {
            calls.extend(unswapped.swap()?);
        }
        for step in 0..option.discover.len() {
            let script = if is_late { &unswapped } else { self };
            calls.push(script.discover(step)?);
        }
        if is_late {
            calls.extend(unswapped.swap()?);
        }
        let from = self.api.and_then(|api| api.account.as_ref()).map(|account| account.from);
        // A token reply that names the account makes the test call needless.
        if !matches!(from, Some(AccountFrom::Token | AccountFrom::IdToken)) {
            calls.extend(self.test()?);
        }
        Ok(calls)
    }

    fn unswapped(&self) -> Self {
        let mut script = self.clone();
        if self.option.exchange.is_some() {
            script.known.open("access_token");
        }
        script
    }

    /// The swap uses what only discovery finds.
    fn swaps_late(&self) -> bool {
        let found =
            |name: &String| self.option.discover.iter().any(|one| one.request.keep.contains_key(name));
        self.option.exchange.as_ref().is_some_and(|exchange| used(exchange).iter().any(found))
    }

    /// The call that brings a token, of whatever is traded.
    fn trade(&self) -> Made<Option<Call>> {
        let Some(request) = &self.option.token else { return Ok(None) };
        let what = "the token call";
        let mut params = Pairs::new();
        let at_token = self.option.scopes.at == ScopeAt::Token;
        let call = match self.option.kind {
            AuthType::OAuth1 => {
                let call = self.request(what, request, params, false)?;
                self.signed(call, Some(ANY), &[("oauth_verifier", ANY.to_owned())])?
            }
            AuthType::OAuth2 => {
                self.put(&mut params, "grant_type", "authorization_code");
                self.put(&mut params, "code", ANY);
                self.put(&mut params, "redirect_uri", &self.redirect_uri);
                if self.option.pkce {
                    self.put(&mut params, "code_verifier", ANY);
                }
                if at_token {
                    self.put_scopes(&mut params);
                }
                self.put_resource(&mut params);
                params.extend(self.option.callback.echo.iter().map(|name| (name.clone(), ANY.to_owned())));
                self.request(what, request, params, true)?
            }
            AuthType::ClientCredentials => {
                self.put(&mut params, "grant_type", "client_credentials");
                self.put_scopes(&mut params);
                self.put_resource(&mut params);
                self.request(what, request, params, true)?
            }
            AuthType::Jwt if !used(request).contains(&"jwt".to_owned()) => {
                self.put(&mut params, "grant_type", JWT_BEARER);
                self.put(&mut params, "assertion", ANY);
                if at_token {
                    self.put_scopes(&mut params);
                }
                self.put_resource(&mut params);
                let proves = self.option.client_auth != ClientAuth::Body || self.option.client.is_some();
                self.request(what, request, params, proves)?
            }
            _ => self.request(what, request, params, false)?,
        };
        Ok(Some(call))
    }

    fn swap(&self) -> Made<Option<Call>> {
        let exchange = self.option.exchange.as_ref();
        exchange.map(|request| self.request("the exchange", request, Pairs::new(), false)).transpose()
    }

    fn discover(&self, step: usize) -> Made<Call> {
        let request = &self.option.discover[step].request;
        let later = self.option.discover[step..].iter().flat_map(|one| one.request.keep.keys());
        let mut script = self.clone();
        script.known = self.known.without(later);
        script.placed(&format!("discovery {}", step + 1), request)
    }

    /// The call that shows whether credentials work.
    pub fn test(&self) -> Made<Option<Call>> {
        let test = self.api.and_then(|api| api.test.as_ref());
        test.map(|request| self.placed("the test call", request)).transpose()
    }

    /// A request of the file with the credential where `use` has it.
    fn placed(&self, what: &str, request: &Request) -> Made<Call> {
        let mut call = self.request(what, request, Pairs::new(), false)?;
        self.place(&mut call)?;
        for (name, value) in self.filled(&request.headers)? {
            if name.eq_ignore_ascii_case("authorization") {
                call.basic = None;
            }
            call.head(&name, value);
        }
        if self.option.usage.sign { self.signed_now(call) } else { Ok(call) }
    }

    fn place(&self, call: &mut Call) -> Made<()> {
        let usage = &self.option.usage;
        for (name, template) in &usage.headers {
            if self.known.is_filled(template.source()) {
                call.head(name, self.known.text(template.source())?);
            }
        }
        for (name, template) in &usage.query {
            if self.known.is_filled(template.source()) {
                call.query.retain(|(other, _)| other != name);
                call.query.push((name.clone(), self.known.text(template.source())?));
            }
        }
        if let Some(basic) = &usage.basic {
            let name = self.known.text(basic.username.source())?;
            call.basic = Some((name, self.known.text(basic.password.source())?));
        }
        Ok(())
    }

    fn signed_now(&self, call: Call) -> Made<Call> {
        let token = match &self.option.token_static {
            Some(fixed) => self.known.text(fixed.token.source())?,
            None => self.known.text("{{access_token}}")?,
        };
        self.signed(call, Some(&token), &[])
    }

    /// RFC 5849 §3.5.1.
    fn signed(&self, mut call: Call, token: Option<&str>, more: &[(&str, String)]) -> Made<Call> {
        let signature = self.option.signature.as_ref();
        let method = signature.map_or("HMAC-SHA1", |signature| signature.method.as_str());
        let mut pairs = vec![
            ("oauth_consumer_key".to_owned(), self.client.id.clone()),
            ("oauth_signature_method".to_owned(), method.to_owned()),
        ];
        if let Some(realm) = signature.and_then(|signature| signature.realm.as_ref()) {
            pairs.push(("realm".to_owned(), self.known.text(realm.source())?));
        }
        pairs.extend(token.map(|token| ("oauth_token".to_owned(), token.to_owned())));
        pairs.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        call.signed = Some(pairs);
        Ok(call)
    }

    /// Any other call, passed on for the product's backend.
    pub fn proxied(&self) -> Made<Option<Call>> {
        let Some((api, base)) = self.api.and_then(|api| Some((api, api.base.as_ref()?))) else {
            return Ok(None);
        };
        let address = format!("{}{PROBE}", self.known.text(base.source())?.trim_end_matches('/'));
        let mut call = Call::new("the proxied call", "GET", &address)?;
        call.query = vec![("contract".to_owned(), "1/2".to_owned())];
        for (name, value) in self.filled(&api.headers)? {
            call.head(&name, value);
        }
        self.place(&mut call)?;
        // A text that is always the same is a default only, and the test's own client says what it accepts.
        call.headers.retain(|(name, _)| name != "accept");
        if self.option.usage.sign { self.signed_now(call).map(Some) } else { Ok(Some(call)) }
    }

    /// Whether what this option gives can be renewed.
    pub fn is_renewed(&self) -> bool {
        let again =
            matches!(self.option.kind, AuthType::ClientCredentials | AuthType::Jwt | AuthType::TokenExchange);
        self.option.refresh.is_some() || (again && self.option.token.is_some())
    }

    /// The calls of one renewal.
    pub fn renew(&self) -> Made<Vec<Call>> {
        let Some(refresh) = &self.option.refresh else {
            let calls = self.trade()?.into_iter().chain(self.unswapped().swap()?);
            return Ok(calls.collect());
        };
        let request =
            refresh.request.as_ref().or(self.option.token.as_ref()).ok_or("nothing to renew with")?;
        let what = "the refresh call";
        if refresh.template {
            return Ok(vec![self.request(what, request, Pairs::new(), false)?]);
        }
        let mut params = Pairs::new();
        self.put(&mut params, "grant_type", "refresh_token");
        self.put(&mut params, "refresh_token", &self.known.text("{{refresh_token}}")?);
        if self.option.scopes.on_refresh {
            self.put_scopes(&mut params);
        }
        self.put_resource(&mut params);
        Ok(vec![self.request(what, request, params, true)?])
    }

    /// The calls that give the grant back.
    pub fn revoke(&self) -> Made<Vec<Call>> {
        let Some(request) = &self.option.revoke else { return Ok(Vec::new()) };
        let what = "the revoke call";
        if self.option.kind == AuthType::OAuth1 {
            let call = self.request(what, request, Pairs::new(), false)?;
            return Ok(vec![self.signed_now(call)?]);
        }
        let own = used(request);
        if ["access_token", "refresh_token"].iter().any(|name| own.contains(&(*name).to_owned())) {
            return Ok(vec![self.request(what, request, Pairs::new(), false)?]);
        }
        let tokens = ["refresh_token", "access_token"].into_iter();
        let tokens = tokens.filter_map(|hint| Some((hint, self.known.get(hint)?)));
        tokens
            .map(|(hint, token)| {
                let mut params = Pairs::new();
                self.put(&mut params, "token", token);
                self.put(&mut params, "token_type_hint", hint);
                self.request(what, request, params, true)
            })
            .collect()
    }
}

/// The names in a request's own words.
fn used(request: &Request) -> Vec<String> {
    let (Target::Url(target) | Target::Path(target)) = &request.target;
    let basic = request.basic.iter().flat_map(|basic| [&basic.username, &basic.password]);
    let templates = request.params.iter().chain(&request.headers).map(|(_, template)| template);
    let body = request.body.as_ref().map(Value::to_string).unwrap_or_default();
    let sources = templates.chain(basic).chain([target]).map(|template| template.source().to_owned());
    let sources: Vec<_> = sources.chain([body]).collect();
    sources.iter().flat_map(|source| names(source)).map(str::to_owned).collect()
}
