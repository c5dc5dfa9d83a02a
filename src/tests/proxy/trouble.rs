//! Providers in trouble: deadlines kept, errors named, nobody disconnected, nobody else slowed.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

use super::{
    Stage, ask,
    peer::{Say, Told, ok},
};

/// Deadlines short enough to wait for.
const SHORT: &str = "[server.limits]\nproxy_connect_timeout = \"1s\"\nproxy_answer_timeout = \"1s\"\nproxy_idle_timeout = \"1s\"\n";

#[track_caller]
fn assert_refused(told: &Told, status: u16, kind: &str, key: &str) {
    let body: Value = serde_json::from_slice(&told.body).unwrap_or_else(|_| panic!("{}", told.text()));
    assert_eq!((told.status, &body["type"], &body["key"]), (status, &kind.into(), &key.into()), "{body}");
    assert_eq!(told.refusal(), key);
}

/// Security F6.
#[tokio::test]
async fn a_provider_that_says_nothing_is_given_up_on() {
    let stage = Stage::with("keyed", SHORT, |_| Say::Silence).await;
    let began = Instant::now();

    let told = stage.send("POST", "/x", &[], b"body").await;

    assert_refused(&told, 504, "dependency_error", "provider_timeout");
    assert!(began.elapsed() >= Duration::from_secs(1) && began.elapsed() < Duration::from_secs(5));
    assert_eq!(stage.peer.take().len(), 1);
    assert_eq!(stage.connection().await["disconnected"], false);
}

#[tokio::test]
async fn a_provider_that_breaks_off_before_its_head_is_unreachable_and_asked_once() {
    for answer in
        [|| Say::Reset, || Say::Last(Vec::new()), || Say::Last(b"HTTP/1.1 200 OK\r\nContent-Le".to_vec())]
    {
        let stage = Stage::with("keyed", SHORT, move |_| answer()).await;

        let told = stage.send("POST", "/x", &[], b"body").await;

        assert_refused(&told, 502, "dependency_error", "provider_unreachable");
        assert_eq!(stage.peer.take().len(), 1);
    }
}

#[tokio::test]
async fn nobody_listening_is_unreachable() {
    let stage = Stage::with("keyed", SHORT, |_| ok("")).await;
    let (app, id, token) = (&stage.app, &stage.id, &stage.token);
    let address = stage.address();
    drop(stage.peer);
    let call = format!(
        "GET /connections/{id}/proxy/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );

    // The listener goes with its task, which ends a moment later.
    let told = loop {
        let told = ask(address, call.as_bytes()).await.unwrap();
        if told.status != 200 {
            break told;
        }
    };

    assert_refused(&told, 502, "dependency_error", "provider_unreachable");
    assert_eq!(app.connections("c1").await[0]["disconnected"], false);
}

/// Security O8.
#[tokio::test]
async fn a_head_of_more_than_64_kib_is_not_read() {
    let stage = Stage::with("keyed", SHORT, |seen| {
        let text = match seen.path() {
            "/v1/long" => format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(70_000)),
            "/v1/many" => format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(3000)),
            _ => format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: {}\r\n\r\n", "y".repeat(50_000)),
        };
        Say::Last(text.into_bytes())
    })
    .await;

    for path in ["/long", "/many"] {
        assert_refused(&stage.get(path).await, 502, "dependency_error", "provider_answer_unreadable");
    }
    assert_eq!(stage.get("/fits").await.header("x").len(), 50_000);
}

/// What was begun cannot be taken back: the answer ends short of its length, so the caller sees it.
#[tokio::test]
async fn a_body_that_stands_still_or_breaks_off_ends_visibly() {
    let long = Duration::from_secs(20);
    let stage = Stage::with("keyed", SHORT, move |seen| match seen.path() {
        "/v1/still" => {
            Say::Pause(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc".to_vec(), long, Vec::new())
        }
        "/v1/still-chunked" => Say::Pause(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n".to_vec(),
            long,
            Vec::new(),
        ),
        "/v1/short" => Say::Last(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc".to_vec()),
        _ => Say::Last(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n".to_vec()),
    })
    .await;

    for path in ["/still", "/still-chunked", "/short", "/short-chunked"] {
        let began = Instant::now();
        let told = stage.get(path).await;
        assert_eq!((told.status, told.text().as_str(), told.is_whole), (200, "abc", false), "{path}");
        assert!(began.elapsed() < Duration::from_secs(8), "{path} {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_body_that_drips_is_passed_on_as_it_comes() {
    let stage = Stage::with("keyed", SHORT, |_| {
        Say::Pause(
            b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc".to_vec(),
            Duration::from_millis(600),
            b"def".to_vec(),
        )
    })
    .await;

    let told = stage.get("/x").await;

    assert_eq!((told.text().as_str(), told.is_whole), ("abcdef", true));
}

#[tokio::test]
async fn a_caller_who_stops_sending_is_told_so() {
    let stage = Stage::with("keyed", SHORT, |_| ok("")).await;

    for framing in [("Content-Length", "10"), ("Content-Length", "100000"), ("Transfer-Encoding", "chunked")]
    {
        let mut bytes = stage.head("POST", "/x", &[framing]).into_bytes();
        bytes.extend_from_slice(b"\r\n3\r\nab");
        let told = ask(stage.address(), &bytes).await.unwrap();
        assert_eq!((told.status, told.refusal().as_str()), (408, "body_timeout"), "{framing:?}");
        assert_eq!(stage.peer.take().len(), 0, "{framing:?}");
    }
}

/// I10: what cannot be done twice is not, also when a kept connection ends under it.
#[tokio::test]
async fn a_kept_connection_that_ended_costs_no_call_and_doubles_none() {
    let count = AtomicUsize::new(0);
    let stage = Stage::with("keyed", SHORT, move |_| match count.fetch_add(1, Ordering::SeqCst) % 2 {
        0 => ok("kept"),
        // The next call finds the connection as it ends.
        _ => Say::Reset,
    })
    .await;

    assert_eq!(stage.get("/x").await.text(), "kept");
    assert_eq!(stage.get("/x").await.text(), "kept");
    assert_eq!(stage.peer.take().len(), 3);
    let told = stage.send("POST", "/x", &[], b"once").await;

    assert_refused(&told, 502, "dependency_error", "provider_unreachable");
    assert_eq!(stage.peer.take().len(), 1);
}

/// Security F8.
#[tokio::test]
async fn an_app_that_hangs_slows_nobody_else() {
    let stage =
        Stage::with("keyed", "", |seen| if seen.path() == "/v1/hang" { Say::Silence } else { ok("quick") })
            .await;
    let other = super::connected(&stage.app, "keyed", "c2").await;
    let mut hanging = Vec::new();
    for _ in 0..32 {
        let mut stream = tokio::net::TcpStream::connect(stage.address()).await.unwrap();
        stream.write_all(format!("{}\r\n", stage.head("GET", "/hang", &[])).as_bytes()).await.unwrap();
        hanging.push(stream);
    }
    while stage.peer.seen().iter().filter(|seen| seen.path() == "/v1/hang").count() < 32 {
        tokio::task::yield_now().await;
    }

    let began = Instant::now();
    let path = format!("/connections/{other}/proxy/quick");
    for _ in 0..20 {
        let told = stage.app.browser().api(reqwest::Method::GET, &path, &stage.app.token("c2")).await;
        assert_eq!(told.body, "quick");
    }

    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

/// Security F8: a connection's own calls wait for a turn, and not for ever.
#[tokio::test]
async fn a_connection_with_too_many_calls_is_told_to_come_later() {
    let server = "[server.limits]\nproxy_calls_per_connection = 2\nproxy_turn_timeout = \"1s\"\n";
    let stage =
        Stage::with("keyed", server, |seen| if seen.path() == "/v1/hang" { Say::Silence } else { ok("") })
            .await;
    let mut hanging = Vec::new();
    for _ in 0..2 {
        let mut stream = tokio::net::TcpStream::connect(stage.address()).await.unwrap();
        stream.write_all(format!("{}\r\n", stage.head("GET", "/hang", &[])).as_bytes()).await.unwrap();
        hanging.push(stream);
    }
    while stage.peer.seen().len() < 2 {
        tokio::task::yield_now().await;
    }

    let told = stage.get("/x").await;
    assert_refused(&told, 503, "concurrency", "too_many_calls");
    assert_eq!(told.header("retry-after"), "1");
    // A caller who leaves makes room.
    drop(hanging.pop());
    let freed = loop {
        let told = stage.get("/x").await;
        if told.status == 200 {
            break told;
        }
    };
    assert_eq!(freed.refusal(), "");
}

#[tokio::test]
async fn a_body_larger_than_the_operator_allows_is_refused_in_both_framings() {
    let stage = Stage::with("keyed", "[server.limits]\nproxy_body_max = \"100 KiB\"\n", |_| ok("")).await;

    let told = stage.send("POST", "/x", &[], &vec![0; 102_401]).await;
    assert_eq!((told.status, stage.peer.take().len()), (413, 0));
    let mut chunked = stage.head("POST", "/x", &[("Transfer-Encoding", "chunked")]).into_bytes();
    chunked.extend_from_slice(format!("\r\n{:x}\r\n", 102_401).as_bytes());
    chunked.extend(vec![0; 102_401]);
    chunked.extend_from_slice(b"\r\n0\r\n\r\n");
    let told = ask(stage.address(), &chunked).await.unwrap();

    assert_eq!(told.status, 413);
    assert_eq!(stage.peer.take().len(), 0);
    assert_eq!(stage.send("POST", "/x", &[], &vec![0; 102_400]).await.status, 200);
}
