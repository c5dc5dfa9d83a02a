//! Security L1: an attacker begins, a victim finishes, and the product's backend is asked.
//!
//! The victim does all that an attacker could wish for, even Continue on our own page. What is left between
//! them is the backend, which knows who is signed in to the product in that browser.

use reqwest::StatusCode;
use url::Url;

use super::{answered, app, confirm, confirm_as, nonce};
use crate::{
    app::{Browser, TestApp},
    customers::other_backend,
};

/// How the victim is brought into the attacker's flow.
const STARTS: [&str; 4] = ["link", "cross-site form", "captured confirm page", "captured provider address"];
/// How the flow ends for whoever began it.
const ROADS: [&str; 3] = ["popup", "redirect", "page"];

/// Parameters of a start for the attacker's own customer.
fn parameters(app: &TestApp, road: &str) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("token", &app.token("mallory")).append_pair("integrationKey", "hubspot");
    if road == "redirect" {
        query.append_pair("redirectUri", "https://app.acme.com/done");
    }
    query.finish()
}

/// Where the victim's browser lands after doing everything it was lured into.
async fn lured(app: &TestApp, victim: &mut Browser, start: &str, road: &str) -> Option<Url> {
    let mut attacker = app.signed_in("mallory").await;
    let query = parameters(app, road);
    let begun = match (start, road) {
        ("captured provider address", _) => {
            let left = attacker.submit("hubspot", &[]).await.location();
            let returned = victim.consent(&left, &[]).await.location();
            victim.get(&returned).await.assert_status(StatusCode::FORBIDDEN);
            return None;
        }
        ("link", "page") => victim.get(&format!("/?token={}", app.token("mallory"))).await,
        ("link", _) => victim.get(&format!("/connect?{query}")).await,
        ("cross-site form", _) => {
            let form: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
            let form: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            victim.post_from("https://evil.example", "/connection-popup", &form).await
        }
        _ => attacker.get(&format!("/connect?{query}")).await,
    };
    let page = match (start, road) {
        ("link", "page") => victim.get("/apps/hubspot").await,
        _ => victim.get(&begun.location()).await,
    };
    let left = victim.submit_on(&page, &[]).await.location();
    let returned = victim.consent(&left, &[]).await.location();
    Some(Url::parse(&victim.get(&returned).await.location()).unwrap())
}

#[tokio::test]
async fn a_victim_who_finishes_an_attackers_flow_is_linked_to_nobody() {
    for start in STARTS {
        for road in ROADS {
            let app = app().await;
            let mut victim = app.signed_in("victim").await;
            let place = lured(&app, &mut victim, start, road).await;
            assert_eq!(app.count("token_code").await, 0, "{start}, {road}");

            if let Some(page) = place {
                assert_eq!(page.path(), "/confirm", "{start}, {road}");
                let word = confirm_as(&app, "victim", &nonce(&page)).await;
                word.assert_error(StatusCode::FORBIDDEN, "wrong_customer");
                assert_eq!(word.json()["data"].get("redirectUrl"), None, "{start}, {road}");
                // Whoever learnt the nonce afterwards, the attacker included, is too late.
                let late = confirm_as(&app, "mallory", &nonce(&page)).await;
                late.assert_error(StatusCode::NOT_FOUND, "not_found");
            }

            assert_eq!(app.count("token_code").await, 0, "{start}, {road}");
            for customer in ["mallory", "victim"] {
                assert!(app.connections(customer).await.is_empty(), "{start}, {road}, {customer}");
            }
        }
    }
}

#[tokio::test]
async fn a_victim_who_is_a_customer_of_another_product_is_linked_to_nobody() {
    for start in STARTS {
        let app = app().await;
        let mut victim = app.browser();
        let place = lured(&app, &mut victim, start, "popup").await;

        if let Some(page) = place {
            let body = serde_json::json!({ "confirmation": nonce(&page), "customerId": "mallory" });
            let word = confirm(&app, &other_backend(&app), body).await;
            word.assert_error(StatusCode::NOT_FOUND, "not_found");
        }

        assert_eq!(app.count("token_code").await, 0, "{start}");
        assert!(app.connections("mallory").await.is_empty(), "{start}");
    }
}

/// The same roads, walked by the one who began: they all lead to a connection.
#[tokio::test]
async fn the_one_who_began_is_connected_by_every_road_that_stays_in_one_browser() {
    for start in ["link", "cross-site form", "captured confirm page"] {
        for road in ROADS {
            let app = app().await;
            let mut browser = app.signed_in("mallory").await;
            let page = lured(&app, &mut browser, start, road).await.unwrap();

            confirm_as(&app, "mallory", &nonce(&page)).await.assert_status(StatusCode::OK);

            assert_eq!(app.count("token_code").await, 1, "{start}, {road}");
            assert_eq!(app.connections("mallory").await.len(), 1, "{start}, {road}");
        }
    }
}

/// The attacker's own answer cannot be confirmed in the victim's name either: no login CSRF backwards.
#[tokio::test]
async fn an_attackers_answer_is_not_confirmed_in_the_victims_session() {
    let app = app().await;
    let mut attacker = app.signed_in("mallory").await;
    let page = answered(&mut attacker, "hubspot").await;

    let word = confirm_as(&app, "victim", &nonce(&page)).await;

    word.assert_error(StatusCode::FORBIDDEN, "wrong_customer");
    assert_eq!(app.count("token_code").await, 0);
    assert!(app.connections("victim").await.is_empty() && app.connections("mallory").await.is_empty());
}
