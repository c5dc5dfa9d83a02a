//! `hitchpost connector`: what the apps want, and what is wrong with a file.

use std::collections::BTreeMap;

use hitchpost::catalog::{Catalog, parse::type_name};
use serde_json::Value;

use super::command_line::Folder;

/// What a command that succeeds prints.
fn said(folder: &Folder, arguments: &[&str]) -> String {
    let output = folder.run(arguments);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn json(folder: &Folder, arguments: &[&str]) -> Value {
    serde_json::from_str(&said(folder, arguments)).unwrap()
}

#[test]
fn the_list_has_every_connector_and_counts_the_ways_to_sign_in() {
    let folder = Folder::new("connector-list");
    let catalog = Catalog::builtin().unwrap();
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for option in catalog.iter().flat_map(|connector| &connector.auth) {
        *counts.entry(type_name(option.kind)).or_default() += 1;
    }

    let text = said(&folder, &["connector", "list"]);
    let whole = json(&folder, &["connector", "list", "--json"]);

    assert!(text.starts_with("KEY "), "{text}");
    for connector in catalog.iter() {
        let row = text.lines().find(|line| line.split("  ").next() == Some(&connector.key));
        assert!(row.is_some_and(|row| row.contains(&connector.name)), "{}", connector.key);
    }
    assert!(
        text.contains(&format!("\n{} connectors, {} ways", catalog.len(), counts.values().sum::<u64>())),
        "{text}"
    );
    for (kind, count) in &counts {
        let line = text.lines().find(|line| line.split_whitespace().eq([*kind, &count.to_string()]));
        assert!(line.is_some(), "{kind} {count}: {text}");
        assert_eq!(whole["authTypes"][*kind], *count);
    }
    assert_eq!(whole["count"].as_u64(), Some(catalog.len() as u64));
    assert_eq!(whole["connectors"].as_array().unwrap().len(), catalog.len());
}

#[test]
fn the_list_is_narrowed_by_what_somebody_looks_for() {
    let folder = Folder::new("connector-narrow");
    let keys = |arguments: &[&str]| -> Vec<String> {
        let all: Vec<_> = ["connector", "list", "--json"].iter().chain(arguments).copied().collect();
        let found = json(&folder, &all);
        found["connectors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["key"].as_str().unwrap().to_owned())
            .collect()
    };

    let hubspot = keys(&["--search", "hubsp"]);
    assert!(hubspot[0] == "hubspot" && hubspot.iter().all(|key| key.contains("hubspot")), "{hubspot:?}");
    assert!(keys(&["--category", "crm"]).contains(&"salesforce".to_owned()));
    assert!(!keys(&["--category", "crm"]).contains(&"stripe".to_owned()));
    assert!(keys(&["--type", "oauth1"]).contains(&"trello".to_owned()));
    assert!(!keys(&["--type", "oauth1"]).contains(&"hubspot".to_owned()));
    assert_eq!(keys(&["--status", "reviewed", "--type", "jwt", "--search", "salesforce"]), ["salesforce"]);
    assert_eq!(folder.run(&["connector", "list", "--status", "good"]).status.code(), Some(2));
}

#[test]
fn one_connector_is_shown_with_the_address_to_register_and_a_block_that_applies() {
    let folder = Folder::new("connector-show");
    let config = "[server]\npublic_url = \"https://connect.acme.example\"\n[[workspace]]\nkey = \"acme\"\n\
                  secret = \"0123456789abcdef0123456789abcdef\"\n";
    std::fs::write(folder.0.join("hitchpost.toml"), config).unwrap();

    let text = said(&folder, &["connector", "show", "hubspot"]);
    let whole = json(&folder, &["connector", "show", "hubspot", "--json"]);
    let block = whole["integration"].as_str().unwrap();
    std::fs::write(folder.0.join("hitchpost.toml"), format!("{config}\n{block}\n")).unwrap();
    let applied = folder
        .command(&["apply", "hitchpost.toml"])
        .envs([("HUBSPOT_CLIENT_ID", "id"), ("HUBSPOT_CLIENT_SECRET", "secret")])
        .output()
        .unwrap();

    for words in
        ["HubSpot (hubspot), reviewed", "https://api.hubapi.com", "You register", "The customer types"]
    {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(text.contains(block), "{text}");
    let callback = whole["callback"].as_str().unwrap();
    assert!(callback.starts_with("https://connect.acme.example/oauth/callback/"), "{callback}");
    assert!(text.contains(callback), "{text}");
    assert!(applied.status.success(), "{applied:?}");
    let applied = String::from_utf8(applied.stdout).unwrap();
    assert!(applied.contains(&format!("acme/hubspot: callback {callback}")), "{applied}");
}

#[test]
fn a_connector_is_shown_before_the_configuration_is_complete_and_an_unknown_one_is_not() {
    let folder = Folder::new("connector-early");
    let config = "[[workspace]]\nkey = \"acme\"\nsecret = \"${NOT_SET_HERE}\"\n";
    std::fs::write(folder.0.join("hitchpost.toml"), config).unwrap();

    let shown = said(&folder, &["connector", "show", "salesforce"]);
    let unknown = folder.run(&["connector", "show", "salesfroce"]);

    assert!(
        shown.contains("environment") && shown.contains("production | sandbox [default: production]"),
        "{shown}"
    );
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8(unknown.stderr).unwrap().contains("did you mean `salesforce`?"));
}

#[test]
fn a_check_tells_every_fault_with_its_line_and_ends_with_one() {
    let folder = Folder::new("connector-check");
    let bad = "name = \"Tickets\"\ncolour = \"#fff\"\n\n[[auth]]\ntype = \"oauth2\"\npcke = true\nclient_auth = \"head\"\n\n\
               [[auth]]\ntype = \"api-key\"\nkey = \"token\"\nfield = [{ name = \"a b\", title = \"A\" }, { name = \"c\" }]\n";
    let linted = "name = \"Tickets\"\n[[auth]]\ntype = \"oauth2\"\nauthorize = \"https://a.example/x\"\n\
                  token = \"https://a.example/{{tean}}\"\nuse = { headers = { A = \"{{access_token}}\" } }\n\
                  [[auth]]\ntype = \"api-key\"\nuse = { headers = { A = \"x\" } }\nfield = [{ name = \"key\", title = \"Key\", secret = true }]\n";
    let good = "name = \"Tickets\"\n[api]\nbase = \"https://a.example\"\n[[auth]]\ntype = \"api-key\"\n\
                use = { headers = { A = \"{{key}}\" } }\nfield = [{ name = \"key\", title = \"Key\", secret = true }]\n";
    for (name, text) in
        [("bad.toml", bad), ("linted.toml", linted), ("good.toml", good), ("Bad Name.toml", good)]
    {
        std::fs::write(folder.0.join(name), text).unwrap();
    }

    let output = folder.run(&["connector", "check", "bad.toml", "good.toml", "linted.toml", "Bad Name.toml"]);
    let alone = folder.run(&["connector", "check", "good.toml"]);
    let missing = folder.run(&["connector", "check", "missing.toml"]);

    let said = String::from_utf8(output.stdout).unwrap();
    for (place, reason) in [
        ("bad.toml:2: colour: ", "is not a key of the format"),
        ("bad.toml:6: auth[0].pcke: ", "is not a key of the format"),
        ("bad.toml:7: auth[0].client_auth: ", "must be one of body, basic"),
        ("bad.toml:12: auth[1].field[0].name: ", "must be a name"),
        ("bad.toml:12: auth[1].field[1].title: ", "is missing"),
        ("good.toml: ok", ", 1 way to sign in"),
        ("linted.toml:5: auth[0].token.url: ", "nothing is known under `{{tean}}`"),
        ("linted.toml:9: auth[1].use: ", "puts no credential into a call"),
        ("Bad Name.toml: ", "its name must be lower-case words"),
    ] {
        let line = said.lines().find(|line| line.starts_with(place));
        assert!(line.is_some_and(|line| line.contains(reason)), "{place}{reason}\n{said}");
    }
    assert_eq!(said.lines().count(), 9, "{said}");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("8 faults in 4 files"));
    assert_eq!((alone.status.code(), missing.status.code()), (Some(0), Some(2)));
}

#[test]
fn the_schema_is_printed_for_editors_and_nothing_else() {
    let folder = Folder::new("connector-schema");

    let printed = json(&folder, &["connector", "schema"]);

    assert_eq!(printed["title"], "Hitchpost connector");
    assert_eq!(printed["$schema"], "https://json-schema.org/draft/2020-12/schema");
}
