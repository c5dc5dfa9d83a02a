//! A connection's life as the API tells it: renewed on demand, tested, and ended by the provider's word.

use std::time::Duration;

use hitchpost::{
    engine::RefreshError,
    model::{ConnectionId, ConnectionState, DisconnectReason},
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{super::app::Page, stage::Stage};

/// Posts to one verb of a connection as `customer`.
async fn post(stage: &Stage, customer: &str, selector: &str, verb: &str) -> Page {
    let path = format!("/connections/{selector}/{verb}");
    stage.app.browser().api(Method::POST, &path, &stage.app.token(customer)).await
}

async fn tested(stage: &Stage, id: ConnectionId) -> Value {
    let answer = post(stage, "c1", &id.to_string(), "test").await;
    answer.assert_status(StatusCode::OK);
    answer.json()
}

async fn refreshed(stage: &Stage, id: ConnectionId) -> Page {
    post(stage, "c1", &id.to_string(), "refresh-credentials").await
}

#[tokio::test]
async fn credentials_are_renewed_on_demand_and_not_again_within_ten_seconds() {
    let mut stage = Stage::new("airtable").await;
    let (scope, id) = stage.connected("oauth2", &[]).await;
    let before = stage.app.engine.fresh(scope, id).await.unwrap().access_token.unwrap();

    let renewed = refreshed(&stage, id).await;
    let at_once = refreshed(&stage, id).await;

    renewed.assert_status(StatusCode::OK);
    let connection = renewed.json();
    assert_eq!((&connection["id"], &connection["connected"]), (&json!(id), &json!(true)));
    assert_eq!((&connection["canTest"], &connection["canRefreshCredentials"]), (&json!(true), &json!(true)));
    assert!(connection["nextCredentialsRefreshAt"].is_string());
    let after = stage.app.engine.fresh(scope, id).await.unwrap().access_token.unwrap();
    assert_ne!(before.expose(), after.expose());
    at_once.assert_error(StatusCode::TOO_MANY_REQUESTS, "too_soon");
    assert_eq!(at_once.json()["key"], "rate_limit_exceeded");
    let wait: u64 = at_once.header("retry-after").parse().unwrap();
    assert!((1..=10).contains(&wait), "{wait}");
    assert_eq!(stage.relay.count("airtable", "token_refresh").await, 1);
    stage.app.clock.advance(Duration::from_secs(10));
    refreshed(&stage, id).await.assert_status(StatusCode::OK);
}

/// Acceptance 23.
#[tokio::test]
async fn somebody_elses_connection_reads_like_an_unknown_one() {
    let mut stage = Stage::new("airtable").await;
    let (_, id) = stage.connected("oauth2", &[]).await;
    stage.app.signed_in("c2").await;
    let nobodys = "0190a000-0000-7000-8000-000000000000";

    for verb in ["refresh-credentials", "test"] {
        let others = post(&stage, "c2", &id.to_string(), verb).await;
        let unknown = post(&stage, "c2", nobodys, verb).await;

        others.assert_error(StatusCode::NOT_FOUND, "not_found");
        assert_eq!((others.status, &others.body), (unknown.status, &unknown.body), "{verb}");
    }
    assert_eq!(stage.relay.count("airtable", "token_refresh").await, 0);
}

/// Acceptance 20: passing trouble is told and ends nothing.
#[tokio::test]
async fn a_provider_in_trouble_is_told_as_such() {
    let mut stage = Stage::new("airtable").await;
    let (scope, id) = stage.connected("oauth2", &[]).await;
    stage.relay.answer("/token", 1, 503, json!({}));

    let refused = refreshed(&stage, id).await;

    refused.assert_error(StatusCode::SERVICE_UNAVAILABLE, "provider_unreachable");
    assert_eq!(refused.json()["type"], "dependency_error");
    assert_eq!(refused.header("retry-after"), "30");
    let listed = &stage.app.connections("c1").await[0];
    assert_eq!((&listed["retryAttempts"], &listed["disconnected"]), (&json!(1), &json!(false)));
    stage.app.engine.fresh(scope, id).await.unwrap();
}

/// Acceptance 20: the provider's word ends it, and everywhere says why and what to do.
#[tokio::test]
async fn a_disconnected_connection_says_why_and_what_to_do() {
    let mut stage = Stage::new("airtable").await;
    let (_, id) = stage.connected("oauth2", &[]).await;
    stage.relay.answer("/token", 1, 400, json!({ "error": "invalid_grant" }));

    let ended = refreshed(&stage, id).await;
    let again = refreshed(&stage, id).await;

    for answer in [ended, again] {
        answer.assert_error(StatusCode::CONFLICT, "grant_revoked");
        let said = answer.json();
        assert_eq!((&said["type"], &said["key"]), (&json!("connection"), &json!("connection_is_defunct")));
        assert_eq!(said["message"], "Airtable no longer accepts this connection.");
    }
    let listed = &stage.app.connections("c1").await[0];
    let step = "Reconnect Airtable to go on. Nothing else has to be set up again.";
    assert_eq!(listed["error"]["data"], json!({ "reason": "grant_revoked", "nextStep": step }));
    assert_eq!((&listed["canTest"], &listed["canRefreshCredentials"]), (&json!(false), &json!(false)));
    let tested = tested(&stage, id).await;
    assert_eq!((&tested["ok"], &tested["error"]["data"]["reason"]), (&json!(false), &json!("grant_revoked")));
    assert_eq!(tested["error"]["data"]["nextStep"], step);
}

#[tokio::test]
async fn what_cannot_be_renewed_says_so() {
    let mut stage = Stage::new("stripe").await;
    let (_, id) = stage.connected("api-key", &[("api_key", "sk_test_sandbox")]).await;

    let refused = refreshed(&stage, id).await;

    refused.assert_error(StatusCode::BAD_REQUEST, "not_renewable");
    assert_eq!(stage.app.connections("c1").await[0]["canRefreshCredentials"], false);
}

#[tokio::test]
async fn a_test_says_whose_account_it_is() {
    let mut stage = Stage::new("airtable").await;
    let (_, id) = stage.connected("oauth2", &[]).await;

    let said = tested(&stage, id).await;

    let known = stage.app.connections("c1").await[0]["name"].clone();
    assert_eq!((&said["ok"], &said["account"]["label"]), (&json!(true), &known));
}

/// Acceptance 78, for the test call: one refresh, one more try.
#[tokio::test]
async fn a_test_with_a_rejected_token_renews_it_once() {
    let mut stage = Stage::new("airtable").await;
    let (_, id) = stage.connected("oauth2", &[]).await;
    stage.relay.answer("/meta/whoami", 1, 401, json!({}));

    let said = tested(&stage, id).await;

    assert_eq!(said["ok"], true);
    assert_eq!(stage.relay.count("airtable", "token_refresh").await, 1);
}

/// Security F5.
#[tokio::test]
async fn a_renewed_token_that_is_rejected_too_ends_the_connection_after_one_refresh() {
    let mut stage = Stage::new("airtable").await;
    let (scope, id) = stage.connected("oauth2", &[]).await;
    stage.relay.answer("/meta/whoami", 9, 401, json!({}));

    let first = tested(&stage, id).await;
    let second = tested(&stage, id).await;

    assert_eq!((&first["ok"], &first["error"]["key"]), (&json!(false), &json!("test_failed")));
    assert_eq!(second["error"]["data"]["reason"], "credentials_rejected");
    let ended = ConnectionState::Disconnected(DisconnectReason::CredentialsRejected);
    assert_eq!(stage.connection(scope, id).await.state, ended);
    assert_eq!(stage.relay.count("airtable", "token_refresh").await, 1);
}

#[tokio::test]
async fn a_key_that_is_rejected_ends_the_connection_and_one_that_may_not_do_this_does_not() {
    for (status, connected) in [(401, false), (403, true), (500, true), (429, true)] {
        let mut stage = Stage::new("stripe").await;
        let (_, id) = stage.connected("api-key", &[("api_key", "sk_test_sandbox")]).await;
        stage.relay.answer("/v1/account", 1, status, json!({}));

        let said = tested(&stage, id).await;

        assert_eq!(said["ok"], false, "{status}");
        assert_eq!(stage.app.connections("c1").await[0]["connected"], connected, "{status}");
    }
}

/// Security F7: a provider in trouble is not asked by every caller, and not before its own time.
#[tokio::test]
async fn callers_do_not_crowd_a_provider_in_trouble() {
    let mut stage = Stage::new("airtable").await;
    let (scope, id) = stage.connected("oauth2", &[]).await;
    stage.wait();
    stage.relay.take();
    stage.relay.answer("/token", 1000, 503, json!({}));

    for _ in 0..3 {
        let callers = (0..100).map(|_| stage.app.engine.fresh(scope, id));
        for answer in futures_util::future::join_all(callers).await {
            assert!(matches!(answer, Err(RefreshError::Transient)));
        }
        assert_eq!(stage.relay.take().len(), 1, "one for a hundred");
        stage.app.engine.refresh_due().await.unwrap();
        assert_eq!(stage.relay.take().len(), 0, "nor by the background");
        stage.app.clock.advance(Duration::from_secs(130));
    }
    let connection = stage.connection(scope, id).await;
    assert_eq!((connection.state, connection.retry_attempts), (ConnectionState::Ready, 3));
}

/// Acceptance 22, security I7: what was read a moment ago opens nothing any more.
#[tokio::test]
async fn nothing_is_handed_out_once_a_delete_was_acknowledged() {
    let mut stage = Stage::new("linear").await;
    let (scope, id) = stage.connected("oauth2", &[]).await;
    stage.app.engine.fresh(scope, id).await.unwrap();

    stage.delete().await;

    assert!(matches!(stage.app.engine.fresh(scope, id).await, Err(RefreshError::NotFound)));
    stage.relay.take();
    let again = post(&stage, "c1", &id.to_string(), "test").await;
    assert_ne!(again.status, StatusCode::OK);
    assert!(stage.relay.take().is_empty(), "nothing is called any more");
}

/// Acceptance 22: a provider that asks to wait is asked once more.
#[tokio::test]
async fn a_delete_gives_the_grant_back_also_when_the_provider_is_busy_at_first() {
    let mut stage = Stage::new("linear").await;
    stage.connected("oauth2", &[]).await;
    stage.relay.answer("/oauth/revoke", 2, 503, json!({}));

    stage.delete().await;

    for _ in 0..100 {
        if stage.relay.count("linear", "revoke").await > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the grant was not given back in ten seconds");
}
