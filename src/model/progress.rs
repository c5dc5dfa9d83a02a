//! What an attempt keeps secret until it ends, sealed with it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::{
    Account, Credentials, Secret, Timestamp,
    credential::{self, UnreadableCredentials, closed, opened},
};

/// What an attempt keeps secret until it ends.
#[derive(Clone, Default)]
pub struct AttemptSecrets {
    /// PKCE verifier; its challenge went to the provider.
    pub pkce_verifier: Option<Secret<String>>,
    /// OAuth 1: the temporary token that went to the provider's page, and its secret.
    pub temporary: Option<(String, Secret<String>)>,
    /// What the customer typed into secret fields.
    pub input: BTreeMap<String, Secret<String>>,
    /// Connector parameters that are secret.
    pub parameters: BTreeMap<String, Secret<String>>,
    /// An answer that waits for the browser to come back.
    pub parked: Option<Parked>,
    /// Credentials that wait for the customer's choice.
    pub progress: Option<Progress>,
    /// Parameters of a callback that wait for the word of the product's backend.
    pub answer: Option<Vec<(String, String)>>,
}

/// An answer that reached us without the browser's cookie: posted by the provider's page from its own
/// site, or handed over by the developer's backend. It counts once the browser itself brings `nonce`.
#[derive(Clone)]
pub struct Parked {
    /// What the browser was given to come back with.
    pub nonce: Secret<String>,
    /// Parameters of the callback.
    pub params: Vec<(String, String)>,
    /// Credentials that the developer's own page collected.
    pub credentials: BTreeMap<String, Secret<String>>,
}

/// Credentials before they become a connection.
#[derive(Clone, Default)]
pub struct Progress {
    /// The credentials.
    pub credentials: Credentials,
    /// When the access token ends.
    pub expires_at: Option<Timestamp>,
    /// The account, where the token reply named it.
    pub account: Option<Account>,
    /// What each item of the choice keeps, in its order.
    pub items: Vec<BTreeMap<String, String>>,
    /// Id and name of what was picked: together with the account it says what a connection is for.
    pub picked: Vec<(String, String)>,
}

/// The form that is sealed. Wiped when dropped.
#[derive(Serialize, Deserialize)]
struct Plain {
    #[serde(default)]
    pkce_verifier: Option<String>,
    #[serde(default)]
    temporary: Option<(String, String)>,
    #[serde(default)]
    input: BTreeMap<String, String>,
    #[serde(default)]
    parameters: BTreeMap<String, String>,
    #[serde(default)]
    parked: Option<PlainParked>,
    #[serde(default)]
    progress: Option<PlainProgress>,
    #[serde(default)]
    answer: Option<Vec<(String, String)>>,
}

#[derive(Serialize, Deserialize)]
struct PlainParked {
    nonce: String,
    params: Vec<(String, String)>,
    credentials: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
struct PlainProgress {
    credentials: credential::Plain,
    expires_at: Option<i64>,
    account: Option<Account>,
    items: Vec<BTreeMap<String, String>>,
    picked: Vec<(String, String)>,
}

impl Drop for Plain {
    fn drop(&mut self) {
        self.pkce_verifier.zeroize();
        self.temporary.zeroize();
        self.input.values_mut().for_each(Zeroize::zeroize);
        self.parameters.values_mut().for_each(Zeroize::zeroize);
        if let Some(parked) = &mut self.parked {
            parked.params.iter_mut().for_each(|(_, value)| value.zeroize());
            parked.credentials.values_mut().for_each(Zeroize::zeroize);
        }
        self.answer.iter_mut().flatten().for_each(|(_, value)| value.zeroize());
    }
}

impl AttemptSecrets {
    /// The bytes to seal.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(serde_json::to_vec(&self.plain()).expect("strings and maps always serialize"))
    }

    /// Reads what [`AttemptSecrets::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, UnreadableCredentials> {
        let mut plain: Plain = serde_json::from_slice(bytes).map_err(|_| UnreadableCredentials)?;
        Ok(Self {
            pkce_verifier: plain.pkce_verifier.take().map(Secret::new),
            temporary: plain.temporary.take().map(|(token, secret)| (token, Secret::new(secret))),
            input: closed(std::mem::take(&mut plain.input)),
            parameters: closed(std::mem::take(&mut plain.parameters)),
            parked: plain.parked.take().map(|parked| Parked {
                nonce: Secret::new(parked.nonce),
                params: parked.params,
                credentials: closed(parked.credentials),
            }),
            progress: plain.progress.take().map(|progress| Progress {
                credentials: Credentials::of_plain(progress.credentials),
                expires_at: progress.expires_at.map(Timestamp::from_millis),
                account: progress.account,
                items: progress.items,
                picked: progress.picked,
            }),
            answer: plain.answer.take(),
        })
    }

    fn plain(&self) -> Plain {
        Plain {
            pkce_verifier: self.pkce_verifier.as_ref().map(|verifier| verifier.expose().clone()),
            temporary: self
                .temporary
                .as_ref()
                .map(|(token, secret)| (token.clone(), secret.expose().clone())),
            input: opened(&self.input),
            parameters: opened(&self.parameters),
            parked: self.parked.as_ref().map(|parked| PlainParked {
                nonce: parked.nonce.expose().clone(),
                params: parked.params.clone(),
                credentials: opened(&parked.credentials),
            }),
            progress: self.progress.as_ref().map(|progress| PlainProgress {
                credentials: progress.credentials.plain(),
                expires_at: progress.expires_at.map(Timestamp::millis),
                account: progress.account.clone(),
                items: progress.items.clone(),
                picked: progress.picked.clone(),
            }),
            answer: self.answer.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_attempt_keeps_is_read_back_whole() {
        let secrets = AttemptSecrets {
            pkce_verifier: Some("verifier".into()),
            temporary: Some(("token".to_owned(), "secret".into())),
            input: BTreeMap::from([("key".to_owned(), "k".into())]),
            parameters: BTreeMap::from([("private_key".to_owned(), "p".into())]),
            parked: Some(Parked {
                nonce: "nonce".into(),
                params: vec![("code".to_owned(), "c".to_owned())],
                credentials: BTreeMap::from([("token".to_owned(), "t".into())]),
            }),
            progress: Some(Progress {
                credentials: Credentials { access_token: Some("at".into()), ..Credentials::default() },
                expires_at: Some(Timestamp::from_millis(5)),
                account: Some(Account { id: "1".to_owned(), label: None }),
                items: vec![BTreeMap::from([("cloud_id".to_owned(), "a".to_owned())])],
                picked: vec![("1".to_owned(), "One".to_owned())],
            }),
            answer: Some(vec![("code".to_owned(), "d".to_owned())]),
        };

        let read = AttemptSecrets::from_bytes(&secrets.to_bytes()).unwrap();

        assert_eq!(read.to_bytes(), secrets.to_bytes());
        assert_eq!(read.progress.unwrap().credentials.access_token.unwrap().expose(), "at");
    }

    #[test]
    fn what_an_earlier_version_sealed_is_still_read() {
        let read = AttemptSecrets::from_bytes(br#"{"input":{"key":"k"}}"#).unwrap();

        assert_eq!(read.input["key"].expose(), "k");
    }
}
