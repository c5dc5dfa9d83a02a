//! What a field offers must lead somewhere: its example, its default and each of its options, put into
//! the addresses, end at a host that may see a secret.

use std::collections::BTreeMap;

use super::templates::{Role, Used};
use crate::{
    catalog::{
        Namespace, TemplateError,
        connector::{Api, AuthOption, Connector, Field},
        input,
        parse::{ConnectorError, reader::File},
    },
    model::Parameters,
};

/// Tries every value that `option` offers in each of its addresses, and the defaults of the parameters.
pub(super) fn check(
    connector: &Connector,
    option: &AuthOption,
    api: &Api,
    used: &[Used],
    prefix: &str,
    file: &File,
) -> Result<(), ConnectorError> {
    let usual: BTreeMap<String, String> = option
        .fields
        .iter()
        .filter_map(|field| Some((field.name.clone(), offered(field).next()?.1)))
        .collect();
    lead(connector, option, api, used, &usual).map_err(|(key, reason)| file.refuse(&key, reason))?;
    for (index, field) in option.fields.iter().enumerate() {
        for (key, value) in offered(field).skip(1) {
            let mut given = usual.clone();
            given.insert(field.name.clone(), value.clone());
            lead(connector, option, api, used, &given).map_err(|(place, reason)| {
                let key = format!("{prefix}.field[{index}].{key}");
                file.refuse(&key, format!("offers {value}, with which {place} {reason}"))
            })?;
        }
    }
    Ok(())
}

/// The values that a field shows to the customer, each with its key in the file.
fn offered(field: &Field) -> impl Iterator<Item = (&'static str, String)> {
    let example = field.example.iter().map(|value| ("example", value.clone()));
    let default = field.default.iter().map(|value| ("default", value.clone()));
    let options = field.options.iter().map(|(value, _)| ("options", value.clone()));
    let suggestions = field.suggestions.iter().map(|value| ("suggestions", value.clone()));
    example.chain(default).chain(options).chain(suggestions)
}

/// Puts the values into every address; the first that leads nowhere is told with its key.
fn lead(
    connector: &Connector,
    option: &AuthOption,
    api: &Api,
    used: &[Used],
    given: &BTreeMap<String, String>,
) -> Result<(), (String, String)> {
    let mut names = Namespace::new();
    names.parameters(connector, &Parameters::default());
    names.plain(given);
    // What has no example is secret, and only what is computed from others matters here.
    let mut all = given.clone();
    for field in input::typed(option) {
        all.entry(field.name.clone()).or_insert_with(|| "x".to_owned());
    }
    if let Ok(input) = input::check(option, &all) {
        let known = |name: &&String| given.contains_key(*name) || !all.contains_key(*name);
        names.plain(&input.plain.iter().filter(|(name, _)| known(name)).map(owned).collect());
    }
    for one in used.iter().filter(|one| one.role == Role::Address) {
        match one.template.render_url(&names) {
            Ok(url) if api.admits(&url) => {}
            Ok(url) => {
                let host = url.host_str().unwrap_or_default();
                return Err((one.key.clone(), format!("goes to {host}, which is not among the hosts")));
            }
            // A value that only a reply or the customer has.
            Err(TemplateError::Missing(_)) => {}
            Err(error) => return Err((one.key.clone(), format!("is no address: {error}"))),
        }
    }
    Ok(())
}

fn owned((name, value): (&String, &String)) -> (String, String) {
    (name.clone(), value.clone())
}
