//! Calls through a connection, judged by what the app's API saw byte for byte.

mod browsers;
mod escapes;
mod headers;
mod passing;
mod peer;
mod renewal;
mod smuggling;
mod trouble;

use std::net::SocketAddr;

use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::app::{SECRET, TestApp};
use peer::{Peer, Say, Seen, Told, ask};

/// Connectors whose API is the peer's, each with another place for the path or the credential.
const FILES: [(&str, &str); 8] = [
    ("keyed", r#"base = "http://127.0.0.1:PORT/v1""#),
    ("rooted", r#"base = "http://127.0.0.1:PORT""#),
    ("slashed", r#"base = "http://127.0.0.1:PORT/a/b%2Fc/""#),
    ("tenant", r#"base = "http://127.0.0.1:PORT/t/{{tenant}}/v2""#),
    ("queried", r#"base = "http://127.0.0.1:PORT/v1""#),
    ("versioned", r#"base = "http://127.0.0.1:PORT/v1""#),
    ("signed", r#"base = "http://127.0.0.1:PORT/v1""#),
    ("baseless", ""),
];

fn connector(key: &str, base: &str, port: u16) -> String {
    let place = match key {
        "queried" => "query = { token = \"{{api_key}}\" }",
        "signed" => "sign = true",
        _ => "headers = { X-Api-Key = \"{{api_key}}\" }",
    };
    let headers = match key {
        "versioned" => "headers = { Accept = \"application/json\", X-Version = \"7\" }",
        _ => "",
    };
    let auth = match key {
        "signed" => {
            "type = \"oauth1\"\nclient = { id = \"client\", secret = \"client-secret\" }\n\
             token_static = { token = \"token\", secret = \"{{api_key}}\" }\n\
             signature = { method = \"HMAC-SHA256\" }\nscopes = { supported = false }"
        }
        _ => "type = \"api-key\"",
    };
    let text = format!(
        "name = \"{key}\"\n[api]\n{base}\nhosts = [\"127.0.0.1:PORT\"]\n{headers}\n[[auth]]\n{auth}\n\
         use = {{ {place} }}\nfield = [\n\
         {{ name = \"api_key\", title = \"Key\", secret = true }},\n\
         {{ name = \"tenant\", title = \"Tenant\", required = false, pattern = \"^[a-z]*$\" }},\n]\n"
    );
    text.replace("PORT", &port.to_string())
}

/// A connector that gets its token from the peer's `/token`, which counts.
const TOKENS: &str = r#"
name = "tokens"
[api]
base = "http://127.0.0.1:PORT/v1"
hosts = ["127.0.0.1:PORT"]
EXPIRED
[[auth]]
type = "token-exchange"
use = { headers = { Authorization = "Bearer {{access_token}}" } }
field = [{ name = "api_key", title = "Key", secret = true }]
token = { url = "http://127.0.0.1:PORT/token", body = { key = "{{api_key}}" } }
"#;

/// A server, an API, and one connection of customer `c1` to it.
pub struct Stage {
    pub app: TestApp,
    pub peer: Peer,
    pub id: String,
    pub token: String,
}

impl Stage {
    pub async fn new(key: &'static str, script: impl Fn(&Seen) -> Say + Send + Sync + 'static) -> Self {
        let (_, base) = FILES.iter().find(|(own, _)| *own == key).unwrap();
        Self::made(key, Peer::new(script).await, "", |port| connector(key, base, port)).await
    }

    /// With further lines of `[server]`.
    pub async fn with(
        key: &'static str,
        server: &str,
        script: impl Fn(&Seen) -> Say + Send + Sync + 'static,
    ) -> Self {
        let (_, base) = FILES.iter().find(|(own, _)| *own == key).unwrap();
        Self::made(key, Peer::new(script).await, server, |port| connector(key, base, port)).await
    }

    /// One whose token the peer gives and refuses. `expired` is a line of `[api]`.
    pub async fn with_tokens(expired: &str, script: impl Fn(&Seen) -> Say + Send + Sync + 'static) -> Self {
        let peer = Peer::new(script).await;
        Self::made("tokens", peer, "", |port| {
            TOKENS.replace("PORT", &port.to_string()).replace("EXPIRED", expired)
        })
        .await
    }

    async fn made(key: &'static str, peer: Peer, server: &str, file: impl Fn(u16) -> String) -> Self {
        let config = format!(
            "[server]\nsandbox = true\negress_allow = [\"{}\"]\n{server}\n[[workspace]]\nkey = \"acme\"\n\
             name = \"Acme\"\nsecret = \"{SECRET}\"\n\
             integration = [{{ key = \"{key}\", connector = \"file:own.toml\" }}]\n",
            peer.address
        );
        let app = TestApp::with_files(&config, &[("own.toml", &file(peer.address.port()))]).await;
        let id = connected(&app, key, "c1").await;
        peer.take();
        let token = app.token("c1");
        Self { app, peer, id, token }
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.app.base.port().unwrap()))
    }

    /// The first line and the headers of a call to `path` behind the connection.
    pub fn head(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> String {
        let mut head = format!(
            "{method} /connections/{}/proxy{path} HTTP/1.1\r\nHost: hitchpost.example\r\n\
             Authorization: Bearer {}\r\nConnection: close\r\n",
            self.id, self.token
        );
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head
    }

    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Told {
        let mut bytes = self.head(method, path, headers).into_bytes();
        if !body.is_empty() {
            bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(body);
        ask(self.address(), &bytes).await.unwrap_or_else(|| panic!("no answer to {method} {path}"))
    }

    pub async fn get(&self, path: &str) -> Told {
        self.send("GET", path, &[], b"").await
    }

    pub async fn connection(&self) -> Value {
        self.app.connections("c1").await[0].clone()
    }
}

/// Connects by the customer's page with the key `sesame`; the connection's id.
async fn connected(app: &TestApp, key: &str, customer: &str) -> String {
    let mut browser = app.signed_in(customer).await;
    let typed = [("input[api_key]", "sesame"), ("input[tenant]", "acme")];
    let done = browser.submit(key, &typed).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.body);
    let listed = app.browser().api(Method::GET, "/connections", &app.token(customer)).await.json();
    listed["items"][0]["id"].as_str().unwrap_or_else(|| panic!("{listed}: {}", done.location())).to_owned()
}
