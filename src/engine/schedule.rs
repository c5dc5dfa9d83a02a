//! When the background renews a credential: ahead of its end, spread so that connections made together
//! are not renewed together.

use std::time::Duration;

use super::oauth::Renewal;
use crate::{
    catalog::connector::AuthOption,
    clock::Entropy,
    model::{Credentials, Timestamp},
};

/// An access token is renewed this much of its life ahead of its end: a fifth, at most an hour.
const AHEAD_PART: u32 = 5;
const AHEAD_MAX: Duration = Duration::from_secs(60 * 60);
/// A refresh token that lapses is used the same part ahead, at most a week: a server may be down for days.
const LAPSE_AHEAD_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The next time to renew. A credential that cannot be renewed is looked at when it ends; one whose refresh
/// token lapses unused is renewed before that, however long its access token lives.
pub(super) fn refresh_time(
    option: &AuthOption,
    credentials: &Credentials,
    expires_at: Option<Timestamp>,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Option<Timestamp> {
    let renewal = Renewal::of(option, credentials);
    if renewal == Renewal::Never {
        return expires_at;
    }
    let ahead_of = |end: Timestamp, longest: Duration| {
        end.minus(jittered((end.since(now) / AHEAD_PART).min(longest), entropy))
    };
    let life = option.refresh.as_ref().and_then(|refresh| refresh.expires_in);
    let lapse = life.filter(|_| renewal == Renewal::RefreshToken).map(Duration::from_secs);
    let before_end = expires_at.map(|end| ahead_of(end, AHEAD_MAX));
    let before_lapse = lapse.map(|life| ahead_of(now.plus(life), LAPSE_AHEAD_MAX));
    before_end.into_iter().chain(before_lapse).min()
}

/// `duration`, up to a quarter shorter.
pub(super) fn jittered(duration: Duration, entropy: &dyn Entropy) -> Duration {
    let mut byte = [0];
    entropy.fill(&mut byte);
    duration - duration / 4 * u32::from(byte[0]) / 255
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{catalog::Catalog, clock::SystemEntropy};

    const DAY: i64 = 24 * 60 * 60;

    /// Seconds from now to the renewal, at the earliest and at the latest over many throws.
    fn wait(app: &str, refresh_token: bool, life: Option<i64>) -> Option<(i64, i64)> {
        let catalog = Catalog::builtin().expect("the catalog");
        let option = &catalog.get(app).expect("the app").auth[0];
        let now = Timestamp::from_seconds(1_800_000_000);
        let credentials = Credentials {
            access_token: Some("at".into()),
            refresh_token: refresh_token.then(|| "rt".into()),
            ..Credentials::default()
        };
        let expires_at = life.map(|life| Timestamp::from_seconds(now.seconds() + life));
        let throw = |_| refresh_time(option, &credentials, expires_at, now, &SystemEntropy::default());
        let waits: Option<Vec<i64>> =
            (0..500).map(throw).map(|at| at.map(|at| at.seconds() - now.seconds())).collect();
        waits.map(|waits| (*waits.iter().min().expect("many"), *waits.iter().max().expect("many")))
    }

    #[test]
    fn jitter_takes_at_most_a_quarter() {
        let whole = Duration::from_secs(400);

        for _ in 0..1000 {
            let part = jittered(whole, &SystemEntropy::default());
            assert!(part <= whole && part >= Duration::from_secs(300), "{part:?}");
        }
    }

    #[test]
    fn an_access_token_is_renewed_a_fifth_of_its_life_ahead() {
        let (first, last) = wait("hubspot", true, Some(1800)).expect("a time");

        assert!((1440..=1530).contains(&first) && (1440..=1530).contains(&last), "{first} {last}");
    }

    #[test]
    fn a_refresh_token_that_lapses_is_used_a_week_ahead_whatever_the_access_token_says() {
        // Jira's lives 90 days.
        for life in [None, Some(365 * DAY)] {
            let (first, last) = wait("jira", true, life).expect("a time");

            assert!(first >= 83 * DAY && last <= 85 * DAY, "{life:?}: {first} {last}");
        }
        let (_, last) = wait("jira", true, Some(3600)).expect("a time");
        assert!(last < 3600, "the access token ends first");
    }

    #[test]
    fn what_cannot_be_renewed_is_looked_at_when_it_ends() {
        assert_eq!(wait("jira", false, Some(3600)), Some((3600, 3600)));
        assert_eq!(wait("jira", false, None), None);
        assert_eq!(wait("stripe", false, None), None);
    }
}
