//! PyPI `django-oauth-toolkit`: codes with PKCE, rotation, revocation, client credentials.

use std::time::Duration;

use reqwest::StatusCode;

use super::{
    app::TestApp,
    provider::{
        Integration, Program, Provider, accounts, app_with, assert_failed, callback_of, connect,
        connect_at_once, free_port,
    },
};

const CLIENT: (&str, &str) = ("acme & co", "se:cret %+&=/ü€ 0123456789");
const SERVICE: (&str, &str) = ("service 50%", "a+b c:d&e=f/%20");

const ALLOW: &[(&str, &str)] = &[("allow", "Authorize")];

async fn started() -> (TestApp, Provider) {
    let port = free_port();
    let base = format!("http://127.0.0.1:{port}");
    let shared = format!(
        r#"
client_auth = "basic"
token = {{ url = "{base}/o/token/" }}
revoke = {{ url = "{base}/o/revoke_token/" }}
use = {{ headers = {{ Authorization = "Bearer {{{{access_token}}}}" }} }}
"#
    );
    let api = r#"
test = { path = "/me" }
account = { id = "id", label = "name" }
[[auth]]
"#;
    let people = format!(
        r#"{api}
key = "oauth2"
type = "oauth2"
scopes = {{ default = ["read", "write"] }}
authorize = {{ url = "{base}/o/authorize/" }}
refresh = {{ rotates = true }}
{shared}"#
    );
    let machine = format!(
        r#"{api}
key = "client-credentials"
type = "client-credentials"
scopes = {{ default = ["read"] }}
{shared}"#
    );
    let integrations = [
        Integration { key: "django", client: Some(CLIENT), connector: people },
        Integration { key: "django-service", client: Some(SERVICE), connector: machine },
    ];
    let app = app_with(port, &integrations).await;
    let redirect_uri = callback_of(&app, "django").await;
    let environment = [
        ("REDIRECT_URI", redirect_uri.as_str()),
        ("CLIENT_ID", CLIENT.0),
        ("CLIENT_SECRET", CLIENT.1),
        ("SERVICE_ID", SERVICE.0),
        ("SERVICE_SECRET", SERVICE.1),
    ];
    (app, Provider::start(Program::Python("django_oauth.py"), port, &environment))
}

#[tokio::test]
async fn code_with_pkce_refresh_with_rotation_and_revocation() {
    let (app, provider) = started().await;
    let (scope, id) = connect(&app, &provider, "django", ALLOW).await;
    assert_eq!(accounts(&app).await, ["ada"]);
    let first = app.engine.fresh(scope, id).await.unwrap();
    assert_eq!(first.scopes.as_deref(), Some(["read".to_owned(), "write".to_owned()].as_slice()));

    app.clock.advance(Duration::from_secs(2 * 60 * 60));
    let second = app.engine.fresh(scope, id).await.unwrap();

    let (old, new) = (first.refresh_token.unwrap(), second.refresh_token.unwrap());
    assert_ne!(old.expose(), new.expose(), "the provider rotates");
    let counted =
        provider.counted(["code", "refresh", "refused", "living_access_tokens", "living_refresh_tokens"]);
    assert_eq!(counted.await, [1, 1, 0, 1, 1]);

    let mut browser = app.signed_in("c1").await;
    let page = browser.get("/apps/django").await;
    browser.press(&page, "delete").await.assert_status(StatusCode::SEE_OTHER);
    let counted = provider.counted(["revocation", "living_access_tokens", "living_refresh_tokens"]);
    assert_eq!(counted.await, [2, 0, 0]);
    let form = [("grant_type", "refresh_token"), ("refresh_token", new.expose().as_str())];
    let dead = provider.post_as(CLIENT, "/o/token/", &form).await;
    assert_eq!(dead.json()["error"], "invalid_grant");
}

#[tokio::test]
async fn a_customer_who_declines_there_is_told_so_here() {
    let (app, provider) = started().await;
    let mut browser = app.signed_in("c1").await;
    let left = browser.submit("django", &[]).await.location();

    let returned = provider.consented(&left, &[]).await;
    let answer = browser.get(&returned).await;

    assert_failed(&app, &mut browser, answer, "access was declined").await;
    assert_eq!(provider.counted(["code"]).await, [0]);
}

#[tokio::test]
async fn a_client_connects_for_itself_and_renews() {
    let (app, provider) = started().await;
    let (scope, id) = connect_at_once(&app, "django-service", &[]).await;
    assert_eq!(accounts(&app).await, ["service"]);
    let first = app.engine.fresh(scope, id).await.unwrap().access_token.unwrap();

    app.clock.advance(Duration::from_secs(2 * 60 * 60));
    let second = app.engine.fresh(scope, id).await.unwrap().access_token.unwrap();

    assert_ne!(first.expose(), second.expose());
    assert_eq!(provider.counted(["client_credentials", "refused"]).await, [2, 0]);
}
