//! Values inside an address: one placeholder, one component.
//!
//! `https://{{shop}}.example.com` with `evil.com/#` as the shop would leave the house. So each
//! placeholder is given a [`Slot`] by the text around it, a value must fit its slot, and the
//! finished address is parsed again and compared with what was put together.

use url::Url;

use super::{Part, Template, TemplateError, Values, lookup};

/// What a placeholder of an address stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Slot {
    /// Scheme, host and perhaps a path: the placeholder opens the address.
    Base,
    /// The whole host, with a port if the value has one.
    Host,
    /// A label of the host or a part of one.
    Label,
    /// The end of the host, behind a dot: `example.com` for `https://api.{{site}}/v1`.
    Domain,
    /// The port.
    Port,
    /// One path segment or a part of one.
    Segment,
    /// One name or value of the query, or a part of one.
    Query,
}

/// How much of an address's host is fixed by the template.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HostShape {
    /// All of it: `host` or `host:port`.
    Literal(String),
    /// Everything behind the first labels: `zendesk.com` for `{{subdomain}}.zendesk.com`.
    Suffix(String),
    /// Nothing that would hold anyone back.
    Open,
}

/// Where the walk through an address is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Start,
    AfterBase,
    Authority,
    Path,
    Query,
}

/// An address being put together.
#[derive(Default)]
struct Draft {
    scheme: String,
    authority: String,
    path: String,
    query: Option<String>,
}

const NO_SCHEME: TemplateError = TemplateError::NotAnAddress("it must begin with https://");

impl Template {
    /// What each placeholder stands for when this is an address, in order of appearance.
    ///
    /// # Errors
    /// When the text around the placeholders cannot be an address.
    pub fn slots(&self) -> Result<Vec<Slot>, TemplateError> {
        let mut slots = Vec::new();
        self.walk(|_, slot, _| {
            slots.push(slot);
            Ok(())
        })?;
        Ok(slots)
    }

    /// How much of the host is fixed.
    ///
    /// # Errors
    /// When the text around the placeholders cannot be an address.
    pub fn host_shape(&self) -> Result<HostShape, TemplateError> {
        let slots = self.slots()?;
        let in_host = |slot: &Slot| !matches!(slot, Slot::Segment | Slot::Query);
        let Some(last) = slots.iter().rposition(in_host) else {
            let draft = self.walk(|_, _, _| Ok(()))?;
            return Ok(HostShape::Literal(draft.authority.to_ascii_lowercase()));
        };
        if slots[..=last].iter().any(|slot| *slot != Slot::Label) {
            return Ok(HostShape::Open);
        }
        let behind = self.parts().skip_while({
            let mut left = last + 1;
            move |part| {
                let skip = left > 0;
                left -= usize::from(skip && matches!(part, Part::Name(_)));
                skip
            }
        });
        let Some(Part::Text(text)) = behind.into_iter().next() else { return Ok(HostShape::Open) };
        let host = text.split(['/', '?']).next().unwrap_or_default();
        Ok(match host.strip_prefix('.') {
            Some(suffix) if suffix.contains('.') && !suffix.contains(':') => {
                HostShape::Suffix(suffix.to_ascii_lowercase())
            }
            _ => HostShape::Open,
        })
    }

    /// Puts the values in so that each fills its own component and nothing else, and checks the
    /// finished address. https, or http for a loopback host.
    ///
    /// This does not say that the host is one that may see a secret: ask
    /// [`HostPattern`](crate::catalog::HostPattern) before anything is sent.
    ///
    /// # Errors
    /// When a value is missing or does not fit its place; the error names the placeholder only.
    pub fn render_url(&self, values: &dyn Values) -> Result<Url, TemplateError> {
        let draft = self.walk(|draft, slot, name| {
            let value = lookup(values, name)?;
            fill(draft, slot, &value).map_err(|reason| TemplateError::Unfit { name: name.to_owned(), reason })
        })?;
        draft.finish()
    }

    /// Goes through the address, hands each placeholder with its slot to `fill`, and collects the
    /// text in between.
    fn walk(
        &self,
        mut fill: impl FnMut(&mut Draft, Slot, &str) -> Result<(), TemplateError>,
    ) -> Result<Draft, TemplateError> {
        let mut draft = Draft::default();
        let mut place = Place::Start;
        let mut parts = self.parts().peekable();
        let mut first_in_host = true;
        while let Some(part) = parts.next() {
            match part {
                Part::Text(text) => {
                    place = draft.push(place, text)?;
                    first_in_host &= draft.authority.is_empty();
                }
                Part::Name(name) => {
                    let ends_host = match parts.peek() {
                        None => true,
                        Some(Part::Text(next)) => next.starts_with(['/', '?', ':']),
                        Some(Part::Name(_)) => false,
                    };
                    let slot = match place {
                        Place::Start => Slot::Base,
                        Place::AfterBase => return Err(NO_SCHEME),
                        Place::Authority if first_in_host && ends_host => Slot::Host,
                        Place::Authority if draft.authority.ends_with(':') => Slot::Port,
                        Place::Authority if draft.authority.ends_with('.') && ends_host => Slot::Domain,
                        Place::Authority => Slot::Label,
                        Place::Path => Slot::Segment,
                        Place::Query => Slot::Query,
                    };
                    if slot == Slot::Base {
                        place = Place::AfterBase;
                    }
                    first_in_host = false;
                    fill(&mut draft, slot, name)?;
                }
            }
        }
        if place == Place::Start { Err(NO_SCHEME) } else { Ok(draft) }
    }
}

impl Draft {
    /// Adds text of the template itself and says where that leads.
    fn push(&mut self, place: Place, text: &str) -> Result<Place, TemplateError> {
        let mut place = place;
        let mut rest = text;
        if place == Place::Start {
            let (scheme, behind) = text.split_once("://").ok_or(NO_SCHEME)?;
            if !matches!(scheme, "https" | "http") {
                return Err(NO_SCHEME);
            }
            scheme.clone_into(&mut self.scheme);
            rest = behind;
            place = Place::Authority;
        }
        if place == Place::AfterBase && !rest.starts_with(['/', '?']) {
            return Err(TemplateError::NotAnAddress("a slash must follow a base address"));
        }
        for letter in rest.chars() {
            if !letter.is_ascii_graphic() || matches!(letter, '\\' | '#' | '"' | '<' | '>') {
                return Err(TemplateError::NotAnAddress("it has a character that does not belong there"));
            }
            place = match (place, letter) {
                (Place::Query, _) => Place::Query,
                (_, '?') => {
                    self.query = Some(String::new());
                    Place::Query
                }
                (_, '/') => {
                    self.path.push('/');
                    Place::Path
                }
                (Place::Authority, '@') => {
                    return Err(TemplateError::NotAnAddress("it has a user name"));
                }
                (other, _) => other,
            };
            match place {
                Place::Authority => self.authority.push(letter),
                Place::Path if letter != '/' => self.path.push(letter),
                Place::Query => {
                    let query = self.query.get_or_insert_default();
                    if !(query.is_empty() && letter == '?') {
                        query.push(letter);
                    }
                }
                _ => {}
            }
        }
        Ok(place)
    }

    /// Parses what was put together and compares the parts.
    fn finish(self) -> Result<Url, TemplateError> {
        let dots = self.path.to_ascii_lowercase().replace("%2e", ".");
        if dots.split('/').any(|segment| matches!(segment, "." | "..")) {
            return Err(TemplateError::NotAnAddress("its path climbs"));
        }
        let mut text = format!("{}://{}{}", self.scheme, self.authority, self.path);
        if let Some(query) = &self.query {
            text.push('?');
            text.push_str(query);
        }
        let url = Url::parse(&text).map_err(|_| TemplateError::NotAnAddress("it cannot be read"))?;
        let same = url.scheme() == self.scheme
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none()
            && url.query().is_some() == self.query.is_some()
            && url.path().split('/').count() == self.path.split('/').count().max(2)
            && same_authority(&url, &self.authority);
        if !same {
            return Err(TemplateError::NotAnAddress("it does not keep its parts"));
        }
        if url.scheme() == "http" && !is_loopback(&url) {
            return Err(TemplateError::NotAnAddress("http is for loopback hosts only; use https"));
        }
        Ok(url)
    }
}

/// Whether `url` has exactly the host and port that were written.
fn same_authority(url: &Url, written: &str) -> bool {
    let port_at = written.rfind(':').filter(|colon| !written[*colon..].contains(']'));
    let (host, port) = match port_at {
        Some(colon) => (&written[..colon], Some(&written[colon + 1..])),
        None => (written, None),
    };
    let default = if url.scheme() == "https" { 443 } else { 80 };
    let port = match port.map(str::parse::<u16>) {
        None => Some(default),
        Some(Ok(port)) => Some(port),
        Some(Err(_)) => return false,
    };
    url.host_str() == Some(host.to_ascii_lowercase().as_str()) && url.port_or_known_default() == port
}

/// Whether the host is a loopback address or `localhost`.
pub(in crate::catalog) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Puts one value where its slot says, or says what is wrong with it.
fn fill(draft: &mut Draft, slot: Slot, value: &str) -> Result<(), &'static str> {
    if value.chars().any(char::is_control) {
        return Err("has a control character");
    }
    if value.is_empty() && slot != Slot::Query {
        return Err("is empty");
    }
    match slot {
        Slot::Base => return fill_base(draft, value),
        Slot::Host => {
            check_host(value)?;
            draft.authority.push_str(value);
        }
        Slot::Label => {
            check_label(value)?;
            draft.authority.push_str(value);
        }
        Slot::Domain => {
            check_labels(value)?;
            draft.authority.push_str(value);
        }
        Slot::Port => {
            if !is_port(value) {
                return Err("is not a port number");
            }
            draft.authority.push_str(value);
        }
        Slot::Segment => {
            if matches!(value, "." | "..") {
                return Err("is not a name that can stand in a path");
            }
            encode(value, &mut draft.path);
        }
        Slot::Query => encode(value, draft.query.get_or_insert_default()),
    }
    Ok(())
}

fn fill_base(draft: &mut Draft, value: &str) -> Result<(), &'static str> {
    const NOT_A_BASE: &str = "is not the address of a server, such as https://example.com";
    if !value.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        return Err(NOT_A_BASE);
    }
    let (scheme, behind) = value.split_once("://").ok_or(NOT_A_BASE)?;
    let written = behind.split(['/', '?', '#']).next().unwrap_or_default();
    let url = Url::parse(value).map_err(|_| NOT_A_BASE)?;
    let plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
        && scheme.eq_ignore_ascii_case(url.scheme())
        && same_authority(&url, written);
    if !plain {
        return Err(NOT_A_BASE);
    }
    if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(&url)) {
        return Err("must begin with https://");
    }
    url.scheme().clone_into(&mut draft.scheme);
    draft.authority = written.to_owned();
    url.path().trim_end_matches('/').clone_into(&mut draft.path);
    Ok(())
}

fn check_host(value: &str) -> Result<(), &'static str> {
    let (host, port) = match value.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (value, None),
    };
    if port.is_some_and(|port| !is_port(port)) {
        return Err("has a port that is not one");
    }
    if host.contains('.') { check_labels(host) } else { Err(NOT_A_HOST) }
}

const NOT_A_HOST: &str = "is not a host name, such as app.example.com";

/// Labels with dots between: a whole host's, or the last ones of one.
fn check_labels(value: &str) -> Result<(), &'static str> {
    if value.len() > 253 || value.split('.').any(|label| check_label(label).is_err()) {
        return Err(NOT_A_HOST);
    }
    // A last label of digits (or 0x…) is read as an IPv4 address, in one of its many spellings.
    let last = value.rsplit('.').next().unwrap_or_default();
    if last.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(NOT_A_HOST);
    }
    Ok(())
}

fn check_label(value: &str) -> Result<(), &'static str> {
    let letters = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !letters || value.is_empty() || value.len() > 63 || value.starts_with('-') || value.ends_with('-') {
        return Err("may have letters, digits and hyphens only");
    }
    Ok(())
}

fn is_port(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_digit()) && value.parse::<u16>().is_ok_and(|port| port > 0)
}

/// Percent-encodes everything but RFC 3986 §2.3's unreserved letters.
fn encode(value: &str, into: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            into.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
#[path = "address_tests.rs"]
mod tests;
