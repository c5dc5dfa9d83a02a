//! When connections were last called through.

use super::*;

/// The newest time counts, an older one and an unknown id change nothing.
pub(super) async fn the_newest_call_is_noted(store: &dyn Store) {
    let scope = furnished(store).await;
    let id = connected(store, scope).await.id;
    let unknown = ConnectionId::from_uuid(uuid());

    store.note_active(&[(id, at(20)), (unknown, at(30))]).await.unwrap();
    store.note_active(&[(id, at(10))]).await.unwrap();
    store.note_active(&[]).await.unwrap();

    let found = store.connection(scope, id).await.unwrap().unwrap();
    assert_eq!(found.last_active_at, Some(at(20)));
}
