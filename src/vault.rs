//! The key ring that seals credentials, secrets and tokens before they reach the store.
//!
//! AES-256-GCM-SIV under a key per workspace (HKDF-SHA-256 from a master key). What is sealed is
//! bound to its place, table | row | column | workspace | key id, so a ciphertext moved elsewhere
//! does not open. The vault knows no table and no format of what it seals.
//!
//! Sealed form: `length of kid (1 byte) ‖ kid ‖ nonce (12 bytes) ‖ ciphertext and tag`.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use aws_lc_rs::{
    aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, KeyType, Salt},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    clock::Entropy,
    model::{Secret, WorkspaceId},
};

const NONCE_BYTES: usize = 12;
/// Workspaces' keys held at most; all are let go of when there are more.
const HELD_MOST: usize = 1024;

/// Why a sealed value could not be opened or a key ring not be made.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum VaultError {
    /// The value was sealed with a key this process does not have.
    #[error("sealed with key `{0}`, which is not among the encryption keys")]
    UnknownKey(String),
    /// The value was changed, or was sealed for another place.
    #[error("a sealed value does not open in this place")]
    WrongPlace,
    /// The configured keys cannot be read.
    #[error("has to read `kid:base64,kid:base64` with 32 bytes each ({0})")]
    BadKeys(&'static str),
}

/// Where a sealed value lives.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Table name.
    pub table: &'static str,
    /// Identity of the row.
    pub row: &'a str,
    /// Column name.
    pub column: &'static str,
    /// The workspace whose key seals it; none for what belongs to the installation.
    pub workspace: Option<WorkspaceId>,
}

/// A sealed value, safe to store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed(pub Vec<u8>);

/// The key ring; cheap to clone.
#[derive(Clone)]
pub struct Vault {
    inner: Arc<Inner>,
}

/// Keys of one workspace, by kid.
type WorkspaceKeys = HashMap<String, Arc<LessSafeKey>>;

struct Inner {
    current: String,
    masters: HashMap<String, Secret<[u8; 32]>>,
    /// What was derived from them. Whoever could read it could read the masters.
    derived: RwLock<HashMap<Option<WorkspaceId>, WorkspaceKeys>>,
    entropy: Arc<dyn Entropy>,
}

impl Vault {
    /// Reads `kid:base64,kid:base64`; the first key encrypts, the others only decrypt.
    pub fn parse(keys: &str, entropy: Arc<dyn Entropy>) -> Result<Self, VaultError> {
        let mut masters = HashMap::new();
        let mut current = None;
        for entry in keys.trim().split(',') {
            let (kid, key) = entry.trim().split_once(':').ok_or(VaultError::BadKeys("no `:` in an entry"))?;
            if kid.is_empty()
                || kid.len() > 64
                || !kid.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            {
                return Err(VaultError::BadKeys("a kid is 1 to 64 letters, digits or hyphens"));
            }
            let bytes = STANDARD.decode(key).map_err(|_| VaultError::BadKeys("a key is not base64"))?;
            let bytes: [u8; 32] =
                bytes.try_into().map_err(|_| VaultError::BadKeys("a key is not 32 bytes"))?;
            if masters.insert(kid.to_owned(), Secret::new(bytes)).is_some() {
                return Err(VaultError::BadKeys("a kid appears twice"));
            }
            current.get_or_insert_with(|| kid.to_owned());
        }
        let current = current.ok_or(VaultError::BadKeys("empty"))?;
        Ok(Self { inner: Arc::new(Inner { current, masters, derived: RwLock::default(), entropy }) })
    }

    /// A new key in the form [`Vault::parse`] reads.
    pub fn generate(kid: &str, entropy: &dyn Entropy) -> Secret<String> {
        Secret::new(format!("{kid}:{}", STANDARD.encode(entropy.bytes())))
    }

    /// Seals `plain` for one place.
    pub fn seal(&self, place: Place<'_>, plain: &[u8]) -> Sealed {
        let kid = &self.inner.current;
        let key = self.key(kid, place.workspace).expect("the current key is in the ring");
        let mut nonce = [0; NONCE_BYTES];
        self.inner.entropy.fill(&mut nonce);
        let mut sealed = Vec::with_capacity(1 + kid.len() + NONCE_BYTES + plain.len() + 16);
        sealed.push(u8::try_from(kid.len()).expect("a kid is at most 64 bytes"));
        sealed.extend_from_slice(kid.as_bytes());
        sealed.extend_from_slice(&nonce);
        let mut body = plain.to_vec();
        key.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(associated_data(place, kid)),
            &mut body,
        )
        .expect("a value smaller than 64 GiB can be sealed");
        sealed.extend_from_slice(&body);
        Sealed(sealed)
    }

    /// Opens what was sealed for the same place.
    pub fn open(&self, place: Place<'_>, sealed: &Sealed) -> Result<Secret<Vec<u8>>, VaultError> {
        let (kid, nonce, body) = split(&sealed.0).ok_or(VaultError::WrongPlace)?;
        let key = self.key(kid, place.workspace).ok_or_else(|| VaultError::UnknownKey(kid.to_owned()))?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| VaultError::WrongPlace)?;
        let mut body = body.to_vec();
        let plain = key
            .open_in_place(nonce, Aad::from(associated_data(place, kid)), &mut body)
            .map_err(|_| VaultError::WrongPlace)?;
        Ok(Secret::new(plain.to_vec()))
    }

    /// A key for another purpose than sealing, the same after a restart.
    pub fn derive(&self, purpose: &str) -> Secret<[u8; 32]> {
        let master = &self.inner.masters[&self.inner.current];
        Secret::new(expand(master, &[b"purpose", purpose.as_bytes()]))
    }

    fn key(&self, kid: &str, workspace: Option<WorkspaceId>) -> Option<Arc<LessSafeKey>> {
        let held = self.inner.derived.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = held.get(&workspace).and_then(|keys| keys.get(kid)) {
            return Some(key.clone());
        }
        drop(held);
        let master = self.inner.masters.get(kid)?;
        let context = workspace.map(|id| id.to_string()).unwrap_or_default();
        let bytes = expand(master, &[b"workspace", context.as_bytes()]);
        let key = UnboundKey::new(&AES_256_GCM_SIV, &bytes).expect("32 bytes fit AES-256");
        let key = Arc::new(LessSafeKey::new(key));
        let mut held = self.inner.derived.write().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= HELD_MOST {
            held.clear();
        }
        held.entry(workspace).or_default().insert(kid.to_owned(), key.clone());
        Some(key)
    }
}

struct KeyBytes;

impl KeyType for KeyBytes {
    fn len(&self) -> usize {
        32
    }
}

fn expand(master: &Secret<[u8; 32]>, info: &[&[u8]]) -> [u8; 32] {
    let mut bytes = [0; 32];
    Salt::new(HKDF_SHA256, b"hitchpost")
        .extract(master.expose())
        .expand(info, KeyBytes)
        .and_then(|okm| okm.fill(&mut bytes))
        .expect("HKDF-SHA-256 gives 32 bytes");
    bytes
}

/// Each part behind its length, so that no two places read alike.
fn associated_data(place: Place<'_>, kid: &str) -> Vec<u8> {
    let workspace = place.workspace.map(|id| id.to_string()).unwrap_or_default();
    let mut data = Vec::new();
    for part in [place.table, place.row, place.column, &workspace, kid] {
        data.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        data.extend_from_slice(part.as_bytes());
    }
    data
}

fn split(sealed: &[u8]) -> Option<(&str, &[u8], &[u8])> {
    let (&length, rest) = sealed.split_first()?;
    let (kid, rest) = rest.split_at_checked(usize::from(length))?;
    let (nonce, body) = rest.split_at_checked(NONCE_BYTES)?;
    Some((std::str::from_utf8(kid).ok()?, nonce, body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemEntropy;

    fn vault() -> Vault {
        let entropy = Arc::new(SystemEntropy::default());
        let keys = Vault::generate("k1", &*entropy);
        Vault::parse(keys.expose(), entropy).unwrap()
    }

    fn place(row: &str) -> Place<'_> {
        Place { table: "connection", row, column: "credentials", workspace: Some(WorkspaceId::of("acme")) }
    }

    #[test]
    fn a_sealed_value_opens_in_its_place() {
        let vault = vault();

        let sealed = vault.seal(place("1"), b"token");

        assert_eq!(vault.open(place("1"), &sealed).unwrap().expose(), b"token");
        assert!(!sealed.0.windows(5).any(|part| part == b"token"));
    }

    #[test]
    fn a_sealed_value_moved_to_another_row_column_table_or_workspace_does_not_open() {
        let vault = vault();
        let sealed = vault.seal(place("1"), b"token");
        let elsewhere = [
            place("2"),
            Place { column: "input", ..place("1") },
            Place { table: "attempt", ..place("1") },
            Place { workspace: Some(WorkspaceId::of("other")), ..place("1") },
            Place { workspace: None, ..place("1") },
        ];

        for place in elsewhere {
            assert_eq!(vault.open(place, &sealed).err(), Some(VaultError::WrongPlace), "{place:?}");
        }
    }

    #[test]
    fn a_changed_byte_anywhere_is_noticed() {
        let vault = vault();
        let sealed = vault.seal(place("1"), b"token");

        for at in 0..sealed.0.len() {
            let mut changed = sealed.clone();
            changed.0[at] ^= 1;
            assert!(vault.open(place("1"), &changed).is_err(), "byte {at}");
        }
        assert!(vault.open(place("1"), &Sealed(Vec::new())).is_err());
    }

    #[test]
    fn a_value_sealed_with_a_lost_key_names_that_key() {
        let sealed = vault().seal(place("1"), b"token");
        let entropy = Arc::new(SystemEntropy::default());
        let other = Vault::parse(Vault::generate("k2", &*entropy).expose(), entropy).unwrap();

        assert_eq!(other.open(place("1"), &sealed).err(), Some(VaultError::UnknownKey("k1".into())));
    }

    #[test]
    fn an_older_key_still_opens_and_the_first_seals() {
        let entropy = Arc::new(SystemEntropy::default());
        let (old, new) = (Vault::generate("old", &*entropy), Vault::generate("new", &*entropy));
        let before = Vault::parse(old.expose(), entropy.clone()).unwrap().seal(place("1"), b"token");

        let ring = Vault::parse(&format!("{},{}", new.expose(), old.expose()), entropy).unwrap();

        assert_eq!(ring.open(place("1"), &before).unwrap().expose(), b"token");
        assert_eq!(&ring.seal(place("1"), b"x").0[1..4], b"new");
    }

    #[test]
    fn unreadable_keys_are_refused_with_the_reason() {
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy::default());
        for keys in ["", "k1", "k1:!!", "k1:QUJD", ":QUJD", "k 1:QUJD"] {
            assert!(
                matches!(Vault::parse(keys, entropy.clone()), Err(VaultError::BadKeys(_))),
                "{keys} was taken"
            );
        }
    }
}
