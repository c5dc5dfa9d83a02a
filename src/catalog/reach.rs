//! Which hosts a connector's secrets may go to, and what a change adds to them.
//!
//! A secret was given for the hosts of that day. Before another connector, another file or another
//! parameter takes over what is there, somebody has to know whether that opens new ones.

use super::{
    connector::{Api, AuthOption, Connector, Parameter},
    host::HostPattern,
    lint,
    template::{Slot, Template},
};
use crate::model::Parameters;

/// How a host that any value may fill is named.
const ANY: &str = "any host";

/// A connector and the parameters it is used with.
#[derive(Clone, Copy)]
pub struct Reaching<'a> {
    /// The connector.
    pub connector: &'a Connector,
    /// The integration's parameters, or a connection's over them.
    pub parameters: &'a Parameters,
}

/// The hosts that secrets may go to `after` a change and might not `before`, as a file writes them.
///
/// Compared option by option, since a credential belongs to one. Where any host is open, the addresses and
/// the parameters that stand in their hosts have to be the same: what a customer typed there stays with
/// the connection.
pub fn added(before: Reaching<'_>, after: Reaching<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for option in &after.connector.auth {
        let api = api_of(after.connector, option);
        let same = before.connector.auth.iter().find(|had| had.key == option.key);
        let had: Vec<HostPattern> = match same {
            Some(same) => api_of(before.connector, same).hosts,
            None => {
                before.connector.auth.iter().flat_map(|had| api_of(before.connector, had).hosts).collect()
            }
        };
        let is_new = |host: &&HostPattern| !had.iter().any(|had| had.covers(host));
        found.extend(api.hosts.iter().filter(is_new).map(ToString::to_string));
        if api.open_hosts && !same.is_some_and(|same| leads_as(before, same, after, option)) {
            found.push(ANY.to_owned());
        }
    }
    found.sort();
    found.dedup();
    found
}

/// All hosts that a connector's secrets may go to, as a file writes them.
pub fn all(connector: &Connector) -> Vec<String> {
    let apis = connector.auth.iter().map(|option| api_of(connector, option));
    let hosts = apis.flat_map(|api| {
        let open = api.open_hosts.then(|| ANY.to_owned());
        api.hosts.iter().map(ToString::to_string).chain(open).collect::<Vec<_>>()
    });
    hosts.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

/// Whether two open options have the same addresses, with the same values in their hosts.
fn leads_as(before: Reaching<'_>, had: &AuthOption, after: Reaching<'_>, has: &AuthOption) -> bool {
    let of = |reaching: Reaching<'_>, option: &AuthOption| {
        let api = api_of(reaching.connector, option);
        let addresses = lint::addresses_of(option, &api);
        let values: Vec<_> = addresses.iter().flat_map(|address| in_hosts(reaching, address)).collect();
        let sources: Vec<_> = addresses.iter().map(|address| address.source().to_owned()).collect();
        (api.open_hosts, sources, values)
    };
    of(before, had) == of(after, has)
}

/// Names that stand in the host of an address, with the values that the developer gave them.
fn in_hosts(reaching: Reaching<'_>, address: &Template) -> Vec<(String, Option<String>)> {
    let slots = address.slots().unwrap_or_default();
    let hosts = slots.iter().zip(address.names());
    hosts
        .filter(|(slot, _)| !matches!(slot, Slot::Segment | Slot::Query))
        .map(|(_, name)| (name.to_owned(), set(reaching, name)))
        .collect()
}

/// The value that a parameter gives to `name`; none for what customers type.
fn set(reaching: Reaching<'_>, name: &str) -> Option<String> {
    let declared = &reaching.connector.parameters;
    if let Some(parameter) = name.strip_prefix("param.") {
        return declared.get(parameter).and_then(|found| value(reaching, parameter, found));
    }
    declared.iter().find_map(|(parameter, found)| {
        let value = value(reaching, parameter, found)?;
        found.sets.get(&value)?.get(name).cloned()
    })
}

/// The fields that a customer fills a whole host with, where any host is open.
///
/// What hosts are listed bounds the others: there a value can only choose among them.
pub fn host_fields<'c>(connector: &Connector, option: &'c AuthOption) -> Vec<&'c str> {
    let api = api_of(connector, option);
    if !api.open_hosts {
        return Vec::new();
    }
    let none = Parameters::default();
    let reaching = Reaching { connector, parameters: &none };
    let addresses = lint::addresses_of(option, &api);
    let names: Vec<_> = addresses.iter().flat_map(|address| in_hosts(reaching, address)).collect();
    let stands = |name: &str| names.iter().any(|(known, _)| known == name);
    let fields = option.fields.iter().filter(|field| {
        stands(&field.name) || field.split.iter().flat_map(|split| &split.into).any(|part| stands(part))
    });
    // A computed one is what its source says.
    fields
        .map(|field| field.derive.as_ref().map_or(field.name.as_str(), |derive| derive.from.as_str()))
        .collect()
}

fn value(reaching: Reaching<'_>, name: &str, declared: &Parameter) -> Option<String> {
    if let Some(secret) = reaching.parameters.secret.get(name) {
        return Some(secret.expose().clone());
    }
    let value = reaching.parameters.plain.get(name).or_else(|| declared.schema.get("default"))?;
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

fn api_of(connector: &Connector, option: &AuthOption) -> Api {
    connector.api_for(option).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::catalog::parse;

    fn connector(api: &str, token: &str) -> Connector {
        let text = format!(
            "name = \"App\"\n[api]\n{api}\n[parameters.server]\ntype = \"string\"\nintegration_only = true\n\
             [[auth]]\ntype = \"oauth2\"\nauthorize = {{ url = \"{token}/authorize\" }}\n\
             token = {{ url = \"{token}/token\" }}\n\
             use = {{ headers = {{ Authorization = \"Bearer {{{{access_token}}}}\" }} }}\n"
        );
        parse::connector("app", "app.toml", &text).expect("a connector")
    }

    fn parameters(server: &str) -> Parameters {
        let Value::Object(plain) = json!({ "server": server }) else { unreachable!("an object") };
        Parameters { plain, ..Parameters::default() }
    }

    fn added_by(before: (&Connector, &str), after: (&Connector, &str)) -> Vec<String> {
        let (had, has) = (parameters(before.1), parameters(after.1));
        added(
            Reaching { connector: before.0, parameters: &had },
            Reaching { connector: after.0, parameters: &has },
        )
    }

    #[test]
    fn only_hosts_that_were_not_there_count() {
        let wide = connector("hosts = [\"*.app.example\"]", "https://id.app.example");
        let narrow = connector("hosts = [\"id.app.example\", \"api.app.example\"]", "https://id.app.example");
        let other = connector("hosts = [\"*.app.example\", \"evil.test\"]", "https://evil.test");

        assert!(added_by((&wide, "a"), (&narrow, "b")).is_empty());
        assert_eq!(added_by((&narrow, "a"), (&wide, "a")), ["*.app.example"]);
        assert_eq!(added_by((&wide, "a"), (&other, "a")), ["evil.test"]);
    }

    #[test]
    fn where_any_host_is_open_the_parameter_that_names_it_counts() {
        let open = connector("open_hosts = true", "https://{{param.server}}");
        let elsewhere = connector("open_hosts = true", "https://{{param.server}}/other");
        let fixed = connector("open_hosts = true", "https://evil.test");

        assert!(added_by((&open, "git.acme.example"), (&open, "git.acme.example")).is_empty());
        assert_eq!(added_by((&open, "git.acme.example"), (&open, "evil.test")), [ANY]);
        assert_eq!(added_by((&open, "git.acme.example"), (&elsewhere, "git.acme.example")), [ANY]);
        assert_eq!(added_by((&open, "a.example"), (&fixed, "a.example")), [ANY, "evil.test"]);
    }
}
