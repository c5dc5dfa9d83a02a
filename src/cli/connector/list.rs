//! `hitchpost connector list`.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::{Value, json};

use super::super::{
    say,
    table::{counted, table},
};
use crate::catalog::{
    Catalog, Connector,
    connector::Status,
    parse::{CATEGORIES, type_name},
    search::{Names, Search},
};

/// Statuses as files have them.
const STATUSES: [&str; 3] = ["reviewed", "listed", "closed"];
/// Types as files have them.
const TYPES: [&str; 10] = [
    "oauth2",
    "oauth1",
    "client-credentials",
    "api-key",
    "basic",
    "custom",
    "jwt",
    "token-exchange",
    "proxy",
    "membrane-token",
];

/// Which connectors, and in what form.
#[derive(Args)]
pub(in crate::cli) struct Wanted {
    /// Only those of this category, such as crm
    #[arg(long, value_parser = CATEGORIES.to_vec(), hide_possible_values = true)]
    category: Option<String>,
    /// Only those of this status
    #[arg(long, value_parser = STATUSES)]
    status: Option<String>,
    /// Only those that can be signed in to like this
    #[arg(long = "type", value_name = "TYPE", value_parser = TYPES)]
    kind: Option<String>,
    /// Only those whose name, key or alias has these words
    #[arg(long, value_name = "WORDS", default_value = "")]
    search: String,
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
}

impl Wanted {
    fn admits(&self, connector: &Connector) -> bool {
        let fits = |wanted: &Option<String>, has: &dyn Fn(&str) -> bool| wanted.as_deref().is_none_or(has);
        fits(&self.category, &|word| connector.categories.iter().any(|category| category == word))
            && fits(&self.status, &|word| status(connector) == word)
            && fits(&self.kind, &|word| types(connector).contains(&word))
    }
}

pub(super) fn list(catalog: &Catalog, wanted: &Wanted) {
    let mut found: Vec<_> = catalog.iter().filter(|connector| wanted.admits(connector)).collect();
    if let Some(search) = Search::new(&wanted.search) {
        let names: Vec<_> = found.iter().map(|connector| names(connector)).collect();
        let all: Vec<_> = (0..found.len()).collect();
        found =
            search.among(&all, |place| &names[place]).into_iter().map(|(_, place)| found[place]).collect();
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for option in found.iter().flat_map(|connector| &connector.auth) {
        *counts.entry(type_name(option.kind)).or_default() += 1;
    }
    let mut out = std::io::stdout();
    if wanted.json {
        let connectors: Vec<_> = found.iter().map(|connector| of(connector)).collect();
        let whole = json!({ "connectors": connectors, "count": found.len(), "authTypes": counts });
        return say(&mut out, &format!("{whole:#}"));
    }
    let rows: Vec<_> = found.iter().map(|connector| row(connector)).collect();
    let mut lines = table(["KEY", "NAME", "STATUS", "SIGN IN BY", "CATEGORIES"], &rows);
    lines.push(String::new());
    let options: usize = counts.values().sum();
    lines.push(format!(
        "{}, {}:",
        counted(found.len(), "connector"),
        counted(options, "way") + " to sign in"
    ));
    let of_type = |kind: &&str| counts.get(kind).map(|count| [format!("  {kind}"), format!("{count:>4}")]);
    // The table's own line of heads is empty here.
    lines.extend(table(["", ""], &TYPES.iter().filter_map(of_type).collect::<Vec<_>>()).into_iter().skip(1));
    say(&mut out, &lines.join("\n"));
}

/// What somebody may type for it.
fn names(connector: &Connector) -> Names {
    let about = connector.family.iter().chain(&connector.categories).map(String::as_str);
    let own = [connector.name.as_str(), connector.key.as_str()];
    Names::new(own, connector.aliases.iter().map(String::as_str), about)
}

fn row(connector: &Connector) -> [String; 5] {
    [
        connector.key.clone(),
        connector.name.clone(),
        status(connector).to_owned(),
        types(connector).join(", "),
        connector.categories.join(", "),
    ]
}

fn of(connector: &Connector) -> Value {
    json!({
        "key": connector.key,
        "name": connector.name,
        "description": connector.description,
        "status": status(connector),
        "categories": connector.categories,
        "authTypes": types(connector),
        "hasApi": connector.has_api(),
        "docs": connector.docs,
    })
}

pub(super) fn status(connector: &Connector) -> &'static str {
    match connector.status {
        Status::Reviewed => STATUSES[0],
        Status::Listed => STATUSES[1],
        Status::Closed => STATUSES[2],
    }
}

/// The types of a connector's options, each once, the default's first.
fn types(connector: &Connector) -> Vec<&'static str> {
    let mut types = Vec::new();
    for option in &connector.auth {
        let name = type_name(option.kind);
        if !types.contains(&name) {
            types.push(name);
        }
    }
    types
}
