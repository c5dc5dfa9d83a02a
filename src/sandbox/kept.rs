//! Values for what a connector keeps from a reply or a callback, such that later calls fit.

use url::Url;

use crate::catalog::{
    HostPattern,
    connector::{Request, Target},
};

use super::{
    cast::{Part, admits},
    pattern::Pattern,
    person::Person,
};

/// What a host's open label is filled with.
const LABEL: &str = "sandbox";

/// A plausible value for the name a connector keeps: an address or a host where the connector's
/// own templates use it as one. It leads to one of the connector's own hosts, and to another than
/// the one that answers where there is a choice, so that a client who ignores it is noticed.
pub(super) fn plausible(part: &Part, host: &str, name: &str, person: Person) -> String {
    let known = part.captured.get(name).cloned();
    let other = || known.clone().unwrap_or_else(|| other_host(part, host, name));
    match place_of(part, name) {
        Place::Base => format!("https://{}", other()),
        Place::Host => other(),
        Place::Label(host) => known.unwrap_or_else(|| label(part, &host, name)),
        Place::Elsewhere if is_address(name) => format!("https://{}", other()),
        Place::Elsewhere => known.unwrap_or_else(|| person.said_at(name)),
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Place {
    Base,
    Host,
    /// A part of this host.
    Label(String),
    Elsewhere,
}

fn is_address(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["url", "uri", "endpoint"].iter().any(|word| name.ends_with(word))
}

fn sources(part: &Part) -> Vec<&str> {
    let option = part.option();
    let api = part.api();
    let requests: [Option<&Request>; 7] = [
        option.authorize.as_ref(),
        option.token.as_ref(),
        option.exchange.as_ref(),
        option.refresh.as_ref().and_then(|refresh| refresh.request.as_ref()),
        option.revoke.as_ref(),
        option.request_token.as_ref(),
        option.par.as_ref(),
    ];
    let discovers = option.discover.iter().map(|discover| &discover.request);
    let base = api.and_then(|api| api.base.as_ref()).map(|base| base.source());
    requests
        .into_iter()
        .flatten()
        .chain(discovers)
        .chain(api.and_then(|api| api.test.as_ref()))
        .map(|request| match &request.target {
            Target::Url(template) | Target::Path(template) => template.source(),
        })
        .chain(base)
        .collect()
}

fn place_of(part: &Part, name: &str) -> Place {
    let hole = |text: &str| Pattern::of(text).names().any(|found| found == name);
    for source in sources(part) {
        let Some((_, rest)) = source.split_once("://") else {
            if source.starts_with("{{") && hole(source.split('/').next().unwrap_or("")) {
                return Place::Base;
            }
            continue;
        };
        let host = rest.split('/').next().unwrap_or(rest);
        if hole(host) {
            let whole = host.starts_with("{{") && host.find("}}").is_some_and(|end| end + 2 == host.len());
            return if whole { Place::Host } else { Place::Label(host.to_owned()) };
        }
    }
    Place::Elsewhere
}

/// A label that makes the host one of the connector's.
fn label(part: &Part, host: &str, name: &str) -> String {
    let filled = format!("{{{{{name}}}}}");
    if host.matches("{{").count() == 1 && !admits(part.api(), &host.replace(&filled, LABEL)) {
        let pattern = Pattern::of(host);
        let exact = literal_hosts(part).into_iter().find_map(|one| pattern.capture(&one)?.remove(name));
        return exact.unwrap_or_else(|| LABEL.to_owned());
    }
    LABEL.to_owned()
}

/// The hosts that the connector's list writes out.
fn literal_hosts(part: &Part) -> Vec<String> {
    let patterns = part.api().map(|api| api.hosts.as_slice()).unwrap_or_default();
    patterns
        .iter()
        .filter_map(|pattern| match pattern {
            HostPattern::Exact { .. } => Some(pattern.to_string()),
            HostPattern::Below(_) => None,
        })
        .collect()
}

/// A host of the connector for `name`, another than `called` where there is one.
fn other_host(part: &Part, called: &str, name: &str) -> String {
    let patterns = part.api().map(|api| api.hosts.as_slice()).unwrap_or_default();
    let first = called.split('.').next().unwrap_or(LABEL);
    let below = patterns.iter().filter_map(|pattern| match pattern {
        HostPattern::Below(suffix) => Some(suffix),
        HostPattern::Exact { .. } => None,
    });
    let siblings = below.clone().map(|suffix| format!("{first}.{suffix}"));
    let children = below.map(|suffix| format!("{LABEL}.{suffix}"));
    let wants_api = name.to_ascii_lowercase().contains("api");
    let candidates: Vec<String> = siblings.chain(children).chain(literal_hosts(part)).collect();
    let fits = |host: &&String| host.contains("api") == wants_api && host.as_str() != called;
    let open = || part.api().is_some_and(|api| api.open_hosts).then(|| called.to_owned());
    let any = || candidates.iter().find(|host| host.as_str() != called).or_else(|| candidates.first());
    candidates
        .iter()
        .find(fits)
        .filter(|host| Url::parse(&format!("https://{host}/")).is_ok())
        .or_else(any)
        .cloned()
        .or_else(open)
        .unwrap_or_else(|| called.to_owned())
}
