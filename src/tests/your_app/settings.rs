//! How the product's own API is set up, by a file and by the backend.

use hitchpost::{
    config::{Config, Environment},
    engine::DesiredYourApp,
    model::{Actor, WorkspaceId},
};

use super::*;

/// What a file with these lines is refused with.
async fn refusal(your_app: &str) -> String {
    let api = Api::new().await;
    let app = TestApp::new().await;
    let file = app.folder.join("other.toml");
    std::fs::write(&file, config(&api, your_app)).unwrap();
    let read = match Config::load(Some(&file), &Environment::default()) {
        Ok(read) => read,
        Err(error) => return error.to_string(),
    };
    app.engine.configure(read.workspaces).await.unwrap_err().to_string()
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_by_their_key() {
    for (your_app, said) in [
        ("auth = { type = \"no-such\" }", "workspace `acme`: your_app: auth.type: must be one of "),
        (
            "auth = { type = \"oauth2\", token = { url = \"API/token\" } }",
            "workspace `acme`: your_app: client_id: is missing",
        ),
        (
            "auth = { type = \"custom\", use = { headers = { A = \"{{client.secret}}\" } } }",
            "workspace `acme`: your_app: client_secret: is missing",
        ),
        (
            "auth = { type = \"membrane-token\" }\ncredentials_schema = { \"$ref\" = \"#\" }",
            "workspace `acme`: your_app: credentials_schema: has a reference that ",
        ),
        (
            "auth = { type = \"membrane-token\", use = { headers = { A = \"{{param.x}}\" } } }",
            "workspace `acme`: your_app: auth.use.headers.A: nothing is known under `{{param.x}}`",
        ),
    ] {
        let refused = refusal(your_app).await;

        assert!(refused.starts_with(said), "{refused}");
    }
    assert!(refusal("auth = { type = \"basic\" }\nbase = 1").await.contains("unknown field `base`"));
}

#[tokio::test]
async fn an_address_that_is_not_listed_is_not_called() {
    let api = Api::new().await;
    let listed = config(&api, BEARER);
    let app = TestApp::with(&listed.replace("egress_allow", "egress_allow = []\n#")).await;
    app.give("c1", json!({ "apiKey": "key-canary-c1" })).await.assert_status(StatusCode::OK);

    app.ask("c1", "/bearer").await.assert_error(StatusCode::BAD_GATEWAY, "address_not_allowed");

    assert_eq!(api.calls().len(), 0);
}

#[tokio::test]
async fn settings_change_while_it_runs_and_credentials_stay() {
    let api = Api::new().await;
    let app = connected(&api, BEARER).await;
    app.give("c1", json!({ "apiKey": "key-canary-c1" })).await.assert_status(StatusCode::OK);
    let acme = WorkspaceId::of("acme");
    let desired = json!({
        "baseUri": format!("http://{}/header/", api.address),
        "auth": { "type": "api-key", "use": { "headers": { "X-Api-Key": "{{credentials.apiKey}}" } } },
    });

    let desired: DesiredYourApp = serde_json::from_value(desired).unwrap();
    app.engine.set_your_app(acme, Some(desired), Actor::Backend).await.unwrap();
    app.is_answered(&app.ask("c1", "/x").await, "c1");
    app.engine.set_your_app(acme, None, Actor::Backend).await.unwrap();
    app.ask("c1", "/x").await.assert_error(StatusCode::CONFLICT, "no_your_app");

    assert_eq!(api.calls()[0].path, "/header/x");
    let told = audited(&app).await;
    assert_eq!(told.iter().filter(|action| *action == "workspace.updated").count(), 2, "{told:?}");
}

#[tokio::test]
async fn a_restart_keeps_settings_and_credentials() {
    let api = Api::new().await;
    let app = connected(&api, BEARER).await;
    app.give("c1", json!({ "apiKey": "key-canary-c1" })).await.assert_status(StatusCode::OK);
    let folder = app.stop().await;

    let app = TestApp::start(folder).await;

    app.is_answered(&app.ask("c1", "/bearer").await, "c1");
}
