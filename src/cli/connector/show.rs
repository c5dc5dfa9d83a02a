//! `hitchpost connector show`.

use std::path::Path;

use clap::Args;
use serde_json::{Value, json};

use super::{
    super::{addresses, say},
    found,
    list::status,
};
use crate::{
    catalog::{
        Catalog, Connector,
        connector::{AuthOption, Parameter, Request, Target},
        parse::type_name,
    },
    config::{Config, Environment},
    model::{IntegrationId, WorkspaceId},
    server::StartError,
};

/// Which connector, and in what form.
#[derive(Args)]
pub(in crate::cli) struct Asked {
    /// Its key, or the path of a file of your own that ends in .toml
    #[arg(value_name = "KEY")]
    connector: String,
    /// Workspace that the callback address is for [default: the first one of the configuration file]
    #[arg(long, value_name = "KEY")]
    workspace: Option<String>,
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
}

pub(super) fn show(
    catalog: &Catalog,
    asked: &Asked,
    file: Option<&Path>,
    environment: &Environment,
) -> Result<(), StartError> {
    let connector = found(catalog, &asked.connector)?;
    // What a connector wants is worth knowing before every variable of the file is set.
    let config = match Config::load(file, environment) {
        Err(error) if file.is_some() => return Err(error.into()),
        found => found.ok(),
    };
    let callback = config.and_then(|config| callback(&config, &connector.key, asked.workspace.as_deref()));
    let named = asked.connector.ends_with(".toml").then_some(asked.connector.as_str());
    let text = match asked.json {
        true => format!("{:#}", whole(&connector, callback.as_ref(), named)),
        false => page(&connector, callback.as_ref(), named),
    };
    say(&mut std::io::stdout(), &text);
    Ok(())
}

/// The workspace it is for, and the callback address of the integration with the connector's own key.
fn callback(config: &Config, connector: &str, named: Option<&str>) -> Option<(String, String)> {
    let mut of_file = config.workspaces.iter().map(|workspace| (workspace.key.clone(), workspace.id));
    let (key, id) = match named {
        Some(named) => of_file.find(|(key, _)| key == named).unwrap_or_else(|| (named.to_owned(), None)),
        None => of_file.next()?,
    };
    let id = IntegrationId::of(id.unwrap_or_else(|| WorkspaceId::of(&key)), connector);
    let mut url = addresses(config).public_url;
    url.set_path(&format!("/oauth/callback/{id}"));
    Some((key, url.to_string()))
}

/// Everything for a person.
fn page(connector: &Connector, callback: Option<&(String, String)>, named: Option<&str>) -> String {
    let mut lines = vec![format!("{} ({}), {}", connector.name, connector.key, status(connector))];
    lines.extend(connector.description.clone());
    lines.push(String::new());
    let api = connector.api.as_ref();
    let base = api.and_then(|api| api.base.as_ref()).map(|base| base.source().to_owned());
    let hosts = api.map(|api| api.hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    let none =
        || if connector.has_api() { "by way to sign in, below" } else { "none: it only signs customers in" };
    let callback = callback.map(|(workspace, uri)| format!("{uri}  (workspace {workspace})"));
    for (name, value) in [
        ("Docs", connector.docs.clone()),
        ("API", Some(base.unwrap_or_else(|| none().to_owned()))),
        ("Hosts", hosts.filter(|hosts| !hosts.is_empty())),
        (
            "Callback",
            connector.auth.iter().any(AuthOption::comes_back).then(|| {
                callback.unwrap_or_else(|| "give --workspace KEY to see the address to register".to_owned())
            }),
        ),
    ] {
        lines.extend(value.map(|value| format!("{name:<10}{value}")));
    }
    for option in &connector.auth {
        lines.push(String::new());
        lines.extend(of_option(connector, option));
    }
    let set: Vec<_> = connector.parameters.iter().filter(|(name, _)| *name != "scopes").collect();
    if !set.is_empty() {
        lines.push(String::new());
        lines.push("You set, as connector_parameters:".to_owned());
        lines.extend(set.iter().map(|(name, parameter)| format!("  {name:<24}{}", of_parameter(parameter))));
    }
    lines.push(String::new());
    lines.push(block(connector, named));
    lines.join("\n")
}

fn of_option(connector: &Connector, option: &AuthOption) -> Vec<String> {
    let environment = option.environment.as_ref().map(|name| format!(", {name}")).unwrap_or_default();
    let mut lines =
        vec![format!("{} ({}{environment}): {}", option.key, type_name(option.kind), option.title)];
    let mut say = |name: &str, value: String| lines.push(format!("  {name:<24}{value}"));
    if connector.needs_client(option) {
        say("You register", "an OAuth client: client_id, client_secret".to_owned());
    }
    for (name, title) in option.asked() {
        say("The customer types", format!("{name}: {title}"));
    }
    for (name, request) in [("Signs in at", &option.authorize), ("Gets a token from", &option.token)] {
        if let Some(request) = request {
            say(name, address(request).to_owned());
        }
    }
    if let Some(base) = option.api.as_ref().and_then(|api| api.base.as_ref()) {
        say("API", base.source().to_owned());
    }
    for scope in option.known_scopes() {
        let title = option.scopes.titles.get(scope).map(|title| format!(": {title}")).unwrap_or_default();
        let is_default = option.scopes.default.iter().any(|known| known == scope);
        let mark = if is_default { " (asked for)" } else { "" };
        say("Scope", format!("{scope}{mark}{title}"));
    }
    lines
}

fn of_parameter(parameter: &Parameter) -> String {
    let member = |name: &str| parameter.schema.get(name);
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let values = member("enum").and_then(Value::as_array);
    let mut said = match values {
        Some(values) => values.iter().map(text).collect::<Vec<_>>().join(" | "),
        None => member("type").map_or_else(|| "any value".to_owned(), text),
    };
    said.extend(member("default").map(|default| format!(" [default: {}]", text(default))));
    for (is_so, words) in [
        (parameter.integration_only, ", on the integration only"),
        (parameter.signed, ", from a signed token or your backend"),
        (parameter.secret, ", secret"),
    ] {
        said.push_str(if is_so { words } else { "" });
    }
    said.extend(member("description").map(|words| format!(": {}", text(words))));
    said
}

/// A section for the configuration file.
fn block(connector: &Connector, named: Option<&str>) -> String {
    let variable = connector.key.replace('-', "_").to_uppercase();
    let mut lines = vec!["[[workspace.integration]]".to_owned(), format!("key = \"{}\"", connector.key)];
    let path = named.map(|named| named.strip_prefix("file:").unwrap_or(named));
    lines.extend(path.map(|path| format!("connector = {}", Value::from(format!("file:{path}")))));
    if connector.auth.iter().any(|option| connector.needs_client(option)) {
        lines.push(format!("client_id = \"${{{variable}_CLIENT_ID}}\""));
        lines.push(format!("client_secret = \"${{{variable}_CLIENT_SECRET}}\""));
    }
    let is_missing = |(_, parameter): &(&str, &Parameter)| {
        parameter.integration_only && parameter.schema.get("default").is_none()
    };
    for (place, option) in connector.auth.iter().enumerate() {
        let wanted = connector.parameters_of(option).into_iter().filter(is_missing);
        let members: Vec<_> =
            wanted.map(|(name, _)| format!("{name} = \"${{{variable}_{}}}\"", name.to_uppercase())).collect();
        // Whoever wants another way to sign in takes the mark away.
        let mark = if place == 0 { "" } else { "# " };
        if !members.is_empty() {
            lines.push(format!("{mark}connector_parameters = {{ {} }}", members.join(", ")));
        }
    }
    lines.join("\n")
}

/// The same for a program.
fn whole(connector: &Connector, callback: Option<&(String, String)>, named: Option<&str>) -> Value {
    let option = |option: &AuthOption| {
        let fields = option.asked().into_iter().map(|(name, title)| json!({ "name": name, "title": title }));
        json!({
            "key": option.key,
            "type": type_name(option.kind),
            "title": option.title,
            "needsClient": connector.needs_client(option),
            "fields": fields.collect::<Vec<_>>(),
            "scopes": { "default": option.scopes.default, "titles": option.scopes.titles },
            "authorize": option.authorize.as_ref().map(address),
            "token": option.token.as_ref().map(address),
            "parameters": connector.parameters_of(option).into_iter().map(|(name, _)| name).collect::<Vec<_>>(),
        })
    };
    let api = connector.api.as_ref();
    json!({
        "key": connector.key,
        "name": connector.name,
        "description": connector.description,
        "status": status(connector),
        "categories": connector.categories,
        "docs": connector.docs,
        "hasApi": connector.has_api(),
        "apiBase": api.and_then(|api| api.base.as_ref()).map(|base| base.source()),
        "hosts": api.map(|api| api.hosts.iter().map(ToString::to_string).collect::<Vec<_>>()),
        "callback": callback.map(|(_, uri)| uri),
        "authOptions": connector.auth.iter().map(option).collect::<Vec<_>>(),
        "parameters": connector.parameters.iter().map(|(name, parameter)| (name.clone(), parameter.schema.clone())).collect::<serde_json::Map<_, _>>(),
        "integration": block(connector, named),
    })
}

fn address(request: &Request) -> &str {
    let (Target::Url(template) | Target::Path(template)) = &request.target;
    template.source()
}
