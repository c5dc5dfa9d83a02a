//! Which headers pass a proxy, and which end at it. RFC 9110 §7.6.
//!
//! What speaks of the caller's own way to us, of our customer or of a browser stays here; what a provider
//! says about our own address does not reach a browser. A name is judged as a gateway behind us might read
//! it: `X_Forwarded_For` is `X-Forwarded-For`.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, header};

/// What the caller's request does not bring to the provider, beside the prefixes below.
const KEPT_FROM_PROVIDER: [&str; 29] = [
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "cookie2",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "max-forwards",
    "membrane-api-version",
    "origin",
    "referer",
    "cdn-loop",
    "client-ip",
    "te",
    "trailer",
    "transfer-encoding",
    "true-client-ip",
    "upgrade",
    "via",
    "x-amzn-trace-id",
    "x-client-ip",
    "x-cluster-client-ip",
    // Some servers take the path from these instead of the request line.
    "x-original-url",
    "x-real-ip",
    "x-request-id",
    "x-rewrite-url",
];
const PREFIXES_KEPT_FROM_PROVIDER: [&str; 8] = [
    "proxy-",
    "x-forwarded",
    "x-original-forwarded",
    "cf-",
    "sec-",
    "access-control-",
    "hitchpost-",
    "x-hitchpost-",
];

/// What the provider's answer does not bring to the caller, beside the prefixes below.
const KEPT_FROM_CALLER: [&str; 29] = [
    "alt-svc",
    "alternate-protocol",
    "cdn-cache-control",
    "clear-site-data",
    "connection",
    "content-security-policy",
    "content-security-policy-report-only",
    "cross-origin-embedder-policy",
    "cross-origin-opener-policy",
    "expect-ct",
    "keep-alive",
    "nel",
    "origin-agent-cluster",
    "public-key-pins",
    "public-key-pins-report-only",
    "refresh",
    "report-to",
    "reporting-endpoints",
    "service-worker-allowed",
    "set-cookie",
    "set-cookie2",
    "set-login",
    "strict-transport-security",
    "surrogate-control",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-frame-options",
];
/// The first three make servers that stand before us read a file or an address of their own.
const PREFIXES_KEPT_FROM_CALLER: [&str; 8] = [
    "x-accel-",
    "x-sendfile",
    "x-lighttpd-send",
    "x-reproxy-",
    "proxy-",
    "access-control-",
    "hitchpost-",
    "surrogate-",
];

/// The caller's headers that the provider gets.
pub fn forwarded(received: &HeaderMap) -> HeaderMap {
    passed(received, |name| {
        KEPT_FROM_PROVIDER.contains(&name) || starts_with_any(name, &PREFIXES_KEPT_FROM_PROVIDER)
    })
}

/// The provider's headers that the caller gets. `Content-Length` goes where the answer was chunked.
pub fn returned(received: &HeaderMap) -> HeaderMap {
    let mut headers = passed(received, |name| {
        KEPT_FROM_CALLER.contains(&name)
            || name.ends_with("-cdn-cache-control")
            || starts_with_any(name, &PREFIXES_KEPT_FROM_CALLER)
    });
    if received.contains_key(header::TRANSFER_ENCODING) {
        headers.remove(header::CONTENT_LENGTH);
    }
    headers
}

/// Takes out what a gateway might mistake for `name`: the same name with `_` for `-`, or the other way.
pub fn drop_spellings(headers: &mut HeaderMap, name: &HeaderName) {
    let is_spelled = |other: &HeaderName| other != name && folded(other.as_str()) == folded(name.as_str());
    let others: Vec<HeaderName> = headers.keys().filter(|other| is_spelled(other)).cloned().collect();
    for other in others {
        headers.remove(other);
    }
}

fn passed(received: &HeaderMap, ends_here: impl Fn(&str) -> bool) -> HeaderMap {
    let named = named_by_connection(received);
    // Room for the credential and what else is added.
    let mut headers = HeaderMap::with_capacity(received.len() + 4);
    for (name, value) in received {
        let folded = folded(name.as_str());
        if !ends_here(&folded) && !named.iter().any(|hop| *hop == folded) {
            headers.append(name.clone(), value.clone());
        }
    }
    headers
}

/// §7.6.1: what `Connection` names is for this hop only.
fn named_by_connection(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let names = values.flat_map(|value| value.split(',')).map(|name| name.trim().to_ascii_lowercase());
    names
        .filter(|name| !matches!(name.as_str(), "" | "close" | "keep-alive"))
        .map(|name| name.replace('_', "-"))
        .collect()
}

fn folded(name: &str) -> Cow<'_, str> {
    if name.contains('_') { Cow::Owned(name.replace('_', "-")) } else { Cow::Borrowed(name) }
}

fn starts_with_any(name: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
#[path = "hop_tests.rs"]
mod tests;
