//! PyPI `oauthlib` as an OAuth 1.0a provider (RFC 5849): it checks each signature, nonce, time and verifier.

use hitchpost::{
    model::{Credentials, Secret},
    protocol::{
        Call,
        oauth1::{SignatureMethod, Signing, Token, sign},
        oauth2::Client,
    },
};
use reqwest::{Method, StatusCode, header};
use serde_json::json;

use super::{
    app::{Page, TestApp},
    provider::{
        Integration, Program, Provider, accounts, app_with, assert_failed, callback_of, connect, free_port,
        query_of,
    },
};

/// Each of these has to be encoded before it becomes part of a signing key (RFC 5849 §3.6, §3.4.2).
const CLIENT_ID: &str = "acme & co: 50%";
const CLIENT_SECRET: &str = "a&b%20 c+ü=/€";

const METHODS: [&str; 3] = ["HMAC-SHA1", "HMAC-SHA256", "PLAINTEXT"];
const ALLOW: &[(&str, &str)] = &[("decision", "allow")];
const DENY: &[(&str, &str)] = &[("decision", "deny")];

/// A provider that takes one signature method only and whose clock is `ahead` seconds ahead.
async fn started(method: &str, ahead: i64) -> (TestApp, Provider) {
    let port = free_port();
    let base = format!("http://127.0.0.1:{port}");
    let connector = format!(
        r#"
test = {{ path = "/me?include=a%20b&note=%C3%BC" }}
account = {{ id = "id", label = "name" }}
[[auth]]
key = "oauth1"
type = "oauth1"
signature = {{ method = "{method}" }}
scopes = {{ supported = false }}
request_token = {{ url = "{base}/request_token" }}
authorize = {{ url = "{base}/authorize", params = {{ name = "Acme & co" }} }}
token = {{ url = "{base}/access_token" }}
use = {{ sign = true }}
"#
    );
    let client = Some((CLIENT_ID, CLIENT_SECRET));
    let app = app_with(port, &[Integration { key: "older", client, connector }]).await;
    let (redirect_uri, ahead) = (callback_of(&app, "older").await, ahead.to_string());
    let environment = [
        ("REDIRECT_URI", redirect_uri.as_str()),
        ("CLIENT_ID", CLIENT_ID),
        ("CLIENT_SECRET", CLIENT_SECRET),
        ("SIGNATURE_METHOD", method),
        ("CLOCK_OFFSET", &ahead),
    ];
    (app, Provider::start(Program::Python("oauth1.py"), port, &environment))
}

/// Signs a call the way the engine does, with the connection's token.
fn signed(mut call: Call, method: &str, nonce: &str, timestamp: i64, credentials: &Credentials) -> Call {
    let secret = Some(Secret::new(CLIENT_SECRET.to_owned()));
    let client = Client { id: CLIENT_ID.to_owned(), secret, assertion: None };
    let token = credentials.access_token.as_ref().unwrap().expose();
    let token_secret = credentials.token_secret.as_ref().unwrap().expose();
    let signing = Signing {
        method: SignatureMethod::parse(method).unwrap(),
        realm: None,
        client: &client,
        token: Some(Token { token, secret: token_secret }),
        nonce,
        timestamp,
    };
    sign(&mut call, &signing, &[]).unwrap();
    call
}

async fn send(provider: &Provider, call: &Call) -> Page {
    let authorization = call.headers[header::AUTHORIZATION].to_str().unwrap();
    let body = (!call.body.is_empty()).then(|| String::from_utf8(call.body.clone()).unwrap());
    let headers = [("authorization", authorization)];
    provider.browser().send(call.method.clone(), call.url.as_str(), &headers, body).await
}

fn status(provider: &Provider, text: &str) -> Call {
    let url = format!("{}/statuses?visible=to%20all", provider.base).parse().unwrap();
    let params = [("status".to_owned(), text.to_owned()), ("empty".to_owned(), String::new())];
    Call::form(Method::POST, url, &params)
}

/// RFC 5849 §2, §3.4.2, §3.4.4.
#[tokio::test]
async fn a_customer_connects_by_each_signature_method_and_the_account_is_known() {
    for method in METHODS {
        let (app, provider) = started(method, 0).await;

        let (scope, id) = connect(&app, &provider, "older", ALLOW).await;

        assert_eq!(accounts(&app).await, ["ada"], "{method}");
        let counted = provider.counted(["request_token", "authorize", "access_token", "resource"]).await;
        assert_eq!(counted, [1, 1, 1, 1], "{method}");
        assert_eq!(provider.stats().await["refused"], json!({}), "{method}");
        let credentials = app.engine.fresh(scope, id).await.unwrap();
        assert!(credentials.token_secret.unwrap().expose().ends_with(" &%+=/ü€"), "{method}");
    }
}

#[tokio::test]
async fn the_address_of_consent_carries_the_token_and_what_the_connector_adds() {
    let (app, _provider) = started("HMAC-SHA1", 0).await;
    let mut browser = app.signed_in("c1").await;

    let left = browser.submit("older", &[]).await.location();

    let query = query_of(&left);
    assert_eq!(query[0], ("name".to_owned(), "Acme & co".to_owned()));
    assert_eq!((query.len(), query[1].0.as_str()), (2, "oauth_token"));
}

#[tokio::test]
async fn a_customer_who_declines_there_is_told_so_here() {
    for method in METHODS {
        let (app, provider) = started(method, 0).await;
        let mut browser = app.signed_in("c1").await;
        let left = browser.submit("older", &[]).await.location();

        let returned = provider.consented(&left, DENY).await;
        let answer = browser.get(&returned).await;

        assert_failed(&app, &mut browser, answer, "access was declined").await;
        assert_eq!(provider.counted(["denied", "access_token"]).await, [1, 0], "{method}");
    }
}

/// RFC 5849 §3.2.
#[tokio::test]
async fn another_verifier_than_the_customers_connects_nothing() {
    let (app, provider) = started("HMAC-SHA1", 0).await;
    let mut browser = app.signed_in("c1").await;
    let left = browser.submit("older", &[]).await.location();
    let returned = provider.consented(&left, ALLOW).await;
    let query = query_of(&returned);
    let (_, verifier) = query.iter().find(|(name, _)| name == "oauth_verifier").unwrap();

    let answer = browser.get(&returned.replace(verifier, "another-verifier-of-theirs")).await;

    let result = browser.get(&answer.location()).await;
    result.assert_status(StatusCode::OK);
    assert!(app.connections("c1").await.is_empty());
    assert_eq!(provider.stats().await["refused"]["verifier"], 1);
}

/// RFC 5849 §3.3.
#[tokio::test]
async fn a_call_that_is_sent_twice_is_taken_once() {
    for method in METHODS {
        let (app, provider) = started(method, 0).await;
        let (scope, id) = connect(&app, &provider, "older", ALLOW).await;
        let credentials = app.engine.fresh(scope, id).await.unwrap();
        let url = format!("{}/me?include=a%20b&include=&note=%C3%BC", provider.base).parse().unwrap();
        let call = signed(Call::new(Method::GET, url), method, "0123456789abcdef", app.now(), &credentials);

        let (first, second) = (send(&provider, &call).await, send(&provider, &call).await);

        first.assert_status(StatusCode::OK);
        assert_eq!(first.json()["asked"]["note"], "ü", "{method}");
        second.assert_status(StatusCode::UNAUTHORIZED);
        assert_eq!(provider.stats().await["refused"], json!({ "nonce": 1 }), "{method}");
    }
}

/// RFC 5849 §3.4.1.3.1.
#[tokio::test]
async fn a_signed_form_is_taken_and_one_that_was_changed_on_the_way_is_not() {
    for method in ["HMAC-SHA1", "HMAC-SHA256"] {
        let (app, provider) = started(method, 0).await;
        let (scope, id) = connect(&app, &provider, "older", ALLOW).await;
        let credentials = app.engine.fresh(scope, id).await.unwrap();
        let whole = status(&provider, "Grüße & 100% + more");
        let whole = signed(whole, method, "0123456789abcdef", app.now(), &credentials);
        let mut changed =
            signed(status(&provider, "Hello"), method, "fedcba9876543210", app.now(), &credentials);
        changed.body = status(&provider, "Bye").body;

        let (taken, refused) = (send(&provider, &whole).await, send(&provider, &changed).await);

        assert_eq!(taken.json(), json!({ "status": "Grüße & 100% + more" }), "{method}");
        refused.assert_status(StatusCode::UNAUTHORIZED);
        assert_eq!(provider.stats().await["refused"], json!({ "signature": 1 }), "{method}");
    }
}

/// RFC 5849 §3.4.4: the secrets are the signature, so other secrets are refused too.
#[tokio::test]
async fn another_token_secret_signs_nothing() {
    for method in METHODS {
        let (app, provider) = started(method, 0).await;
        let (scope, id) = connect(&app, &provider, "older", ALLOW).await;
        let mut credentials = app.engine.fresh(scope, id).await.unwrap();
        credentials.token_secret = Some(Secret::new("another".to_owned()));
        let call = signed(status(&provider, "Hello"), method, "0123456789abcdef", app.now(), &credentials);

        let refused = send(&provider, &call).await;

        refused.assert_status(StatusCode::UNAUTHORIZED);
        assert_eq!(provider.stats().await["refused"], json!({ "signature": 1 }), "{method}");
    }
}

/// RFC 5849 §3.3: the provider's clock counts. It tells it in `Date`, and nowhere else.
#[tokio::test]
async fn a_provider_whose_clock_is_an_hour_off_is_connected_anyway() {
    for ahead in [3600, -3600] {
        let (app, provider) = started("HMAC-SHA1", ahead).await;

        connect(&app, &provider, "older", ALLOW).await;

        let counted = provider.counted(["request_token", "access_token", "resource"]).await;
        assert_eq!(counted, [1, 1, 1], "{ahead}");
        assert_eq!(
            provider.stats().await["refused"],
            json!({ "timestamp": 1 }),
            "{ahead}: asked once, learnt"
        );
    }
}
