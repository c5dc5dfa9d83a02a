//! Finding an app among many: the same answer on the page, in an embed and through the API.

use std::fmt::Write as _;

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::app::{Browser, Page, SECRET, TestApp};

const WORKSPACE: &str = r#"
[server]
sandbox = true

[[workspace]]
key = "acme"
name = "Acme"
secret = "acme-secret-0123456789abcdef-0123456789"
allowed_origins = ["https://app.acme.com"]
"#;

/// A workspace with every connector of the given keys.
fn with(connectors: &[&str]) -> String {
    let mut config = WORKSPACE.to_owned();
    for key in connectors {
        writeln!(config, "[[workspace.integration]]\nkey = \"{key}\"\nsandbox = true").unwrap();
    }
    config
}

fn small() -> String {
    with(&["google-drive", "hubspot", "quickbooks", "slack", "xero"])
}

/// Keys of the cards, in order.
fn cards(page: &Page) -> Vec<String> {
    let grid = page.body.split_once("<ul class=\"grid\">").map_or("", |(_, rest)| rest);
    let grid = grid.split_once("</ul>").map_or("", |(grid, _)| grid);
    let links = grid.split("href=\"").skip(1).map(|rest| rest.split(['"', '?']).next().unwrap());
    let keys = links.map(|link| link.trim_end_matches("/connect").rsplit('/').next().unwrap().to_owned());
    keys.collect()
}

async fn listed(app: &TestApp, search: &str) -> Vec<String> {
    let address = format!("/integrations?search={search}");
    let page = app.browser().api(Method::GET, &address, &app.token("c1")).await.json();
    page["items"].as_array().unwrap().iter().map(|item| item["key"].as_str().unwrap().to_owned()).collect()
}

/// The catalog inside somebody else's page, and the address of its first page.
async fn embed(app: &TestApp) -> (Browser, String) {
    let mut browser = app.browser();
    let token = app.token("c1");
    let opened = browser.post_from("https://app.acme.com", "/screens/connect", &[("token", &token)]).await;
    (browser, opened.location())
}

#[tokio::test]
async fn a_search_forgives_and_answers_alike_everywhere() {
    let app = TestApp::with(&small()).await;
    let mut hosted = app.signed_in("c1").await;
    let (mut framed, address) = embed(&app).await;

    for (typed, expected) in [
        ("HUB%20spot", vec!["hubspot"]),
        ("hubspto", vec!["hubspot"]),
        ("googl%C3%A8drive", vec!["google-drive"]),
        ("gdrive", vec!["google-drive"]),
        ("intuit", vec!["quickbooks"]),
        ("accounting", vec!["quickbooks", "xero"]),
        ("google", vec!["google-drive"]),
        ("hbsopt", vec![]),
        ("%26", vec![]),
    ] {
        let page = hosted.get(&format!("/?q={typed}")).await;
        let frame = framed.get(&format!("{address}&q={typed}")).await;

        assert_eq!(cards(&page), expected, "{typed}");
        assert_eq!(cards(&frame), expected, "{typed}");
        assert_eq!(listed(&app, typed).await, expected, "{typed}");
    }
}

#[tokio::test]
async fn chips_count_what_the_search_found() {
    let app = TestApp::with(&small()).await;
    let mut browser = app.signed_in("c1").await;

    let whole = browser.get("/").await;
    let searched = browser.get("/?q=intuit&category=accounting").await;

    whole.assert_says("href=\"/?category=accounting\">Accounting <span>2</span>");
    whole.assert_says(">All <span>5</span>");
    searched.assert_says(
        "href=\"/?q=intuit&amp;category=accounting\" aria-current=\"true\">Accounting <span>1</span>",
    );
    searched.assert_says(">All <span>1</span>");
}

#[tokio::test]
async fn a_session_that_sees_a_part_counts_that_part() {
    let app = TestApp::with(&small()).await;
    let claims =
        json!({ "iss": "acme", "id": "c1", "exp": app.now() + 600, "integrations": ["xero", "slack"] });
    let mut browser = app.browser();
    browser.get(&format!("/?token={}", app.signed(SECRET, &claims))).await.location();
    app.signed_in("c2").await.get("/").await.assert_says(">All <span>5</span>");

    let page = browser.get("/").await;

    page.assert_says(">All <span>2</span>");
    page.assert_says(">Accounting <span>1</span>");
}

#[tokio::test]
async fn the_next_page_goes_on_behind_an_app_that_was_connected_meanwhile() {
    let mut config = WORKSPACE.to_owned();
    for number in 1..=60 {
        let name = format!("App {number:02}");
        writeln!(
            config,
            "[[workspace.integration]]\nkey = \"app-{number:02}\"\nname = \"{name}\"\nconnector = \"stripe\"\nsandbox = true"
        )
        .unwrap();
    }
    let app = TestApp::with(&config).await;
    let mut browser = app.signed_in("c1").await;
    let first = browser.get("/").await;
    let connected = browser.submit("app-48", &[("input[api_key]", "sk_test_sandbox")]).await;
    connected.assert_status(StatusCode::SEE_OTHER);

    let next = browser.get("/?cursor=app-48").await;
    let again = browser.get("/").await;
    let behind_connected = browser.get("/?cursor=~app-48").await;
    let nowhere = browser.get("/?cursor=no-such-app").await;

    first.assert_says("href=\"/?cursor=app-48\"");
    assert_eq!(cards(&first).len(), 48);
    assert_eq!(cards(&next), (49..=60).map(|number| format!("app-{number}")).collect::<Vec<_>>());
    assert_eq!(cards(&again)[..2], ["app-48", "app-01"]);
    assert_eq!(cards(&behind_connected)[0], "app-01");
    assert_eq!(cards(&nowhere), cards(&again));
}

#[tokio::test]
async fn a_connector_nobody_checked_by_hand_is_called_beta_and_an_own_file_is_not() {
    let own = "name = \"Own\"\n[[auth]]\ntype = \"api-key\"\nuse = { headers = { A = \"{{k}}\" } }\n\
               field = [{ name = \"k\", title = \"Key\", secret = true }]\n[api]\nhosts = [\"own.example\"]";
    let config = format!(
        "{}[[workspace.integration]]\nkey = \"own\"\nconnector = \"file:own.toml\"\nsandbox = true\n",
        with(&["hubspot"])
    );
    let app = TestApp::with_files(&config, &[("own.toml", own)]).await;
    let mut browser = app.signed_in("c1").await;

    let page = browser.get("/").await;
    let own = browser.get("/apps/own").await;

    assert!(!page.body.contains(">Beta<"));
    assert_eq!(page.body.matches(">Sign-in only<").count(), 1);
    own.assert_says(">Sign-in only</span> Only tells who you are there.");
}

#[tokio::test]
async fn hundreds_of_apps_are_found_by_their_famous_names_and_paged_without_a_gap() {
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/connectors")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let keys: Vec<_> = names.filter_map(|name| name.strip_suffix(".toml").map(str::to_owned)).collect();
    let app = TestApp::with(&with(&keys.iter().map(String::as_str).collect::<Vec<_>>())).await;
    let mut browser = app.signed_in("c1").await;

    let gmail = listed(&app, "gmail").await;
    let office = listed(&app, "office").await;
    let first = browser.get("/").await;
    let (mut seen, mut page) = (cards(&first), first);
    while let Some((_, rest)) = page.body.split_once("cursor=") {
        page = browser.get(&format!("/?cursor={}", rest.split('"').next().unwrap())).await;
        seen.extend(cards(&page));
    }

    assert_eq!(gmail[0], "gmail");
    assert!(gmail.contains(&"google".to_owned()), "{gmail:?}");
    for key in ["microsoft", "microsoft-excel", "outlook", "sharepoint-online"] {
        assert!(office.contains(&key.to_owned()), "{office:?}");
    }
    let every = browser.api(Method::GET, "/integrations?limit=1000", &app.token("c1")).await.json();
    let every: Vec<_> = every["items"].as_array().unwrap().iter().map(|item| item["key"].clone()).collect();
    assert_eq!(seen, every);
    assert!(seen.len() > 380, "{}", seen.len());
}
