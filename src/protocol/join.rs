//! Puts a caller's path behind a connector's address, so that no spelling of it leaves.
//!
//! The path is read as received and sent as received. What a server behind might read as a step upwards,
//! in whatever encoding, is refused and not repaired.

use url::Url;

use crate::catalog::{connector::Api, host, template::HostShape};

/// How often a path is decoded before it is given up on.
const DECODINGS_MOST: usize = 4;
/// Characters that some servers fold into a dot or a slash.
const LOOKALIKES: [(&str, &str); 8] = [
    ("\u{ff0e}", "."),
    ("\u{2024}", "."),
    ("\u{fe52}", "."),
    ("\u{2025}", ".."),
    ("\u{ff0f}", "/"),
    ("\u{2215}", "/"),
    ("\u{2044}", "/"),
    ("\u{ff3c}", "\\"),
];

/// Where a relayed call goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Scheme, host, port and path.
    pub url: Url,
    /// The query as received.
    pub query: Option<String>,
}

/// Why a path leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// It holds a step upwards or something that no path holds.
    #[error("the path holds `..`, a backslash or a control character, in some encoding")]
    InvalidPath,
    /// It is a whole address, and not one of this app's.
    #[error("the address is not one of this app's own")]
    HostNotAllowed,
}

/// Puts `path`, which is empty or begins with a slash, behind `base`.
pub fn join(base: &Url, path: &str, query: Option<&str>) -> Result<Destination, JoinError> {
    let is_rooted = path.is_empty() || path.starts_with('/');
    if !is_rooted || !is_plain(path) {
        return Err(JoinError::InvalidPath);
    }
    let prefix = base.path().strip_suffix('/').unwrap_or(base.path());
    let mut url = base.clone();
    url.set_query(None);
    url.set_path(&format!("{prefix}{path}"));
    let behind = url.path().strip_prefix(prefix).ok_or(JoinError::InvalidPath)?;
    // Parsed again, it is what it was: nothing was read as a step, and every slash is where it stood.
    let again = Url::parse(url.as_str()).map_err(|_| JoinError::InvalidPath)?;
    let stays = again == url && is_same_place(&again, base);
    let slashes = |text: &str| text.bytes().filter(|byte| *byte == b'/').count();
    let is_whole = slashes(behind) == slashes(path) || (prefix.is_empty() && path.is_empty());
    if !stays || !is_whole {
        return Err(JoinError::InvalidPath);
    }
    let query = [base.query(), query].into_iter().flatten().collect::<Vec<_>>().join("&");
    let query = (!query.is_empty()).then_some(query);
    Ok(Destination { url, query })
}

/// The address that `path` is, when it is a whole one: `/https://api.example.com/x`. Servers on the way may
/// have made one slash of two.
pub fn absolute(path: &str) -> Option<(&str, &str)> {
    let text = path.strip_prefix('/')?;
    let colon = text.find(':').filter(|colon| (4..=5).contains(colon))?;
    let scheme = &text[..colon];
    let is_web = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
    let rest = text[colon + 1..].strip_prefix('/').filter(|_| is_web)?;
    Some((scheme, rest.strip_prefix('/').unwrap_or(rest)))
}

/// A whole address, where it is one of the connector's hosts. `base` is the connector's own address for
/// this customer.
pub fn address(
    (scheme, rest): (&str, &str),
    query: Option<&str>,
    api: &Api,
    base: Option<&Url>,
) -> Result<Destination, JoinError> {
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let is_named = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    if authority.is_empty() || !authority.bytes().all(is_named) {
        return Err(JoinError::HostNotAllowed);
    }
    let origin = format!("{}://{authority}/", scheme.to_ascii_lowercase());
    let origin = Url::parse(&origin).map_err(|_| JoinError::HostNotAllowed)?;
    let said = authority.to_ascii_lowercase();
    let host = origin.host_str().unwrap_or_default();
    if !said.starts_with(host) || !may_reach(&origin, api, base) {
        return Err(JoinError::HostNotAllowed);
    }
    join(&origin, path, query)
}

/// A host of the connector's. Where each customer has a host of their own, a pattern stands for theirs:
/// the next customer's must not see this one's token. An app on any host is reached on its own only.
fn may_reach(origin: &Url, api: &Api, base: Option<&Url>) -> bool {
    if base.is_some_and(|base| is_same_place(base, origin)) {
        return true;
    }
    let is_shared =
        api.base.as_ref().is_none_or(|base| matches!(base.host_shape(), Ok(HostShape::Literal(_))));
    api.hosts
        .iter()
        .filter(|pattern| is_shared || matches!(pattern, host::HostPattern::Exact { .. }))
        .any(|pattern| pattern.matches(origin))
}

fn is_same_place(one: &Url, other: &Url) -> bool {
    one.scheme() == other.scheme()
        && one.host() == other.host()
        && one.port() == other.port()
        && one.username().is_empty()
        && one.password().is_none()
        && one.fragment().is_none()
}

/// Whether no server reads a step upwards out of a path, however often it decodes it.
fn is_plain(path: &str) -> bool {
    let is_odd = |byte: u8| byte <= b' ' || matches!(byte, 0x7f | b'\\' | b'?' | b'#');
    if path.bytes().any(is_odd) || has_wide_escape(path) {
        return false;
    }
    if path.is_ascii() && !path.contains(['%', '.']) {
        return true;
    }
    let mut bytes = path.as_bytes().to_vec();
    for _ in 0..DECODINGS_MOST {
        if has_steps(&bytes) {
            return false;
        }
        let decoded = decoded(&bytes);
        if decoded == bytes {
            return true;
        }
        bytes = decoded;
    }
    false
}

/// `%u002e`, which is no encoding of a path but is read as one by some servers.
fn has_wide_escape(path: &str) -> bool {
    path.as_bytes().windows(2).any(|pair| pair[0] == b'%' && pair[1].eq_ignore_ascii_case(&b'u'))
}

/// Whether a path, decoded this far, has a step, a backslash, a control character or a byte that only an
/// overlong encoding has.
fn has_steps(bytes: &[u8]) -> bool {
    let is_odd = |byte: &u8| *byte < b' ' || matches!(*byte, 0x7f | b'\\' | 0xc0 | 0xc1);
    let is_overlong =
        |pair: &[u8]| (pair[0] == 0xe0 && pair[1] < 0xa0) || (pair[0] == 0xf0 && pair[1] < 0x90);
    if bytes.iter().any(is_odd) || bytes.windows(2).any(is_overlong) {
        return true;
    }
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    if !text.is_ascii() {
        for (lookalike, meant) in LOOKALIKES {
            text = text.replace(lookalike, meant);
        }
    }
    text.contains('\\') || text.split('/').any(is_step)
}

/// `.` and `..`, with parameters or blanks behind or around them.
fn is_step(segment: &str) -> bool {
    let name = segment.split(';').next().unwrap_or_default().trim();
    matches!(name, "." | "..")
}

/// Every `%xx` as its byte; what is none stays.
fn decoded(bytes: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = bytes.get(at + 1).zip(bytes.get(at + 2)).filter(|_| bytes[at] == b'%');
        match pair.and_then(|(high, low)| Some(digit(*high)? * 16 + digit(*low)?)) {
            Some(byte) => {
                decoded.push(u8::try_from(byte).unwrap_or(u8::MAX));
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    decoded
}

#[cfg(test)]
#[path = "join_tests.rs"]
mod tests;
