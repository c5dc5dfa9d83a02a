//! What holds for the keys that verify a workspace's tokens.

use super::*;
use crate::model::Action;

async fn made(store: &dyn Store, kid: &str, now: Timestamp) -> bool {
    let id = uuid().to_string();
    store.add_workspace_key(&NewKey { id: &id, workspace: acme(), kid, pem: "a pem" }, now).await.unwrap()
}

async fn kept(store: &dyn Store, kid: &str) -> KeyRecord {
    let keys = store.workspace_keys(acme()).await.unwrap();
    keys.into_iter().find(|key| key.kid.as_deref() == Some(kid)).unwrap()
}

/// A plan that brings a public key beside the secret.
fn with_key(kid: &str) -> ApplyPlan {
    let mut plan = plan(&[]);
    let key = KeyPlan::Public { kid: Some(kid.to_owned()), pem: "its pem".to_owned() };
    plan.workspaces[0].keys.push(key);
    plan
}

async fn revision(store: &dyn Store) -> i64 {
    store.workspace(acme()).await.unwrap().unwrap().workspace.revision
}

pub(super) async fn a_key_has_a_name_of_its_own_and_every_process_reads_it(store: &dyn Store) {
    store.apply(&with_key("filed"), at(0)).await.unwrap();
    let before = revision(store).await;

    let (first, again, filed) =
        (made(store, "k1", at(1)).await, made(store, "k1", at(2)).await, made(store, "filed", at(3)).await);

    assert_eq!((first, again, filed), (true, false, false));
    assert_eq!(revision(store).await, before + 1, "what was refused changed nothing");
    let entry = store.workspace(acme()).await.unwrap().unwrap();
    let names = entry.keys.iter().filter_map(|stored| match &stored.key {
        KeyPlan::Public { kid, pem } => Some((kid.as_deref().unwrap(), pem.as_str(), stored.retires_at)),
        KeyPlan::Secret { .. } => None,
    });
    assert_eq!(names.collect::<Vec<_>>(), [("filed", "its pem", None), ("k1", "a pem", None)]);
}

pub(super) async fn a_key_ends_when_it_was_said_and_not_again(store: &dyn Store) {
    store.apply(&with_key("filed"), at(0)).await.unwrap();
    made(store, "k1", at(1)).await;
    let elsewhere = WorkspaceId::of("other");
    let retire =
        async |kid: &str, end, now| store.retire_workspace_key(acme(), kid, at(end), at(now)).await.unwrap();

    assert_eq!(retire("k1", 100, 10).await, Retiring::Until(at(100)));
    assert_eq!(retire("k1", 50, 20).await, Retiring::Until(at(50)));
    assert_eq!(retire("k1", 900, 50).await, Retiring::Over(at(50)));
    assert_eq!(retire("filed", 60, 50).await, Retiring::OfFile);
    assert_eq!(retire("nobody", 60, 50).await, Retiring::Unknown);
    let foreign = store.retire_workspace_key(elsewhere, "k1", at(60), at(40)).await.unwrap();

    assert_eq!((foreign, kept(store, "k1").await.retires_at), (Retiring::Unknown, Some(at(50))));
    assert_eq!(kept(store, "filed").await.retires_at, None);
    let filter =
        AuditFilter { action: Some(Action::WorkspaceKeyRetired), limit: 10, ..AuditFilter::default() };
    let audit = store.audit(Scope { workspace: acme(), customer: None }, &filter);
    assert_eq!(audit.await.unwrap().items.len(), 2);
}

pub(super) async fn applying_a_file_touches_its_own_keys_alone(store: &dyn Store) {
    store.apply(&with_key("filed"), at(0)).await.unwrap();
    made(store, "k1", at(1)).await;
    let (filed, mine) = (kept(store, "filed").await, kept(store, "k1").await);
    store
        .note_key_use(&[(filed.id.clone(), at(5)), (mine.id, at(6)), ("no such row".to_owned(), at(7))])
        .await
        .unwrap();
    store.note_key_use(&[(filed.id, at(4))]).await.unwrap();

    store.apply(&with_key("filed"), at(9)).await.unwrap();

    let (filed, mine) = (kept(store, "filed").await, kept(store, "k1").await);
    assert_eq!((filed.created_at, filed.last_used_at), (at(0), Some(at(5))), "the newest counts, and stays");
    assert_eq!((mine.of_file, mine.last_used_at), (false, Some(at(6))));
    store.apply(&with_key("another"), at(10)).await.unwrap();
    let keys = store.workspace_keys(acme()).await.unwrap();
    let names: Vec<_> = keys.iter().map(|key| key.kid.as_deref()).collect();
    assert_eq!(names, [None, Some("k1"), Some("another")]);
}
