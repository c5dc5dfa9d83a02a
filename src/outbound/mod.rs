//! The one HTTP client. Every byte that leaves for a provider leaves here.
//!
//! No redirects, one deadline for the whole call, a cap on the decoded answer, and a check of the
//! address after resolving it: the connection goes to the address that was checked. Knows no OAuth
//! and no connector; errors never carry an address's query or a body. What only passes through is in
//! `stream`.

mod address;
mod body;
mod knock;
mod line;
mod names;
mod pool;
mod stream;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use http::{HeaderValue, header::USER_AGENT};
use reqwest::{Client, redirect::Policy};
use url::{Host, Url};

use crate::protocol::call::{Call, Reply};

use names::PublicOnly;

pub use address::{AddressRefusal, is_public};
pub use body::{ByteStream, Download, Upload, UploadFault};
pub use names::{Names, SystemNames};
pub use pool::Reuse;
pub use stream::{Deadlines, Reserved, StreamedCall, StreamedReply};

/// A whole call, from the first byte sent to the last byte read.
const DEADLINE: Duration = Duration::from_secs(12);
/// Of that, for reaching the other side.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// A provider's answer, decoded.
const BODY_CAP: usize = 256 * 1024;
/// Who we are. Some providers refuse calls without it.
const AGENT: HeaderValue = HeaderValue::from_static(concat!("hitchpost/", env!("CARGO_PKG_VERSION")));

/// Why a call brought no answer.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// The address is not one we call.
    #[error("{host} is not called: {reason}")]
    Refused {
        /// Its host.
        host: String,
        /// Why.
        reason: AddressRefusal,
    },
    /// No answer in time.
    #[error("{0} did not answer in time")]
    Timeout(String),
    /// No connection: nothing was sent.
    #[error("{0} cannot be reached")]
    NotReached(String),
    /// A connection that broke.
    #[error("{0} could not be reached")]
    Unreachable(String),
    /// The answer is larger than we read.
    #[error("the answer of {0} is too large")]
    TooLarge(String),
    /// The answer is no HTTP.
    #[error("the answer of {0} cannot be read")]
    Unreadable(String),
    /// A connection that was kept from an earlier call ended under this one.
    #[error("{0} closed the connection")]
    Severed(String),
    /// The caller's own body ended early.
    #[error(transparent)]
    Upload(UploadFault),
    /// What the call was made with no longer stands.
    #[error("the call was withdrawn")]
    Withdrawn,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The one for whole calls.
    #[error(transparent)]
    Whole(#[from] reqwest::Error),
    /// The one for calls that pass through.
    #[error(transparent)]
    Passing(#[from] rustls::Error),
}

/// How far a call may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Public addresses, and what the operator listed.
    Public,
    /// This server's own sandbox, and nothing else.
    Sandbox,
}

/// The client.
#[derive(Clone)]
pub struct Outbound {
    public: Client,
    listed: Client,
    pool: pool::Pool,
    allowed: Arc<Vec<String>>,
    sandbox: Option<SocketAddr>,
}

impl Outbound {
    /// `allowed` is `egress_allow`, `host:port` each; `sandbox` is where this server listens.
    pub fn new(
        allowed: Vec<String>,
        sandbox: Option<SocketAddr>,
        names: Arc<dyn Names>,
    ) -> Result<Self, ClientError> {
        let public = PublicOnly(names);
        Ok(Self {
            pool: pool::Pool::new(public.clone())?,
            public: client().dns_resolver(Arc::new(public)).build()?,
            listed: client().build()?,
            allowed: Arc::new(allowed.into_iter().map(|entry| entry.to_ascii_lowercase()).collect()),
            sandbox,
        })
    }

    /// Sends a call and reads the whole answer. A redirect is an answer like any other.
    pub async fn send(&self, call: Call, reach: Reach) -> Result<Reply, OutboundError> {
        let host = call.url.host_str().unwrap_or_default().to_owned();
        let client = self
            .client_for(&call.url, reach)
            .map_err(|reason| OutboundError::Refused { host: host.clone(), reason })?;
        let request = client
            .request(call.method, call.url)
            .headers(call.headers)
            .header(USER_AGENT, AGENT)
            .body(call.body);
        let response = request.send().await.map_err(|error| broke(&error, &host))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        let mut chunks = response.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| broke(&error, &host))?;
            if body.len() + chunk.len() > BODY_CAP {
                return Err(OutboundError::TooLarge(host));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status, headers, body })
    }

    fn client_for(&self, url: &Url, reach: Reach) -> Result<&Client, AddressRefusal> {
        Ok(if self.is_listed(url, reach)? { &self.listed } else { &self.public })
    }

    /// Whether an address is on the operator's list or the sandbox's own, so that what its name resolves to
    /// is not looked at. Refuses what is not called at all.
    fn is_listed(&self, url: &Url, reach: Reach) -> Result<bool, AddressRefusal> {
        let host = url.host().ok_or(AddressRefusal::NoHost)?;
        let port = url.port_or_known_default().ok_or(AddressRefusal::NoHost)?;
        if reach == Reach::Sandbox {
            let own = self.sandbox.is_some_and(|own| is_address(&host, own) && port == own.port());
            return own.then_some(true).ok_or(AddressRefusal::NotTheSandbox);
        }
        let name = format!("{host}:{port}").to_ascii_lowercase();
        if self.allowed.contains(&name) {
            return Ok(true);
        }
        if url.scheme() != "https" {
            return Err(AddressRefusal::NotHttps);
        }
        match host {
            Host::Ipv4(ip) => address::check(ip.into())?,
            Host::Ipv6(ip) => address::check(ip.into())?,
            Host::Domain(name) => address::check_name(name)?,
        }
        Ok(false)
    }
}

fn client() -> reqwest::ClientBuilder {
    #[expect(clippy::disallowed_methods, reason = "this is the one client")]
    Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .timeout(DEADLINE)
        .connect_timeout(CONNECT_DEADLINE)
        // What is sent while the other side hangs up on an idle connection may have arrived or not, and
        // nobody can tell. These calls are rare, and a refresh token may be sent once.
        .pool_max_idle_per_host(0)
        .referer(false)
}

fn is_address(host: &Host<&str>, own: SocketAddr) -> bool {
    match host {
        Host::Ipv4(ip) => own.ip() == *ip,
        Host::Ipv6(ip) => own.ip() == *ip,
        Host::Domain(_) => false,
    }
}

fn broke(error: &reqwest::Error, host: &str) -> OutboundError {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(reason) = cause.downcast_ref::<AddressRefusal>() {
            return OutboundError::Refused { host: host.to_owned(), reason: *reason };
        }
        source = cause.source();
    }
    if error.is_connect() {
        OutboundError::NotReached(host.to_owned())
    } else if error.is_timeout() {
        OutboundError::Timeout(host.to_owned())
    } else {
        OutboundError::Unreachable(host.to_owned())
    }
}

/// The refusal of an address behind an error of the client's.
fn refusal_in(error: &(dyn std::error::Error + 'static)) -> Option<AddressRefusal> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(reason) = error.downcast_ref::<AddressRefusal>() {
            return Some(*reason);
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbound() -> Outbound {
        Outbound::new(
            vec!["127.0.0.1:9000".to_owned()],
            Some(([127, 0, 0, 1], 7080).into()),
            Arc::new(SystemNames),
        )
        .unwrap()
    }

    fn verdict(url: &str, reach: Reach) -> Option<AddressRefusal> {
        outbound().client_for(&url.parse().unwrap(), reach).err()
    }

    #[test]
    fn every_spelling_of_an_inner_address_is_refused() {
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "198.18.0.1",
            "192.0.0.1",
            "192.0.2.1",
            "203.0.113.9",
            "240.0.0.1",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:a9fe:a9fe]",
            "[64:ff9b::7f00:1]",
            "[64:ff9b:1::1]",
            "[2002:7f00:1::]",
            "[2001::1]",
            "[fe80::1]",
            "[fc00::1]",
            "[fd00:ec2::254]",
            "[ff02::1]",
            "[2001:db8::1]",
            "[::127.0.0.1]",
            "[100::1]",
            "localhost",
            "app.localhost",
            "metadata.google.internal",
            "printer.local",
        ] {
            assert!(verdict(&format!("https://{host}/"), Reach::Public).is_some(), "{host} was let through");
        }
    }

    #[test]
    fn public_addresses_pass_over_https_only() {
        assert_eq!(verdict("https://api.hubapi.com/x", Reach::Public), None);
        assert_eq!(verdict("https://1.1.1.1/", Reach::Public), None);
        assert_eq!(verdict("https://[2606:4700::1111]/", Reach::Public), None);
        assert_eq!(verdict("http://api.hubapi.com/x", Reach::Public), Some(AddressRefusal::NotHttps));
    }

    #[test]
    fn a_listed_address_is_open_on_its_port_only() {
        assert_eq!(verdict("http://127.0.0.1:9000/token", Reach::Public), None);
        assert!(verdict("http://127.0.0.1:9001/token", Reach::Public).is_some());
        assert!(verdict("http://localhost:9000/token", Reach::Public).is_some());
    }

    #[test]
    fn a_sandbox_call_reaches_this_server_and_nothing_else() {
        assert_eq!(verdict("http://127.0.0.1:7080/sandbox/x", Reach::Sandbox), None);
        for url in ["http://127.0.0.1:7081/", "http://127.0.0.1:9000/", "https://api.hubapi.com/"] {
            assert_eq!(verdict(url, Reach::Sandbox), Some(AddressRefusal::NotTheSandbox), "{url}");
        }
        assert!(verdict("http://127.0.0.1:7080/", Reach::Public).is_some());
    }
}
