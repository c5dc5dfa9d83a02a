//! Customers, as the product's backend keeps them.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::app::{OTHER_SECRET, Page, SECRET, TestApp};

/// The backend of the whole workspace.
pub(super) fn backend(app: &TestApp) -> String {
    app.signed(SECRET, &json!({ "iss": "acme", "isAdmin": true, "exp": app.now() + 600 }))
}

/// The backend, for one customer.
pub(super) fn backend_for(app: &TestApp, customer: &str) -> String {
    app.signed(SECRET, &json!({ "iss": "acme", "id": customer, "isAdmin": true, "exp": app.now() + 600 }))
}

/// The backend of another workspace.
pub(super) fn other_backend(app: &TestApp) -> String {
    app.signed(OTHER_SECRET, &json!({ "iss": "other", "isAdmin": true, "exp": app.now() + 600 }))
}

/// A program's call; a null body is none.
pub(super) async fn call(app: &TestApp, method: Method, path: &str, token: &str, body: Value) -> Page {
    let bearer = format!("Bearer {token}");
    let headers = [("accept", "application/json"), ("authorization", bearer.as_str())];
    let body = (!body.is_null()).then(|| body.to_string());
    app.browser().send(method, path, &headers, body).await
}

async fn get(app: &TestApp, path: &str) -> Page {
    call(app, Method::GET, path, &backend(app), Value::Null).await
}

/// Actions of the audit log, oldest first, without the file's.
pub(super) async fn audited(app: &TestApp) -> Vec<String> {
    let listed = get(app, "/audit?limit=1000").await.json();
    let mut actions: Vec<_> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["action"].as_str().unwrap().to_owned())
        .filter(|action| action != "workspace.configuration_applied")
        .collect();
    actions.reverse();
    actions
}

#[tokio::test]
async fn a_backend_makes_finds_and_changes_a_customer() {
    let app = TestApp::new().await;
    let token = backend(&app);
    let body =
        json!({ "internalId": "team 7", "name": "Ada", "fields": { "plan": "pro" }, "meta": { "seats": 3 } });

    let made = call(&app, Method::POST, "/customers", &token, body.clone()).await;
    made.assert_status(StatusCode::CREATED);
    let customer = made.json();
    let id = customer["id"].as_str().unwrap();
    let again = call(&app, Method::POST, "/customers", &token, body).await;
    let path = format!("/customers/{id}");
    let renamed = call(&app, Method::PATCH, &path, &token, json!({ "name": "Grace" })).await.json();
    let selector = format!("/customer?id={id}");
    let replaced =
        json!({ "internalId": "team 7", "name": "Grace", "createdAt": "1999", "fields": { "plan": "free" } });
    let put = call(&app, Method::PUT, &selector, &token, replaced).await.json();

    for (name, value) in [
        ("internalId", json!("team 7")),
        ("name", json!("Ada")),
        ("fields", json!({ "plan": "pro" })),
        ("meta", json!({ "seats": 3 })),
    ] {
        assert_eq!(customer[name], value, "{name}");
    }
    assert!(customer["createdAt"].as_str().unwrap().ends_with('Z'), "{customer}");
    assert!(customer.get("archivedAt").is_none() && customer.get("lastActiveAt").is_none());
    again.assert_error(StatusCode::CONFLICT, "already_exists");
    assert_eq!(again.json()["key"], "already_exists");
    assert_eq!((&renamed["name"], &renamed["meta"]), (&json!("Grace"), &json!({ "seats": 3 })));
    assert_eq!((&put["fields"], put.get("meta")), (&json!({ "plan": "free" }), None));
    assert_eq!(put["createdAt"], customer["createdAt"]);
    for path in [path.as_str(), selector.as_str(), "/customers/team%207", "/customer?internalId=team%207"] {
        assert_eq!(get(&app, path).await.json(), put, "{path}");
    }
    assert_eq!(audited(&app).await, ["customer.created", "customer.updated", "customer.updated"]);
}

#[tokio::test]
async fn a_customer_made_by_the_backend_is_the_one_that_a_token_names() {
    let app = TestApp::new().await;
    let body = json!({ "internalId": "c1", "name": "Ada" });
    let made = call(&app, Method::POST, "/customers", &backend(&app), body).await.json();
    let unnamed = call(&app, Method::POST, "/customers", &backend(&app), json!({})).await.json();

    app.signed_in("c1").await;

    let seen = get(&app, "/customers/c1").await.json();
    assert_eq!((&seen["id"], &seen["name"]), (&made["id"], &json!("Name of c1")), "a newer name wins");
    assert!(seen["lastActiveAt"].is_string());
    assert_eq!(unnamed["internalId"], unnamed["id"], "without an own id it is ours");
    assert_eq!(unnamed["name"], unnamed["id"]);
}

#[tokio::test]
async fn customers_are_listed_newest_first_in_pages_and_found_by_words() {
    let app = TestApp::new().await;
    for (internal_id, name) in [("a", "Ada"), ("b", "Grace"), ("c", "Barbara"), ("d", "Radia")] {
        let body = json!({ "internalId": internal_id, "name": name });
        call(&app, Method::POST, "/customers", &backend(&app), body).await.assert_status(StatusCode::CREATED);
        app.clock.advance(Duration::from_millis(5));
    }
    call(&app, Method::DELETE, "/customers/b", &backend(&app), Value::Null)
        .await
        .assert_status(StatusCode::OK);
    let names = |page: &Value| -> Vec<String> {
        page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["internalId"].as_str().unwrap().to_owned())
            .collect()
    };

    let whole = get(&app, "/customers?cursor=0&hash=1").await.json();
    let first = get(&app, "/customers?limit=2").await.json();
    let second =
        get(&app, &format!("/customers?limit=2&cursor={}", first["cursor"].as_str().unwrap())).await.json();
    let archived = get(&app, "/customers?includeArchived=true").await.json();
    let found = get(&app, "/customers?search=ADA").await.json();
    let by_id = get(&app, "/customers?search=d").await.json();

    assert_eq!(names(&whole), ["d", "c", "a"]);
    assert!(whole.get("cursor").is_none());
    assert_eq!((names(&first), names(&second)), (vec!["d".to_owned(), "c".to_owned()], vec!["a".to_owned()]));
    assert!(second.get("cursor").is_none());
    assert_eq!(names(&archived), ["d", "c", "b", "a"]);
    assert_eq!(names(&found), ["a"]);
    assert_eq!(names(&by_id), ["d", "a"]);
    get(&app, "/customers?cursor=nonsense").await.assert_error(StatusCode::BAD_REQUEST, "invalid_cursor");
    get(&app, "/customers?limit=0").await.assert_error(StatusCode::BAD_REQUEST, "invalid_limit");
}

#[tokio::test]
async fn what_does_not_fit_is_refused_with_its_path_and_changes_nothing() {
    let app = TestApp::new().await;
    let token = backend(&app);
    call(&app, Method::POST, "/customers", &token, json!({ "internalId": "c1" })).await;
    let before = get(&app, "/customers/c1").await.json();
    let large = "x".repeat(17 * 1024);

    for (path, body) in [
        ("name", json!({ "name": 5 })),
        ("name", json!({ "name": "x".repeat(257) })),
        ("fields", json!({ "fields": [] })),
        ("fields", json!({ "fields": { "a": large } })),
        ("meta", json!({ "meta": "text" })),
        ("meta", json!({ "meta": { "a": large } })),
        ("internalId", json!({ "internalId": 7 })),
        ("internalId", json!({ "internalId": "c2" })),
        ("credentials", json!({ "credentials": { "apiKey": "k" } })),
    ] {
        for method in [Method::PATCH, Method::PUT] {
            let refused = call(&app, method, "/customers/c1", &token, body.clone()).await;
            refused.assert_error(StatusCode::BAD_REQUEST, "invalid_input");
            assert!(refused.json()["data"]["fields"][path].is_string(), "{path}: {}", refused.body);
        }
    }
    for internal_id in [json!(""), json!("x".repeat(257)), json!("a\u{0}b"), json!({})] {
        let refused =
            call(&app, Method::POST, "/customers", &token, json!({ "internalId": internal_id })).await;
        refused.assert_error(StatusCode::BAD_REQUEST, "invalid_input");
    }
    for body in ["[]", "5", "{", "{\"name\":\"a\""] {
        let bearer = format!("Bearer {token}");
        let headers = [("accept", "application/json"), ("authorization", bearer.as_str())];
        let refused =
            app.browser().send(Method::PATCH, "/customers/c1", &headers, Some(body.to_owned())).await;
        refused.assert_error(StatusCode::BAD_REQUEST, "malformed_input");
    }

    assert_eq!(get(&app, "/customers/c1").await.json(), before);
}

/// Archived means out: at once, everywhere, and with nothing left that opens an app.
#[tokio::test]
async fn an_archived_customer_is_out_and_their_credentials_are_given_back() {
    let app = TestApp::new().await;
    let mut browser = app.signed_in("c1").await;
    for key in ["hubspot", "linear"] {
        browser.connect(key, &[]).await.assert_status(StatusCode::SEE_OTHER);
    }
    app.signed_in("c2").await.connect("hubspot", &[]).await.assert_status(StatusCode::SEE_OTHER);
    let left = browser.submit("github", &[]).await.location();
    let made = call(&app, Method::POST, "/links", &backend(&app), json!({ "customerId": "c1" })).await.json();
    let token = app.token("c1");
    let codes = app.count("token_code").await;

    let archived = call(&app, Method::DELETE, "/customers/c1", &backend(&app), Value::Null).await;
    let again = call(&app, Method::DELETE, "/customers/c1", &backend(&app), Value::Null).await;

    archived.assert_status(StatusCode::OK);
    assert!(archived.json()["archivedAt"].is_string());
    assert_eq!(again.json(), archived.json());
    app.browser()
        .api(Method::GET, "/connections", &token)
        .await
        .assert_error(StatusCode::UNAUTHORIZED, "customer_archived");
    let named = call(&app, Method::GET, "/connections", &backend_for(&app, "c1"), Value::Null).await;
    named.assert_error(StatusCode::UNAUTHORIZED, "customer_archived");
    app.browser().get(&format!("/?token={token}")).await.assert_says("This page is closed");
    browser.get("/").await.assert_status(StatusCode::UNAUTHORIZED);
    app.browser().get(made["url"].as_str().unwrap()).await.assert_says("This link has ended");
    let returned = browser.consent(&left, &[]).await;
    browser.get(&returned.location()).await.assert_status(StatusCode::BAD_REQUEST);
    assert_eq!(app.count("token_code").await, codes, "what was under way is not redeemed");
    assert_eq!(app.connections("c2").await.len(), 1, "nobody else is touched");
    let actions = audited(&app).await;
    assert_eq!(actions.iter().filter(|action| *action == "connection.deleted").count(), 2);
    assert_eq!(actions.iter().filter(|action| *action == "customer.archived").count(), 1);
    // The server ends, and waits for what is on its way.
    app.engine.close().await;
    assert_eq!(app.count("revoke").await, 4, "two tokens of each grant are given back");
}

#[tokio::test]
async fn a_restored_customer_signs_in_again_and_connects_anew() {
    let app = TestApp::new().await;
    app.signed_in("c1").await.connect("hubspot", &[]).await.assert_status(StatusCode::SEE_OTHER);
    call(&app, Method::DELETE, "/customers/c1", &backend(&app), Value::Null)
        .await
        .assert_status(StatusCode::OK);

    let restored = call(&app, Method::POST, "/customers/c1/restore", &backend(&app), Value::Null).await;
    let again =
        call(&app, Method::POST, "/customer/restore?internalId=c1", &backend(&app), Value::Null).await;

    restored.assert_status(StatusCode::OK);
    assert!(restored.json().get("archivedAt").is_none());
    assert_eq!(again.json(), restored.json());
    assert!(app.connections("c1").await.is_empty(), "what ended stays ended");
    app.signed_in("c1").await.connect("hubspot", &[]).await.assert_status(StatusCode::SEE_OTHER);
    assert_eq!(app.connections("c1").await.len(), 1);
    let restorations = audited(&app).await.into_iter().filter(|action| action == "customer.restored");
    assert_eq!(restorations.count(), 1);
}

/// Security T1, T2. Acceptance 6.
#[tokio::test]
async fn customers_are_the_backends_and_somebody_elses_reads_like_nobody() {
    let app = TestApp::new().await;
    for id in ["c1", "c2"] {
        call(&app, Method::POST, "/customers", &backend(&app), json!({ "internalId": id })).await;
    }
    let id = get(&app, "/customers/c1").await.json()["id"].as_str().unwrap().to_owned();
    let unknown = "0197f000-0000-7000-8000-000000000000";
    let calls = [
        (Method::GET, "/customers/"),
        (Method::PUT, "/customers/"),
        (Method::PATCH, "/customers/"),
        (Method::DELETE, "/customers/"),
        (Method::GET, "/customer?id="),
        (Method::PUT, "/customer?id="),
        (Method::PATCH, "/customer?id="),
        (Method::DELETE, "/customer?id="),
        (Method::POST, "/customer/restore?id="),
    ];

    for (method, path) in calls {
        let (mine, nobodys) = (format!("{path}{id}"), format!("{path}{unknown}"));
        let customer = call(&app, method.clone(), &mine, &app.token("c1"), json!({ "name": "x" })).await;
        customer.assert_error(StatusCode::FORBIDDEN, "access_denied");
        for token in [other_backend(&app), backend_for(&app, "c2")] {
            let theirs = call(&app, method.clone(), &mine, &token, json!({ "name": "x" })).await;
            let none = call(&app, method.clone(), &nobodys, &token, json!({ "name": "x" })).await;
            theirs.assert_error(StatusCode::NOT_FOUND, "not_found");
            assert_eq!(theirs.body, none.body, "{method} {path}");
        }
    }
    for (method, path) in [(Method::GET, "/customers"), (Method::POST, "/customers")] {
        let refused = call(&app, method, path, &app.token("c1"), json!({ "internalId": "x" })).await;
        refused.assert_error(StatusCode::FORBIDDEN, "access_denied");
    }

    let seen = call(&app, Method::GET, "/customers", &backend_for(&app, "c2"), Value::Null).await.json();
    assert_eq!(seen["items"].as_array().unwrap().len(), 1);
    assert_eq!(seen["items"][0]["internalId"], "c2");
    let elsewhere = call(&app, Method::GET, "/customers", &other_backend(&app), Value::Null).await.json();
    assert_eq!(elsewhere["items"], json!([]));
    let untouched = get(&app, "/customers/c1").await.json();
    assert_eq!(
        (&untouched["name"], untouched.get("archivedAt")),
        (&json!("Name of c1"), None),
        "as their token says"
    );
    let bound = backend_for(&app, "c2");
    let foreign = call(&app, Method::POST, "/customers", &bound, json!({ "internalId": "c3" })).await;
    foreign.assert_error(StatusCode::BAD_REQUEST, "invalid_input");
}
