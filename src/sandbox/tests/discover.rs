//! What an account has: one workspace, several, none.

use axum::http::StatusCode;

use super::{player::Player, stage::Stage};
use crate::protocol::discover::{Item, items};

async fn found(scenario: &str) -> (Vec<Item>, usize) {
    let stage = Stage::new();
    let many = stage.connector("many");
    let mut player = Player::new(&stage, &many, "oauth2");
    player.connect("bob", scenario).await.expect("tokens");
    let discover = &many.auth[0].discover[0];

    let answer = player.call(&discover.request).await;

    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(stage.stat("many", "discover").await, 1);
    let listed = answer.json()["data"]["orgs"].as_array().map(Vec::len);
    (items(discover, &answer.json()), listed.expect("a list"))
}

#[tokio::test]
async fn an_account_has_one_workspace_and_one_that_does_not_count() {
    let (items, listed) = found("allow").await;

    assert_eq!((items.len(), listed), (1, 2));
    assert_eq!((items[0].id.as_str(), items[0].label.as_str()), ("sandbox-bob", "Bob Example"));
    assert_eq!(items[0].kept["org"], "sandbox-bob");
}

#[tokio::test]
async fn an_account_with_several_has_two_to_choose_from() {
    let (items, _) = found("several").await;

    assert_eq!(items.len(), 2);
    assert_eq!((items[1].id.as_str(), items[1].label.as_str()), ("sandbox-bob-2", "Bob Example 2"));
    assert_eq!(items[1].kept["org"], "sandbox-bob-2");
}

#[tokio::test]
async fn an_account_may_have_none() {
    let (items, listed) = found("nowhere").await;

    assert_eq!((items.len(), listed), (0, 1));
}

#[tokio::test]
async fn what_is_discovered_has_to_come_with_every_other_call() {
    let stage = Stage::new();
    let many = stage.connector("many");
    let mut player = Player::new(&stage, &many, "oauth2");
    player.connect("alice", "allow").await.expect("tokens");

    let without = player.test().await;
    player.values.set("org", "sandbox-alice");
    let with = player.test().await;

    assert_eq!(without.status, StatusCode::UNAUTHORIZED);
    assert_eq!(with.text_at("/id"), "sandbox-alice");
}
