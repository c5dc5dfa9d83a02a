//! A workspace's settings, read and changed by its backend.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    app::{Page, SECRET, TestApp},
    customers::{audited, backend, call, other_backend},
};

async fn get(app: &TestApp) -> Value {
    call(app, Method::GET, "/workspace", &backend(app), Value::Null).await.json()
}

async fn patch(app: &TestApp, body: Value) -> Page {
    call(app, Method::PATCH, "/workspace", &backend(app), body).await
}

#[tokio::test]
async fn a_workspace_shows_its_settings_and_no_secret() {
    let app = TestApp::new().await;

    let answer = call(&app, Method::GET, "/workspace", &backend(&app), Value::Null).await;

    let workspace = answer.json();
    for (name, value) in [
        ("key", json!("acme")),
        ("name", json!("Acme")),
        ("allowedOrigins", json!(["https://app.acme.com", "http://localhost:*"])),
        ("maxTokenLifetimeSeconds", json!(86400)),
        ("allowTokensWithoutExp", json!(false)),
        ("requireSignedParameters", json!(false)),
        ("confirmRedirect", Value::Null),
    ] {
        assert_eq!(workspace[name], value, "{name}");
    }
    assert!(!answer.body.contains(SECRET));
}

#[tokio::test]
async fn what_is_changed_holds_at_once_and_the_rest_stays() {
    let app = TestApp::new().await;
    let change = json!({
        "name": "Acme Ltd",
        "theme": { "accent": "#123456", "radius": 7, "scheme": "dark" },
        "maxTokenLifetimeSeconds": 300,
        "key": "ignored",
    });

    let answer = patch(&app, change).await;

    answer.assert_status(StatusCode::OK);
    let short = app.signed(SECRET, &json!({ "iss": "acme", "isAdmin": true, "exp": app.now() + 200 }));
    let workspace = call(&app, Method::GET, "/workspace", &short, Value::Null).await.json();
    assert_eq!(workspace, answer.json());
    assert_eq!((&workspace["name"], &workspace["key"]), (&json!("Acme Ltd"), &json!("acme")));
    let theme = json!({ "accent": "#123456", "radius": 7, "scheme": "dark" });
    assert_eq!(workspace["theme"], theme);
    assert_eq!(workspace["allowedOrigins"], json!(["https://app.acme.com", "http://localhost:*"]));
    let long = app.browser().api(Method::GET, "/connections", &app.token("c1")).await;
    long.assert_error(StatusCode::UNAUTHORIZED, "lifetime_too_long");
    let listed = call(&app, Method::GET, "/audit", &short, Value::Null).await.json();
    assert_eq!(listed["items"][0]["action"], "workspace.updated");
    assert_eq!(listed["items"][0]["detail"]["changed"], json!(["name", "max_token_lifetime", "theme"]));
    let unset = json!({ "theme": { "accent": null }, "maxTokenLifetimeSeconds": 86400 });
    let unset = call(&app, Method::PATCH, "/workspace", &short, unset).await.json();
    assert_eq!(unset["theme"], json!({ "accent": null, "radius": 7, "scheme": "dark" }));
}

/// Acceptance 66. Its secret half is never read back.
#[tokio::test]
async fn how_the_products_own_api_is_called_is_set_beside_the_rest() {
    let app = TestApp::new().await;
    let auth = json!({ "type": "api-key", "use": { "headers": { "X-Key": "canary-{{credentials.key}}" } } });
    let your_app = json!({ "baseUri": "https://api.acme.com", "auth": auth });

    let set = patch(&app, json!({ "name": "Acme Ltd", "yourApp": your_app })).await;
    let unset = patch(&app, json!({ "yourApp": null })).await;

    set.assert_status(StatusCode::OK);
    assert_eq!(
        (&set.json()["name"], &set.json()["yourApp"]["baseUri"]),
        (&json!("Acme Ltd"), &json!("https://api.acme.com"))
    );
    assert!(!set.body.contains("canary"), "{}", set.body);
    assert_eq!((&unset.json()["name"], &unset.json()["yourApp"]), (&json!("Acme Ltd"), &Value::Null));
}

/// A backend may set what a file may, and nothing else.
#[tokio::test]
async fn what_a_file_may_not_say_a_backend_may_not_say_either() {
    let app = TestApp::new().await;
    let before = get(&app).await;

    for (path, body) in [
        ("name", json!({ "name": "" })),
        ("name", json!({ "name": "x".repeat(257) })),
        ("name", json!({ "name": 5 })),
        ("allowedOrigins", json!({ "allowedOrigins": ["*"] })),
        ("allowedOrigins", json!({ "allowedOrigins": ["http://app.acme.com"] })),
        ("allowedOrigins", json!({ "allowedOrigins": "https://app.acme.com" })),
        ("confirmRedirect", json!({ "confirmRedirect": "https://evil.example/confirm" })),
        ("confirmRedirect", json!({ "confirmRedirect": "javascript:alert(1)" })),
        ("maxTokenLifetimeSeconds", json!({ "maxTokenLifetimeSeconds": 0 })),
        ("maxTokenLifetimeSeconds", json!({ "maxTokenLifetimeSeconds": "1h" })),
        ("requireSignedParameters", json!({ "requireSignedParameters": "yes" })),
        ("theme", json!({ "theme": 5 })),
        ("theme.accent", json!({ "theme": { "accent": "red" } })),
        ("theme.radius", json!({ "theme": { "radius": 25 } })),
        ("theme.radius", json!({ "theme": { "radius": 300 } })),
        ("theme.scheme", json!({ "theme": { "scheme": "pink" } })),
        ("theme.logo", json!({ "theme": { "logo": "https://evil.example/logo.svg" } })),
        ("yourApp", json!({ "yourApp": { "baseUrl": "https://api.acme.com" } })),
        ("yourApp.baseUri", json!({ "yourApp": { "baseUri": "nowhere", "auth": { "type": "basic" } } })),
        (
            "name",
            json!({ "name": "", "yourApp": { "baseUri": "https://api.acme.com", "auth": { "type": "basic" } } }),
        ),
    ] {
        let refused = patch(&app, body).await;
        refused.assert_error(StatusCode::BAD_REQUEST, "invalid_input");
        assert!(refused.json()["data"]["fields"][path].is_string(), "{path}: {}", refused.body);
    }

    assert_eq!(get(&app).await, before);
    assert!(audited(&app).await.is_empty());
}

#[tokio::test]
async fn the_page_for_confirming_stays_among_the_allowed_origins() {
    let app = TestApp::new().await;
    let page = json!({ "confirmRedirect": "https://app.acme.com/confirm" });
    patch(&app, page).await.assert_status(StatusCode::OK);

    let refused = patch(&app, json!({ "allowedOrigins": ["https://other.acme.com"] })).await;
    let both = json!({ "allowedOrigins": ["https://other.acme.com"], "confirmRedirect": null });
    let off = patch(&app, both).await;

    refused.assert_error(StatusCode::BAD_REQUEST, "invalid_input");
    off.assert_status(StatusCode::OK);
    assert_eq!(off.json()["confirmRedirect"], Value::Null);
}

/// Changing at once loses nothing: each builds on what it finds.
#[tokio::test]
async fn two_changes_at_once_both_hold() {
    let app = TestApp::new().await;

    let (one, two) = tokio::join!(
        patch(&app, json!({ "name": "Acme Ltd" })),
        patch(&app, json!({ "requireSignedParameters": true })),
    );

    one.assert_status(StatusCode::OK);
    two.assert_status(StatusCode::OK);
    let workspace = get(&app).await;
    assert_eq!(
        (&workspace["name"], &workspace["requireSignedParameters"]),
        (&json!("Acme Ltd"), &json!(true))
    );
}

#[tokio::test]
async fn a_file_puts_its_values_back_when_it_is_applied_again() {
    let app = TestApp::new().await;
    patch(&app, json!({ "name": "Acme Ltd" })).await.assert_status(StatusCode::OK);
    let folder = app.stop().await;

    let app = TestApp::start(folder).await;

    assert_eq!(get(&app).await["name"], "Acme");
}

/// Security T2. Acceptance 6.
#[tokio::test]
async fn a_workspace_is_its_own_backends() {
    let app = TestApp::new().await;

    for method in [Method::GET, Method::PATCH] {
        let refused = call(&app, method, "/workspace", &app.token("c1"), json!({ "name": "x" })).await;
        refused.assert_error(StatusCode::FORBIDDEN, "access_denied");
    }
    let renamed = call(&app, Method::PATCH, "/workspace", &other_backend(&app), json!({ "name": "x" })).await;

    assert_eq!((&renamed.json()["key"], &renamed.json()["name"]), (&json!("other"), &json!("x")));
    assert_eq!(get(&app).await["name"], "Acme");
}
