//! Codes, refresh and revocation against `oidc-provider`.

use std::time::Duration;

use hitchpost::{engine::RefreshError, model::DisconnectReason};
use reqwest::StatusCode;

use super::{
    app::Page,
    certified::{ADA, CLIENT_ID, CLIENT_SECRET, started},
    provider::{Provider, accounts, assert_failed, connect},
};

/// Spends a refresh token behind Hitchpost's back.
async fn spend(provider: &Provider, token: &str) -> Page {
    let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
    provider.post_as((CLIENT_ID, CLIENT_SECRET), "/token", &form).await
}

#[tokio::test]
async fn code_with_pkce_refresh_with_rotation_and_revocation() {
    let (app, provider) = started().await;
    let (scope, id) = connect(&app, &provider, "certified", ADA).await;
    assert_eq!(accounts(&app).await, ["ada"], "the account behind the connection is known");
    let first = app.engine.fresh(scope, id).await.unwrap();

    app.clock.advance(Duration::from_secs(2 * 60 * 60));
    let second = app.engine.fresh(scope, id).await.unwrap();

    let (old, new) = (first.refresh_token.unwrap(), second.refresh_token.unwrap());
    assert_ne!(old.expose(), new.expose(), "the provider rotates");
    assert_eq!(provider.counted(["code", "refresh", "refused"]).await, [1, 1, 0]);

    let mut browser = app.signed_in("c1").await;
    let page = browser.get("/apps/certified").await;
    browser.press(&page, "delete").await.assert_status(StatusCode::SEE_OTHER);
    assert_eq!(provider.counted(["revocation"]).await, [2]);
    assert_eq!(spend(&provider, new.expose()).await.json()["error"], "invalid_grant");
}

#[tokio::test]
async fn a_hundred_callers_with_one_expired_token_cause_one_refresh_there() {
    let (app, provider) = started().await;
    let (scope, id) = connect(&app, &provider, "certified", ADA).await;

    for round in 1..=50_u64 {
        app.clock.advance(Duration::from_secs(2 * 60 * 60));
        let fresh = futures_util::future::join_all((0..100).map(|_| app.engine.fresh(scope, id))).await;
        let tokens: Vec<_> =
            fresh.into_iter().map(|fresh| fresh.unwrap().access_token.unwrap().expose().clone()).collect();
        assert!(tokens.iter().all(|token| *token == tokens[0]));
        assert_eq!(provider.counted(["refresh"]).await, [round]);
    }

    assert_eq!(provider.counted(["refused", "reuse"]).await, [0, 0]);
}

#[tokio::test]
async fn a_refresh_token_used_behind_our_back_ends_the_connection_honestly_and_a_reconnect_heals_it() {
    let (app, provider) = started().await;
    let (scope, id) = connect(&app, &provider, "certified", ADA).await;
    let stolen = app.engine.fresh(scope, id).await.unwrap().refresh_token.unwrap();
    spend(&provider, stolen.expose()).await.assert_status(StatusCode::OK);

    app.clock.advance(Duration::from_secs(2 * 60 * 60));
    let ended = app.engine.fresh(scope, id).await;

    assert!(matches!(ended, Err(RefreshError::Disconnected(DisconnectReason::GrantRevoked))));
    let (_, again) = connect(&app, &provider, "certified", ADA).await;
    assert_eq!(again, id, "the same connection, with new credentials");
    app.engine.fresh(scope, id).await.unwrap();
}

#[tokio::test]
async fn a_customer_who_declines_there_is_told_so_here() {
    let (app, provider) = started().await;
    let mut browser = app.signed_in("c1").await;
    let left = browser.submit("certified", &[]).await.location();
    let mut person = provider.browser();
    let first = person.get(&left).await;
    let asked = first.url.join(first.header("location")).unwrap();
    let page = person.get(asked.as_str()).await;
    let abort =
        page.body.split('"').find(|part| part.ends_with("/abort")).expect("a way to decline").to_owned();
    let mut answer = person.get(page.url.join(&abort).unwrap().as_str()).await;
    for _ in 0..4 {
        let next = answer.url.join(answer.header("location")).unwrap();
        if next.path().starts_with("/oauth/callback/") {
            break;
        }
        answer = person.get(next.as_str()).await;
    }

    let answer = browser.get(answer.header("location")).await;

    assert_failed(&app, &mut browser, answer, "access was declined").await;
}
