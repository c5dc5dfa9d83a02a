//! Every auth option of every connector, played through the real engine: it connects, renews, calls and
//! gives back, and each call is the one that the file asks for, to the last parameter.
//!
//! The sandbox plays the provider and refuses what a strict one would; [`script`] says from the file alone
//! what has to go over the wire, and [`play`] compares. What needs a person's judgement, such as whose
//! account it is in the end, stands in the lines of [`super`], by hand.

mod call;
mod fill;
mod given;
mod known;
mod play;
mod script;
mod visit;

use std::{collections::BTreeMap, panic::AssertUnwindSafe, sync::Arc};

use futures_util::FutureExt as _;
use hitchpost::catalog::{Connector, connector::AuthType};

use self::play::{Bench, Done, Fault, Play};
use super::{
    super::app::{SECRET, TestApp},
    relay::{FILES, PLAYED, Relay},
};

/// Servers that play at a time, each with its part of the catalog.
const WIDTH: usize = 2;

/// Options that nobody can play here, and why: file, option, reason.
const UNPLAYED: [(&str, &str, &str); 0] = [];

/// One option that was played.
struct Played {
    name: String,
    kind: &'static str,
    done: Result<Done, Fault>,
}

/// Issue 6, part 3.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_option_of_every_connector_keeps_to_its_file() {
    let parts = (0..WIDTH).map(|part| {
        let connectors = PLAYED.iter().skip(part).step_by(WIDTH).cloned().collect();
        tokio::spawn(play_all(connectors))
    });
    let mut played = Vec::new();
    for part in parts.collect::<Vec<_>>() {
        played.extend(part.await.unwrap());
    }

    report(&played);
    let faults: Vec<_> = played
        .iter()
        .filter_map(|one| Some((one, one.done.as_ref().err()?)))
        .map(|(one, fault)| format!("{} {}: {}", one.name, fault.step, fault.why))
        .collect();
    assert!(faults.is_empty(), "{} of {} do not:\n{}", faults.len(), played.len(), faults.join("\n"));
    let options: usize = PLAYED.iter().map(|connector| connector.auth.len()).sum();
    assert_eq!(played.len() + UNPLAYED.len(), options);
}

/// A line per auth type, and one for all.
#[expect(clippy::print_stdout, reason = "how many were played is what the test shows")]
fn report(played: &[Played]) {
    let mut kinds: BTreeMap<&str, [usize; 5]> = BTreeMap::new();
    for one in played {
        let done = one.done.as_ref().ok();
        let steps = done.map(|done| [done.renewed, done.called, done.given_back]).unwrap_or_default();
        let [renewed, called, given_back] = steps;
        for kind in [one.kind, "~ all"] {
            let counts = kinds.entry(kind).or_default();
            for (count, is_one) in counts.iter_mut().zip([true, done.is_some(), renewed, called, given_back])
            {
                *count += usize::from(is_one);
            }
        }
    }
    for (kind, [all, passed, renewed, called, given_back]) in kinds {
        let kind = kind.trim_start_matches("~ ");
        println!("{kind} {passed}/{all}: {renewed} renewed, {called} called, {given_back} given back");
    }
    for (file, option, why) in UNPLAYED {
        println!("not played: {file}/{option}: {why}");
    }
}

/// Plays one option after the other on a server of their own.
async fn play_all(connectors: Vec<Arc<Connector>>) -> Vec<Played> {
    let bench = bench(&connectors).await;
    let mut played = Vec::new();
    for connector in &connectors {
        for option in &connector.auth {
            if UNPLAYED.iter().any(|(file, key, _)| (*file, *key) == (&connector.key, &option.key)) {
                continue;
            }
            let one = async { Play::new(&bench, connector, option).await?.run().await };
            // What breaks in one keeps none of the others from being played.
            let done = AssertUnwindSafe(one).catch_unwind().await;
            let done = done.unwrap_or_else(|_| Err(Fault { step: "test", why: "panicked".to_owned() }));
            let name = format!("{}.toml {}", connector.key, option.key);
            played.push(Played { name, kind: kind(option.kind), done });
        }
    }
    played
}

async fn bench(connectors: &[Arc<Connector>]) -> Bench {
    let relay = Relay::new().await;
    let integrations = connectors.iter().map(|connector| {
        let key = &connector.key;
        let is_own = FILES.iter().any(|(own, _)| own == key);
        let source = if is_own { format!("file:{key}.toml") } else { key.clone() };
        format!("[[workspace.integration]]\nkey = \"{key}\"\nconnector = \"{source}\"\nsandbox = true\n")
    });
    let config = format!(
        r#"
        [server]
        sandbox = true
        sandbox_url = "{}"
        [server.limits]
        start_per_workspace = "off"
        sign_in_per_workspace = "off"
        api_per_workspace = "off"
        api_per_address = "off"
        proxy_per_workspace = "off"
        proxy_per_address = "off"
        [[workspace]]
        key = "acme"
        name = "Acme"
        secret = "{SECRET}"
        allowed_origins = ["https://app.acme.com"]
        {}
        "#,
        relay.base(),
        integrations.collect::<String>(),
    );
    let files: Vec<_> = FILES.iter().map(|(key, text)| (format!("{key}.toml"), *text)).collect();
    let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), *text)).collect();
    let app = TestApp::played_by(relay.address, &config, &files).await;
    relay.play(Arc::new(app.clock.clone()), app.base.clone());
    let browser = app.browser();
    Bench { app, relay, browser }
}

/// As files write it.
const fn kind(kind: AuthType) -> &'static str {
    match kind {
        AuthType::OAuth2 => "oauth2",
        AuthType::OAuth1 => "oauth1",
        AuthType::ClientCredentials => "client-credentials",
        AuthType::ApiKey => "api-key",
        AuthType::Basic => "basic",
        AuthType::Custom => "custom",
        AuthType::Jwt => "jwt",
        AuthType::TokenExchange => "token-exchange",
        AuthType::Proxy => "proxy",
        AuthType::MembraneToken => "membrane-token",
    }
}
