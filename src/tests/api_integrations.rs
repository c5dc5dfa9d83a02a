//! Integrations over the API: read by customers, made and changed by the backend.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    app::{OTHER_SECRET, Page, SECRET, TestApp},
    customers::{audited, backend, backend_for, call, other_backend},
};

async fn get(app: &TestApp, path: &str, token: &str) -> Page {
    call(app, Method::GET, path, token, Value::Null).await
}

async fn post(app: &TestApp, path: &str, body: Value) -> Page {
    call(app, Method::POST, path, &backend(app), body).await
}

async fn patch(app: &TestApp, key: &str, body: Value) -> Page {
    call(app, Method::PATCH, &format!("/integrations/{key}"), &backend(app), body).await
}

/// An integration with a client of the backend's own.
async fn made(app: &TestApp) -> Value {
    let parameters = json!({ "clientId": "our-client", "clientSecret": "our-client-secret", "scopes": ["read"],
                             "connectorParameters": { "environment": "sandbox" } });
    let body = json!({ "key": "crm", "connectorId": "salesforce", "name": "CRM", "description": "Deals", "parameters": parameters });
    let made = post(app, "/integrations", body).await;
    made.assert_status(StatusCode::CREATED);
    made.json()
}

fn keys(page: &Page) -> Vec<String> {
    page.json()["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["key"].as_str().unwrap().to_owned())
        .collect()
}

/// Acceptance 10 and 11.
#[tokio::test]
async fn an_integration_is_read_by_key_or_id_with_its_ways_to_connect() {
    let app = TestApp::new().await;
    let token = app.token("c1");

    let by_key = get(&app, "/integrations/hubspot", &token).await.json();
    let by_id = get(&app, &format!("/integrations/{}", by_key["id"].as_str().unwrap()), &token).await.json();
    let unknown = get(&app, "/integrations/nothing", &token).await;

    assert_eq!(by_id, by_key);
    for (name, value) in [
        ("key", json!("hubspot")),
        ("name", json!("HubSpot")),
        ("connectorId", json!("hubspot")),
        ("authType", json!("oauth2")),
        ("isTest", json!(true)),
        ("hasMissingParameters", json!(false)),
    ] {
        assert_eq!(by_key[name], value, "{name}");
    }
    let options = by_key["authOptions"].as_array().unwrap();
    assert_eq!((&options[0]["key"], &options[0]["type"]), (&json!("oauth2"), &json!("oauth2")));
    assert_eq!((&options[1]["key"], &options[1]["type"]), (&json!("api-key"), &json!("client-credentials")));
    assert_eq!(options[1]["inputSchema"]["required"], json!(["api_key"]));
    for name in ["connection", "parameters", "parametersSchema", "meta", "managedBy"] {
        assert!(by_key.get(name).is_none(), "{name}");
    }
    unknown.assert_error(StatusCode::NOT_FOUND, "not_found");
}

#[tokio::test]
async fn an_integration_carries_the_connection_of_whoever_asks() {
    let app = TestApp::new().await;
    app.signed_in("c1").await.connect("hubspot", &[]).await.assert_status(StatusCode::SEE_OTHER);

    let mine = get(&app, "/integrations/hubspot", &app.token("c1")).await.json();
    let for_me = get(&app, "/integrations/hubspot", &backend_for(&app, "c1")).await.json();
    let theirs = get(&app, "/integrations/hubspot", &app.token("c2")).await.json();
    let whole = get(&app, "/integrations/hubspot", &backend(&app)).await.json();

    assert_eq!(
        (&mine["connection"]["connected"], &mine["connection"]["customerId"]),
        (&json!(true), &json!("c1"))
    );
    assert_eq!(for_me["connection"]["id"], mine["connection"]["id"]);
    assert!(theirs.get("connection").is_none() && whole.get("connection").is_none());
}

/// Acceptance 11.
#[tokio::test]
async fn the_ways_to_connect_are_a_bare_list_whose_default_has_no_key() {
    let app = TestApp::new().await;
    let token = app.token("c1");
    let asked = async |body: Value| call(&app, Method::POST, "/connection-options", &token, body).await;
    app.signed_in("c1").await.connect("hubspot", &[]).await.assert_status(StatusCode::SEE_OTHER);
    let id = app.connections("c1").await[0]["id"].clone();
    let hubspot = get(&app, "/integrations/hubspot", &token).await.json()["id"].clone();

    let options = asked(json!({ "integrationKey": "hubspot" })).await.json();

    let list = options.as_array().unwrap();
    assert_eq!((list.len(), list[0].get("key"), &list[0]["type"]), (2, None, &json!("oauth2")));
    assert!(list[0]["oAuthCallbackUri"].as_str().unwrap().ends_with(hubspot.as_str().unwrap()));
    assert_eq!((&list[1]["key"], &list[1]["type"]), (&json!("api-key"), &json!("client-credentials")));
    assert_eq!(asked(json!({ "integrationId": hubspot, "connectorParameters": {} })).await.json(), options);
    assert_eq!(asked(json!({ "connectionId": id })).await.json(), options);
    assert_eq!(asked(json!({ "integrationKey": "unready" })).await.json().as_array().unwrap().len(), 1);
    asked(json!({})).await.assert_error(StatusCode::BAD_REQUEST, "invalid_input");
    asked(json!({ "integrationKey": 7 })).await.assert_error(StatusCode::BAD_REQUEST, "invalid_input");
    asked(json!({ "integrationKey": "nothing" })).await.assert_error(StatusCode::NOT_FOUND, "not_found");
    let theirs =
        call(&app, Method::POST, "/connection-options", &app.token("c2"), json!({ "connectionId": id }))
            .await;
    theirs.assert_error(StatusCode::NOT_FOUND, "not_found");
}

#[tokio::test]
async fn a_connection_that_is_made_again_has_its_own_way_as_the_default() {
    let app = TestApp::new().await;
    let body = json!({ "customerId": "c1", "integrationKey": "hubspot", "authOptionKey": "api-key",
                       "credentials": { "api_key": "pat-sandbox" } });
    let made = post(&app, "/connections", body).await;
    made.assert_status(StatusCode::CREATED);

    let body = json!({ "connectionId": made.json()["id"] });
    let options = call(&app, Method::POST, "/connection-options", &app.token("c1"), body).await.json();

    assert_eq!((options[0].get("key"), &options[0]["type"]), (None, &json!("client-credentials")));
    assert_eq!(options[1]["key"], "oauth2");
}

#[tokio::test]
async fn the_older_sdk_reads_the_type_of_each_way_from_the_spec() {
    let app = TestApp::new().await;

    let spec = get(&app, "/integrations/hubspot/connector-spec", &app.token("c1")).await.json();
    let of_backend = get(&app, "/integrations/hubspot/connector-spec", &backend(&app)).await.json();
    let unready = get(&app, "/integrations/unready/connector-spec", &app.token("c1")).await.json();

    assert_eq!((&spec["key"], &spec["auth"]["type"]), (&json!("hubspot"), &json!("oauth2")));
    assert_eq!(spec["auth"]["options"]["api-key"]["type"], "client-credentials");
    assert!(spec.get("parametersSchema").is_none());
    assert_eq!(of_backend["parametersSchema"]["properties"]["scopes"]["type"], "array");
    assert_eq!(unready["auth"]["type"], "client-credentials");
}

#[tokio::test]
async fn a_backend_makes_an_integration_and_reads_everything_but_its_secret() {
    let app = TestApp::new().await;

    let made = made(&app).await;
    let shown = get(&app, "/integrations/crm", &backend(&app)).await;
    let customer = get(&app, "/integrations/crm", &app.token("c1")).await.json();
    let again = post(&app, "/integrations", json!({ "key": "crm", "connectorId": "hubspot" })).await;
    let plain = post(&app, "/integrations", json!({ "connectorKey": "slack" })).await.json();

    assert_eq!(shown.json(), made);
    assert!(!shown.body.contains("our-client-secret"));
    for (name, value) in [
        ("name", json!("CRM")),
        ("description", json!("Deals")),
        ("managedBy", json!("api")),
        ("isTest", json!(false)),
        ("hasMissingParameters", json!(false)),
    ] {
        assert_eq!(made[name], value, "{name}");
    }
    let parameters = json!({ "clientId": "our-client", "hasClientSecret": true, "scopes": ["read"],
                             "connectorParameters": { "environment": "sandbox" } });
    assert_eq!(made["parameters"], parameters);
    assert_eq!(made["parametersSchema"]["properties"]["environment"]["default"], "production");
    assert_eq!((&customer["name"], customer.get("parameters")), (&json!("CRM"), None));
    again.assert_error(StatusCode::CONFLICT, "already_exists");
    assert_eq!(
        (&plain["key"], &plain["name"], &plain["hasMissingParameters"]),
        (&json!("slack"), &json!("Slack"), &json!(true))
    );
    assert_eq!(audited(&app).await.iter().filter(|action| *action == "integration.created").count(), 2);
}

#[tokio::test]
async fn a_change_takes_effect_and_what_is_not_sent_stays() {
    let app = TestApp::new().await;
    let made = made(&app).await;

    let renamed =
        patch(&app, "crm", json!({ "name": "Sales", "parameters": { "scopes": ["write"] } })).await.json();
    let default = patch(
        &app,
        "crm",
        json!({ "name": null, "parameters": { "scopes": null, "connectorParameters": null } }),
    )
    .await
    .json();
    let other_client = patch(&app, "crm", json!({ "parameters": { "clientId": "new-client" } })).await.json();
    let whole = json!({ "name": "CRM", "key": "ignored", "parameters": { "clientId": "new-client", "clientSecret": "s" } });
    let put = call(&app, Method::PUT, "/integrations/crm", &backend(&app), whole).await.json();
    let back = call(&app, Method::PUT, "/integrations/crm", &backend(&app), put.clone()).await.json();

    let parameters = |client: &str, has_secret: bool, scopes: Value, own: Value| json!({ "clientId": client, "hasClientSecret": has_secret, "scopes": scopes, "connectorParameters": own });
    let sandbox = json!({ "environment": "sandbox" });
    assert_eq!((&renamed["name"], &renamed["description"]), (&json!("Sales"), &made["description"]));
    assert_eq!(renamed["parameters"], parameters("our-client", true, json!(["write"]), sandbox));
    assert_eq!(default["name"], "Salesforce");
    assert_eq!(default["parameters"], parameters("our-client", true, Value::Null, json!({})));
    assert_eq!(other_client["parameters"], parameters("new-client", false, Value::Null, json!({})));
    assert_eq!(
        (&put["key"], &put["name"], &put["description"]),
        (&json!("crm"), &json!("CRM"), &renamed_description(&app).await)
    );
    assert_eq!(put["parameters"], parameters("new-client", true, Value::Null, json!({})));
    assert_eq!(back, put);
    assert_eq!(audited(&app).await.iter().filter(|action| *action == "integration.updated").count(), 4);
}

/// The description of the connector itself.
async fn renamed_description(app: &TestApp) -> Value {
    app.engine.catalog().get("salesforce").unwrap().description.clone().into()
}

#[tokio::test]
async fn what_does_not_fit_is_refused_by_its_path() {
    let app = TestApp::new().await;
    let made = made(&app).await;
    let png = "data:image/png;base64,AAAA";

    for (body, path) in [
        (json!({}), "connectorId"),
        (json!({ "connectorId": "nothing" }), "connectorId"),
        (json!({ "connectorId": "slack", "key": "No Key" }), "key"),
        (json!({ "connectorId": "slack", "key": "confirm" }), "key"),
        (json!({ "connectorId": "slack", "parameters": { "clientSecret": "s" } }), "parameters.clientSecret"),
    ] {
        let refused = post(&app, "/integrations", body).await;
        refused.assert_error(StatusCode::BAD_REQUEST, "invalid_input");
        assert!(refused.json()["data"]["fields"][path].is_string(), "{path}: {}", refused.body);
    }
    for (body, path) in [
        (json!({ "name": "" }), "name"),
        (json!({ "name": 1 }), "name"),
        (json!({ "description": "a\nb" }), "description"),
        (json!({ "logoUri": "https://elsewhere.example/logo.png" }), "logoUri"),
        (json!({ "logoUri": png }), "logoUri"),
        (json!({ "featured": "yes" }), "featured"),
        (json!({ "meta": "x".repeat(17_000) }), "meta"),
        (json!({ "oAuthCallbackUri": "http://elsewhere.example/back" }), "oAuthCallbackUri"),
        (json!({ "oAuthCallbackUri": "https://a.example/back#x" }), "oAuthCallbackUri"),
        (json!({ "parameters": [] }), "parameters"),
        (json!({ "parameters": { "clientId": "pasted " } }), "parameters.clientId"),
        (json!({ "parameters": { "clientSecret": "" } }), "parameters.clientSecret"),
        (json!({ "parameters": { "scopes": ["a b"] } }), "parameters.scopes"),
        (json!({ "parameters": { "scopes": "a" } }), "parameters.scopes"),
        (
            json!({ "parameters": { "connectorParameters": { "environment": "x" } } }),
            "parameters.connectorParameters.environment",
        ),
        (
            json!({ "parameters": { "connectorParameters": { "zone": "x" } } }),
            "parameters.connectorParameters.zone",
        ),
        (json!({ "parameters": { "tokenUri": "x" } }), "parameters.tokenUri"),
        (json!({ "key": "other" }), "key"),
        (json!({ "connectorId": "hubspot" }), "connectorId"),
        (json!({ "naem": "x" }), "naem"),
    ] {
        let refused = patch(&app, "crm", body).await;
        refused.assert_error(StatusCode::BAD_REQUEST, "invalid_input");
        assert!(refused.json()["data"]["fields"][path].is_string(), "{path}: {}", refused.body);
    }
    assert_eq!(get(&app, "/integrations/crm", &backend(&app)).await.json(), made);
}

#[tokio::test]
async fn a_picture_of_the_backends_own_is_served_from_here() {
    let app = TestApp::new().await;
    made(&app).await;
    let svg = "data:image/svg+xml;base64,PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciLz4=";

    let changed = patch(&app, "crm", json!({ "logoUri": svg })).await.json();
    let address = changed["logoUri"].as_str().unwrap();
    let mut browser = app.browser();
    let picture = browser
        .get(address.split_once("/assets").map(|(_, rest)| format!("/assets{rest}")).unwrap().as_str())
        .await;

    assert!(address.starts_with("http://localhost:"), "{address}");
    picture.assert_says("<svg xmlns=");
    assert_eq!(picture.header("content-type"), "image/svg+xml");
}

/// Security L8.
#[tokio::test]
async fn a_client_of_another_workspace_is_refused() {
    let app = TestApp::new().await;
    made(&app).await;
    let body =
        json!({ "key": "crm", "connectorId": "salesforce", "parameters": { "clientId": "our-client" } });

    let shared = call(&app, Method::POST, "/integrations", &other_backend(&app), body).await;
    let own =
        json!({ "key": "crm", "connectorId": "salesforce", "parameters": { "clientId": "their-client" } });
    call(&app, Method::POST, "/integrations", &other_backend(&app), own)
        .await
        .assert_status(StatusCode::CREATED);
    let later = patch(&app, "crm", json!({ "parameters": { "clientId": "their-client" } })).await;

    for refused in [shared, later] {
        refused.assert_error(StatusCode::BAD_REQUEST, "invalid_input");
        assert!(refused.json()["data"]["fields"]["parameters.clientId"].is_string());
    }
}

#[tokio::test]
async fn an_archived_integration_is_offered_no_more_and_its_connections_stay() {
    let app = TestApp::new().await;
    let body = json!({ "key": "mail", "connectorId": "sendgrid", "isTest": true });
    post(&app, "/integrations", body).await.assert_status(StatusCode::CREATED);
    let body =
        json!({ "customerId": "c1", "integrationKey": "mail", "credentials": { "api_key": "SG.sandbox" } });
    post(&app, "/connections", body.clone()).await.assert_status(StatusCode::CREATED);
    let archive =
        async || call(&app, Method::DELETE, "/integrations/mail", &backend(&app), Value::Null).await;

    let archived = archive().await;
    archived.assert_status(StatusCode::OK);

    assert!(archived.json()["archivedAt"].is_string());
    assert_eq!(archive().await.json(), archived.json());
    let (mine, theirs) = (app.token("c1"), app.token("c2"));
    for token in [&mine, &theirs, &backend(&app)] {
        assert!(!keys(&get(&app, "/integrations?limit=1000", token).await).contains(&"mail".to_owned()));
    }
    let all = "/integrations?includeArchived=true&integrationKey=mail";
    assert_eq!(keys(&get(&app, all, &mine).await), ["mail"]);
    assert_eq!(keys(&get(&app, all, &theirs).await), [""; 0]);
    assert_eq!(keys(&get(&app, all, &backend(&app)).await), ["mail"]);
    get(&app, "/integrations/mail", &theirs).await.assert_error(StatusCode::NOT_FOUND, "not_found");
    assert_eq!(get(&app, "/integrations/mail", &mine).await.json()["connection"]["connected"], true);
    post(&app, "/connections/mail/test", Value::Null).await.assert_status(StatusCode::OK);
    post(&app, "/connections", body).await.assert_error(StatusCode::NOT_FOUND, "not_found");
    let taken = post(&app, "/integrations", json!({ "key": "mail", "connectorId": "sendgrid" })).await;
    taken.assert_error(StatusCode::CONFLICT, "already_exists");
    let restored = post(&app, "/integrations/mail/restore", Value::Null).await.json();
    assert!(restored.get("archivedAt").is_none());
    assert_eq!(keys(&get(&app, "/integrations?integrationKey=mail", &theirs).await), ["mail"]);
    assert_eq!(post(&app, "/integrations/mail/setup", Value::Null).await.json(), restored);
}

#[tokio::test]
async fn what_the_file_names_is_the_files_but_for_what_a_backend_keeps_with_it() {
    let app = TestApp::new().await;
    let shown = get(&app, "/integrations/hubspot", &backend(&app)).await.json();

    let renamed = patch(&app, "hubspot", json!({ "name": "Our CRM" })).await;
    let archived = call(&app, Method::DELETE, "/integrations/hubspot", &backend(&app), Value::Null).await;
    let put = call(&app, Method::PUT, "/integrations/hubspot", &backend(&app), shown.clone()).await;
    let kept = patch(&app, "hubspot", json!({ "meta": { "order": 1 } })).await.json();

    assert_eq!(shown["managedBy"], "file");
    for refused in [renamed, archived] {
        refused.assert_error(StatusCode::CONFLICT, "owned_by_file");
    }
    assert_eq!(put.json(), shown);
    assert_eq!((&kept["meta"], &kept["name"]), (&json!({ "order": 1 }), &json!("HubSpot")));
}

#[tokio::test]
async fn what_the_api_made_outlives_a_restart_until_the_file_takes_it_over() {
    let app = TestApp::new().await;
    made(&app).await;
    let config = std::fs::read_to_string(app.folder.join("hitchpost.toml")).unwrap();
    let folder = app.stop().await;

    let app = TestApp::start(folder).await;
    let kept = get(&app, "/integrations/crm", &backend(&app)).await.json();
    let folder = app.stop().await;
    let taken_over =
        config.replacen("integration = [", "integration = [{ key = \"crm\", connector = \"slack\" },", 1);
    std::fs::write(folder.join("hitchpost.toml"), taken_over).unwrap();
    let app = TestApp::start(folder).await;
    let taken = get(&app, "/integrations/crm", &backend(&app)).await.json();

    assert_eq!((&kept["managedBy"], &kept["parameters"]["clientId"]), (&json!("api"), &json!("our-client")));
    assert_eq!(
        (&taken["managedBy"], &taken["connectorId"], &taken["id"]),
        (&json!("file"), &json!("slack"), &kept["id"])
    );
}

/// Security T1 and T2.
#[tokio::test]
async fn only_the_backend_of_the_workspace_reaches_what_is_the_backends() {
    let app = TestApp::new().await;
    let made = made(&app).await;
    let unknown = "0199a1b2-0000-5000-8000-000000000000";
    let rows = [
        (Method::PATCH, "", json!({ "name": "x" })),
        (Method::PUT, "", json!({ "name": "x" })),
        (Method::DELETE, "", Value::Null),
        (Method::POST, "/restore", Value::Null),
        (Method::POST, "/setup", Value::Null),
    ];

    for (method, behind, body) in rows {
        let asked = async |selector: &str, token: &str| {
            call(&app, method.clone(), &format!("/integrations/{selector}{behind}"), token, body.clone())
                .await
        };
        asked("crm", &app.token("c1")).await.assert_error(StatusCode::FORBIDDEN, "access_denied");
        asked("crm", "x").await.assert_status(StatusCode::UNAUTHORIZED);
        let none = asked(unknown, &other_backend(&app)).await;
        none.assert_error(StatusCode::NOT_FOUND, "not_found");
        for selector in ["crm", made["id"].as_str().unwrap()] {
            let refused = asked(selector, &other_backend(&app)).await;
            assert_eq!((refused.status, &refused.body), (none.status, &none.body), "{method} {selector}");
        }
    }
    for path in ["", "/connector-spec"] {
        let id = made["id"].as_str().unwrap();
        let theirs =
            get(&app, &format!("/integrations/{id}{path}"), &app.token_of("other", OTHER_SECRET, "c1")).await;
        theirs.assert_error(StatusCode::NOT_FOUND, "not_found");
    }
    let claims =
        json!({ "iss": "acme", "isAdmin": true, "integrations": ["hubspot"], "exp": app.now() + 600 });
    let narrow = app.signed(SECRET, &claims);
    call(&app, Method::DELETE, "/integrations/crm", &narrow, Value::Null)
        .await
        .assert_error(StatusCode::NOT_FOUND, "not_found");
    let denied = call(&app, Method::POST, "/integrations", &narrow, json!({ "connectorId": "slack" })).await;
    denied.assert_error(StatusCode::BAD_REQUEST, "invalid_input");
    assert_eq!(get(&app, "/integrations/crm", &backend(&app)).await.json(), made);
}
