//! Every limit is met and named.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout},
};

use super::app::{Page, SECRET, TestApp};

/// A server with these limits, reached over a proxy that it trusts.
async fn limited(limits: &str) -> TestApp {
    TestApp::with(&format!(
        "[server]\nsandbox = true\ntrusted_proxies = [\"127.0.0.1\"]\n[server.limits]\n{limits}\n\
         [[workspace]]\nkey = \"acme\"\nsecret = \"{SECRET}\"\nallowed_origins = [\"https://app.acme.com\"]\n\
         integration = [{{ key = \"hubspot\", sandbox = true }}]\n"
    ))
    .await
}

/// A backend's token.
fn backend(app: &TestApp) -> String {
    app.signed(SECRET, &json!({ "iss": "acme", "isAdmin": true, "exp": app.now() + 600 }))
}

async fn dial(app: &TestApp) -> TcpStream {
    TcpStream::connect(("127.0.0.1", app.base.port().unwrap())).await.unwrap()
}

/// All that comes until the other side closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = timeout(Duration::from_secs(10), stream.read_to_end(&mut bytes)).await.expect("it closes");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[track_caller]
fn assert_limited(page: &Page, limit: &str) {
    page.assert_error(StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded");
    let body = page.json();
    assert_eq!((&body["type"], &body["key"]), (&json!("bad_request"), &json!("rate_limit_exceeded")));
    assert_eq!(body["data"]["limit"], limit);
    let wait: u32 = page.header("retry-after").parse().unwrap();
    assert!((1..=3600).contains(&wait), "{wait}");
}

/// A call of the API from behind the trusted proxy.
async fn listed(app: &TestApp, customer: &str, forwarded: &str) -> Page {
    let bearer = format!("Bearer {}", app.token(customer));
    let headers =
        [("accept", "application/json"), ("authorization", bearer.as_str()), ("x-forwarded-for", forwarded)];
    app.browser().send(Method::GET, "/connections", &headers, None).await
}

/// Security D1.
#[tokio::test]
async fn a_body_has_a_largest_size_by_its_kind_of_address() {
    let app = limited("page_body_max = \"2 KiB\"\napi_body_max = \"4 KiB\"").await;
    let (fits, larger, largest) = ("x".repeat(1024), "x".repeat(3 * 1024), "x".repeat(5 * 1024));
    let mut browser = app.browser();

    let page = browser.post("/connect", &[("token", &fits)]).await;
    let page_larger = browser.post("/connect", &[("token", &larger)]).await;
    let token = backend(&app);
    let api = browser.post_json("/customers", &token, &json!({ "internalId": "a", "name": larger })).await;
    let api_larger =
        browser.post_json("/customers", &token, &json!({ "internalId": "b", "name": largest })).await;

    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    page_larger.assert_status(StatusCode::PAYLOAD_TOO_LARGE);
    assert_ne!(api.status, StatusCode::PAYLOAD_TOO_LARGE, "{}", api.body);
    api_larger.assert_error(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large");
    assert_eq!(api_larger.json()["message"], "The body of the request is larger than 4 KiB.");
}

/// Security D1: without a length in its head.
#[tokio::test]
async fn a_body_in_pieces_has_the_same_limit() {
    let app = limited("page_body_max = \"2 KiB\"").await;
    let mut stream = dial(&app).await;
    let piece = format!("400\r\n{}\r\n", "x".repeat(1024));

    stream
        .write_all(
            b"POST /connect HTTP/1.1\r\nHost: h\r\nAccept: application/json\r\nConnection: close\r\n\
              Transfer-Encoding: chunked\r\n\r\n",
        )
        .await
        .unwrap();
    for _ in 0..3 {
        let _ = stream.write_all(piece.as_bytes()).await;
    }

    let said = rest(&mut stream).await;
    assert!(said.starts_with("HTTP/1.1 413 "), "{said}");
    assert!(said.contains("larger than 2 KiB"), "{said}");
}

/// Security D1.
#[tokio::test]
async fn a_body_that_drips_is_cut() {
    let app = limited("body_timeout = \"400ms\"").await;
    let (mut reader, mut writer) = dial(&app).await.into_split();
    let head =
        b"POST /connect HTTP/1.1\r\nHost: h\r\nAccept: application/json\r\nContent-Length: 9000\r\n\r\n";
    writer.write_all(head).await.unwrap();
    let dripping = tokio::spawn(async move {
        while writer.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });

    let mut bytes = vec![0; 4096];
    let read = timeout(Duration::from_secs(5), reader.read(&mut bytes)).await.unwrap().unwrap();

    dripping.abort();
    let said = String::from_utf8_lossy(&bytes[..read]).into_owned();
    assert!(said.starts_with("HTTP/1.1 408 ") && said.contains("body_timeout"), "{said}");
}

/// Security D1: slowloris.
#[tokio::test]
async fn a_head_that_drips_is_cut_and_so_is_silence() {
    let app = limited("header_timeout = \"400ms\"").await;
    let (mut reader, mut writer) = dial(&app).await.into_split();
    let mut silent = dial(&app).await;
    let began = Instant::now();
    let dripping = tokio::spawn(async move {
        let _ = writer.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nX-Slow: ").await;
        while writer.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });

    let mut bytes = Vec::new();
    let _ = timeout(Duration::from_secs(5), reader.read_to_end(&mut bytes)).await.expect("it closes");
    let took = began.elapsed();
    let nothing = rest(&mut silent).await;

    dripping.abort();
    assert!(took >= Duration::from_millis(400), "{took:?}");
    assert_eq!((bytes.len(), nothing.as_str()), (0, ""));
}

/// Security D5: whoever asks for much and takes nothing of it is let go of; whoever takes it slowly is not.
#[tokio::test]
async fn an_answer_that_nobody_takes_is_given_up() {
    let app = limited("write_timeout = \"1s\"\napi_per_address = \"off\"").await;
    let document = app.browser().get("/openapi.json").await.body.len();
    // More than any two sockets hold between them.
    let asked = 24 * 1024 * 1024 / document;
    let ask = "GET /openapi.json HTTP/1.1\r\nHost: h\r\n\r\n".repeat(asked);
    let (mut idle, mut slow) = (dial(&app).await, dial(&app).await);
    idle.write_all(ask.as_bytes()).await.unwrap();
    slow.write_all(ask.as_bytes()).await.unwrap();

    let mut taken = 0;
    let mut piece = vec![0; 1024 * 1024];
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        taken += slow.read(&mut piece).await.unwrap();
    }
    let left = timeout(Duration::from_secs(10), async {
        let mut whole = Vec::new();
        let _ = idle.read_to_end(&mut whole).await;
        whole.len()
    });
    let left = left.await.expect("it was closed");
    while taken < asked * document {
        let more = slow.read(&mut piece).await.unwrap();
        assert!(more > 0, "it was closed after {taken} bytes");
        taken += more;
    }

    assert!(left < asked * document, "all of it came: {left}");
}

#[tokio::test]
async fn a_connection_that_asks_nothing_more_is_closed() {
    let app = limited("idle_timeout = \"600ms\"\nheader_timeout = \"200ms\"").await;
    let mut stream = dial(&app).await;
    let mut answer = [0; 4096];

    // Longer apart than a head may take, but not longer than a pause.
    for _ in 0..2 {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
        let read = stream.read(&mut answer).await.unwrap();
        assert!(answer[..read].starts_with(b"HTTP/1.1 200 OK"));
        tokio::time::sleep(Duration::from_millis(350)).await;
    }
    let began = Instant::now();

    assert_eq!(rest(&mut stream).await, "");
    assert!(began.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_head_has_a_largest_size() {
    let app = limited("header_bytes_max = \"8 KiB\"").await;
    let mut browser = app.browser();
    let (fits, larger) = ("x".repeat(4 * 1024), "x".repeat(9 * 1024));

    let small = browser.send(Method::GET, "/healthz", &[("x-filler", &fits)], None).await;
    let large = browser.send(Method::GET, "/healthz", &[("x-filler", &larger)], None).await;

    assert_eq!(small.status, StatusCode::OK);
    assert_eq!(large.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
}

/// Security D1.
#[tokio::test]
async fn two_thousand_idle_connections_stop_nobody() {
    let app = limited("").await;
    let mut idle = Vec::new();
    for _ in 0..2000 {
        idle.push(dial(&app).await);
    }

    let began = Instant::now();
    let page = listed(&app, "c1", "203.0.113.1").await;

    page.assert_status(StatusCode::OK);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(idle.len(), 2000);
}

/// Security D1: beyond `connections_max` whoever asks nothing makes room.
#[tokio::test]
async fn idle_connections_make_room_for_an_honest_one() {
    let app = limited("connections_max = 20").await;
    let mut idle = Vec::new();
    for _ in 0..60 {
        idle.push(dial(&app).await);
    }

    let page = listed(&app, "c1", "203.0.113.1").await;

    page.assert_status(StatusCode::OK);
    let numbers = app.browser().get("/metrics").await;
    let ended = numbers.body.lines().find_map(|line| {
        line.strip_prefix("hitchpost_connections_turned_away_total{reason=\"idle\"} ")?.parse::<u32>().ok()
    });
    assert!(ended.unwrap() >= 40, "{}", numbers.body);
}

/// Security F16: what there is no room for is refused at once, in words.
#[tokio::test]
async fn when_every_connection_is_busy_the_next_is_told_so() {
    let app = limited("connections_max = 2").await;
    let mut busy = Vec::new();
    for number in 0..2 {
        let mut stream = dial(&app).await;
        let ask = format!("GET /sse/connection-events/0123456789abcdef-{number} HTTP/1.1\r\nHost: h\r\n\r\n");
        stream.write_all(ask.as_bytes()).await.unwrap();
        let mut head = [0; 1024];
        assert!(stream.read(&mut head).await.unwrap() > 0);
        busy.push(stream);
    }
    let mut third = dial(&app).await;
    third.write_all(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();

    let said = rest(&mut third).await;

    assert!(said.starts_with("HTTP/1.1 503 ") && said.contains("retry-after: 2\r\n"), "{said}");
    assert!(said.contains("too_many_connections"), "{said}");
}

/// Security D2.
#[tokio::test]
async fn a_customer_and_a_workspace_have_a_rate_of_calls() {
    let of_customer = limited("api_per_customer = \"3/h\"").await;
    let of_workspace = limited("api_per_workspace = \"3/h\"").await;

    for _ in 0..3 {
        listed(&of_customer, "c1", "203.0.113.1").await.assert_status(StatusCode::OK);
        listed(&of_workspace, "c1", "203.0.113.1").await.assert_status(StatusCode::OK);
    }

    assert_limited(&listed(&of_customer, "c1", "203.0.113.9").await, "api_per_customer");
    listed(&of_customer, "c2", "203.0.113.1").await.assert_status(StatusCode::OK);
    assert_limited(&listed(&of_workspace, "c2", "203.0.113.9").await, "api_per_workspace");
}

/// Security D2: what a client writes in front of its own address changes nothing.
#[tokio::test]
async fn a_spoofed_address_does_not_widen_the_rate() {
    let app = limited("api_per_address = \"3/h\"").await;

    for spoofed in ["1.1.1.1, 203.0.113.7", "10.0.0.1, 203.0.113.7", "127.0.0.1,203.0.113.7"] {
        listed(&app, "c1", spoofed).await.assert_status(StatusCode::OK);
    }

    assert_limited(&listed(&app, "c2", "9.9.9.9, 203.0.113.7").await, "api_per_address");
    listed(&app, "c1", "203.0.113.7, 203.0.113.8").await.assert_status(StatusCode::OK);
}

/// Security D2: guessing tokens is counted before a token is looked at.
#[tokio::test]
async fn calls_with_a_wrong_token_are_counted_too() {
    let app = limited("api_per_address = \"3/h\"").await;
    let headers = [("authorization", "Bearer a.b.c"), ("x-forwarded-for", "203.0.113.7")];

    for _ in 0..3 {
        let guess = app.browser().send(Method::GET, "/connections", &headers, None).await;
        assert_eq!(guess.status, StatusCode::UNAUTHORIZED);
    }

    assert_limited(&listed(&app, "c1", "203.0.113.7").await, "api_per_address");
}

/// Security D2.
#[tokio::test]
async fn starts_have_rates_of_their_own() {
    let app = limited("start_per_customer = \"2/h\"\nstart_per_address = \"3/h\"").await;
    let start = async |customer: &str, address: &str| {
        let bearer = format!("Bearer {}", app.token(customer));
        let headers = [
            ("accept", "application/json"),
            ("authorization", bearer.as_str()),
            ("x-forwarded-for", address),
        ];
        let body = "integrationKey=hubspot".to_owned();
        app.browser().send(Method::POST, "/connect", &headers, Some(body)).await
    };

    start("c1", "203.0.113.1").await.assert_status(StatusCode::OK);
    start("c1", "203.0.113.2").await.assert_status(StatusCode::OK);
    assert_limited(&start("c1", "203.0.113.3").await, "start_per_customer");
    start("c2", "203.0.113.1").await.assert_status(StatusCode::OK);
    start("c3", "203.0.113.1").await.assert_status(StatusCode::OK);
    assert_limited(&start("c4", "203.0.113.1").await, "start_per_address");
}

/// Security D2.
#[tokio::test]
async fn signing_in_too_often_is_refused_with_a_page() {
    let app = limited("sign_in_per_customer = \"2/h\"").await;
    let address = format!("/?token={}", app.token("c1"));
    let mut browser = app.browser();

    browser.get(&address).await.assert_status(StatusCode::SEE_OTHER);
    browser.get(&address).await.assert_status(StatusCode::SEE_OTHER);
    let refused = browser.get(&address).await;

    refused.assert_status(StatusCode::TOO_MANY_REQUESTS);
    refused.assert_says("That was a little fast");
    assert!(refused.header("retry-after").parse::<u32>().unwrap() >= 1);
}

#[tokio::test]
async fn an_address_has_so_many_event_streams() {
    let app = limited("streams_per_address = 2").await;
    let open = async |address: &str| {
        let mut stream = dial(&app).await;
        let ask = format!(
            "GET /sse/connection-events/0123456789abcdef HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: {address}\r\n\
             Accept: application/json\r\n\r\n"
        );
        stream.write_all(ask.as_bytes()).await.unwrap();
        let mut head = vec![0; 2048];
        let read = stream.read(&mut head).await.unwrap();
        (String::from_utf8_lossy(&head[..read]).into_owned(), stream)
    };

    let (first, held) = open("203.0.113.1").await;
    let (second, _held) = open("203.0.113.1").await;
    let (third, _) = open("203.0.113.1").await;
    let (elsewhere, _held_too) = open("203.0.113.2").await;
    drop(held);

    assert!(first.starts_with("HTTP/1.1 200 ") && second.starts_with("HTTP/1.1 200 "));
    assert!(third.starts_with("HTTP/1.1 429 ") && third.contains("streams_per_address"), "{third}");
    assert!(elsewhere.starts_with("HTTP/1.1 200 "));
    let until = Instant::now() + Duration::from_secs(5);
    while !open("203.0.113.1").await.0.starts_with("HTTP/1.1 200 ") {
        assert!(Instant::now() < until, "the stream that was closed still counts");
    }
}

/// Security D5: starts without end keep the table of attempts small.
#[tokio::test]
async fn attempts_that_nobody_goes_on_with_make_room() {
    let app = limited(
        "attempts_per_customer = 3\nattempts_per_workspace = 40\nstart_per_workspace = \"off\"\n\
         start_per_customer = \"off\"",
    )
    .await;
    let start = async |customer: String| {
        let body = json!({ "integrationKey": "hubspot" });
        let said = app.browser().post_json("/connect", &app.token(&customer), &body).await.json();
        url::Url::parse(said["redirectUrl"].as_str().unwrap()).unwrap().path().to_owned()
    };

    let mut tickets = Vec::new();
    for _ in 0..5 {
        tickets.push(start("c0".to_owned()).await);
    }
    let mut browser = app.browser();
    for (ticket, expected) in tickets.iter().zip([410, 410, 200, 200, 200]) {
        assert_eq!(browser.get(ticket).await.status.as_u16(), expected);
    }
    for number in 0..600 {
        start(format!("c{}", number % 150)).await;
    }

    let file = format!("sqlite:{}", app.folder.join("test.db").display());
    let database = sqlx::SqlitePool::connect(&file).await.unwrap();
    let kept: i64 = sqlx::query_scalar("select count(*) from attempt").fetch_one(&database).await.unwrap();
    assert_eq!(kept, 40);
}
