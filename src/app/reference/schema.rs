//! JSON Schema in words.

use crate::{app::view::FieldRow, http::openapi::Node};

/// How deep members of members are shown.
const DEPTH: usize = 3;

/// A thing or, where it is a reference, what that names.
pub(super) fn named<'a>(tree: &'a Node, node: &'a Node) -> &'a Node {
    node.text("$ref").map_or(node, |place| tree.at(place))
}

/// The object that a schema is, or that its items are.
pub(super) fn object_of(tree: &Node, schema: &Node) -> Option<String> {
    let place = schema.text("$ref").or_else(|| schema.get("items").text("$ref"));
    let name = place?.strip_prefix("#/components/schemas/")?;
    (!tree.at("#/components/schemas").get(name).is_nothing()).then(|| name.to_owned())
}

/// Members of an object, each behind the one it is a member of.
pub(super) fn fields(tree: &Node, schema: &Node) -> Vec<FieldRow> {
    let mut rows = Vec::new();
    collect(tree, schema, "", DEPTH, &mut rows);
    rows
}

fn collect(tree: &Node, schema: &Node, before: &str, depth: usize, rows: &mut Vec<FieldRow>) {
    for part in schema.get("allOf").items().iter().chain(schema.get("anyOf").items()) {
        collect(tree, named(tree, part), before, depth, rows);
    }
    let required: Vec<_> = schema.get("required").items().iter().filter_map(Node::said).collect();
    for (name, member) in schema.get("properties").members() {
        rows.push(FieldRow {
            name: format!("{before}{name}"),
            kind: kind(tree, member),
            required: required.contains(&name.as_str()),
            about: member.text("description").unwrap_or_default().to_owned(),
            object: object_of(tree, member),
        });
        if depth > 1 && member.text("$ref").is_none() {
            collect(tree, member, &format!("{before}{name}."), depth - 1, rows);
            collect(tree, member.get("items"), &format!("{before}{name}[]."), depth - 1, rows);
        }
    }
}

/// A type and its range in words; empty where an object of its own says it all.
pub(super) fn kind(tree: &Node, schema: &Node) -> String {
    if object_of(tree, schema).is_some() {
        let is_list = !schema.get("items").is_nothing();
        return if is_list { "list of".to_owned() } else { String::new() };
    }
    let types = types(schema);
    let is_nullable = types.contains(&"null");
    let mut words = match schema.text("const") {
        Some(only) => format!("`{only}`"),
        None => choices(schema).unwrap_or_else(|| typed(tree, schema, &types)),
    };
    if is_nullable {
        words.push_str(" or null");
    }
    words.push_str(&range(schema));
    words
}

fn types(schema: &Node) -> Vec<&str> {
    let of = schema.get("type");
    of.said().into_iter().chain(of.items().iter().filter_map(Node::said)).collect()
}

fn choices(schema: &Node) -> Option<String> {
    let words: Vec<_> =
        schema.get("enum").items().iter().filter_map(Node::said).map(|word| format!("`{word}`")).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

fn typed(tree: &Node, schema: &Node, types: &[&str]) -> String {
    let words: Vec<_> = types
        .iter()
        .filter_map(|name| match (*name, schema.text("format")) {
            ("null", _) => None,
            ("string", Some("uuid")) => Some("id".to_owned()),
            ("string", Some("date-time")) => Some("time".to_owned()),
            ("string", Some("uri")) => Some("address".to_owned()),
            ("string", _) => Some("text".to_owned()),
            ("integer", _) => Some("whole number".to_owned()),
            ("boolean", _) => Some("true or false".to_owned()),
            ("array", _) => Some(format!("list of {}", kind(tree, schema.get("items"))).trim().to_owned()),
            (other, _) => Some(other.to_owned()),
        })
        .collect();
    if words.is_empty() { "anything".to_owned() } else { words.join(" or ") }
}

fn range(schema: &Node) -> String {
    let between = |least: &str, most: &str| match (schema.text(least), schema.text(most)) {
        (Some(least), Some(most)) => Some(format!(", {least} to {most}")),
        (Some(least), None) => Some(format!(", from {least}")),
        (None, Some(most)) => Some(format!(", at most {most}")),
        (None, None) => None,
    };
    let mut words = between("minimum", "maximum").unwrap_or_default();
    if let Some(length) = schema.text("maxLength") {
        words.push_str(&format!(", at most {length} characters"));
    }
    if let Some(default) = schema.text("default") {
        words.push_str(&format!(", default {default}"));
    }
    words
}
