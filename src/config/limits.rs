//! `[server.limits]` and `HITCHPOST_LIMITS_<NAME>`: every limit by its name, with its default and range.

use std::{collections::BTreeMap, num::NonZeroU32, ops::RangeInclusive, time::Duration};

use super::{ConfigError, Environment, setting};
use crate::{
    engine::{self, ProxyLimits, Rate, Rates},
    http::{self, TrustedProxies},
    outbound::Deadlines,
};

/// Before a limit's name in the environment.
const PREFIX: &str = "HITCHPOST_LIMITS_";
/// What turns off a limit that may be off.
const OFF: &str = "off";
const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

/// The section as it was written.
pub(super) type Section = BTreeMap<String, toml::Value>;

/// All limits.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// Of requests and connections.
    pub http: http::Limits,
    /// Of callers and attempts.
    pub engine: engine::Limits,
}

impl Limits {
    pub(super) fn read(
        section: Section,
        environment: &Environment,
        trusted_proxies: TrustedProxies,
    ) -> Result<Self, ConfigError> {
        let mut given = Given { section, environment, known: Vec::new() };
        let usual = Self::default();
        let http = given.http(usual.http, trusted_proxies)?;
        let engine = given.engine(usual.engine)?;
        given.refuse_unknown()?;
        Ok(Self { http, engine })
    }
}

/// What was given, taken out name by name.
struct Given<'e> {
    section: Section,
    environment: &'e Environment,
    known: Vec<&'static str>,
}

impl Given<'_> {
    fn http(
        &mut self,
        usual: http::Limits,
        trusted_proxies: TrustedProxies,
    ) -> Result<http::Limits, ConfigError> {
        Ok(http::Limits {
            page_body_max: self.size("page_body_max", usual.page_body_max, KIB..=GIB)?,
            api_body_max: self.size("api_body_max", usual.api_body_max, KIB..=GIB)?,
            proxy_body_max: self.size_or_off("proxy_body_max", usual.proxy_body_max, KIB..=1024 * GIB)?,
            body_timeout: self.time("body_timeout", usual.body_timeout)?,
            header_timeout: self.time("header_timeout", usual.header_timeout)?,
            header_bytes_max: self.size("header_bytes_max", usual.header_bytes_max as u64, 8 * KIB..=MIB)?
                as usize,
            idle_timeout: self.time("idle_timeout", usual.idle_timeout)?,
            write_timeout: self.time("write_timeout", usual.write_timeout)?,
            connections_max: self.count("connections_max", usual.connections_max, 1..=1_000_000)?,
            connections_per_address: self.count(
                "connections_per_address",
                usual.connections_per_address,
                1..=1_000_000,
            )?,
            streams_per_address: self.count(
                "streams_per_address",
                usual.streams_per_address,
                1..=1_000_000,
            )?,
            trusted_proxies,
        })
    }

    fn engine(&mut self, usual: engine::Limits) -> Result<engine::Limits, ConfigError> {
        Ok(engine::Limits {
            start: Rates {
                per_address: self.rate("start_per_address", usual.start.per_address)?,
                per_customer: self.rate("start_per_customer", usual.start.per_customer)?,
                per_workspace: self.rate("start_per_workspace", usual.start.per_workspace)?,
            },
            sign_in: Rates {
                per_address: self.rate("sign_in_per_address", usual.sign_in.per_address)?,
                per_customer: self.rate("sign_in_per_customer", usual.sign_in.per_customer)?,
                per_workspace: self.rate("sign_in_per_workspace", usual.sign_in.per_workspace)?,
            },
            api: Rates {
                per_address: self.rate("api_per_address", usual.api.per_address)?,
                per_customer: self.rate("api_per_customer", usual.api.per_customer)?,
                per_workspace: self.rate("api_per_workspace", usual.api.per_workspace)?,
            },
            proxy: Rates {
                per_address: self.rate("proxy_per_address", usual.proxy.per_address)?,
                per_customer: self.rate("proxy_per_customer", usual.proxy.per_customer)?,
                per_workspace: self.rate("proxy_per_workspace", usual.proxy.per_workspace)?,
            },
            calls: self.calls(usual.calls)?,
            attempts_per_workspace: self.count(
                "attempts_per_workspace",
                usual.attempts_per_workspace,
                1..=10_000_000,
            )?,
            attempts_per_customer: self.count(
                "attempts_per_customer",
                usual.attempts_per_customer,
                1..=1_000_000,
            )?,
        })
    }

    fn calls(&mut self, usual: ProxyLimits) -> Result<ProxyLimits, ConfigError> {
        let each = usual.deadlines;
        Ok(ProxyLimits {
            calls_per_connection: self.count(
                "proxy_calls_per_connection",
                usual.calls_per_connection,
                1..=100_000,
            )?,
            calls_per_host: self.count("proxy_calls_per_host", usual.calls_per_host, 1..=100_000)?,
            turn: self.time("proxy_turn_timeout", usual.turn)?,
            deadlines: Deadlines {
                connect: self.time("proxy_connect_timeout", each.connect)?,
                head: self.time("proxy_answer_timeout", each.head)?,
                idle: self.time("proxy_idle_timeout", each.idle)?,
            },
        })
    }

    /// The text of a limit, and what to call it in a refusal; the environment wins.
    fn take(&mut self, name: &'static str) -> (String, Option<String>) {
        self.known.push(name);
        let in_file = self.section.remove(name);
        let variable = format!("{PREFIX}{}", name.to_ascii_uppercase());
        match self.environment.get(&variable) {
            Some(text) => (variable, Some(text.to_owned())),
            None => {
                let text = in_file.map(|value| match value {
                    toml::Value::String(text) => text,
                    other => other.to_string(),
                });
                (format!("[server.limits] {name}"), text)
            }
        }
    }

    fn size(
        &mut self,
        name: &'static str,
        usual: u64,
        range: RangeInclusive<u64>,
    ) -> Result<u64, ConfigError> {
        let (place, text) = self.take(name);
        let Some(text) = text else { return Ok(usual) };
        bytes(&text).filter(|size| range.contains(size)).ok_or_else(|| {
            let (from, to) = (range.start(), range.end());
            setting(&place, format!("`{text}` is not a size such as 64 KiB, from {from} to {to} bytes"))
        })
    }

    fn size_or_off(
        &mut self,
        name: &'static str,
        usual: Option<u64>,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, ConfigError> {
        let (place, text) = self.take(name);
        match text.as_deref() {
            None => Ok(usual),
            Some(OFF) => Ok(None),
            Some(text) => bytes(text).filter(|size| range.contains(size)).map(Some).ok_or_else(|| {
                setting(
                    &place,
                    format!("`{text}` is neither a size such as 100 MiB, at least 1 KiB, nor off"),
                )
            }),
        }
    }

    fn time(&mut self, name: &'static str, usual: Duration) -> Result<Duration, ConfigError> {
        let (place, text) = self.take(name);
        let Some(text) = text else { return Ok(usual) };
        let range = Duration::from_millis(100)..=Duration::from_secs(3600);
        humantime::parse_duration(&text).ok().filter(|time| range.contains(time)).ok_or_else(|| {
            setting(&place, format!("`{text}` is not a duration such as 10s, from 100ms to 1h"))
        })
    }

    fn count<N>(&mut self, name: &'static str, usual: N, range: RangeInclusive<u32>) -> Result<N, ConfigError>
    where
        N: TryFrom<u32>,
    {
        let (place, text) = self.take(name);
        let Some(text) = text else { return Ok(usual) };
        let count = text.parse().ok().filter(|count| range.contains(count));
        count.and_then(|count| N::try_from(count).ok()).ok_or_else(|| {
            let (from, to) = (range.start(), range.end());
            setting(&place, format!("`{text}` is not a whole number from {from} to {to}"))
        })
    }

    fn rate(&mut self, name: &'static str, usual: Option<Rate>) -> Result<Option<Rate>, ConfigError> {
        let (place, text) = self.take(name);
        match text.as_deref() {
            None => Ok(usual),
            Some(OFF) => Ok(None),
            Some(text) => parse_rate(text).map(Some).ok_or_else(|| {
                setting(
                    &place,
                    format!("`{text}` is neither a rate such as 60/min or 10/s burst 50, nor off"),
                )
            }),
        }
    }

    fn refuse_unknown(&self) -> Result<(), ConfigError> {
        if let Some(name) = self.section.keys().next() {
            return Err(setting(&format!("[server.limits] {name}"), "there is no such limit".to_owned()));
        }
        let given = self.environment.names_with(PREFIX);
        let unknown = given.into_iter().find(|name| {
            let name = name[PREFIX.len()..].to_ascii_lowercase();
            !self.known.iter().any(|known| *known == name)
        });
        unknown.map_or(Ok(()), |name| Err(setting(name, "there is no such limit".to_owned())))
    }
}

/// `65536`, `64 KiB`, `1MiB`.
fn bytes(text: &str) -> Option<u64> {
    let (number, unit) =
        text.split_at(text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len()));
    let unit = match unit.trim() {
        "" | "B" => 1,
        "KiB" => KIB,
        "MiB" => MIB,
        "GiB" => GIB,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

/// `60/min`, `10/s burst 50`; without a burst, as many at once as in one period.
fn parse_rate(text: &str) -> Option<Rate> {
    let (rate, burst) = match text.split_once(" burst ") {
        Some((rate, burst)) => (rate, Some(burst.trim().parse().ok()?)),
        None => (text, None),
    };
    let (count, period) = rate.split_once('/')?;
    let count: NonZeroU32 = count.trim().parse().ok()?;
    let period = match period.trim() {
        "s" => 1,
        "min" => 60,
        "h" => 3600,
        _ => return None,
    };
    Some(Rate { count, period: Duration::from_secs(period), burst: burst.unwrap_or(count) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(section: &str, environment: &[(&str, &str)]) -> Result<Limits, String> {
        let section = toml::from_str(section).unwrap();
        let environment = Environment::of(environment);
        Limits::read(section, &environment, TrustedProxies::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn every_limit_is_read_and_the_environment_wins() {
        let section = "page_body_max = \"32 KiB\"\nproxy_body_max = \"1 GiB\"\nheader_timeout = \"2s\"\n\
                       connections_max = 50\napi_per_customer = \"10/s burst 50\"\nstart_per_address = \"off\"";
        let environment =
            [("HITCHPOST_LIMITS_CONNECTIONS_MAX", "60"), ("HITCHPOST_LIMITS_API_BODY_MAX", "2048")];

        let limits = read(section, &environment).unwrap();

        assert_eq!((limits.http.page_body_max, limits.http.api_body_max), (32 * 1024, 2048));
        assert_eq!(limits.http.proxy_body_max, Some(1024 * 1024 * 1024));
        assert_eq!(limits.http.header_timeout, Duration::from_secs(2));
        assert_eq!(limits.http.connections_max, 60);
        let rate = limits.engine.api.per_customer.unwrap();
        assert_eq!((rate.count.get(), rate.period.as_secs(), rate.burst.get()), (10, 1, 50));
        assert_eq!(limits.engine.start.per_address, None);
    }

    #[test]
    fn a_bad_value_is_refused_by_name() {
        let cases = [
            ("page_body_max = \"10 B\"", "[server.limits] page_body_max: `10 B` is not a size"),
            ("page_body_max = \"64 kB\"", "[server.limits] page_body_max: `64 kB` is not a size"),
            ("api_body_max = -1", "[server.limits] api_body_max: `-1` is not a size"),
            ("proxy_body_max = \"none\"", "[server.limits] proxy_body_max: `none` is neither a size"),
            ("header_timeout = 10", "[server.limits] header_timeout: `10` is not a duration"),
            ("idle_timeout = \"2h\"", "[server.limits] idle_timeout: `2h` is not a duration"),
            ("connections_max = 0", "[server.limits] connections_max: `0` is not a whole number from 1"),
            ("attempts_per_customer = \"many\"", "attempts_per_customer: `many` is not a whole number"),
            ("api_per_customer = \"0/s\"", "[server.limits] api_per_customer: `0/s` is neither a rate"),
            ("start_per_address = \"5/day\"", "[server.limits] start_per_address: `5/day` is neither a rate"),
            ("sign_in_per_customer = \"5/s burst 0\"", "`5/s burst 0` is neither a rate"),
            ("pages_body_max = 1", "[server.limits] pages_body_max: there is no such limit"),
        ];

        for (section, expected) in cases {
            let said = read(section, &[]).unwrap_err();
            assert!(said.contains(expected), "{section}: {said}");
        }
        let said = read("", &[("HITCHPOST_LIMITS_NO_SUCH", "1")]).unwrap_err();
        assert_eq!(said, "HITCHPOST_LIMITS_NO_SUCH: there is no such limit");
    }
}
