//! Who plays what: the roles an address has in the connector files.

use std::sync::Arc;

use url::Url;

use crate::catalog::{
    Catalog, Connector,
    connector::{Api, AuthOption, AuthType, ClientAuth, Request, Target},
};

use super::{
    call::Address,
    pattern::{AddressPattern, Captured, Certainty, Reach},
};

/// What an address is for. The order is the order of preference.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Role {
    /// The consent page.
    Authorize,
    /// Codes and refresh tokens become access tokens.
    Token,
    /// Tokens are given back.
    Revoke,
    /// The call that shows whether credentials work.
    Test,
    /// The n-th call that finds out what the account has.
    Discover(usize),
    /// An address of a method that is not played yet.
    Unplayed,
    /// Anything else below the API's base.
    Api,
}

impl Role {
    /// Roles of one rank are answered together.
    const fn rank(self) -> u8 {
        match self {
            Self::Authorize => 0,
            Self::Token => 1,
            Self::Revoke => 2,
            Self::Test | Self::Discover(_) => 3,
            Self::Unplayed => 4,
            Self::Api => 5,
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
}

fn api<'a>(connector: &'a Connector, option: &'a AuthOption) -> Option<&'a Api> {
    option.api.as_ref().or(connector.api.as_ref())
}

/// Whether the sandbox can play this option.
pub(super) fn is_played(option: &AuthOption) -> bool {
    match option.kind {
        AuthType::OAuth2 => {
            option.client_auth != ClientAuth::PrivateKeyJwt
                && option.callback.signature.is_none()
                && option.exchange.is_none()
                && option.redirect_uri.is_none()
        }
        AuthType::ApiKey | AuthType::Basic | AuthType::Custom => true,
        _ => false,
    }
}

/// All addresses of all connectors.
pub(super) struct Cast(Vec<Place>);

struct Place {
    pattern: AddressPattern,
    reach: Reach,
    part: Part,
}

impl Cast {
    /// Reads the files' addresses, once.
    pub(super) fn new(catalog: &Catalog) -> Self {
        let mut cast = Self(Vec::new());
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
                self.0.push(Place { pattern, reach: Reach::Exactly, part });
            }
        };
        learn(option.request_token.as_ref(), Role::Unplayed);
        learn(option.exchange.as_ref(), Role::Unplayed);
        learn(option.authorize.as_ref(), Role::Authorize);
        learn(option.token.as_ref(), Role::Token);
        learn(option.refresh.as_ref().and_then(|refresh| refresh.request.as_ref()), Role::Token);
        learn(option.revoke.as_ref(), Role::Revoke);
        learn(api.and_then(|api| api.test.as_ref()), Role::Test);
        for (at, discover) in option.discover.iter().enumerate() {
            learn(Some(&discover.request), Role::Discover(at));
        }
        if let Some(base) = api.and_then(|api| api.base.as_ref()) {
            let pattern = AddressPattern::of(base.source());
            let part = Part::new(Arc::clone(connector), index, Role::Api);
            self.0.push(Place { pattern, reach: Reach::Below, part });
        }
    }

    /// The parts that are played at this address: all of one kind, the surest first.
    pub(super) fn parts(&self, address: &Address) -> Vec<Part> {
        let mut found: Vec<(u8, Certainty, Part)> = self
            .0
            .iter()
            .filter_map(|place| {
                let admits = |host: &str| admits(place.part.api(), host);
                let (certainty, captured) = place.pattern.fits(address, place.reach, admits)?;
                Some((place.part.role.rank(), certainty, Part { captured, ..place.part.clone() }))
            })
            .collect();
        found.sort_by_key(|(rank, certainty, _)| (*rank, *certainty));
        let Some(best) = found.first().map(|(rank, ..)| *rank) else { return Vec::new() };
        // A key may belong to an option whose own file part names no test call.
        let api = Role::Api.rank();
        found.retain(|(rank, ..)| *rank == best || (best == Role::Test.rank() && *rank == api));
        found.into_iter().map(|(.., part)| part).collect()
    }
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
    let Ok(url) = Url::parse(&format!("https://{host}/")) else { return false };
    api.is_some_and(|api| api.open_hosts || api.hosts.iter().any(|pattern| pattern.matches(&url)))
}
