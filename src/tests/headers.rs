//! What every answer carries.

use reqwest::StatusCode;

use super::app::TestApp;

#[tokio::test]
async fn every_page_forbids_what_it_does_not_need() {
    let app = TestApp::new().await;
    let mut browser = app.signed_in("c1").await;

    for address in
        ["/", "/apps/hubspot", "/apps/no-such-app", "/refused/not_found", "/nowhere", "/connect/result/x"]
    {
        let page = browser.get(address).await;
        let policy = page.header("content-security-policy");
        for part in ["default-src 'none'", "script-src 'self'", "base-uri 'none'", "frame-ancestors 'none'"] {
            assert!(policy.contains(part), "{address}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{address}");
        assert_eq!(page.header("x-content-type-options"), "nosniff", "{address}");
        assert_eq!(page.header("referrer-policy"), "same-origin", "{address}");
        assert_eq!(page.header("cache-control"), "no-store", "{address}");
        assert_eq!(page.header("cross-origin-opener-policy"), "", "{address}");
        assert!(!page.body.contains("<script>") && !page.body.contains("style=\""), "{address}");
    }
}

#[tokio::test]
async fn assets_are_kept_for_ever_and_an_unknown_one_is_not_found() {
    let app = TestApp::new().await;
    let mut browser = app.signed_in("c1").await;
    let page = browser.get("/").await;
    let found: Vec<_> =
        page.body.split('"').filter(|part| part.starts_with("/assets/")).map(str::to_owned).collect();

    assert!(found.len() >= 14, "style, script and twelve logos: {found:?}");
    for address in found {
        let asset = browser.get(&address).await;
        asset.assert_status(StatusCode::OK);
        assert_eq!(asset.header("cache-control"), "public, max-age=31536000, immutable", "{address}");
        assert!(asset.header("content-security-policy").contains("sandbox"), "{address}");
        assert_eq!(asset.header("x-content-type-options"), "nosniff");
    }
    browser.get("/assets/hitchpost-000000000000.css").await.assert_status(StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let app = TestApp::new().await;
    let large = "x".repeat(70 * 1024);

    let answer = app.browser().post_from("https://app.acme.com", "/connect", &[("token", &large)]).await;

    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn pages_are_compressed_when_the_browser_can_read_it() {
    let app = TestApp::new().await;
    let browser = app.signed_in("c1").await;

    for (accepted, expected) in [("br, gzip", "br"), ("gzip", "gzip"), ("identity", "")] {
        let headers = [("accept", "text/html"), ("accept-encoding", accepted)];
        let head = browser.head("/", &headers).await;
        assert_eq!(head.header("content-encoding"), expected);
    }
}
