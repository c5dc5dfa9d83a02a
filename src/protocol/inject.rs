//! Puts credentials into a call, where the connector says they go.
//!
//! The call's address was checked against the connector's hosts before; this room does not know them.

use http::HeaderName;
use url::Url;

use super::{
    call::{Call, CallError},
    hop::drop_spellings,
};
use crate::{
    catalog::{
        connector::{Templates, Usage},
        template::{Template, TemplateError, Values},
    },
    model::redirect::append_query,
};

/// Why credentials cannot be put into a call.
#[derive(Debug, thiserror::Error)]
pub enum InjectError {
    /// A template cannot be filled in.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The result cannot travel as a header.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Every place for a credential stayed empty: the call would go out without any.
    #[error("none of the values that make up the credential is there")]
    Nothing,
}

/// Adds headers, query parameters and HTTP Basic.
///
/// A header or parameter that names a missing or empty value is left out: its field was optional.
/// When nothing is left although the connector names a place, that is an error. A signature
/// (`use.sign`) is the caller's: it covers the whole call, so it can only be made last.
pub fn inject(usage: &Usage, values: &dyn Values, call: &mut Call) -> Result<(), InjectError> {
    let mut placed = 0;
    for (name, template) in usage.headers.iter().filter(|(_, template)| is_filled(template, values)) {
        call.set_header(name, &template.render(values)?)?;
        placed += 1;
    }
    place_others(usage, values, call, placed)
}

/// The same for a call that somebody else made up. What names a value is ours and takes the place of the
/// caller's, in every spelling; what is fixed text (`Accept`, a version) is a default, and the caller's own
/// stays. `defaults` go with every call to the API. The address has no query yet: what it has afterwards is
/// the credential.
pub fn inject_relayed(
    usage: &Usage,
    defaults: &Templates,
    values: &dyn Values,
    call: &mut Call,
) -> Result<(), InjectError> {
    for (name, template) in defaults {
        place_header(name, template, values, call)?;
    }
    let mut placed = 0;
    for (name, template) in usage.headers.iter().filter(|(_, template)| is_filled(template, values)) {
        place_header(name, template, values, call)?;
        placed += 1;
    }
    if usage.basic.is_some() || usage.sign {
        drop_spellings(&mut call.headers, &http::header::AUTHORIZATION);
    }
    place_others(usage, values, call, placed)
}

/// The caller's query without what the credential brings, and the credential behind it.
pub fn merge_query(received: Option<&str>, own: Option<&str>) -> Option<String> {
    let Some(own) = own.filter(|own| !own.is_empty()) else { return received.map(str::to_owned) };
    let names: Vec<_> = url::form_urlencoded::parse(own.as_bytes()).map(|(name, _)| name).collect();
    let is_own = |pair: &str| {
        url::form_urlencoded::parse(pair.as_bytes()).next().is_some_and(|(name, _)| names.contains(&name))
    };
    let kept = received.unwrap_or_default().split('&').filter(|pair| !pair.is_empty() && !is_own(pair));
    Some(kept.chain([own]).collect::<Vec<_>>().join("&"))
}

fn place_header(
    name: &str,
    template: &Template,
    values: &dyn Values,
    call: &mut Call,
) -> Result<(), InjectError> {
    let header = HeaderName::from_bytes(name.as_bytes());
    let header = header.map_err(|_| CallError::HeaderName(name.to_owned()))?;
    if template.literal().is_some() && call.headers.contains_key(&header) {
        return Ok(());
    }
    call.set_header(name, &template.render(values)?)?;
    if template.literal().is_none() {
        drop_spellings(&mut call.headers, &header);
    }
    Ok(())
}

/// Query parameters and HTTP Basic, after `placed` headers.
fn place_others(
    usage: &Usage,
    values: &dyn Values,
    call: &mut Call,
    mut placed: usize,
) -> Result<(), InjectError> {
    for (name, template) in usage.query.iter().filter(|(_, template)| is_filled(template, values)) {
        replace_query(&mut call.url, name, &template.render(values)?);
        placed += 1;
    }
    if let Some(basic) = &usage.basic {
        call.set_basic(&basic.username.render(values)?, &basic.password.render(values)?)?;
        placed += 1;
    }
    let has_place = !usage.headers.is_empty() || !usage.query.is_empty();
    if has_place && placed == 0 && !usage.sign { Err(InjectError::Nothing) } else { Ok(()) }
}

fn is_filled(template: &Template, values: &dyn Values) -> bool {
    template.names().all(|name| values.value(name).is_some_and(|value| !value.is_empty()))
}

/// Sets a parameter; one of that name that the caller brought is taken out, so that the credential
/// is neither doubled nor overridden.
fn replace_query(url: &mut Url, name: &str, value: &str) {
    if url.query_pairs().any(|(own, _)| own == name) {
        let kept: Vec<(String, String)> =
            url.query_pairs().into_owned().filter(|(own, _)| own != name).collect();
        url.set_query(None);
        append_query(url, kept.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    }
    append_query(url, [(name, value)]);
}

#[cfg(test)]
#[path = "inject_tests.rs"]
mod tests;
