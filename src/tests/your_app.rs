//! The product's own API, called as its customers: each with what is theirs, and nobody ever reads it back.

mod api;
mod oauth2;
mod settings;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use self::api::Api;
use super::{
    app::{LOG, Page, TestApp},
    canary::{finds, left_behind},
    customers::{audited, backend, backend_for, call, other_backend},
};

/// A server whose workspace `acme` calls `api` as `your_app`, lines of TOML, says.
async fn connected(api: &Api, your_app: &str) -> TestApp {
    TestApp::with(&config(api, your_app)).await
}

fn config(api: &Api, your_app: &str) -> String {
    let address = api.address;
    let your_app = your_app.replace("API", &format!("http://{address}"));
    format!(
        r#"
[server]
egress_allow = ["{address}"]
[[workspace]]
key = "acme"
name = "Acme"
secret = "{}"
[workspace.your_app]
base_uri = "http://{address}"
{your_app}
[[workspace]]
key = "other"
name = "Other"
secret = "{}"
"#,
        super::app::SECRET,
        super::app::OTHER_SECRET,
    )
}

const BEARER: &str =
    r#"auth = { type = "api-key", use = { headers = { Authorization = "Bearer {{credentials.apiKey}}" } } }"#;

impl TestApp {
    async fn own(&self, customer: &str) -> Value {
        let page = call(self, Method::GET, "/self", &self.token(customer), Value::Null).await;
        page.assert_status(StatusCode::OK);
        page.json()
    }

    async fn give(&self, customer: &str, credentials: Value) -> Page {
        let body = json!({ "credentials": credentials });
        call(self, Method::PATCH, "/self", &self.token(customer), body).await
    }

    /// Calls the product's API as a customer.
    async fn ask(&self, customer: &str, path: &str) -> Page {
        let path = format!("/self/proxy{path}");
        call(self, Method::GET, &path, &backend_for(self, customer), Value::Null).await
    }

    #[track_caller]
    fn is_answered(&self, page: &Page, customer: &str) {
        page.assert_status(StatusCode::OK);
        assert_eq!(page.json()["customer"], customer, "{}", page.body);
    }
}

/// What a customer gives.
type Credentials<'f> = &'f dyn Fn(&str) -> Value;

/// Acceptance 70.
#[tokio::test]
async fn each_customer_calls_with_what_is_theirs_wherever_the_api_wants_it() {
    let key = |customer: &str| json!({ "apiKey": format!("key-canary-{customer}") });
    let password =
        |customer: &str| json!({ "username": customer, "password": format!("pass-canary-{customer}") });
    let deep = |customer: &str| json!({ "acme": { "keys": { "main": format!("key-canary-{customer}") } } });
    let header =
        r#"auth = { type = "custom", use = { headers = { X-Api-Key = "{{credentials.acme.keys.main}}" } } }"#;
    let query = r#"auth = { type = "api-key", use = { query = { api_key = "{{credentials.apiKey}}" } } }"#;
    let styles: [(&str, &str, Credentials); 4] = [
        ("/bearer/x", BEARER, &key),
        ("/basic/x", r#"auth = { type = "basic" }"#, &password),
        ("/header/x", header, &deep),
        ("/query/x?a=1", query, &key),
    ];

    for (path, your_app, credentials) in styles {
        let api = Api::new().await;
        let app = connected(&api, your_app).await;
        for customer in ["c1", "c2"] {
            app.give(customer, credentials(customer)).await.assert_status(StatusCode::OK);
        }

        for customer in ["c1", "c2", "c1"] {
            app.is_answered(&app.ask(customer, path).await, customer);
        }
        let nobody = app.ask("c3", path).await;
        nobody.assert_error(StatusCode::CONFLICT, "no_credentials");
        assert_eq!(api.calls().len(), 3, "{path}");
    }
}

/// Acceptance 67.
#[tokio::test]
async fn credentials_that_do_not_fit_the_schema_are_refused_by_path_and_change_nothing() {
    let api = Api::new().await;
    let schema = r#"credentials_schema = { type = "object", required = ["apiKey"], additionalProperties = false, properties = { apiKey = { type = "string", pattern = "^key-canary-\\w+$" }, region = { enum = ["eu", "us"] } } }"#;
    let app = connected(&api, &format!("{BEARER}\n{schema}")).await;
    app.give("c1", json!({ "apiKey": "key-canary-c1" })).await.assert_status(StatusCode::OK);

    for (given, path) in [
        (json!({}), "credentials.apiKey"),
        (json!({ "apiKey": 7 }), "credentials.apiKey"),
        (json!({ "apiKey": "canary-wrong" }), "credentials.apiKey"),
        (json!({ "apiKey": "key-canary-x", "region": "moon" }), "credentials.region"),
        (json!({ "apiKey": "key-canary-x", "extra": 1 }), "credentials"),
        (json!("canary-wrong"), "credentials"),
        (json!(["canary-wrong"]), "credentials"),
        (json!({ "apiKey": format!("key-canary-{}", "x".repeat(17_000)) }), "credentials"),
    ] {
        let refused = app.give("c1", given).await;
        refused.assert_error(StatusCode::BAD_REQUEST, "invalid_input");
        let fields = refused.json()["data"]["fields"].clone();
        assert_eq!(fields.as_object().unwrap().keys().collect::<Vec<_>>(), [path], "{fields}");
        assert!(!refused.body.contains("canary-wrong"), "{}", refused.body);
    }

    app.is_answered(&app.ask("c1", "/bearer").await, "c1");
}

/// Acceptance 69.
#[tokio::test]
async fn new_credentials_count_from_the_next_request_on_and_null_erases_them() {
    let api = Api::new().await;
    let app = connected(&api, BEARER).await;

    for name in ["one", "two", "three"] {
        let given = app.give("c1", json!({ "apiKey": format!("key-canary-{name}") })).await;
        given.assert_status(StatusCode::OK);
        assert_eq!(given.json()["hasCredentials"], true);
        app.is_answered(&app.ask("c1", "/bearer").await, name);
    }
    let erased = app.give("c1", Value::Null).await;
    let again = app.give("c1", Value::Null).await;

    assert_eq!(erased.json()["hasCredentials"], false);
    again.assert_status(StatusCode::OK);
    app.ask("c1", "/bearer").await.assert_error(StatusCode::CONFLICT, "no_credentials");
    assert_eq!(api.calls().len(), 3);
    let done = audited(&app).await;
    assert_eq!(done.iter().filter(|action| *action == "customer.credentials_set").count(), 4, "{done:?}");
}

/// Acceptance 69, 74.
#[tokio::test]
async fn what_was_given_is_in_no_answer_no_database_and_no_log() {
    let api = Api::new().await;
    let auth = r#"auth = { type = "custom", use = { headers = { X-Api-Key = "{{credentials.apiKey}}", X-Product = "{{client.secret}}", X-Literal = "literal-canary-1" } } }
client_secret = "product-canary-1""#;
    let app = connected(&api, auth).await;
    let given =
        app.give("c1", json!({ "apiKey": "key-canary-c1", "deep": { "note": "note-canary-1" } })).await;
    let refused = app.give("c2", json!({ "note": "x".repeat(17_000), "apiKey": "refused-canary-1" })).await;
    refused.assert_status(StatusCode::BAD_REQUEST);
    app.is_answered(&app.ask("c1", "/header").await, "c1");
    let seen = api.calls().remove(0);
    assert_eq!(
        (seen.header("x-product"), seen.header("x-literal")),
        ("product-canary-1", "literal-canary-1")
    );

    let workspace = call(&app, Method::GET, "/workspace", &backend(&app), Value::Null).await;
    let audit = call(&app, Method::GET, "/audit?limit=1000", &backend(&app), Value::Null).await;
    let shown = [given.body, app.own("c1").await.to_string(), workspace.body, audit.body, refused.body];
    let mut left = left_behind(&app.folder);
    left.push(("the log".to_owned(), std::fs::read(&*LOG).unwrap()));
    left.extend(shown.into_iter().map(|text| ("an answer".to_owned(), text.into_bytes())));
    assert!(left.iter().any(|(_, bytes)| finds(bytes, "Name of c1")), "the scan finds what is there");
    for secret in
        ["key-canary-c1", "note-canary-1", "product-canary-1", "literal-canary-1", "refused-canary-1"]
    {
        for (place, bytes) in &left {
            assert!(!finds(bytes, secret), "{place} holds {secret}");
        }
    }
}

#[tokio::test]
async fn self_is_the_caller_and_nobody_else() {
    let api = Api::new().await;
    let app = connected(&api, BEARER).await;
    let fields = json!({ "iss": "acme", "id": "c1", "name": "Ada", "fields": { "plan": "pro" }, "exp": app.now() + 600 });
    let token = app.signed(super::app::SECRET, &fields);
    app.give("c2", json!({ "apiKey": "key-canary-c2" })).await.assert_status(StatusCode::OK);

    let own = call(&app, Method::GET, "/self", &token, Value::Null).await.json();
    let as_backend = call(&app, Method::GET, "/self", &backend_for(&app, "c1"), Value::Null).await.json();
    let nobody = call(&app, Method::GET, "/self", &backend(&app), Value::Null).await;
    let unsigned = app.browser().api(Method::GET, "/self", "x").await;

    for (name, value) in [
        ("internalId", json!("c1")),
        ("name", json!("Ada")),
        ("fields", json!({ "plan": "pro" })),
        ("workspaceKey", json!("acme")),
        ("hasCredentials", json!(false)),
    ] {
        assert_eq!(own[name], value, "{name}");
    }
    assert!(own["createdAt"].as_str().unwrap().ends_with('Z'));
    assert!(own.get("credentials").is_none() && own.get("credentialsError").is_none());
    assert_eq!(as_backend["id"], own["id"]);
    assert_ne!(app.own("c2").await["id"], own["id"]);
    nobody.assert_error(StatusCode::BAD_REQUEST, "invalid_input");
    unsigned.assert_status(StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_a_token_says_is_not_patched_and_what_is_only_repeated_is_no_matter() {
    let api = Api::new().await;
    let app = connected(&api, BEARER).await;
    let mut own = app.own("c1").await;
    let token = app.token("c1");

    for (name, value) in [
        ("name", json!("Eve")),
        ("fields", json!({ "plan": "pro" })),
        ("internalId", json!("c2")),
        ("meta", json!({})),
    ] {
        let refused = call(
            &app,
            Method::PATCH,
            "/self",
            &token,
            json!({ name: value, "credentials": { "apiKey": "k" } }),
        )
        .await;
        refused.assert_error(StatusCode::BAD_REQUEST, "invalid_input");
        assert!(refused.json()["data"]["fields"][name].is_string(), "{}", refused.body);
    }
    own["credentials"] = json!({ "apiKey": "key-canary-c1" });
    own["lastActiveAt"] = json!("1999-01-01T00:00:00Z");
    let repeated = call(&app, Method::PATCH, "/self", &token, own).await;

    repeated.assert_status(StatusCode::OK);
    assert_eq!(
        (&repeated.json()["name"], &repeated.json()["hasCredentials"]),
        (&json!("Name of c1"), &json!(true))
    );
}

/// Security T1, T2.
#[tokio::test]
async fn only_the_backend_calls_and_only_with_a_customer_of_its_own() {
    let api = Api::new().await;
    let app = connected(&api, BEARER).await;
    app.give("c1", json!({ "apiKey": "key-canary-c1" })).await.assert_status(StatusCode::OK);
    let ask = async |token: &str| call(&app, Method::GET, "/self/proxy/bearer", token, Value::Null).await;

    ask(&app.token("c1")).await.assert_error(StatusCode::FORBIDDEN, "access_denied");
    ask(&backend(&app)).await.assert_error(StatusCode::BAD_REQUEST, "missing_customer");
    ask(&other_backend(&app)).await.assert_error(StatusCode::BAD_REQUEST, "missing_customer");
    let claims = json!({ "iss": "other", "id": "c1", "isAdmin": true, "exp": app.now() + 600 });
    let elsewhere = ask(&app.signed(super::app::OTHER_SECRET, &claims)).await;
    elsewhere.assert_error(StatusCode::CONFLICT, "no_your_app");
    ask("x").await.assert_status(StatusCode::UNAUTHORIZED);

    assert_eq!(api.calls().len(), 0);
    let given = json!({ "credentials": { "apiKey": "k" } });
    let token = app.token_of("other", super::app::OTHER_SECRET, "c1");
    let refused = call(&app, Method::PATCH, "/self", &token, given).await;
    refused.assert_error(StatusCode::BAD_REQUEST, "invalid_input");
}

#[tokio::test]
async fn a_call_arrives_as_it_was_made_but_for_what_opens_the_api() {
    let api = Api::new().await;
    let app = connected(&api, BEARER).await;
    app.give("c1", json!({ "apiKey": "key-canary-c1" })).await.assert_status(StatusCode::OK);
    let bearer = format!("Bearer {}", backend_for(&app, "c1"));
    let headers = [
        ("authorization", bearer.as_str()),
        ("x-mine", "1"),
        ("cookie", "a=b"),
        ("x-forwarded-for", "6.6.6.6"),
    ];

    let path = "/self/proxy/bearer/a%2Fb//c?q=%20&q=+";
    let page = app.browser().send(Method::PUT, path, &headers, Some("a body".to_owned())).await;
    let escaped = app.browser().send(Method::GET, "/self/proxy/bearer/..%2fadmin", &headers, None).await;

    app.is_answered(&page, "c1");
    let seen = api.calls();
    assert_eq!((seen.len(), seen[0].method.as_str(), seen[0].path.as_str()), (1, "PUT", "/bearer/a%2Fb//c"));
    assert_eq!((seen[0].query.as_str(), seen[0].body.as_str()), ("q=%20&q=+", "a body"));
    assert_eq!((seen[0].header("authorization"), seen[0].header("x-mine")), ("Bearer key-canary-c1", "1"));
    assert_eq!((seen[0].header("cookie"), seen[0].header("x-forwarded-for")), ("", ""));
    escaped.assert_error(StatusCode::BAD_REQUEST, "invalid_path");
}

/// Acceptance 71, 73.
#[tokio::test]
async fn a_token_of_the_workspace_says_who_the_customer_is() {
    let api = Api::new().await;
    let auth = r#"auth = { type = "membrane-token", use = { headers = { X-Membrane-Token = "{{jwt}}", X-Plan = "{{customer.fields.plan}}", X-Who = "{{workspace.key}}/{{customer.id}}" } } }"#;
    let app = connected(&api, auth).await;
    let claims = json!({ "iss": "acme", "id": "c 7", "name": "Ada", "fields": { "plan": "pro", "seats": 3 }, "isAdmin": true, "exp": app.now() + 600 });

    let token = app.signed(super::app::SECRET, &claims);
    let page = call(&app, Method::GET, "/self/proxy/jwt", &token, Value::Null).await;

    page.assert_status(StatusCode::OK);
    let said = page.json();
    for (name, value) in [
        ("iss", json!("acme")),
        ("sub", json!("c 7")),
        ("id", json!("c 7")),
        ("name", json!("Ada")),
        ("fields", json!({ "plan": "pro", "seats": 3 })),
    ] {
        assert_eq!(said[name], value, "{name}");
    }
    let life = said["exp"].as_i64().unwrap() - app.now();
    assert!((1..=3600).contains(&life), "{life} seconds");
    assert!(said.get("isAdmin").is_none(), "the token opens no more than the customer's own");
    let seen = api.calls().remove(0);
    assert_eq!((seen.header("x-plan"), seen.header("x-who")), ("pro", "acme/c 7"));
    assert_eq!(app.own("c 7").await["hasCredentials"], false);
}
