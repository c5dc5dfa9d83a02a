//! [`Provider`]: a provider of a test's own. It answers what it is told to, whatever it is asked, and
//! remembers every call.
//!
//! The server under test believes that this is its sandbox, so the first segment behind `/sandbox/` is
//! the host that would have been called.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    body::Bytes,
    http::{HeaderMap, Method, StatusCode, Uri, header},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use tokio::task::JoinHandle;

/// One call.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    /// The host that was meant, with a port that is not https's own.
    pub host: String,
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Seen {
    /// A header's text; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// A parameter of the query or of a form.
    pub fn param(&self, name: &str) -> Option<String> {
        let pairs =
            |text: &str| url::form_urlencoded::parse(text.as_bytes()).into_owned().collect::<Vec<_>>();
        pairs(&self.query)
            .into_iter()
            .chain(pairs(&self.body))
            .find(|(found, _)| found == name)
            .map(|(_, value)| value)
    }

    /// Everything that was sent, HTTP Basic decoded: a secret in it is found by its text.
    pub fn text(&self) -> String {
        let mut text = format!("{} {} {} {}\n", self.method, self.path, self.query, self.body);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())));
        }
        let basic = self.header(header::AUTHORIZATION.as_str()).strip_prefix("Basic ");
        let decoded = basic.and_then(|basic| STANDARD.decode(basic).ok()).unwrap_or_default();
        text.push_str(&String::from_utf8_lossy(&decoded));
        text
    }
}

type Calls = Arc<Mutex<Vec<Seen>>>;

/// A provider that listens.
pub struct Provider {
    pub address: SocketAddr,
    calls: Calls,
    task: JoinHandle<()>,
}

impl Provider {
    /// One whose answers are JSON with these statuses.
    pub async fn new(answer: impl Fn(&Seen) -> (u16, Value) + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let calls = Calls::default();
        let (kept, answer) = (calls.clone(), Arc::new(answer));
        let router =
            Router::new().fallback(move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
                let seen = seen(&method, &uri, headers, &body);
                let (status, body) = answer(&seen);
                kept.lock().unwrap().push(seen);
                async move { (StatusCode::from_u16(status).unwrap(), Json(body)) }
            });
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, calls, task }
    }

    /// Every call so far.
    pub fn calls(&self) -> Vec<Seen> {
        self.calls.lock().unwrap().clone()
    }

    /// The calls since the last time somebody took them.
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    /// Calls so far whose path ends so.
    pub fn count(&self, path: &str) -> usize {
        self.calls.lock().unwrap().iter().filter(|seen| seen.path.ends_with(path)).count()
    }

    /// The last call whose path ends so.
    #[track_caller]
    pub fn last(&self, path: &str) -> Seen {
        let calls = self.calls();
        let found = calls.iter().rev().find(|seen| seen.path.ends_with(path)).cloned();
        found.unwrap_or_else(|| panic!("no call of {path}: {calls:?}"))
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn seen(method: &Method, uri: &Uri, headers: HeaderMap, body: &Bytes) -> Seen {
    let behind = uri.path().strip_prefix("/sandbox/").unwrap_or_default();
    let (host, path) = behind.split_once('/').unwrap_or((behind, ""));
    Seen {
        method: method.to_string(),
        host: host.to_owned(),
        path: format!("/{path}"),
        query: uri.query().unwrap_or_default().to_owned(),
        headers,
        body: String::from_utf8_lossy(body).into_owned(),
    }
}
