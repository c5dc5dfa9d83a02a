//! What can be told without asking anybody: clients, parameters, scopes, the callback address.

use super::Notes;
use crate::{
    catalog::connector::{AuthOption, ClientAuth, Status},
    engine::Addresses,
};

/// Looks at the integration of `notes`, whose callback address is `callback`.
pub(super) fn look(notes: &mut Notes<'_>, addresses: &Addresses, callback: &str) {
    connector(notes);
    if notes.view.integration.settings.sandbox {
        return played(notes, addresses);
    }
    client(notes);
    parameters(notes);
    scopes(notes);
    callback_address(notes, addresses, callback);
}

fn connector(notes: &mut Notes<'_>) {
    let connector = &notes.view.connector;
    let name = format!("{} ({})", connector.name, notes.view.integration.connector);
    match connector.status {
        Status::Closed => notes.warn("connector", format!("{name}: the vendor's API is believed shut")),
        Status::Listed => notes.ok("connector", format!("{name}, not checked by hand yet (beta)")),
        Status::Reviewed => notes.ok("connector", name),
    }
}

fn played(notes: &mut Notes<'_>, addresses: &Addresses) {
    match addresses.sandbox_bound {
        Some(_) => notes.ok("sandbox", "the built-in sandbox plays it; no provider was asked"),
        None => notes.problem("sandbox", "`sandbox = true`, but the sandbox is off on this server"),
    }
    if notes.view.integration.settings.client_id.is_some() {
        notes.warn("client", "client_id is not used while `sandbox = true`");
    }
}

fn client(notes: &mut Notes<'_>) {
    let (view, connector) = (notes.view, &notes.view.connector);
    let needing: Vec<&AuthOption> =
        connector.auth.iter().filter(|option| connector.needs_client(option)).collect();
    let has_id = view.integration.settings.client_id.is_some();
    if needing.is_empty() {
        if has_id {
            notes.warn("client", "client_id is not used: no way to sign in with this app needs one");
        }
        return;
    }
    let names = needing.iter().map(|option| option.key.as_str()).collect::<Vec<_>>().join(", ");
    let docs = connector.docs.as_ref().map(|docs| format!(" ({docs})")).unwrap_or_default();
    let register =
        format!("register an OAuth client at the vendor{docs} and set client_id and client_secret");
    if !has_id && view.usable().next().is_none() {
        return notes.problem("client", format!("client_id is missing: {register}"));
    }
    if !has_id {
        return notes.warn("client", format!("client_id is missing, so {names} is not offered: {register}"));
    }
    let proves = |option: &&&AuthOption| {
        option.client_auth != ClientAuth::None || connector.uses(option, "client.secret")
    };
    if !view.has_client_secret() && needing.iter().any(|option| proves(&option)) {
        return notes.problem("client", "client_secret is missing: the vendor shows it beside the client_id");
    }
    notes.ok("client", "client_id and client_secret are set");
}

fn parameters(notes: &mut Notes<'_>) {
    let view = notes.view;
    let is_set =
        |name: &str| view.parameters.plain.contains_key(name) || view.parameters.secret.contains_key(name);
    for (name, parameter) in &view.connector.parameters {
        let uses = |option: &AuthOption| view.connector.uses_parameter(option, name, parameter);
        if parameter.schema.get("default").is_some() || is_set(name) || !view.connector.auth.iter().any(uses)
        {
            continue;
        }
        if parameter.integration_only {
            notes.problem("parameters", format!("connector_parameters.{name} is missing"));
        } else {
            let message = format!("connector_parameters.{name} is not set: each connection has to bring it");
            notes.warn("parameters", message);
        }
    }
}

fn scopes(notes: &mut Notes<'_>) {
    let view = notes.view;
    let set = view.parameters.list(crate::catalog::parameters::SCOPES);
    let Some(set) = set.or_else(|| view.integration.settings.scopes.clone()) else { return };
    // The options that have scopes at all; a key has none.
    let with: Vec<_> =
        view.usable().filter(|option| option.authorize.is_some() || option.token.is_some()).collect();
    if !with.iter().any(|option| option.scopes.supported) {
        return notes.warn("scopes", "scopes are not used: no way to sign in that is offered knows any");
    }
    let known: Vec<_> = with.iter().flat_map(|option| option.known_scopes()).collect();
    if known.is_empty() {
        return notes.ok("scopes", "the connector lists none, so yours were not compared");
    }
    let unknown: Vec<_> = set.iter().filter(|scope| !known.contains(&scope.as_str())).collect();
    if unknown.is_empty() {
        return notes.ok("scopes", format!("known: {}", set.join(" ")));
    }
    for scope in unknown {
        let message =
            format!("the connector does not know `{scope}`; check its spelling (known: {})", known.join(" "));
        notes.warn("scopes", message);
    }
}

fn callback_address(notes: &mut Notes<'_>, addresses: &Addresses, callback: &str) {
    let view = notes.view;
    if !view.connector.auth.iter().any(AuthOption::comes_back) {
        return;
    }
    let mut own = addresses.public_url.clone();
    own.set_path(&format!("/oauth/callback/{}", view.integration.id));
    let leads_here = callback.starts_with(addresses.public_url.as_str());
    if leads_here && callback != own.as_str() {
        let message =
            format!("oauth_callback_uri is {callback}, but this server listens for it at {own}: use that");
        return notes.problem("callback", message);
    }
    notes.ok("callback", format!("register at the vendor: {callback}"));
}
