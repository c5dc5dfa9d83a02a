//! The protected side, and every connector of the catalog.

use axum::http::StatusCode;
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::stage::{Stage, authorize_at, redemption};

#[tokio::test]
async fn nothing_is_told_without_credentials() {
    let stage = Stage::new();

    let missing = stage.get("/sandbox/api.plain.example/v1/me", &[]).await;
    let unknown = stage.me("nonsense").await;

    assert_eq!(missing.status, StatusCode::UNAUTHORIZED);
    assert_eq!(missing.header("www-authenticate"), "Bearer realm=\"sandbox\"");
    assert_eq!(unknown.header("www-authenticate"), "Bearer realm=\"sandbox\", error=\"invalid_token\"");
    assert_eq!(stage.stat("plain", "api").await, 2);
    assert_eq!(stage.stat("plain", "api_refused").await, 2);
}

#[tokio::test]
async fn any_path_below_the_api_answers_and_none_beside_it() {
    let stage = Stage::new();
    let tokens = stage.redeem(&stage.code("allow").await).await;
    let header = format!("Bearer {}", tokens.text_at("/access_token"));
    let headers = [("authorization", header.as_str())];

    let below = stage.get("/sandbox/api.plain.example/v1/contacts/5?x=1", &headers).await;
    let beside = stage.get("/sandbox/api.plain.example/v2/contacts", &headers).await;

    assert_eq!(below.json()["account"], "alice");
    assert_eq!(below.json()["path"], "/v1/contacts/5");
    assert_eq!(beside.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_token_opens_its_own_app_only() {
    let stage = Stage::new();
    let tokens = stage.redeem(&stage.code("allow").await).await;
    let header = format!("Bearer {}", tokens.text_at("/access_token"));

    let other =
        stage.get("/sandbox/acme.desk.example/api/v2/users/me.json", &[("authorization", &header)]).await;

    assert_eq!(other.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_key_is_good_when_it_says_sandbox() {
    let stage = Stage::new();
    let call = async |host: &str, key: &str| {
        let header = format!("Bearer {key}");
        stage.get(&format!("/sandbox/{host}/v3/scopes"), &[("authorization", &header)]).await.status
    };

    assert_eq!(call("api.mail.example", "SG.sandbox").await, StatusCode::OK);
    assert_eq!(call("api.eu.mail.example", "SG.SANDBOX.bob").await, StatusCode::OK);
    assert_eq!(call("api.mail.example", "SG.real").await, StatusCode::UNAUTHORIZED);
    assert_eq!(call("elsewhere.mail.example", "SG.sandbox").await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_password_with_a_fixed_user_name_ending_opens_a_templated_host() {
    let stage = Stage::new();
    let path = "/sandbox/acme.desk.example/api/v2/users/me.json";
    let call = async |pair: &str| {
        let header = format!("Basic {}", STANDARD.encode(pair));
        stage.get(path, &[("authorization", &header)]).await
    };

    let good = call("agent@example.com/token:my-sandbox-key").await;
    let bobs = call("agent@example.com/token:sandbox-bob").await;
    let no_ending = call("agent@example.com:sandbox").await;
    let wrong = call("agent@sandbox.example/token:secret").await;

    assert_eq!(good.text_at("/user/email"), "alice@example.com");
    assert_eq!(bobs.text_at("/user/id"), "sandbox-bob");
    assert_eq!(no_ending.status, StatusCode::UNAUTHORIZED);
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_templated_host_is_played_for_oauth_too() {
    let stage = Stage::new();
    let path = authorize_at("/sandbox/acme.desk.example/oauth/authorizations/new", "sandbox-desk", "");
    let code = stage.consent(&path, "bob", "allow").await.sent_back("code").expect("a code");
    let mut form = redemption(&code);
    form[3].1 = "sandbox-desk";
    form[4].1 = "sandbox-secret-desk";

    let tokens = stage.post_form("/sandbox/acme.desk.example/oauth/tokens", &form, &[]).await;
    let header = format!("Bearer {}", tokens.text_at("/access_token"));
    let me =
        stage.get("/sandbox/acme.desk.example/api/v2/users/me.json", &[("authorization", &header)]).await;

    assert_eq!(me.text_at("/user/email"), "bob@example.com");
}
