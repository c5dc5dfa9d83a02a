//! A connection stays with the account it was made with, wherever an app tells which one that is.

use super::stage::{Choices, Stage};

/// Presses Reconnect and signs in as somebody.
async fn reconnect(stage: &mut Stage, choices: Choices<'_>) -> super::super::app::Page {
    let page = stage.browser.get(&format!("/apps/{}", stage.key)).await;
    let left = stage.browser.press(&page, "reconnect").await;
    stage.go_on("oauth2", left, choices).await
}

/// The account stands in the test call (Salesforce), the token reply (Notion), a value that the callback
/// brought (QuickBooks) or the id token (Apple).
#[tokio::test]
async fn a_reconnect_with_another_account_changes_nothing_and_gives_its_tokens_back() {
    for (key, name, revokes) in [
        ("salesforce", "Salesforce", 2),
        ("notion", "Notion", 2),
        ("quickbooks", "QuickBooks Online", 2),
        ("apple", "Apple", 2),
    ] {
        let mut stage = Stage::new(key).await;
        let (scope, id) = stage.connected("oauth2", &[]).await;
        let before = stage.app.engine.fresh(scope, id).await.unwrap();

        let arrived = reconnect(&mut stage, &[("account", "bob")]).await;

        let told = stage.told(&arrived).await;
        told.assert_says(&format!("That is another {name} account than the one connected here"));
        assert_eq!(stage.only().await.1, id, "{key}");
        assert_eq!(stage.connection(scope, id).await.account.unwrap().id, "sandbox-alice", "{key}");
        let after = stage.app.engine.fresh(scope, id).await.unwrap();
        assert_eq!(after.to_bytes(), before.to_bytes(), "{key}");
        assert_eq!(stage.relay.count(key, "revoke").await, revokes, "{key}");
        stage.app.engine.check(scope, id).await.unwrap();
    }
}

/// Acceptance 28 and 31.
#[tokio::test]
async fn a_reconnect_with_the_same_account_brings_new_tokens_to_the_same_connection() {
    for key in ["salesforce", "notion", "quickbooks", "apple"] {
        let mut stage = Stage::new(key).await;
        let (scope, id) = stage.connected("oauth2", &[]).await;
        let before = stage.app.engine.fresh(scope, id).await.unwrap();

        let arrived = reconnect(&mut stage, &[("account", "alice")]).await;

        assert_eq!(arrived.location(), format!("/?notice=reconnected&app={key}"));
        assert_eq!(stage.only().await.1, id, "{key}");
        let after = stage.app.engine.fresh(scope, id).await.unwrap();
        assert_ne!(after.to_bytes(), before.to_bytes(), "{key}");
        stage.app.engine.check(scope, id).await.unwrap();
    }
}

/// The same person, but another site: what a connection is for would change under the product.
#[tokio::test]
async fn a_reconnect_that_picks_another_thing_changes_nothing() {
    let mut stage = Stage::new("jira").await;
    let (scope, id) = stage.connected("oauth2", &[]).await;
    let before = stage.connection(scope, id).await.account.unwrap();

    let asked = reconnect(&mut stage, &[("account", "alice"), ("scenario", "several")]).await;
    let page = stage.browser.get(&asked.location()).await;
    let other = page.body.split("name=\"item\" value=\"").skip(1).map(|rest| rest.split_once('"').unwrap().0);
    let other = other.map(str::to_owned).find(|item| !before.id.starts_with(&format!("{item}/"))).unwrap();
    let (action, mut fields) = page.form("choose");
    fields.remove("cancel");
    fields.insert("item".to_owned(), other);
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let arrived = stage.browser.post(&action, &fields).await;

    stage.told(&arrived).await.assert_says("That is another Jira account than the one connected here");
    assert_eq!(stage.connection(scope, id).await.account, Some(before));
    stage.app.engine.check(scope, id).await.unwrap();
}

/// Whoever cancels instead of choosing gives back what was granted.
#[tokio::test]
async fn a_choice_that_is_cancelled_connects_nothing_and_gives_the_tokens_back() {
    let mut stage = Stage::new("xero").await;
    let asked = stage.connect("oauth2", &[], &[("scenario", "several")]).await;
    let page = stage.browser.get(&asked.location()).await;
    let (action, fields) = page.form("choose");
    let ticket = [("ticket", fields["ticket"].as_str()), ("cancel", "1")];

    let arrived = stage.browser.post(&action, &ticket).await;

    stage.told(&arrived).await.assert_says("nothing was chosen");
    assert!(stage.app.connections("c1").await.is_empty());
    assert_eq!(stage.relay.count("xero", "revoke").await, 2);
    assert_eq!(stage.browser.post(&action, &ticket).await.location(), "/refused/not_open");
}
