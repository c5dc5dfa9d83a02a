//! Values that must not be shown, and random handles of which only the hash is stored.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::{Zeroize, Zeroizing};

/// A value that is wiped when dropped and that nothing can print or serialize.
#[derive(Clone)]
pub struct Secret<T: Zeroize>(Zeroizing<T>);

impl<T: Zeroize> Secret<T> {
    /// Takes the value in.
    pub fn new(value: T) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The one way to read it; every use is easy to find.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl From<&str> for Secret<String> {
    fn from(value: &str) -> Self {
        Self::new(value.to_owned())
    }
}

/// Length in characters of a [`Handle`] as text.
pub const HANDLE_CHARS: usize = 43;

/// 256 random bits that open something: a session, a ticket, a state. As text 43 characters of
/// base64url. The store knows only [`Handle::hash`].
#[derive(Clone)]
pub struct Handle(Secret<String>);

/// SHA-256 of a handle's text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct HandleHash([u8; 32]);

impl Handle {
    /// Makes a handle of random bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Secret::new(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Reads a handle from the wire; `None` when it cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        (bytes.len() == 32 && text.len() == HANDLE_CHARS).then(|| Self(Secret::from(text)))
    }

    /// The text that goes to the browser.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// What the store keeps.
    pub fn hash(&self) -> HandleHash {
        HandleHash::of(self.expose())
    }
}

impl HandleHash {
    /// Hashes any opaque text that came over the wire.
    pub fn of(text: &str) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        Self(hash)
    }

    /// The 32 bytes, as stored.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A short public name for a handle, good for cookie names: 8 hexadecimal characters.
    pub fn short(&self) -> String {
        self.0[..4].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_read_back_and_nothing_else_is() {
        let handle = Handle::from_bytes([7; 32]);

        let read = Handle::parse(handle.expose()).expect("own text");

        assert_eq!(read.hash(), handle.hash());
        assert!(Handle::parse("short").is_none());
        assert!(Handle::parse(&"A".repeat(44)).is_none());
        assert!(Handle::parse(&format!("{}=", handle.expose())).is_none());
    }
}
