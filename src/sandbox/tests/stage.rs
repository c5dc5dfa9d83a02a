//! A sandbox with connectors made for these tests, and a client that knows how to talk to it.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode, header},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;
use tower::ServiceExt;
use url::Url;

use crate::{
    catalog::{Catalog, Connector, parse},
    clock::{Clock, Entropy},
    model::{Secret, Timestamp},
    sandbox::{Origins, Sandbox, router},
};

/// Fits [`CHALLENGE`].
pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// The example of RFC 7636, appendix B.
pub(super) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// Where the product waits.
pub(super) const CALLBACK: &str = "http://localhost:7080/oauth/callback/1?keep=me";

const CONNECTORS: [(&str, &str); 12] = [
    ("plain", include_str!("connectors/plain.toml")),
    ("desk", include_str!("connectors/desk.toml")),
    ("notes", include_str!("connectors/notes.toml")),
    ("mail", include_str!("connectors/mail.toml")),
    ("chat", include_str!("connectors/chat.toml")),
    ("force", include_str!("connectors/force.toml")),
    ("pal", include_str!("connectors/pal.toml")),
    ("robot", include_str!("connectors/robot.toml")),
    ("vault", include_str!("connectors/vault.toml")),
    ("board", include_str!("connectors/board.toml")),
    ("swap", include_str!("connectors/swap.toml")),
    ("many", include_str!("connectors/many.toml")),
];

struct HeldClock(AtomicI64);

impl Clock for HeldClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// Counts up, so that every handle differs.
struct Counting(Mutex<u64>);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        let mut next = self.0.lock().expect("no test panics while it counts");
        *next = next.wrapping_add(1);
        let count = next.to_be_bytes();
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = count[7 - at % 8];
        }
    }
}

/// The sandbox of a test.
pub(super) struct Stage {
    router: Router,
    catalog: Arc<Catalog>,
    clock: Arc<HeldClock>,
}

/// An answer, read whole.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {} {}", self.status, self.text))
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    /// Where the browser is sent.
    pub(super) fn location(&self) -> Url {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.text);
        Url::parse(self.header("location")).expect("an absolute address")
    }

    /// One parameter of the address the browser is sent to.
    pub(super) fn sent_back(&self, name: &str) -> Option<String> {
        self.location().query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// The fields of a form that carries the answer on.
    pub(super) fn fields(&self) -> Vec<(String, String)> {
        let unescaped = |text: &str| {
            let pairs = [("&#x2f;", "/"), ("&quot;", "\""), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")];
            pairs.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
        };
        let inputs = self.text.split("<input type=\"hidden\" name=\"").skip(1);
        inputs
            .filter_map(|input| {
                let (name, rest) = input.split_once("\" value=\"")?;
                let (value, _) = rest.split_once('"')?;
                Some((unescaped(name), unescaped(value)))
            })
            .collect()
    }

    pub(super) fn text_at(&self, pointer: &str) -> String {
        self.json().pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// Asserts an error of the token endpoint.
    pub(super) fn assert_refused(&self, code: &str) {
        assert_eq!(self.text_at("/error"), code, "{}", self.text);
        assert!(self.status.is_client_error());
        assert_eq!(self.header("cache-control"), "no-store");
    }
}

impl Stage {
    pub(super) fn new() -> Self {
        Self::at(1_700_000_000_000)
    }

    /// A sandbox that starts at this time; with the same key, as after a restart.
    fn at(now: i64) -> Self {
        let mut catalog = Catalog::default();
        for (key, text) in CONNECTORS {
            catalog.insert(parse::connector(key, key, text).unwrap_or_else(|error| panic!("{error}")));
        }
        Self::of(Arc::new(catalog), now)
    }

    fn of(catalog: Arc<Catalog>, now: i64) -> Self {
        let clock = Arc::new(HeldClock(AtomicI64::new(now)));
        let origins = Origins {
            sandbox: Url::parse("https://hitchpost.example").expect("an address"),
            callbacks: vec![Url::parse("https://other.example").expect("an address")],
        };
        let sandbox = Sandbox::new(
            Arc::clone(&catalog),
            Secret::new([7; 32]),
            origins,
            Arc::<HeldClock>::clone(&clock),
            Arc::new(Counting(Mutex::new(0))),
        );
        Self { router: router(sandbox), catalog, clock }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A connector made for these tests.
    pub(super) fn connector(&self, key: &str) -> Arc<Connector> {
        Arc::clone(self.catalog.get(key).expect("a connector"))
    }

    pub(super) fn restarted(&self) -> Self {
        Self::at(self.clock.now().millis())
    }

    pub(super) fn wait(&self, duration: Duration) {
        let millis = i64::try_from(duration.as_millis()).expect("tests wait for less");
        self.clock.0.fetch_add(millis, Ordering::SeqCst);
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("the router always answers");
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.expect("a body in memory");
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        Answer { status: parts.status, headers: parts.headers, text }
    }

    pub(super) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let request =
            headers.iter().fold(Request::get(path), |request, (name, value)| request.header(*name, *value));
        self.send(request.body(Body::empty()).expect("a request")).await
    }

    pub(super) async fn post_form(
        &self,
        path: &str,
        form: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request =
            headers.iter().fold(Request::post(path), |request, (name, value)| request.header(*name, *value));
        let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(body)).expect("a request")).await
    }

    pub(super) async fn post_json(&self, path: &str, json: &Value, headers: &[(&str, &str)]) -> Answer {
        let request =
            headers.iter().fold(Request::post(path), |request, (name, value)| request.header(*name, *value));
        let request = request.header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(json.to_string())).expect("a request")).await
    }

    /// Answers the consent page at `path` with Allow, as `account`, with `scenario`.
    pub(super) async fn consent(&self, path: &str, account: &str, scenario: &str) -> Answer {
        let page = self.get(path, &[]).await;
        self.answer(&page, &[("account", account), ("scenario", scenario), ("decision", "allow")], OWN).await
    }

    /// Sends the form of a consent page.
    pub(super) async fn answer(
        &self,
        page: &Answer,
        form: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Answer {
        let request = request_of(page);
        let mut form = form.to_vec();
        form.push(("request", &request));
        self.post_form("/sandbox/consent", &form, headers).await
    }

    /// A code of the connector `plain`.
    pub(super) async fn code(&self, scenario: &str) -> String {
        self.consent(&authorize(""), "alice", scenario).await.sent_back("code").expect("a code")
    }

    /// Trades a code of `plain`.
    pub(super) async fn redeem(&self, code: &str) -> Answer {
        self.post_form(PLAIN_TOKEN, &redemption(code), &[]).await
    }

    /// Renews a token of `plain`.
    pub(super) async fn renew(&self, refresh_token: &str) -> Answer {
        self.post_form(PLAIN_TOKEN, &renewal(refresh_token), &[]).await
    }

    /// Calls the test address of `plain`.
    pub(super) async fn me(&self, access_token: &str) -> Answer {
        let value = format!("Bearer {access_token}");
        self.get("/sandbox/api.plain.example/v1/me", &[("authorization", &value)]).await
    }

    pub(super) async fn stat(&self, connector: &str, name: &str) -> u64 {
        let stats = self.get("/sandbox/stats", &[]).await.json();
        stats["connectors"][connector][name].as_u64().expect("a count")
    }
}

/// A sandbox that plays this catalog.
pub(super) fn stage_of(catalog: Arc<Catalog>) -> Stage {
    Stage::of(catalog, 1_700_000_000_000)
}

/// What a browser says about a form of our own page.
pub(super) const OWN: &[(&str, &str)] = &[("sec-fetch-site", "same-origin")];

pub(super) const PLAIN_TOKEN: &str = "/sandbox/plain.example/oauth/token";

/// The authorize address of `plain`, with more parameters.
pub(super) fn authorize(more: &str) -> String {
    authorize_at("/sandbox/plain.example/oauth/authorize", "sandbox-plain", more)
}

pub(super) fn authorize_at(path: &str, client: &str, more: &str) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("response_type", "code"),
            ("client_id", client),
            ("redirect_uri", CALLBACK),
            ("state", "s1"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ])
        .finish();
    format!("{path}?{query}{more}")
}

pub(super) fn redemption(code: &str) -> Vec<(&str, &str)> {
    vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("client_id", "sandbox-plain"),
        ("client_secret", "sandbox-secret-plain"),
        ("code_verifier", VERIFIER),
    ]
}

pub(super) fn renewal(refresh_token: &str) -> Vec<(&str, &str)> {
    vec![
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh_token),
        ("client_id", "sandbox-plain"),
        ("client_secret", "sandbox-secret-plain"),
    ]
}

/// The signed request in a consent page.
pub(super) fn request_of(page: &Answer) -> String {
    let (_, rest) =
        page.text.split_once("name=\"request\" value=\"").unwrap_or_else(|| panic!("{}", page.text));
    rest.split('"').next().expect("a value").to_owned()
}

/// The same text with its payload changed.
pub(super) fn altered(sealed: &str, from: &str, to: &str) -> String {
    let (payload, tag) = sealed.split_once('.').expect("two parts");
    let json = URL_SAFE_NO_PAD.decode(&payload[4..]).expect("base64");
    let json = String::from_utf8(json).expect("JSON");
    assert!(json.contains(from));
    format!("{}{}.{tag}", &payload[..4], URL_SAFE_NO_PAD.encode(json.replace(from, to)))
}
