//! Brings events to webhooks: at least once, signed, in no promised order.
//!
//! The delivery is in the store since the change itself. Whoever claims it tries it; a process that dies
//! lets go of its claims by their end. A webhook that is slow fills its own few places and nobody else's.

use std::{collections::HashMap, time::Duration};

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use tokio::task::JoinSet;
use url::Url;

use super::{
    Engine, EngineError,
    relay::RelayError,
    schedule::jittered,
    your_app::{AppCall, AppCallError},
};
use crate::{
    clock::Entropy,
    model::{DeliveryError, Event, Target, Timestamp, Webhook, WebhookId},
    outbound::OutboundError,
    protocol::{
        Call,
        token_reply::retry_after,
        webhook::{self, SigningKey},
    },
    store::{AfterTry, Claimed, Tried},
};

/// A receiver has this long to answer.
const DEADLINE: Duration = Duration::from_secs(15);
/// How long a claim holds: the deadline, and time to write down what came of it.
const CLAIM: Duration = Duration::from_secs(20);
/// Between two looks for what is due; what this process writes down is seen at once.
const POLL: Duration = Duration::from_secs(1);
/// Tries under way at once to one webhook, and over all.
const AT_ONCE: usize = 8;
const AT_ONCE_OVER_ALL: usize = 512;
/// How long tries under way may take when the server closes; the rest is tried again at the next start.
const LAST_CALL: Duration = Duration::from_secs(5);
/// What is waited after each failed try, less up to a quarter. After the last one it is given up.
const WAITS: [Duration; 9] = [
    Duration::from_secs(5),
    minutes(5),
    minutes(30),
    minutes(2 * 60),
    minutes(5 * 60),
    minutes(10 * 60),
    minutes(14 * 60),
    minutes(20 * 60),
    minutes(24 * 60),
];

const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

/// Tries under way.
#[derive(Default)]
struct UnderWay {
    tasks: JoinSet<WebhookId>,
    by_webhook: HashMap<WebhookId, usize>,
}

impl UnderWay {
    /// How many more there is room for.
    fn room(&self, webhook: WebhookId) -> usize {
        let busy = self.by_webhook.get(&webhook).copied().unwrap_or_default();
        AT_ONCE.saturating_sub(busy).min(AT_ONCE_OVER_ALL.saturating_sub(self.tasks.len()))
    }

    fn begin(&mut self, engine: &Engine, claimed: Claimed) {
        let (engine, webhook) = (engine.clone(), claimed.webhook.id);
        *self.by_webhook.entry(webhook).or_default() += 1;
        self.tasks.spawn(async move {
            engine.deliver(claimed).await;
            webhook
        });
    }

    /// Comes back when a try has ended; never while there is none.
    async fn ended(&mut self) {
        match self.tasks.join_next().await {
            None => std::future::pending().await,
            // A try that panicked keeps its place; its claim ends by itself.
            Some(Err(error)) => tracing::error!(%error, "A delivery broke off"),
            Some(Ok(webhook)) => {
                if let Some(busy) = self.by_webhook.get_mut(&webhook) {
                    *busy -= 1;
                    if *busy == 0 {
                        self.by_webhook.remove(&webhook);
                    }
                }
            }
        }
    }
}

impl Engine {
    /// Delivers events until the server closes.
    pub async fn deliver_events(&self) {
        let mut wakes = self.store().outbox_wakes();
        let mut under_way = UnderWay::default();
        loop {
            if let Err(error) = self.deliver_due(&mut under_way).await {
                tracing::warn!(%error, "Events could not be looked for; they are kept");
            }
            tokio::select! {
                () = self.closing() => break,
                _ = wakes.changed() => {}
                () = under_way.ended() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
        let ending = async { while under_way.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(LAST_CALL, ending).await;
    }

    async fn deliver_due(&self, under_way: &mut UnderWay) -> Result<(), EngineError> {
        for webhook in self.store().due_webhooks(self.now()).await? {
            let room = u32::try_from(under_way.room(webhook)).unwrap_or(0);
            if room == 0 {
                continue;
            }
            let now = self.now();
            for claimed in self.store().claim_deliveries(webhook, now, now.plus(CLAIM), room).await? {
                under_way.begin(self, claimed);
            }
        }
        Ok(())
    }

    /// One try, and what follows from it.
    async fn deliver(&self, claimed: Claimed) {
        let Claimed { delivery, attempts, until, event, webhook } = claimed;
        let tried = match self.try_to_deliver(&event, &webhook).await {
            Ok((status, headers)) => {
                verdict(status, retry_after(&headers, self.now()), attempts, self.now(), self.entropy())
            }
            Err(error) => failed(error, None, None, attempts, self.now(), self.entropy()),
        };
        match self.store().finish_delivery(delivery, until, tried, self.now()).await {
            Ok(true) => {
                self.metrics().delivered(match tried.next {
                    AfterTry::Done => "delivered",
                    AfterTry::Again(_) => "failed",
                    AfterTry::GiveUp => "dead",
                });
                tracing::info!(
                event.id = %event.id,
                webhook.id = %webhook.id,
                attempts = attempts + 1,
                status = tried.status,
                error = tried.error.map(DeliveryError::as_str),
                "Event {} was {} by webhook {}",
                event.id, if tried.next == AfterTry::Done { "taken" } else { "not taken" }, webhook.id,
                );
            }
            // Somebody else has it since; they write down what comes of it.
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(%error, event.id = %event.id, "A delivery was made but not noted; it is repeated");
            }
        }
    }

    async fn try_to_deliver(
        &self,
        event: &Event,
        webhook: &Webhook,
    ) -> Result<(StatusCode, HeaderMap), DeliveryError> {
        let body = self.event_body(event).await.to_string().into_bytes();
        let keys = self.signing_keys(webhook).map_err(|_| DeliveryError::SecretUnreadable)?;
        let mut headers = webhook::headers(&event.id.to_string(), self.now(), &body, &keys);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match &webhook.target {
            Target::Url(url) => {
                let url = Url::parse(url).map_err(|_| DeliveryError::AddressNotAllowed)?;
                let call = Call { method: Method::POST, url, headers, body };
                Ok(self
                    .inner
                    .ports
                    .outbound
                    .knock(call, DEADLINE)
                    .await
                    .map_err(|error| unanswered(&error))?)
            }
            Target::YourApp(path) => self.tell_your_app(event, path, headers, body).await,
        }
    }

    /// The keys that sign for a webhook now, the newest first.
    fn signing_keys(&self, webhook: &Webhook) -> Result<Vec<SigningKey>, EngineError> {
        let now = self.now();
        let previous = webhook.previous.iter().filter(|(_, until)| *until > now).map(|(sealed, _)| sealed);
        let sealed = webhook.sealed_secret.iter().chain(previous);
        sealed.map(|sealed| self.open_webhook_secret(webhook, sealed)).collect()
    }

    /// Calls the product's own API as the customer whose connection it is about.
    async fn tell_your_app(
        &self,
        event: &Event,
        path: &str,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<(StatusCode, HeaderMap), DeliveryError> {
        let customer = event.customer.ok_or(DeliveryError::AppNotReady)?;
        let call = AppCall { method: Method::POST, path: path.to_owned(), headers, body };
        let calling = self.call_your_app(event.workspace, customer, call);
        let reply = tokio::time::timeout(DEADLINE, calling).await.map_err(|_| DeliveryError::Timeout)?;
        let reply = reply.map_err(|error| match error {
            AppCallError::Relay(RelayError::Outbound(error)) => unanswered(&error),
            _ => DeliveryError::AppNotReady,
        })?;
        Ok((reply.status, reply.headers))
    }
}

/// What follows from an answer.
fn verdict(
    status: StatusCode,
    asked: Option<Duration>,
    attempts: u32,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Tried {
    let number = Some(status.as_u16());
    if status.is_success() {
        return Tried { next: AfterTry::Done, status: number, error: None };
    }
    let error = match status {
        // The receiver wants this message no more. Its webhook stays: a wrong answer must not end it.
        StatusCode::GONE => {
            return Tried { next: AfterTry::GiveUp, status: number, error: Some(DeliveryError::Gone) };
        }
        status if status.is_redirection() => DeliveryError::Redirect,
        _ => DeliveryError::Status,
    };
    failed(error, number, asked, attempts, now, entropy)
}

/// Another try after a wait, or none when it was the last one. A receiver may ask for a longer wait.
fn failed(
    error: DeliveryError,
    status: Option<u16>,
    asked: Option<Duration>,
    attempts: u32,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Tried {
    let wait = usize::try_from(attempts).ok().and_then(|attempts| WAITS.get(attempts));
    let next = match wait {
        Some(wait) => AfterTry::Again(now.plus(jittered(*wait, entropy).max(asked.unwrap_or_default()))),
        None => AfterTry::GiveUp,
    };
    Tried { next, status, error: Some(error) }
}

fn unanswered(error: &OutboundError) -> DeliveryError {
    match error {
        OutboundError::Refused { .. } => DeliveryError::AddressNotAllowed,
        OutboundError::Timeout(_) => DeliveryError::Timeout,
        _ => DeliveryError::Unreachable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemEntropy;

    fn tried(status: u16, asked: Option<u64>, attempts: u32) -> Tried {
        let status = StatusCode::from_u16(status).expect("a status");
        let now = Timestamp::from_seconds(1_800_000_000);
        verdict(status, asked.map(Duration::from_secs), attempts, now, &SystemEntropy::default())
    }

    /// Seconds until the next try.
    fn wait(tried: Tried) -> i64 {
        match tried.next {
            AfterTry::Again(at) => at.seconds() - 1_800_000_000,
            other => panic!("no further try: {other:?}"),
        }
    }

    #[test]
    fn every_2xx_is_taken_and_410_is_given_up() {
        for status in [200, 201, 204, 299] {
            assert_eq!(tried(status, None, 0).next, AfterTry::Done, "{status}");
        }
        assert_eq!(tried(410, None, 0).next, AfterTry::GiveUp);
        assert_eq!(tried(410, None, 0).error, Some(DeliveryError::Gone));
        assert_eq!(tried(302, None, 0).error, Some(DeliveryError::Redirect));
        for status in [304, 400, 401, 404, 429, 500, 503] {
            assert!(matches!(tried(status, None, 0).next, AfterTry::Again(_)), "{status}");
        }
    }

    #[test]
    fn waits_grow_over_three_days_and_the_tenth_failure_is_the_last() {
        for (attempts, wanted) in (0..).zip(WAITS) {
            let longest = i64::try_from(wanted.as_secs()).expect("small");
            let waited = wait(tried(500, None, attempts));
            assert!(waited >= longest * 3 / 4 && waited <= longest, "{attempts}: {waited} of {longest}");
        }
        assert_eq!(tried(500, None, 9).next, AfterTry::GiveUp);
        assert_eq!(WAITS.iter().map(Duration::as_secs).sum::<u64>() / 3600, 75);
    }

    #[test]
    fn a_receiver_may_ask_for_a_longer_wait_and_not_for_a_shorter_one() {
        assert_eq!(wait(tried(429, Some(90), 0)), 90);
        assert!(wait(tried(503, Some(1), 1)) >= 225);
    }
}
