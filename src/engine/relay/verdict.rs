//! What an answer means for the call: it stands, or the call is made once more.

use std::time::Duration;

use http::{HeaderMap, Method, StatusCode, header};
use serde_json::Value;

use super::{Answer, Behalf, Done, Engine, Head, MAX_WAIT, MAX_WAIT_HEADER, RelayError};
use crate::{
    catalog::connector::Expired,
    protocol::{Reply, json, oauth1::clock_offset, token_reply::retry_after},
};

/// Tries in all, the first one included.
const TRIES_MOST: u32 = 3;
/// Jitter on top of what the provider asked for: up to one part in this many, at least [`JITTER_LEAST`].
const JITTER_PART: u32 = 10;
const JITTER_LEAST: Duration = Duration::from_millis(50);
/// A caller's own word that a call may be made twice.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// What is to be done.
pub(super) enum Verdict {
    /// It is the answer.
    Stands,
    /// The credentials ran out.
    Expired,
    /// A signature was refused because our clock is not the provider's; the offset is learnt.
    ClockIsOff,
    /// The provider asked to come again after this time.
    Later(Duration),
}

/// How long the caller waits, and what is left of it.
pub(super) struct Waiting {
    left: Duration,
    tries: u32,
}

impl Waiting {
    pub(super) fn of(request: &Head) -> Result<Self, RelayError> {
        let said = request.headers.get_all(MAX_WAIT_HEADER).iter().collect::<Vec<_>>();
        let left = match said.as_slice() {
            [] => Some(Duration::ZERO),
            [one] => one.to_str().ok().and_then(seconds).filter(|wait| *wait <= MAX_WAIT),
            _ => None,
        };
        let may_repeat = match request.method {
            Method::GET | Method::HEAD | Method::PUT | Method::DELETE | Method::OPTIONS => true,
            _ => request.headers.contains_key(IDEMPOTENCY_KEY),
        };
        let left = left.ok_or(RelayError::MaxWait)?;
        Ok(Self { left: if may_repeat { left } else { Duration::ZERO }, tries: 1 })
    }

    /// How long to wait for another try; none when that is longer than the caller waits.
    fn again_after(&mut self, asked: Duration, share: f64) -> Option<Duration> {
        let jitter = (asked / JITTER_PART).max(JITTER_LEAST).mul_f64(share);
        let wait = asked + jitter;
        if self.tries >= TRIES_MOST || asked > self.left || self.left.is_zero() {
            return None;
        }
        self.tries += 1;
        let wait = wait.min(self.left);
        self.left -= wait;
        Some(wait)
    }
}

fn seconds(text: &str) -> Option<Duration> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number).map(Duration::from_secs)
}

pub(super) async fn judge(
    engine: &Engine,
    behalf: &Behalf,
    request: &Head,
    answer: &mut Answer,
    waiting: &mut Waiting,
    done: &Done,
) -> Verdict {
    if answer.status.is_success() && !may_hide_expiry(behalf, answer.status) {
        return Verdict::Stands;
    }
    if !done.clock_set && behalf.option().usage.sign && engine.learns_clock(request, behalf, answer) {
        return Verdict::ClockIsOff;
    }
    if !done.renewed && has_expired(behalf, answer).await {
        return Verdict::Expired;
    }
    if !matches!(answer.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        return Verdict::Stands;
    }
    let asked = retry_after(&answer.headers, engine.now());
    match asked.and_then(|asked| waiting.again_after(asked, engine.share())) {
        Some(wait) => Verdict::Later(wait),
        None => Verdict::Stands,
    }
}

fn may_hide_expiry(behalf: &Behalf, status: StatusCode) -> bool {
    behalf.api().is_some_and(|api| api.expired.status.contains(&status.as_u16()))
}

/// A 401, or what the connector says means the same. RFC 6750 §3.1: a token that is good for less than was
/// asked is not renewed for that.
async fn has_expired(behalf: &Behalf, answer: &mut Answer) -> bool {
    if lacks_scope(&answer.headers) {
        return false;
    }
    let rule =
        behalf.api().map(|api| &api.expired).filter(|rule| rule.status.contains(&answer.status.as_u16()));
    match rule {
        None => answer.status == StatusCode::UNAUTHORIZED,
        Some(Expired { field: None, .. }) => true,
        Some(Expired { field: Some(field), equals, .. }) => {
            let said = answer.peek().await.and_then(|body| serde_json::from_slice::<Value>(body).ok());
            let found = said.as_ref().and_then(|said| json::at(said, field));
            found.is_some_and(|found| equals.as_ref().is_none_or(|equals| json::is_same(found, equals)))
        }
    }
}

fn lacks_scope(headers: &HeaderMap) -> bool {
    let challenges = headers.get_all(header::WWW_AUTHENTICATE).iter();
    challenges.filter_map(|challenge| challenge.to_str().ok()).any(|text| text.contains("insufficient_scope"))
}

impl Engine {
    /// RFC 5849 §3.3: whether the call was refused because our clock is not the provider's.
    fn learns_clock(&self, request: &Head, behalf: &Behalf, answer: &Answer) -> bool {
        if !matches!(answer.status.as_u16(), 400 | 401 | 403) {
            return false;
        }
        let mut reply = Reply::new(answer.status, Vec::new());
        reply.headers = answer.headers.clone();
        let offset = clock_offset(&reply, self.now());
        let host = self.route(behalf, request).map(|route| route.host());
        offset.zip(host.ok()).is_some_and(|(offset, host)| self.inner.clocks.corrected(&host, offset))
    }

    /// A random part of a whole.
    fn share(&self) -> f64 {
        let bytes = self.entropy().uuid(self.now());
        f64::from(bytes.as_bytes()[15]) / 255.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: Method, headers: &[(&'static str, &'static str)]) -> Head {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        Head { method, path: "/x".to_owned(), query: None, headers: map }
    }

    fn waits(method: Method, headers: &[(&'static str, &'static str)], asked: &[u64]) -> Vec<Option<u64>> {
        let mut waiting = Waiting::of(&request(method, headers)).unwrap();
        let mut again = |asked: &u64| waiting.again_after(Duration::from_secs(*asked), 0.0);
        asked.iter().map(|asked| again(asked).map(|wait| wait.as_secs())).collect()
    }

    /// Security F7.
    #[test]
    fn a_wait_stays_within_what_the_caller_said_and_three_tries() {
        let ten = [(MAX_WAIT_HEADER, "10")];

        assert_eq!(waits(Method::GET, &[], &[0, 1]), [None, None]);
        assert_eq!(waits(Method::GET, &ten, &[11]), [None]);
        assert_eq!(waits(Method::GET, &ten, &[4, 4, 1]), [Some(4), Some(4), None]);
        assert_eq!(waits(Method::GET, &ten, &[4, 7]), [Some(4), None]);
        assert_eq!(waits(Method::GET, &ten, &[10, 1]), [Some(10), None]);
        assert_eq!(waits(Method::GET, &ten, &[u64::MAX / 2]), [None]);
    }

    #[test]
    fn what_may_not_be_done_twice_is_not_waited_for() {
        for method in [Method::POST, Method::PATCH] {
            assert_eq!(waits(method.clone(), &[(MAX_WAIT_HEADER, "10")], &[1]), [None]);
            let keyed = [(MAX_WAIT_HEADER, "10"), (IDEMPOTENCY_KEY, "k")];
            assert_eq!(waits(method, &keyed, &[1]), [Some(1)]);
        }
    }

    #[test]
    fn a_wait_that_is_no_number_of_seconds_is_refused() {
        for text in ["", "-1", "+1", "1.5", "61", "1s", "9999999999999999999999"] {
            let refused = Waiting::of(&request(Method::GET, &[(MAX_WAIT_HEADER, text)]));
            assert!(matches!(refused, Err(RelayError::MaxWait)), "{text}");
        }
        let twice = Waiting::of(&request(Method::GET, &[(MAX_WAIT_HEADER, "1"), (MAX_WAIT_HEADER, "1")]));
        assert!(matches!(twice, Err(RelayError::MaxWait)));
    }

    #[test]
    fn jitter_adds_a_tenth_at_most() {
        let mut waiting = Waiting { left: Duration::from_secs(60), tries: 1 };

        assert_eq!(waiting.again_after(Duration::from_secs(20), 1.0), Some(Duration::from_secs(22)));
        assert_eq!(waiting.left, Duration::from_secs(38));
    }
}
