//! Whose request it is, when proxies stand before us.
//!
//! A header that says so counts only when the connection comes from a proxy that the operator named, and
//! of its hops only the last that no such proxy is: whatever stands to the left of it anybody could have
//! written.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

/// The address at the other end of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

/// The client's address, as far as it can be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// The header in which trusted proxies tell the address they were called from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`.
    #[default]
    XForwardedFor,
    /// `Forwarded`, RFC 7239.
    Forwarded,
}

/// `X-Forwarded-For`, which no list of names has.
pub const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Proxies that are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    /// Their networks.
    pub networks: Vec<IpNet>,
    /// What they write.
    pub header: ForwardedHeader,
}

impl TrustedProxies {
    /// Whether an address is that of such a proxy.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// The client behind a request that came from `peer`.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.contains(client) {
            return client;
        }
        let name = match self.header {
            ForwardedHeader::XForwardedFor => X_FORWARDED_FOR,
            ForwardedHeader::Forwarded => header::FORWARDED,
        };
        // The nearest proxy writes last, and a second line of a header stands behind the first.
        for line in headers.get_all(name).iter().rev() {
            let Ok(line) = line.to_str() else { return client };
            for hop in line.rsplit(',') {
                // A hop that says no address hides whatever is behind it.
                let Some(hop) = self.address_of(hop.trim()) else { return client };
                client = hop;
                if !self.contains(client) {
                    return client;
                }
            }
        }
        client
    }

    fn address_of(&self, hop: &str) -> Option<IpAddr> {
        match self.header {
            ForwardedHeader::XForwardedFor => node(hop),
            ForwardedHeader::Forwarded => {
                let (_, value) = hop
                    .split(';')
                    .filter_map(|pair| pair.split_once('='))
                    .find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
                node(value.trim().trim_matches('"'))
            }
        }
    }
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`.
fn node(text: &str) -> Option<IpAddr> {
    let address = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0.parse().ok()?,
        None => match text.parse::<IpAddr>() {
            Ok(address) => address,
            Err(_) => IpAddr::V4(text.rsplit_once(':')?.0.parse().ok()?),
        },
    };
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(header: ForwardedHeader, peer: &str, lines: &[&str]) -> String {
        let networks = ["10.0.0.0/8", "2001:db8:ffff::/48"].map(|text| text.parse().unwrap()).to_vec();
        let name = match header {
            ForwardedHeader::XForwardedFor => X_FORWARDED_FOR,
            ForwardedHeader::Forwarded => axum::http::header::FORWARDED,
        };
        let headers = lines.iter().map(|line| (name.clone(), line.parse().unwrap())).collect();
        TrustedProxies { networks, header }.client(peer.parse().unwrap(), &headers).to_string()
    }

    /// Security D2.
    #[test]
    fn the_last_hop_that_is_no_proxy_of_ours_is_the_client() {
        let cases: [(&str, &[&str], &str); 14] = [
            // Nobody we trust: whatever the header says.
            ("203.0.113.7", &["198.51.100.1"], "203.0.113.7"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["198.51.100.1, 10.9.9.9"], "198.51.100.1"),
            // What a client wrote itself stands to the left.
            ("10.0.0.1", &["1.1.1.1, 2.2.2.2, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1, 10.0.0.3, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1", "198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["10.0.0.5"], "10.0.0.5"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["nonsense"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("10.0.0.1", &["[2001:db8::1]:4711"], "2001:db8::1"),
            ("2001:db8:ffff::9", &["2001:db8::1"], "2001:db8::1"),
            ("::ffff:10.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1"),
        ];

        for (peer, lines, expected) in cases {
            assert_eq!(client(ForwardedHeader::XForwardedFor, peer, lines), expected, "{peer} {lines:?}");
        }
    }

    /// RFC 7239 §4 and §6.
    #[test]
    fn the_standard_header_is_read_by_its_own_rules() {
        let cases: [(&[&str], &str); 8] = [
            (&["for=198.51.100.1"], "198.51.100.1"),
            (&["For=\"[2001:db8:cafe::17]:4711\""], "2001:db8:cafe::17"),
            (&["for=192.0.2.60;proto=http;by=203.0.113.43"], "192.0.2.60"),
            (&["proto=https; for=192.0.2.60"], "192.0.2.60"),
            (&["for=1.1.1.1, for=198.51.100.1, for=10.0.0.7"], "198.51.100.1"),
            (&["for=192.0.2.60", "for=198.51.100.1"], "198.51.100.1"),
            (&["for=198.51.100.1, for=_hidden"], "10.0.0.1"),
            (&["for=unknown"], "10.0.0.1"),
        ];

        for (lines, expected) in cases {
            assert_eq!(client(ForwardedHeader::Forwarded, "10.0.0.1", lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn the_header_that_nobody_was_told_to_write_is_not_read() {
        let networks = vec!["10.0.0.0/8".parse().unwrap()];
        let trusted = TrustedProxies { networks, header: ForwardedHeader::XForwardedFor };
        let headers = [
            (axum::http::header::FORWARDED, "for=1.1.1.1".parse().unwrap()),
            (X_FORWARDED_FOR, "198.51.100.1".parse().unwrap()),
        ];

        let client = trusted.client("10.0.0.1".parse().unwrap(), &headers.into_iter().collect());

        assert_eq!(client.to_string(), "198.51.100.1");
    }
}
