//! The token and revoke endpoints.

use std::time::Duration;

use axum::http::StatusCode;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use super::stage::{CALLBACK, PLAIN_TOKEN, Stage, VERIFIER, authorize, authorize_at, redemption, renewal};

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

#[tokio::test]
async fn a_code_becomes_tokens_that_open_the_account() {
    let stage = Stage::new();
    let code =
        stage.consent(&authorize("&scope=read"), "bob", "allow").await.sent_back("code").expect("a code");

    let tokens = stage.redeem(&code).await;
    let me = stage.me(&tokens.text_at("/access_token")).await;

    assert_eq!(tokens.status, StatusCode::OK);
    assert_eq!(tokens.header("cache-control"), "no-store");
    assert_eq!(tokens.json()["expires_in"], 1800);
    assert_eq!(tokens.json()["scope"], "read");
    assert_eq!(tokens.json()["token_type"], "Bearer");
    assert_eq!(me.json(), json!({"user": {"id": "sandbox-bob", "email": "bob@example.com"}}));
    assert_eq!(stage.stat("plain", "token_code").await, 1);
    assert_eq!(stage.stat("plain", "token_refused").await, 0);
}

#[tokio::test]
async fn a_code_is_bound_to_client_redirect_and_verifier() {
    let stage = Stage::new();
    let code = stage.code("allow").await;
    let with = |name: &str, value: &'static str| {
        let mut form = redemption(&code);
        form.iter_mut().filter(|(key, _)| *key == name).for_each(|pair| pair.1 = value);
        form
    };
    let cases = [
        (with("code_verifier", "wrongwrongwrongwrongwrongwrongwrongwrongwrong"), "invalid_grant"),
        (with("code_verifier", ""), "invalid_grant"),
        (with("redirect_uri", "http://localhost:7080/oauth/callback/1"), "invalid_grant"),
        (with("client_secret", "sandbox-secret-other"), "invalid_client"),
        (with("client_secret", ""), "invalid_client"),
        (with("client_id", "someone"), "invalid_grant"),
        (with("code", "unknown"), "invalid_grant"),
        (with("code", ""), "invalid_request"),
        (with("grant_type", "password"), "unsupported_grant_type"),
    ];

    for (form, code) in cases {
        stage.post_form(PLAIN_TOKEN, &form, &[]).await.assert_refused(code);
    }
    assert_eq!(stage.redeem(&code).await.status, StatusCode::OK);
    assert_eq!(stage.stat("plain", "token_refused").await, 9);
}

#[tokio::test]
async fn a_code_is_good_once_and_a_second_use_ends_its_grant() {
    let stage = Stage::new();
    let code = stage.code("allow").await;
    let tokens = stage.redeem(&code).await;

    let again = stage.redeem(&code).await;

    again.assert_refused("invalid_grant");
    assert_eq!(stage.me(&tokens.text_at("/access_token")).await.status, StatusCode::UNAUTHORIZED);
    stage.renew(&tokens.text_at("/refresh_token")).await.assert_refused("invalid_grant");
    assert_eq!(stage.stat("plain", "reuse_detected").await, 1);
}

#[tokio::test]
async fn a_code_lives_a_minute() {
    let stage = Stage::new();
    let code = stage.code("allow").await;

    stage.wait(Duration::from_secs(60));

    stage.redeem(&code).await.assert_refused("invalid_grant");
}

#[tokio::test]
async fn a_rotating_refresh_token_is_good_once() {
    let stage = Stage::new();
    let first = stage.redeem(&stage.code("allow").await).await;
    let second = stage.renew(&first.text_at("/refresh_token")).await;
    let third = stage.renew(&second.text_at("/refresh_token")).await;
    assert_eq!(stage.me(&third.text_at("/access_token")).await.status, StatusCode::OK);

    let reused = stage.renew(&first.text_at("/refresh_token")).await;

    reused.assert_refused("invalid_grant");
    stage.renew(&third.text_at("/refresh_token")).await.assert_refused("invalid_grant");
    assert_eq!(stage.me(&third.text_at("/access_token")).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(stage.stat("plain", "reuse_detected").await, 1);
    assert_eq!(stage.stat("plain", "token_refresh").await, 4);
}

#[tokio::test]
async fn a_refresh_token_belongs_to_its_client_and_ends() {
    let stage = Stage::new();
    let tokens = stage.redeem(&stage.code("allow").await).await;
    let refresh = tokens.text_at("/refresh_token");
    let mut other = renewal(&refresh);
    other[2].1 = "someone";

    let refused = stage.post_form(PLAIN_TOKEN, &other, &[]).await;
    stage.wait(Duration::from_secs(86_400));
    let late = stage.renew(&refresh).await;

    refused.assert_refused("invalid_grant");
    late.assert_refused("invalid_grant");
}

#[tokio::test]
async fn an_access_token_is_no_refresh_token_and_the_other_way_round() {
    let stage = Stage::new();
    let tokens = stage.redeem(&stage.code("allow").await).await;

    stage.renew(&tokens.text_at("/access_token")).await.assert_refused("invalid_grant");

    assert_eq!(stage.me(&tokens.text_at("/refresh_token")).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn tokens_survive_a_restart() {
    let stage = Stage::new();
    let tokens = stage.redeem(&stage.code("allow").await).await;
    let renewed = stage.renew(&tokens.text_at("/refresh_token")).await;

    let later = stage.restarted();

    assert_eq!(later.me(&tokens.text_at("/access_token")).await.status, StatusCode::OK);
    let again = later.renew(&renewed.text_at("/refresh_token")).await;
    assert_eq!(again.status, StatusCode::OK);
    later.renew(&renewed.text_at("/refresh_token")).await.assert_refused("invalid_grant");
}

#[tokio::test]
async fn revoking_either_token_ends_the_grant() {
    for name in ["/access_token", "/refresh_token"] {
        let stage = Stage::new();
        let tokens = stage.redeem(&stage.code("allow").await).await;
        let token = tokens.text_at(name);

        let answer = stage.post_form("/sandbox/plain.example/oauth/revoke", &[("token", &token)], &[]).await;

        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(stage.me(&tokens.text_at("/access_token")).await.status, StatusCode::UNAUTHORIZED);
        stage.renew(&tokens.text_at("/refresh_token")).await.assert_refused("invalid_grant");
        assert_eq!(stage.stat("plain", "revoke").await, 1);
    }
}

#[tokio::test]
async fn a_revoke_call_may_carry_the_token_in_its_header_and_an_unknown_one_is_fine() {
    let stage = Stage::new();
    let tokens = stage.redeem(&stage.code("allow").await).await;
    let header = format!("Bearer {}", tokens.text_at("/access_token"));
    let revoke = "/sandbox/plain.example/oauth/revoke";

    let unknown = stage.post_form(revoke, &[("token", "who")], &[]).await;
    let known = stage.post_json(revoke, &json!({}), &[("authorization", &header)]).await;

    assert_eq!((unknown.status, known.status), (StatusCode::OK, StatusCode::OK));
    assert_eq!(stage.me(&tokens.text_at("/access_token")).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn chosen_failures_meet_every_token_call_of_that_code() {
    let stage = Stage::new();
    let (broken, limited) = (stage.code("token_500").await, stage.code("token_429").await);

    for _ in 0..2 {
        assert_eq!(stage.redeem(&broken).await.status, StatusCode::INTERNAL_SERVER_ERROR);
        let answer = stage.redeem(&limited).await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(answer.header("retry-after"), "2");
    }
}

#[tokio::test]
async fn without_a_refresh_token_access_still_ends() {
    let stage = Stage::new();
    let tokens = stage.redeem(&stage.code("no_refresh").await).await;

    assert_eq!(tokens.json().get("refresh_token"), None);
    assert_eq!(tokens.json()["expires_in"], 1800);
    stage.wait(Duration::from_secs(1800));
    let late = stage.me(&tokens.text_at("/access_token")).await;

    assert_eq!(late.status, StatusCode::UNAUTHORIZED);
    assert!(late.header("www-authenticate").contains("invalid_token"));
}

#[tokio::test]
async fn a_test_may_shorten_the_life_of_access_tokens() {
    let stage = Stage::new();
    let answer = stage.consent(&authorize("&sandbox_expires_in=5"), "alice", "allow").await;

    let tokens = stage.redeem(&answer.sent_back("code").expect("a code")).await;
    let renewed = stage.renew(&tokens.text_at("/refresh_token")).await;
    stage.wait(Duration::from_secs(5));

    assert_eq!(
        (tokens.json()["expires_in"].as_u64(), renewed.json()["expires_in"].as_u64()),
        (Some(5), Some(5))
    );
    assert_eq!(stage.me(&tokens.text_at("/access_token")).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_slow_token_call_is_slow() {
    let stage = Stage::new();
    let code = stage.code("slow").await;

    let answer = tokio::time::timeout(Duration::from_millis(50), stage.redeem(&code)).await;

    assert!(answer.is_err());
}

#[tokio::test]
async fn basic_client_auth_json_and_a_mapped_reply_are_played() {
    let stage = Stage::new();
    let path = authorize_at("/sandbox/api.notes.example/v1/oauth/authorize", "sandbox-notes", "&owner=user");
    let answer = stage.consent(&path.replace("code_challenge", "x"), "bob", "allow").await;
    let code = answer.sent_back("code").expect("a code");
    let body = json!({"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK});
    let form = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", CALLBACK)];
    let token = "/sandbox/api.notes.example/v1/oauth/token";
    let proof = basic("sandbox-notes", "sandbox-secret-notes");

    let as_form = stage.post_form(token, &form, &[("authorization", &proof)]).await;
    let unproven = stage.post_json(token, &body, &[("authorization", &basic("sandbox-notes", "x"))]).await;
    let silent = stage.post_json(token, &body, &[]).await;
    let good = stage.post_json(token, &body, &[("authorization", &proof)]).await;

    as_form.assert_refused("invalid_request");
    unproven.assert_refused("invalid_client");
    assert!(unproven.header("www-authenticate").starts_with("Basic"));
    silent.assert_refused("invalid_client");
    assert!(good.text_at("/data/token").starts_with("hpa_"));
    assert_eq!(good.json()["workspace_id"], "sandbox-bob");
    assert_eq!(good.json()["workspace_name"], "Bob Example");
    assert_eq!(good.json()["bot_id"], "sandbox-bob");
    assert_eq!(good.json().get("refresh_token"), None);
    assert_eq!(good.json().get("expires_in"), None);
}

#[tokio::test]
async fn other_names_raw_basic_query_and_errors_in_good_replies_are_played() {
    let stage = Stage::new();
    let path =
        authorize_at("/sandbox/chat.example/authorize", "a%2Bb", "").replace("client_id", "client_key");
    let path = path.replace("a%252Bb", "a%2Bb").replace("response_type=code&", "");
    let code = stage.consent(&path, "alice", "allow").await.sent_back("auth_code").expect("a code");
    let query = format!("grant_type=authorization_code&auth_code={code}&code_verifier={VERIFIER}");
    let token = format!("/sandbox/chat.example/api/oauth.access?{query}&redirect_uri=");
    let redirect = "http%3A%2F%2Flocalhost%3A7080%2Foauth%2Fcallback%2F1%3Fkeep%3Dme";
    let proof = basic("a+b", "anything");

    let refused = stage.post_form(&token, &[], &[("authorization", &proof)]).await;
    let good = stage.post_form(&format!("{token}{redirect}"), &[], &[("authorization", &proof)]).await;

    assert_eq!(refused.status, StatusCode::OK);
    assert_eq!(refused.json(), json!({"ok": false, "error": "invalid_grant"}));
    assert_eq!(good.json()["ok"], true);
    assert_eq!(good.json()["team"]["id"], "sandbox-alice");
}

#[tokio::test]
async fn a_refresh_token_that_does_not_rotate_stays_good() {
    let stage = Stage::new();
    let path = authorize_at("/sandbox/chat.example/authorize", "k", "").replace("client_id", "client_key");
    let code = stage.consent(&path, "alice", "allow").await.sent_back("auth_code").expect("a code");
    let redirect = "http%3A%2F%2Flocalhost%3A7080%2Foauth%2Fcallback%2F1%3Fkeep%3Dme";
    let base = "/sandbox/chat.example/api/oauth.access?grant_type=";
    let first =
        format!("{base}authorization_code&auth_code={code}&code_verifier={VERIFIER}&redirect_uri={redirect}");
    let proof = basic("k", "anything");
    let tokens = stage.post_form(&first, &[], &[("authorization", &proof)]).await;
    let again = format!("{base}refresh_token&refresh_token={}", tokens.text_at("/refresh_token"));

    let renewals = [
        stage.post_form(&again, &[], &[("authorization", &proof)]).await,
        stage.post_form(&again, &[], &[("authorization", &proof)]).await,
    ];

    for renewed in renewals {
        assert!(renewed.text_at("/access_token").starts_with("hpa_"));
        assert_eq!(renewed.json().get("refresh_token"), None);
    }
}

#[tokio::test]
async fn a_kept_address_leads_back_to_the_sandbox() {
    let stage = Stage::new();
    let path = authorize_at("/sandbox/login.force.example/authorize", "sandbox-force", "");
    let code = stage.consent(&path, "alice", "allow").await.sent_back("code").expect("a code");
    let mut form = redemption(&code);
    form[3].1 = "sandbox-force";
    form[4].1 = "sandbox-secret-force";

    let tokens = stage.post_form("/sandbox/login.force.example/token", &form, &[]).await;
    let header = format!("Bearer {}", tokens.text_at("/access_token"));
    let me = stage.get("/sandbox/sandbox.force.example/userinfo", &[("authorization", &header)]).await;

    assert_eq!(tokens.json()["instance_url"], "https://sandbox.force.example");
    assert_eq!(me.json()["user_id"], "sandbox-alice");
    assert_eq!(me.json()["preferred_username"], "alice-example");
}

#[tokio::test]
async fn what_nobody_has_is_not_found_and_told_apart_from_what_somebody_has() {
    let stage = Stage::new();

    let token = stage.post_form("/sandbox/api.pal.example/v1/oauth2/token", &[], &[]).await;
    let nobody = stage.get("/sandbox/nobody.example/x", &[]).await;
    let strange = stage.get("/sandbox/evil.example%23/x", &[]).await;
    let hosts = stage.get("/sandbox/stats", &[]).await.json()["hosts"].clone();

    token.assert_refused("invalid_request");
    assert_eq!((nobody.status, strange.status), (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND));
    assert_eq!(nobody.json()["error"], "unknown_address");
    assert_eq!(hosts, json!(["api.pal.example", "evil.example#", "nobody.example"]));
}
