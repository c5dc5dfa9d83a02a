//! Which hosts may see a secret: the last look at an address before anything leaves.
//!
//! Compares names only. What a name resolves to is the outbound client's business.

use std::fmt;

use url::Url;

use super::template;

/// `host`, `host:port` or `*.suffix`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum HostPattern {
    /// This host, at its scheme's own port unless one is given.
    Exact {
        /// Lower case; IPv6 in brackets.
        host: String,
        /// Another port than the scheme's own.
        port: Option<u16>,
    },
    /// Every host below this one, at the scheme's own port.
    Below(String),
}

/// Why a text is not a host pattern.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a host: write `api.example.com`, `api.example.com:8443` or `*.example.com`")]
pub struct HostError;

impl HostPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When it is none of the three forms. A bare top-level domain has no `*.` form.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        if let Some(suffix) = text.strip_prefix("*.") {
            let host = literal(suffix)?;
            let named = host.contains('.') && host.starts_with(|first: char| first.is_ascii_alphanumeric());
            let is_address = Url::parse(&format!("https://{host}/"))
                .is_ok_and(|url| !matches!(url.host(), Some(url::Host::Domain(_))));
            return if named && !is_address { Ok(Self::Below(host)) } else { Err(HostError) };
        }
        let port_at = text.rfind(':').filter(|colon| !text[*colon..].contains(']'));
        let Some(colon) = port_at else { return Ok(Self::Exact { host: literal(text)?, port: None }) };
        let digits = &text[colon + 1..];
        let port = digits.parse::<u16>().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let port = port.filter(|port| *port > 0).ok_or(HostError)?;
        Ok(Self::Exact { host: literal(&text[..colon])?, port: Some(port).filter(|port| *port != 443) })
    }

    /// Whether `url` may be called: https (or http at a loopback host), this host, this port.
    pub fn matches(&self, url: &Url) -> bool {
        if url.scheme() != "https" && !(url.scheme() == "http" && template::is_loopback(url)) {
            return false;
        }
        let Some(host) = url.host_str() else { return false };
        match self {
            Self::Exact { host: own, port } => host == own && url.port() == *port,
            Self::Below(suffix) => {
                url.port().is_none()
                    && matches!(url.host(), Some(url::Host::Domain(_)))
                    && !host.ends_with('.')
                    && host
                        .strip_suffix(suffix.as_str())
                        .and_then(|labels| labels.strip_suffix('.'))
                        .is_some_and(|labels| labels.split('.').all(is_label))
            }
        }
    }

    /// Whether every address that `other` admits is admitted by this one, too.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Below(suffix), Self::Below(own)) => {
                own == suffix || own.strip_suffix(suffix.as_str()).is_some_and(|rest| rest.ends_with('.'))
            }
            (Self::Below(suffix), Self::Exact { host, port: None }) => {
                host.strip_suffix(suffix.as_str()).is_some_and(|rest| rest.ends_with('.'))
            }
            _ => self == other,
        }
    }
}

/// A label as host names have it: an address may hold odder ones, such as an empty one or `*`.
fn is_label(label: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !label.is_empty() && label.bytes().all(plain)
}

/// A host as it stands in a parsed address; refuses what an address would change or refuse.
fn literal(text: &str) -> Result<String, HostError> {
    let lower = text.to_ascii_lowercase();
    if !lower.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_[]:".contains(&byte)) {
        return Err(HostError);
    }
    let url = Url::parse(&format!("https://{lower}/")).map_err(|_| HostError)?;
    let same = url.host_str() == Some(lower.as_str()) && url.path() == "/" && !lower.ends_with('.');
    if same { Ok(lower) } else { Err(HostError) }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact { host, port: None } => f.write_str(host),
            Self::Exact { host, port: Some(port) } => write!(f, "{host}:{port}"),
            Self::Below(suffix) => write!(f, "*.{suffix}"),
        }
    }
}

/// Whether one of `patterns` admits `url`.
pub fn admits(patterns: &[HostPattern], url: &Url) -> bool {
    patterns.iter().any(|pattern| pattern.matches(url))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, url: &str) -> bool {
        let pattern = HostPattern::parse(pattern).expect("a pattern");
        pattern.matches(&Url::parse(url).expect("an address"))
    }

    #[test]
    fn a_host_admits_itself_only() {
        for url in ["https://api.example.com/x", "https://API.Example.com", "https://api.example.com:443/"] {
            assert!(matches("api.example.com", url), "{url}");
        }
        for url in [
            "https://example.com/",
            "https://api.example.com.evil.test/",
            "https://x.api.example.com/",
            "https://api.example.com:8443/",
            "https://api.example.com./",
            "http://api.example.com/",
            "ftp://api.example.com/",
            "https://evil.test/api.example.com",
            "https://evil.test#api.example.com",
        ] {
            assert!(!matches("api.example.com", url), "{url}");
        }
    }

    #[test]
    fn a_suffix_ends_at_a_label() {
        for url in ["https://a.zendesk.com/", "https://a.b.zendesk.com/"] {
            assert!(matches("*.zendesk.com", url), "{url}");
        }
        for url in [
            "https://zendesk.com/",
            "https://evilzendesk.com/",
            "https://zendesk.com.evil.test/",
            "https://a.zendesk.com./",
            "https://a.zendesk.com:8443/",
            "http://a.zendesk.com/",
            "https://.a.zendesk.com/",
            "https://a..zendesk.com/",
            "https://*.zendesk.com/",
        ] {
            assert!(!matches("*.zendesk.com", url), "{url}");
        }
    }

    #[test]
    fn a_port_counts_and_http_is_for_loopback() {
        assert!(matches("127.0.0.1:9000", "http://127.0.0.1:9000/token"));
        assert!(matches("localhost:9000", "http://localhost:9000/token"));
        assert!(matches("[::1]:9000", "http://[::1]:9000/token"));
        assert!(matches("app.example.com:8443", "https://app.example.com:8443/"));
        assert!(!matches("127.0.0.1:9000", "http://127.0.0.1:9001/"));
        assert!(!matches("app.example.com:8443", "http://app.example.com:8443/"));
        assert!(!matches("10.0.0.1", "http://10.0.0.1/"));
        assert!(!matches("app.example.com:8443", "https://app.example.com/"));
    }

    #[test]
    fn only_the_three_forms_are_patterns() {
        for text in [
            "",
            "*",
            "*.",
            "*.com",
            "*.*.com",
            "a.*.com",
            "*.0.0.1",
            "*.10.0.0.1",
            "https://a.com",
            "a.com/",
            "a.com/x",
            "a.com.",
            "a.com:",
            "a.com:0",
            "a.com:+1",
            "a.com:70000",
            "u@a.com",
            "a b.com",
            "0x7f.1",
            "2130706433",
            "bücher.example",
            "a.com?x",
            "a.com#x",
            "*..com",
        ] {
            assert_eq!(HostPattern::parse(text), Err(HostError), "{text}");
        }
    }

    #[test]
    fn a_pattern_covers_what_it_admits() {
        let pattern = |text| HostPattern::parse(text).expect("a pattern");
        for (wide, narrow, expected) in [
            ("*.a.example", "*.a.example", true),
            ("*.a.example", "*.b.a.example", true),
            ("*.a.example", "x.a.example", true),
            ("x.a.example", "x.a.example", true),
            ("*.a.example", "a.example", false),
            ("*.a.example", "*.evila.example", false),
            ("*.a.example", "x.a.example:8443", false),
            ("*.b.a.example", "*.a.example", false),
            ("x.a.example", "*.x.a.example", false),
        ] {
            assert_eq!(pattern(wide).covers(&pattern(narrow)), expected, "{wide} {narrow}");
        }
    }

    #[test]
    fn any_of_several_patterns_is_enough() {
        let patterns = [
            HostPattern::parse("api.example.com").expect("a pattern"),
            HostPattern::parse("*.example.org").expect("a pattern"),
        ];

        assert!(admits(&patterns, &Url::parse("https://x.example.org/").expect("an address")));
        assert!(!admits(&patterns, &Url::parse("https://example.net/").expect("an address")));
        assert!(!admits(&[], &Url::parse("https://api.example.com/").expect("an address")));
    }
}
