//! What needs the rooms of the server themselves: an address that is not this machine's, a handler that
//! panics.

use std::path::PathBuf;

use axum::{Router, body::Body, http::Request};
use tower::ServiceExt as _;

use super::*;
use crate::clock::SystemEntropy;

/// An engine with a folder of its own, gone afterwards.
pub(super) struct Bench {
    pub(super) engine: Engine,
    folder: PathBuf,
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub(super) async fn bench() -> Bench {
    let name = SystemEntropy::default().uuid(SystemClock.now());
    let folder = std::env::temp_dir().join(format!("hitchpost-server-{name}"));
    let database = format!("sqlite:{}", folder.join("test.db").display());
    let environment = Environment::of(&[
        ("HITCHPOST_DATABASE", &database),
        ("HITCHPOST_CONFIG", ""),
        ("HITCHPOST_LISTEN", "127.0.0.1:0"),
    ]);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("hitchpost.toml"), "").unwrap();
    let config = Config::load(Some(&folder.join("hitchpost.toml")), &environment).unwrap();
    let public_url: Url = "http://localhost:7080".parse().unwrap();
    let addresses = Addresses { public_url, sandbox_url: None, sandbox_bound: None };
    let engine = engine(&config.server, &environment, addresses, Surroundings::default()).await.unwrap();
    Bench { engine, folder }
}

#[tokio::test]
async fn a_panic_costs_one_request_and_says_nothing() {
    async fn one_that_fails(uri: axum::http::Uri) -> &'static str {
        assert!(uri.path() != "/fails", "a-secret-of-the-panic");
        "ok"
    }
    let bench = bench().await;
    let operating =
        Operating { limits: Limits::default(), api_routes: Default::default(), metrics_token: None };
    let origin = Origin::of(&"http://localhost:7080".parse().unwrap()).unwrap();
    let state = AppState::new(bench.engine.clone(), Assets::new(), origin, None, operating);
    let router = routes::layered(Router::new().fallback(one_that_fails), &state);
    let ask = async |path: &str, accept: &str| {
        let request = Request::builder().uri(path).header("accept", accept).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let (status, id) = (response.status().as_u16(), response.headers().contains_key("x-request-id"));
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, id, String::from_utf8(body.to_vec()).unwrap())
    };

    let (status, has_id, said) = ask("/fails", "application/json").await;
    let (page_status, _, page) = ask("/fails", "text/html").await;
    let (next, _, _) = ask("/works", "application/json").await;

    assert_eq!((status, has_id, page_status, next), (500, true, 500, 200));
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["data"]["reason"], "internal");
    assert!(page.contains("Something went wrong on our side"), "{page}");
    assert!(!page.contains("a-secret-of-the-panic"));
}
