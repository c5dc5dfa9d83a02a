//! Connections to providers, kept for the next call. HTTP/1.1 only: what one call does to its connection
//! is no other call's business.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use http::Uri;
use hyper::client::conn::http1;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::{HttpConnector, dns::GaiResolver};
use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt as _;
use tower::ServiceExt as _;

use super::{OutboundError, PublicOnly, line::Line, refusal_in};

/// The head of an answer.
pub(super) const HEAD_CAP: usize = 64 * 1024;
/// How long an idle connection is kept for the next call.
const IDLE: Duration = Duration::from_secs(60);
/// How long an idle connection is surely not hung up by the other side: shorter than servers are known to keep
/// one (gunicorn 2 s, Node and Apache 5 s).
const YOUNG: Duration = Duration::from_millis(1500);
/// Idle connections kept for one place.
const IDLE_MOST: usize = 256;
/// How long a connection that was just used may take to be ready again.
const TURNAROUND: Duration = Duration::from_millis(50);

/// Which connections may serve a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// Any that is idle: the call may be made again if the other side hangs up on it.
    Any,
    /// One that is surely not hung up: the call must not be made twice.
    Young,
    /// None, after one that was kept ended under the call ([`OutboundError::Severed`]).
    None,
}

impl Reuse {
    fn most_idle(self) -> Duration {
        match self {
            Self::Any => IDLE,
            Self::Young => YOUNG,
            Self::None => Duration::ZERO,
        }
    }
}

/// Where a connection goes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) is_secure: bool,
    pub(super) host: Arc<str>,
    pub(super) port: u16,
    /// On the operator's list, so that its addresses are not looked at.
    pub(super) is_listed: bool,
}

impl Place {
    fn uri(&self) -> Result<Uri, http::Error> {
        let scheme = if self.is_secure { "https" } else { "http" };
        Uri::builder()
            .scheme(scheme)
            .authority(format!("{}:{}", self.host, self.port))
            .path_and_query("/")
            .build()
    }
}

/// Opens connections and keeps them.
#[derive(Clone)]
pub(super) struct Pool {
    public: HttpsConnector<HttpConnector<PublicOnly>>,
    listed: HttpsConnector<HttpConnector<GaiResolver>>,
    idle: Arc<IdleConnections>,
}

#[derive(Default)]
struct IdleConnections(Mutex<HashMap<Place, Vec<Kept>>>);

/// A connection that waits, and since when.
type Kept = (Line, Instant);

/// A connection in use.
pub(super) struct Lent {
    pub(super) line: Line,
    /// It served a call before.
    pub(super) is_used: bool,
    place: Place,
    home: Arc<IdleConnections>,
}

impl Lent {
    /// The call is over; the next one may have it.
    pub(super) fn hand_back(self) {
        self.home.keep(self.place, self.line);
    }

    /// The answer is here and the request is not all sent: what is left of it goes on without anybody.
    pub(super) fn let_run(self) {
        self.line.let_run();
    }
}

impl Pool {
    pub(super) fn new(names: PublicOnly) -> Result<Self, rustls::Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_platform_verifier()?
            .with_no_client_auth();
        Ok(Self {
            public: connector(HttpConnector::new_with_resolver(names), tls.clone()),
            listed: connector(HttpConnector::new(), tls),
            idle: Arc::default(),
        })
    }

    /// A connection to `place`: one that is idle where `reuse` allows it.
    pub(super) async fn lend(
        &self,
        place: &Place,
        reuse: Reuse,
        patience: Duration,
    ) -> Result<Lent, OutboundError> {
        while let Some(mut line) = self.idle.take(place, reuse.most_idle()) {
            if let Ok(true) = tokio::time::timeout(TURNAROUND, line.is_ready()).await {
                return Ok(self.lent(place, line, true));
            }
        }
        self.open(place, patience).await
    }

    /// A new connection to `place`.
    pub(super) async fn open(&self, place: &Place, patience: Duration) -> Result<Lent, OutboundError> {
        let opened = tokio::time::timeout(patience, self.connected(place)).await;
        let line = opened.map_err(|_| OutboundError::Timeout(place.host.to_string()))??;
        Ok(self.lent(place, line, false))
    }

    async fn connected(&self, place: &Place) -> Result<Line, OutboundError> {
        let not_reached = || OutboundError::NotReached(place.host.to_string());
        let uri = place.uri().map_err(|_| not_reached())?;
        let connected = if place.is_listed {
            self.listed.clone().oneshot(uri).await
        } else {
            self.public.clone().oneshot(uri).await
        };
        let io = connected.map_err(|error| match refusal_in(&*error) {
            Some(reason) => OutboundError::Refused { host: place.host.to_string(), reason },
            None => not_reached(),
        })?;
        let shaken = http1::Builder::new().max_buf_size(HEAD_CAP).handshake(io).await;
        let (sender, connection) = shaken.map_err(|_| not_reached())?;
        Ok(Line::new(sender, connection))
    }

    fn lent(&self, place: &Place, line: Line, is_used: bool) -> Lent {
        Lent { line, is_used, place: place.clone(), home: self.idle.clone() }
    }
}

impl IdleConnections {
    /// The one that was used last.
    fn take(&self, place: &Place, most_idle: Duration) -> Option<Line> {
        let mut idle = self.0.lock().expect("nothing panics while holding it");
        let kept = idle.get_mut(place)?;
        kept.pop_if(|(_, since)| since.elapsed() < most_idle).map(|(line, _)| line)
    }

    fn keep(self: &Arc<Self>, place: Place, line: Line) {
        let mut idle = self.0.lock().expect("nothing panics while holding it");
        let is_first = idle.is_empty();
        let kept = idle.entry(place).or_default();
        if kept.len() < IDLE_MOST {
            kept.push((line, Instant::now()));
        }
        drop(idle);
        if is_first {
            tokio::spawn(close_idle(Arc::downgrade(self)));
        }
    }
}

/// Closes what nobody used for a while; ends when nothing is left.
async fn close_idle(connections: std::sync::Weak<IdleConnections>) {
    loop {
        tokio::time::sleep(IDLE / 2).await;
        let Some(connections) = connections.upgrade() else { return };
        let mut idle = connections.0.lock().expect("nothing panics while holding it");
        for kept in idle.values_mut() {
            kept.retain_mut(|(line, since)| since.elapsed() < IDLE && !line.has_ended());
        }
        idle.retain(|_, kept| !kept.is_empty());
        if idle.is_empty() {
            return;
        }
    }
}

fn connector<R>(mut http: HttpConnector<R>, tls: ClientConfig) -> HttpsConnector<HttpConnector<R>> {
    http.enforce_http(false);
    http.set_nodelay(true);
    HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(http)
}
