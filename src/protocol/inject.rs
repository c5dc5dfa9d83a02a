//! Puts credentials into a call, where the connector says they go.
//!
//! The call's address was checked against the connector's hosts before; this room does not know them.

use url::Url;

use super::call::{Call, CallError};
use crate::{
    catalog::{
        connector::Usage,
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
/// When nothing is left although the connector names a place, that is an error.
pub fn inject(usage: &Usage, values: &dyn Values, call: &mut Call) -> Result<(), InjectError> {
    if usage.sign {
        return Err(CallError::Unsupported("an OAuth 1 signature").into());
    }
    let mut placed = 0;
    for (name, template) in usage.headers.iter().filter(|(_, template)| is_filled(template, values)) {
        call.set_header(name, &template.render(values)?)?;
        placed += 1;
    }
    for (name, template) in usage.query.iter().filter(|(_, template)| is_filled(template, values)) {
        replace_query(&mut call.url, name, &template.render(values)?);
        placed += 1;
    }
    if let Some(basic) = &usage.basic {
        call.set_basic(&basic.username.render(values)?, &basic.password.render(values)?)?;
        placed += 1;
    }
    let has_place = !usage.headers.is_empty() || !usage.query.is_empty();
    if has_place && placed == 0 { Err(InjectError::Nothing) } else { Ok(()) }
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
