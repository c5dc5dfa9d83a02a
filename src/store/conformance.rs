//! What every backend must do, whatever it is made of. A backend adds one `#[tokio::test]` per line of
//! [`suite!`] by naming how it is opened.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use super::*;
use crate::{
    clock::{Entropy, SystemEntropy},
    model::{
        Account, AttemptState, ConnectionState, FailureKey, Handle, IntegrationId, IntegrationSettings, Road,
        Surface, WorkspaceSettings,
    },
};

/// A store in a folder of its own, gone afterwards.
struct Bench {
    store: Arc<dyn Store>,
    folder: PathBuf,
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

async fn sqlite() -> Bench {
    let folder =
        std::env::temp_dir().join(format!("hitchpost-store-{}", SystemEntropy::default().uuid(at(0))));
    std::fs::create_dir_all(&folder).unwrap();
    let store = SqliteStore::open(&folder.join("test.db")).await.unwrap();
    Bench { store: Arc::new(store), folder }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_800_000_000 + seconds)
}

fn handle() -> Handle {
    SystemEntropy::default().handle()
}

fn uuid() -> uuid::Uuid {
    SystemEntropy::default().uuid(at(0))
}

fn acme() -> WorkspaceId {
    WorkspaceId::of("acme")
}

fn integration(key: &str) -> IntegrationPlan {
    IntegrationPlan {
        id: IntegrationId::of(acme(), key),
        key: key.to_owned(),
        connector: key.to_owned(),
        connector_source: None,
        settings: IntegrationSettings::default(),
        sealed_client_secret: Some(vec![1, 2, 3]),
    }
}

fn plan(keys: &[&str]) -> ApplyPlan {
    ApplyPlan {
        workspaces: vec![WorkspacePlan {
            id: acme(),
            key: "acme".to_owned(),
            name: "Acme".to_owned(),
            settings: WorkspaceSettings::default(),
            keys: vec![KeyPlan::Secret { id: "secret-row".to_owned(), sealed: vec![9] }],
            integrations: keys.iter().map(|key| integration(key)).collect(),
        }],
    }
}

async fn customer(store: &dyn Store, internal_id: &str) -> Customer {
    let seen = Customer {
        id: CustomerId::from_uuid(uuid()),
        internal_id: internal_id.to_owned(),
        name: None,
        fields: serde_json::Map::new(),
    };
    store.ensure_customer(&seen, acme(), at(0)).await.unwrap()
}

/// A store with a workspace, an integration and a customer.
async fn furnished(store: &dyn Store) -> Scope {
    store.apply(&plan(&["hubspot", "github"]), at(0)).await.unwrap();
    Scope { workspace: acme(), customer: Some(customer(store, "c1").await.id) }
}

fn request() -> AttemptRequest {
    AttemptRequest {
        road: Road::Page,
        surface: Surface::Page,
        auth_option: "oauth2".to_owned(),
        name: None,
        allow_multiple: false,
        target: None,
        custom_state: None,
        needs_confirmation: false,
        own_form: true,
        input: BTreeMap::new(),
        secret_input: Vec::new(),
        problem: None,
        redirect_uri: None,
    }
}

fn attempt(scope: Scope, request_id: Option<&str>) -> (NewAttempt, Handle) {
    let ticket = handle();
    let new = NewAttempt {
        id: AttemptId::from_uuid(uuid()),
        scope,
        integration: IntegrationId::of(acme(), "hubspot"),
        request_id: request_id.map(str::to_owned),
        request: request(),
        ticket: ticket.hash(),
        sealed_secret: Some(b"sealed".to_vec()),
        expires_at: at(600),
    };
    (new, ticket)
}

fn connection(scope: Scope, replacing: Replacing) -> NewConnection {
    NewConnection {
        id: ConnectionId::from_uuid(uuid()),
        scope,
        integration: IntegrationId::of(acme(), "hubspot"),
        replacing,
        name: None,
        auth_option: "oauth2".to_owned(),
        input: BTreeMap::from([("subdomain".to_owned(), "acme".to_owned())]),
        account: Some(Account { id: "alice".to_owned(), label: None }),
        seal: Box::new(|id| id.to_string().into_bytes()),
        expires_at: Some(at(3600)),
        refresh_at: Some(at(3000)),
    }
}

/// Takes a fresh attempt all the way to `new`.
async fn completed(store: &dyn Store, new: &NewConnection) -> CompletedAttempt {
    let (attempt, _) = attempt(new.scope, None);
    store.add_attempt(&attempt, at(1)).await.unwrap();
    assert!(store.consume_attempt(attempt.id, at(2)).await.unwrap());
    store.complete_attempt(attempt.id, new, handle().hash(), at(3)).await.unwrap()
}

async fn connected(store: &dyn Store, scope: Scope) -> Connection {
    match completed(store, &connection(scope, Replacing::Nothing)).await {
        CompletedAttempt::Created(connection) => connection,
        _ => panic!("a first connection is created"),
    }
}

async fn applying_twice_changes_nothing_and_a_gone_integration_is_hidden(store: &dyn Store) {
    let first = store.apply(&plan(&["hubspot", "github"]), at(0)).await.unwrap();
    let again = store.apply(&plan(&["hubspot", "github"]), at(1)).await.unwrap();
    let without = store.apply(&plan(&["hubspot"]), at(2)).await.unwrap();

    assert_eq!((first.workspaces_created, first.integrations_created), (1, 2));
    assert_eq!((again.workspaces_created, again.integrations_created), (0, 0));
    assert_eq!(without.integrations_hidden, ["github"]);
    let entry = store.workspace(acme()).await.unwrap().unwrap();
    assert_eq!(entry.keys.len(), 1);
    assert_eq!(entry.integrations.len(), 2);
    assert_eq!(entry.integrations[0].sealed_client_secret, Some(vec![1, 2, 3]));
    assert_eq!(store.workspaces().await.unwrap(), [(acme(), "acme".to_owned(), 3)]);
}

async fn a_customer_seen_twice_at_once_is_one(store: &dyn Store) {
    store.apply(&plan(&[]), at(0)).await.unwrap();

    let seen = futures_util::future::join_all((0..20).map(|_| customer(store, "c1"))).await;

    assert!(seen.iter().all(|customer| customer.id == seen[0].id));
    for other in ["c1 ", "C1", "\u{e1}", "a\u{301}"] {
        assert_ne!(customer(store, other).await.id, seen[0].id, "{other:?}");
    }
}

async fn a_newer_name_wins_and_silence_keeps_the_old_one(store: &dyn Store) {
    store.apply(&plan(&[]), at(0)).await.unwrap();
    let mut seen = customer(store, "c1").await;
    seen.name = Some("Ada".to_owned());

    store.ensure_customer(&seen, acme(), at(1)).await.unwrap();
    let later = customer(store, "c1").await;

    assert_eq!(later.name.as_deref(), Some("Ada"));
}

async fn a_session_ends_when_its_time_has_come(store: &dyn Store) {
    let scope = furnished(store).await;
    let session = NewSession {
        hash: handle().hash(),
        workspace: acme(),
        customer: scope.customer.unwrap(),
        surface: Surface::Embed,
        integrations: Some(vec!["hubspot".to_owned()]),
        expires_at: at(100),
    };
    store.add_session(&session, at(0)).await.unwrap();

    let live = store.session(session.hash, at(99)).await.unwrap().unwrap();

    assert_eq!(live.surface, Surface::Embed);
    assert!(live.sees("hubspot") && !live.sees("github"));
    assert!(store.session(session.hash, at(100)).await.unwrap().is_none());
    assert!(store.session(handle().hash(), at(1)).await.unwrap().is_none());
    assert_eq!(store.sweep(at(100)).await.unwrap(), 1);
}

async fn a_demo_link_replaces_the_one_before(store: &dyn Store) {
    let scope = furnished(store).await;
    let link = |demo| NewLink {
        hash: handle().hash(),
        workspace: acme(),
        customer: scope.customer.unwrap(),
        integrations: None,
        demo,
        expires_at: at(100),
    };
    let (kept, first, second) = (link(false), link(true), link(true));
    for link in [&kept, &first, &second] {
        store.add_link(link, at(0)).await.unwrap();
    }

    assert!(store.link(first.hash, at(1)).await.unwrap().is_none());
    assert!(store.link(second.hash, at(1)).await.unwrap().is_some());
    assert!(store.link(kept.hash, at(1)).await.unwrap().is_some());
    assert!(store.link(kept.hash, at(100)).await.unwrap().is_none());
}

async fn a_state_is_taken_once_however_many_ask_at_once(store: &dyn Store) {
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

async fn an_attempt_ends_once_and_forgets_its_secrets(store: &dyn Store) {
    let scope = furnished(store).await;
    let (attempt, _) = attempt(scope, Some("request-1"));
    let result = handle();
    store.add_attempt(&attempt, at(0)).await.unwrap();
    let failure = Failure::new(FailureKey::TestFailed, "no");

    store.fail_attempt(attempt.id, &failure, result.hash(), at(1)).await.unwrap();
    store
        .fail_attempt(attempt.id, &Failure::new(FailureKey::Internal, "x"), handle().hash(), at(2))
        .await
        .unwrap();

    let ended = store.attempt_by_result(result.hash(), at(3)).await.unwrap().unwrap();
    assert_eq!(ended.state, AttemptState::Failed(failure));
    assert_eq!(ended.sealed_secret, None);
    assert!(!store.consume_attempt(attempt.id, at(3)).await.unwrap());
    assert!(store.attempt_by_result(result.hash(), at(3 + 600)).await.unwrap().is_none());
}

async fn a_request_id_is_unique_for_one_customer(store: &dyn Store) {
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

async fn an_expired_ticket_opens_nothing(store: &dyn Store) {
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

async fn two_at_once_still_end_as_one_connection(store: &dyn Store) {
    let scope = furnished(store).await;
    let news: Vec<_> = (0..10).map(|_| connection(scope, Replacing::Existing)).collect();

    futures_util::future::join_all(news.iter().map(|new| completed(store, new))).await;

    let page = store.connections(scope, &ConnectionFilter { limit: 50, ..Default::default() }).await.unwrap();
    assert_eq!(page.items.len(), 1);
    let stored = store.credential(scope, page.items[0].id).await.unwrap().unwrap();
    assert_eq!(stored.version, 10);
    assert_eq!(stored.sealed, page.items[0].id.to_string().into_bytes(), "sealed for the row it landed in");
}

async fn a_reconnect_keeps_the_id_and_refuses_another_account(store: &dyn Store) {
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

async fn nobody_sees_or_changes_what_is_out_of_scope(store: &dyn Store) {
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
        assert!(store.archive(other, mine.id, at(9)).await.unwrap().is_none());
        assert!(!store.mark_refresh_sent(other, mine.id, 1).await.unwrap());
        assert!(!store.disconnect(other, mine.id, 1, DisconnectReason::GrantRevoked, at(9)).await.unwrap());
        if other.workspace == acme() {
            let taken = completed(store, &connection(other, Replacing::Exactly(mine.id))).await;
            assert!(matches!(taken, CompletedAttempt::TargetGone));
        }
    }
    assert_eq!(store.connection(scope, mine.id).await.unwrap().unwrap().state, ConnectionState::Ready);
}

async fn archiving_erases_and_is_done_once(store: &dyn Store) {
    let scope = furnished(store).await;
    let mine = connected(store, scope).await;

    let erased = store.archive(scope, mine.id, at(10)).await.unwrap();
    let again = store.archive(scope, mine.id, at(11)).await.unwrap();

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

async fn a_renewal_replaces_the_version_it_began_from_and_no_other(store: &dyn Store) {
    let scope = furnished(store).await;
    let mine = connected(store, scope).await;
    let renewed =
        || RefreshedCredential { sealed: b"new".to_vec(), expires_at: Some(at(9000)), refresh_at: None };

    assert!(store.mark_refresh_sent(scope, mine.id, 1).await.unwrap());
    assert_eq!(store.credential(scope, mine.id).await.unwrap().unwrap().refresh_sent_version, Some(1));
    assert!(store.store_refreshed(scope, mine.id, 1, &renewed(), at(5)).await.unwrap());
    assert!(!store.store_refreshed(scope, mine.id, 1, &renewed(), at(6)).await.unwrap());
    assert!(!store.mark_refresh_sent(scope, mine.id, 1).await.unwrap());
    assert!(!store.disconnect(scope, mine.id, 1, DisconnectReason::GrantRevoked, at(7)).await.unwrap());

    let stored = store.credential(scope, mine.id).await.unwrap().unwrap();
    assert_eq!((stored.version, stored.refresh_sent_version), (2, None));
    assert_eq!(stored.sealed, b"new");
}

async fn a_passing_failure_is_tried_again_later_and_lifts_the_mark_only_when_nothing_happened(
    store: &dyn Store,
) {
    let scope = furnished(store).await;
    let mine = connected(store, scope).await;
    store.mark_refresh_sent(scope, mine.id, 1).await.unwrap();

    store.note_refresh_failure(scope, mine.id, 1, at(4000), false).await.unwrap();
    let unknown = store.credential(scope, mine.id).await.unwrap().unwrap().refresh_sent_version;
    store.note_refresh_failure(scope, mine.id, 1, at(5000), true).await.unwrap();
    let known = store.credential(scope, mine.id).await.unwrap().unwrap().refresh_sent_version;

    assert_eq!((unknown, known), (Some(1), None));
    assert!(store.due_refreshes(at(4999), 10).await.unwrap().is_empty());
    let due = store.due_refreshes(at(5000), 10).await.unwrap();
    assert_eq!((due.len(), due[0].connection, due[0].scope), (1, mine.id, scope));
    let read = store.connection(scope, mine.id).await.unwrap().unwrap();
    assert_eq!((read.state, read.retry_attempts), (ConnectionState::Ready, 2));
}

async fn a_disconnected_connection_says_why_and_a_reconnect_heals_it(store: &dyn Store) {
    let scope = furnished(store).await;
    let mine = connected(store, scope).await;
    let reason = DisconnectReason::GrantRevoked;

    assert!(store.disconnect(scope, mine.id, 1, reason, at(5)).await.unwrap());
    let broken = store.connection(scope, mine.id).await.unwrap().unwrap();
    completed(store, &connection(scope, Replacing::Existing)).await;
    let healed = store.connection(scope, mine.id).await.unwrap().unwrap();

    assert_eq!(broken.state, ConnectionState::Disconnected(reason));
    assert_eq!(healed.state, ConnectionState::Ready);
    assert!(store.due_refreshes(at(9999), 10).await.unwrap().len() == 1);
}

async fn pages_go_on_where_the_last_one_ended(store: &dyn Store) {
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

async fn a_kept_value_is_kept(store: &dyn Store) {
    assert!(store.is_empty().await.unwrap());

    let first = store.keep_installation_value("key_check", b"a").await.unwrap();
    let second = store.keep_installation_value("key_check", b"b").await.unwrap();

    assert_eq!((first.as_slice(), second.as_slice()), (b"a".as_slice(), b"a".as_slice()));
    assert_eq!(store.installation_value("key_check").await.unwrap().as_deref(), Some(b"a".as_slice()));
    assert!(!store.is_empty().await.unwrap());
}

macro_rules! suite {
    ($backend:ident: $($name:ident),* $(,)?) => {
        mod $backend {
            $(
                #[tokio::test]
                async fn $name() {
                    let bench = super::$backend().await;
                    super::$name(&*bench.store).await;
                    tokio::time::timeout(super::Duration::from_secs(5), bench.store.close()).await.unwrap();
                }
            )*
        }
    };
}

suite! { sqlite:
    applying_twice_changes_nothing_and_a_gone_integration_is_hidden,
    a_customer_seen_twice_at_once_is_one,
    a_newer_name_wins_and_silence_keeps_the_old_one,
    a_session_ends_when_its_time_has_come,
    a_demo_link_replaces_the_one_before,
    a_state_is_taken_once_however_many_ask_at_once,
    an_attempt_ends_once_and_forgets_its_secrets,
    a_request_id_is_unique_for_one_customer,
    an_expired_ticket_opens_nothing,
    two_at_once_still_end_as_one_connection,
    a_reconnect_keeps_the_id_and_refuses_another_account,
    nobody_sees_or_changes_what_is_out_of_scope,
    archiving_erases_and_is_done_once,
    a_renewal_replaces_the_version_it_began_from_and_no_other,
    a_passing_failure_is_tried_again_later_and_lifts_the_mark_only_when_nothing_happened,
    a_disconnected_connection_says_why_and_a_reconnect_heals_it,
    pages_go_on_where_the_last_one_ended,
    a_kept_value_is_kept,
}
