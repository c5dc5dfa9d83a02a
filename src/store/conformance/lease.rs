//! What holds for renewals: one at a time, never under an old lease, and never sent again and again.

use super::*;

const ONE: &str = "one process";
const OTHER: &str = "another process";

fn request(scope: Scope, connection: &Connection, owner: &'static str) -> LeaseRequest<'static> {
    LeaseRequest {
        scope,
        of: Renewable::Connection(connection.id),
        version: 1,
        owner,
        most_unreported: Some(2),
    }
}

async fn taken(store: &dyn Store, request: &LeaseRequest<'_>, now: Timestamp) -> Lease {
    match store.take_lease(request, now).await.unwrap() {
        Leasing::Taken(lease) => lease,
        other => panic!("the lease is not free: {other:?}"),
    }
}

fn renewed() -> RefreshedCredential {
    RefreshedCredential { sealed: b"new".to_vec(), expires_at: Some(at(9000)), refresh_at: Some(at(8000)) }
}

async fn live(store: &dyn Store, scope: Scope, mine: &Connection) -> LiveConnection {
    store.live(scope, mine.id).await.unwrap().unwrap()
}

pub(super) async fn a_lease_is_one_processs_until_it_lapses(store: &dyn Store) {
    let scope = furnished(store).await;
    let mine = connected(store, scope).await;

    let asked =
        (0..20).map(|_| async { store.take_lease(&request(scope, &mine, ONE), at(10)).await.unwrap() });
    let asked = futures_util::future::join_all(asked).await;

    assert_eq!(asked.iter().filter(|leasing| matches!(leasing, Leasing::Taken(_))).count(), 1);
    assert_eq!(asked.iter().filter(|leasing| **leasing == Leasing::Held).count(), 19);
    assert_eq!(live(store, scope, &mine).await.leased_until, Some(at(40)));
    assert_eq!(live(store, scope, &mine).await.stored.refresh_sent_version, Some(1), "written ahead");
    assert_eq!(store.take_lease(&request(scope, &mine, OTHER), at(39)).await.unwrap(), Leasing::Held);
    let lapsed = taken(store, &request(scope, &mine, OTHER), at(40)).await;
    assert!(lapsed.is_again, "nobody knows what came of the first");
}

pub(super) async fn a_renewal_replaces_the_version_it_began_from_and_lets_go(store: &dyn Store) {
    let scope = furnished(store).await;
    let mine = connected(store, scope).await;
    let lease = taken(store, &request(scope, &mine, ONE), at(4)).await;

    assert!(store.store_refreshed(&lease, &renewed(), at(5)).await.unwrap());

    let stored = live(store, scope, &mine).await;
    assert_eq!((stored.stored.version, stored.stored.refresh_sent_version), (2, None));
    assert_eq!((stored.stored.sealed, stored.leased_until), (b"new".to_vec(), None));
    assert_eq!(stored.tried_at, Some(at(4)));
    assert_eq!(stored.connection.refresh_at, Some(at(8000)));
    let revoked = DisconnectReason::GrantRevoked;
    assert!(!store.store_refreshed(&lease, &renewed(), at(6)).await.unwrap());
    assert!(!store.note_refresh_failure(&lease, Some(at(9)), true).await.unwrap());
    assert!(!store.disconnect(scope, Renewable::Connection(mine.id), 1, None, revoked, at(7)).await.unwrap());
    assert_eq!(store.take_lease(&request(scope, &mine, ONE), at(8)).await.unwrap(), Leasing::Moved);
    let next = LeaseRequest { version: 2, ..request(scope, &mine, OTHER) };
    assert!(!taken(store, &next, at(9)).await.is_again, "the new version was never sent");
}

/// Security F4: whoever was asleep while its lease lapsed writes nothing.
pub(super) async fn whoever_lost_its_lease_writes_nothing(store: &dyn Store) {
    let scope = furnished(store).await;
    let mine = connected(store, scope).await;
    let asleep = taken(store, &request(scope, &mine, ONE), at(0)).await;
    let awake = taken(store, &request(scope, &mine, OTHER), at(31)).await;
    let revoked = DisconnectReason::GrantRevoked;

    let stored = store.store_refreshed(&asleep, &renewed(), at(60)).await.unwrap();
    let noted = store.note_refresh_failure(&asleep, Some(at(90)), false).await.unwrap();
    let ended = store
        .disconnect(scope, Renewable::Connection(mine.id), 1, Some(asleep.generation), revoked, at(60))
        .await
        .unwrap();

    assert_eq!((stored, noted, ended), (false, false, false));
    let kept = live(store, scope, &mine).await;
    assert_eq!((kept.stored.version, kept.connection.retry_attempts), (1, 0));
    assert_eq!(kept.leased_until, Some(at(61)), "the newer lease is untouched");
    assert!(store.store_refreshed(&awake, &renewed(), at(61)).await.unwrap());
}

/// Security I4: sent at most once more when nobody knows what came of it.
pub(super) async fn a_version_that_two_holders_left_without_a_word_is_not_sent_again(store: &dyn Store) {
    let scope = furnished(store).await;
    let mine = connected(store, scope).await;
    taken(store, &request(scope, &mine, ONE), at(0)).await;
    taken(store, &request(scope, &mine, ONE), at(30)).await;

    let third = store.take_lease(&request(scope, &mine, ONE), at(60)).await.unwrap();
    let again = store.take_lease(&request(scope, &mine, ONE), at(600)).await.unwrap();
    let harmless = LeaseRequest { most_unreported: None, ..request(scope, &mine, ONE) };

    assert_eq!((third, again), (Leasing::Spent, Leasing::Spent));
    let kept = live(store, scope, &mine).await;
    assert_eq!(kept.connection.refresh_at, Some(at(3600)), "looked at when the access token ends");
    assert!(store.due_refreshes(at(3599), 10, 10).await.unwrap().is_empty());
    assert!(taken(store, &harmless, at(601)).await.is_again);
}

pub(super) async fn a_lease_from_before_the_clock_was_set_back_has_lapsed(store: &dyn Store) {
    let scope = furnished(store).await;
    let mine = connected(store, scope).await;
    taken(store, &request(scope, &mine, ONE), at(365 * 24 * 3600)).await;

    let lease = taken(store, &request(scope, &mine, OTHER), at(0)).await;

    assert!(lease.is_again);
}

pub(super) async fn a_passing_failure_is_tried_again_later_and_lifts_the_mark_only_when_nothing_happened(
    store: &dyn Store,
) {
    let scope = furnished(store).await;
    let mine = connected(store, scope).await;

    for time in [0, 1, 2] {
        let lease = taken(store, &request(scope, &mine, ONE), at(time)).await;
        assert!(store.note_refresh_failure(&lease, Some(at(4000)), false).await.unwrap(), "a word each time");
    }
    let unknown = live(store, scope, &mine).await.stored.refresh_sent_version;
    let lease = taken(store, &request(scope, &mine, ONE), at(3)).await;
    assert!(store.note_refresh_failure(&lease, Some(at(5000)), true).await.unwrap());
    let known = live(store, scope, &mine).await.stored.refresh_sent_version;

    assert_eq!((unknown, known), (Some(1), None));
    assert!(store.due_refreshes(at(4999), 10, 10).await.unwrap().is_empty());
    let due = store.due_refreshes(at(5000), 10, 10).await.unwrap();
    assert_eq!((due.len(), due[0].connection, due[0].scope), (1, mine.id, scope));
    let read = live(store, scope, &mine).await;
    assert_eq!((read.connection.state, read.connection.retry_attempts), (ConnectionState::Ready, 4));
    assert_eq!(read.leased_until, None);
}

pub(super) async fn a_disconnected_connection_says_why_and_a_reconnect_heals_it(store: &dyn Store) {
    let scope = furnished(store).await;
    let mine = connected(store, scope).await;
    let reason = DisconnectReason::GrantRevoked;
    let lease = taken(store, &request(scope, &mine, ONE), at(4)).await;

    assert!(
        store
            .disconnect(scope, Renewable::Connection(mine.id), 1, Some(lease.generation), reason, at(5))
            .await
            .unwrap()
    );
    let broken = live(store, scope, &mine).await;
    completed(store, &connection(scope, Replacing::Existing)).await;
    let healed = live(store, scope, &mine).await;

    assert_eq!(broken.connection.state, ConnectionState::Disconnected(reason));
    assert_eq!((broken.leased_until, broken.connection.refresh_at), (None, None));
    assert_eq!((healed.connection.state, healed.tried_at), (ConnectionState::Ready, None));
    assert_eq!(store.due_refreshes(at(9999), 10, 10).await.unwrap().len(), 1);
}

pub(super) async fn a_reconnect_or_a_deletion_ends_the_lease(store: &dyn Store) {
    let scope = furnished(store).await;
    let mine = connected(store, scope).await;
    let before = taken(store, &request(scope, &mine, ONE), at(4)).await;

    completed(store, &connection(scope, Replacing::Exactly(mine.id))).await;

    assert!(!store.store_refreshed(&before, &renewed(), at(5)).await.unwrap());
    let next = LeaseRequest { version: 2, ..request(scope, &mine, OTHER) };
    let lease = taken(store, &next, at(5)).await;
    store.archive(scope, mine.id, Actor::Customer, at(6)).await.unwrap();
    assert!(!store.store_refreshed(&lease, &renewed(), at(7)).await.unwrap());
    assert!(store.live(scope, mine.id).await.unwrap().is_none());
    assert!(store.credential(scope, mine.id).await.unwrap().is_none(), "what was erased stays erased");
}

pub(super) async fn one_integrations_backlog_leaves_room_for_the_others(store: &dyn Store) {
    let scope = furnished(store).await;
    for _ in 0..5 {
        connected(store, scope).await;
    }
    let mut other = connection(scope, Replacing::Nothing);
    other.integration = IntegrationId::of(acme(), "github");
    other.refresh_at = Some(at(3001));
    completed(store, &other).await;

    let due = store.due_refreshes(at(4000), 3, 2).await.unwrap();

    let integrations: Vec<_> = due.iter().map(|due| due.integration).collect();
    let (hubspot, github) = (IntegrationId::of(acme(), "hubspot"), IntegrationId::of(acme(), "github"));
    assert_eq!(integrations, [hubspot, hubspot, github]);
}
