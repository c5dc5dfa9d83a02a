//! Credentials in the clear, for as long as a call needs them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::Secret;

/// What opens a customer's account at a provider.
#[derive(Clone, Default)]
pub struct Credentials {
    /// OAuth access token.
    pub access_token: Option<Secret<String>>,
    /// OAuth refresh token.
    pub refresh_token: Option<Secret<String>>,
    /// OAuth 1: what signs along with the client's secret.
    pub token_secret: Option<Secret<String>>,
    /// Scopes the provider granted, when it said so.
    pub scopes: Option<Vec<String>>,
    /// Names kept from the token reply or the callback.
    pub kept: BTreeMap<String, String>,
    /// What the customer typed into secret fields.
    pub input: BTreeMap<String, Secret<String>>,
}

/// The sealed bytes could not be read as credentials.
#[derive(Debug, thiserror::Error)]
#[error("the stored credentials cannot be read")]
pub struct UnreadableCredentials;

/// The form that is sealed. Wiped when dropped, since it holds everything in the clear.
#[derive(Serialize, Deserialize)]
pub(super) struct Plain {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    access_token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token_secret: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scopes: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    kept: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    input: BTreeMap<String, String>,
}

impl Drop for Plain {
    fn drop(&mut self) {
        self.access_token.zeroize();
        self.refresh_token.zeroize();
        self.token_secret.zeroize();
        self.kept.values_mut().for_each(Zeroize::zeroize);
        self.input.values_mut().for_each(Zeroize::zeroize);
    }
}

impl Credentials {
    /// The bytes to seal.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(serde_json::to_vec(&self.plain()).expect("strings and maps always serialize"))
    }

    /// Reads what [`Credentials::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, UnreadableCredentials> {
        let plain: Plain = serde_json::from_slice(bytes).map_err(|_| UnreadableCredentials)?;
        Ok(Self::of_plain(plain))
    }

    pub(super) fn plain(&self) -> Plain {
        let open = |secret: &Secret<String>| secret.expose().clone();
        Plain {
            access_token: self.access_token.as_ref().map(open),
            refresh_token: self.refresh_token.as_ref().map(open),
            token_secret: self.token_secret.as_ref().map(open),
            scopes: self.scopes.clone(),
            kept: self.kept.clone(),
            input: opened(&self.input),
        }
    }

    pub(super) fn of_plain(mut plain: Plain) -> Self {
        Self {
            access_token: plain.access_token.take().map(Secret::new),
            refresh_token: plain.refresh_token.take().map(Secret::new),
            token_secret: plain.token_secret.take().map(Secret::new),
            scopes: plain.scopes.take(),
            kept: std::mem::take(&mut plain.kept),
            input: closed(std::mem::take(&mut plain.input)),
        }
    }
}

/// Secrets in the clear, to be sealed.
pub(super) fn opened(secrets: &BTreeMap<String, Secret<String>>) -> BTreeMap<String, String> {
    secrets.iter().map(|(name, secret)| (name.clone(), secret.expose().clone())).collect()
}

/// The way back.
pub(super) fn closed(texts: BTreeMap<String, String>) -> BTreeMap<String, Secret<String>> {
    texts.into_iter().map(|(name, text)| (name, Secret::new(text))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read_back_whole() {
        let credentials = Credentials {
            access_token: Some("at".into()),
            refresh_token: Some("rt".into()),
            token_secret: Some("ts".into()),
            scopes: Some(vec!["read".to_owned()]),
            kept: BTreeMap::from([("instance_url".to_owned(), "https://eu1.example".to_owned())]),
            input: BTreeMap::from([("api_key".to_owned(), "k".into())]),
        };

        let read = Credentials::from_bytes(&credentials.to_bytes()).unwrap();

        assert_eq!(read.to_bytes(), credentials.to_bytes());
        assert_eq!(read.refresh_token.unwrap().expose(), "rt");
        assert_eq!(read.token_secret.unwrap().expose(), "ts");
    }
}
