//! What the sandbox hands out and recognises again after a restart: signed, self-contained texts.

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign, verify};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::model::{Secret, Timestamp};

use super::person::Person;

/// What a text is for; one kind never passes for another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    /// Opens the API.
    Access,
    /// Renews the grant.
    Refresh,
    /// Carries a checked request through the consent page.
    Consent,
}

impl Purpose {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Access => "hpa_",
            Self::Refresh => "hpr_",
            Self::Consent => "hpc_",
        }
    }
}

/// Whether this text looks like a token of ours, good or not.
pub(super) fn is_token(text: &str) -> bool {
    text.starts_with(Purpose::Access.prefix()) || text.starts_with(Purpose::Refresh.prefix())
}

/// What an access or refresh token says.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Token {
    /// The grant it belongs to.
    pub(super) grant: String,
    /// How often the grant was renewed before.
    pub(super) generation: u32,
    pub(super) connector: String,
    pub(super) option: String,
    pub(super) person: Person,
    pub(super) client: String,
    pub(super) scope: String,
    /// Seconds an access token of this grant lives; none lives on.
    pub(super) lives: Option<u64>,
    /// How many workspaces the account has.
    #[serde(default = "one")]
    pub(super) items: u8,
    /// It opens nothing before it was swapped at the connector's `exchange`.
    #[serde(default)]
    pub(super) raw: bool,
    /// When this token ends, in milliseconds since 1970.
    pub(super) until: Option<i64>,
}

const fn one() -> u8 {
    1
}

impl Token {
    /// Whether its time is over.
    pub(super) fn has_expired(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= now.millis())
    }
}

/// Signs with the sandbox's key.
pub(super) struct Signer(Key);

impl Signer {
    pub(super) fn new(key: &Secret<[u8; 32]>) -> Self {
        Self(Key::new(HMAC_SHA256, key.expose()))
    }

    /// `value` as a text nobody else can make.
    pub(super) fn seal<T: Serialize>(&self, purpose: Purpose, value: &T) -> String {
        let payload = serde_json::to_vec(value).expect("our own structs become JSON");
        let payload = format!("{}{}", purpose.prefix(), URL_SAFE_NO_PAD.encode(payload));
        let tag = sign(&self.0, payload.as_bytes());
        format!("{payload}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    /// Reads what [`Signer::seal`] made for the same purpose; none for anything else.
    pub(super) fn open<T: DeserializeOwned>(&self, purpose: Purpose, text: &str) -> Option<T> {
        let (payload, tag) = text.split_once('.')?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        verify(&self.0, payload.as_bytes(), &tag).ok()?;
        let payload = URL_SAFE_NO_PAD.decode(payload.strip_prefix(purpose.prefix())?).ok()?;
        serde_json::from_slice(&payload).ok()
    }

    /// The OAuth 1 secret of a token of ours; the same after a restart.
    pub(super) fn secret_of(&self, token: &str) -> String {
        URL_SAFE_NO_PAD.encode(sign(&self.0, format!("secret of {token}").as_bytes()))
    }

    /// Reads either kind of token.
    pub(super) fn open_any(&self, text: &str) -> Option<Token> {
        self.open(Purpose::Access, text).or_else(|| self.open(Purpose::Refresh, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_for_its_own_purpose_and_by_its_own_key() {
        let signer = Signer::new(&Secret::new([1; 32]));
        let text = signer.seal(Purpose::Access, &"hello");

        assert_eq!(signer.open::<String>(Purpose::Access, &text).as_deref(), Some("hello"));
        assert!(signer.open::<String>(Purpose::Refresh, &text).is_none());
        assert!(signer.open::<String>(Purpose::Refresh, &text.replace("hpa_", "hpr_")).is_none());
        assert!(Signer::new(&Secret::new([2; 32])).open::<String>(Purpose::Access, &text).is_none());
    }

    #[test]
    fn an_altered_text_is_nothing() {
        let signer = Signer::new(&Secret::new([1; 32]));
        let text = signer.seal(Purpose::Consent, &"hello");
        let other = signer.seal(Purpose::Consent, &"other");

        let (payload, _) = text.split_once('.').expect("two parts");
        let (_, tag) = other.split_once('.').expect("two parts");

        assert!(signer.open::<String>(Purpose::Consent, &format!("{payload}.{tag}")).is_none());
        assert!(signer.open::<String>(Purpose::Consent, payload).is_none());
        assert!(signer.open::<String>(Purpose::Consent, "").is_none());
    }
}
