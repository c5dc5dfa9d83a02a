//! What holds for customers, as the product's backend keeps them, and for answers that wait for its word.

use serde_json::json;

use super::*;

async fn record(store: &dyn Store, id: CustomerId) -> CustomerRecord {
    store.customer_record(acme(), CustomerName::Id(id)).await.unwrap().unwrap()
}

fn new_customer(internal_id: &str, name: Option<&str>) -> NewCustomer {
    let customer = Customer {
        id: CustomerId::from_uuid(uuid()),
        internal_id: internal_id.to_owned(),
        name: name.map(str::to_owned),
        fields: serde_json::Map::from_iter([("plan".to_owned(), json!("pro"))]),
    };
    NewCustomer { customer, workspace: acme(), meta: Some(json!({ "seats": 3 })) }
}

pub(super) async fn a_customer_is_made_once_and_changed_part_by_part(store: &dyn Store) {
    store.apply(&plan(&[]), at(0)).await.unwrap();
    let new = new_customer("c1", Some("Ada"));

    let made = store.add_customer(&new, Actor::Backend, at(1)).await.unwrap().unwrap();
    let again = store.add_customer(&new_customer("c1", None), Actor::Backend, at(2)).await.unwrap();
    let renamed = CustomerChange { name: Some(Some("Grace".to_owned())), ..Default::default() };
    store.change_customer(acme(), made.customer.id, &renamed, Actor::Backend, at(3)).await.unwrap().unwrap();
    let emptied = CustomerChange { name: Some(None), fields: Some(serde_json::Map::new()), meta: Some(None) };
    let unknown = CustomerId::from_uuid(uuid());
    let nobody = store.change_customer(acme(), unknown, &emptied, Actor::Backend, at(3)).await.unwrap();
    let elsewhere = WorkspaceId::of("other");
    let foreign = store.change_customer(elsewhere, made.customer.id, &emptied, Actor::Backend, at(3));

    assert!(again.is_none() && nobody.is_none() && foreign.await.unwrap().is_none());
    assert_eq!((made.created_at, made.last_active_at, made.archived_at), (at(1), None, None));
    let known = record(store, made.customer.id).await;
    assert_eq!(known.customer.name.as_deref(), Some("Grace"));
    assert_eq!((&known.customer.fields["plan"], &known.meta), (&json!("pro"), &Some(json!({ "seats": 3 }))));
    store.change_customer(acme(), made.customer.id, &emptied, Actor::Backend, at(4)).await.unwrap();
    let known = store.customer_record(acme(), CustomerName::InternalId("c1")).await.unwrap().unwrap();
    assert_eq!((known.customer.name, known.customer.fields.len(), known.meta), (None, 0, None));
    assert_eq!((known.created_at, known.updated_at), (at(1), at(4)));
}

pub(super) async fn pages_of_customers_go_on_where_the_last_one_ended(store: &dyn Store) {
    store.apply(&plan(&[]), at(0)).await.unwrap();
    let mut made = Vec::new();
    for number in 0..7 {
        let new = new_customer(&format!("c{number}"), Some(if number == 3 { "Ada" } else { "Grace" }));
        made.push(store.add_customer(&new, Actor::Backend, at(1)).await.unwrap().unwrap().customer.id);
    }
    // Ids of one moment have no order of making, so the store's own order is the judge.
    made.sort_by_key(|id| std::cmp::Reverse(id.to_string()));
    let archived = made[2];
    store.archive_customer(acme(), archived, Actor::Backend, at(2)).await.unwrap();
    let list = async |filter: CustomerFilter| {
        let page = store.customers(acme(), &filter).await.unwrap();
        (page.items.iter().map(|record| record.customer.id).collect::<Vec<_>>(), page.more)
    };

    let (first, more) = list(CustomerFilter { limit: 4, ..Default::default() }).await;
    let before = first.last().copied();
    let (second, end) = list(CustomerFilter { limit: 4, before, ..Default::default() }).await;
    let (all, _) = list(CustomerFilter { limit: 9, include_archived: true, ..Default::default() }).await;
    let search = Some("aDa".to_owned());
    let (found, _) =
        list(CustomerFilter { limit: 9, search, include_archived: true, ..Default::default() }).await;
    let (only, _) = list(CustomerFilter { limit: 9, only: Some(made[0]), ..Default::default() }).await;

    assert_eq!((more, end), (true, false));
    let live: Vec<_> = made.iter().copied().filter(|id| *id != archived).collect();
    assert_eq!([first, second].concat(), live);
    assert_eq!(all, made);
    assert_eq!((found.len(), only), (1, vec![made[0]]));
}

/// An embed that is used lasts longer, within its bounds; one that ended stays ended.
pub(super) async fn a_session_is_extended_up_to_its_longest_life(store: &dyn Store) {
    let scope = furnished(store).await;
    let hash = handle().hash();
    let session = NewSession {
        hash,
        workspace: acme(),
        customer: scope.customer.unwrap(),
        surface: Surface::Embed,
        integrations: None,
        sealed_parameters: None,
        aim: Aim::default(),
        expires_at: at(100),
    };
    store.add_session(&session, at(10)).await.unwrap();
    let longest = std::time::Duration::from_secs(300);
    let extend = async |until, now| store.extend_session(hash, at(until), longest, at(now)).await.unwrap();

    assert_eq!(extend(200, 50).await, Some(at(200)));
    assert_eq!(store.session(hash, at(199)).await.unwrap().unwrap().expires_at, at(200));
    assert_eq!(extend(150, 60).await, None, "never shorter");
    assert_eq!(extend(400, 190).await, Some(at(310)), "no longer than 300 seconds in all");
    assert_eq!(extend(500, 309).await, None);
    assert_eq!(extend(500, 310).await, None, "it has ended");
    assert!(store.session(hash, at(310)).await.unwrap().is_none());
    assert!(store.extend_session(handle().hash(), at(500), longest, at(20)).await.unwrap().is_none());
}

/// An archived customer's token finds nobody, and what was theirs is over.
pub(super) async fn archiving_a_customer_ends_all_that_is_theirs(store: &dyn Store) {
    let scope = furnished(store).await;
    let id = scope.customer.unwrap();
    let (first, second) = (connected(store, scope).await, connected(store, scope).await);
    let session = NewSession {
        hash: handle().hash(),
        workspace: acme(),
        customer: id,
        surface: Surface::Page,
        integrations: None,
        sealed_parameters: None,
        aim: Aim::default(),
        expires_at: at(100),
    };
    store.add_session(&session, at(4)).await.unwrap();
    let link = NewLink {
        hash: handle().hash(),
        workspace: acme(),
        customer: id,
        integrations: None,
        demo: false,
        expires_at: at(100),
    };
    store.make_link(&link, Actor::Backend, at(4)).await.unwrap();
    let (waiting, ticket) = attempt(scope, None);
    store.add_attempt(&waiting, at(4)).await.unwrap();
    let (taken, _) = attempt(scope, None);
    store.add_attempt(&taken, at(4)).await.unwrap();
    assert!(store.consume_attempt(taken.id, at(4)).await.unwrap());

    let archived = store.archive_customer(acme(), id, Actor::Backend, at(5)).await.unwrap().unwrap();
    let again = store.archive_customer(acme(), id, Actor::Backend, at(6)).await.unwrap().unwrap();

    let erased: Vec<_> =
        archived.ended.iter().map(|(connection, stored)| (connection.id, &stored.sealed)).collect();
    let sealed = [first.id.to_string().into_bytes(), second.id.to_string().into_bytes()];
    let mut expected = [(first.id, &sealed[0]), (second.id, &sealed[1])];
    expected.sort_by_key(|(id, _)| id.to_string());
    assert_eq!(erased, expected);
    assert!(again.ended.is_empty());
    assert_eq!(again.record.archived_at, Some(at(5)));
    assert!(store.credential(scope, first.id).await.unwrap().is_none());
    assert!(store.session(session.hash, at(7)).await.unwrap().is_none());
    assert!(store.link(link.hash, at(7)).await.unwrap().is_none());
    assert!(store.attempt_by_ticket(ticket.hash(), at(7)).await.unwrap().is_none());
    let new = connection(scope, Replacing::Nothing);
    let late = store.complete_attempt(taken.id, &new, handle().hash(), Actor::Customer, at(7)).await.unwrap();
    assert!(matches!(late, CompletedAttempt::NotOpen));
    let seen = Customer { internal_id: "c1".to_owned(), ..archived.record.customer };
    assert!(store.ensure_customer(&seen, acme(), at(7)).await.unwrap().is_none());
    assert!(store.customer(acme(), id).await.unwrap().is_some(), "their grants are still given back");
}

pub(super) async fn a_restored_customer_is_seen_again_without_what_ended(store: &dyn Store) {
    let scope = furnished(store).await;
    let id = scope.customer.unwrap();
    let ended = connected(store, scope).await;
    store.archive_customer(acme(), id, Actor::Backend, at(5)).await.unwrap();

    let restored = store.restore_customer(acme(), id, Actor::Backend, at(6)).await.unwrap().unwrap();

    assert_eq!(restored.archived_at, None);
    assert_eq!(customer(store, "c1").await.id, id);
    let known = store.connection(scope, ended.id).await.unwrap().unwrap();
    assert_eq!(known.state, ConnectionState::Archived(at(5)));
    assert!(
        store.restore_customer(WorkspaceId::of("other"), id, Actor::Backend, at(7)).await.unwrap().is_none()
    );
}

/// Activity is noted, but not with every call.
pub(super) async fn a_customers_last_activity_is_at_most_an_hour_behind(store: &dyn Store) {
    store.apply(&plan(&[]), at(0)).await.unwrap();
    let seen = customer(store, "c1").await;
    let mut noted = Vec::new();

    for seconds in [10, 3599, 3600, 7199, 7201] {
        store.ensure_customer(&seen, acme(), at(seconds)).await.unwrap();
        noted.push(record(store, seen.id).await.last_active_at.unwrap());
    }

    assert_eq!(noted, [at(0), at(0), at(3600), at(3600), at(7201)]);
}

/// Takes an attempt's answer and lets it wait for the backend until `until`.
async fn unconfirmed(store: &dyn Store, scope: Scope, until: Timestamp) -> (AttemptId, Handle) {
    let (new, _) = attempt(scope, None);
    let (state, confirmation) = (handle(), handle());
    store.add_attempt(&new, at(1)).await.unwrap();
    store.send_attempt_off(new.id, &request(), b"s", state.hash(), handle().hash(), at(2)).await.unwrap();
    let answer = Unconfirmed {
        attempt: new.id,
        sealed_secret: b"answer",
        confirmation: confirmation.hash(),
        expires_at: until,
    };
    assert!(!store.await_confirmation(&answer, at(3)).await.unwrap(), "nothing was answered yet");
    store.take_attempt(state.hash(), at(3)).await.unwrap().unwrap();
    assert!(store.await_confirmation(&answer, at(3)).await.unwrap());
    (new.id, confirmation)
}

/// Security L1: one word, of the workspace's own backend, in time.
pub(super) async fn an_answer_waits_for_one_word_of_its_own_workspace(store: &dyn Store) {
    let scope = furnished(store).await;
    let (id, confirmation) = unconfirmed(store, scope, at(300)).await;
    let hash = confirmation.hash();
    let elsewhere = WorkspaceId::of("other");
    assert!(store.take_confirmation(elsewhere, hash, at(900), at(4)).await.unwrap().is_none());
    assert!(store.take_confirmation(acme(), handle().hash(), at(900), at(4)).await.unwrap().is_none());
    assert!(store.take_confirmation(acme(), hash, at(900), at(300)).await.unwrap().is_none());

    let takers = (0..20).map(|_| store.take_confirmation(acme(), hash, at(900), at(5)));
    let taken = futures_util::future::join_all(takers).await;

    let won: Vec<_> = taken.into_iter().filter_map(Result::unwrap).collect();
    assert_eq!(won.len(), 1);
    assert_eq!((won[0].id, won[0].sealed_secret.as_deref()), (id, Some(b"answer".as_slice())));
    assert_eq!(won[0].expires_at, at(900));
    assert!(store.take_unconfirmed(at(2000)).await.unwrap().is_none(), "it was confirmed");
}

pub(super) async fn an_answer_nobody_confirmed_is_taken_once_when_its_time_is_over(store: &dyn Store) {
    let scope = furnished(store).await;
    let (id, confirmation) = unconfirmed(store, scope, at(300)).await;
    assert!(store.take_unconfirmed(at(299)).await.unwrap().is_none());

    let first = store.take_unconfirmed(at(300)).await.unwrap();
    let second = store.take_unconfirmed(at(301)).await.unwrap();

    assert_eq!(first.map(|attempt| attempt.id), Some(id));
    assert!(second.is_none());
    assert!(store.take_confirmation(acme(), confirmation.hash(), at(900), at(100)).await.unwrap().is_none());
}

pub(super) async fn settings_are_changed_from_the_revision_they_were_read_at(store: &dyn Store) {
    store.apply(&plan(&[]), at(0)).await.unwrap();
    let known = store.workspace(acme()).await.unwrap().unwrap().workspace;
    let settings = WorkspaceSettings { require_signed_parameters: true, ..known.settings.clone() };
    let update = WorkspaceUpdate {
        id: acme(),
        revision: known.revision,
        name: "Acme Ltd",
        settings: &settings,
        changed: &["name", "require_signed_parameters"],
    };

    let first = store.change_workspace(&update, Actor::Backend, at(1)).await.unwrap();
    let second = store.change_workspace(&update, Actor::Backend, at(2)).await.unwrap();

    assert_eq!((first, second), (true, false));
    let changed = store.workspace(acme()).await.unwrap().unwrap().workspace;
    assert_eq!((changed.name.as_str(), changed.revision), ("Acme Ltd", known.revision + 1));
    assert!(changed.settings.require_signed_parameters);
}
