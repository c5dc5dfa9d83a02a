//! The calls that a file asks for, in their order: written from the words of `docs/connector-format.md`
//! and the RFCs, beside the engine and not with its help.

use hitchpost::catalog::connector::{AccountFrom, Api, AuthOption, AuthType, ClientAuth, Request, ScopeAt};

use super::{
    call::{Call, Pairs},
    fill::used,
    known::{ANY, Known},
};

/// RFC 7523 §2.1.
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
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

/// What was made, or what it lacks.
pub type Made<T> = Result<T, String>;

impl Script<'_> {
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

    /// Whether the file says where the account stands, in a reply that there is.
    pub fn names_account(&self) -> bool {
        let Some((api, account)) = self.api.and_then(|api| Some((api, api.account.as_ref()?))) else {
            return false;
        };
        match account.from {
            AccountFrom::Test => api.test.is_some(),
            AccountFrom::Token | AccountFrom::IdToken => self.option.token.is_some(),
            AccountFrom::Kept => self.known.get(&account.id).is_some(),
        }
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
