//! Security O7: what a browser makes of an answer from elsewhere under our address.

use super::{Stage, peer::say};

#[tokio::test]
async fn what_a_browser_would_show_is_a_download_without_rights() {
    let html = "<script>document.title='run'</script>";
    let stage = Stage::new("keyed", move |_| {
        say(
            "200 OK",
            &[
                ("Content-Type", "text/html"),
                ("Content-Disposition", "inline"),
                ("Link", "</x>; rel=preload"),
            ],
            html,
        )
    })
    .await;

    for headers in [
        vec![("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document"), ("Accept", "text/html")],
        vec![("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "iframe")],
        vec![("Sec-Fetch-Dest", "embed")],
        vec![("Sec-Fetch-Dest", "object")],
        vec![("Sec-Fetch-Dest", "serviceworker")],
    ] {
        let told = stage.send("GET", "/page", &headers, b"").await;
        assert_eq!(told.header("content-disposition"), "attachment", "{headers:?}");
        assert_eq!(told.header("content-security-policy"), "sandbox");
        assert_eq!(told.text(), html);
    }
    let read =
        stage.send("GET", "/page", &[("Sec-Fetch-Mode", "cors"), ("Sec-Fetch-Dest", "empty")], b"").await;
    assert_eq!(read.header("content-disposition"), "inline");
}

/// A page of an error is the app's own, also for a browser: we put no page of ours in its place.
#[tokio::test]
async fn an_error_of_the_apps_is_not_put_in_our_words() {
    let stage =
        Stage::new("keyed", |_| say("404 Not Found", &[("Content-Type", "text/html")], "theirs")).await;

    let told = stage.send("GET", "/gone", &[("Accept", "text/html")], b"").await;

    assert_eq!((told.status, told.text().as_str(), told.refusal().as_str()), (404, "theirs", ""));
}

/// A page of the product's calls with its customer's token.
#[tokio::test]
async fn a_browser_of_any_origin_may_ask_and_read_what_the_app_says() {
    let stage = Stage::new("keyed", |_| say("200 OK", &[("X-Total", "7")], "[]")).await;
    let asks = [
        ("Origin", "https://app.acme.com"),
        ("Access-Control-Request-Method", "PATCH"),
        ("Access-Control-Request-Headers", "authorization,content-type,x-own"),
    ];

    let preflight = stage.send("OPTIONS", "/x", &asks, b"").await;
    let told = stage.send("GET", "/x", &[("Origin", "https://app.acme.com")], b"").await;

    assert_eq!((preflight.status, preflight.header("access-control-allow-origin").as_str()), (200, "*"));
    assert!(preflight.header("access-control-allow-methods").contains("PATCH"));
    assert_eq!(told.header("access-control-allow-origin"), "*");
    assert_eq!(told.header("access-control-expose-headers"), "*");
    assert_eq!(stage.peer.take().len(), 1);
}
