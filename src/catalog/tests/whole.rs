//! What holds over all connectors that come with Hitchpost, and not for every connector there may be.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{super::connector::*, *};
use crate::catalog::host::HostPattern;

/// How many connectors there are.
const CONNECTORS: usize = 396;

/// OAuth 1 options whose vendor has one address for the first call and the token call.
const ONE_ADDRESS: &[&str] = &["evernote/oauth1", "evernote/oauth1-sandbox"];

/// Everything `look` finds wrong, connector by connector.
fn refuse_any(look: impl Fn(&Connector) -> Vec<String>) {
    let catalog = builtin();
    let wrong: Vec<_> = catalog
        .iter()
        .flat_map(|connector| {
            let key = connector.key.clone();
            look(connector).into_iter().map(move |reason| format!("connectors/{key}.toml: {reason}"))
        })
        .collect();

    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_is_read_and_every_refusal_is_told() {
    let mut read = 0;
    let mut refusals = Vec::new();
    for name in Files::iter() {
        let key = name.strip_suffix(".toml").expect("a connector file");
        let file = Files::get(&name).expect("a file");
        let text = std::str::from_utf8(&file.data).expect("text");
        match parse::connector(key, &format!("connectors/{name}"), text) {
            Ok(_) => read += 1,
            Err(error) => refusals.push(error.to_string()),
        }
    }

    assert!(refusals.is_empty(), "{}", refusals.join("\n"));
    assert_eq!(read, CONNECTORS);
}

/// A host that an address in this catalog may have: a name on the public internet.
fn is_plausible(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    let reserved = ["example", "test", "invalid", "localhost", "local", "internal", "onion"];
    host.contains('.')
        && last.len() >= 2
        && last.bytes().all(|letter| letter.is_ascii_lowercase())
        && !reserved.contains(&last)
        && host.split('.').all(|label| !label.is_empty())
}

#[test]
fn hosts_are_names_on_the_public_internet() {
    refuse_any(|connector| {
        let apis = connector.auth.iter().filter_map(|option| connector.api_for(option));
        let hosts = apis.flat_map(|api| &api.hosts).map(ToString::to_string).collect::<BTreeSet<_>>();
        let is_good = |host: &String| match host.strip_prefix("*.") {
            // A suffix that somebody else can register below of is none.
            Some(suffix) => is_plausible(suffix) && !["co.uk", "com.au", "co.jp"].contains(&suffix),
            None => is_plausible(host),
        };
        let wrong = hosts.into_iter().filter(|host| !is_good(host));
        wrong.map(|host| format!("api.hosts: {host} is no host of an app")).collect()
    });
}

#[test]
fn the_two_calls_of_oauth_1_have_two_addresses() {
    refuse_any(|connector| {
        let same = |option: &&AuthOption| {
            let target = |call: &Option<Request>| call.as_ref().map(|call| format!("{:?}", call.target));
            let is_known = ONE_ADDRESS.contains(&format!("{}/{}", connector.key, option.key).as_str());
            let is_same =
                option.request_token.is_some() && target(&option.request_token) == target(&option.token);
            is_same != is_known
        };
        let wrong = connector.auth.iter().filter(same);
        wrong.map(|option| format!("{}: request_token and token have one address", option.key)).collect()
    });
}

/// What two connectors at the same addresses must agree on: it is the vendor's, not the app's.
fn facts(option: &AuthOption) -> Value {
    let token = option.token.as_ref();
    serde_json::json!({
        "client_auth": format!("{:?}", option.client_auth),
        "pkce": option.pkce,
        "separator": if option.scopes.supported { option.scopes.separator.as_str() } else { " " },
        "names": option.names,
        "token.format": token.map(|call| format!("{:?}", call.format)),
        "token.map": token.map(|call| &call.map),
        "refresh": option.refresh.as_ref().map(|refresh| refresh.template),
    })
}

#[test]
fn what_two_connectors_say_of_one_vendor_agrees() {
    let catalog = builtin();
    let mut seen: BTreeMap<(String, String), Vec<(&Connector, &AuthOption)>> = BTreeMap::new();
    for connector in catalog.iter() {
        for option in &connector.auth {
            let source = |call: &Option<Request>| match call.as_ref().map(|call| &call.target) {
                Some(Target::Url(url)) => Some(url.source().to_owned()),
                _ => None,
            };
            // Where every part of an address is a value, it says nothing of the vendor.
            let (Some(authorize), Some(token)) = (source(&option.authorize), source(&option.token)) else {
                continue;
            };
            if !authorize.starts_with("https://{{") {
                seen.entry((authorize, token)).or_default().push((connector, option));
            }
        }
    }
    let mut wrong = Vec::new();
    for ((authorize, _), found) in &seen {
        let (first, usual) = found[0];
        for (other, option) in found.iter().filter(|(other, _)| other.key != first.key) {
            if first.family.is_none() || other.family != first.family {
                wrong.push(format!("{} and {} share {authorize}, but no family", first.key, other.key));
            }
            // One vendor can hand out apps of several kinds.
            let differs = facts(option) != facts(usual);
            if differs && !DIFFERENT.iter().any(|(key, _)| *key == other.key || *key == first.key) {
                let (one, two) = (facts(usual), facts(option));
                wrong.push(format!("{} says {one}, {} says {two}", first.key, other.key));
            }
        }
    }

    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Connectors that speak of the same addresses otherwise than their kin, and why.
const DIFFERENT: &[(&str, &str)] = &[];

#[test]
fn an_option_that_signs_in_can_be_told_from_its_neighbours() {
    refuse_any(|connector| {
        let mut seen = BTreeSet::new();
        let name = |option: &AuthOption| format!("{} ({:?})", option.title, option.environment);
        let twice = connector.auth.iter().filter(|option| !seen.insert(name(option)));
        twice.map(|option| format!("two options are called {}", option.title)).collect()
    });
}

#[test]
fn the_files_name_their_facts_and_their_categories() {
    refuse_any(|connector| {
        let mut wrong = Vec::new();
        if connector.sources.is_empty() && connector.docs.is_none() && connector.status == Status::Reviewed {
            wrong.push("says nowhere what its facts come from".to_owned());
        }
        if connector.name.trim().is_empty() || connector.name.len() > 60 {
            wrong.push(format!("name: {} is no name for a card", connector.name));
        }
        if connector.categories.len() > 4 {
            wrong.push("categories: more than four say nothing".to_owned());
        }
        wrong
    });
    // What a workspace lists is found by its name.
    let mut names = BTreeSet::new();
    for connector in builtin().iter() {
        assert!(names.insert(connector.name.to_lowercase()), "two are called {}", connector.name);
    }
}

#[test]
fn an_option_without_an_api_is_for_signing_in_only() {
    let catalog = builtin();
    let without = |connector: &&std::sync::Arc<Connector>| {
        connector.auth.iter().all(|option| connector.api_for(option).is_none_or(|api| api.base.is_none()))
    };
    let sign_in_only: Vec<_> = catalog.iter().filter(without).collect();

    // Evernote speaks Thrift; of the others nobody said where their API is.
    assert!(sign_in_only.len() > 100, "{}", sign_in_only.len());
    for connector in sign_in_only {
        assert!(
            connector.status == Status::Listed || connector.key == "evernote",
            "{} was reviewed and has no api.base",
            connector.key
        );
    }
}

#[test]
fn a_pattern_of_a_host_is_one() {
    for (host, is_good) in
        [("api.example.com", true), ("localhost", false), ("10.0.0.1", false), ("a.test", false)]
    {
        assert_eq!(is_plausible(host), is_good, "{host}");
        assert!(HostPattern::parse(host).is_ok());
    }
}
