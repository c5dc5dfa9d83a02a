//! Swapped tokens, written refreshes, signed and posted callbacks, pushed requests, named addresses.

use axum::http::StatusCode;
use serde_json::json;

use super::{
    player::Player,
    stage::{CALLBACK, Stage},
};
use crate::protocol::{callback_signature::is_genuine, jwt};

fn shopper<'a>(stage: &'a Stage, swap: &'a crate::catalog::Connector) -> Player<'a> {
    let mut player = Player::new(stage, swap, "oauth2");
    player.values.set("shop", "acme");
    player
}

#[tokio::test]
async fn a_fresh_token_opens_nothing_before_it_is_swapped() {
    let stage = Stage::new();
    let swap = stage.connector("swap");
    let mut player = shopper(&stage, &swap);
    let url = player.authorize().await;
    let callback = player.visit(&url, "bob", "allow").await;
    let call = player.token_call(&callback);
    let fresh = player.send(call).await;
    player.take(swap.auth[0].token.as_ref().expect("token"), &fresh).expect("a token");

    let early = player.test().await;
    let exchange = swap.auth[0].exchange.as_ref().expect("exchange");
    let mut wrong = player.endpoint(exchange).call().expect("a call");
    wrong.url.set_query(Some(&wrong.url.query().expect("a query").replace("sandbox-secret-swap", "other")));
    let refused = player.send(wrong).await;
    let long = player.swap(exchange).await;
    let me = player.test().await;

    assert_eq!(early.status, StatusCode::UNAUTHORIZED);
    assert!(early.text_at("/message").contains("before it was swapped"), "{}", early.text);
    refused.assert_refused("invalid_client");
    assert_eq!(long.expires_at.map(|time| time.since(stage.now()).as_secs()), Some(5_184_000));
    assert_eq!(me.text_at("/id"), "sandbox-bob");
    assert_eq!(stage.stat("swap", "exchange").await, 2);
}

#[tokio::test]
async fn a_refresh_is_taken_as_written_and_by_the_token_it_names() {
    let stage = Stage::new();
    let swap = stage.connector("swap");
    let mut player = shopper(&stage, &swap);
    player.connect("alice", "allow").await.expect("tokens");
    let refresh =
        swap.auth[0].refresh.as_ref().and_then(|refresh| refresh.request.as_ref()).expect("refresh");
    let mut wrong = player.endpoint(refresh).call().expect("a call");
    wrong.url.set_query(Some(&wrong.url.query().expect("a query").replace("again", "once")));

    let refused = player.send(wrong).await;
    player.swap(refresh).await;

    refused.assert_refused("invalid_request");
    assert_eq!(player.test().await.status, StatusCode::OK);
    assert_eq!(stage.stat("swap", "token_refresh").await, 2);
}

#[tokio::test]
async fn a_callback_is_signed_matches_and_is_to_be_echoed() {
    let stage = Stage::new();
    let swap = stage.connector("swap");
    let mut player = shopper(&stage, &swap);
    let signature = swap.auth[0].callback.signature.as_ref().expect("a signature");
    for scenario in ["allow", "deny"] {
        let url = player.authorize().await;
        let callback = player.visit(&url, "alice", scenario).await;
        assert!(is_genuine(signature, "sandbox-secret-swap", &callback), "{callback:?}");
        assert!(!is_genuine(signature, "sandbox-secret-other", &callback));
    }
    let url = player.authorize().await;
    let callback = player.visit(&url, "alice", "allow").await;
    let without: Vec<_> = callback.iter().filter(|(name, _)| name != "context").cloned().collect();

    let missing = player.token_call(&without);
    let missing = player.send(missing).await;
    let good = player.token_call(&callback);
    let good = player.send(good).await;

    assert!(callback.contains(&("context".to_owned(), "stores/acme".to_owned())));
    missing.assert_refused("invalid_request");
    assert_eq!(missing.text_at("/error_description"), "context of the callback is not repeated.");
    assert_eq!(good.status, StatusCode::OK, "{}", good.text);
}

#[tokio::test]
async fn what_the_file_adds_to_the_address_has_to_be_there_and_a_stranger_gets_no_signature() {
    let stage = Stage::new();
    let swap = stage.connector("swap");
    let mut player = shopper(&stage, &swap);
    let url = player.authorize().await;
    let path = |from: &str, to: &str| format!("/sandbox/{}", url.as_str()[8..].replace(from, to));

    let online = stage.get(&path("offline", "online"), &[]).await;
    let stranger = stage.get(&path("sandbox-swap", "someone"), &[]).await;

    assert_eq!(online.sent_back("error_description").as_deref(), Some("access_type is not offline"));
    assert_eq!(stranger.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_kept_address_is_another_host_of_the_connector() {
    let stage = Stage::new();
    let swap = stage.connector("swap");
    let mut player = shopper(&stage, &swap);

    player.connect("alice", "allow").await.expect("tokens");

    let base = crate::catalog::Values::value(&player.values, "api_domain").map(|base| base.into_owned());
    assert_eq!(base.as_deref(), Some("https://sandbox.swap.example"));
}

#[tokio::test]
async fn a_posted_answer_waits_for_the_person_to_send_it_on() {
    let stage = Stage::new();
    let swap = stage.connector("swap");
    let mut player = Player::new(&stage, &swap, "form");
    let url = player.authorize().await;
    let page = stage.get(&format!("/sandbox/{}", &url.as_str()[8..]), &[]).await;
    let form = [("account", "bob"), ("scenario", "allow"), ("decision", "allow")];

    let answer = stage.answer(&page, &form, super::stage::OWN).await;
    let fields = answer.fields();
    let call = player.token_call(&fields);
    let tokens = player.send(call).await;

    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.text.contains("<form method=\"post\" action=\"http:&#x2f;&#x2f;localhost:7080"));
    assert!(answer.text.contains(">Continue</button>"));
    assert!(!answer.header("content-security-policy").contains("form-action"));
    assert_eq!(fields.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["code", "state"]);
    let id_token = tokens.text_at("/id_token");
    let claims = jwt_claims(&id_token);
    assert_eq!(claims["sub"], "sandbox-bob");
}

fn jwt_claims(token: &str) -> serde_json::Value {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    assert!(token.len() < jwt::MAX_TOKEN_BYTES);
    let claims = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    serde_json::from_slice(&claims.expect("claims")).expect("JSON")
}

#[tokio::test]
async fn a_pushed_request_is_good_once_and_for_a_minute() {
    let stage = Stage::new();
    let swap = stage.connector("swap");
    let mut player = Player::new(&stage, &swap, "form");
    let path = |url: &url::Url| format!("/sandbox/{}", &url.as_str()[8..]);
    let (used, late, other) = (player.authorize().await, player.authorize().await, player.authorize().await);

    let first = stage.get(&path(&used), &[]).await;
    let again = stage.get(&path(&used), &[]).await;
    let stranger = stage.get(&path(&other).replace("sandbox-swap", "someone"), &[]).await;
    let unpushed =
        stage.get(&format!("{}&response_type=code&redirect_uri={CALLBACK}", path(&late)), &[]).await;
    stage.wait(std::time::Duration::from_secs(60));
    let too_late = stage.get(&path(&late), &[]).await;

    assert_eq!(first.status, StatusCode::OK);
    for page in [again, stranger, unpushed, too_late] {
        assert_eq!(page.status, StatusCode::BAD_REQUEST);
    }
    assert_eq!(stage.stat("swap", "par").await, 3);
}

#[tokio::test]
async fn a_pushed_request_is_checked_when_it_is_pushed() {
    let stage = Stage::new();
    let swap = stage.connector("swap");
    let mut player = Player::new(&stage, &swap, "form");
    player.prove("");
    let secret = player.client.secret.as_ref().expect("a secret").expose().clone();
    let good = [
        ("response_type", "code"),
        ("redirect_uri", CALLBACK),
        ("state", "s"),
        ("response_mode", "form_post"),
        ("code_challenge", super::stage::CHALLENGE),
        ("code_challenge_method", "S256"),
        ("client_id", "sandbox-swap"),
        ("client_secret", secret.as_str()),
    ];
    let push = async |name: &str, value: &str| {
        let form: Vec<_> =
            good.iter().map(|(key, old)| (*key, if *key == name { value } else { old })).collect();
        stage.post_form("/sandbox/form.swap.example/par", &form, &[]).await
    };

    let fine = push("", "").await;
    push("client_secret", "sandbox-secret-swap").await.assert_refused("invalid_client");
    push("redirect_uri", "https://evil.example/").await.assert_refused("invalid_request");
    push("code_challenge", "short").await.assert_refused("invalid_request");
    push("response_type", "token").await.assert_refused("unsupported_response_type");
    push("response_mode", "query").await.assert_refused("invalid_request");

    assert_eq!(fine.status, StatusCode::CREATED);
    assert_eq!(fine.json()["expires_in"], 60);
    assert!(fine.text_at("/request_uri").starts_with("urn:ietf:params:oauth:request_uri:"));
}

#[tokio::test]
async fn a_provider_with_its_own_name_for_the_address_goes_back_to_the_registered_one() {
    let stage = Stage::new();
    let address = super::stage::authorize_at("/sandbox/named.swap.example/authorize", "sandbox-swap", "");
    let named = address.replace(
        &url::form_urlencoded::byte_serialize(CALLBACK.as_bytes()).collect::<String>(),
        "Acme-Acme-1",
    );
    assert!(named.contains("redirect_uri=Acme-Acme-1"));
    let registered = format!("{named}&sandbox_redirect_uri=http%3A%2F%2Flocalhost%3A7080%2Fback");

    let homeless = stage.get(&named, &[]).await;
    let answer = stage.consent(&registered, "alice", "allow").await;
    let code = answer.sent_back("code").expect("a code");
    let redeem = async |redirect: &str| {
        let mut form = super::stage::redemption(&code);
        form[2].1 = redirect;
        form[3].1 = "sandbox-swap";
        form[4].1 = "sandbox-secret-swap";
        stage.post_form("/sandbox/named.swap.example/token", &form, &[]).await
    };
    let other = redeem("http://localhost:7080/back").await;
    let same = redeem("Acme-Acme-1").await;

    assert_eq!(homeless.status, StatusCode::BAD_REQUEST);
    assert!(answer.location().as_str().starts_with("http://localhost:7080/back?code="));
    other.assert_refused("invalid_grant");
    assert_eq!(same.json()["api_domain"], json!("https://sandbox.swap.example"));
}
