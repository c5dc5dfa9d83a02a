//! What single apps do, and nobody else.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hitchpost::{
    engine::RefreshError,
    model::{ConnectionState, DisconnectReason, Surface},
};
use reqwest::StatusCode;
use serde_json::{Value, json};
use url::Url;

use super::stage::Stage;

/// Member 0 or 1 of a signed token: header or claims.
fn part(token: &str, place: usize) -> Value {
    let part = token.split('.').nth(place).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// Goes to the provider's page and says yes there; comes back with where the browser is sent.
async fn answered(stage: &mut Stage, typed: &[(&str, &str)]) -> Url {
    let left = stage.start("oauth2", typed).await;
    let said = stage.browser.consent(&left.location(), &[]).await;
    Url::parse(&said.location()).unwrap()
}

fn with(address: &Url, change: impl Fn(&str, String) -> String) -> Url {
    let mut changed = address.clone();
    let pairs: Vec<_> = address.query_pairs().into_owned().collect();
    let pairs = pairs.into_iter().map(|(name, value)| (name.clone(), change(&name, value)));
    changed.query_pairs_mut().clear().extend_pairs(pairs);
    changed
}

/// Signs as Shopify does: the other parameters, sorted.
fn signed(address: &Url) -> Url {
    let mut pairs: Vec<_> = address.query_pairs().into_owned().filter(|(name, _)| name != "hmac").collect();
    pairs.sort();
    let text: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"sandbox-secret-shopify");
    let tag = hmac::sign(&key, text.join("&").as_bytes());
    let tag: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    with(address, |name, value| if name == "hmac" { tag.clone() } else { value })
}

/// Security O8: the answer is Shopify's, whole, and about the shop that was asked.
#[tokio::test]
async fn a_shopify_callback_that_was_touched_or_is_about_another_shop_is_refused_before_its_code_is_used() {
    const SIGNATURE: &str = "The answer is not signed as it should be";
    const SHOP: &str = "The answer is about another account than the one you named";
    type Touch = fn(&Url) -> Url;
    let touches: [(&str, Touch, &str); 6] = [
        (
            "another code",
            |address| with(address, |name, value| if name == "code" { "x".repeat(43) } else { value }),
            SIGNATURE,
        ),
        (
            "another hmac",
            |address| with(address, |name, value| if name == "hmac" { "0".repeat(64) } else { value }),
            SIGNATURE,
        ),
        (
            "no hmac",
            |address| with(address, |name, value| if name == "hmac" { String::new() } else { value }),
            SIGNATURE,
        ),
        (
            "one more parameter",
            |address| {
                let mut more = address.clone();
                more.query_pairs_mut().append_pair("host", "x");
                more
            },
            SIGNATURE,
        ),
        (
            "another shop",
            |address| {
                with(
                    address,
                    |name, value| if name == "shop" { "evil.myshopify.com".to_owned() } else { value },
                )
            },
            SIGNATURE,
        ),
        (
            "another shop, signed",
            |address| {
                signed(&with(
                    address,
                    |name, value| if name == "shop" { "evil.myshopify.com".to_owned() } else { value },
                ))
            },
            SHOP,
        ),
    ];
    for (case, touch, sentence) in touches {
        let mut stage = Stage::new("shopify").await;
        let address = answered(&mut stage, &[("shop", "acme")]).await;

        let arrived = stage.browser.get(touch(&address).as_str()).await;

        let told = stage.told(&arrived).await;
        assert!(told.body.contains(sentence), "{case}: {}", told.body);
        assert!(stage.app.connections("c1").await.is_empty(), "{case}");
        assert!(stage.relay.take().is_empty(), "{case}: nothing was called");
    }
    let mut stage = Stage::new("shopify").await;
    let address = answered(&mut stage, &[("shop", "acme")]).await;
    let arrived = stage.browser.get(signed(&address).as_str()).await;
    stage.assert_connected("oauth2", &arrived).await;
}

/// Slack says no in a 200.
#[tokio::test]
async fn a_slack_refresh_that_fails_inside_a_200_disconnects() {
    for code in ["token_revoked", "invalid_refresh_token"] {
        let mut stage = Stage::new("slack").await;
        let connection @ (scope, id) = stage.connected("oauth2", &[]).await;
        stage.relay.answer("/api/oauth.v2.access", 1, 200, json!({ "ok": false, "error": code }));

        let tried = stage.renewed(connection).await;

        let gone = DisconnectReason::GrantRevoked;
        assert!(
            matches!(tried, Err(RefreshError::Disconnected(reason)) if reason == gone),
            "{code}: {:?}",
            tried.err()
        );
        assert_eq!(stage.connection(scope, id).await.state, ConnectionState::Disconnected(gone), "{code}");
    }
}

/// The same with nobody in between: the customer removed the app at Slack.
#[tokio::test]
async fn a_slack_app_that_was_removed_disconnects() {
    let mut stage = Stage::new("slack").await;
    let connection = stage.connected("oauth2", &[]).await;
    let mut revoke = stage.check(connection).await;
    revoke.path = "/api/auth.revoke".to_owned();
    assert_eq!(stage.relay.again(&revoke).await.0, StatusCode::OK);

    let tried = stage.renewed(connection).await;

    assert!(
        matches!(tried, Err(RefreshError::Disconnected(DisconnectReason::GrantRevoked))),
        "{:?}",
        tried.err()
    );
}

/// A passing trouble that Slack tells in a 200 is no word about the grant.
#[tokio::test]
async fn a_slack_refresh_that_fails_for_another_reason_disconnects_nobody() {
    for code in ["internal_error", "fatal_error", "service_unavailable", "ratelimited", "bad_client_secret"] {
        let mut stage = Stage::new("slack").await;
        let connection @ (scope, id) = stage.connected("oauth2", &[]).await;
        stage.relay.answer("/api/oauth.v2.access", 1, 200, json!({ "ok": false, "error": code }));

        let tried = stage.renewed(connection).await;

        assert!(matches!(tried, Err(RefreshError::Transient)), "{code}: {:?}", tried.err());
        stage.app.clock.advance(Duration::from_secs(30));
        stage.app.engine.fresh(scope, id).await.unwrap();
    }
}

/// The person's token is one level deeper in the first reply, and at the top of the next.
#[tokio::test]
async fn a_slack_person_connects_with_other_scopes_than_the_app() {
    for (option, param) in [("oauth2", "scope"), ("oauth2-user", "user_scope")] {
        let mut stage = Stage::new("slack").await;
        let left = stage.start(option, &[]).await;
        let address = Url::parse(&left.location()).unwrap();

        let asked: Vec<_> =
            address.query_pairs().into_owned().filter(|(name, _)| name.ends_with("scope")).collect();

        assert_eq!(asked, [(param.to_owned(), "channels:read,chat:write".to_owned())]);
    }
}

/// TikTok calls the client's id its key, everywhere.
#[tokio::test]
async fn a_tiktok_client_is_named_by_its_key_in_every_call() {
    let mut stage = Stage::new("tiktok").await;
    let left = stage.start("oauth2", &[]).await;
    let address = Url::parse(&left.location()).unwrap();
    let named = |name: &str| {
        address.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
    };
    assert_eq!((named("client_key").as_deref(), named("client_id")), (Some("sandbox-tiktok"), None));

    let arrived = stage.go_on("oauth2", left, &[]).await;
    stage.assert_connected("oauth2", &arrived).await;
    let connection = stage.only().await;
    stage.renewed(connection).await.unwrap();
    stage.delete().await;

    let calls = stage.relay.take();
    let calls: Vec<_> = calls.iter().filter(|call| call.path.starts_with("/v2/oauth/")).collect();
    assert_eq!(calls.len(), 4, "code, refresh, two revokes");
    for call in calls {
        assert_eq!(call.param("client_key").as_deref(), Some("sandbox-tiktok"), "{}", call.path);
        assert_eq!(call.param("client_id"), None, "{}", call.path);
    }
}

/// Apple's client secret is a token that is signed when it is needed. The two calls that give one grant
/// back share it.
#[tokio::test]
async fn an_apple_client_secret_is_signed_anew_for_code_renewal_and_revoke() {
    let mut stage =
        Stage::with("apple", "connector_parameters = { team_id = \"ABCDE12345\", key_id = \"KEYID67890\" },")
            .await;
    let connection = stage.connected("oauth2", &[]).await;
    stage.renewed(connection).await.unwrap();
    stage.delete().await;

    let calls = stage.relay.take();
    let mut secrets: Vec<_> = calls.iter().map(|call| call.param("client_secret").unwrap()).collect();
    assert_eq!(secrets.len(), 4, "code, refresh, two revokes");
    for secret in &secrets {
        assert_eq!(
            (&part(secret, 0)["alg"], &part(secret, 0)["kid"]),
            (&json!("ES256"), &json!("KEYID67890"))
        );
        let claims = part(secret, 1);
        assert_eq!(claims["iss"], "ABCDE12345");
        assert_eq!(
            (&claims["sub"], &claims["aud"]),
            (&json!("sandbox-apple"), &json!("https://appleid.apple.com"))
        );
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 300);
    }
    secrets.dedup();
    assert_eq!(secrets.len(), 3, "code, refresh, revoke: {secrets:?}");
    assert_eq!(stage.relay.count("apple", "signature_refused").await, 0);
}

/// Apple's answer is posted from its own site; nobody else's browser can bring it in.
#[tokio::test]
async fn an_apple_answer_that_is_posted_counts_only_in_the_browser_that_left() {
    let mut stage = Stage::new("apple").await;
    let left = stage.start("oauth2", &[]).await;
    let said = stage.browser.consent(&left.location(), &[]).await;
    let left_with = std::mem::replace(&mut stage.browser, stage.app.signed_in("c1").await);

    let arrived = stage.come_back(said).await;

    arrived.assert_status(StatusCode::FORBIDDEN);
    assert!(!left_with.cookies.is_empty());
    assert!(stage.app.connections("c1").await.is_empty());
    assert_eq!(stage.relay.count("apple", "token_code").await, 0);
}

/// Acceptance 42: `oauth_problem=user_refused` is a no.
#[tokio::test]
async fn a_customer_who_says_no_to_trello_is_told_so_and_nothing_is_traded() {
    let mut stage = Stage::new("trello").await;

    let arrived = stage.connect("oauth1", &[], &[("decision", "deny")]).await;

    stage.told(&arrived).await.assert_says("Trello was not connected: access was declined.");
    assert!(stage.app.connections("c1").await.is_empty());
    let counts = stage.relay.counts("trello").await;
    assert_eq!((&counts["request_token"], &counts["oauth1_token"]), (&json!(1), &json!(0)));
    stage.connected("oauth1", &[]).await;
}

/// The token call repeats what the callback brought, and the store is the one that was asked.
#[tokio::test]
async fn a_bigcommerce_token_call_repeats_context_and_scope_of_the_callback() {
    let mut stage = Stage::new("bigcommerce").await;
    stage.connected("oauth2", &[("store_hash", "abc123")]).await;

    let sent: Value = serde_json::from_str(&stage.call("/oauth2/token").body).unwrap();

    assert_eq!(sent["context"], "stores/abc123");
    assert_eq!(sent["scope"], "store_v2_information_read_only");

    let mut stage = Stage::new("bigcommerce").await;
    let address = answered(&mut stage, &[("store_hash", "abc123")]).await;
    let other =
        with(&address, |name, value| if name == "context" { "stores/evil".to_owned() } else { value });
    let arrived = stage.browser.get(other.as_str()).await;
    stage.told(&arrived).await.assert_says("The answer is about another account than the one you named");
    assert!(stage.relay.take().is_empty());
}

/// RFC 9126 §4: the browser carries a reference, once, and nothing that could be changed on the way.
#[tokio::test]
async fn a_pushed_request_leaves_nothing_in_the_address_but_its_reference() {
    for option in ["par", "par-signed"] {
        let mut stage = Stage::new("pushed").await;
        let left = stage.start(option, &[]).await;
        let address = Url::parse(&left.location()).unwrap();

        let names: Vec<_> = address.query_pairs().map(|(name, _)| name.into_owned()).collect();

        assert_eq!(names, ["client_id", "request_uri"], "{option}");
        let arrived = stage.go_on(option, left, &[]).await;
        stage.assert_connected(option, &arrived).await;
        assert_eq!(stage.relay.count("pushed", "par").await, 1, "{option}");
    }
}

/// RFC 7523 §3: an assertion is good once, so each call has its own.
#[tokio::test]
async fn a_signed_client_proves_itself_anew_in_each_call() {
    let mut stage = Stage::new("pushed").await;
    let connection = stage.connected("par-signed", &[]).await;
    stage.renewed(connection).await.unwrap();
    stage.delete().await;

    let calls = stage.relay.take();
    let mut ids: Vec<_> = calls
        .iter()
        .filter_map(|call| call.param("client_assertion"))
        .map(|assertion| part(&assertion, 1)["jti"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), 5, "pushed, code, refresh, two revokes");
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 5);
    assert!(calls.iter().all(|call| call.param("client_secret").is_none()), "the key never leaves");
}

/// Acceptance 39: the developer's API can verify whose call it is, with the workspace's secret.
#[tokio::test]
async fn a_token_for_the_developers_own_api_is_one_that_the_workspaces_secret_verifies() {
    for (option, header) in [("membrane-token", "authorization"), ("integration-app-token", "x-customer")] {
        let mut stage = Stage::new("own").await;
        let connection = stage.connected(option, &[]).await;

        let first = stage.check(connection).await.header(header).replace("Bearer ", "");
        let second = stage.check(connection).await.header(header).replace("Bearer ", "");

        assert_ne!(first, second, "{option}: made anew for each call");
        let customer = stage.app.engine.authenticate(&first, Surface::Page).await.unwrap().customer;
        assert_eq!(customer.internal_id, "c1", "{option}");
        let claims = part(&first, 1);
        assert_eq!((&claims["iss"], &claims["sub"]), (&json!("acme"), &json!("c1")), "{option}");
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 300, "{option}");
    }
}

/// What the developer's own page collected stands where the connector puts it, in every call.
#[tokio::test]
async fn what_the_developers_own_page_collected_opens_the_api() {
    let mut stage = Stage::new("own").await;

    let connection = stage.connected("proxy", &[]).await;

    let call = stage.check(connection).await;
    assert_eq!(
        (call.header("x-api-key"), call.param("team").as_deref()),
        ("sandbox-key", Some("sandbox-team"))
    );
}

/// A token for one call is made for that call.
#[tokio::test]
async fn a_token_that_is_signed_for_each_call_is_never_sent_twice() {
    let mut stage = Stage::new("signer").await;
    let connection = stage.connected("each-call", &[]).await;

    let first = stage.check(connection).await.header("authorization").to_owned();
    let second = stage.check(connection).await.header("authorization").to_owned();

    assert_ne!(first, second);
    assert_eq!(part(&first, 1)["aud"], "signer");
}
