//! What holds for events, their way to webhooks, and the audit log.

use super::*;
use crate::model::{
    Action, DeliveryError, DeliveryId, DeliveryState, EventId, Target, Webhook, WebhookId, event::TEST,
};

const SOON: Duration = Duration::from_secs(20);

fn hook(events: Option<&[&str]>) -> Webhook {
    Webhook {
        id: WebhookId::from_uuid(uuid()),
        workspace: acme(),
        target: Target::Url("https://app.acme.com/hooks?key=canary".to_owned()),
        events: events.map(|events| events.iter().map(|&word| word.to_owned()).collect()),
        sealed_secret: Some(b"first".to_vec()),
        previous: None,
        from_file: false,
        created_at: at(0),
        updated_at: at(0),
    }
}

async fn hooked(store: &dyn Store, events: Option<&[&str]>) -> WebhookId {
    let hook = hook(events);
    assert!(store.add_webhook(&hook, Actor::Backend, at(0)).await.unwrap());
    hook.id
}

fn whole() -> Scope {
    Scope { workspace: acme(), customer: None }
}

async fn kinds(store: &dyn Store, scope: Scope) -> Vec<String> {
    let page = store.events(scope, &EventFilter { limit: 50, ..Default::default() }).await.unwrap();
    page.items.into_iter().map(|event| event.kind).collect()
}

async fn claim(store: &dyn Store, webhook: WebhookId, now: Timestamp) -> Vec<Claimed> {
    store.claim_deliveries(webhook, now, now.plus(SOON), 10).await.unwrap()
}

async fn delivery(store: &dyn Store, id: DeliveryId) -> crate::model::Delivery {
    let page = store.deliveries(whole(), &DeliveryFilter { limit: 50, ..Default::default() }).await.unwrap();
    page.items.into_iter().find(|delivery| delivery.id == id).unwrap()
}

const TAKEN: Tried = Tried { next: AfterTry::Done, status: Some(204), error: None };

fn again(seconds: i64) -> Tried {
    Tried { next: AfterTry::Again(at(seconds)), status: Some(500), error: Some(DeliveryError::Status) }
}

const DEAD: Tried = Tried { next: AfterTry::GiveUp, status: Some(410), error: Some(DeliveryError::Gone) };

pub(super) async fn a_change_is_told_to_the_webhooks_that_want_it(store: &dyn Store) {
    let scope = furnished(store).await;
    let all = hooked(store, None).await;
    let some = hooked(store, Some(&["connection.deleted"])).await;

    let mine = connected(store, scope).await;
    completed(store, &connection(scope, Replacing::Exactly(mine.id))).await;
    store.note_import_done(scope, mine.id, Actor::Backend, at(8)).await.unwrap().unwrap();
    store.archive(scope, mine.id, Actor::Customer, at(9)).await.unwrap();
    let late = store.note_import_done(scope, mine.id, Actor::Backend, at(10)).await.unwrap();

    let (to_all, to_some) = (claim(store, all, at(10)).await, claim(store, some, at(10)).await);
    assert_eq!(to_all.len(), 4);
    let told: Vec<_> = to_some.iter().map(|claimed| claimed.event.kind.as_str()).collect();
    assert_eq!(told, ["connection.deleted"]);
    assert!(late.is_none(), "an archived connection has no import");
    let event = &to_some[0].event;
    let told = &event.data["connection"];
    assert_eq!((event.connection, event.customer), (Some(mine.id), scope.customer));
    assert_eq!((&told["customerId"], &told["integrationKey"]), (&"c1".into(), &"hubspot".into()));
    assert_eq!((&told["disconnected"], &told["id"]), (&false.into(), &mine.id.to_string().into()));
}

pub(super) async fn a_delivery_is_one_processs_until_its_claim_ends(store: &dyn Store) {
    let scope = furnished(store).await;
    let webhook = hooked(store, None).await;
    for _ in 0..5 {
        connected(store, scope).await;
    }

    let claims = (0..10).map(|_| store.claim_deliveries(webhook, at(4), at(24), 2));
    let claimed = futures_util::future::join_all(claims).await;
    let mut ids: Vec<_> =
        claimed.into_iter().flat_map(Result::unwrap).map(|claimed| claimed.delivery).collect();
    ids.sort();
    ids.dedup();

    assert_eq!(ids.len(), 5);
    assert!(store.due_webhooks(at(23)).await.unwrap().is_empty());
    assert_eq!(store.due_webhooks(at(24)).await.unwrap(), [webhook]);
    assert_eq!(claim(store, webhook, at(24)).await.len(), 5);
}

pub(super) async fn what_comes_of_a_try_counts_while_the_claim_holds(store: &dyn Store) {
    let scope = furnished(store).await;
    let webhook = hooked(store, None).await;
    connected(store, scope).await;
    let first = claim(store, webhook, at(4)).await.remove(0);
    let second = claim(store, webhook, at(30)).await.remove(0);

    let late = store.finish_delivery(first.delivery, first.until, TAKEN, at(31)).await.unwrap();
    let failed = store.finish_delivery(second.delivery, second.until, again(100), at(32)).await.unwrap();
    let waiting = delivery(store, second.delivery).await;
    let third = claim(store, webhook, at(100)).await.remove(0);
    let taken = store.finish_delivery(third.delivery, third.until, TAKEN, at(101)).await.unwrap();

    assert_eq!((late, failed, taken), (false, true, true));
    assert_eq!(
        (waiting.state, waiting.attempts, waiting.next_at),
        (DeliveryState::Pending, 1, Some(at(100)))
    );
    assert_eq!((waiting.last_status, waiting.last_error), (Some(500), Some(DeliveryError::Status)));
    let done = delivery(store, third.delivery).await;
    assert_eq!((done.state, done.attempts, done.delivered_at), (DeliveryState::Delivered, 2, Some(at(101))));
    assert_eq!(third.event.id, first.event.id);
    assert!(claim(store, webhook, at(9999)).await.is_empty());
}

pub(super) async fn an_event_is_sent_again_from_the_first_try(store: &dyn Store) {
    let scope = furnished(store).await;
    let webhook = hooked(store, None).await;
    connected(store, scope).await;
    let claimed = claim(store, webhook, at(4)).await.remove(0);
    store.finish_delivery(claimed.delivery, claimed.until, DEAD, at(5)).await.unwrap();
    let dead = store.outbox_depth(at(6)).await.unwrap();
    let later = hooked(store, None).await;
    let event = claimed.event.id;
    let send = |scope, webhook| store.redeliver(scope, event, webhook, Actor::Backend, at(7));

    let to_those_before = send(scope, None).await.unwrap();
    let to_another = send(scope, Some(later)).await.unwrap();
    let to_nobody = send(scope, Some(WebhookId::from_uuid(uuid()))).await.unwrap();

    assert_eq!((to_those_before, to_another, to_nobody), (Some(1), Some(1), None));
    assert_eq!((dead.pending, dead.dead, dead.oldest), (0, 1, None));
    let depth = store.outbox_depth(at(10)).await.unwrap();
    assert_eq!((depth.pending, depth.dead), (2, 0));
    assert_eq!(depth.oldest, Some(Duration::from_secs(7)));
    let again = claim(store, webhook, at(7)).await;
    assert_eq!((again.len(), again[0].attempts, again[0].event.id), (1, 0, event));
    assert_eq!(claim(store, later, at(7)).await.len(), 1);
}

pub(super) async fn events_are_forgotten_long_after_their_deliveries(store: &dyn Store) {
    const DAY: i64 = 24 * 60 * 60;
    let scope = furnished(store).await;
    let webhook = hooked(store, None).await;
    for tried in [Some(TAKEN), Some(DEAD), None] {
        connected(store, scope).await;
        let claimed = claim(store, webhook, at(4)).await.remove(0);
        if let Some(tried) = tried {
            store.finish_delivery(claimed.delivery, claimed.until, tried, at(5)).await.unwrap();
        }
    }
    let lines = store.audit(whole(), &AuditFilter { limit: 50, ..Default::default() }).await.unwrap();

    assert_eq!(store.sweep_events(at(30 * DAY)).await.unwrap(), 0);
    assert_eq!(store.sweep_events(at(30 * DAY + 5)).await.unwrap(), 1, "the one that was taken");
    assert_eq!(store.sweep_events(at(90 * DAY + 5)).await.unwrap(), 1, "the one that was given up");
    assert_eq!(store.sweep_events(at(900 * DAY)).await.unwrap(), 0, "what is pending is kept");
    let kept = store.audit(whole(), &AuditFilter { limit: 50, ..Default::default() }).await.unwrap();
    assert_eq!(kept.items.len(), lines.items.len());
    assert_eq!(kept.items.len(), 5, "the file, the webhook, and three connections");
}

pub(super) async fn a_webhook_of_the_file_is_changed_by_the_file_alone(store: &dyn Store) {
    furnished(store).await;
    let api = hooked(store, None).await;
    let id = WebhookId::of(acme(), "https://app.acme.com/hooks");
    let planned = |secret| {
        let mut plan = plan(&["hubspot"]);
        let target = Target::Url("https://app.acme.com/hooks".to_owned());
        plan.workspaces[0].webhooks = vec![WebhookPlan { id, target, events: None, secret }];
        plan
    };
    let replaced = |secret: &[u8]| SecretPlan::Replace(Some(secret.to_vec()), at(99));
    store.apply(&planned(replaced(b"one")), at(1)).await.unwrap();
    store.apply(&planned(replaced(b"two")), at(2)).await.unwrap();
    store.apply(&planned(SecretPlan::Keep), at(3)).await.unwrap();

    let there = store.webhook(acme(), id).await.unwrap().unwrap();
    let patch = WebhookPatch { events: Some(None), ..Default::default() };
    let by = Actor::Backend;
    let changes = [
        store.update_webhook(acme(), id, &patch, by, at(4)).await.unwrap(),
        store.remove_webhook(acme(), id, by, at(4)).await.unwrap(),
        store.rotate_webhook_secret(acme(), id, b"three", at(50), by, at(4)).await.unwrap(),
    ];

    assert!(there.from_file && changes.iter().all(|change| *change == WebhookChange::FromFile));
    assert_eq!(there.sealed_secret, Some(b"two".to_vec()));
    assert_eq!(there.previous, Some((b"one".to_vec(), at(99))));
    store.apply(&plan(&["hubspot"]), at(5)).await.unwrap();
    let left: Vec<_> = store.webhooks(acme()).await.unwrap().into_iter().map(|webhook| webhook.id).collect();
    assert_eq!(left, [api], "what the API made stays");
}

pub(super) async fn a_rotated_secret_leaves_the_one_before_for_a_while(store: &dyn Store) {
    furnished(store).await;
    let id = hooked(store, None).await;

    let rotated = store.rotate_webhook_secret(acme(), id, b"second", at(50), Actor::Backend, at(4)).await;
    let patch =
        WebhookPatch { events: Some(Some(vec!["connection.created".to_owned()])), ..Default::default() };
    store.update_webhook(acme(), id, &patch, Actor::Backend, at(5)).await.unwrap();

    assert_eq!(rotated.unwrap(), WebhookChange::Done);
    let there = store.webhook(acme(), id).await.unwrap().unwrap();
    assert_eq!(there.sealed_secret, Some(b"second".to_vec()));
    assert_eq!(there.previous, Some((b"first".to_vec(), at(50))));
    assert_eq!(there.events, Some(vec!["connection.created".to_owned()]));
    assert!(matches!(there.target, Target::Url(url) if url.ends_with("key=canary")));
    for _ in 1..WEBHOOKS_MOST {
        hooked(store, None).await;
    }
    assert!(!store.add_webhook(&hook(None), Actor::Backend, at(6)).await.unwrap(), "there are enough");
}

pub(super) async fn nobody_reads_events_of_another_scope(store: &dyn Store) {
    let scope = furnished(store).await;
    let webhook = hooked(store, None).await;
    connected(store, scope).await;
    let test = store.add_test_event(acme(), webhook, at(5)).await.unwrap().unwrap();
    let event = claim(store, webhook, at(5)).await.remove(0).event.id;
    let others = [
        Scope { workspace: acme(), customer: Some(customer(store, "c2").await.id) },
        Scope { workspace: WorkspaceId::of("other"), customer: None },
    ];

    for other in others {
        assert!(store.event(other, event).await.unwrap().is_none());
        assert!(kinds(store, other).await.is_empty());
        let filter = DeliveryFilter { limit: 9, ..Default::default() };
        assert!(store.deliveries(other, &filter).await.unwrap().items.is_empty());
        let filter = AuditFilter { limit: 9, ..Default::default() };
        assert!(store.audit(other, &filter).await.unwrap().items.is_empty());
        assert!(store.redeliver(other, event, None, Actor::Backend, at(6)).await.unwrap().is_none());
    }
    let elsewhere = WorkspaceId::of("other");
    assert!(store.webhook(elsewhere, webhook).await.unwrap().is_none());
    assert!(store.add_test_event(elsewhere, webhook, at(6)).await.unwrap().is_none());
    let removed = store.remove_webhook(elsewhere, webhook, Actor::Backend, at(6)).await.unwrap();
    assert_eq!(removed, WebhookChange::Unknown);
    assert_eq!(kinds(store, scope).await, ["connection.created"]);
    assert_eq!(kinds(store, whole()).await, [TEST, "connection.created"]);
    assert_eq!(store.event(whole(), test.id).await.unwrap().unwrap().connection, None);
}

pub(super) async fn the_audit_log_is_read_by_subject_and_action_page_by_page(store: &dyn Store) {
    let scope = furnished(store).await;
    let mine = connected(store, scope).await;
    connected(store, scope).await;
    store.archive(scope, mine.id, Actor::Customer, at(9)).await.unwrap();
    hooked(store, None).await;
    let read = async |filter: AuditFilter| store.audit(whole(), &filter).await.unwrap();

    let about =
        read(AuditFilter { subject: Some(mine.id.to_string()), limit: 9, ..Default::default() }).await;
    let made =
        read(AuditFilter { action: Some(Action::ConnectionCreated), limit: 9, ..Default::default() }).await;
    let (mut walked, mut before): (usize, Option<EventId>) = (0, None);
    loop {
        let page = read(AuditFilter { before, limit: 2, ..Default::default() }).await;
        walked += page.items.len();
        before = page.items.last().map(|entry| entry.id);
        if !page.more {
            break;
        }
    }

    let words: Vec<_> =
        about.items.iter().map(|entry| (entry.action.as_str(), entry.actor.as_str())).collect();
    assert_eq!(words, [("connection.deleted", "customer"), ("connection.created", "customer")]);
    assert_eq!(about.items[0].customer, scope.customer);
    assert_eq!(made.items.len(), 2);
    assert_eq!(walked, 5);
    let hooks =
        read(AuditFilter { action: Some(Action::WebhookCreated), limit: 9, ..Default::default() }).await;
    assert_eq!(hooks.items[0].detail, serde_json::json!({ "host": "app.acme.com" }));
}
