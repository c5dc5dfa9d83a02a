//! Parameters under the names a provider knows them by, and the address a browser is sent to.
//!
//! Knows the words of an auth option, not the flow that is under way.

use url::Url;

use super::endpoint::Endpoint;
use crate::{catalog::connector::AuthOption, model::redirect::append_query};

/// Names and values in the order they travel.
pub(super) type Params = Vec<(String, String)>;

/// The provider's name for a standard parameter; `None` when it is not to be sent.
pub(super) fn name<'o>(option: &'o AuthOption, standard: &'o str) -> Option<&'o str> {
    Some(option.names.get(standard).map_or(standard, String::as_str)).filter(|name| !name.is_empty())
}

/// Adds a standard parameter under the provider's name.
pub(super) fn put(params: &mut Params, option: &AuthOption, standard: &str, value: &str) {
    if let Some(name) = name(option, standard) {
        params.push((name.to_owned(), value.to_owned()));
    }
}

/// RFC 8707 §2: the resource goes with every request for a token.
pub(super) fn put_resource(params: &mut Params, option: &AuthOption) {
    if let Some(resource) = &option.resource {
        put(params, option, "resource", resource);
    }
}

/// Scope parameters: the main one and the connector's further ones, empty ones left out.
pub(super) fn scopes(option: &AuthOption, asked: &[String]) -> Params {
    let rules = &option.scopes;
    if !rules.supported {
        return Params::new();
    }
    let main = (&rules.param, asked);
    let further = rules.params.iter().map(|(name, scopes)| (name, scopes.as_slice()));
    std::iter::once(main)
        .chain(further)
        .filter(|(name, scopes)| !name.is_empty() && !scopes.is_empty())
        .map(|(name, scopes)| (name.clone(), scopes.join(&rules.separator)))
        .collect()
}

/// Parameters that tie an answer to its attempt. A connector's words never stand in for them.
pub(super) struct Binding<'a> {
    /// Every standard name that counts as one, sent or not.
    pub names: &'a [&'a str],
    /// The ones to send.
    pub params: Params,
}

/// Puts a browser's address together so that no parameter appears twice (RFC 6749 §3.1):
/// what binds the attempt wins over the connector's words, and those win over the standard's.
pub(super) fn assemble(endpoint: &Endpoint, option: &AuthOption, plain: Params, binding: Binding<'_>) -> Url {
    let is_binding = |given: &str| is_one_of(option, binding.names, given);
    let mut url = without(&endpoint.url, &is_binding);
    let own: Vec<String> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
    let params: Vec<_> = endpoint.params.iter().filter(|(name, _)| !is_binding(name)).collect();
    let is_taken = |name: &String| own.contains(name) || params.iter().any(|(param, _)| param == name);
    let standard: Vec<_> = plain.iter().filter(|(name, _)| !is_taken(name)).collect();
    let all = standard.into_iter().chain(params.iter().copied()).chain(&binding.params);
    append_query(&mut url, all.map(|(name, value)| (name.as_str(), value.as_str())));
    url.set_fragment(None);
    url
}

/// Whether `given` is the provider's name for one of the standard ones.
pub(super) fn is_one_of(option: &AuthOption, standard: &[&str], given: &str) -> bool {
    standard.iter().any(|standard| name(option, standard) == Some(given))
}

/// An address without the parameters that `is_out` names; what stays is byte for byte as it was
/// when nothing has to go.
pub(super) fn without(url: &Url, is_out: &dyn Fn(&str) -> bool) -> Url {
    let mut url = url.clone();
    if url.query_pairs().any(|(name, _)| is_out(&name)) {
        let kept: Params = url.query_pairs().into_owned().filter(|(name, _)| !is_out(name)).collect();
        url.set_query(None);
        append_query(&mut url, kept.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    }
    url
}
