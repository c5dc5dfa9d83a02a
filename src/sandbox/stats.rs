//! Counts what reached the sandbox, so that a test can say "no token call was made".

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use serde_json::{Value, json};

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Count {
    /// Consent pages asked for.
    Authorize,
    /// Consent forms accepted.
    Consent,
    /// Token calls with a code, refused ones included.
    TokenCode,
    /// Token calls with a refresh token, refused ones included.
    TokenRefresh,
    /// Token calls refused, of any kind.
    TokenRefused,
    /// Revoke calls.
    Revoke,
    /// API calls, refused ones included.
    Api,
    /// API calls refused.
    ApiRefused,
    /// Codes and refresh tokens that came a second time.
    ReuseDetected,
}

impl Count {
    const ALL: [Self; 9] = [
        Self::Authorize,
        Self::Consent,
        Self::TokenCode,
        Self::TokenRefresh,
        Self::TokenRefused,
        Self::Revoke,
        Self::Api,
        Self::ApiRefused,
        Self::ReuseDetected,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Authorize => "authorize",
            Self::Consent => "consent",
            Self::TokenCode => "token_code",
            Self::TokenRefresh => "token_refresh",
            Self::TokenRefused => "token_refused",
            Self::Revoke => "revoke",
            Self::Api => "api",
            Self::ApiRefused => "api_refused",
            Self::ReuseDetected => "reuse_detected",
        }
    }
}

/// Counts per connector since the start.
#[derive(Default)]
pub(super) struct Stats(Mutex<BTreeMap<String, BTreeMap<Count, u64>>>);

impl Stats {
    /// One more.
    pub(super) fn add(&self, connector: &str, count: Count) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *all.entry(connector.to_owned()).or_default().entry(count).or_default() += 1;
    }

    /// `{total: {…}, connectors: {key: {…}}}`, zeros included for all `connectors`.
    pub(super) fn json<'a>(&self, connectors: impl Iterator<Item = &'a str>) -> Value {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
        json!({ "total": total, "connectors": per })
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
}
