//! Counts what reached the sandbox, so that a test can say "no token call was made".

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use serde_json::{Value, json};

/// Hosts remembered; beyond it new ones are not.
const HOSTS_KEPT: usize = 1_000;
/// Characters of a host that are remembered.
const HOST_CHARS: usize = 255;

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Count {
    /// Consent pages asked for.
    Authorize,
    /// Consent forms accepted.
    Consent,
    /// Authorization requests pushed, refused ones included.
    Par,
    /// Token calls with a code, refused ones included.
    TokenCode,
    /// Token calls with a refresh token, refused ones included.
    TokenRefresh,
    /// Token calls with nothing but the client, refused ones included.
    ClientCredentials,
    /// Token calls with a signed token, refused ones included.
    Jwt,
    /// Token calls with what the customer typed, refused ones included.
    TokenExchange,
    /// OAuth 1 calls for a temporary token, refused ones included.
    RequestToken,
    /// OAuth 1 calls for a token, refused ones included.
    OAuth1Token,
    /// Calls that swap a fresh token, refused ones included.
    Exchange,
    /// Token calls refused, of any kind.
    TokenRefused,
    /// Revoke calls.
    Revoke,
    /// API calls that find out what the account has.
    Discover,
    /// API calls, refused ones included.
    Api,
    /// API calls refused.
    ApiRefused,
    /// Codes, refresh tokens and temporary tokens that came a second time.
    ReuseDetected,
    /// Signed tokens that came a second time.
    AssertionReplay,
    /// OAuth 1 nonces that came a second time.
    NonceReplay,
    /// Signatures that did not fit.
    SignatureRefused,
}

impl Count {
    const ALL: [Self; 20] = [
        Self::Authorize,
        Self::Consent,
        Self::Par,
        Self::TokenCode,
        Self::TokenRefresh,
        Self::ClientCredentials,
        Self::Jwt,
        Self::TokenExchange,
        Self::RequestToken,
        Self::OAuth1Token,
        Self::Exchange,
        Self::TokenRefused,
        Self::Revoke,
        Self::Discover,
        Self::Api,
        Self::ApiRefused,
        Self::ReuseDetected,
        Self::AssertionReplay,
        Self::NonceReplay,
        Self::SignatureRefused,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Authorize => "authorize",
            Self::Consent => "consent",
            Self::Par => "par",
            Self::TokenCode => "token_code",
            Self::TokenRefresh => "token_refresh",
            Self::ClientCredentials => "client_credentials",
            Self::Jwt => "jwt",
            Self::TokenExchange => "token_exchange",
            Self::RequestToken => "request_token",
            Self::OAuth1Token => "oauth1_token",
            Self::Exchange => "exchange",
            Self::TokenRefused => "token_refused",
            Self::Revoke => "revoke",
            Self::Discover => "discover",
            Self::Api => "api",
            Self::ApiRefused => "api_refused",
            Self::ReuseDetected => "reuse_detected",
            Self::AssertionReplay => "assertion_replay",
            Self::NonceReplay => "nonce_replay",
            Self::SignatureRefused => "signature_refused",
        }
    }
}

/// Counts per connector since the start, and every host that was called for.
#[derive(Default)]
pub(super) struct Stats {
    counts: Mutex<BTreeMap<String, BTreeMap<Count, u64>>>,
    hosts: Mutex<BTreeSet<String>>,
}

impl Stats {
    /// One more.
    pub(super) fn add(&self, connector: &str, count: Count) {
        let mut all = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *all.entry(connector.to_owned()).or_default().entry(count).or_default() += 1;
    }

    /// Notes a host that was called for, whether anybody plays it or not.
    pub(super) fn host(&self, host: &str) {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if hosts.len() < HOSTS_KEPT {
            hosts.insert(host.chars().take(HOST_CHARS).collect());
        }
    }

    /// `{total: {…}, connectors: {key: {…}}, hosts: […]}`, zeros included for all `connectors`.
    pub(super) fn json<'a>(&self, connectors: impl Iterator<Item = &'a str>) -> Value {
        let all = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let number = |key: &str, count: Count| {
            all.get(key).and_then(|counts| counts.get(&count)).copied().unwrap_or(0)
        };
        let per: BTreeMap<&str, BTreeMap<&str, u64>> = connectors
            .map(|key| (key, Count::ALL.iter().map(|count| (count.name(), number(key, *count))).collect()))
            .collect();
        let total: BTreeMap<&str, u64> = Count::ALL
            .iter()
            .map(|count| (count.name(), all.values().filter_map(|counts| counts.get(count)).sum()))
            .collect();
        let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        json!({ "total": total, "connectors": per, "hosts": *hosts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_kept_in_total_and_per_connector() {
        let stats = Stats::default();

        stats.add("hubspot", Count::TokenCode);
        stats.add("github", Count::TokenCode);
        stats.add("github", Count::Api);
        let json = stats.json(["github", "hubspot", "zendesk"].into_iter());

        assert_eq!(json["total"]["token_code"], 2);
        assert_eq!(json["connectors"]["hubspot"]["token_code"], 1);
        assert_eq!(json["connectors"]["github"]["api"], 1);
        assert_eq!(json["connectors"]["zendesk"]["api"], 0);
    }

    #[test]
    fn hosts_are_listed_once_in_order_and_not_without_end() {
        let stats = Stats::default();

        for host in ["b.example", "a.example", "b.example"] {
            stats.host(host);
        }
        assert_eq!(stats.json(std::iter::empty())["hosts"], json!(["a.example", "b.example"]));

        for number in 0..2 * HOSTS_KEPT {
            stats.host(&number.to_string());
        }
        assert_eq!(stats.json(std::iter::empty())["hosts"].as_array().map(Vec::len), Some(HOSTS_KEPT));
    }
}
