//! What one request may take before a handler sees it: how often its address calls, how large and how
//! slow its body is, how many event streams its address has open.

use std::{
    collections::HashMap,
    net::IpAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::{MatchedPath, Request},
    http::{Method, header},
    middleware::Next,
    response::Response,
};
use http_body::{Frame, SizeHint};
use http_body_util::Limited;
use tokio::time::Sleep;

use super::{AppState, ClientAddress, Refusal, TrustedProxies, named_start::NamedStart, opener::starter};
use crate::engine::{Act, network};

/// What a waiting page is told of a start that came too fast: a person reads it.
pub const TOO_FAST: &str = "There were too many tries in a short time. Please wait a minute and try again.";

/// What the operator set for requests and connections.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Largest body of a page's form and of `/connect`, bytes.
    pub page_body_max: u64,
    /// Largest body of a call of the API, bytes.
    pub api_body_max: u64,
    /// Largest body of a proxied call, bytes; none is no limit.
    pub proxy_body_max: Option<u64>,
    /// How long a body of a page or the API may take to arrive.
    pub body_timeout: Duration,
    /// How long the head of a request may take to arrive.
    pub header_timeout: Duration,
    /// Largest head of a request, bytes.
    pub header_bytes_max: usize,
    /// How long a connection may stay open between two requests.
    pub idle_timeout: Duration,
    /// How long a client may take nothing of an answer that waits for it.
    pub write_timeout: Duration,
    /// Connections at once.
    pub connections_max: usize,
    /// Connections at once from one address; loopback and trusted proxies have no such limit.
    pub connections_per_address: usize,
    /// Event streams at once for one address; loopback has no such limit.
    pub streams_per_address: usize,
    /// Which proxies are believed.
    pub trusted_proxies: TrustedProxies,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            page_body_max: 64 * 1024,
            api_body_max: 1024 * 1024,
            proxy_body_max: None,
            body_timeout: Duration::from_secs(30),
            header_timeout: Duration::from_secs(10),
            header_bytes_max: 64 * 1024,
            idle_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(60),
            connections_max: 10_000,
            connections_per_address: 256,
            streams_per_address: 64,
            trusted_proxies: TrustedProxies::default(),
        }
    }
}

/// Kinds of routes, by what their requests may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Page,
    SignIn,
    Start,
    Api,
    Proxy,
    Stream,
    /// Not counted: assets, the sandbox, whoever watches the server.
    Free,
}

impl Kind {
    /// `route` is the template; `is_api` says whether it is an operation of the API.
    fn of(route: &str, request: &Request, is_api: bool) -> Self {
        match route {
            "/connect"
            | "/connection-popup"
            | "/_actions/connect"
            | "/_actions/reconnect"
            | "/_actions/submit_input" => Self::Start,
            "/link/{ticket}" => Self::SignIn,
            _ if route.starts_with("/screens/") => Self::SignIn,
            _ if is_proxied(route) => Self::Proxy,
            _ if route.starts_with("/sse/") => Self::Stream,
            _ if is_api => Self::Api,
            _ if ["/sandbox", "/assets/", "/healthz", "/livez", "/readyz", "/metrics", "/favicon"]
                .iter()
                .any(|free| route.starts_with(free)) =>
            {
                Self::Free
            }
            _ if request.method() == Method::GET && has_token(request) => Self::SignIn,
            _ => Self::Page,
        }
    }

    fn act(self) -> Option<Act> {
        match self {
            Self::SignIn => Some(Act::SignIn),
            Self::Start => Some(Act::Start),
            Self::Api => Some(Act::Api),
            Self::Proxy => Some(Act::Proxy),
            Self::Page | Self::Stream | Self::Free => None,
        }
    }
}

/// Whether a route hands its calls on to an app.
pub(super) fn is_proxied(route: &str) -> bool {
    ["/connections/{sel}/proxy", "/self/proxy"]
        .iter()
        .any(|base| route.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

fn has_token(request: &Request) -> bool {
    request.uri().query().is_some_and(|query| query.split('&').any(|pair| pair.starts_with("token=")))
}

/// Marks an answer that goes on as it came, and is not put in our words: an app's, most of all.
#[derive(Clone, Copy)]
pub struct AsItCame;

/// Event streams that are open, by address.
#[derive(Default)]
pub struct Streams(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One of them.
struct OpenStream {
    all: Arc<Mutex<HashMap<IpAddr, usize>>>,
    address: IpAddr,
}

impl Streams {
    fn open(&self, address: IpAddr, most: usize) -> Option<OpenStream> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let open = all.entry(address).or_default();
        if *open >= most {
            return None;
        }
        *open += 1;
        Some(OpenStream { all: self.0.clone(), address })
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = all.get_mut(&self.address) {
            *open -= 1;
            if *open == 0 {
                all.remove(&self.address);
            }
        }
    }
}

/// Holds a request to its limits.
pub async fn held(state: &AppState, request: Request, next: Next) -> Result<Response, Refusal> {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("", MatchedPath::as_str);
    let kind = Kind::of(route, &request, state.api_routes.contains(route));
    let address = request.extensions().get::<ClientAddress>().map(|client| client.0);
    let limits = &state.limits;
    if let (Some(act), Some(address)) = (kind.act(), address)
        && let Err(error) = state.engine.count_address(act, address)
    {
        let refusal = Refusal::from(error);
        if kind == Kind::Start {
            let named = NamedStart::read(request, limits.page_body_max, limits.body_timeout).await;
            if let Some(NamedStart { request_id, token }) = named {
                let told = Refusal { message: TOO_FAST.to_owned(), ..refusal.clone() };
                state.tell_refused(Some(request_id), starter(token.as_deref()), &told);
            }
        }
        return Err(refusal);
    }
    let response = match kind {
        Kind::Stream => stream(state, request, next, address).await,
        Kind::Proxy => match limits.proxy_body_max {
            Some(most) => sized(request, next, most).await,
            None => Ok(next.run(request).await),
        },
        Kind::Api => bounded(request, next, limits.api_body_max, limits.body_timeout).await,
        _ => bounded(request, next, limits.page_body_max, limits.body_timeout).await,
    };
    response.map(|mut response| {
        if kind == Kind::Proxy {
            response.extensions_mut().insert(AsItCame);
        }
        response
    })
}

/// A stream that stays open counts until its last byte.
async fn stream(
    state: &AppState,
    request: Request,
    next: Next,
    address: Option<IpAddr>,
) -> Result<Response, Refusal> {
    let Some(address) = address.filter(|address| !address.is_loopback()) else {
        return Ok(next.run(request).await);
    };
    let open = state.streams.open(network(address), state.limits.streams_per_address).ok_or_else(|| {
        state.engine.metrics().limited("streams_per_address");
        Refusal::too_many("streams_per_address", Duration::from_secs(15))
    })?;
    let response = next.run(request).await;
    Ok(response.map(|body| Body::new(Held::new(body, open))))
}

/// A body that goes on as it comes, up to its size.
async fn sized(request: Request, next: Next, most: u64) -> Result<Response, Refusal> {
    if said_length(&request).is_some_and(|length| length > most) {
        return Err(Refusal::too_large(most));
    }
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    Ok(next.run(request.map(|body| Body::new(Limited::new(body, most)))).await)
}

/// A body that is read whole: up to its size, and in time.
async fn bounded(request: Request, next: Next, most: u64, time: Duration) -> Result<Response, Refusal> {
    if said_length(&request).is_some_and(|length| length > most) {
        return Err(Refusal::too_large(most));
    }
    if request.body().is_end_stream() {
        return Ok(next.run(request).await);
    }
    let is_late = Arc::new(AtomicBool::new(false));
    let request = request.map(|body| {
        let deadline = Box::pin(tokio::time::sleep(time));
        let timed = Timed { body, deadline, is_late: is_late.clone() };
        Body::new(Limited::new(timed, usize::try_from(most).unwrap_or(usize::MAX)))
    });
    let response = next.run(request).await;
    match (is_late.load(Relaxed), response.status().as_u16()) {
        (true, _) => Err(Refusal::too_slow()),
        (false, 413) => Err(Refusal::too_large(most)),
        (false, _) => Ok(response),
    }
}

fn said_length(request: &Request) -> Option<u64> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// A body that has to arrive in time, however slowly it drips.
struct Timed {
    body: Body,
    deadline: Pin<Box<Sleep>>,
    is_late: Arc<AtomicBool>,
}

impl HttpBody for Timed {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        ready!(self.deadline.as_mut().poll(context));
        self.is_late.store(true, Relaxed);
        Poll::Ready(Some(Err("the body did not arrive in time".into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A body that holds something until it ends.
pub struct Held<T> {
    body: Body,
    _until_the_end: T,
}

impl<T> Held<T> {
    /// Puts them together.
    pub fn new(body: Body, until_the_end: T) -> Self {
        Self { body, _until_the_end: until_the_end }
    }
}

impl<T: Unpin> HttpBody for Held<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
