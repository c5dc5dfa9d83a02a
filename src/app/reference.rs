//! `GET /docs`: the OpenAPI document as a page. It is the same for everybody and rendered once.

mod schema;

use std::sync::{Arc, OnceLock};

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::Response,
    routing::{MethodRouter, get},
};

use self::schema::{fields, kind, named, object_of};
use super::{
    pages, present, text,
    view::{AnswerRow, CallGroup, CallView, FieldRow, ObjectView, ReferenceView, Surface},
};
use crate::http::{
    AppState,
    headers::{Framing, page},
    openapi::{self, Node},
};

/// As long as it may be behind a server that was just renewed.
const KEPT: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// The route. Each server renders the page once, with its own address in the samples.
pub fn route() -> MethodRouter<AppState> {
    let html: Arc<OnceLock<String>> = Arc::default();
    get(async move |State(state): State<AppState>| show(&state, &html))
}

fn show(state: &AppState, html: &OnceLock<String>) -> Response {
    let html = html.get_or_init(|| {
        let mut shell = present::bare_shell(state, text::REFERENCE, Surface::Page);
        // Loaded behind the common style sheet, as a theme is; no workspace is known here that has one.
        shell.theme_css = Some(state.assets.reference_css());
        pages::reference(&shell, &reference(&openapi::tree(), state.origin.as_str()))
    });
    let mut response = page(StatusCode::OK, html.clone(), &Framing::Nobody);
    response.headers_mut().insert(header::CACHE_CONTROL, KEPT);
    response
}

/// What the document says, in its order.
pub fn reference(tree: &Node, origin: &str) -> ReferenceView {
    let calls = calls(tree);
    let groups = tree.get("tags").items().iter().map(|tag| {
        let name = text_of(tag, "name");
        let of_group = calls.iter().filter(|(group, _)| *group == name).map(|(_, call)| call.clone());
        CallGroup { about: text_of(tag, "description"), calls: of_group.collect(), name }
    });
    let objects = tree.at("#/components/schemas").members().map(|(name, schema)| ObjectView {
        name: name.clone(),
        about: text_of(schema, "description"),
        fields: fields(tree, schema),
    });
    ReferenceView {
        intro: text_of(tree.get("info"), "description"),
        groups: groups.collect(),
        objects: objects.collect(),
        origin: origin.to_owned(),
    }
}

/// Every call with the name of its group.
fn calls(tree: &Node) -> Vec<(String, CallView)> {
    let mut calls = Vec::new();
    for (path, item) in tree.get("paths").members() {
        let any = item.text("x-any-method").is_some();
        let methods = item.members().filter(|(_, call)| call.text("operationId").is_some());
        for (method, call) in methods.take(if any { 1 } else { usize::MAX }) {
            let method = if any { "ANY".to_owned() } else { method.to_uppercase() };
            let group = call.get("tags").items().first().and_then(Node::said).unwrap_or_default();
            calls.push((group.to_owned(), call_view(tree, path, item, method, call)));
        }
    }
    calls
}

fn call_view(tree: &Node, path: &str, item: &Node, method: String, call: &Node) -> CallView {
    let own = |name: &str| call.text(name).or(item.text(name)).unwrap_or_default().to_owned();
    let given: Vec<_> = [item, call]
        .iter()
        .flat_map(|node| node.get("parameters").items())
        .map(|one| named(tree, one))
        .collect();
    let media = call.get("requestBody").get("content").members().next().map(|(_, media)| media);
    let sample = media.map(|media| media.get("example")).filter(|sample| !sample.is_nothing());
    CallView {
        id: own("operationId"),
        method,
        path: path.to_owned(),
        summary: own("summary"),
        about: own("description"),
        role: own("x-role"),
        parameters: given.iter().map(|one| parameter(tree, one)).collect(),
        body: media.map(|media| fields(tree, media.get("schema"))).unwrap_or_default(),
        answers: call
            .get("responses")
            .members()
            .map(|(status, answer)| answer_row(tree, status, answer))
            .collect(),
        sample_body: sample.map(Node::json),
        sample_path: sample_path(path, &given),
    }
}

fn parameter(tree: &Node, given: &Node) -> FieldRow {
    let place = given.text("in").unwrap_or_default();
    FieldRow {
        name: text_of(given, "name"),
        kind: format!("{place}, {}", kind(tree, given.get("schema"))),
        required: given.text("required") == Some("true"),
        about: text_of(given, "description"),
        object: None,
    }
}

fn answer_row(tree: &Node, status: &str, answer: &Node) -> AnswerRow {
    let answer = named(tree, answer);
    let media = answer.get("content").members().next();
    let schema = media.map(|(_, media)| media.get("schema"));
    let object = schema.and_then(|schema| object_of(tree, schema));
    let is_bare = schema.is_none_or(|schema| schema.text("$ref").is_some());
    AnswerRow {
        status: if status == "default" { text::OTHER_STATUS.to_owned() } else { status.to_owned() },
        about: text_of(answer, "description"),
        kind: schema.map(|schema| kind(tree, schema)).unwrap_or_default(),
        fields: schema.filter(|_| !is_bare).map(|schema| fields(tree, schema)).unwrap_or_default(),
        object,
    }
}

/// The path with the document's examples in it.
fn sample_path(path: &str, given: &[&Node]) -> String {
    let mut sample = path.to_owned();
    let mut query = Vec::new();
    for one in given {
        let (name, example) = (one.text("name").unwrap_or_default(), one.text("example"));
        match (one.text("in"), example) {
            (Some("path"), Some(example)) => sample = sample.replace(&format!("{{{name}}}"), example),
            (Some("query"), Some(example)) => query.push(format!("{name}={example}")),
            _ => {}
        }
    }
    if query.is_empty() { sample } else { format!("{sample}?{}", query.join("&")) }
}

fn text_of(node: &Node, name: &str) -> String {
    node.text(name).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_of_the_document_is_on_the_page_once() {
        let tree = openapi::tree();

        let view = reference(&tree, "https://hitchpost.example");

        let calls: Vec<_> = view.groups.iter().flat_map(|group| &group.calls).collect();
        let mut ids: Vec<_> = calls.iter().map(|call| &call.id).collect();
        ids.sort();
        ids.dedup();
        let paths = tree.get("paths").members();
        let expected: usize = paths
            .map(|(_, item)| match item.text("x-any-method") {
                Some(_) => 1,
                None => item.members().filter(|(_, call)| call.text("operationId").is_some()).count(),
            })
            .sum();
        assert_eq!((calls.len(), ids.len()), (expected, expected));
        assert!(view.groups.iter().all(|group| !group.calls.is_empty() && !group.about.is_empty()));
    }

    #[test]
    fn a_call_is_shown_with_its_parameters_body_answers_and_sample() {
        let view = reference(&openapi::tree(), "https://hitchpost.example");
        let calls: Vec<_> = view.groups.iter().flat_map(|group| &group.calls).collect();
        let of = |id: &str| *calls.iter().find(|call| call.id == id).unwrap();

        let limit = of("listConnections").parameters[0].clone();
        let rotate = of("rotateWebhookSecret");
        let proxied = of("proxyGet");

        assert_eq!(
            (limit.name.as_str(), limit.kind.as_str()),
            ("limit", "query, whole number, 1 to 1000, default 25")
        );
        assert_eq!(of("listConnections").answers[0].kind, "object");
        assert_eq!(of("listConnections").answers[0].fields[0].kind, "list of");
        assert_eq!(of("listConnections").answers[0].fields[0].object.as_deref(), Some("Connection"));
        assert_eq!(rotate.body[0].kind, "whole number or null, 0 to 2592000");
        assert_eq!(rotate.sample_body.as_deref(), Some(r#"{"overlap":3600}"#));
        assert_eq!(proxied.method, "ANY");
        assert_eq!(proxied.sample_path, "/connections/hubspot/proxy/crm/v3/objects/contacts");
        assert_eq!(of("getCustomerByQuery").sample_path, "/customer?id=c1");
        let theme = of("patchWorkspace").body.iter().find(|field| field.name == "theme.scheme").unwrap();
        assert_eq!(theme.kind, "`auto`, `light`, `dark` or null");
    }
}
