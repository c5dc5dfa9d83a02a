//! [`Stage`]: a workspace with one of everything that belongs to somebody, and strangers of every kind.

use std::{collections::BTreeMap, time::Duration};

use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::{
    app::{OTHER_SECRET, SECRET, TestApp},
    receiver::Receiver,
};

/// Stands in everything that belongs to the customer.
pub const OF_CUSTOMER: &str = "v1ct1m";
/// Stands in everything that belongs to their workspace.
pub const OF_WORKSPACE: &str = "w1tness";

/// A workspace, its customer's things, and a receiver that took their events.
pub struct Stage {
    pub app: TestApp,
    pub client: reqwest::Client,
    /// The victim's ids and other names, by kind of parameter: the real one, and one of the same shape that
    /// names nothing.
    pub names: BTreeMap<&'static str, Vec<(String, String)>>,
    _receiver: Receiver,
}

/// What came back, without what is different each time.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {:?} {}", self.status, self.headers, self.text())
    }
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }
}

impl Stage {
    pub async fn new() -> Self {
        let receiver = Receiver::new().await;
        let app = TestApp::with(&config(&receiver)).await;
        #[expect(clippy::disallowed_methods, reason = "a caller of its own, not the server's client")]
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let mut stage = Self { app, client, names: BTreeMap::new(), _receiver: receiver };
        stage.furnish().await;
        stage.names.insert("path", vec![("crm/x".to_owned(), "crm/x".to_owned())]);
        stage
    }

    /// One of everything.
    async fn furnish(&mut self) {
        let backend = self.backend();
        let hook = self._receiver.url().replace("hook-canary", OF_WORKSPACE);
        let webhook = self.made(&backend, "/webhooks", json!({ "url": hook })).await;
        let key = format!("{OF_WORKSPACE}-notion");
        let integration = json!({ "connectorId": "notion", "key": key, "name": key, "isTest": true });
        let integration = self.made(&backend, "/integrations", integration).await;
        let connections = self.connect().await;
        let own = json!({ "name": format!("{OF_CUSTOMER} sales"), "key": format!("{OF_CUSTOMER}-key"), "meta": { "of": OF_CUSTOMER } });
        let changed = self
            .call(Method::PATCH, &format!("/connections/{}", connections[0]), Some(&backend), Some(&own))
            .await;
        assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
        let archived = self
            .call(Method::DELETE, &format!("/connections/{}", connections[1]), Some(&backend), None)
            .await;
        assert_eq!(archived.status, StatusCode::OK, "{archived:?}");
        let link = self.made(&backend, "/links", json!({ "customerId": OF_CUSTOMER })).await;
        let ticket = self.begun().await;
        let confirmation = self.unconfirmed().await;
        self.settled().await;
        let of = |answer: &Value| answer["id"].as_str().unwrap().to_owned();
        let event = of(&self.list("/events").await[0]);
        let delivery = of(&self.list("/deliveries").await[0]);
        let line = of(&self.list("/audit").await[0]);
        let customer = of(&self.list(&format!("/customers?search={OF_CUSTOMER}")).await[0]);
        let link = link["url"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        self.name("connectionSel", &[&connections[0], &connections[1], &format!("{OF_CUSTOMER}-key")]);
        self.name("customerSel", &[&customer, OF_CUSTOMER]);
        self.name("customerQuery", &[&customer, OF_CUSTOMER]);
        self.name("integrationSel", &[&of(&integration), &key]);
        self.name("webhookId", &[&of(&webhook)]);
        self.name("eventId", &[&event]);
        self.name("ticket", &[&ticket]);
        self.name("requestId", &[&waiting()]);
        self.name("confirmation", &[&confirmation]);
        self.name("hidden", &[&delivery, &line, &link]);
        self.meet_strangers().await;
    }

    /// The victim's connections: one by OAuth, one by a key, which comes second.
    async fn connect(&self) -> Vec<String> {
        let mut browser = self.app.signed_in(OF_CUSTOMER).await;
        let back = browser.connect("hubspot", &[]).await.location();
        let body = json!({ "confirmation": confirmation_of(&back), "customerId": OF_CUSTOMER });
        let confirmed =
            self.call(Method::POST, "/connections/confirm", Some(&self.backend()), Some(&body)).await;
        assert_eq!(confirmed.status, StatusCode::OK, "{confirmed:?}");
        browser.submit("stripe", &[("input[api_key]", "sk_test_sandbox")]).await;
        let id = |found: &Value| found["id"].as_str().unwrap().to_owned();
        let mut found: Vec<_> = self.app.connections(OF_CUSTOMER).await.iter().map(id).collect();
        assert_eq!(found.len(), 2);
        found.reverse();
        found
    }

    /// An attempt that waits; its ticket.
    async fn begun(&self) -> String {
        let request = json!({ "integrationKey": "hubspot", "requestId": waiting() });
        let begun =
            self.call(Method::POST, "/connect", Some(&self.app.token(OF_CUSTOMER)), Some(&request)).await;
        assert_eq!(begun.status, StatusCode::OK, "{begun:?}");
        begun.json()["redirectUrl"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
    }

    /// An attempt that waits for the word of the backend; its confirmation.
    async fn unconfirmed(&self) -> String {
        let mut browser = self.app.signed_in(OF_CUSTOMER).await;
        confirmation_of(&browser.connect("hubspot", &[]).await.location())
    }

    /// Until nothing is on its way any more.
    async fn settled(&self) {
        for _ in 0..500 {
            let pending = self.list("/deliveries?state=pending").await;
            if pending.is_empty() && !self.list("/deliveries").await.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("deliveries are still on their way");
    }

    /// Strangers are made at first sight; after this nothing about them is new.
    async fn meet_strangers(&self) {
        for (_, token) in self.strangers().into_iter().filter(|(name, _)| *name != "expired") {
            for path in ["/self", "/connections"] {
                self.call(Method::GET, path, token.as_deref(), None).await;
            }
        }
    }

    fn name(&mut self, kind: &'static str, names: &[&str]) {
        let names = names.iter().map(|name| ((*name).to_owned(), unknown(name)));
        self.names.insert(kind, names.collect());
    }

    /// Everybody who may not see what is the victim's.
    pub fn strangers(&self) -> Vec<(&'static str, Option<String>)> {
        let claims = |iss: &str, more: Value| {
            let mut claims = json!({ "iss": iss, "exp": self.app.now() + 3600 });
            claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            claims
        };
        let acme = |more: Value| Some(self.app.signed(SECRET, &claims("acme", more)));
        let other = |more: Value| Some(self.app.signed(OTHER_SECRET, &claims("other", more)));
        vec![
            ("anonymous", None),
            ("expired", acme(json!({ "id": OF_CUSTOMER, "isAdmin": true, "exp": self.app.now() - 3600 }))),
            ("other customer", acme(json!({ "id": "bystander" }))),
            ("backend for another customer", acme(json!({ "id": "bystander", "isAdmin": true }))),
            ("customer of another workspace", other(json!({ "id": "elsewhere" }))),
            ("backend of another workspace", other(json!({ "isAdmin": true }))),
            (
                "backend of another workspace for a customer",
                other(json!({ "id": "elsewhere", "isAdmin": true })),
            ),
        ]
    }

    /// The backend whose workspace all of it is.
    pub fn backend(&self) -> String {
        let claims = json!({ "iss": "acme", "isAdmin": true, "exp": self.app.now() + 3600 });
        self.app.signed(SECRET, &claims)
    }

    pub async fn list(&self, path: &str) -> Vec<Value> {
        let listed = self.call(Method::GET, path, Some(&self.backend()), None).await;
        assert_eq!(listed.status, StatusCode::OK, "{listed:?}");
        listed.json()["items"].as_array().unwrap().clone()
    }

    async fn made(&self, token: &str, path: &str, body: Value) -> Value {
        let made = self.call(Method::POST, path, Some(token), Some(&body)).await;
        assert!(made.status.is_success(), "{made:?}");
        made.json()
    }

    pub async fn call(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> Answer {
        let body = body.map(|body| ("application/json", body.to_string().into_bytes()));
        self.send(method, path, token, body).await
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<(&str, Vec<u8>)>,
    ) -> Answer {
        let url = format!("{}{path}", self.app.base.as_str().trim_end_matches('/'));
        let mut request = self.client.request(method, url).header(header::ACCEPT, "application/json");
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some((media_type, body)) = body {
            request = request.header(header::CONTENT_TYPE, media_type).body(body);
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        let kept =
            response.headers().iter().filter(|(name, _)| !["x-request-id", "date"].contains(&name.as_str()));
        let mut headers: Vec<_> =
            kept.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        headers.sort();
        Answer { status, headers, body: response.bytes().await.unwrap().to_vec() }
    }
}

/// What the attempt that waits is called.
fn waiting() -> String {
    format!("{OF_CUSTOMER}-0123456789abcdef")
}

/// What the product's page for confirming is opened with.
fn confirmation_of(address: &str) -> String {
    let address = url::Url::parse(address).unwrap();
    assert_eq!(address.path(), "/confirm");
    address.query_pairs().find(|(name, _)| name == "confirmation").unwrap().1.into_owned()
}

/// A name of the same shape that names nothing.
fn unknown(name: &str) -> String {
    let last = name.len() - 1;
    if name.len() == 36 && name.matches('-').count() == 4 {
        // The same moment, other chance.
        let flipped = if name.ends_with('0') { '1' } else { '0' };
        let middle = if &name[34..35] == "a" { "b" } else { "a" };
        return format!("{}{middle}{flipped}", &name[..34]);
    }
    name.chars()
        .enumerate()
        .map(|(place, letter)| if place == last || place == 0 { 'x' } else { letter })
        .collect()
}

fn config(receiver: &Receiver) -> String {
    format!(
        r#"
[server]
sandbox = true
egress_allow = ["{}"]

[server.limits]
api_per_address = "off"
api_per_customer = "off"
start_per_address = "off"
start_per_customer = "off"

[[workspace]]
key = "acme"
name = "Acme {OF_WORKSPACE}"
secret = "{SECRET}"
allowed_origins = ["https://app.acme.com"]
confirm_redirect = "https://app.acme.com/confirm"
integration = [{{ key = "hubspot", sandbox = true }}, {{ key = "stripe", sandbox = true }}]

[[workspace]]
key = "other"
name = "Other"
secret = "{OTHER_SECRET}"
integration = [{{ key = "hubspot", sandbox = true }}, {{ key = "stripe", sandbox = true }}]
"#,
        receiver.address
    )
}
