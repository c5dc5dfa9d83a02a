//! Who owns which value of an option: the customer types it, the developer sets it, or it belongs to the
//! product's registration at the vendor.

use super::{
    connector::{AuthOption, AuthType, Connector, Parameter},
    input,
};

impl Connector {
    /// Whether `option` works with the integration's OAuth client.
    pub fn needs_client(&self, option: &AuthOption) -> bool {
        let is_oauth =
            matches!(option.kind, AuthType::OAuth2 | AuthType::OAuth1 | AuthType::ClientCredentials);
        (is_oauth && option.client.is_none())
            || self.uses(option, "client.id")
            || self.uses(option, "client.secret")
    }

    /// Whether `option` uses a parameter, by `{{param.x}}` or by a name that it sets.
    pub fn uses_parameter(&self, option: &AuthOption, name: &str, parameter: &Parameter) -> bool {
        let mut sets = parameter.sets.values().flat_map(|names| names.keys());
        self.uses(option, &format!("param.{name}")) || sets.any(|name| self.uses(option, name))
    }

    /// The parameters that `option` uses.
    pub fn parameters_of(&self, option: &AuthOption) -> Vec<(&str, &Parameter)> {
        let all = self.parameters.iter().map(|(name, parameter)| (name.as_str(), parameter));
        all.filter(|(name, parameter)| self.uses_parameter(option, name, parameter)).collect()
    }

    /// Whether anything of the app can be called: one that only signs customers in has no address.
    pub fn has_api(&self) -> bool {
        let mut all = self.auth.iter().filter_map(|option| self.api_for(option));
        all.any(|api| api.base.is_some())
    }
}

impl AuthOption {
    /// Whether the customer's browser goes to the vendor and comes back to our callback.
    pub fn comes_back(&self) -> bool {
        self.authorize.is_some() && self.redirect_uri.is_none()
    }

    /// What the customer types, in order: each field's name and label.
    pub fn asked(&self) -> Vec<(&str, &str)> {
        input::typed(self).map(|field| (field.name.as_str(), field.title.as_str())).collect()
    }

    /// The scopes that the file knows: what is asked for, and what has a title.
    pub fn known_scopes(&self) -> Vec<&str> {
        let titled = self.scopes.titles.keys().filter(|scope| !self.scopes.default.contains(scope));
        self.scopes.default.iter().chain(titled).map(String::as_str).collect()
    }
}
