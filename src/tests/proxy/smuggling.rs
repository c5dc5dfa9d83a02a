//! Security O6: whatever a caller writes on the wire, the app sees one honest request at most.

use super::{Stage, ask, peer::ok};

/// What a caller who wants two requests out of one would hide.
const HIDDEN: &str = "GET /v1/smuggled HTTP/1.1\r\nHost: x\r\n\r\n";

/// Lines that disagree about where the body ends, and the body.
fn framings() -> Vec<(&'static str, String)> {
    let chunked = format!("0\r\n\r\n{HIDDEN}");
    let plain = HIDDEN.to_owned();
    [
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
        "Content-Length: 0\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: identity\r\nContent-Length: 0",
        "Transfer-Encoding: chunked, identity\r\nContent-Length: 0",
        "Transfer-Encoding: identity, chunked\r\nContent-Length: 0",
        "Transfer-Encoding: xchunked\r\nContent-Length: 0",
        "Transfer-Encoding : chunked\r\nContent-Length: 0",
        " Transfer-Encoding: chunked\r\nContent-Length: 0",
        "Transfer-Encoding:\tchunked\r\nContent-Length: 0",
        "Transfer-Encoding: chunked\x0b\r\nContent-Length: 0",
        "Transfer-Encoding: \"chunked\"\r\nContent-Length: 0",
        "Transfer-Encoding: CHUNKED\r\nContent-Length: 0",
        "Transfer-Encoding: gzip, chunked\r\nContent-Length: 0",
        "Transfer_Encoding: chunked\r\nContent-Length: 0",
        "X: y\r\n Transfer-Encoding: chunked\r\nContent-Length: 0",
        "X: y\rTransfer-Encoding: chunked\r\nContent-Length: 0",
        "X: y\nTransfer-Encoding: chunked\r\nContent-Length: 0",
        "Transfer-Encoding\0: chunked\r\nContent-Length: 0",
        "Foo\r\nTransfer-Encoding: chunked\r\nContent-Length: 0",
        "Content-Length: 0\r\nContent-Length: 44",
        "Content-Length: 44\r\nContent-Length: 0",
        "Content-Length: 0, 44",
        "Content-Length: 0\r\nContent_Length: 44",
        "Content-Length: +0",
        "Content-Length: -1",
        "Content-Length: 0x0",
        "Content-Length: 00",
        "Content-Length:",
        "Content-Length: 0 0",
        "Content-Length: 99999999999999999999",
        "Content-Length : 0",
        "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nConnection: Upgrade, HTTP2-Settings",
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13",
        "Expect: 100-continue\r\nContent-Length: 0",
        "Trailer: Content-Length\r\nTransfer-Encoding: chunked",
    ]
    .into_iter()
    .flat_map(|lines| [(lines, chunked.clone()), (lines, plain.clone())])
    .collect()
}

#[tokio::test]
async fn one_request_stays_one_request() {
    let stage = Stage::new("keyed", |_| ok("hello")).await;
    let mut tried = 0;

    for (lines, body) in framings() {
        for method in ["GET", "POST"] {
            let head = stage.head(method, "/honest", &[]);
            let bytes = format!("{head}{lines}\r\n\r\n{body}");
            ask(stage.address(), bytes.as_bytes()).await;
            let seen = stage.peer.take();
            assert!(seen.len() <= 1, "{lines:?}: {seen:?}");
            for request in &seen {
                assert_eq!(
                    (request.target.as_str(), request.method.as_str()),
                    ("/v1/honest", method),
                    "{lines:?}"
                );
                let lengths = request.headers.iter().filter(|(name, _)| {
                    name.replace('_', "-") == "content-length"
                        || name.replace('_', "-") == "transfer-encoding"
                });
                assert!(lengths.count() <= 1, "{lines:?}: {request:?}");
            }
            tried += 1;
        }
    }
    assert_eq!(tried, 37 * 4);
    // The connection that all of them used is in step.
    assert_eq!(stage.get("/after").await.text(), "hello");
    assert_eq!(stage.peer.one().target, "/v1/after");
}

/// Two lengths that differ, and a body that says it is two things, are no request.
#[tokio::test]
async fn framing_that_contradicts_itself_is_refused() {
    let stage = Stage::new("keyed", |_| ok("hello")).await;

    for lines in [
        "Content-Length: 1\r\nContent-Length: 2",
        "Content-Length: 1, 2",
        "Content-Length: -1",
        "Content-Length: +1",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding : chunked",
        "X: y\r\n folded: 1",
    ] {
        let bytes = format!("{}{lines}\r\n\r\n0\r\n\r\n", stage.head("POST", "/x", &[]));
        let told = ask(stage.address(), bytes.as_bytes()).await.unwrap();
        assert_eq!((told.status, stage.peer.take().len()), (400, 0), "{lines:?}");
    }
}

#[tokio::test]
async fn a_line_break_in_a_path_or_header_adds_nothing() {
    let stage = Stage::new("keyed", |_| ok("hello")).await;

    for path in [
        "/x%0d%0aX-Evil:%201",
        "/x%0aX-Evil:1",
        "/x%0dX-Evil:1",
        "/x\nX-Evil: 1",
        "/x\r\nX-Evil: 1\r\nY: ",
        "/x\tHTTP/1.1",
        "/x HTTP/1.1\r\nX-Evil: 1\r\n\r\nGET /connections/x/proxy/y",
        "/x\0",
        "/x%00",
        "/x\u{e4}",
        "/x?q=%0d%0aX-Evil:1",
        "/x#\r\nX-Evil: 1",
    ] {
        let bytes = format!("{}\r\n", stage.head("GET", path, &[]));
        ask(stage.address(), bytes.as_bytes()).await;
        let seen = stage.peer.take();
        assert!(seen.len() <= 1, "{path:?}: {seen:?}");
        // What a caller may say as a header of their own is not ours to judge; a path adds none.
        let is_own = path.contains("\r\nX-Evil") || path.contains("\nX-Evil");
        let has_evil = seen.iter().any(|request| !request.header("x-evil").is_empty());
        assert!(!has_evil || is_own, "{path:?}: {seen:?}");
        assert!(
            seen.iter().all(|request| request.method == "GET" && request.target.starts_with("/v1/x")),
            "{path:?}"
        );
    }
    for value in ["a\rb", "a\nb: c", "a\0b", "a\x7fb"] {
        ask(stage.address(), format!("{}\r\n", stage.head("GET", "/x", &[("X-Odd", value)])).as_bytes())
            .await;
        let seen = stage.peer.take();
        assert!(
            seen.iter().all(|request| request.header("x-odd").is_empty()
                || !request.header("x-odd").contains(['\r', '\0'])),
            "{value:?}"
        );
    }
}

/// The provider's side of the same: what is no HTTP is an error and spoils no later call.
#[tokio::test]
async fn an_answer_that_is_no_http_is_an_error_and_the_next_call_is_sound() {
    use super::peer::Say;
    const ODD: [&str; 15] = [
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 9\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: y\r\n folded\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX : y\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX\0: y\r\n\r\n",
        "HTTP/1.1 99 Low\r\n\r\n",
        "HTTP/1.1 1000 High\r\n\r\n",
        "HTTP/1.1 abc\r\n\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        "SSH-2.0-OpenSSH_9.6\r\n",
        "\x16\x03\x01\x02\x00",
        "",
    ];
    let stage = Stage::new("keyed", |seen| match seen.path().rsplit('/').next().unwrap().parse::<usize>() {
        Ok(at) => Say::Last(ODD[at].as_bytes().to_vec()),
        Err(_) => ok("sound"),
    })
    .await;

    for (at, odd) in ODD.iter().enumerate() {
        let bytes = format!("{}\r\n", stage.head("POST", &format!("/{at}"), &[]));
        // A body that breaks off at its first byte may take the head with it: the connection just ends.
        let Some(told) = ask(stage.address(), bytes.as_bytes()).await else {
            assert!(odd.contains("chunked"), "{odd:?}");
            continue;
        };
        let is_error = told.status == 502
            && matches!(told.refusal().as_str(), "provider_unreachable" | "provider_answer_unreadable");
        let broke_off = told.status == 200 && !told.is_whole;
        assert!(is_error || broke_off, "{odd:?}: {} {}", told.status, told.text());
        assert_eq!(stage.get("/sound").await.text(), "sound", "{odd:?}");
    }
    assert_eq!(stage.connection().await["disconnected"], false);
}
