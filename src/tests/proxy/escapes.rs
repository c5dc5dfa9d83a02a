//! Security O5: no spelling of a path leaves the app's host or the path it begins with, judged by what the
//! listening peers saw.

use super::{Peer, Stage, ask, peer::ok};

/// Ways to say "upwards", or to look like it.
const STEPS: [&str; 27] = [
    "..",
    ".",
    "%2e%2e",
    "%2E%2E",
    ".%2e",
    "%2e.",
    "%252e%252e",
    "%25252e%25252e",
    "..;",
    "..;a=b",
    "%2e%2e;x",
    "..%3b",
    "..%20",
    "%20..",
    "..%09",
    "..%00",
    "..%0a",
    "..%0d%0a",
    "%c0%ae%c0%ae",
    "%e0%80%ae%e0%80%ae",
    "%f0%80%80%ae.",
    "%ef%bc%8e%ef%bc%8e",
    "%e2%80%a5",
    "%u002e%u002e",
    "...",
    "%2e%2e%2e",
    "..a",
];
/// Ways to say "and then".
const SEPARATORS: [&str; 10] = ["/", "%2f", "%2F", "%252f", "\\", "%5c", "%255C", "//", ";/", "%ef%bc%8f"];

/// Ways to name another host; `EVIL` is one that listens.
const HOSTS: [&str; 56] = [
    "//EVIL/x",
    "///EVIL/x",
    "////EVIL/x",
    "/\\EVIL/x",
    "/\\\\EVIL/x",
    "\\\\EVIL/x",
    "\\EVIL/x",
    "@EVIL/x",
    "/@EVIL/x",
    ":80@EVIL/x",
    "/:80@EVIL/x",
    ".EVIL/x",
    ":EVIL/x",
    "%40EVIL/x",
    "/%2f%2fEVIL/x",
    "/%2f/EVIL/x",
    "/%5cEVIL/x",
    "/%5c%5cEVIL/x",
    "/%252f%252fEVIL/x",
    "/http:EVIL/x",
    "/http:/EVIL/x",
    "/http://EVIL/x",
    "/http:///EVIL/x",
    "/HTTP://EVIL/x",
    "/hTTps://EVIL/x",
    "/https:EVIL",
    "/https:/EVIL/x",
    "/https:\\\\EVIL/x",
    "/http:%2f%2fEVIL/x",
    "/http%3a//EVIL/x",
    "/http%3A%2F%2FEVIL/x",
    "/http://user@EVIL/x",
    "/http://user:word@EVIL/x",
    "/http://GOOD@EVIL/x",
    "/http://GOOD:80@EVIL/x",
    "/http://EVIL#GOOD/x",
    "/http://EVIL%23GOOD/x",
    "/http://EVIL%2f@GOOD/x",
    "/http://EVIL\\@GOOD/x",
    "/http://GOOD.EVIL/x",
    "/http://GOOD%00.EVIL/x",
    "/http://GOOD%0d%0aHost:%20EVIL/x",
    "/ftp://EVIL/x",
    "/gopher://EVIL/x",
    "/file:///etc/passwd",
    "/javascript:alert(1)",
    "/data:text/html,x",
    "/ws://EVIL/x",
    "/http://localhost/x",
    "/http://[::1]/x",
    "/http://127.1/x",
    "/http://2130706433/x",
    "/http://0x7f000001/x",
    "/http://0177.0.0.1/x",
    "/http://169.254.169.254/latest/meta-data",
    "/http://\u{ff11}27.0.0.1/x",
];

/// The base path of each connector, as it stands on the wire.
const BASES: [(&str, &str); 4] =
    [("keyed", "/v1"), ("rooted", ""), ("slashed", "/a/b%2Fc"), ("tenant", "/t/acme/v2")];

fn payloads(good: &str, evil: &str) -> Vec<String> {
    let mut payloads = Vec::new();
    for step in STEPS {
        for separator in SEPARATORS {
            payloads.push(format!("/{step}{separator}admin"));
            payloads.push(format!("/x{separator}{step}{separator}{step}{separator}{step}{separator}admin"));
        }
        payloads.push(format!("/{step}"));
        payloads.push(format!("/x/{step}"));
        payloads.push(step.to_owned());
    }
    payloads.extend(HOSTS.iter().map(|host| host.replace("GOOD", good).replace("EVIL", evil)));
    payloads
}

#[tokio::test]
async fn no_spelling_of_a_path_leaves_the_host_or_the_base() {
    let evil = Peer::new(|_| ok("evil")).await;
    let mut counted = Vec::new();
    for (key, base) in BASES {
        let stage = Stage::new(key, |_| ok("good")).await;
        let (good, host) = (stage.peer.address.to_string(), stage.peer.address.to_string());
        let (mut passed, mut refused) = (0, 0);
        for payload in payloads(&good, &evil.address.to_string()) {
            let bytes = format!("{}\r\n", stage.head("GET", &payload, &[]));
            let told = ask(stage.address(), bytes.as_bytes()).await.unwrap_or_else(|| panic!("{payload}"));
            let seen = stage.peer.take();
            match told.status {
                200 => {
                    assert_eq!(seen.len(), 1, "{payload}");
                    assert_eq!(seen[0].header("host"), host, "{payload}");
                    assert_inside(base, seen[0].path(), &payload);
                    passed += 1;
                }
                // What is no HTTP is refused before we see it, and what is no such route after.
                400 | 401 | 404 => {
                    assert_eq!(seen.len(), 0, "{payload}");
                    refused += 1;
                }
                status => panic!("{payload}: {status} {}", told.text()),
            }
        }
        counted.push((passed, refused));
    }
    assert_eq!(evil.take().len(), 0);
    // Each connector is tried with everything, and what may pass is the same for all.
    assert_eq!(counted, [(67, 610); 4]);
}

/// However often and by whatever rules a server reads the path, it stays behind the base.
#[track_caller]
fn assert_inside(base: &str, path: &str, payload: &str) {
    assert!(path.starts_with(base), "{payload}: {path}");
    let mut read = path[base.len()..].to_owned();
    for _ in 0..5 {
        let (mut depth, mut lowest) = (0_i32, 0_i32);
        for segment in read.replace('\\', "/").split('/') {
            match segment
                .split(';')
                .next()
                .unwrap()
                .trim_matches(|c: char| c.is_whitespace() || c.is_control())
            {
                ".." => depth -= 1,
                "." | "" => {}
                _ => depth += 1,
            }
            lowest = lowest.min(depth);
        }
        assert_eq!(lowest, 0, "{payload}: {path} read as {read}");
        read = percent_decoded(&read);
    }
}

fn percent_decoded(text: &str) -> String {
    let pairs = text.replace('+', "%2B");
    let form = format!("x={}", pairs.replace('&', "%26"));
    url::form_urlencoded::parse(form.as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

/// Slashes and everything else that is encoded stay so.
#[tokio::test]
async fn an_honest_path_arrives_as_it_left() {
    for (key, base) in BASES {
        let stage = Stage::new(key, |_| ok("")).await;
        for path in [
            "/a",
            "/a/",
            "/a//b",
            "/a%2Fb",
            "/a%2fb%2Fc",
            "/%E4%BD%A0",
            "/%e4",
            "/a+b",
            "/a%20b",
            "/a:b@c",
            "/~x",
            "/a;b=c;d",
            "/a=b&c",
            "/$batch",
            "/x('1')",
            "/a,b*c!",
            "/v1.2/x.json",
            "/.well-known/x",
            "/a..b",
            "/100%25",
            "/[1]",
            "/x|y",
        ] {
            let told = stage.get(path).await;
            assert_eq!(told.status, 200, "{path}: {}", told.text());
            assert_eq!(stage.peer.one().target, format!("{base}{path}"));
        }
    }
}

/// What no path may hold is sent encoded, as every client does.
#[tokio::test]
async fn a_character_that_needs_encoding_is_encoded() {
    let stage = Stage::new("keyed", |_| ok("")).await;

    for (path, target) in [("/\"x\"", "/v1/%22x%22"), ("/{id}", "/v1/%7Bid%7D"), ("/`", "/v1/%60")] {
        let told = stage.get(path).await;
        match told.status {
            200 => assert_eq!(stage.peer.one().target, target),
            status => assert_eq!((status, stage.peer.take().len()), (400, 0)),
        }
    }
}
