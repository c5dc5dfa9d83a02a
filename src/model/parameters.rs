//! Connector parameters: what the developer sets and the customer never sees.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{Secret, credential::UnreadableCredentials};

/// Connector parameters of one owner, secret ones apart. Not `Debug`, for those.
#[derive(Clone, Default)]
pub struct Parameters {
    /// Those that may be shown to the developer.
    pub plain: Map<String, Value>,
    /// Those that are sealed and masked; always texts.
    pub secret: BTreeMap<String, Secret<String>>,
}

impl Parameters {
    /// Whether none is set.
    pub fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.secret.is_empty()
    }

    /// These over `lower`, key by key; lists are replaced whole.
    #[must_use]
    pub fn over(&self, lower: &Self) -> Self {
        let mut merged = lower.clone();
        merged.plain.extend(self.plain.clone());
        merged.secret.extend(self.secret.clone());
        merged
    }

    /// Those whose names are `wanted`.
    #[must_use]
    pub fn only(mut self, wanted: impl Fn(&str) -> bool) -> Self {
        self.plain.retain(|name, _| wanted(name));
        self.secret.retain(|name, _| wanted(name));
        self
    }

    /// The bytes to seal; none when no parameter is secret.
    pub fn secret_bytes(&self) -> Option<Zeroizing<Vec<u8>>> {
        let open: BTreeMap<&str, &str> =
            self.secret.iter().map(|(name, value)| (name.as_str(), value.expose().as_str())).collect();
        (!open.is_empty()).then(|| Zeroizing::new(serde_json::to_vec(&open).expect("texts serialize")))
    }

    /// Reads what [`Parameters::secret_bytes`] wrote.
    pub fn with_secret_bytes(plain: Map<String, Value>, bytes: &[u8]) -> Result<Self, UnreadableCredentials> {
        let open: BTreeMap<String, String> =
            serde_json::from_slice(bytes).map_err(|_| UnreadableCredentials)?;
        let secret = open.into_iter().map(|(name, value)| (name, Secret::new(value))).collect();
        Ok(Self { plain, secret })
    }

    /// A list of texts, such as `scopes`.
    pub fn list(&self, name: &str) -> Option<Vec<String>> {
        let items = self.plain.get(name)?.as_array()?;
        Some(items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parameters(plain: Value, secret: &[(&str, &str)]) -> Parameters {
        Parameters {
            plain: plain.as_object().cloned().unwrap_or_default(),
            secret: secret.iter().map(|(name, value)| ((*name).to_owned(), Secret::from(*value))).collect(),
        }
    }

    #[test]
    fn the_upper_owner_wins_key_by_key_and_lists_are_replaced_whole() {
        let lower = parameters(json!({ "zone": "a", "scopes": ["x", "y"] }), &[("key", "old")]);
        let upper = parameters(json!({ "scopes": ["z"] }), &[("key", "new")]);

        let merged = upper.over(&lower);

        assert_eq!(Value::Object(merged.plain.clone()), json!({ "zone": "a", "scopes": ["z"] }));
        assert_eq!(merged.secret["key"].expose(), "new");
        assert_eq!(merged.list("scopes"), Some(vec!["z".to_owned()]));
    }

    #[test]
    fn secrets_are_read_back_from_their_bytes() {
        let given = parameters(json!({}), &[("key", "word")]);

        let bytes = given.secret_bytes().expect("there is a secret");
        let read = Parameters::with_secret_bytes(Map::new(), &bytes).expect("own bytes");

        assert_eq!(read.secret["key"].expose(), "word");
        assert!(parameters(json!({ "a": 1 }), &[]).secret_bytes().is_none());
    }
}
