//! A connection made today is alive tomorrow, and a refresh token is spent once.

use std::time::Duration;

use hitchpost::{
    engine::RefreshError,
    model::{ConnectionId, DisconnectReason, Scope},
};

use super::app::{Browser, TestApp};

/// Connects `key` for `c1`.
async fn connected(app: &TestApp, key: &str) -> (Browser, Scope, ConnectionId) {
    let mut browser = app.signed_in("c1").await;
    assert_eq!(browser.connect(key, &[]).await.location(), format!("/?notice=connected&app={key}"));
    let id = app.connections("c1").await[0]["id"].as_str().unwrap().to_owned();
    (browser, app.scope("c1").await, ConnectionId::parse(&id).unwrap())
}

#[tokio::test]
async fn a_hundred_callers_with_one_expired_token_cause_one_refresh() {
    let app = TestApp::new().await;
    let (_, scope, id) = connected(&app, "airtable").await;

    for round in 1..=20 {
        app.clock.advance(Duration::from_secs(2 * 60 * 60));
        let callers = (0..100).map(|_| app.engine.fresh(scope, id));
        let fresh = futures_util::future::join_all(callers).await;

        let tokens: Vec<_> =
            fresh.into_iter().map(|fresh| fresh.unwrap().access_token.unwrap().expose().clone()).collect();
        assert!(tokens.iter().all(|token| *token == tokens[0]), "round {round}");
        assert_eq!(app.count("token_refresh").await, round);
    }
    assert_eq!(app.count("reuse_detected").await, 0);
}

#[tokio::test]
async fn a_token_with_life_left_is_handed_out_as_it_is() {
    let app = TestApp::new().await;
    let (_, scope, id) = connected(&app, "airtable").await;

    app.engine.fresh(scope, id).await.unwrap();

    assert_eq!(app.count("token_refresh").await, 0);
}

#[tokio::test]
async fn the_background_renews_ahead_of_the_end_and_not_before() {
    let app = TestApp::new().await;
    connected(&app, "airtable").await;

    assert_eq!(app.engine.refresh_due().await.unwrap(), 0);
    app.clock.advance(Duration::from_secs(55 * 60));
    assert_eq!(app.engine.refresh_due().await.unwrap(), 1);
    assert_eq!(app.engine.refresh_due().await.unwrap(), 0);

    assert_eq!(app.count("token_refresh").await, 1);
    let connection = &app.connections("c1").await[0];
    assert_eq!(connection["connected"], true);
    assert!(connection["nextCredentialsRefreshAt"].is_string());
}

#[tokio::test]
async fn a_connection_outlives_a_restart_by_days() {
    let app = TestApp::new().await;
    let (_, scope, id) = connected(&app, "airtable").await;
    let folder = app.stop().await;

    let app = TestApp::start(folder).await;
    app.clock.advance(Duration::from_secs(3 * 24 * 60 * 60));

    app.engine.fresh(scope, id).await.unwrap();
    assert_eq!(app.connections("c1").await[0]["connected"], true);
}

#[tokio::test]
async fn a_revoked_grant_disconnects_with_reason_and_a_reconnect_heals_it() {
    let app = TestApp::new().await;
    let (mut browser, scope, id) = connected(&app, "linear").await;
    let credentials = app.engine.fresh(scope, id).await.unwrap();
    let token = credentials.refresh_token.unwrap();
    let client = [("client_id", "sandbox-linear"), ("client_secret", "sandbox-secret-linear")];
    let mut form = vec![("token", token.expose().as_str()), ("token_type_hint", "refresh_token")];
    form.extend(client);
    let revoked = browser.post("/sandbox/api.linear.app/oauth/revoke", &form).await;
    assert!(revoked.status.is_success(), "{}", revoked.body);

    app.clock.advance(Duration::from_secs(30 * 24 * 60 * 60));
    let ended = app.engine.fresh(scope, id).await;

    assert!(matches!(ended, Err(RefreshError::Disconnected(DisconnectReason::GrantRevoked))));
    let connection = &app.connections("c1").await[0];
    assert_eq!((&connection["disconnected"], &connection["connected"]), (&true.into(), &false.into()));
    assert_eq!(connection["error"]["data"]["reason"], "grant_revoked");
    let mut browser = app.signed_in("c1").await;
    let page = browser.get("/").await;
    page.assert_says("Needs attention");
    page.assert_says("Linear no longer accepts this connection");
    assert_eq!(browser.connect_again(&page).await, "/?notice=reconnected&app=linear");
    assert_eq!(app.connections("c1").await[0]["connected"], true);
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_never_disconnects() {
    let app = TestApp::with(UNREACHABLE).await;
    let (scope, id) = imported(&app).await;

    let fresh = app.engine.fresh(scope, id).await;

    assert!(matches!(fresh, Err(RefreshError::Transient)), "{:?}", fresh.err());
    let connection = &app.connections("c1").await[0];
    assert_eq!(connection["connected"], true);
    assert_eq!(connection["retryAttempts"], 1);
}

/// A provider on a port that nobody listens on; the connection is made by the sandboxed twin.
const UNREACHABLE: &str = r#"
[server]
sandbox = true
[[workspace]]
key = "acme"
name = "Acme"
secret = "acme-secret-0123456789abcdef-0123456789"
integration = [{ key = "airtable", sandbox = true }]
"#;

/// Connects through the sandbox, then takes the sandbox away from the integration.
async fn imported(app: &TestApp) -> (Scope, ConnectionId) {
    let (_, scope, id) = connected(app, "airtable").await;
    let text = UNREACHABLE.replace("sandbox = true }", "client_id = \"x\", client_secret = \"y\" }");
    let text = text.replace("key = \"airtable\"", "key = \"airtable\", connector = \"file:gone.toml\"");
    std::fs::write(app.folder.join("hitchpost.toml"), text).unwrap();
    let connector =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/connectors/airtable.toml")).unwrap();
    // A name that never resolves (RFC 6761 §6.4).
    let connector = connector.replace("airtable.com", "airtable.invalid");
    std::fs::write(app.folder.join("gone.toml"), connector).unwrap();
    let environment = hitchpost::config::Environment::default();
    let config =
        hitchpost::config::Config::load(Some(&app.folder.join("hitchpost.toml")), &environment).unwrap();
    app.engine.configure_moving(config.workspaces, &["airtable".to_owned()]).await.unwrap();
    app.clock.advance(Duration::from_secs(2 * 60 * 60));
    (scope, id)
}

impl Browser {
    /// Presses the one-press Reconnect of a page and allows it; where that ends.
    async fn connect_again(&mut self, page: &super::app::Page) -> String {
        let left = self.press(page, "reconnect").await;
        let returned = self.consent(&left.location(), &[]).await;
        self.get(&returned.location()).await.location()
    }
}
