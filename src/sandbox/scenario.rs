//! What can be made to go wrong, chosen on the consent page or by `sandbox=` on its address.

use serde::{Deserialize, Serialize};

/// What should happen when the customer presses Allow.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Scenario {
    /// All goes well.
    #[default]
    Allow,
    /// The customer says no.
    Deny,
    /// The provider breaks before it sends the browser back.
    Error,
    /// The token call takes five seconds.
    Slow,
    /// The provider's pages cut the tie between the popup and its opener.
    Coop,
    /// A token without a refresh token.
    NoRefresh,
    /// The answer names another issuer.
    WrongIss,
    /// Token calls for this code answer 500.
    Token500,
    /// Token calls for this code answer 429.
    Token429,
    /// The account belongs to two workspaces.
    Several,
    /// The account belongs to no workspace.
    Nowhere,
}

impl Scenario {
    /// In the order of the consent page.
    pub(super) const ALL: [Self; 11] = [
        Self::Allow,
        Self::Deny,
        Self::Error,
        Self::Slow,
        Self::Coop,
        Self::NoRefresh,
        Self::WrongIss,
        Self::Token500,
        Self::Token429,
        Self::Several,
        Self::Nowhere,
    ];

    /// Reads [`Scenario::key`].
    pub(super) fn parse(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scenario| scenario.key() == key)
    }

    /// Value of `sandbox=` and of the form.
    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Error => "error",
            Self::Slow => "slow",
            Self::Coop => "coop",
            Self::NoRefresh => "no_refresh",
            Self::WrongIss => "wrong_iss",
            Self::Token500 => "token_500",
            Self::Token429 => "token_429",
            Self::Several => "several",
            Self::Nowhere => "nowhere",
        }
    }

    /// How many workspaces the account has.
    pub(super) const fn items(self) -> u8 {
        match self {
            Self::Several => 2,
            Self::Nowhere => 0,
            _ => 1,
        }
    }

    /// In words.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Allow => "Everything works",
            Self::Deny => "The customer refuses (access_denied)",
            Self::Error => "The provider breaks (server_error)",
            Self::Slow => "The token call takes five seconds",
            Self::Coop => "The provider isolates its pages (COOP)",
            Self::NoRefresh => "No refresh token",
            Self::WrongIss => "The answer names a wrong issuer",
            Self::Token500 => "The token call fails with 500",
            Self::Token429 => "The token call fails with 429",
            Self::Several => "The account belongs to several workspaces",
            Self::Nowhere => "The account belongs to no workspace",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_is_read_back_by_its_key() {
        for scenario in Scenario::ALL {
            assert_eq!(Scenario::parse(scenario.key()), Some(scenario));
        }
        assert_eq!(Scenario::parse("explode"), None);
    }
}
