//! What the public SDKs can ask for and Hitchpost does not have: answered truthfully, in a form they read.

use axum::http::{StatusCode, Uri};

use crate::http::Refusal;

/// Pages of ours below `/screens`, where the SDKs also have a list of another kind.
const SCREENS: [&str; 5] = ["connect", "connection", "connections", "integrations", "agent-session"];

/// Everything that no route takes.
pub async fn answer(uri: Uri) -> Refusal {
    let Some(what) = what(uri.path()) else { return Refusal::not_found("page") };
    let message = format!(
        "Hitchpost has no {what}. It keeps connections, and calls their apps at `/connections/{{sel}}/proxy/`."
    );
    Refusal { status: StatusCode::NOT_FOUND, message, ..Refusal::not_found("page") }
}

/// What a path is about that Hitchpost does not have; none for a path that no SDK knows.
pub(super) fn what(path: &str) -> Option<&'static str> {
    let mut parts = path.trim_matches('/').split('/');
    let first = parts.next()?;
    let second = parts.next();
    match first {
        "screens" | "screen" if second.is_some_and(|part| SCREENS.contains(&part)) => None,
        "integrations" | "connections" => second.and(parts.next()).map(part_of_one),
        _ => kind(first),
    }
}

/// Behind an integration or a connection.
fn part_of_one(part: &str) -> &'static str {
    match part {
        "api" | "data" | "data-directories" => "data collections",
        "operations" => "operations",
        "execute-request" => "named requests",
        "events" => "events of apps",
        "export" | "documentation" | "readme" => "exports",
        other => kind(other).unwrap_or("such part of a connection or an integration"),
    }
}

/// The kinds of things the SDKs have accessors for, in the plural, the singular and as instances.
fn kind(part: &str) -> Option<&'static str> {
    let kind = part.strip_suffix("-instances").or(part.strip_suffix("-instance")).unwrap_or(part);
    Some(match kind {
        "action" | "actions" | "action-run-logs" => "actions",
        "flow" | "flows" | "flow-run" | "flow-runs" | "scenario" | "scenarios" => "flows",
        "data-source" | "data-sources" => "data sources",
        "field-mapping" | "field-mappings" => "field mappings",
        "data-link-table" | "data-link-tables" => "data link tables",
        "app-event-type" | "app-event-types" | "app-event" | "app-events" => "events of apps",
        "app-event-subscription" | "app-event-subscriptions" => "events of apps",
        "external-event-subscription" | "external-event-subscriptions" => "events of apps",
        "external-event-log" | "external-event-logs" => "events of apps",
        "app-data-schema" | "app-data-schemas" => "data schemas",
        "screen" | "screens" => "screens",
        "package" | "packages" => "packages",
        "connector" | "connectors" | "external-app" | "external-apps" => "list of connectors",
        "user" | "users" | "account" | "accounts" => "users: they are customers",
        "alert" | "alerts" => "alerts",
        "agent-session" | "agent-sessions" => "agents",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::what;

    #[test]
    fn what_the_sdks_ask_for_is_known_and_what_is_ours_or_nobodys_is_not() {
        for (path, expected) in [
            ("/flows", Some("flows")),
            ("/flow-instances/1/run", Some("flows")),
            ("/flow-instance", Some("flows")),
            ("/actions/send/run", Some("actions")),
            ("/connections/c1/operations/list/run", Some("operations")),
            ("/connections/c1/api/records", Some("data collections")),
            ("/connections/c1/actions/send/run", Some("actions")),
            ("/integrations/hubspot/data", Some("data collections")),
            ("/integrations/hubspot/whatever", Some("such part of a connection or an integration")),
            ("/screens", Some("screens")),
            ("/screens/s1", Some("screens")),
            ("/screens/connect", None),
            ("/screens/integrations/hubspot/connect", None),
            ("/connections/c1", None),
            ("/connections", None),
            ("/", None),
            ("/nowhere", None),
        ] {
            assert_eq!(what(path), expected, "{path}");
        }
    }
}
