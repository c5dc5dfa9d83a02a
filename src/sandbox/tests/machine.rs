//! Grants without a customer at a page: client credentials and what the customer types.

use axum::http::{StatusCode, header};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use super::{player::Player, stage::Stage};

#[tokio::test]
async fn a_client_that_proves_itself_gets_a_token() {
    let stage = Stage::new();
    let pal = stage.connector("pal");
    let mut player = Player::new(&stage, &pal, "client-credentials");

    let tokens = player.connect("", "").await.expect("a token");

    assert!(tokens.refresh_token.is_none());
    assert_eq!(tokens.expires_at.map(|time| time.since(stage.now()).as_secs()), Some(3600));
    assert_eq!(player.test().await.status, StatusCode::OK);
    assert_eq!(stage.stat("pal", "client_credentials").await, 1);
}

#[tokio::test]
async fn a_client_is_refused_when_secret_place_grant_or_own_words_are_wrong() {
    let stage = Stage::new();
    let path = "/sandbox/api.pal.example/v1/oauth2/token";
    let basic = |secret: &str| format!("Basic {}", STANDARD.encode(format!("sandbox-pal:{secret}")));
    let (good, bad) = (basic("sandbox-secret-pal"), basic("wrong"));
    let (good, bad) = ([("authorization", good.as_str())], [("authorization", bad.as_str())]);
    let form = [("grant_type", "client_credentials"), ("audience", "pal")];
    let in_body = [form[0], form[1], ("client_id", "sandbox-pal"), ("client_secret", "sandbox-secret-pal")];

    stage.post_form(path, &form, &bad).await.assert_refused("invalid_client");
    stage.post_form(path, &in_body, &[]).await.assert_refused("invalid_client");
    stage.post_form(path, &form[..1], &good).await.assert_refused("invalid_request");
    stage
        .post_json(path, &json!({ "grant_type": "client_credentials" }), &good)
        .await
        .assert_refused("invalid_request");
    stage
        .post_form(path, &[("grant_type", "password"), form[1]], &good)
        .await
        .assert_refused("unsupported_grant_type");

    assert_eq!(stage.post_form(path, &form, &good).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_typed_client_is_taken_unless_its_secret_is_wrong() {
    let stage = Stage::new();
    let pal = stage.connector("pal");
    let call = async |secret: &str| {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", "anybody"),
            ("client_secret", secret),
            ("scope", "read"),
        ];
        stage.post_form("/sandbox/api.pal.example/v1/own/token", &form, &[]).await
    };

    let good = call("whatever").await;
    for wrong in ["wrong", "sandbox-wrong-1", ""] {
        call(wrong).await.assert_refused("invalid_client");
    }
    let mut player = Player::new(&stage, &pal, "own");
    player.connect("", "").await.expect("a token");

    assert_eq!(good.json()["scope"], "read");
    assert_eq!(player.test().await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_token_of_a_client_ends_when_it_is_given_back_or_its_time_is_over() {
    let stage = Stage::new();
    let pal = stage.connector("pal");
    let mut given_back = Player::new(&stage, &pal, "client-credentials");
    let mut late = Player::new(&stage, &pal, "own");
    let tokens = given_back.connect("", "").await.expect("a token");
    late.connect("", "").await.expect("a token");

    let form = [("token", tokens.access_token.expose().as_str())];
    stage.post_form("/sandbox/api.pal.example/v1/oauth2/revoke", &form, &[]).await;
    assert_eq!(given_back.test().await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(late.test().await.status, StatusCode::OK);
    stage.wait(std::time::Duration::from_secs(3600));

    assert_eq!(late.test().await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_the_customer_types_becomes_a_token_where_the_file_says() {
    let stage = Stage::new();
    let vault = stage.connector("vault");
    let mut player = Player::new(&stage, &vault, "token-exchange");
    player.values.set("password", "sandbox-bob");

    player.connect("", "").await.expect("a token");
    let me = player.test().await;

    assert_eq!(me.text_at("/user_id"), "sandbox-bob");
    assert_eq!(stage.stat("vault", "token_exchange").await, 1);
}

#[tokio::test]
async fn a_token_call_that_is_not_as_written_is_refused_with_a_reason() {
    let stage = Stage::new();
    let vault = stage.connector("vault");
    let mut player = Player::new(&stage, &vault, "token-exchange");
    let mut broken = async |change: &dyn Fn(&mut crate::protocol::Call)| {
        let mut call = player.token_call(&[]);
        change(&mut call);
        player.send(call).await
    };
    let body = |call: &mut crate::protocol::Call, from: &str, to: &str| {
        let text = String::from_utf8(call.body.clone()).expect("text");
        assert!(text.contains(from), "{text}");
        call.body = text.replace(from, to).into_bytes();
    };

    let wrong = broken(&|call| body(call, "sandbox-password", "wrong")).await;
    let empty = broken(&|call| body(call, "sandbox-password", "")).await;
    let list = broken(&|call| body(call, "[\"a\"]", "[]")).await;
    let header = broken(&|call| drop(call.headers.remove("x-kind"))).await;
    let query = broken(&|call| call.url.set_query(Some("v=1"))).await;
    let kind = broken(&|call| drop(call.headers.remove(header::CONTENT_TYPE))).await;

    wrong.assert_refused("invalid_grant");
    assert_eq!(wrong.text_at("/error_description"), "password is wrong.");
    for (answer, why) in
        [(empty, "body.auth.password"), (list, "body.list.0"), (header, "x-kind"), (query, "v")]
    {
        answer.assert_refused("invalid_request");
        let said = answer.text_at("/error_description").to_ascii_lowercase();
        assert!(said.contains(why), "{said}");
    }
    kind.assert_refused("invalid_request");
    assert_eq!(stage.stat("vault", "token_refused").await, 6);
}
