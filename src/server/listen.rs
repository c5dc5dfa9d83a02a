//! Takes connections in, within their limits, and lets go of them when the server ends.
//!
//! HTTP/1.1; TLS and HTTP/2 end at the proxy before us. At the end the listener closes at once, requests
//! in progress complete, and whoever keeps a connection open is told by `Connection: close` or, when they
//! ask nothing any more, by its end.

use std::{
    collections::HashMap,
    convert::Infallible,
    future::{Future, poll_fn},
    io,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, Request, header},
};
use futures_util::FutureExt as _;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};
use tower::ServiceExt as _;

use super::guarded::{Activity, Guarded, Patience};
use crate::{
    engine::{Engine, network},
    http::{ClientAddress, Limits, Peer, Refusal, limits::Held},
};

/// How long requests in progress may take at shutdown.
const DRAIN: Duration = Duration::from_secs(25);
/// How long connections without a request stay open at shutdown: a client that is about to use one gets
/// its answer, and is told not to come back.
const LINGER: Duration = Duration::from_millis(500);
/// Smallest buffer the server reads into; a larger head needs more.
const BUFFER: usize = 64 * 1024;
/// Clients at once that are told why they are not let in; more are just not.
const TOLD_AT_ONCE: usize = 64;
/// How long telling them may take.
const TELLING: Duration = Duration::from_secs(2);
/// After the system would give us no connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Everything that connections share.
struct Door {
    router: Router,
    engine: Engine,
    limits: Limits,
    open: Mutex<Open>,
    telling: Arc<Semaphore>,
}

/// Connections that are open.
#[derive(Default)]
struct Open {
    last: u64,
    all: HashMap<u64, Arc<Activity>>,
    /// Of those, the ones that were told to end.
    told: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// Answers on `listener` until `shutdown` comes back, and then until what is in progress is done.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    engine: Engine,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) {
    let door = Arc::new(Door {
        router,
        engine,
        limits: within_files(limits),
        open: Mutex::default(),
        telling: Arc::new(Semaphore::new(TOLD_AT_ONCE)),
    });
    let mut tasks = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = tasks.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => door.admit(stream, peer, &mut tasks),
                Err(error) => door.could_not_accept(&error).await,
            }
        }
    }
    door.engine.begin_closing();
    // What the system has accepted for us counts as accepted.
    while let Some(Ok((stream, peer))) = listener.accept().now_or_never() {
        door.admit(stream, peer, &mut tasks);
    }
    drop(listener);
    door.drain(tasks).await;
}

/// Files are needed for more than clients' connections: for calls of providers, and for the database.
fn within_files(mut limits: Limits) -> Limits {
    let wanted = u64::try_from(limits.connections_max).unwrap_or(u64::MAX);
    let Ok(files) = rlimit::increase_nofile_limit(wanted.saturating_mul(2).saturating_add(64)) else {
        return limits;
    };
    let most = usize::try_from(files - files / 4).unwrap_or(usize::MAX);
    if limits.connections_max > most {
        tracing::warn!(
            connections_max = limits.connections_max,
            files,
            "The system lets this process open {files} files, so it takes {most} connections at once",
        );
        limits.connections_max = most;
    }
    limits
}

/// Why a connection is not let in.
#[derive(Clone, Copy)]
enum TurnedAway {
    Full,
    Address,
}

impl Door {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr, tasks: &mut JoinSet<()>) {
        let address = peer.ip().to_canonical();
        match self.enter(address) {
            Ok(entered) => {
                let door = self.clone();
                tasks.spawn(async move { door.converse(stream, address, entered).await });
            }
            Err(reason) => self.turn_away(stream, reason),
        }
    }

    /// Counts a connection in, unless there are too many.
    fn enter(self: &Arc<Self>, address: IpAddr) -> Result<Entered, TurnedAway> {
        let limits = &self.limits;
        let is_counted = !address.is_loopback() && !limits.trusted_proxies.contains(address);
        let network = is_counted.then(|| network(address));
        let mut open = self.open();
        if let Some(network) = network
            && open.by_address.get(&network).is_some_and(|open| *open >= limits.connections_per_address)
        {
            return Err(TurnedAway::Address);
        }
        let is_full = open.all.len() - open.told >= limits.connections_max;
        if is_full && self.end_idle(&mut open) == 0 {
            return Err(TurnedAway::Full);
        }
        let activity = Activity::new();
        open.last += 1;
        let id = open.last;
        open.all.insert(id, activity.clone());
        if let Some(network) = network {
            *open.by_address.entry(network).or_default() += 1;
        }
        self.engine.metrics().connections_changed(1);
        Ok(Entered { door: self.clone(), id, network, activity })
    }

    /// Ends the connections that asked for nothing the longest, a few at once; says how many.
    fn end_idle(&self, open: &mut Open) -> usize {
        let mut idle: Vec<_> = open
            .all
            .values()
            .filter(|activity| !activity.was_told())
            .filter_map(|activity| Some((activity.idle_since()?, activity)))
            .collect();
        let wanted = (self.limits.connections_max / 64).clamp(1, idle.len().max(1));
        if idle.len() > wanted {
            idle.select_nth_unstable_by_key(wanted, |(since, _)| *since);
        }
        let mut ended = 0;
        for (_, activity) in idle.into_iter().take(wanted) {
            ended += usize::from(activity.tell_to_end());
            self.engine.metrics().turned_away("idle");
        }
        open.told += ended;
        ended
    }

    async fn could_not_accept(&self, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
        if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
            return;
        }
        tracing::error!(%error, "The system gives no connection");
        self.end_idle(&mut self.open());
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }

    /// Says why, when there is time for it.
    fn turn_away(&self, stream: TcpStream, reason: TurnedAway) {
        let (name, refusal) = match reason {
            TurnedAway::Full => ("full", Refusal::busy()),
            TurnedAway::Address => {
                ("address", Refusal::too_many("connections_per_address", Duration::from_secs(10)))
            }
        };
        self.engine.metrics().turned_away(name);
        let Ok(permit) = self.telling.clone().try_acquire_owned() else { return };
        tokio::spawn(async move {
            let _ = tokio::time::timeout(TELLING, tell(stream, &refusal)).await;
            drop(permit);
        });
    }

    /// Answers on one connection until one side has had enough.
    async fn converse(self: Arc<Self>, stream: TcpStream, peer: IpAddr, entered: Entered) {
        let limits = &self.limits;
        let _ = stream.set_nodelay(true);
        let activity = entered.activity.clone();
        let patience =
            Patience { head: limits.header_timeout, idle: limits.idle_timeout, write: limits.write_timeout };
        let guarded = Guarded::new(stream, activity.clone(), patience);
        let service = service_fn(|request: Request<Incoming>| {
            let visit = activity.visit();
            let mut request = request.map(Body::new);
            let client = limits.trusted_proxies.client(peer, request.headers());
            request.extensions_mut().insert(Peer(peer));
            request.extensions_mut().insert(ClientAddress(client));
            let answer = self.router.clone().oneshot(request);
            let engine = &self.engine;
            async move {
                let Ok(mut response) = answer.await;
                if engine.is_closing() {
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response.map(|body| Held::new(body, visit)))
            }
        });
        let mut http = http1::Builder::new();
        http.header_read_timeout(None)
            .max_header_size(limits.header_bytes_max)
            .max_buf_size(limits.header_bytes_max.max(BUFFER));
        let mut connection = pin!(http.serve_connection(TokioIo::new(guarded), service));
        let ended = tokio::select! {
            // Bytes that are there already are a request, not silence.
            biased;
            ended = poll_fn(|cx| loop {
                let polled = connection.as_mut().poll(cx);
                if polled.is_ready() || !activity.was_left() {
                    return polled;
                }
            }) => ended,
            () = activity.told_to_end() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::trace!(%error, "A connection ended");
        }
    }

    /// Lets everybody finish.
    async fn drain(&self, mut tasks: JoinSet<()>) {
        let _ = tokio::time::timeout(LINGER, ended(&mut tasks)).await;
        for activity in self.open().all.values() {
            activity.tell_to_end();
        }
        if tokio::time::timeout(DRAIN, ended(&mut tasks)).await.is_err() {
            tracing::warn!(requests = tasks.len(), "Some requests did not end in time");
            tasks.shutdown().await;
        }
    }
}

async fn ended(tasks: &mut JoinSet<()>) {
    while tasks.join_next().await.is_some() {}
}

/// A connection that was counted in; counted out when this is dropped.
struct Entered {
    door: Arc<Door>,
    id: u64,
    network: Option<IpAddr>,
    activity: Arc<Activity>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut open = self.door.open();
        open.all.remove(&self.id);
        // At shutdown everybody is told without being counted.
        open.told = open.told.saturating_sub(usize::from(self.activity.was_told()));
        if let Some(network) = self.network
            && let Some(count) = open.by_address.get_mut(&network)
        {
            *count -= 1;
            if *count == 0 {
                open.by_address.remove(&network);
            }
        }
        self.door.engine.metrics().connections_changed(-1);
    }
}

/// One answer to whatever they ask; then their question is read, so that the answer is not lost.
async fn tell(mut stream: TcpStream, refusal: &Refusal) -> io::Result<()> {
    let body = refusal.body().to_string();
    let head = format!(
        "HTTP/1.1 {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nretry-after: {}\r\n\
         connection: close\r\n\r\n",
        refusal.status,
        body.len(),
        refusal.retry_after.unwrap_or(1),
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await?;
    let mut unread = [0; 4096];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(engine: Engine, limits: Limits) -> Arc<Door> {
        Arc::new(Door {
            router: Router::new(),
            engine,
            limits,
            open: Mutex::default(),
            telling: Arc::new(Semaphore::new(1)),
        })
    }

    /// Security D1.
    #[tokio::test]
    async fn one_address_has_so_many_connections() {
        let bench = super::super::tests::bench().await;
        let trusted_proxies = crate::http::TrustedProxies {
            networks: vec!["10.0.0.0/8".parse().unwrap()],
            ..crate::http::TrustedProxies::default()
        };
        let limits = Limits { connections_per_address: 2, trusted_proxies, ..Limits::default() };
        let door = door(bench.engine.clone(), limits);
        let enter = |address: &str| door.enter(address.parse().unwrap());

        let mut held = vec![enter("203.0.113.1").ok().unwrap(), enter("203.0.113.1").ok().unwrap()];
        let third = enter("203.0.113.1").err();
        let other = enter("203.0.113.2").ok();
        let networks =
            [enter("2001:db8::1"), enter("2001:db8::2"), enter("2001:db8::3"), enter("2001:db8:0:1::")];
        let unlimited: Vec<_> =
            (0..9).flat_map(|_| [enter("127.0.0.1"), enter("::1"), enter("10.1.2.3")]).collect();
        held.pop();
        let again = enter("203.0.113.1").ok();

        assert!(matches!(third, Some(TurnedAway::Address)));
        assert!(other.is_some() && again.is_some());
        assert_eq!(networks.map(|entered| entered.is_ok()), [true, true, false, true]);
        assert!(unlimited.iter().all(Result::is_ok));
    }

    #[tokio::test]
    async fn beyond_the_most_the_longest_idle_ends_and_a_busy_one_stays() {
        let bench = super::super::tests::bench().await;
        let door = door(bench.engine.clone(), Limits { connections_max: 2, ..Limits::default() });
        let enter = || door.enter("127.0.0.1".parse().unwrap());

        let (busy, idle) = (enter().ok().unwrap(), enter().ok().unwrap());
        let visit = busy.activity.visit();
        let third = enter().ok().unwrap();
        let was_told = (busy.activity.was_told(), idle.activity.was_told(), third.activity.was_told());
        let third_visit = third.activity.visit();
        let fourth = enter().err();
        drop((visit, third_visit));

        assert_eq!(was_told, (false, true, false));
        assert!(matches!(fourth, Some(TurnedAway::Full)));
    }
}
