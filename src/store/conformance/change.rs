//! What holds for connections that are changed and imported, and for integrations of the backend's own.

use serde_json::json;

use super::*;
use crate::model::{IntegrationRecord, StoredCredential};

fn named(name: &str) -> ConnectionChange {
    ConnectionChange { name: Some(Some(name.to_owned())), ..ConnectionChange::default() }
}

fn keyed(key: Option<&str>) -> ConnectionChange {
    ConnectionChange { key: Some(key.map(str::to_owned)), ..ConnectionChange::default() }
}

async fn changed(store: &dyn Store, scope: Scope, id: ConnectionId, change: &ConnectionChange) -> Connection {
    match store.change_connection(scope, id, change, Actor::Backend, at(5)).await.unwrap() {
        ChangedConnection::Changed(connection) => *connection,
        _ => panic!("the change is made"),
    }
}

fn new_credential(from: i64, account: Option<&str>) -> ConnectionChange {
    let credential = CredentialChange {
        from,
        auth_option: "api-key".to_owned(),
        input: BTreeMap::from([("region".to_owned(), "eu".to_owned())]),
        sealed: b"new".to_vec(),
        account: account.map(|id| Account { id: id.to_owned(), label: None }),
        expires_at: Some(at(900)),
        refresh_at: Some(at(800)),
    };
    ConnectionChange { credential: Some(credential), ..ConnectionChange::default() }
}

pub(super) async fn a_change_leaves_what_it_does_not_name(store: &dyn Store) {
    let scope = furnished(store).await;
    let made = connected(store, scope).await;

    let first = changed(store, scope, made.id, &named("Sales")).await;
    let meta = ConnectionChange { meta: Some(Some(json!({ "a": [1] }))), ..ConnectionChange::default() };
    let second = changed(store, scope, made.id, &meta).await;
    let unnamed = ConnectionChange { name: Some(None), ..ConnectionChange::default() };
    let third = changed(store, scope, made.id, &unnamed).await;

    assert_eq!((first.name.as_deref(), first.meta), (Some("Sales"), None));
    assert_eq!((second.name.as_deref(), second.meta), (Some("Sales"), Some(json!({ "a": [1] }))));
    assert_eq!((third.name, third.meta), (None, Some(json!({ "a": [1] }))));
    assert_eq!((third.input, third.updated_at), (made.input, at(5)));
}

pub(super) async fn a_key_finds_one_connection_of_a_customer_until_it_is_archived(store: &dyn Store) {
    let scope = furnished(store).await;
    let (one, two) = (connected(store, scope).await, connected(store, scope).await);
    changed(store, scope, one.id, &keyed(Some("main"))).await;

    let taken = store.change_connection(scope, two.id, &keyed(Some("main")), Actor::Customer, at(6)).await;
    let theirs = Scope { workspace: acme(), customer: Some(customer(store, "c2").await.id) };
    let third = connected(store, theirs).await;
    changed(store, theirs, third.id, &keyed(Some("main"))).await;

    assert!(matches!(taken.unwrap(), ChangedConnection::KeyTaken));
    let whole = Scope { workspace: acme(), customer: None };
    let ids = async |scope| {
        let found = store.connections_by_key(scope, "main").await.unwrap();
        found.iter().map(|connection| connection.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(scope).await, [one.id]);
    assert_eq!(ids(theirs).await, [third.id]);
    assert_eq!(ids(whole).await.len(), 2);
    store.archive(scope, one.id, Actor::Customer, at(7)).await.unwrap();
    assert!(ids(scope).await.is_empty());
    changed(store, scope, two.id, &keyed(Some("main"))).await;
    assert_eq!(ids(scope).await, [two.id]);
}

pub(super) async fn parameters_change_only_out_of_those_there_are(store: &dyn Store) {
    let scope = furnished(store).await;
    let made = connected(store, scope).await;
    let before = (made.connector_parameters.clone(), made.sealed_parameters.clone());
    let to = |plain: serde_json::Value, sealed: Option<&[u8]>| ConnectionChange {
        parameters: Some(ParameterChange {
            before: before.clone(),
            plain: plain.as_object().cloned().unwrap(),
            sealed: sealed.map(<[u8]>::to_vec),
        }),
        ..ConnectionChange::default()
    };

    let first = changed(store, scope, made.id, &to(json!({ "zone": "us" }), None)).await;
    let late = to(json!({ "zone": "uk" }), Some(b"s"));
    let late = store.change_connection(scope, made.id, &late, Actor::Backend, at(6)).await.unwrap();

    assert_eq!((&first.connector_parameters["zone"], first.sealed_parameters), (&json!("us"), None));
    assert!(matches!(late, ChangedConnection::Moved));
    let kept = store.connection(scope, made.id).await.unwrap().unwrap();
    assert_eq!((kept.connector_parameters, kept.updated_at), (first.connector_parameters, at(5)));
}

pub(super) async fn new_credentials_heal_and_belong_to_the_same_account(store: &dyn Store) {
    let scope = furnished(store).await;
    let made = connected(store, scope).await;
    let revoked = DisconnectReason::GrantRevoked;
    assert!(store.disconnect(scope, Renewable::Connection(made.id), 1, None, revoked, at(4)).await.unwrap());

    let stale =
        store.change_connection(scope, made.id, &new_credential(7, None), Actor::Backend, at(5)).await;
    let other = new_credential(1, Some("bob"));
    let other = store.change_connection(scope, made.id, &other, Actor::Backend, at(5)).await;
    let healed = changed(store, scope, made.id, &new_credential(1, Some("alice"))).await;

    assert!(matches!(stale.unwrap(), ChangedConnection::Moved));
    assert!(matches!(other.unwrap(), ChangedConnection::OtherAccount));
    assert_eq!(healed.state, ConnectionState::Ready);
    assert_eq!((healed.auth_option.as_str(), healed.refresh_at), ("api-key", Some(at(800))));
    let StoredCredential { sealed, version, expires_at, .. } =
        store.credential(scope, made.id).await.unwrap().unwrap();
    assert_eq!((sealed.as_slice(), version, expires_at), (b"new".as_slice(), 2, Some(at(900))));
}

pub(super) async fn nobody_changes_or_reads_out_what_is_out_of_scope_or_archived(store: &dyn Store) {
    let scope = furnished(store).await;
    let made = connected(store, scope).await;
    let others = [
        Scope { workspace: acme(), customer: Some(customer(store, "c2").await.id) },
        Scope { workspace: WorkspaceId::of("other"), customer: None },
    ];
    for other in others {
        let change =
            store.change_connection(other, made.id, &named("x"), Actor::Backend, at(5)).await.unwrap();
        assert!(matches!(change, ChangedConnection::Gone));
        assert!(store.read_credential(other, made.id, Actor::Backend, at(5)).await.unwrap().is_none());
    }
    assert_eq!(audited(store, "connection.credentials_read").await, 0);

    let read = store.read_credential(scope, made.id, Actor::Backend, at(6)).await.unwrap().unwrap();
    store.archive(scope, made.id, Actor::Backend, at(7)).await.unwrap();
    let late = store.read_credential(scope, made.id, Actor::Backend, at(8)).await.unwrap();
    let change = store.change_connection(scope, made.id, &named("x"), Actor::Backend, at(8)).await.unwrap();

    assert_eq!(read.sealed, made.id.to_string().into_bytes());
    assert!(late.is_none() && matches!(change, ChangedConnection::Gone));
    assert_eq!(audited(store, "connection.credentials_read").await, 1);
}

/// Lines of the audit log that say so.
async fn audited(store: &dyn Store, action: &str) -> usize {
    let filter = AuditFilter { limit: 100, ..AuditFilter::default() };
    let page = store.audit(Scope { workspace: acme(), customer: None }, &filter).await.unwrap();
    page.items.iter().filter(|entry| entry.action == action).count()
}

pub(super) async fn an_import_makes_one_connection_or_renews_it(store: &dyn Store) {
    let scope = furnished(store).await;
    let (first, second) = (connection(scope, Replacing::Existing), connection(scope, Replacing::Existing));
    let third = connection(scope, Replacing::Nothing);
    let meta = json!({ "from": "before" });
    let import = |connection, key, meta| ImportedConnection { connection, key, meta };

    let made = import(&first, Some("main"), Some(&meta));
    let made = store.import_connection(&made, Actor::Backend, at(3)).await.unwrap();
    let Imported::Created(made) = made else { panic!("not made") };
    let again = store.import_connection(&import(&second, None, None), Actor::Backend, at(4)).await.unwrap();
    let taken =
        store.import_connection(&import(&third, Some("main"), None), Actor::Backend, at(5)).await.unwrap();

    let Imported::Renewed(again) = again else { panic!("not renewed") };
    assert_eq!((again.id, again.key.as_deref(), &again.meta), (made.id, Some("main"), &Some(meta)));
    assert!(matches!(taken, Imported::KeyTaken));
    let filter = ConnectionFilter { limit: 9, ..ConnectionFilter::default() };
    assert_eq!(store.connections(scope, &filter).await.unwrap().items.len(), 1);
    assert_eq!(audited(store, "connection.created").await, 1);
    assert_eq!(audited(store, "connection.reconnected").await, 1);
}

async fn revision(store: &dyn Store) -> i64 {
    store.workspace(acme()).await.unwrap().unwrap().workspace.revision
}

async fn saved(store: &dyn Store, plan: &IntegrationPlan, revision: i64, is_new: bool) -> SavedIntegration {
    let save = IntegrationSave { workspace: acme(), revision, plan, meta: None, is_new };
    store.save_integration(&save, Actor::Backend, at(5)).await.unwrap()
}

async fn record(store: &dyn Store, key: &str) -> (bool, IntegrationRecord) {
    let entry = store.workspace(acme()).await.unwrap().unwrap();
    let found = entry.integrations.into_iter().find(|stored| stored.integration.key == key).unwrap();
    (found.integration.hidden, found.integration.record)
}

pub(super) async fn an_integration_of_the_backends_outlives_the_file_until_the_file_names_it(
    store: &dyn Store,
) {
    furnished(store).await;
    let own = integration("linear");

    let stale = saved(store, &own, 7, true).await;
    let made = saved(store, &own, revision(store).await, true).await;
    let taken = saved(store, &own, revision(store).await, true).await;
    store.apply(&plan(&["hubspot"]), at(6)).await.unwrap();

    assert_eq!(
        (stale, made, taken),
        (SavedIntegration::Moved, SavedIntegration::Saved, SavedIntegration::Taken)
    );
    let (is_hidden, kept) = record(store, "linear").await;
    assert!(!is_hidden && !kept.of_file);
    let (is_hidden, dropped) = record(store, "github").await;
    assert!(is_hidden && dropped.of_file);
    assert_eq!(dropped.archived_at, Some(at(6)));
    store.apply(&plan(&["hubspot", "linear"]), at(7)).await.unwrap();
    assert!(record(store, "linear").await.1.of_file);
    store.apply(&plan(&["hubspot"]), at(8)).await.unwrap();
    assert!(record(store, "linear").await.0);
}

pub(super) async fn an_integration_is_archived_and_restored_once(store: &dyn Store) {
    furnished(store).await;
    let own = integration("linear");
    saved(store, &own, revision(store).await, true).await;
    let gone = IntegrationId::of(acme(), "nothing");

    for _ in 0..2 {
        assert!(store.archive_integration(acme(), own.id, Actor::Backend, at(6)).await.unwrap());
    }
    let (is_hidden, archived) = record(store, "linear").await;
    let before = revision(store).await;
    for _ in 0..2 {
        assert!(store.restore_integration(acme(), own.id, Actor::Backend, at(7)).await.unwrap());
    }
    let (is_hidden_still, restored) = record(store, "linear").await;

    assert_eq!((is_hidden, archived.archived_at), (true, Some(at(6))));
    assert_eq!((is_hidden_still, restored.archived_at), (false, None));
    assert_eq!(revision(store).await, before + 1);
    assert!(!store.archive_integration(acme(), gone, Actor::Backend, at(8)).await.unwrap());
    assert!(
        !store.restore_integration(WorkspaceId::of("other"), own.id, Actor::Backend, at(8)).await.unwrap()
    );
    for action in ["integration.created", "integration.archived", "integration.restored"] {
        assert_eq!(audited(store, action).await, 1, "{action}");
    }
}

/// Security L8.
pub(super) async fn two_workspaces_do_not_share_a_client(store: &dyn Store) {
    furnished(store).await;
    let mut other = plan(&["hubspot"]);
    other.workspaces[0].id = WorkspaceId::of("other");
    other.workspaces[0].key = "other".to_owned();
    other.workspaces[0].keys.clear();
    other.workspaces[0].integrations[0].id = IntegrationId::of(WorkspaceId::of("other"), "hubspot");
    other.workspaces[0].integrations[0].settings.client_id = Some("their-client".to_owned());
    store.apply(&other, at(1)).await.unwrap();
    let mut own = integration("crm");
    own.connector = "hubspot".to_owned();
    own.settings.client_id = Some("their-client".to_owned());

    let shared = saved(store, &own, revision(store).await, true).await;
    own.connector = "linear".to_owned();
    let apart = saved(store, &own, revision(store).await, true).await;

    assert_eq!((shared, apart), (SavedIntegration::SharedClient, SavedIntegration::Saved));
}

/// Credentials were given for the hosts of their day; the store looks for them where nobody else writes.
pub(super) async fn an_integration_moves_to_new_hosts_without_credentials_only(store: &dyn Store) {
    let scope = furnished(store).await;
    let connection = connected(store, scope).await;
    let moved = || IntegrationPlan {
        connector: "other".to_owned(),
        new_hosts: vec!["evil.example".to_owned()],
        ..integration("hubspot")
    };
    let mut applied = plan(&["github"]);
    applied.workspaces[0].integrations.push(moved());
    let connector = async || {
        let entry = store.workspace(acme()).await.unwrap().unwrap();
        let found =
            entry.integrations.into_iter().find(|stored| stored.integration.key == "hubspot").unwrap();
        found.integration.connector
    };

    let by_file = store.apply(&applied, at(5)).await.unwrap();
    let by_backend = saved(store, &moved(), revision(store).await, false).await;
    let before = connector().await;
    store.archive(scope, connection.id, Actor::Customer, at(6)).await.unwrap();
    let free = store.apply(&applied, at(7)).await.unwrap();

    assert_eq!(by_file.integrations_held, [("hubspot".to_owned(), 1)]);
    assert_eq!(by_backend, SavedIntegration::Held(1));
    assert_eq!((before.as_str(), connector().await.as_str()), ("hubspot", "other"));
    assert!(free.integrations_held.is_empty());
}
