//! Who plays what: the roles an address has in the connector files.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use http::Method;
use url::Url;

use crate::catalog::{
    Catalog, Connector,
    connector::{Api, AuthOption, AuthType, Request, Target},
};

use crate::protocol::oauth1::SignatureMethod;

use super::{
    call::Call,
    oauth1::Signed,
    pattern::{AddressPattern, Captured, Certainty, Reach},
};

/// What an address is for. The order is the order of preference.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Role {
    /// The consent page.
    Authorize,
    /// The consent page's parameters are handed over (RFC 9126).
    Par,
    /// OAuth 1: the first call.
    RequestToken,
    /// A grant becomes an access token.
    Token,
    /// A token becomes a fresher one.
    Refresh,
    /// A fresh token is swapped for another.
    Exchange,
    /// Tokens are given back.
    Revoke,
    /// The call that shows whether credentials work.
    Test,
    /// The n-th call that finds out what the account has.
    Discover(usize),
    /// An address of an option that lacks what its method needs.
    Unplayed,
    /// Anything else below the API's base.
    Api,
}

impl Role {
    /// Roles of one rank are answered together.
    const fn rank(self) -> u8 {
        match self {
            Self::Authorize => 0,
            Self::Par => 1,
            Self::RequestToken => 2,
            Self::Token | Self::Refresh | Self::Exchange => 3,
            Self::Revoke => 4,
            Self::Test | Self::Discover(_) => 5,
            Self::Unplayed => 6,
            Self::Api => 7,
        }
    }

    /// Whether a call can be one for this role, by more than its address.
    fn is_meant_by(self, call: &Call) -> bool {
        match self {
            Self::Authorize => call.method == Method::GET,
            Self::RequestToken => Signed::read(call).is_none_or(|signed| signed.get("oauth_token").is_none()),
            _ => true,
        }
    }
}

/// An auth option that has a role at an address.
#[derive(Clone)]
pub(super) struct Part {
    pub(super) connector: Arc<Connector>,
    option: usize,
    pub(super) role: Role,
    /// What the address says about the option's fields.
    pub(super) captured: Captured,
}

impl Part {
    /// The part `option` of `connector` has in `role`.
    pub(super) fn new(connector: Arc<Connector>, option: usize, role: Role) -> Self {
        Self { connector, option, role, captured: Captured::new() }
    }

    /// The same part, at an address that says this.
    pub(super) fn at(&self, captured: &Captured) -> Self {
        Self { captured: captured.clone(), ..self.clone() }
    }

    /// The auth option.
    pub(super) fn option(&self) -> &AuthOption {
        &self.connector.auth[self.option]
    }

    /// Its API, or its connector's.
    pub(super) fn api(&self) -> Option<&Api> {
        api(&self.connector, self.option())
    }

    /// This part is the option `option` of `connector`.
    pub(super) fn is(&self, connector: &str, option: &str) -> bool {
        self.connector.key == connector && self.option().key == option
    }

    /// Tokens of `option` are this part's as well: it is the same option, or one that nobody can tell
    /// apart by its addresses and its scope parameter, as a sandbox of the same app.
    pub(super) fn takes(&self, connector: &str, option: &str) -> bool {
        let own = self.option();
        let is_twin = |other: &AuthOption| {
            other.kind == own.kind
                && other.scopes.param == own.scopes.param
                && other.authorize.is_some()
                && address(other.authorize.as_ref()) == address(own.authorize.as_ref())
                && address(other.token.as_ref()) == address(own.token.as_ref())
        };
        self.connector.key == connector
            && (own.key == option || self.connector.auth.iter().any(|one| one.key == option && is_twin(one)))
    }
}

fn api<'a>(connector: &'a Connector, option: &'a AuthOption) -> Option<&'a Api> {
    option.api.as_ref().or(connector.api.as_ref())
}

/// Whether the file says all that playing this option takes.
pub(super) fn is_played(option: &AuthOption) -> bool {
    let method = option.signature.as_ref().map(|signature| signature.method.as_str());
    let signs = method.is_none_or(|method| SignatureMethod::parse(method).is_some());
    match option.kind {
        AuthType::OAuth2 => option.authorize.is_some() && option.token.is_some(),
        AuthType::OAuth1 => {
            let by_redirect =
                option.request_token.is_some() && option.authorize.is_some() && option.token.is_some();
            signs && (by_redirect || option.token_static.is_some())
        }
        AuthType::ClientCredentials | AuthType::TokenExchange => option.token.is_some(),
        AuthType::Jwt => option.jwt.is_some(),
        AuthType::ApiKey | AuthType::Basic | AuthType::Custom | AuthType::Proxy | AuthType::MembraneToken => {
            true
        }
    }
}

/// All addresses of all connectors.
#[derive(Default)]
pub(super) struct Cast {
    /// By a host that is written out, since most are.
    named: HashMap<String, Vec<Place>>,
    /// With a host that is open, as a whole or in part.
    open: Vec<Place>,
}

struct Place {
    pattern: AddressPattern,
    reach: Reach,
    part: Part,
}

impl Cast {
    /// Reads the files' addresses, once.
    pub(super) fn new(catalog: &Catalog) -> Self {
        let mut cast = Self::default();
        for connector in catalog.iter() {
            for option in 0..connector.auth.len() {
                cast.learn(connector, option);
            }
        }
        cast
    }

    fn learn(&mut self, connector: &Arc<Connector>, index: usize) {
        let option = &connector.auth[index];
        let api = api(connector, option);
        let played = is_played(option);
        let mut learn = |request: Option<&Request>, role: Role| {
            let role = if played { role } else { Role::Unplayed };
            if let Some(pattern) = request.and_then(|request| pattern(request, api)) {
                let part = Part::new(Arc::clone(connector), index, role);
                self.add(Place { pattern, reach: Reach::Exactly, part });
            }
        };
        learn(option.authorize.as_ref(), Role::Authorize);
        learn(option.par.as_ref(), Role::Par);
        learn(option.request_token.as_ref(), Role::RequestToken);
        learn(option.token.as_ref(), Role::Token);
        learn(option.refresh.as_ref().and_then(|refresh| refresh.request.as_ref()), Role::Refresh);
        learn(option.exchange.as_ref(), Role::Exchange);
        learn(option.revoke.as_ref(), Role::Revoke);
        learn(api.and_then(|api| api.test.as_ref()), Role::Test);
        for (at, discover) in option.discover.iter().enumerate() {
            learn(Some(&discover.request), Role::Discover(at));
        }
        if let Some(base) = api.and_then(|api| api.base.as_ref()) {
            let pattern = AddressPattern::of(base.source());
            let part = Part::new(Arc::clone(connector), index, Role::Api);
            self.add(Place { pattern, reach: Reach::Below, part });
        }
    }

    fn add(&mut self, place: Place) {
        match place.pattern.written_host() {
            Some(host) => self.named.entry(host).or_default().push(place),
            None => self.open.push(place),
        }
    }

    /// The parts that are played at a call's address: all of one kind, the surest first.
    pub(super) fn parts(&self, call: &Call) -> Vec<Part> {
        let address = &call.address;
        let named = self.named.get(&address.host).into_iter().flatten();
        let mut found: Vec<(u8, Certainty, Part)> = named
            .chain(&self.open)
            .filter_map(|place| {
                let admits = |host: &str| admits(place.part.api(), host);
                let (certainty, captured) = place.pattern.fits(address, place.reach, admits)?;
                let is_anywhere = certainty == Certainty::AnyHost && !lists(place.part.api(), &address.host);
                let certainty = if is_anywhere { Certainty::Anywhere } else { certainty };
                Some((place.part.role.rank(), certainty, Part { captured, ..place.part.clone() }))
            })
            .collect();
        // An app that may stand anywhere does not stand where another one lives.
        let is_sure = |certainty: Certainty| certainty < Certainty::Anywhere;
        let at_home: HashSet<String> = found
            .iter()
            .filter(|(_, certainty, _)| is_sure(*certainty))
            .map(|(.., part)| part.connector.key.clone())
            .collect();
        found.retain(|(.., part)| at_home.is_empty() || at_home.contains(&part.connector.key));
        // Some apps have one address for two steps.
        if found.iter().any(|(.., part)| part.role.is_meant_by(call)) {
            found.retain(|(.., part)| part.role.is_meant_by(call));
        }
        found.sort_by_key(|(rank, certainty, _)| (*rank, *certainty));
        let Some(best) = found.first().map(|(rank, ..)| *rank) else { return Vec::new() };
        // A key may belong to an option whose own file part names no test call.
        let api = Role::Api.rank();
        found.retain(|(rank, ..)| *rank == best || (best == Role::Test.rank() && *rank == api));
        found.into_iter().map(|(.., part)| part).collect()
    }
}

fn address(request: Option<&Request>) -> Option<&str> {
    request.map(|request| match &request.target {
        Target::Url(target) | Target::Path(target) => target.source(),
    })
}

fn pattern(request: &Request, api: Option<&Api>) -> Option<AddressPattern> {
    match &request.target {
        Target::Url(url) => Some(AddressPattern::of(url.source())),
        Target::Path(path) => {
            let base = api.and_then(|api| api.base.as_ref())?;
            Some(AddressPattern::below(base.source(), path.source()))
        }
    }
}

/// Whether the connector may send anything to this host.
pub(super) fn admits(api: Option<&Api>, host: &str) -> bool {
    let is_host = Url::parse(&format!("https://{host}/")).is_ok();
    (is_host && api.is_some_and(|api| api.open_hosts)) || lists(api, host)
}

/// Whether the connector has this host among its own.
fn lists(api: Option<&Api>, host: &str) -> bool {
    let Ok(url) = Url::parse(&format!("https://{host}/")) else { return false };
    api.is_some_and(|api| api.hosts.iter().any(|pattern| pattern.matches(&url)))
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, extract::Request as HttpRequest};

    use super::*;
    use crate::catalog::parse;

    /// Authorizes and trades at one address.
    const ONE: &str = r#"
        name = "One"
        [[auth]]
        type = "oauth2"
        authorize = { url = "https://one.example/oauth/token" }
        token = { url = "https://one.example/oauth/token" }
        use = { headers = { Authorization = "Bearer {{access_token}}" } }
    "#;
    /// Begins and ends at one address.
    const TWO: &str = r#"
        name = "Two"
        [[auth]]
        type = "oauth1"
        request_token = { url = "https://two.example/oauth" }
        authorize = { url = "https://two.example/ask" }
        token = { url = "https://two.example/oauth" }
        use = { sign = true }
    "#;
    /// Stands wherever the developer says.
    const ANYWHERE: &str = r#"
        name = "Anywhere"
        [api]
        open_hosts = true
        [parameters.host]
        type = "string"
        integration_only = true
        [[auth]]
        type = "oauth2"
        authorize = { url = "https://{{param.host}}/oauth/token" }
        token = { url = "https://{{param.host}}/oauth/trade" }
        use = { headers = { Authorization = "Bearer {{access_token}}" } }
    "#;

    /// Who plays a call, and as what.
    fn played(method: Method, address: &str, authorization: &str) -> Vec<(String, Role)> {
        let mut catalog = Catalog::default();
        for (key, text) in [("one", ONE), ("two", TWO), ("anywhere", ANYWHERE)] {
            catalog.insert(parse::connector(key, key, text).unwrap_or_else(|error| panic!("{error}")));
        }
        let request = HttpRequest::builder().method(method).uri(format!("/sandbox/{address}"));
        let request = request.header("authorization", authorization).body(Body::empty());
        let (call, _) = Call::split(request.expect("a request")).expect("it has a host");
        let parts = Cast::new(&catalog).parts(&call);
        parts.into_iter().map(|part| (part.connector.key.clone(), part.role)).collect()
    }

    fn only(key: &str, role: Role) -> Vec<(String, Role)> {
        vec![(key.to_owned(), role)]
    }

    #[test]
    fn an_address_of_two_steps_is_told_by_the_call() {
        let trading = r#"OAuth oauth_consumer_key="k", oauth_token="t", oauth_verifier="v""#;
        let beginning = r#"OAuth oauth_consumer_key="k", oauth_callback="c""#;

        assert_eq!(played(Method::GET, "one.example/oauth/token", ""), only("one", Role::Authorize));
        assert_eq!(played(Method::POST, "one.example/oauth/token", ""), only("one", Role::Token));
        assert_eq!(played(Method::POST, "two.example/oauth", beginning), only("two", Role::RequestToken));
        assert_eq!(played(Method::POST, "two.example/oauth", trading), only("two", Role::Token));
    }

    #[test]
    fn what_may_stand_anywhere_stands_where_nobody_else_does() {
        let authorize = played(Method::GET, "nobody.example/oauth/token", "");

        assert_eq!(authorize, only("anywhere", Role::Authorize));
        assert_eq!(played(Method::POST, "nobody.example/oauth/trade", ""), only("anywhere", Role::Token));
        assert_eq!(played(Method::POST, "one.example/oauth/trade", ""), only("anywhere", Role::Token));
        assert_eq!(played(Method::GET, "one.example/oauth/token", ""), only("one", Role::Authorize));
    }
}
