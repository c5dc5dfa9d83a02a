//! How much one caller may take: rates per address, customer and workspace, and attempts that wait.
//!
//! Token buckets. A bucket that is full again is forgotten, so that what is held follows who calls. An
//! address is counted by its network where one subscriber has a whole one (IPv6, /64).

use std::{hash::Hash, net::IpAddr, num::NonZeroU32, time::Duration};

use governor::{
    DefaultKeyedRateLimiter, Quota,
    clock::{Clock as _, MonotonicClock},
};

use super::{Engine, EngineError, ProxyLimits};
use crate::model::{CustomerId, WorkspaceId};

/// `count` per `period`, after `burst` at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many come back in a period.
    pub count: NonZeroU32,
    /// The period.
    pub period: Duration,
    /// The most at once.
    pub burst: NonZeroU32,
}

/// Rates of one kind of act; none does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// By the client's address.
    pub per_address: Option<Rate>,
    /// By customer.
    pub per_customer: Option<Rate>,
    /// By workspace.
    pub per_workspace: Option<Rate>,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Starting to connect an app.
    Start,
    /// Swapping a token or a link for a page session.
    SignIn,
    /// A call of the API.
    Api,
    /// A call of an app through us.
    Proxy,
}

/// What the operator set.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Rates of [`Act::Start`].
    pub start: Rates,
    /// Rates of [`Act::SignIn`].
    pub sign_in: Rates,
    /// Rates of [`Act::Api`].
    pub api: Rates,
    /// Rates of [`Act::Proxy`].
    pub proxy: Rates,
    /// Proxied calls at once, and how long each step may take.
    pub calls: ProxyLimits,
    /// Attempts of one workspace that wait for somebody, at least 1; beyond it the oldest are dropped.
    pub attempts_per_workspace: u32,
    /// The same of one customer.
    pub attempts_per_customer: u32,
}

const fn rate(count: u32, seconds: u64, burst: u32) -> Option<Rate> {
    match (NonZeroU32::new(count), NonZeroU32::new(burst)) {
        (Some(count), Some(burst)) => Some(Rate { count, period: Duration::from_secs(seconds), burst }),
        _ => None,
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            start: Rates {
                per_address: rate(300, 60, 600),
                per_customer: rate(600, 60, 6000),
                per_workspace: rate(6000, 60, 60_000),
            },
            sign_in: Rates {
                per_address: rate(600, 60, 600),
                per_customer: rate(600, 60, 600),
                per_workspace: rate(12_000, 60, 12_000),
            },
            api: Rates {
                per_address: rate(1000, 1, 5000),
                per_customer: rate(500, 1, 5000),
                per_workspace: rate(5000, 1, 20_000),
            },
            proxy: Rates::default(),
            calls: ProxyLimits::default(),
            attempts_per_workspace: 10_000,
            attempts_per_customer: 20,
        }
    }
}

type Buckets<K> = DefaultKeyedRateLimiter<K>;

/// The buckets of one kind of act.
struct Counted {
    addresses: Option<Buckets<IpAddr>>,
    customers: Option<Buckets<CustomerId>>,
    workspaces: Option<Buckets<WorkspaceId>>,
}

impl Counted {
    fn new(rates: Rates) -> Self {
        Self {
            addresses: rates.per_address.map(buckets),
            customers: rates.per_customer.map(buckets),
            workspaces: rates.per_workspace.map(buckets),
        }
    }

    fn forget_full(&self) {
        self.addresses.iter().for_each(Buckets::retain_recent);
        self.customers.iter().for_each(Buckets::retain_recent);
        self.workspaces.iter().for_each(Buckets::retain_recent);
    }
}

fn buckets<K: Hash + Eq + Clone>(rate: Rate) -> Buckets<K> {
    let each = (rate.period / rate.count.get()).max(Duration::from_nanos(1));
    let quota = Quota::with_period(each).expect("at least a nanosecond");
    Buckets::keyed(quota.allow_burst(rate.burst))
}

/// All buckets of this process.
pub(super) struct Meter {
    limits: Limits,
    start: Counted,
    sign_in: Counted,
    api: Counted,
    proxy: Counted,
}

impl Meter {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            start: Counted::new(limits.start),
            sign_in: Counted::new(limits.sign_in),
            api: Counted::new(limits.api),
            proxy: Counted::new(limits.proxy),
            limits,
        }
    }

    fn of(&self, act: Act) -> &Counted {
        match act {
            Act::Start => &self.start,
            Act::SignIn => &self.sign_in,
            Act::Api => &self.api,
            Act::Proxy => &self.proxy,
        }
    }
}

/// Takes one out of the bucket of `key`, or says how long until there is one.
fn take<K: Hash + Eq + Clone>(
    buckets: Option<&Buckets<K>>,
    key: &K,
    limit: &'static str,
) -> Result<(), EngineError> {
    let Some(buckets) = buckets else { return Ok(()) };
    buckets.check_key(key).map_err(|not_yet| {
        let retry_after = not_yet.wait_time_from(MonotonicClock.now());
        EngineError::TooMany { limit, retry_after }
    })
}

/// What an address counts as: itself, or the /64 it is in.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

impl Engine {
    /// Counts an act against the address it came from. Loopback is not counted: it stands for everybody
    /// behind a proxy on this machine that nobody told us to trust.
    pub fn count_address(&self, act: Act, address: IpAddr) -> Result<(), EngineError> {
        if address.to_canonical().is_loopback() {
            return Ok(());
        }
        let limit = match act {
            Act::Start => "start_per_address",
            Act::SignIn => "sign_in_per_address",
            Act::Api => "api_per_address",
            Act::Proxy => "proxy_per_address",
        };
        take(self.inner.meter.of(act).addresses.as_ref(), &network(address), limit)
            .inspect_err(|_| self.metrics().limited(limit))
    }

    /// Counts an act against the customer, if there is one, and the workspace.
    pub fn count_caller(
        &self,
        act: Act,
        workspace: WorkspaceId,
        customer: Option<CustomerId>,
    ) -> Result<(), EngineError> {
        let (of_customer, of_workspace) = match act {
            Act::Start => ("start_per_customer", "start_per_workspace"),
            Act::SignIn => ("sign_in_per_customer", "sign_in_per_workspace"),
            Act::Api => ("api_per_customer", "api_per_workspace"),
            Act::Proxy => ("proxy_per_customer", "proxy_per_workspace"),
        };
        let counted = self.inner.meter.of(act);
        // The customer first: one who has too much takes nothing from the others of the workspace.
        let taken = match customer {
            Some(customer) => take(counted.customers.as_ref(), &customer, of_customer),
            None => Ok(()),
        };
        taken.and_then(|()| take(counted.workspaces.as_ref(), &workspace, of_workspace)).inspect_err(
            |error| {
                if let EngineError::TooMany { limit, .. } = error {
                    self.metrics().limited(limit);
                }
            },
        )
    }

    /// Drops the oldest attempts that wait, when a workspace or a customer has too many.
    pub(super) async fn make_room_for_attempts(
        &self,
        workspace: WorkspaceId,
        customer: CustomerId,
    ) -> Result<(), EngineError> {
        let limits = &self.inner.meter.limits;
        // One less than allowed: the next one is about to come.
        let most = (limits.attempts_per_workspace - 1, limits.attempts_per_customer - 1);
        let dropped = self.store().drop_oldest_attempts(workspace, customer, most).await?;
        if dropped > 0 {
            tracing::debug!(dropped, workspace.id = %workspace, "Too many attempts wait; dropped the oldest");
        }
        Ok(())
    }

    /// Forgets the buckets that are full again.
    pub(super) fn forget_full_buckets(&self) {
        let meter = &self.inner.meter;
        for counted in [&meter.start, &meter.sign_in, &meter.api, &meter.proxy] {
            counted.forget_full();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscriber_of_ipv6_has_one_bucket() {
        let counts_as = |text: &str| network(text.parse().unwrap()).to_string();

        assert_eq!(counts_as("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(counts_as("2001:db8:1:2:ffff::1"), "2001:db8:1:2::");
        assert_eq!(counts_as("203.0.113.9"), "203.0.113.9");
        assert_eq!(counts_as("::ffff:203.0.113.9"), "203.0.113.9");
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_says_when() {
        let hourly = Rate {
            count: NonZeroU32::MIN,
            period: Duration::from_secs(3600),
            burst: NonZeroU32::new(3).unwrap(),
        };
        let buckets: Buckets<u8> = buckets(hourly);
        let take = |key| take(Some(&buckets), &key, "start_per_customer");

        let taken = [take(1), take(1), take(1)];
        let refused = take(1);
        let other = take(2);

        assert!(taken.iter().all(Result::is_ok) && other.is_ok());
        let Err(EngineError::TooMany { limit, retry_after }) = refused else { panic!("not refused") };
        assert_eq!(limit, "start_per_customer");
        assert!(retry_after > Duration::from_secs(3590) && retry_after <= Duration::from_secs(3600));
    }
}
