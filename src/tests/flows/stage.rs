//! [`Stage`]: the server, the sandbox behind a relay, and a customer who goes through its pages.

use std::{sync::Arc, time::Duration};

use hitchpost::{
    catalog::connector::AuthType,
    engine::RefreshError,
    model::{Connection, ConnectionId, Credentials, Scope},
};
use reqwest::StatusCode;
use serde_json::json;
use url::Url;

use super::{
    super::{
        app::{Browser, Page, SECRET, TestApp},
        provider::Seen,
    },
    relay::{FILES, PLAYED, Relay},
};

/// A server with one integration, whose provider is played.
pub struct Stage {
    pub app: TestApp,
    pub relay: Relay,
    pub key: String,
    /// Where the customer `c1` is signed in.
    pub browser: Browser,
}

/// What the customer does at the provider's page.
pub type Choices<'a> = &'a [(&'a str, &'a str)];

impl Stage {
    /// A connector's integration with nothing set.
    pub async fn new(connector: &str) -> Self {
        Self::with(connector, "").await
    }

    /// `settings` are further members of the integration, each followed by a comma.
    pub async fn with(connector: &str, settings: &str) -> Self {
        let relay = Relay::new().await;
        let own = FILES.iter().find(|(key, _)| *key == connector);
        let source = own.map_or_else(|| connector.to_owned(), |_| format!("file:{connector}.toml"));
        let config = format!(
            r#"
            [server]
            sandbox = true
            sandbox_url = "{}"
            [[workspace]]
            key = "acme"
            name = "Acme"
            secret = "{SECRET}"
            allowed_origins = ["https://app.acme.com"]
            integration = [{{ key = "{connector}", connector = "{source}", {settings} sandbox = true }}]
            "#,
            relay.base(),
        );
        let files: Vec<_> = own.iter().map(|(key, text)| (format!("{key}.toml"), *text)).collect();
        let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), *text)).collect();
        let app = TestApp::played_by(relay.address, &config, &files).await;
        relay.play(Arc::new(app.clock.clone()), app.base.clone());
        let browser = app.signed_in("c1").await;
        Self { app, relay, key: connector.to_owned(), browser }
    }

    fn kind(&self, option: &str) -> AuthType {
        let connector = PLAYED.get(&self.key).unwrap();
        connector.option(Some(option)).unwrap_or_else(|| panic!("{} has no {option}", self.key)).kind
    }

    /// Opens the app's page with this option, types, and presses Connect.
    pub async fn start(&mut self, option: &str, typed: Choices<'_>) -> Page {
        let page = self.browser.get(&format!("/apps/{}?option={option}", self.key)).await;
        page.assert_status(StatusCode::OK);
        let typed: Vec<_> = typed.iter().map(|(name, value)| (format!("input[{name}]"), *value)).collect();
        let typed: Vec<_> = typed.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        self.browser.submit_on(&page, &typed).await
    }

    /// From the answer to the form to wherever the attempt ends: through the provider's page, the
    /// developer's own, or none.
    pub async fn go_on(&mut self, option: &str, left: Page, choices: Choices<'_>) -> Page {
        let address = left.location();
        if self.kind(option) == AuthType::Proxy {
            return self.hand_over(&address).await;
        }
        if !address.starts_with(self.relay.base().as_str()) {
            return left;
        }
        let said = self.browser.consent(&address, choices).await;
        self.come_back(said).await
    }

    /// Takes the provider's answer to our callback, as a redirect or as a form that it posts.
    pub async fn come_back(&mut self, said: Page) -> Page {
        if said.status == StatusCode::SEE_OTHER {
            return self.browser.get(&said.location()).await;
        }
        said.assert_says("Continue");
        let (action, fields) = said.form("");
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        // It comes from another site, so no cookie of ours comes along.
        let site = self.relay.base().origin().ascii_serialization();
        let parked = self.app.browser().post_from(&site, &action, &fields).await;
        parked.assert_status(StatusCode::OK);
        let (_, rest) = parked.body.split_once("url=").unwrap_or_else(|| panic!("{}", parked.body));
        let (address, _) = rest.split_once('"').unwrap();
        self.browser.get(&address.replace("&amp;", "&")).await
    }

    /// What the developer's own page does: its backend hands over what the customer gave there.
    async fn hand_over(&mut self, address: &str) -> Page {
        let address = Url::parse(address).unwrap();
        let ticket = address.query_pairs().find(|(name, _)| name == "ticket").unwrap().1.into_owned();
        assert_eq!((address.host_str(), address.path()), (Some("app.acme.com"), "/collect"));
        let admin = json!({ "iss": "acme", "isAdmin": true, "exp": self.app.now() + 60 });
        let admin = self.app.signed(SECRET, &admin);
        let given = json!({ "credentials": { "api_key": "sandbox-key", "team": "sandbox-team" }, "customerId": "c1" });
        let path = format!("/connect/continue/{ticket}");
        let answer = self.app.browser().post_json(&path, &admin, &given).await;
        answer.assert_status(StatusCode::OK);
        self.browser.get(answer.json()["redirectUrl"].as_str().unwrap()).await
    }

    /// Connects through the pages; comes back with the answer that ends it.
    pub async fn connect(&mut self, option: &str, typed: Choices<'_>, choices: Choices<'_>) -> Page {
        let left = self.start(option, typed).await;
        self.go_on(option, left, choices).await
    }

    /// Connects, and all is well.
    pub async fn connected(&mut self, option: &str, typed: Choices<'_>) -> (Scope, ConnectionId) {
        let arrived = self.connect(option, typed, &[]).await;
        self.assert_connected(option, &arrived).await;
        self.only().await
    }

    /// Checks that an answer says so; otherwise shows what it leads to.
    pub async fn assert_connected(&mut self, option: &str, arrived: &Page) {
        let expected = format!("/?notice=connected&app={}", self.key);
        if arrived.header("location") != expected {
            let told = match arrived.header("location") {
                "" => arrived.body.clone(),
                other => self.browser.get(other).await.body,
            };
            panic!("{}/{option} did not connect: {told}\n{:#?}", self.key, self.relay.take());
        }
    }

    /// The customer's one connection.
    pub async fn only(&self) -> (Scope, ConnectionId) {
        let all = self.app.connections("c1").await;
        assert_eq!(all.len(), 1, "{all:?}");
        let id = all[0]["id"].as_str().and_then(ConnectionId::parse).unwrap();
        (self.app.scope("c1").await, id)
    }

    pub async fn connection(&self, scope: Scope, id: ConnectionId) -> Connection {
        self.app.engine.connection(scope, &id.to_string()).await.unwrap()
    }

    /// Connects an account that has two things, and chooses the second.
    pub async fn choose_second(&mut self, option: &str) -> Vec<String> {
        let asked = self.connect(option, &[], &[("scenario", "several")]).await;
        let page = self.browser.get(&asked.location()).await;
        let items = page.body.split("name=\"item\" value=\"").skip(1);
        let items: Vec<_> = items.map(|rest| rest.split_once('"').unwrap().0.to_owned()).collect();
        let (action, fields) = page.form("choose");
        let mut fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        fields.push(("item", &items[1]));
        let arrived = self.browser.post(&action, &fields).await;
        self.assert_connected(option, &arrived).await;
        items
    }

    /// What the customer reads where an attempt ended.
    pub async fn told(&mut self, arrived: &Page) -> Page {
        self.browser.get(&arrived.location()).await
    }

    /// The server's one call to a path that ends so, since somebody took them.
    pub fn call(&self, path: &str) -> Seen {
        let mut found: Vec<_> =
            self.relay.take().into_iter().filter(|seen| seen.path.ends_with(path)).collect();
        assert_eq!(found.len(), 1, "calls of {path}: {found:#?}");
        found.remove(0)
    }

    /// Makes the test call; gives it back as the provider saw it.
    pub async fn check(&self, (scope, id): (Scope, ConnectionId)) -> Seen {
        self.relay.take();
        self.app.engine.check(scope, id).await.unwrap();
        self.relay.take().pop().unwrap()
    }

    /// A fresh credential after the old one ended.
    pub async fn renewed(&self, (scope, id): (Scope, ConnectionId)) -> Result<Credentials, RefreshError> {
        self.wait();
        self.app.engine.fresh(scope, id).await
    }

    /// Time goes by, more than any access token lives.
    pub fn wait(&self) {
        self.app.clock.advance(Duration::from_secs(10 * 60 * 60));
    }

    /// Presses Delete on the app's page, signed in anew.
    pub async fn delete(&mut self) {
        self.browser = self.app.signed_in("c1").await;
        let page = self.browser.get(&format!("/apps/{}", self.key)).await;
        let deleted = self.browser.press(&page, "delete").await;
        assert_eq!(deleted.location(), format!("/?notice=deleted&app={}", self.key));
        assert!(self.app.connections("c1").await.is_empty(), "{}", self.key);
    }
}
