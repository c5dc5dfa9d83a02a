//! Somebody else's connection reads byte for byte like none.

use super::{super::customers::other_backend, *};

/// Security T1. Acceptance 23.
#[tokio::test]
async fn a_connection_of_somebody_else_is_no_connection() {
    let (app, provider) = with_tool().await;
    let made = imported(&app, keyed_with("c1", json!({ "key": "main" }))).await;
    let gone = imported(&app, keyed_with("c1", json!({ "allowMultipleConnections": true }))).await;
    call(&app, Method::DELETE, &format!("/connections/{}", id_of(&gone)), &backend(&app), Value::Null).await;
    let unknown = "0199a1b2-0000-7000-8000-000000000000";
    let before = get(&app, "/connections?includeArchived=true", &backend(&app)).await.json();
    provider.take();
    let narrow = json!({ "iss": "acme", "id": "c1", "integrations": ["hubspot"], "exp": app.now() + 600 });
    let strangers = [
        app.token("c2"),
        backend_for(&app, "c2"),
        other_backend(&app),
        app.token_of("other", super::super::app::OTHER_SECRET, "c1"),
        app.signed(super::super::app::SECRET, &narrow),
    ];

    for (number, stranger) in strangers.iter().enumerate() {
        for (method, body) in [
            (Method::GET, Value::Null),
            (Method::PATCH, json!({ "name": "x" })),
            (Method::PATCH, json!({ "nothing": "x" })),
            (Method::PUT, json!({ "name": "x" })),
            (Method::DELETE, Value::Null),
        ] {
            let asked = async |selector: &str| {
                let path = format!("/connections/{selector}");
                let page = call(&app, method.clone(), &path, stranger, body.clone()).await;
                (page.status, page.body)
            };
            let none = asked(unknown).await;
            assert_eq!(none.0, StatusCode::NOT_FOUND);
            for selector in [id_of(&made), id_of(&gone), "main", "tool"] {
                assert_eq!(asked(selector).await, none, "stranger {number}: {method} {selector}");
            }
        }
    }

    assert_eq!(get(&app, "/connections?includeArchived=true", &backend(&app)).await.json(), before);
    assert!(provider.calls().is_empty());
}

#[tokio::test]
async fn nobody_without_a_good_token_reaches_a_connection() {
    let (app, _provider) = with_tool().await;
    let made = imported(&app, keyed("c1")).await;
    let expired = json!({ "iss": "acme", "id": "c1", "isAdmin": true, "exp": app.now() - 600 });
    let tokens = [
        app.signed(super::super::app::SECRET, &expired),
        app.signed("x".repeat(40).as_str(), &expired),
        "x".to_owned(),
    ];

    for path in ["/connections".to_owned(), format!("/connections/{}", id_of(&made))] {
        for token in &tokens {
            let refused = get(&app, &path, token).await;
            refused.assert_status(StatusCode::UNAUTHORIZED);
            assert_eq!(refused.json()["key"], "not_authenticated");
        }
        let anonymous = app.browser().send(Method::GET, &path, &[("accept", "application/json")], None).await;
        anonymous.assert_error(StatusCode::UNAUTHORIZED, "missing_token");
    }
}
