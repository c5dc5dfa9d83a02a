//! [`Relay`]: the sandbox behind a listener of the test's own.
//!
//! It plays the catalog and the connectors beside these tests, notes every call that the server makes,
//! answers in the provider's place where a test says so, and sends a call a second time: what opened the
//! API before a connection was deleted must not open it afterwards.

use std::{
    net::SocketAddr,
    sync::{Arc, LazyLock, Mutex, OnceLock},
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode, Uri},
    response::{IntoResponse as _, Response},
};
use hitchpost::{
    catalog::{Catalog, parse},
    clock::{Clock, SystemEntropy},
    model::Secret,
    sandbox::{Origins, Sandbox, router},
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tower::ServiceExt as _;
use url::Url;

use super::super::provider::Seen;

/// Connectors for what no app of the catalog does.
pub const FILES: [(&str, &str); 6] = [
    ("machine", include_str!("../testdata/flows/machine.toml")),
    ("own", include_str!("../testdata/flows/own.toml")),
    ("pushed", include_str!("../testdata/flows/pushed.toml")),
    ("signed", include_str!("../testdata/flows/signed.toml")),
    ("signer", include_str!("../testdata/flows/signer.toml")),
    ("typed", include_str!("../testdata/flows/typed.toml")),
];

/// All that is played.
pub static PLAYED: LazyLock<Arc<Catalog>> = LazyLock::new(|| {
    let mut catalog = Catalog::builtin().unwrap();
    for (key, text) in FILES {
        catalog.insert(parse::connector(key, key, text).unwrap());
    }
    Arc::new(catalog)
});

/// Largest body that passes.
const BODY_MAX: usize = 1 << 20;

/// Status and JSON of what the provider answered.
pub type Answer = (StatusCode, Value);

/// What answers in the provider's place.
struct Instead {
    path: String,
    times: usize,
    status: u16,
    body: Value,
}

#[derive(Default)]
struct Inner {
    sandbox: OnceLock<Router>,
    calls: Mutex<Vec<Seen>>,
    answers: Mutex<Vec<Answer>>,
    instead: Mutex<Vec<Instead>>,
}

/// The sandbox, and what reached it.
pub struct Relay {
    pub address: SocketAddr,
    inner: Arc<Inner>,
    task: JoinHandle<()>,
}

impl Relay {
    pub async fn new() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Inner::default());
        let relaying = inner.clone();
        let passing =
            Router::new().fallback(move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
                let inner = relaying.clone();
                async move { inner.pass(Call { method, uri, headers, body }).await }
            });
        let task = tokio::spawn(async move { axum::serve(listener, passing).await.unwrap() });
        Self { address, inner, task }
    }

    /// Where browsers find it.
    pub fn base(&self) -> Url {
        Url::parse(&format!("http://{}/", self.address)).unwrap()
    }

    /// From now on the sandbox answers, which goes by the server's clock.
    pub fn play(&self, clock: Arc<dyn Clock>, product: Url) {
        let origins = Origins { sandbox: self.base(), callbacks: vec![product] };
        let key = Secret::new([7; 32]);
        let sandbox = Sandbox::new(PLAYED.clone(), key, origins, clock, Arc::new(SystemEntropy::default()));
        assert!(self.inner.sandbox.set(router(sandbox)).is_ok(), "it plays already");
    }

    /// Answers the next `times` calls of the server to a path that ends so.
    pub fn answer(&self, path: &str, times: usize, status: u16, body: Value) {
        let instead = Instead { path: path.to_owned(), times, status, body };
        self.inner.instead.lock().unwrap().push(instead);
    }

    /// The server's calls since somebody took them.
    pub fn take(&self) -> Vec<Seen> {
        self.inner.answers.lock().unwrap().clear();
        std::mem::take(&mut *self.inner.calls.lock().unwrap())
    }

    /// The same with their answers, for whoever makes one call after the other.
    pub fn take_answered(&self) -> Vec<(Seen, Answer)> {
        let answers = std::mem::take(&mut *self.inner.answers.lock().unwrap());
        self.take().into_iter().zip(answers).collect()
    }

    /// Sends a call of the server's a second time, past everything that stands in between.
    pub async fn again(&self, seen: &Seen) -> (StatusCode, String) {
        let query = if seen.query.is_empty() { String::new() } else { format!("?{}", seen.query) };
        let call = Call {
            method: seen.method.parse().unwrap(),
            uri: format!("/sandbox/{}{}{query}", seen.host, seen.path).parse().unwrap(),
            headers: seen.headers.clone(),
            body: Bytes::from(seen.body.clone()),
        };
        let response = self.inner.play(call).await;
        let status = response.status();
        let body = to_bytes(response.into_body(), BODY_MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// What the sandbox counted for a connector.
    pub async fn counts(&self, connector: &str) -> Value {
        let call = Call {
            method: Method::GET,
            uri: Uri::from_static("/sandbox/stats"),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        };
        let body = to_bytes(self.inner.play(call).await.into_body(), BODY_MAX).await.unwrap();
        let stats: Value = serde_json::from_slice(&body).unwrap();
        stats["connectors"][connector].clone()
    }

    pub async fn count(&self, connector: &str, what: &str) -> u64 {
        let counts = self.counts(connector).await;
        counts[what].as_u64().unwrap_or_else(|| panic!("{connector} counts no {what}: {counts}"))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A call on its way.
struct Call {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

impl Call {
    /// Whether a server made it, not a browser. A user agent says nothing: some apps want one of their own.
    fn is_servers(&self) -> bool {
        !self.headers.contains_key("sec-fetch-site")
    }

    fn seen(&self) -> Seen {
        let behind = self.uri.path().strip_prefix("/sandbox/").unwrap_or_default();
        let (host, path) = behind.split_once('/').unwrap_or((behind, ""));
        Seen {
            method: self.method.to_string(),
            host: host.to_owned(),
            path: format!("/{path}"),
            query: self.uri.query().unwrap_or_default().to_owned(),
            headers: self.headers.clone(),
            body: String::from_utf8_lossy(&self.body).into_owned(),
        }
    }
}

impl Inner {
    async fn pass(&self, call: Call) -> Response {
        if !call.is_servers() {
            return self.play(call).await;
        }
        self.calls.lock().unwrap().push(call.seen());
        let response = match self.instead_of(call.uri.path()) {
            Some((status, body)) => (status, axum::Json(body)).into_response(),
            None => self.play(call).await,
        };
        self.note_answer(response).await
    }

    async fn note_answer(&self, response: Response) -> Response {
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, BODY_MAX).await.unwrap();
        let said = serde_json::from_slice(&body).unwrap_or_default();
        self.answers.lock().unwrap().push((parts.status, said));
        Response::from_parts(parts, Body::from(body))
    }

    fn instead_of(&self, path: &str) -> Option<(StatusCode, Value)> {
        let mut all = self.instead.lock().unwrap();
        let found = all.iter_mut().find(|one| one.times > 0 && path.ends_with(&one.path))?;
        found.times -= 1;
        Some((StatusCode::from_u16(found.status).unwrap(), found.body.clone()))
    }

    async fn play(&self, call: Call) -> Response {
        let Some(sandbox) = self.sandbox.get() else {
            return (StatusCode::BAD_GATEWAY, axum::Json(json!({}))).into_response();
        };
        let mut request = Request::new(Body::from(call.body));
        (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) =
            (call.method, call.uri, call.headers);
        sandbox.clone().oneshot(request).await.unwrap()
    }
}
