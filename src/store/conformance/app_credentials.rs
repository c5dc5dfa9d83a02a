//! What holds for what opens the product's own API.

use super::*;

const ONE: &str = "one process";
const OTHER: &str = "another process";

fn new(sealed: &[u8]) -> NewAppCredential {
    NewAppCredential { sealed: sealed.to_vec(), expires_at: Some(at(3600)) }
}

async fn kept(store: &dyn Store, scope: Scope) -> Option<crate::model::AppCredential> {
    store.app_credential(scope.workspace, scope.customer.unwrap()).await.unwrap()
}

/// A customer with credentials, and their version.
async fn given(store: &dyn Store) -> (Scope, i64) {
    let scope = furnished(store).await;
    set(store, scope, Some(b"old"), at(0)).await;
    (scope, kept(store, scope).await.unwrap().version)
}

async fn set(store: &dyn Store, scope: Scope, sealed: Option<&[u8]>, now: Timestamp) -> bool {
    let new = sealed.map(new);
    let customer = scope.customer.unwrap();
    store.set_app_credential(scope.workspace, customer, new.as_ref(), Actor::Customer, now).await.unwrap()
}

fn renewed(sealed: &[u8]) -> RefreshedCredential {
    RefreshedCredential { sealed: sealed.to_vec(), expires_at: Some(at(3600)), refresh_at: None }
}

fn theirs(scope: Scope) -> Renewable {
    Renewable::YourApp(scope.customer.unwrap())
}

fn asked(scope: Scope, version: i64, owner: &'static str) -> LeaseRequest<'static> {
    LeaseRequest { scope, of: theirs(scope), version, owner, most_unreported: Some(2) }
}

async fn leased(store: &dyn Store, request: &LeaseRequest<'_>, now: Timestamp) -> Lease {
    match store.take_lease(request, now).await.unwrap() {
        Leasing::Taken(lease) => lease,
        other => panic!("the lease is not free: {other:?}"),
    }
}

pub(super) async fn app_credentials_are_one_customers_in_one_workspace(store: &dyn Store) {
    let (scope, _) = given(store).await;
    let other = customer(store, "c2").await;
    let elsewhere = WorkspaceId::of("other");

    let theirs = store.app_credential(scope.workspace, other.id).await.unwrap();
    let outside = store.app_credential(elsewhere, scope.customer.unwrap()).await.unwrap();
    let foreign = Scope { workspace: elsewhere, ..scope };

    assert!(theirs.is_none() && outside.is_none());
    assert!(!set(store, foreign, Some(b"x"), at(1)).await);
    assert!(!set(store, foreign, None, at(1)).await);
    let request = LeaseRequest { scope: foreign, ..asked(scope, 1, ONE) };
    assert_eq!(store.take_lease(&request, at(1)).await.unwrap(), Leasing::Moved);
    assert_eq!(kept(store, scope).await.unwrap().sealed, b"old");
}

pub(super) async fn app_credentials_that_were_set_anew_are_new_whatever_was_under_way(store: &dyn Store) {
    let (scope, version) = given(store).await;
    let before = leased(store, &asked(scope, version, ONE), at(1)).await;

    assert!(set(store, scope, Some(b"newer"), at(2)).await);
    let is_kept = store.store_refreshed(&before, &renewed(b"renewed"), at(3)).await.unwrap();
    let ended = DisconnectReason::GrantRevoked;
    let generation = Some(before.generation);
    let is_ended = store.disconnect(scope, before.of, version, generation, ended, at(3)).await.unwrap();

    assert_eq!((is_kept, is_ended), (false, false));
    let now = kept(store, scope).await.unwrap();
    assert_eq!((now.sealed.as_slice(), now.tried_at, now.leased_until), (b"newer".as_slice(), None, None));
    assert!(now.version > version);
}

pub(super) async fn erased_app_credentials_stay_erased(store: &dyn Store) {
    let (scope, version) = given(store).await;
    let before = leased(store, &asked(scope, version, ONE), at(1)).await;

    assert!(set(store, scope, None, at(2)).await);
    assert!(kept(store, scope).await.is_none());
    set(store, scope, Some(b"again"), at(3)).await;
    let again = kept(store, scope).await.unwrap().version;
    leased(store, &asked(scope, again, OTHER), at(4)).await;

    assert!(!store.store_refreshed(&before, &renewed(b"late"), at(5)).await.unwrap());
    assert_eq!(kept(store, scope).await.unwrap().sealed, b"again");
}

pub(super) async fn an_app_lease_is_one_processs_until_it_lapses(store: &dyn Store) {
    let (scope, version) = given(store).await;
    let request = asked(scope, version, ONE);

    let asked_for = (0..20).map(|_| store.take_lease(&request, at(10)));
    let got = futures_util::future::join_all(asked_for).await;
    let taken = got.iter().filter(|leasing| matches!(leasing, Ok(Leasing::Taken(_)))).count();
    let held = store.take_lease(&asked(scope, version, OTHER), at(39)).await.unwrap();
    let asleep = Lease { of: theirs(scope), version, generation: 1, is_again: false };
    let awake = leased(store, &asked(scope, version, OTHER), at(40)).await;

    assert_eq!((taken, held, awake.is_again, awake.generation), (1, Leasing::Held, true, 2));
    assert!(!store.store_refreshed(&asleep, &renewed(b"late"), at(41)).await.unwrap());
    assert!(!store.note_refresh_failure(&asleep, None, true).await.unwrap());
    let spent = store.take_lease(&asked(scope, version, ONE), at(80)).await.unwrap();
    assert_eq!(spent, Leasing::Spent, "security I4: twice without a word is enough");
    assert!(store.store_refreshed(&awake, &renewed(b"new"), at(81)).await.unwrap());
    let now = kept(store, scope).await.unwrap();
    assert_eq!((now.sealed.as_slice(), now.version), (b"new".as_slice(), version + 1));
    let gone = store.take_lease(&request, at(82)).await.unwrap();
    assert_eq!(gone, Leasing::Moved);
}

pub(super) async fn a_passing_failure_leaves_app_credentials_ready(store: &dyn Store) {
    let (scope, version) = given(store).await;

    for time in 0..3 {
        let lease = leased(store, &asked(scope, version, ONE), at(time)).await;
        assert!(store.note_refresh_failure(&lease, None, time == 1).await.unwrap(), "a word each time");
        assert_eq!(lease.is_again, time == 1, "only what may have been taken is sent again");
    }

    let now = kept(store, scope).await.unwrap();
    assert_eq!((now.ended, now.retry_attempts, now.tried_at), (None, 3, Some(at(2))));
}

pub(super) async fn ended_app_credentials_are_told_and_set_anew_they_work(store: &dyn Store) {
    let (scope, version) = given(store).await;
    let reason = DisconnectReason::GrantRevoked;
    let lease = leased(store, &asked(scope, version, ONE), at(1)).await;
    let generation = Some(lease.generation);

    assert!(store.disconnect(scope, lease.of, version, generation, reason, at(2)).await.unwrap());
    assert!(!store.disconnect(scope, lease.of, version, None, reason, at(3)).await.unwrap());
    let ended = kept(store, scope).await.unwrap();
    set(store, scope, Some(b"newer"), at(4)).await;

    assert_eq!(ended.ended, Some(reason));
    assert_eq!(kept(store, scope).await.unwrap().ended, None);
    let filter = EventFilter { limit: 10, ..EventFilter::default() };
    let events = store.events(scope, &filter).await.unwrap();
    let kinds: Vec<_> = events.items.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["customer.credentials_disconnected"]);
}

pub(super) async fn a_place_for_the_products_own_tokens_is_made_once(store: &dyn Store) {
    let scope = furnished(store).await;
    let customer = scope.customer.unwrap();

    store.begin_app_credential(scope.workspace, customer, b"first", at(0)).await.unwrap();
    store.begin_app_credential(scope.workspace, customer, b"second", at(1)).await.unwrap();
    store.begin_app_credential(WorkspaceId::of("other"), customer, b"third", at(1)).await.unwrap();

    assert_eq!(kept(store, scope).await.unwrap().sealed, b"first");
}

pub(super) async fn settings_of_the_products_api_are_set_and_taken_away(store: &dyn Store) {
    furnished(store).await;
    let settings = YourAppSettings {
        base_uri: "https://api.acme.com".to_owned(),
        auth_type: "basic".to_owned(),
        credentials_schema: None,
        client_id: None,
        has_client_secret: false,
    };
    let revision = store.workspace(acme()).await.unwrap().unwrap().workspace.revision;

    assert!(store.set_your_app(acme(), Some((&settings, b"sealed")), Actor::Backend, at(1)).await.unwrap());
    let set = store.workspace(acme()).await.unwrap().unwrap();
    assert!(store.set_your_app(acme(), None, Actor::Backend, at(2)).await.unwrap());
    let gone = store.workspace(acme()).await.unwrap().unwrap();
    let unknown = store.set_your_app(WorkspaceId::of("none"), None, Actor::Backend, at(3)).await.unwrap();

    assert_eq!(set.workspace.settings.your_app, Some(settings));
    assert_eq!((set.sealed_your_app, set.workspace.revision), (Some(b"sealed".to_vec()), revision + 1));
    assert_eq!((gone.workspace.settings.your_app, gone.sealed_your_app), (None, None));
    assert!(!unknown);
}
