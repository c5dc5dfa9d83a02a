//! [`Api`]: the product's own API, strict about who calls it.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    body::Bytes,
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::super::{app::SECRET, provider::Seen};

/// The OAuth client that the product gave to Hitchpost.
pub const CLIENT: (&str, &str) = ("hitchpost", "client-canary-2f61");

/// What the API knows and counts.
#[derive(Default)]
struct Known {
    /// Live access tokens and whose they are.
    access: BTreeMap<String, String>,
    /// Live refresh tokens.
    refresh: BTreeMap<String, String>,
    /// Refresh tokens that were used; a second use is theft.
    used: Vec<String>,
    /// What the token endpoint answers instead, as status and code.
    trouble: Option<(u16, &'static str)>,
    /// How long it takes to answer.
    delay: Duration,
    made: usize,
    refreshes: usize,
    reuses: usize,
    seen: Vec<Seen>,
}

/// The product's own API.
pub struct Api {
    pub address: SocketAddr,
    known: Arc<Mutex<Known>>,
    task: JoinHandle<()>,
}

impl Api {
    pub async fn new() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let known = Arc::<Mutex<Known>>::default();
        let kept = known.clone();
        let router =
            Router::new().fallback(move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
                answer(kept.clone(), method, uri, headers, body)
            });
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, known, task }
    }

    /// A pair of tokens for a customer.
    pub fn grant(&self, customer: &str) -> (String, String) {
        self.known.lock().unwrap().grant(customer)
    }

    /// Every access token ends.
    pub fn expire(&self) {
        self.known.lock().unwrap().access.clear();
    }

    /// Every refresh token ends.
    pub fn revoke(&self) {
        self.known.lock().unwrap().refresh.clear();
    }

    pub fn trouble(&self, trouble: Option<(u16, &'static str)>) {
        self.known.lock().unwrap().trouble = trouble;
    }

    pub fn delay(&self, delay: Duration) {
        self.known.lock().unwrap().delay = delay;
    }

    /// Token calls, and those that used a refresh token a second time.
    pub fn refreshes(&self) -> (usize, usize) {
        let known = self.known.lock().unwrap();
        (known.refreshes, known.reuses)
    }

    /// Every call so far, without token calls.
    pub fn calls(&self) -> Vec<Seen> {
        self.known.lock().unwrap().seen.clone()
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Known {
    fn grant(&mut self, customer: &str) -> (String, String) {
        self.made += 1;
        let (access, refresh) = (
            format!("at-{customer}-{}-canary-77", self.made),
            format!("rt-{customer}-{}-canary-88", self.made),
        );
        self.access.insert(access.clone(), customer.to_owned());
        self.refresh.insert(refresh.clone(), customer.to_owned());
        (access, refresh)
    }

    /// RFC 6749 §6 with rotation, or §4.4 for the customer that a parameter names.
    fn token(&mut self, call: &Seen) -> (u16, Value) {
        self.refreshes += 1;
        if let Some((status, code)) = self.trouble {
            return (status, json!({ "error": code }));
        }
        let said = |name: &str| call.param(name).unwrap_or_default();
        if said("grant_type") == "client_credentials" {
            let known = [("c1-client", "c1"), ("c2-client", "c2"), (CLIENT.0, "everybody")];
            let id = said("client_id");
            let customer = known.iter().find(|(known, _)| *known == id).map(|(_, customer)| *customer);
            let is_known =
                said("client_secret") == format!("{id}-secret") || said("client_secret") == CLIENT.1;
            let Some(customer) = customer.filter(|_| is_known) else {
                return (401, json!({ "error": "invalid_client" }));
            };
            let (access, _) = self.grant(customer);
            return (200, json!({ "access_token": access, "token_type": "bearer", "expires_in": 3600 }));
        }
        if (said("client_id").as_str(), said("client_secret").as_str()) != CLIENT {
            return (401, json!({ "error": "invalid_client" }));
        }
        let token = said("refresh_token");
        let Some(customer) = self.refresh.remove(&token) else {
            self.reuses += usize::from(self.used.contains(&token));
            return (400, json!({ "error": "invalid_grant" }));
        };
        self.used.push(token);
        let (access, refresh) = self.grant(&customer);
        let reply = json!({
            "access_token": access, "refresh_token": refresh, "token_type": "Bearer", "expires_in": 3600,
        });
        (200, reply)
    }

    /// Who calls, by what the path says that counts.
    fn caller(&self, call: &Seen) -> Option<Value> {
        let bearer = call.header("authorization").strip_prefix("Bearer ").unwrap_or_default();
        let of_key =
            |key: &str| key.strip_prefix("key-canary-").map(|customer| json!({ "customer": customer }));
        match call.path.split('/').nth(1)? {
            "bearer" => of_key(bearer),
            "header" => of_key(call.header("x-api-key")),
            "query" => of_key(&call.param("api_key")?),
            "basic" => {
                let encoded = call.header("authorization").strip_prefix("Basic ")?;
                let plain = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
                let (user, password) = plain.split_once(':')?;
                (password == format!("pass-canary-{user}")).then(|| json!({ "customer": user }))
            }
            "oauth2" => self.access.get(bearer).map(|customer| json!({ "customer": customer })),
            "jwt" => claims(call.header("x-membrane-token")),
            "open" => Some(json!({})),
            _ => None,
        }
    }
}

/// The claims of a token that the workspace's secret signed.
fn claims(token: &str) -> Option<Value> {
    let key = jsonwebtoken::DecodingKey::from_secret(SECRET.as_bytes());
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::HS256);
    // The server's clock may have been moved.
    rules.validate_exp = false;
    rules.set_issuer(&["acme"]);
    jsonwebtoken::decode::<Value>(token, &key, &rules).ok().map(|token| token.claims)
}

async fn answer(
    known: Arc<Mutex<Known>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let call = Seen {
        method: method.to_string(),
        host: headers.get(header::HOST).map(|host| host.to_str().unwrap().to_owned()).unwrap_or_default(),
        path: uri.path().to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    if call.path.ends_with("/token") {
        let delay = known.lock().unwrap().delay;
        tokio::time::sleep(delay).await;
        let (status, body) = known.lock().unwrap().token(&call);
        return (StatusCode::from_u16(status).unwrap(), Json(body)).into_response();
    }
    let mut known = known.lock().unwrap();
    known.seen.push(call.clone());
    match known.caller(&call) {
        Some(caller) => Json(caller).into_response(),
        None => (StatusCode::UNAUTHORIZED, Json(json!({ "error": "who are you?" }))).into_response(),
    }
}
