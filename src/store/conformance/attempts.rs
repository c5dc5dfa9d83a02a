//! What holds for attempts, from their ticket to their end.

use super::*;

pub(super) async fn a_state_is_taken_once_however_many_ask_at_once(store: &dyn Store) {
    let scope = furnished(store).await;
    let (attempt, ticket) = attempt(scope, None);
    let (state, binding) = (handle(), handle());
    store.add_attempt(&attempt, at(0)).await.unwrap();
    let sent =
        store.send_attempt_off(attempt.id, &request(), b"s", state.hash(), binding.hash(), at(1)).await;
    assert!(sent.unwrap());
    assert!(store.attempt_by_ticket(ticket.hash(), at(2)).await.unwrap().is_none(), "the ticket is spent");

    let takers = (0..50).map(|_| store.take_attempt(state.hash(), at(2)));
    let taken = futures_util::future::join_all(takers).await;

    let won: Vec<_> = taken.into_iter().filter_map(Result::unwrap).collect();
    assert_eq!(won.len(), 1);
    assert_eq!(won[0].state, AttemptState::Consumed);
    assert_eq!(won[0].binding_hash.as_deref(), Some(binding.hash().as_bytes().as_slice()));
}

pub(super) async fn an_attempt_ends_once_and_forgets_its_secrets(store: &dyn Store) {
    let scope = furnished(store).await;
    let (attempt, _) = attempt(scope, Some("request-1"));
    let result = handle();
    store.add_attempt(&attempt, at(0)).await.unwrap();
    let failure = Failure::new(FailureKey::TestFailed, "no");

    let other = Failure::new(FailureKey::Internal, "x");
    let first = store.fail_attempt(attempt.id, &failure, result.hash(), at(1)).await.unwrap();
    let second = store.fail_attempt(attempt.id, &other, handle().hash(), at(2)).await.unwrap();

    assert!(first && !second);
    let ended = store.attempt_by_result(result.hash(), at(3)).await.unwrap().unwrap();
    assert_eq!(ended.state, AttemptState::Failed(failure));
    assert_eq!(ended.sealed_secret, None);
    assert!(!store.consume_attempt(attempt.id, at(3)).await.unwrap());
    assert!(store.attempt_by_result(result.hash(), at(3 + 600)).await.unwrap().is_none());
}

pub(super) async fn an_answer_is_kept_with_the_attempt_that_left_for_it(store: &dyn Store) {
    let scope = furnished(store).await;
    let (new, _) = attempt(scope, None);
    let state = handle();
    store.add_attempt(&new, at(1)).await.unwrap();
    assert!(!store.park_attempt(new.id, Some(b"sealed"), b"early", at(2)).await.unwrap());
    let binding = handle().hash();
    store.send_attempt_off(new.id, &request(), b"sent", state.hash(), binding, at(2)).await.unwrap();

    let waiting = store.attempt_by_state(state.hash(), at(3)).await.unwrap().unwrap();
    let known = waiting.sealed_secret.as_deref();
    assert!(store.park_attempt(waiting.id, known, b"parked", at(3)).await.unwrap());
    assert!(!store.park_attempt(waiting.id, known, b"second", at(3)).await.unwrap());

    let taken = store.take_attempt(state.hash(), at(4)).await.unwrap().unwrap();
    assert_eq!(taken.sealed_secret.as_deref(), Some(b"parked".as_slice()));
    assert!(store.attempt_by_state(state.hash(), at(4)).await.unwrap().is_none());
    assert!(!store.park_attempt(new.id, Some(b"parked"), b"late", at(4)).await.unwrap());
}

pub(super) async fn a_choice_is_offered_after_the_answer_and_taken_once(store: &dyn Store) {
    let scope = furnished(store).await;
    let (new, _) = attempt(scope, None);
    let (ticket, state) = (handle(), handle());
    let choice = Choice { step: 0, items: vec![("1".to_owned(), "One".to_owned())] };
    let offered = AttemptRequest { choice: Some(choice), ..request() };
    store.add_attempt(&new, at(1)).await.unwrap();
    store.send_attempt_off(new.id, &request(), b"s", state.hash(), handle().hash(), at(2)).await.unwrap();
    assert!(!store.offer_choice(new.id, &offered, b"early", ticket.hash(), at(3)).await.unwrap());
    store.take_attempt(state.hash(), at(3)).await.unwrap().unwrap();

    assert!(store.offer_choice(new.id, &offered, b"tokens", ticket.hash(), at(4)).await.unwrap());

    let open = store.attempt_by_ticket(ticket.hash(), at(5)).await.unwrap().unwrap();
    assert_eq!(open.state, AttemptState::NeedsChoice);
    assert!(store.take_choice(handle().hash(), at(5)).await.unwrap().is_none());
    assert!(store.take_choice(ticket.hash(), at(600)).await.unwrap().is_none());
    let taken = store.take_choice(ticket.hash(), at(6)).await.unwrap().unwrap();
    assert_eq!(taken.sealed_secret.as_deref(), Some(b"tokens".as_slice()));
    assert!(store.take_choice(ticket.hash(), at(6)).await.unwrap().is_none());
    let made = connection(scope, Replacing::Existing);
    let done = store.complete_attempt(new.id, &made, handle().hash(), Actor::Customer, at(7)).await.unwrap();
    assert!(matches!(done, CompletedAttempt::Created(_)));
}

pub(super) async fn a_request_id_is_unique_for_one_customer(store: &dyn Store) {
    let scope = furnished(store).await;
    let other = Scope { workspace: acme(), customer: Some(customer(store, "c2").await.id) };
    store.add_attempt(&attempt(scope, Some("request-1")).0, at(0)).await.unwrap();

    let twice = store.add_attempt(&attempt(scope, Some("request-1")).0, at(1)).await;
    store.add_attempt(&attempt(other, Some("request-1")).0, at(1)).await.unwrap();

    assert!(matches!(twice, Err(StoreError::Conflict(_))));
    let mine = AttemptFilter { request_id: "request-1".to_owned(), scope: Some(scope) };
    let all = AttemptFilter { request_id: "request-1".to_owned(), scope: None };
    assert_eq!(store.attempts_by_request(&mine, at(2)).await.unwrap().len(), 1);
    assert_eq!(store.attempts_by_request(&all, at(2)).await.unwrap().len(), 2);
}

pub(super) async fn an_expired_ticket_opens_nothing(store: &dyn Store) {
    let scope = furnished(store).await;
    let (attempt, ticket) = attempt(scope, None);
    store.add_attempt(&attempt, at(0)).await.unwrap();

    assert!(store.attempt_by_ticket(ticket.hash(), at(599)).await.unwrap().is_some());
    assert!(store.attempt_by_ticket(ticket.hash(), at(600)).await.unwrap().is_none());
    let (state, binding) = (handle(), handle());
    let sent =
        store.send_attempt_off(attempt.id, &request(), b"s", state.hash(), binding.hash(), at(600)).await;
    assert!(!sent.unwrap());
}

pub(super) async fn a_choice_that_nobody_made_is_taken_once_when_its_time_is_over(store: &dyn Store) {
    let scope = furnished(store).await;
    let (new, _) = attempt(scope, None);
    let (ticket, state) = (handle(), handle());
    let choice = Choice { step: 0, items: vec![("1".to_owned(), "One".to_owned())] };
    let offered = AttemptRequest { choice: Some(choice), ..request() };
    store.add_attempt(&new, at(1)).await.unwrap();
    store.send_attempt_off(new.id, &request(), b"s", state.hash(), handle().hash(), at(2)).await.unwrap();
    store.take_attempt(state.hash(), at(3)).await.unwrap().unwrap();
    store.offer_choice(new.id, &offered, b"tokens", ticket.hash(), at(4)).await.unwrap();

    assert!(store.take_abandoned_choice(at(599)).await.unwrap().is_none());
    let abandoned = store.take_abandoned_choice(at(600)).await.unwrap().unwrap();

    assert_eq!(abandoned.sealed_secret.as_deref(), Some(b"tokens".as_slice()));
    assert!(store.take_abandoned_choice(at(600)).await.unwrap().is_none());
}
