//! The JSON Schema of connector files, for editors that complete and check while somebody types.
//!
//! The parser decides; the schema says the same where JSON Schema can. A test holds their keys together.

/// The document, `docs/connector.schema.json`.
pub fn document() -> &'static str {
    include_str!("../../docs/connector.schema.json")
}
