//! Reads addresses and headers backwards: which values were put into a connector's template.

use std::collections::BTreeMap;

use super::call::{Address, decode};

/// Names and the values that stood in their places.
pub(super) type Captured = BTreeMap<String, String>;

/// Longest text that is compared; a header longer than this fits nothing.
const LONGEST: usize = 8192;

/// A text with holes.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Vec<Piece>);

#[derive(Clone, Debug)]
enum Piece {
    Literal(String),
    Hole(String),
}

impl Pattern {
    /// From a template's source.
    pub(super) fn of(source: &str) -> Self {
        let mut pieces = Vec::new();
        let mut rest = source;
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((name, after)) = after.split_once("}}") else { break };
            if !before.is_empty() {
                pieces.push(Piece::Literal(before.to_owned()));
            }
            pieces.push(Piece::Hole(name.trim().to_owned()));
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Literal(rest.to_owned()));
        }
        Self(pieces)
    }

    /// Names of the holes.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Hole(name) => Some(name.as_str()),
            Piece::Literal(_) => None,
        })
    }

    /// The values that make `text` of this pattern; every hole holds at least one character.
    pub(super) fn capture(&self, text: &str) -> Option<Captured> {
        let mut captured = Captured::new();
        (text.len() <= LONGEST && fit(&self.0, text, &mut captured)).then_some(captured)
    }

    /// The hole at the end, where a dot is before it.
    fn end_behind_a_dot(&self) -> Option<&str> {
        match self.0.as_slice() {
            [.., Piece::Literal(before), Piece::Hole(name)] if before.ends_with('.') => Some(name),
            _ => None,
        }
    }

    /// The pattern is one hole and nothing else.
    fn is_hole(&self) -> bool {
        matches!(self.0.as_slice(), [Piece::Hole(_)])
    }
}

fn fit(pieces: &[Piece], text: &str, captured: &mut Captured) -> bool {
    match pieces {
        [] => text.is_empty(),
        [Piece::Literal(literal), rest @ ..] => {
            text.strip_prefix(literal.as_str()).is_some_and(|text| fit(rest, text, captured))
        }
        [Piece::Hole(name)] => !text.is_empty() && hold(name, text, captured),
        [Piece::Hole(name), rest @ ..] => text.char_indices().skip(1).any(|(at, _)| {
            // A hole ends where the next literal begins; other places need no look.
            let next = match &rest[0] {
                Piece::Literal(literal) => text[at..].starts_with(literal.as_str()),
                Piece::Hole(_) => true,
            };
            next && fit(rest, &text[at..], captured) && hold(name, &text[..at], captured)
        }),
    }
}

/// Notes a value; one name in two places must have one value.
fn hold(name: &str, value: &str, captured: &mut Captured) -> bool {
    captured.entry(name.to_owned()).or_insert_with(|| value.to_owned()) == value
}

/// An address with holes, as a connector file writes it.
#[derive(Clone, Debug)]
pub(super) struct AddressPattern {
    host: Pattern,
    segments: Vec<Pattern>,
}

/// How surely an address is meant, best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Certainty {
    /// The host is written out.
    Host,
    /// A part of the host is open.
    Label,
    /// The whole host is open, within what the connector lists.
    AnyHost,
    /// The connector may stand on any host at all.
    Anywhere,
}

/// How much of an address a pattern covers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reach {
    /// All of its path.
    Exactly,
    /// The beginning of its path.
    Below,
}

impl AddressPattern {
    /// From a URL template. What follows `?` does not tell addresses apart.
    pub(super) fn of(source: &str) -> Self {
        let source = source.split(['?', '#']).next().unwrap_or(source);
        let source = source.split_once("://").map_or(source, |(_, rest)| rest);
        let (host, path) = source.split_once('/').unwrap_or((source, ""));
        let segments = path.trim_end_matches('/').split('/').filter(|segment| !segment.is_empty());
        Self { host: Pattern::of(host), segments: segments.map(Pattern::of).collect() }
    }

    /// From a base and a path below it.
    pub(super) fn below(base: &str, path: &str) -> Self {
        Self::of(&format!("{}/{}", base.trim_end_matches('/'), path.trim_start_matches('/')))
    }

    /// The host, when nothing of it is open.
    pub(super) fn written_host(&self) -> Option<String> {
        match self.host.0.as_slice() {
            [Piece::Literal(host)] => Some(host.clone()),
            _ => None,
        }
    }

    /// What the address says about this pattern; `admits` judges a host that is open as a whole.
    pub(super) fn fits(
        &self,
        address: &Address,
        reach: Reach,
        admits: impl Fn(&str) -> bool,
    ) -> Option<(Certainty, Captured)> {
        let (certainty, mut captured) = self.fits_host(&address.host, admits)?;
        let given: Vec<&str> = address.path.split('/').filter(|segment| !segment.is_empty()).collect();
        let enough = match reach {
            Reach::Exactly => given.len() == self.segments.len(),
            Reach::Below => given.len() >= self.segments.len(),
        };
        if !enough {
            return None;
        }
        for (pattern, segment) in self.segments.iter().zip(given) {
            for (name, value) in pattern.capture(&decode(segment))? {
                if !hold(&name, &value, &mut captured) {
                    return None;
                }
            }
        }
        Some((certainty, captured))
    }

    fn fits_host(&self, host: &str, admits: impl Fn(&str) -> bool) -> Option<(Certainty, Captured)> {
        let captured = self.host.capture(host)?;
        if self.host.is_hole() {
            return admits(host).then_some((Certainty::AnyHost, captured));
        }
        // Only what ends a host may have several labels, and then the connector's hosts judge it.
        let end = self.host.end_behind_a_dot();
        let is_label = |(name, value): (&String, &String)| {
            let dots = end == Some(name.as_str());
            value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || (dots && b == b'.'))
        };
        let certainty = if captured.is_empty() { Certainty::Host } else { Certainty::Label };
        let fits = captured.iter().all(is_label) && (end.is_none() || admits(host));
        fits.then_some((certainty, captured))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(host: &str, path: &str) -> Address {
        Address { host: host.to_owned(), path: path.to_owned() }
    }

    #[test]
    fn a_text_gives_back_what_was_put_in() {
        let pattern = Pattern::of("{{email}}/token");

        let captured = pattern.capture("a/b@example.com/token").expect("it fits");

        assert_eq!(captured["email"], "a/b@example.com");
        assert!(pattern.capture("/token").is_none());
        assert!(pattern.capture("a@example.com").is_none());
    }

    #[test]
    fn one_name_in_two_places_has_one_value() {
        let pattern = Pattern::of("{{a}}-{{a}}");

        assert!(pattern.capture("x-x").is_some());
        assert!(pattern.capture("x-y").is_none());
    }

    #[test]
    fn a_hole_in_a_host_is_one_label() {
        let pattern = AddressPattern::of("https://{{subdomain}}.zendesk.com/oauth/tokens");

        let fit = |host: &str, path: &str| pattern.fits(&address(host, path), Reach::Exactly, |_| false);

        assert_eq!(fit("acme.zendesk.com", "/oauth/tokens").expect("it fits").1["subdomain"], "acme");
        assert!(fit("a.b.zendesk.com", "/oauth/tokens").is_none());
        assert!(fit("zendesk.com", "/oauth/tokens").is_none());
        assert!(fit("acme.zendesk.com", "/oauth/tokens/9").is_none());
    }

    #[test]
    fn the_end_of_a_host_may_have_several_labels_that_the_hosts_admit() {
        let pattern = AddressPattern::of("https://api.{{site}}/v1");

        let fit = |host: &str| {
            pattern.fits(&address(host, "/v1"), Reach::Exactly, |host| host.ends_with(".ok.example"))
        };

        assert_eq!(fit("api.eu.ok.example").expect("it fits").1["site"], "eu.ok.example");
        assert!(fit("api.evil.example").is_none());
    }

    #[test]
    fn an_open_host_is_judged_by_the_connectors_hosts() {
        let pattern = AddressPattern::below("{{instance_url}}", "/services/data");

        let fit = |host: &str| {
            pattern.fits(&address(host, "/services/data"), Reach::Below, |host| host == "ok.example")
        };

        assert_eq!(fit("ok.example").expect("it fits").0, Certainty::AnyHost);
        assert!(fit("evil.example").is_none());
    }
}
