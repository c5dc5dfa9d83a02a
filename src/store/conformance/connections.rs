//! What holds for connections, their credentials and their parameters.

use super::*;

pub(super) async fn two_at_once_still_end_as_one_connection(store: &dyn Store) {
    let scope = furnished(store).await;
    let news: Vec<_> = (0..10).map(|_| connection(scope, Replacing::Existing)).collect();

    futures_util::future::join_all(news.iter().map(|new| completed(store, new))).await;

    let page = store.connections(scope, &ConnectionFilter { limit: 50, ..Default::default() }).await.unwrap();
    assert_eq!(page.items.len(), 1);
    let stored = store.credential(scope, page.items[0].id).await.unwrap().unwrap();
    assert_eq!(stored.version, 10);
    assert_eq!(stored.sealed, page.items[0].id.to_string().into_bytes(), "sealed for the row it landed in");
}

pub(super) async fn a_reconnect_keeps_the_id_and_refuses_another_account(store: &dyn Store) {
    let scope = furnished(store).await;
    let first = connected(store, scope).await;
    let mut as_bob = connection(scope, Replacing::Exactly(first.id));
    as_bob.account = Some(Account { id: "bob".to_owned(), label: None });

    let refused = completed(store, &as_bob).await;
    let renewed = completed(store, &connection(scope, Replacing::Exactly(first.id))).await;
    let gone =
        completed(store, &connection(scope, Replacing::Exactly(ConnectionId::from_uuid(uuid())))).await;

    assert!(matches!(refused, CompletedAttempt::OtherAccount));
    assert!(matches!(renewed, CompletedAttempt::Renewed(connection) if connection.id == first.id));
    assert!(matches!(gone, CompletedAttempt::TargetGone));
}

pub(super) async fn connector_parameters_live_with_the_connection_and_go_with_it(store: &dyn Store) {
    let scope = furnished(store).await;
    let made = connected(store, scope).await;
    let sealed = format!("parameters of {}", made.id).into_bytes();
    assert_eq!(made.connector_parameters["zone"], "eu");
    assert_eq!(made.sealed_parameters, Some(sealed));
    let mut other = connection(scope, Replacing::Exactly(made.id));
    other.connector_parameters.clear();
    other.seal_parameters = None;

    let CompletedAttempt::Renewed(renewed) = completed(store, &other).await else { panic!("not renewed") };

    assert!(renewed.connector_parameters.is_empty() && renewed.sealed_parameters.is_none());
    let again = connected(store, scope).await;
    store.archive(scope, again.id, Actor::Customer, at(9)).await.unwrap();
    let archived = store.connection(scope, again.id).await.unwrap().unwrap();
    assert!(archived.sealed_parameters.is_none());
}

pub(super) async fn nobody_sees_or_changes_what_is_out_of_scope(store: &dyn Store) {
    let scope = furnished(store).await;
    let mine = connected(store, scope).await;
    let others = [
        Scope { workspace: acme(), customer: Some(customer(store, "c2").await.id) },
        Scope { workspace: WorkspaceId::of("other"), customer: scope.customer },
        Scope { workspace: WorkspaceId::of("other"), customer: None },
    ];

    for other in others {
        assert!(store.connection(other, mine.id).await.unwrap().is_none());
        assert!(store.credential(other, mine.id).await.unwrap().is_none());
        let listed =
            store.connections(other, &ConnectionFilter { limit: 9, ..Default::default() }).await.unwrap();
        assert!(listed.items.is_empty());
        assert!(store.archive(other, mine.id, Actor::Customer, at(9)).await.unwrap().is_none());
        assert!(store.live(other, mine.id).await.unwrap().is_none());
        let wanted = LeaseRequest {
            scope: other,
            of: Renewable::Connection(mine.id),
            version: 1,
            owner: "somebody",
            most_unreported: None,
        };
        assert_eq!(store.take_lease(&wanted, at(9)).await.unwrap(), Leasing::Moved);
        let revoked = DisconnectReason::GrantRevoked;
        assert!(
            !store.disconnect(other, Renewable::Connection(mine.id), 1, None, revoked, at(9)).await.unwrap()
        );
        if other.workspace == acme() {
            let taken = completed(store, &connection(other, Replacing::Exactly(mine.id))).await;
            assert!(matches!(taken, CompletedAttempt::TargetGone));
        }
    }
    assert_eq!(store.connection(scope, mine.id).await.unwrap().unwrap().state, ConnectionState::Ready);
}

pub(super) async fn archiving_erases_and_is_done_once(store: &dyn Store) {
    let scope = furnished(store).await;
    let mine = connected(store, scope).await;

    let erased = store.archive(scope, mine.id, Actor::Customer, at(10)).await.unwrap();
    let again = store.archive(scope, mine.id, Actor::Customer, at(11)).await.unwrap();

    assert_eq!(erased.unwrap().sealed, mine.id.to_string().into_bytes());
    assert!(again.is_none());
    assert!(store.credential(scope, mine.id).await.unwrap().is_none());
    let kept = store.connection(scope, mine.id).await.unwrap().unwrap();
    assert_eq!(kept.state, ConnectionState::Archived(at(10)));
    assert!(kept.input.is_empty());
    let listed =
        store.connections(scope, &ConnectionFilter { limit: 9, ..Default::default() }).await.unwrap();
    assert!(listed.items.is_empty());
}

pub(super) async fn pages_go_on_where_the_last_one_ended(store: &dyn Store) {
    let scope = furnished(store).await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(connected(store, scope).await.id);
    }
    made.sort();
    made.reverse();

    let mut seen = Vec::new();
    let mut filter = ConnectionFilter { limit: 2, ..Default::default() };
    loop {
        let page = store.connections(scope, &filter).await.unwrap();
        seen.extend(page.items.iter().map(|connection| connection.id));
        filter.before = seen.last().copied();
        if !page.more {
            break;
        }
    }

    assert_eq!(seen, made);
}
