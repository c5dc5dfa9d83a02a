//! What holds for the upkeep of a store.

use super::*;

/// Attempts with ids that follow each other.
async fn attempts(store: &dyn Store, scope: Scope, seconds: std::ops::Range<i64>) -> Vec<Handle> {
    let mut tickets = Vec::new();
    for second in seconds {
        let (mut new, ticket) = attempt(scope, None);
        new.id = AttemptId::from_uuid(SystemEntropy::default().uuid(at(second)));
        store.add_attempt(&new, at(0)).await.unwrap();
        tickets.push(ticket);
    }
    tickets
}

/// Security D5.
pub(super) async fn the_oldest_attempts_that_wait_are_dropped(store: &dyn Store) {
    let scope = furnished(store).await;
    let other = Scope { workspace: acme(), customer: Some(customer(store, "c2").await.id) };
    let mine = attempts(store, scope, 0..5).await;
    let theirs = attempts(store, other, 10..14).await;
    let (one, two) = (scope.customer.unwrap(), other.customer.unwrap());

    let none = store.drop_oldest_attempts(acme(), one, (9, 5)).await.unwrap();
    let of_customer = store.drop_oldest_attempts(acme(), one, (9, 3)).await.unwrap();
    let of_workspace = store.drop_oldest_attempts(acme(), two, (5, 4)).await.unwrap();

    assert_eq!((none, of_customer, of_workspace), (0, 2, 2));
    let mut alive = Vec::new();
    for ticket in mine.iter().chain(&theirs) {
        alive.push(store.attempt_by_ticket(ticket.hash(), at(1)).await.unwrap().is_some());
    }
    assert_eq!(alive, [false, false, false, false, true, true, true, true, true]);
}

pub(super) async fn an_attempt_that_somebody_answered_is_not_dropped(store: &dyn Store) {
    let scope = furnished(store).await;
    let (mut new, _) = attempt(scope, None);
    new.id = AttemptId::from_uuid(SystemEntropy::default().uuid(at(0)));
    store.add_attempt(&new, at(0)).await.unwrap();
    assert!(store.consume_attempt(new.id, at(0)).await.unwrap());
    attempts(store, scope, 1..4).await;

    let dropped = store.drop_oldest_attempts(acme(), scope.customer.unwrap(), (100, 1)).await.unwrap();

    assert_eq!(dropped, 2);
    let result = handle();
    let failure = Failure::new(FailureKey::TestFailed, "no");
    store.fail_attempt(new.id, &failure, result.hash(), at(1)).await.unwrap();
    assert!(store.attempt_by_result(result.hash(), at(1)).await.unwrap().is_some());
}

pub(super) async fn a_store_that_can_be_written_says_so_and_how_large_it_is(store: &dyn Store) {
    store.try_writing().await.unwrap();
    store.try_writing().await.unwrap();

    let size = store.size().await.unwrap();

    assert!(size > 100_000 && size.is_multiple_of(4096), "{size}");
}
