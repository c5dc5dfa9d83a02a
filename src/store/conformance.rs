//! What every backend must do, whatever it is made of. A backend adds one `#[tokio::test]` per line of
//! [`suite!`] by naming how it is opened.

mod activity;
mod app_credentials;
mod attempts;
mod change;
mod connections;
mod customers;
mod events;
mod keys;
mod lease;
mod upkeep;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use self::{
    activity::*, app_credentials::*, attempts::*, change::*, connections::*, customers::*, events::*,
    keys::*, lease::*, upkeep::*,
};
use super::*;
use crate::{
    clock::{Entropy, SystemEntropy},
    model::{
        Account, Aim, AttemptState, Choice, ConnectionState, Customer, CustomerId, DisconnectReason,
        FailureKey, Handle, IntegrationId, IntegrationSettings, Road, Surface, WorkspaceSettings,
        YourAppSettings,
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
        sealed_parameters: Some(vec![4, 5]),
        new_hosts: Vec::new(),
    }
}

fn plan(keys: &[&str]) -> ApplyPlan {
    ApplyPlan {
        workspaces: vec![WorkspacePlan {
            id: acme(),
            key: "acme".to_owned(),
            name: "Acme".to_owned(),
            settings: WorkspaceSettings::default(),
            sealed_your_app: None,
            keys: vec![KeyPlan::Secret { id: "secret-row".to_owned(), sealed: vec![9] }],
            integrations: keys.iter().map(|key| integration(key)).collect(),
            webhooks: Vec::new(),
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
    store.ensure_customer(&seen, acme(), at(0)).await.unwrap().unwrap()
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
        connector_parameters: serde_json::Map::new(),
        no_ui: false,
        choice: None,
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
        connector_parameters: serde_json::Map::from_iter([("zone".to_owned(), "eu".into())]),
        seal_parameters: Some(Box::new(|id| format!("parameters of {id}").into_bytes())),
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
    store.complete_attempt(attempt.id, new, handle().hash(), Actor::Customer, at(3)).await.unwrap()
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
    assert_eq!(entry.integrations[0].sealed_parameters, Some(vec![4, 5]));
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
        sealed_parameters: Some(vec![7]),
        aim: Aim { connection: Some("one".to_owned()), name: None },
        expires_at: at(100),
    };
    store.add_session(&session, at(0)).await.unwrap();

    let live = store.session(session.hash, at(99)).await.unwrap().unwrap();

    assert_eq!(live.surface, Surface::Embed);
    assert!(live.sees("hubspot") && !live.sees("github"));
    assert_eq!((live.sealed_parameters, live.aim), (Some(vec![7]), session.aim));
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
    an_answer_is_kept_with_the_attempt_that_left_for_it,
    a_choice_is_offered_after_the_answer_and_taken_once,
    a_choice_that_nobody_made_is_taken_once_when_its_time_is_over,
    connector_parameters_live_with_the_connection_and_go_with_it,
    a_request_id_is_unique_for_one_customer,
    an_expired_ticket_opens_nothing,
    two_at_once_still_end_as_one_connection,
    a_reconnect_keeps_the_id_and_refuses_another_account,
    nobody_sees_or_changes_what_is_out_of_scope,
    archiving_erases_and_is_done_once,
    the_newest_call_is_noted,
    a_lease_is_one_processs_until_it_lapses,
    a_renewal_replaces_the_version_it_began_from_and_lets_go,
    whoever_lost_its_lease_writes_nothing,
    a_version_that_two_holders_left_without_a_word_is_not_sent_again,
    a_lease_from_before_the_clock_was_set_back_has_lapsed,
    a_reconnect_or_a_deletion_ends_the_lease,
    one_integrations_backlog_leaves_room_for_the_others,
    a_passing_failure_is_tried_again_later_and_lifts_the_mark_only_when_nothing_happened,
    a_disconnected_connection_says_why_and_a_reconnect_heals_it,
    pages_go_on_where_the_last_one_ended,
    a_change_leaves_what_it_does_not_name,
    a_key_finds_one_connection_of_a_customer_until_it_is_archived,
    parameters_change_only_out_of_those_there_are,
    new_credentials_heal_and_belong_to_the_same_account,
    nobody_changes_or_reads_out_what_is_out_of_scope_or_archived,
    an_import_makes_one_connection_or_renews_it,
    an_integration_of_the_backends_outlives_the_file_until_the_file_names_it,
    an_integration_is_archived_and_restored_once,
    an_integration_moves_to_new_hosts_without_credentials_only,
    two_workspaces_do_not_share_a_client,
    a_change_is_told_to_the_webhooks_that_want_it,
    a_delivery_is_one_processs_until_its_claim_ends,
    what_comes_of_a_try_counts_while_the_claim_holds,
    an_event_is_sent_again_from_the_first_try,
    events_are_forgotten_long_after_their_deliveries,
    a_webhook_of_the_file_is_changed_by_the_file_alone,
    a_rotated_secret_leaves_the_one_before_for_a_while,
    nobody_reads_events_of_another_scope,
    the_audit_log_is_read_by_subject_and_action_page_by_page,
    a_customer_is_made_once_and_changed_part_by_part,
    pages_of_customers_go_on_where_the_last_one_ended,
    archiving_a_customer_ends_all_that_is_theirs,
    a_session_is_extended_up_to_its_longest_life,
    a_restored_customer_is_seen_again_without_what_ended,
    a_customers_last_activity_is_at_most_an_hour_behind,
    an_answer_waits_for_one_word_of_its_own_workspace,
    an_answer_nobody_confirmed_is_taken_once_when_its_time_is_over,
    settings_are_changed_from_the_revision_they_were_read_at,
    app_credentials_are_one_customers_in_one_workspace,
    app_credentials_that_were_set_anew_are_new_whatever_was_under_way,
    erased_app_credentials_stay_erased,
    an_app_lease_is_one_processs_until_it_lapses,
    a_passing_failure_leaves_app_credentials_ready,
    ended_app_credentials_are_told_and_set_anew_they_work,
    a_place_for_the_products_own_tokens_is_made_once,
    settings_of_the_products_api_are_set_and_taken_away,
    a_key_has_a_name_of_its_own_and_every_process_reads_it,
    a_key_ends_when_it_was_said_and_not_again,
    applying_a_file_touches_its_own_keys_alone,
    a_kept_value_is_kept,
    the_oldest_attempts_that_wait_are_dropped,
    an_attempt_that_somebody_answered_is_not_dropped,
    a_store_that_can_be_written_says_so_and_how_large_it_is,
}
