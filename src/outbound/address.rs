//! Which addresses may be called.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is not called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressRefusal {
    /// The address names no host.
    #[error("it names no host")]
    NoHost,
    /// Plain http.
    #[error("only https is called; list a loopback host under `egress_allow` to call it over http")]
    NotHttps,
    /// Loopback, private, link-local, metadata, multicast, reserved or a form that maps to one of them.
    #[error("it is not a public address")]
    NotPublic,
    /// A sandbox call to somewhere else.
    #[error("a sandboxed integration calls the sandbox only")]
    NotTheSandbox,
}

/// Refuses an address that is not public.
pub(super) fn check(ip: IpAddr) -> Result<(), AddressRefusal> {
    is_public(ip).then_some(()).ok_or(AddressRefusal::NotPublic)
}

/// Refuses names that only ever mean this machine or its network.
pub(super) fn check_name(name: &str) -> Result<(), AddressRefusal> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let inner = ["localhost", "local", "internal", "home.arpa", "lan"]
        .iter()
        .any(|suffix| name == *suffix || name.ends_with(&format!(".{suffix}")));
    (!inner).then_some(()).ok_or(AddressRefusal::NotPublic)
}

/// Whether an address is on the public internet. IANA special-purpose registries, and every IPv6 form
/// that carries an IPv4 address.
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let benchmarking = a == 198 && (b == 18 || b == 19);
    let protocol = a == 192 && b == 0 && c == 0;
    let relay = a == 192 && b == 88 && c == 99;
    !(a == 0
        || a >= 240
        || shared
        || benchmarking
        || protocol
        || relay
        || ip.is_loopback()
        || ip.is_private()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_documentation())
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let segments = ip.segments();
    // Only 2000::/3 is assigned for the internet; what maps or tunnels IPv4 inside it is refused too.
    let global = segments[0] & 0xe000 == 0x2000;
    let six_to_four = segments[0] == 0x2002;
    let ietf = segments[0] == 0x2001 && segments[1] < 0x200;
    let documentation = (segments[0] == 0x2001 && segments[1] == 0x0db8) || segments[0] == 0x3fff;
    global && !six_to_four && !ietf && !documentation
}
