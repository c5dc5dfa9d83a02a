//! The OpenAPI document of everything that programs may call. It is written by hand; tests hold it and the
//! routes together.

mod node;

use std::sync::LazyLock;

use axum::{http::HeaderMap, response::Response};

use super::tagged::Tagged;

pub use node::Node;

const WRITTEN: &str = include_str!("openapi.json");

static DOCUMENT: LazyLock<String> =
    LazyLock::new(|| WRITTEN.replacen("\"VERSION\"", concat!("\"", env!("CARGO_PKG_VERSION"), "\""), 1));
static TAGGED: LazyLock<Tagged> = LazyLock::new(|| Tagged::new(DOCUMENT.as_str(), "application/json"));

/// The document with the version of this server.
pub fn document() -> &'static str {
    &DOCUMENT
}

/// The document as an answer.
pub fn answer(asked: &HeaderMap) -> Response {
    TAGGED.answer(asked)
}

/// The document in the order in which it is written.
pub fn tree() -> Node {
    serde_json::from_str(WRITTEN).expect("the document is JSON, as a test shows")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_of_this_version_and_keeps_its_order() {
        let tree = tree();

        let members: Vec<_> = tree.members().map(|(name, _)| name).collect();

        assert_eq!(members, ["openapi", "info", "servers", "tags", "security", "paths", "components"]);
        assert!(document().contains(&format!("\"version\": \"{}\"", env!("CARGO_PKG_VERSION"))));
        assert!(!document().contains("VERSION"));
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn walk(tree: &Node, node: &Node, count: &mut usize) {
            if let Some(place) = node.text("$ref") {
                assert!(!tree.at(place).is_nothing(), "{place} leads nowhere");
                *count += 1;
            }
            node.members().for_each(|(_, node)| walk(tree, node, count));
            node.items().iter().for_each(|node| walk(tree, node, count));
        }
        let (tree, mut count) = (tree(), 0);

        walk(&tree, &tree, &mut count);

        assert!(count > 300, "only {count} references");
    }
}
