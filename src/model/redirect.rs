//! Origins and the addresses a browser may be sent back to.
//!
//! A `RedirectTarget` exists only when its origin is one the workspace lists, so whoever holds one
//! may redirect to it. Which workspace lists what is not known here.

use std::{fmt, str::FromStr};

use serde::Serialize;
use url::{Host, Url};

/// Bytes an address may have, before and after parsing.
const MAX_BYTES: usize = 2048;

/// A serialized ASCII origin: `https://app.acme.com`, `http://localhost:3000`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize)]
#[serde(transparent)]
pub struct Origin(String);

impl Origin {
    /// The origin of an `http` or `https` address; `None` for other schemes.
    pub fn of(url: &Url) -> Option<Self> {
        matches!(url.scheme(), "http" | "https").then(|| Self(url.origin().ascii_serialization()))
    }

    /// Reads an `Origin` header; `None` for `null` and for everything a browser would not send.
    pub fn parse(header: &str) -> Option<Self> {
        let origin = Self::of(&Url::parse(header).ok()?)?;
        (origin.0 == header).then_some(origin)
    }

    /// As text, as browsers write it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One entry of a workspace's `allowed_origins`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum OriginPattern {
    /// This origin and no other.
    Exact(Origin),
    /// Any port of this loopback host over http: `localhost`, `127.0.0.1` or `[::1]`.
    Loopback(&'static str),
}

/// Why a text cannot stand in `allowed_origins`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PatternError {
    /// `*` anywhere else.
    #[error(
        "`*` may only stand for the port of a loopback host: http://localhost:*, http://127.0.0.1:*, http://[::1]:*"
    )]
    Wildcard,
    /// Something before or behind the origin, or no origin at all.
    #[error("write an origin such as https://app.acme.com: scheme, host and port, nothing behind")]
    NotAnOrigin,
    /// `http` is for one's own machine.
    #[error("only https, or http on localhost, 127.0.0.1 and [::1]")]
    Insecure,
}

impl OriginPattern {
    /// Reads one entry of `allowed_origins`.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.contains('*') {
            return LOOPBACK
                .into_iter()
                .find(|host| {
                    text.strip_prefix("http://").and_then(|rest| rest.strip_suffix(":*")) == Some(host)
                })
                .map(Self::Loopback)
                .ok_or(PatternError::Wildcard);
        }
        if text.len() > MAX_BYTES || !is_plain(text) || authority(text).is_none_or(str::is_empty) {
            return Err(PatternError::NotAnOrigin);
        }
        let url = Url::parse(text).map_err(|_| PatternError::NotAnOrigin)?;
        if url.path() != "/" || text.ends_with('/') || url.query().is_some() || url.fragment().is_some() {
            return Err(PatternError::NotAnOrigin);
        }
        if !is_safe_scheme(&url) {
            return Err(PatternError::Insecure);
        }
        Origin::of(&url).map(Self::Exact).ok_or(PatternError::NotAnOrigin)
    }

    /// Whether this entry lists `origin`.
    pub fn admits(&self, origin: &Origin) -> bool {
        match self {
            Self::Exact(own) => own == origin,
            Self::Loopback(host) => origin
                .0
                .strip_prefix("http://")
                .and_then(|rest| rest.strip_prefix(host))
                .is_some_and(|port| port.is_empty() || port.starts_with(':')),
        }
    }
}

impl FromStr for OriginPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        Self::parse(text)
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(origin) => origin.fmt(f),
            Self::Loopback(host) => write!(f, "http://{host}:*"),
        }
    }
}

/// Whether any entry lists `origin`.
pub fn admits(patterns: &[OriginPattern], origin: &Origin) -> bool {
    patterns.iter().any(|pattern| pattern.admits(origin))
}

/// The entries as sources of a Content-Security-Policy, which knows no IPv6 literals.
pub fn csp_sources(patterns: &[OriginPattern]) -> Vec<String> {
    patterns.iter().map(ToString::to_string).filter(|source| !source.contains('[')).collect()
}

/// An address a browser may be sent to with the result.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RedirectTarget {
    url: Url,
    origin: Origin,
}

/// Why a text is no address to send a browser to. None repeats the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RedirectRefusal {
    /// More than 2048 bytes.
    #[error("the redirect address is longer than 2048 bytes")]
    TooLong,
    /// Whitespace, control characters or backslashes, which readers of addresses disagree about.
    #[error("the redirect address has whitespace, control characters or backslashes")]
    Characters,
    /// Not an absolute http(s) address with a plainly written host.
    #[error("the redirect address must be absolute, such as https://app.acme.com/integrations")]
    NotAnAddress,
    /// User name or password in the address.
    #[error("the redirect address must not have a user name or password")]
    UserInfo,
    /// `http` is for one's own machine.
    #[error("the redirect address must be https, or http on localhost, 127.0.0.1 and [::1]")]
    Insecure,
    /// The workspace does not list the origin.
    #[error("the origin of the redirect address is not among the workspace's `allowed_origins`")]
    NotAllowed,
}

impl RedirectTarget {
    /// Reads an address that came from outside and holds it against the workspace's list.
    pub fn parse(raw: &str, patterns: &[OriginPattern]) -> Result<Self, RedirectRefusal> {
        if raw.len() > MAX_BYTES {
            return Err(RedirectRefusal::TooLong);
        }
        if !is_plain(raw) {
            return Err(RedirectRefusal::Characters);
        }
        let authority = authority(raw).ok_or(RedirectRefusal::NotAnAddress)?;
        if authority.contains('@') {
            return Err(RedirectRefusal::UserInfo);
        }
        // `https://app%2eacme.com` and full-width letters parse to our host; nobody writes them in good faith.
        if authority.is_empty() || !authority.is_ascii() || authority.contains('%') {
            return Err(RedirectRefusal::NotAnAddress);
        }
        let url = Url::parse(raw).map_err(|_| RedirectRefusal::NotAnAddress)?;
        if !is_safe_scheme(&url) {
            return Err(RedirectRefusal::Insecure);
        }
        if url.as_str().len() > MAX_BYTES {
            return Err(RedirectRefusal::TooLong);
        }
        let origin = Origin::of(&url).ok_or(RedirectRefusal::NotAnAddress)?;
        if !admits(patterns, &origin) {
            return Err(RedirectRefusal::NotAllowed);
        }
        Ok(Self { url, origin })
    }

    /// Where messages to the page behind this address may go.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The address itself, normalized.
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// The address with parameters added; its own query and fragment stay.
    pub fn with(&self, params: &[(&str, &str)]) -> String {
        let mut url = self.url.clone();
        append_query(&mut url, params.iter().copied());
        url.into()
    }
}

/// Adds parameters to an address; what is there stays byte for byte.
///
/// A space becomes `%20`: some readers take `+` for a plus sign.
pub fn append_query<'p>(url: &mut Url, params: impl IntoIterator<Item = (&'p str, &'p str)>) {
    let mut query = url.query().unwrap_or_default().to_owned();
    for (name, value) in params {
        if !query.is_empty() {
            query.push('&');
        }
        query.push_str(&encode(name));
        query.push('=');
        query.push_str(&encode(value));
    }
    if !query.is_empty() {
        url.set_query(Some(&query));
    }
}

const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

fn encode(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

/// Browsers drop tabs and newlines and read `\` as `/`; other readers do not.
fn is_plain(text: &str) -> bool {
    !text.chars().any(|c| c == '\\' || c.is_whitespace() || c.is_control() || is_invisible(c))
}

/// Characters that show nothing or turn the writing around.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// What stands between `://` and the path, if the text begins like a web address.
fn authority(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once("://")?;
    let is_web = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
    is_web.then(|| rest.split(['/', '?', '#']).next().unwrap_or_default())
}

fn is_safe_scheme(url: &Url) -> bool {
    let has_user = !url.username().is_empty() || url.password().is_some();
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.octets() == [127, 0, 0, 1],
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    !has_user && (url.scheme() == "https" || url.scheme() == "http" && is_loopback)
}

#[cfg(test)]
#[path = "redirect_tests.rs"]
mod tests;
