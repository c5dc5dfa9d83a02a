//! Sessions with the tokens that Munity's customers sign: RS256, the workspace by its id, and the
//! connection to renew.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::app::{Page, TestApp};

const PUBLIC: &str = include_str!("../protocol/testdata/rsa.pub.pem");
const PRIVATE: &str = include_str!("../protocol/testdata/rsa.pem");
const WORKSPACE: &str = "11111111-2222-3333-aaaa-eeeeeeeeeeee";
const CONFIG: &str = r#"
[server]
sandbox = true

[[workspace]]
key = "acme"
id = "11111111-2222-3333-aaaa-eeeeeeeeeeee"
public_keys = [{ kid = "m1", pem = "file:munity.pub.pem" }]
allowed_origins = ["https://app.acme.com"]
integration = [
  { key = "stripe", sandbox = true },
  { key = "hubspot", sandbox = true },
  { key = "sendgrid", sandbox = true },
]
"#;

async fn app() -> TestApp {
    TestApp::with_files(CONFIG, &[("munity.pub.pem", PUBLIC)]).await
}

/// Signed as Munity's documents show it.
fn signed(claims: &Value) -> String {
    let key = EncodingKey::from_rsa_pem(PRIVATE.as_bytes()).unwrap();
    jsonwebtoken::encode(&Header::new(Algorithm::RS256), claims, &key).unwrap()
}

fn claims(app: &TestApp, customer: &str) -> Value {
    json!({ "workspace_id": WORKSPACE, "customer_id": customer, "exp": app.now() + 600 })
}

fn token(app: &TestApp, customer: &str) -> String {
    signed(&claims(app, customer))
}

/// A token that is for one connection.
fn renewing(app: &TestApp, customer: &str, connection: &Value) -> String {
    let mut claims = claims(app, customer);
    claims["integration_id"] = connection.clone();
    signed(&claims)
}

async fn connect(app: &TestApp, token: &str, body: Value) -> Page {
    app.browser().post_json("/connect", token, &body).await
}

/// A Stripe connection beside those there are.
async fn connected(app: &TestApp, customer: &str) -> Value {
    let body = json!({
        "integrationKey": "stripe", "input": { "api_key": "sk_test_sandbox" }, "allowMultipleConnections": true,
    });
    let made = connect(app, &token(app, customer), body).await;
    made.assert_status(StatusCode::OK);
    made.json()["connection"].clone()
}

async fn listed(app: &TestApp, customer: &str) -> Vec<Value> {
    let listed = app.browser().api(Method::GET, "/connections", &token(app, customer)).await;
    listed.assert_status(StatusCode::OK);
    listed.json()["items"].as_array().unwrap().clone()
}

/// What happened to a connection, oldest first.
async fn story(app: &TestApp, connection: &Value) -> Vec<String> {
    let backend = signed(&json!({ "workspace_id": WORKSPACE, "isAdmin": true, "exp": app.now() + 600 }));
    let path = format!("/audit?subject={}", connection["id"].as_str().unwrap());
    let listed = app.browser().api(Method::GET, &path, &backend).await.json();
    let actions = listed["items"].as_array().unwrap().iter().rev();
    actions.map(|entry| entry["action"].as_str().unwrap().to_owned()).collect()
}

fn new_key() -> Value {
    json!({ "integrationKey": "stripe", "input": { "api_key": "sk_test_sandbox_newer" } })
}

/// Acceptance 47 and 51.
#[tokio::test]
async fn such_a_token_calls_connects_and_opens_pages_and_its_name_is_the_connections() {
    let app = app().await;
    let mut named = claims(&app, "customer_1234");
    named["name"] = json!("Stripe of Northwind");
    let named = signed(&named);
    let body = json!({ "integrationKey": "stripe", "input": { "api_key": "sk_test_sandbox" } });

    let made = connect(&app, &named, body).await;
    let mine = listed(&app, "customer_1234").await;
    let own = app.browser().api(Method::GET, "/self", &named).await.json();
    let mut browser = app.browser();
    browser.get(&format!("/?token={named}")).await.assert_status(StatusCode::SEE_OTHER);

    made.assert_status(StatusCode::OK);
    assert_eq!(made.json()["connection"]["name"], "Stripe of Northwind");
    assert_eq!((mine.len(), &mine[0]["id"]), (1, &made.json()["connection"]["id"]));
    assert_eq!((&own["internalId"], &own["name"]), (&json!("customer_1234"), &json!("customer_1234")));
    browser.get("/").await.assert_says("Stripe of Northwind");
    let given = json!({
        "integrationKey": "sendgrid", "input": { "api_key": "SG.sandbox" }, "name": "Mine",
    });
    assert_eq!(connect(&app, &named, given).await.json()["connection"]["name"], "Mine");
}

/// Acceptance 52.
#[tokio::test]
async fn integration_id_renews_that_connection_and_leaves_the_others() {
    let app = app().await;
    let (older, newer) = (connected(&app, "c1").await, connected(&app, "c1").await);
    let renewing = renewing(&app, "c1", &older["id"]);

    let by_key = connect(&app, &renewing, new_key()).await;
    let by_itself =
        connect(&app, &renewing, json!({ "input": { "api_key": "sk_test_sandbox_again" } })).await;
    let further = json!({
        "integrationKey": "stripe", "allowMultipleConnections": true,
        "input": { "api_key": "sk_test_sandbox_third" },
    });
    let asked_for_more = connect(&app, &renewing, further).await;

    for answer in [by_key, by_itself, asked_for_more] {
        answer.assert_status(StatusCode::OK);
        assert_eq!(answer.json()["connection"]["id"], older["id"]);
    }
    assert_eq!(listed(&app, "c1").await.len(), 2, "none was made");
    let renewed = "connection.reconnected";
    assert_eq!(story(&app, &older).await, ["connection.created", renewed, renewed, renewed]);
    assert_eq!(story(&app, &newer).await, ["connection.created"]);
}

#[tokio::test]
async fn a_browser_renews_it_through_the_providers_page() {
    let app = app().await;
    let token_of = |claims: &Value| signed(claims);
    let mut browser = app.browser();
    let back = "&integrationKey=hubspot&redirectUri=https://app.acme.com/done";
    let mut ids = Vec::new();

    for _ in 0..2 {
        let mut claims = claims(&app, "c1");
        if let Some(first) = ids.first() {
            claims["integration_id"] = json!(first);
        }
        let asked = browser.get(&format!("/connect?token={}{back}", token_of(&claims))).await;
        let page = browser.get(&asked.location()).await;
        let left = browser.submit_on(&page, &[]).await;
        let returned = browser.consent(&left.location(), &[]).await;
        let done = browser.get(&returned.location()).await.location();
        ids.push(done.split_once("connectionId=").unwrap().1.to_owned());
    }

    assert_eq!(ids[0], ids[1]);
    assert_eq!(story(&app, &json!({ "id": ids[0] })).await, ["connection.created", "connection.reconnected"]);
}

/// Acceptance 52: what is somebody else's reads like what is not there, and nothing is made instead.
#[tokio::test]
async fn what_is_not_ones_own_is_not_renewed() {
    let app = app().await;
    let (mine, theirs) = (connected(&app, "c1").await, connected(&app, "c2").await);
    let gone = connected(&app, "c1").await;
    let path = format!("/connections/{}", gone["id"].as_str().unwrap());
    app.browser().api(Method::DELETE, &path, &token(&app, "c1")).await.assert_status(StatusCode::OK);
    let unknown = json!("0199aaaa-0000-7000-8000-000000000000");

    let mut bodies = Vec::new();
    for named in [&unknown, &theirs["id"], &gone["id"], &json!("stripe"), &json!("' or 1=1")] {
        let token = renewing(&app, "c1", named);
        for body in [new_key(), json!({ "input": { "api_key": "sk_test_sandbox" } })] {
            let refused = connect(&app, &token, body).await;
            refused.assert_error(StatusCode::NOT_FOUND, "not_found");
            bodies.push(refused.body);
        }
        for path in ["/?token=", "/embed/main?token="] {
            let page = app.browser().get(&format!("{path}{token}")).await;
            page.assert_status(StatusCode::NOT_FOUND);
            assert_eq!(page.header("set-cookie"), "");
        }
    }
    let other_app = json!({ "integrationKey": "sendgrid", "input": { "api_key": "SG.sandbox" } });
    let refused = connect(&app, &renewing(&app, "c1", &mine["id"]), other_app).await;
    refused.assert_error(StatusCode::NOT_FOUND, "not_found");
    bodies.push(refused.body);

    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    assert_eq!((listed(&app, "c1").await.len(), listed(&app, "c2").await.len()), (1, 1));
    for connection in [&mine, &theirs] {
        assert_eq!(story(&app, connection).await, ["connection.created"]);
    }
    let calls = renewing(&app, "c1", &theirs["id"]);
    let listed = app.browser().api(Method::GET, "/connections", &calls).await;
    listed.assert_status(StatusCode::OK);
    assert_eq!(listed.json()["items"][0]["id"], mine["id"], "it is for connecting only");
}

/// What a request names itself counts: it can name nothing that the customer could not anyway.
#[tokio::test]
async fn a_connection_that_is_asked_for_is_the_one_that_is_renewed() {
    let app = app().await;
    let (one, other) = (connected(&app, "c1").await, connected(&app, "c1").await);
    let mut body = new_key();
    body["connectionId"] = other["id"].clone();

    let renewed = connect(&app, &renewing(&app, "c1", &one["id"]), body).await;

    renewed.assert_status(StatusCode::OK);
    assert_eq!(renewed.json()["connection"]["id"], other["id"]);
    assert_eq!(story(&app, &one).await, ["connection.created"]);
}

#[tokio::test]
async fn on_a_page_the_apps_form_renews_it_and_other_apps_are_connected_as_ever() {
    let app = app().await;
    let (older, newer) = (connected(&app, "c1").await, connected(&app, "c1").await);
    let mut browser = app.browser();
    let token = renewing(&app, "c1", &older["id"]);
    browser.get(&format!("/?token={token}")).await.assert_status(StatusCode::SEE_OTHER);

    let page = browser.get("/apps/stripe").await;
    let session = page.form("delete").1["session"].clone();
    let form = [
        ("session", session.as_str()),
        ("integration", "stripe"),
        ("input[api_key]", "sk_test_sandbox_newer"),
    ];
    let stripe = browser.post("/_actions/connect", &form).await;
    let hubspot = browser.connect("hubspot", &[]).await;

    assert_eq!(stripe.location(), "/?notice=reconnected&app=stripe");
    assert_eq!(hubspot.location(), "/?notice=connected&app=hubspot");
    assert_eq!(listed(&app, "c1").await.len(), 3);
    assert_eq!(story(&app, &older).await, ["connection.created", "connection.reconnected"]);
    assert_eq!(story(&app, &newer).await, ["connection.created"]);
    let path = format!("/connections/{}", older["id"].as_str().unwrap());
    app.browser().api(Method::DELETE, &path, &self::token(&app, "c1")).await.assert_status(StatusCode::OK);
    assert_eq!(browser.post("/_actions/connect", &form).await.location(), "/?notice=connected&app=stripe");
    let stories = (story(&app, &older).await, story(&app, &newer).await);
    assert_eq!(stories.0.last().unwrap(), "connection.deleted", "what was deleted meanwhile stays so");
    assert_eq!(stories.1, ["connection.created", "connection.reconnected"]);
}

/// Acceptance 47 and 53; security J2. The whole table is with `protocol/jwt`.
#[tokio::test]
async fn what_the_private_key_did_not_sign_opens_nothing() {
    let app = app().await;
    let good = claims(&app, "c1");
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        signed(&claims)
    };
    let stranger = EncodingKey::from_rsa_pem(include_bytes!("../protocol/testdata/rsa-other.pem")).unwrap();
    let rs256 = Header::new(Algorithm::RS256);
    let mut unending = good.clone();
    unending.as_object_mut().unwrap().remove("exp");
    let cases = [
        (app.signed(PUBLIC, &good), "algorithm_not_allowed"),
        (app.signed(PUBLIC.trim(), &good), "algorithm_not_allowed"),
        (jsonwebtoken::encode(&rs256, &good, &stranger).unwrap(), "bad_signature"),
        (with("customer_id", json!("a b")), "invalid_claim"),
        (with("customer_id", json!("a/../b")), "invalid_claim"),
        (with("customer_id", json!(7)), "invalid_claim"),
        (with("integration_id", json!(7)), "invalid_claim"),
        (with("workspace_id", json!("11111111-2222-3333-aaaa-eeeeeeeeeeef")), "unknown_workspace"),
        (with("workspace_id", json!("acme")), "unknown_workspace"),
        (with("exp", json!(app.now() - 61)), "token_expired"),
        (signed(&unending), "missing_expiry"),
    ];

    for (token, reason) in &cases {
        let call = app.browser().api(Method::GET, "/connections", token).await;
        call.assert_error(StatusCode::UNAUTHORIZED, reason);
        connect(&app, token, new_key()).await.assert_error(StatusCode::UNAUTHORIZED, reason);
        let page = app.browser().get(&format!("/?token={token}")).await;
        page.assert_status(StatusCode::UNAUTHORIZED);
        page.assert_says(reason);
    }

    let backend = signed(&json!({ "workspace_id": WORKSPACE, "isAdmin": true, "exp": app.now() + 60 }));
    let lenient = json!({ "allowTokensWithoutExp": true }).to_string();
    let bearer = format!("Bearer {backend}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    app.browser()
        .send(Method::PATCH, "/workspace", &headers, Some(lenient))
        .await
        .assert_status(StatusCode::OK);
    let call = app.browser().api(Method::GET, "/connections", &signed(&unending)).await;
    call.assert_status(StatusCode::OK);
}
