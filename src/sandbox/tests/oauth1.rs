//! OAuth 1.0a, from the first call to the last.

use axum::http::{Method, StatusCode};
use url::Url;

use super::{
    player::{Callback, Player},
    stage::{Answer, OWN, Stage},
};
use crate::{
    catalog::connector::Request,
    protocol::{Call, oauth1::temporary_reply},
};

fn first(player: &Player<'_>) -> Call {
    let request: &Request = player.option.request_token.as_ref().expect("a first call");
    player.endpoint(request).call().expect("a call")
}

fn word<'a>(callback: &'a Callback, name: &str) -> Option<&'a str> {
    callback.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn assert_problem(answer: &Answer, problem: &str) {
    assert!(answer.text.starts_with(&format!("oauth_problem={problem}&")), "{}", answer.text);
    assert!(answer.header("www-authenticate").contains(&format!("oauth_problem=\"{problem}\"")));
    assert!(answer.status.is_client_error());
    assert_eq!(answer.header("date"), "Tue, 14 Nov 2023 22:13:20 GMT");
}

#[tokio::test]
async fn signed_calls_lead_to_an_account_by_each_method() {
    for (option, scope) in [("oauth1", "<code>read</code>"), ("plain", "by default")] {
        let stage = Stage::new();
        let board = stage.connector("board");
        let mut player = Player::new(&stage, &board, option);
        let url = player.authorize().await;
        let mut address = url.clone();
        address.query_pairs_mut().append_pair("scope", if option == "plain" { "" } else { "read" });

        let page = stage.get(&format!("/sandbox/{}", &address.as_str()[8..]), &[]).await;
        let callback = player.visit(&url, "bob", "allow").await;
        let call = player.token_call(&callback);
        let answer = player.send(call).await;
        let tokens = player.take(player.option.token.as_ref().expect("token"), &answer).expect("a token");
        let me = player.test().await;

        assert!(page.text.contains(scope), "{}", page.text);
        assert_eq!(word(&callback, "keep"), Some("me"));
        assert_eq!(answer.header("content-type"), "application/x-www-form-urlencoded");
        assert!(tokens.token_secret.is_some_and(|secret| secret.expose().len() == 43));
        assert_eq!(me.text_at("/id"), "sandbox-bob", "{}", me.text);
        assert_eq!(stage.stat("board", "request_token").await, 1);
        assert_eq!(stage.stat("board", "oauth1_token").await, 1);
        assert_eq!(stage.stat("board", "api_refused").await, 0);
    }
}

#[tokio::test]
async fn a_first_call_is_refused_for_each_thing_that_is_wrong_with_it() {
    let stage = Stage::new();
    let board = stage.connector("board");
    let mut player = Player::new(&stage, &board, "oauth1");
    player.prove("");
    let now = stage.now().seconds();
    let callback = [("oauth_callback", super::stage::CALLBACK)];
    let mut sent = async |extra: &[(&str, &str)], nonce: &str, time: i64| {
        let mut call = first(&player);
        player.sign_with(&mut call, extra, nonce, time);
        player.send(call).await
    };

    let good = sent(&callback, "n1", now).await;
    assert_problem(&sent(&callback, "n1", now).await, "nonce_used");
    assert_problem(&sent(&callback, "n2", now - 301).await, "timestamp_refused");
    assert_problem(&sent(&callback, "n3", now + 301).await, "timestamp_refused");
    assert_problem(&sent(&[], "n4", now).await, "parameter_absent");
    assert_problem(
        &sent(&[("oauth_callback", "https://evil.example/")], "n5", now).await,
        "parameter_rejected",
    );
    assert_problem(&sent(&[("oauth_callback", "oob")], "n6", now).await, "parameter_rejected");
    let unsigned = player.send(first(&player)).await;
    player.client.secret = Some(crate::model::Secret::from("sandbox-secret-other"));
    let mut forged = first(&player);
    player.sign(&mut forged, &callback);

    assert!(temporary_reply(&super::player::reply(&good), stage.now()).is_ok());
    assert_problem(&unsigned, "parameter_absent");
    assert_problem(&player.send(forged).await, "signature_invalid");
    assert_eq!(stage.stat("board", "nonce_replay").await, 1);
    assert_eq!(stage.stat("board", "signature_refused").await, 1);
}

#[tokio::test]
async fn the_customer_may_refuse_and_a_token_asks_once() {
    let stage = Stage::new();
    let board = stage.connector("board");
    let mut player = Player::new(&stage, &board, "oauth1");
    let url = player.authorize().await;
    let path = format!("/sandbox/{}", &url.as_str()[8..]);
    let page = stage.get(&path, &[]).await;
    let form = [("account", "bob"), ("scenario", "allow"), ("decision", "deny")];

    let denied = stage.answer(&page, &form, OWN).await;
    let allowed = player.visit(&url, "bob", "allow").await;
    let again = stage.get(&path, &[]).await;
    let unknown = stage.get("/sandbox/board.example/1/authorize?oauth_token=x&expiration=never", &[]).await;
    let bare = stage.get("/sandbox/board.example/1/authorize", &[]).await;

    assert_eq!(denied.sent_back("oauth_problem").as_deref(), Some("user_refused"));
    assert_eq!(denied.sent_back("oauth_token").as_deref(), word(&allowed, "oauth_token"));
    assert_eq!(denied.sent_back("oauth_verifier"), None);
    assert!(word(&allowed, "oauth_verifier").is_some());
    for page in [again, unknown, bare] {
        assert_eq!(page.status, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn a_temporary_token_wants_its_verifier_and_is_good_once() {
    let stage = Stage::new();
    let board = stage.connector("board");
    let mut player = Player::new(&stage, &board, "oauth1");
    let url = player.authorize().await;
    let early = player.token_call(&[("oauth_verifier".to_owned(), "x".to_owned())]);
    assert_problem(&player.send(early).await, "permission_unknown");
    let callback = player.visit(&url, "alice", "allow").await;

    let wrong = player.token_call(&[("oauth_verifier".to_owned(), "x".to_owned())]);
    let none = player.token_call(&[]);
    let good = player.token_call(&callback);
    let again = player.token_call(&callback);

    assert_problem(&player.send(wrong).await, "verifier_invalid");
    assert_problem(&player.send(none).await, "verifier_invalid");
    assert_eq!(player.send(good).await.status, StatusCode::OK);
    assert_problem(&player.send(again).await, "token_used");
    assert_eq!(stage.stat("board", "reuse_detected").await, 1);
}

#[tokio::test]
async fn query_and_form_are_signed_and_a_changed_one_is_refused() {
    let stage = Stage::new();
    let board = stage.connector("board");
    let mut player = Player::new(&stage, &board, "oauth1");
    player.connect("alice", "allow").await.expect("a token");
    let url = Url::parse("https://api.board.example/1/cards?q=a%20b%2Bc&q=%C3%BC").expect("an address");
    let params = [("name".to_owned(), "x & y".to_owned())];

    let mut good = Call::form(Method::POST, url.clone(), &params);
    player.sign(&mut good, &[]);
    let mut form = Call::form(Method::POST, url.clone(), &params);
    player.sign(&mut form, &[]);
    form.body = b"name=z".to_vec();
    let mut query = Call::form(Method::POST, url.clone(), &params);
    player.sign(&mut query, &[]);
    query.url.set_query(Some("q=other"));
    let mut path = Call::new(Method::GET, url);
    player.sign(&mut path, &[]);
    path.url.set_path("/1/boards");

    assert_eq!(player.send(good).await.status, StatusCode::OK);
    for call in [form, query, path] {
        let answer = player.send(call).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert!(answer.header("www-authenticate").contains("signature_invalid"));
    }
}

#[tokio::test]
async fn a_token_given_back_opens_nothing() {
    let stage = Stage::new();
    let board = stage.connector("board");
    let mut player = Player::new(&stage, &board, "oauth1");
    player.connect("alice", "allow").await.expect("a token");
    assert_eq!(player.test().await.status, StatusCode::OK);

    let revoke = player.endpoint(player.option.revoke.as_ref().expect("revoke")).call().expect("a call");
    let revoked = player.send(revoke).await;
    let after = player.test().await;

    assert_eq!(revoked.status, StatusCode::OK);
    assert_eq!(after.status, StatusCode::UNAUTHORIZED);
    assert!(after.header("www-authenticate").contains("token_revoked"));
}

#[tokio::test]
async fn typed_keys_and_tokens_are_checked_as_far_as_they_are_known() {
    let stage = Stage::new();
    let board = stage.connector("board");
    let with = async |values: &[(&str, &str)]| {
        let mut player = Player::new(&stage, &board, "static");
        for (name, value) in values {
            player.values.set(name, value);
        }
        stage.wait(std::time::Duration::from_secs(1));
        player.test().await
    };
    let known = [
        ("key", "sandbox-known-1"),
        ("key_secret", "sandbox-secret-known-1"),
        ("token", "sandbox-known-2"),
        ("token_secret", "sandbox-secret-known-2"),
    ];

    assert_eq!(with(&[]).await.status, StatusCode::OK);
    assert_eq!(with(&known).await.status, StatusCode::OK);
    let forged = with(&[known[0], known[1], known[2]]).await;
    let wrong_token = with(&[("token", "wrong")]).await;
    let wrong_key = with(&[("key", "wrong")]).await;
    let no_realm = {
        let mut player = Player::new(&stage, &board, "oauth1");
        player.token = Some(("t".to_owned(), "s".to_owned()));
        player.prove("");
        let url = Url::parse("https://static.board.example/me").expect("an address");
        let mut call = Call::new(Method::GET, url);
        player.sign(&mut call, &[]);
        player.send(call).await
    };

    for (answer, problem) in [
        (forged, "signature_invalid"),
        (wrong_token, "token_rejected"),
        (wrong_key, "consumer_key_unknown"),
        (no_realm, "signature_method_rejected"),
    ] {
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert!(answer.header("www-authenticate").contains(problem), "{problem}: {}", answer.text);
    }
}

#[tokio::test]
async fn chosen_failures_meet_the_token_call() {
    for (scenario, status) in
        [("token_500", StatusCode::INTERNAL_SERVER_ERROR), ("token_429", StatusCode::TOO_MANY_REQUESTS)]
    {
        let stage = Stage::new();
        let board = stage.connector("board");
        let mut player = Player::new(&stage, &board, "oauth1");
        let url = player.authorize().await;
        let callback = player.visit(&url, "alice", scenario).await;

        let call = player.token_call(&callback);

        assert_eq!(player.send(call).await.status, status);
    }
}
