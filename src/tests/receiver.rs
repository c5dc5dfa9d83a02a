//! [`Receiver`]: a receiver of webhooks that does as it is told, and remembers every message.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, Uri},
    response::IntoResponse as _,
};
use reqwest::StatusCode;
use serde_json::Value;
use tokio::task::JoinHandle;

/// What it does with a message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Answers with this status.
    Answers(u16),
    /// Answers so, and asks to be left alone for that many seconds.
    Asks(u16, u64),
    /// Never answers.
    Hangs,
}

/// A message as it came.
#[derive(Clone, Debug)]
pub struct Message {
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Message {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    pub fn id(&self) -> &str {
        self.header("webhook-id")
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub fn kind(&self) -> String {
        self.json()["type"].as_str().unwrap().to_owned()
    }
}

#[derive(Default)]
struct Memory {
    mood: Option<Mood>,
    messages: Vec<Message>,
}

/// A receiver that listens.
pub struct Receiver {
    pub address: SocketAddr,
    memory: Arc<Mutex<Memory>>,
    task: JoinHandle<()>,
}

impl Receiver {
    /// One that takes everything.
    pub async fn new() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let memory = Arc::<Mutex<Memory>>::default();
        let kept = memory.clone();
        let router = Router::new().fallback(move |uri: Uri, headers: HeaderMap, body: Bytes| {
            let kept = kept.clone();
            async move {
                let mood = {
                    let mut memory = kept.lock().unwrap();
                    let body = String::from_utf8(body.to_vec()).unwrap();
                    let path = uri.path().to_owned();
                    memory.messages.push(Message { path, headers, body });
                    memory.mood.unwrap_or(Mood::Answers(204))
                };
                match mood {
                    Mood::Answers(status) => StatusCode::from_u16(status).unwrap().into_response(),
                    Mood::Asks(status, seconds) => {
                        let asked = [("retry-after", seconds.to_string())];
                        (StatusCode::from_u16(status).unwrap(), asked).into_response()
                    }
                    Mood::Hangs => std::future::pending().await,
                }
            }
        });
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, memory, task }
    }

    /// Its address for a configuration.
    pub fn url(&self) -> String {
        format!("http://{}/hooks?key=hook-canary", self.address)
    }

    pub fn is(&self, mood: Mood) {
        self.memory.lock().unwrap().mood = Some(mood);
    }

    /// Every message so far.
    pub fn messages(&self) -> Vec<Message> {
        self.memory.lock().unwrap().messages.clone()
    }

    /// The messages, as soon as there are so many.
    pub async fn has(&self, count: usize) -> Vec<Message> {
        until(&format!("{count} messages"), || self.messages().len() >= count).await;
        self.messages()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Waits until it is so, at most half a minute.
#[track_caller]
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let (what, place) = (what.to_owned(), std::panic::Location::caller());
    async move {
        for _ in 0..3000 {
            if is_so() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{place}: waited in vain for {what}");
    }
}
