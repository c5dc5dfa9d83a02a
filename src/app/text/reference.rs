//! What the API reference says beside the document.

/// Title and heading.
pub const REFERENCE: &str = "API reference";
/// Name of the list of groups.
pub const CONTENTS: &str = "Contents";
/// Heading of the objects, also in the list.
pub const OBJECTS: &str = "Objects";
/// Line below that heading.
pub const OBJECTS_LEAD: &str = "What calls take and answer with.";
/// Where programs find the document.
pub const DOCUMENT: &str =
    "For programs: `/openapi.json`, OpenAPI 3.1. Samples read the token from the variable `TOKEN`.";
/// Headings inside a call.
pub const PARAMETERS: &str = "Parameters";
/// Members of the body.
pub const BODY: &str = "Body";
/// What comes back.
pub const ANSWERS: &str = "Answers";
/// A call to try.
pub const SAMPLE: &str = "Sample";
/// Behind the name of what has to be there.
pub const REQUIRED: &str = "required";
/// A status that has no row of its own.
pub const OTHER_STATUS: &str = "other";

/// Who may make a call.
pub fn caller(role: &str) -> &'static str {
    match role {
        "customer" => "customer or backend",
        "backend" => "backend",
        "operator" => "operator",
        _ => "no token",
    }
}
