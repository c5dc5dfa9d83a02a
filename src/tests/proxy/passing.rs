//! What passes, passes unchanged.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use reqwest::{Method, StatusCode};

use super::{
    super::app::TestApp,
    Stage, connected,
    peer::{Say, ask, ok, say},
};

/// Acceptance 75.
#[tokio::test]
async fn a_connection_is_called_by_its_id_or_by_its_integration_while_there_is_one() {
    let stage = Stage::new("keyed", |_| ok("hello")).await;

    for selector in [stage.id.as_str(), "keyed"] {
        let path = format!("/connections/{selector}/proxy/things?limit=2");
        let told = stage.app.browser().api(Method::GET, &path, &stage.token).await;
        told.assert_status(StatusCode::OK);
        assert_eq!(told.body, "hello");
        let seen = stage.peer.one();
        assert_eq!((seen.method.as_str(), seen.target.as_str()), ("GET", "/v1/things?limit=2"));
        assert_eq!(seen.header("x-api-key"), "sesame");
        assert_eq!(seen.header("host"), stage.peer.address.to_string());
    }
}

/// Acceptance 75: two connections of one integration have no key in common.
#[tokio::test]
async fn a_key_that_fits_two_connections_is_refused() {
    let stage = Stage::new("keyed", |_| ok("hello")).await;
    let second = serde_json::json!({ "integrationKey": "keyed", "allowMultipleConnections": true, "input": { "api_key": "two" } });
    let made = stage.app.browser().post_json("/connect", &stage.token, &second).await;
    made.assert_status(StatusCode::OK);

    let told = stage.app.browser().api(Method::GET, "/connections/keyed/proxy/x", &stage.token).await;

    told.assert_error(StatusCode::CONFLICT, "ambiguous_selector");
    assert_eq!(stage.peer.take().len(), 0);
}

/// Acceptance 23, security T1.
#[tokio::test]
async fn somebody_elses_connection_reads_like_one_that_never_was() {
    let stage = Stage::new("keyed", |_| ok("hello")).await;
    let stranger = stage.app.token("c2");
    let ask = async |id: &str, token: &str| {
        let told = stage.app.browser().api(Method::GET, &format!("/connections/{id}/proxy/x"), token).await;
        told.assert_error(StatusCode::NOT_FOUND, "not_found");
        told.body
    };

    let theirs = ask(&stage.id, &stranger).await;
    let unknown = ask("018f0000-0000-7000-8000-000000000000", &stranger).await;
    let key = ask("keyed", &stranger).await;

    assert_eq!((&theirs, &theirs), (&unknown, &key));
    let anonymous =
        stage.app.browser().api(Method::GET, &format!("/connections/{}/proxy/x", stage.id), "").await;
    assert_eq!(anonymous.status, StatusCode::UNAUTHORIZED);
    assert_eq!(stage.peer.take().len(), 0);
}

/// Acceptance 22.
#[tokio::test]
async fn an_archived_connection_is_gone() {
    let stage = Stage::new("keyed", |_| ok("hello")).await;
    assert_eq!(stage.get("/x").await.status, 200);
    let access = stage.app.engine.access(&stage.token).await.unwrap();

    stage.app.engine.archive(&access, &stage.id).await.unwrap();
    let told = stage.get("/x").await;

    assert_eq!((told.status, told.refusal().as_str()), (404, "not_found"));
    assert_eq!(stage.peer.take().len(), 1);
}

/// Acceptance 75: every method and both ends of the path.
#[tokio::test]
async fn every_method_reaches_the_app_under_its_own_name() {
    let stage = Stage::new("keyed", |_| ok("")).await;

    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "PURGE", "REPORT", "M-SEARCH"] {
        for (path, target) in
            [("", "/v1"), ("/", "/v1/"), ("/x", "/v1/x"), ("?a=1", "/v1?a=1"), ("/?a", "/v1/?a")]
        {
            let told = stage.send(method, path, &[], b"").await;
            let seen = stage.peer.one();
            assert_eq!(told.status, 200, "{method} {path}: {}", told.text());
            assert_eq!((seen.method.as_str(), seen.target.as_str()), (method, target));
        }
    }
    for method in ["TRACE", "CONNECT"] {
        let told = stage.send(method, "/x", &[], b"").await;
        assert!(matches!(told.status, 400 | 405), "{method}: {}", told.status);
    }
    assert_eq!(stage.peer.take().len(), 0);
}

/// Design: the query is kept byte for byte.
#[tokio::test]
async fn a_query_arrives_as_it_left() {
    let stage = Stage::new("keyed", |_| ok("")).await;

    for query in [
        "a=1&a=2",
        "q='x'",
        "q=%27%2f%2F+%20",
        "&&=&",
        "a[]=1&b={c}|d^",
        "x=..%2f..%2f",
        "%zz",
        "a=https://h/",
    ] {
        assert_eq!(stage.get(&format!("/x?{query}")).await.status, 200, "{query}");
        assert_eq!(stage.peer.one().target, format!("/v1/x?{query}"));
    }
}

/// Acceptance 77: bytes both ways, small and large, with a length and without.
#[tokio::test]
async fn bodies_are_equal_byte_for_byte_both_ways() {
    let stage = Stage::new("keyed", |seen| ok(&seen.body)).await;
    let large: Vec<u8> =
        (0..8 * 1024 * 1024_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();

    for size in [1, 65_535, 65_536, 65_537, large.len()] {
        let told =
            stage.send("POST", "/echo", &[("Content-Type", "application/x-odd")], &large[..size]).await;
        let seen = stage.peer.one();
        assert_eq!(told.status, 200);
        assert!(told.body == large[..size] && seen.body == large[..size], "{size} bytes changed");
        assert_eq!(seen.header("content-length"), size.to_string());
        assert_eq!(seen.header("transfer-encoding"), "");
        assert_eq!(seen.header("content-type"), "application/x-odd");
    }
    let mut chunked = stage.head("POST", "/echo", &[("Transfer-Encoding", "chunked")]).into_bytes();
    chunked.extend_from_slice(b"\r\n3\r\nabc\r\n");
    chunked.extend_from_slice(format!("{:x}\r\n", large.len()).as_bytes());
    chunked.extend_from_slice(&large);
    chunked.extend_from_slice(b"\r\n0\r\nX-Trailer: 1\r\n\r\n");
    let told = ask(stage.address(), &chunked).await.unwrap();
    let seen = stage.peer.one();
    assert_eq!(told.body.len(), large.len() + 3);
    assert!(told.body == seen.body && seen.body[3..] == large);
    assert_eq!(
        (seen.header("transfer-encoding").as_str(), seen.header("content-length").as_str()),
        ("chunked", "")
    );
}

/// Acceptance 77: what is compressed stays so, and nothing else is compressed on the way.
#[tokio::test]
async fn a_compressed_body_is_not_touched() {
    let gzip: &[u8] =
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcbH\xcd\xc9\xc9\x07\x00\x86\xa6\x106\x05\x00\x00\x00";
    let stage = Stage::new("keyed", move |seen| match seen.path() {
        "/v1/gzip" => say("200 OK", &[("Content-Encoding", "gzip"), ("Content-Type", "text/plain")], gzip),
        _ => say("200 OK", &[("Content-Type", "application/json"), ("Vary", "X-One")], "[1]".repeat(1000)),
    })
    .await;
    let accepts = [("Accept-Encoding", "gzip, br")];

    let packed = stage.send("GET", "/gzip", &accepts, b"").await;
    let plain = stage.send("GET", "/plain", &accepts, b"").await;

    assert_eq!((packed.header("content-encoding").as_str(), packed.body.as_slice()), ("gzip", gzip));
    assert_eq!(packed.header("content-length"), gzip.len().to_string());
    assert_eq!((plain.header("content-encoding").as_str(), plain.body.len()), ("", 3000));
    assert_eq!(plain.header("vary"), "X-One");
    assert_eq!(stage.peer.take()[1].header("accept-encoding"), "gzip, br");
    stage.get("/plain").await;
    assert_eq!(stage.peer.one().header("accept-encoding"), "");
}

/// Acceptance 77: every status, those without a body too; redirects are answers.
#[tokio::test]
async fn a_status_comes_back_as_it_is() {
    let stage = Stage::new("keyed", |seen| match seen.path().rsplit('/').next().unwrap() {
        "204" => Say::Raw(b"HTTP/1.1 204 No Content\r\nX-Kept: 1\r\n\r\n".to_vec()),
        "304" => Say::Raw(b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 12\r\n\r\n".to_vec()),
        "103" => Say::Raw(
            b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
                .to_vec(),
        ),
        "1.0" => Say::Last(b"HTTP/1.0 200 OK\r\n\r\nuntil the end".to_vec()),
        status => {
            say(&format!("{status} Odd"), &[("Location", "https://evil.example/x"), ("X-Kept", "1")], "body")
        }
    })
    .await;

    for status in [
        200, 201, 202, 206, 299, 300, 301, 302, 303, 307, 308, 400, 402, 403, 404, 409, 418, 422, 451, 499,
        500, 501, 502, 504, 599,
    ] {
        let told = stage.get(&format!("/{status}")).await;
        assert_eq!((told.status, told.text().as_str(), told.refusal().as_str()), (status, "body", ""));
        assert_eq!(
            (told.header("location").as_str(), told.header("x-kept").as_str()),
            ("https://evil.example/x", "1")
        );
    }
    let (none, same) = (stage.get("/204").await, stage.get("/304").await);
    assert_eq!((none.status, none.body.len(), none.header("x-kept").as_str()), (204, 0, "1"));
    assert_eq!((same.status, same.body.len(), same.header("etag").as_str()), (304, 0, "\"x\""));
    let (hinted, old) = (stage.get("/103").await, stage.get("/1.0").await);
    assert_eq!((hinted.status, hinted.text().as_str()), (200, "ok"));
    assert_eq!((old.status, old.text().as_str()), (200, "until the end"));
    assert_eq!(stage.peer.take().len(), 29);
}

/// Acceptance 77.
#[tokio::test]
async fn the_answer_to_head_tells_the_length_and_has_no_body() {
    let stage = Stage::new("keyed", |_| {
        Say::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\nETag: \"x\"\r\n\r\n".to_vec())
    })
    .await;

    let told = stage.send("HEAD", "/x", &[], b"").await;
    let again = stage.send("HEAD", "/x", &[], b"").await;

    assert_eq!((told.status, told.body.len()), (200, 0));
    assert_eq!((told.header("content-length").as_str(), told.header("etag").as_str()), ("1234", "\"x\""));
    assert_eq!(again.status, 200);
    assert_eq!(stage.peer.opened(), 1);
}

/// Acceptance 77: trailers are left out.
#[tokio::test]
async fn trailers_end_here() {
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\nX-Kept: 1\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 9\r\n\r\n";
    let stage = Stage::new("keyed", |_| Say::Raw(chunked.to_vec())).await;

    let told = stage.get("/x").await;

    assert_eq!((told.text().as_str(), told.is_whole), ("abc", true));
    assert_eq!(
        (told.header("x-kept").as_str(), told.header("trailer").as_str(), told.header("x-sum").as_str()),
        ("1", "", "")
    );
}

/// Acceptance 76.
#[tokio::test]
async fn a_whole_address_goes_to_the_apps_own_host_only() {
    let stage = Stage::new("keyed", |_| ok("hello")).await;
    let other = super::Peer::new(|_| ok("evil")).await;
    let own = stage.peer.address;

    let told = stage.get(&format!("/http://{own}/elsewhere/x?y=1")).await;

    assert_eq!((told.status, told.text().as_str()), (200, "hello"));
    assert_eq!(stage.peer.one().target, "/elsewhere/x?y=1");
    for address in [
        format!("http://{}/x", other.address),
        format!("http://{own}@{}/x", other.address),
        format!("http://localhost:{}/x", own.port()),
        "https://evil.example/x".to_owned(),
    ] {
        let told = stage.get(&format!("/{address}")).await;
        assert_eq!((told.status, told.refusal().as_str()), (400, "host_not_allowed"), "{address}");
    }
    assert_eq!((stage.peer.take().len(), other.take().len()), (0, 0));
}

#[tokio::test]
async fn a_connector_without_a_base_takes_whole_addresses_and_says_so() {
    let stage = Stage::new("baseless", |_| ok("hello")).await;

    let relative = stage.get("/x").await;
    let whole = stage.get(&format!("/http://{}/x", stage.peer.address)).await;

    let body: serde_json::Value = serde_json::from_slice(&relative.body).unwrap();
    assert_eq!(
        (relative.status, &body["type"], &body["key"]),
        (400, &"configuration".into(), &"no_api_base".into())
    );
    assert_eq!((whole.status, whole.text().as_str()), (200, "hello"));
}

/// A sandboxed integration is called like a real one.
#[tokio::test]
async fn a_sandboxed_app_is_played_under_its_own_host() {
    let peer = super::Peer::new(|_| ok("{}")).await;
    let config = format!(
        "[server]\nsandbox = true\n[[workspace]]\nkey = \"acme\"\nname = \"Acme\"\nsecret = \"{}\"\n\
         integration = [{{ key = \"own\", connector = \"file:own.toml\", sandbox = true }}]\n",
        super::SECRET
    );
    let file = super::connector("keyed", "base = \"https://{{tenant}}.app.example/v1\"", 0)
        .replace("127.0.0.1:0", "*.app.example");
    let app = TestApp::played_by(peer.address, &config, &[("own.toml", &file)]).await;
    let id = connected(&app, "own", "c1").await;
    peer.take();

    for (path, target) in [
        ("/a%2Fb?x='1'", "/sandbox/acme.app.example/v1/a%2Fb?x='1'"),
        ("/https://acme.app.example/z", "/sandbox/acme.app.example/z"),
    ] {
        let head = format!(
            "GET /connections/{id}/proxy{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
            app.token("c1")
        );
        let told = ask(([127, 0, 0, 1], app.base.port().unwrap()).into(), head.as_bytes()).await.unwrap();
        assert_eq!(told.status, 200, "{}", told.text());
        assert_eq!(peer.one().target, target);
    }
    let next = app
        .browser()
        .api(Method::GET, &format!("/connections/{id}/proxy/https://evil.app.example/z"), &app.token("c1"))
        .await;
    next.assert_error(StatusCode::BAD_REQUEST, "host_not_allowed");
}

/// A backend calls for any of its customers.
#[tokio::test]
async fn a_backend_calls_through_any_connection_of_its_workspace() {
    let stage = Stage::new("keyed", |_| ok("hello")).await;
    let claims = serde_json::json!({ "iss": "acme", "isAdmin": true, "exp": stage.app.now() + 600 });
    let backend = stage.app.signed(super::SECRET, &claims);

    let told =
        stage.app.browser().api(Method::GET, &format!("/connections/{}/proxy/x", stage.id), &backend).await;

    told.assert_status(StatusCode::OK);
    assert_eq!(stage.peer.one().header("x-api-key"), "sesame");
}

#[tokio::test]
async fn connections_to_an_app_are_used_again() {
    let stage = Stage::new("keyed", |_| ok("hello")).await;

    for _ in 0..50 {
        assert_eq!(stage.get("/x").await.status, 200);
    }

    assert_eq!((stage.peer.take().len(), stage.peer.opened()), (50, 1));
}

/// Acceptance 80: `lastActiveAt`, written together and not per call.
#[tokio::test]
async fn when_a_connection_was_last_used_is_noted_by_the_background() {
    let stage = Stage::new("keyed", |_| ok("hello")).await;
    stage.app.engine.sweep().await.unwrap();
    let before = stage.connection().await["lastActiveAt"].clone();
    stage.app.clock.advance(Duration::from_secs(120));
    let token = stage.app.token("c1");
    let told =
        stage.app.browser().api(Method::GET, &format!("/connections/{}/proxy/x", stage.id), &token).await;
    told.assert_status(StatusCode::OK);

    stage.app.engine.sweep().await.unwrap();
    stage.app.clock.advance(Duration::from_secs(2));

    let after = stage.connection().await["lastActiveAt"].clone();
    assert!(after.is_string() && after != before, "{before} {after}");
}

/// Issue 4: a large body does not stay in memory.
#[tokio::test]
async fn a_quarter_of_a_gibibyte_passes_both_ways_and_memory_stays_flat() {
    const SIZE: u64 = 256 * 1024 * 1024;
    static PEAK: AtomicUsize = AtomicUsize::new(0);
    let stage = Stage::new("keyed", |seen| match seen.method.as_str() {
        "GET" => Say::Flood(format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n").into_bytes(), SIZE),
        _ => ok(seen.length.to_string()),
    })
    .await;
    assert_eq!(stage.send("POST", "/warm", &[], &[7; 1024 * 1024]).await.text(), (1024 * 1024).to_string());
    let before = resident();
    let watch = tokio::spawn(async {
        loop {
            PEAK.fetch_max(resident(), Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });

    let down = drained(&stage, "GET", 0).await;
    let up = drained(&stage, "PUT", SIZE).await;
    watch.abort();

    assert_eq!((down, up), (SIZE, SIZE.to_string().len() as u64));
    assert_eq!(stage.peer.take().last().unwrap().length, SIZE);
    let grown = PEAK.load(Ordering::SeqCst).saturating_sub(before);
    // The peer keeps 16 MiB of what it is sent.
    assert!(grown < 80 * 1024 * 1024, "{} MiB", grown / 1024 / 1024);
}

/// Bytes of memory of this process.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    status.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// Calls with a body of `size` and counts the bytes of the answer's.
async fn drained(stage: &Stage, method: &str, size: u64) -> u64 {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(stage.address()).await.unwrap();
    let head = stage.head(method, "/large", &[("Content-Length", &size.to_string())]);
    stream.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
    let piece = vec![b'y'; 64 * 1024];
    for _ in 0..size / piece.len() as u64 {
        stream.write_all(&piece).await.unwrap();
    }
    let (mut read, mut head) = (0_u64, Vec::new());
    let mut piece = vec![0; 64 * 1024];
    loop {
        let count = stream.read(&mut piece).await.unwrap();
        if count == 0 {
            return read - head.windows(4).position(|four| four == b"\r\n\r\n").unwrap() as u64 - 4;
        }
        if read < 4096 {
            head.extend_from_slice(&piece[..count]);
        }
        read += count as u64;
    }
}
