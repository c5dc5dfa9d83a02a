//! A provider in trouble is waited for; one that says it is over is believed.

use std::time::Duration;

use hitchpost::{
    engine::RefreshError,
    model::{ConnectionState, DisconnectReason},
};
use serde_json::json;

use super::{
    PAYPAL, SERVICE,
    stage::{Choices, Stage},
};

const TYPED: Choices<'static> = &[("user", "ada"), ("password", "sandbox")];

/// Every auth type that renews, in each way that it does: a refresh token that stays, one that rotates,
/// a refresh as the file writes it, the first call made anew.
const RENEWING: [(&str, &str, Choices<'static>); 9] = [
    ("salesforce", "oauth2", &[]),
    ("quickbooks", "oauth2", &[]),
    ("pushed", "par-signed", &[]),
    ("github", "app", &[]),
    ("paypal", "client-credentials", &PAYPAL),
    ("machine", "es256", &[]),
    ("google-drive", "service-account", &SERVICE),
    ("signer", "bearer", &[]),
    ("typed", "token-exchange", TYPED),
];

/// The next try comes within this time.
const SOON: Duration = Duration::from_secs(30);

/// Acceptance 42: passing trouble never ends a connection, whatever the body says.
#[tokio::test]
async fn a_provider_that_cannot_renew_right_now_disconnects_nobody_and_a_later_try_succeeds() {
    for (key, option, typed) in RENEWING {
        let mut stage = Stage::new(key).await;
        let (scope, id) = stage.connected(option, typed).await;

        for (status, body) in
            [(503, json!({ "error": "invalid_grant" })), (429, json!({})), (502, json!("<html>"))]
        {
            stage.wait();
            stage.relay.answer("", 1, status, body);

            let tried = stage.app.engine.fresh(scope, id).await;

            let case = format!("{key}/{option} {status}: {:?}", tried.as_ref().err());
            assert!(matches!(tried, Err(RefreshError::Transient)), "{case}");
            let connection = stage.connection(scope, id).await;
            assert_eq!((connection.state, connection.retry_attempts), (ConnectionState::Ready, 1), "{case}");
            stage.app.clock.advance(SOON);
            stage.app.engine.fresh(scope, id).await.unwrap();
            assert_eq!(stage.connection(scope, id).await.retry_attempts, 0, "{case}");
            stage.app.engine.check(scope, id).await.unwrap();
        }
    }
}

/// RFC 6749 §5.2.
#[tokio::test]
async fn a_grant_that_is_gone_disconnects() {
    for (key, option, typed) in RENEWING {
        let mut stage = Stage::new(key).await;
        let connection @ (scope, id) = stage.connected(option, typed).await;
        let (status, body) = match (key, option) {
            // An installation that was taken away.
            ("github", _) => (404, json!({ "message": "Not Found", "status": "404" })),
            _ => (400, json!({ "error": "invalid_grant" })),
        };
        stage.relay.answer("", 1, status, body);

        let tried = stage.renewed(connection).await;

        let gone = DisconnectReason::GrantRevoked;
        assert!(
            matches!(tried, Err(RefreshError::Disconnected(reason)) if reason == gone),
            "{key}: {:?}",
            tried.err()
        );
        assert_eq!(stage.connection(scope, id).await.state, ConnectionState::Disconnected(gone), "{key}");
        stage.relay.take();
        assert!(stage.app.engine.check(scope, id).await.is_err(), "{key}");
        assert!(stage.relay.take().is_empty(), "{key}: nothing is called any more");
    }
}

/// The customer cannot mend the developer's client; what the customer typed only the customer can.
#[tokio::test]
async fn a_refused_client_disconnects_only_those_who_typed_it() {
    for (key, option, typed, ends) in [
        ("machine", "basic", &[][..], false),
        ("signer", "bearer", &[], false),
        ("salesforce", "oauth2", &[], false),
        ("github", "app", &[], false),
        ("paypal", "client-credentials", &PAYPAL, true),
        ("google-drive", "service-account", &SERVICE, true),
        ("typed", "token-exchange", TYPED, true),
    ] {
        let mut stage = Stage::new(key).await;
        let connection @ (scope, id) = stage.connected(option, typed).await;
        stage.relay.answer("", 1, 401, json!({ "error": "invalid_client" }));

        let tried = stage.renewed(connection).await;

        assert_eq!(matches!(tried, Err(RefreshError::Disconnected(_))), ends, "{key}/{option}");
        let state = stage.connection(scope, id).await.state;
        assert_eq!(state != ConnectionState::Ready, ends, "{key}/{option}");
    }
}

/// Acceptance 42.
#[tokio::test]
async fn a_provider_that_cannot_answer_connects_nothing_and_a_second_press_connects() {
    for (key, option, typed) in RENEWING {
        let mut stage = Stage::new(key).await;
        let path = match option {
            // The customer is still at our page when this provider is first asked.
            "par-signed" => "/token",
            _ => "",
        };
        stage.relay.answer(path, 1, 503, json!({}));

        let arrived = stage.connect(option, typed, &[]).await;

        stage.told(&arrived).await.assert_says("is not answering right now");
        assert!(stage.app.connections("c1").await.is_empty(), "{key}/{option}");
        stage.connected(option, typed).await;
    }
}
