//! Security O6, O7: which headers go there and come back.

use super::{
    Stage,
    peer::{Say, ok},
};

/// What the caller's request has and the app never sees. Those of framing are in `smuggling.rs`.
const ENDING: [&str; 46] = [
    "Authorization",
    "Cookie",
    "Cookie2",
    "Proxy-Authorization",
    "Proxy-Connection",
    "Proxy-Authenticate",
    "Keep-Alive",
    "TE",
    "Trailer",
    "Upgrade",
    "HTTP2-Settings",
    "Expect-Not",
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Port",
    "X-Forwarded-Server",
    "X-Forwarded-Prefix",
    "X-Forwarded",
    "X-Original-Forwarded-For",
    "X-Real-IP",
    "X-Request-ID",
    "CDN-Loop",
    "CF-Connecting-IP",
    "CF-Ray",
    "CF-IPCountry",
    "CF-Visitor",
    "CF-Worker",
    "X-Amzn-Trace-Id",
    "Via",
    "True-Client-IP",
    "Client-IP",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "Origin",
    "Referer",
    "Sec-Fetch-Mode",
    "Sec-CH-UA",
    "Sec-WebSocket-Key",
    "membrane-api-version",
    "X-Original-URL",
    "X-Rewrite-URL",
    "Hitchpost-Error",
    "Max-Forwards",
    "Access-Control-Request-Method",
];

/// Acceptance 77.
#[tokio::test]
async fn the_callers_surroundings_never_reach_the_app_in_any_spelling() {
    let stage = Stage::new("keyed", |_| ok("")).await;
    let mut tried = 0;

    for name in ENDING.iter().filter(|name| **name != "Expect-Not") {
        for spelled in [(*name).to_owned(), name.to_ascii_uppercase(), name.replace('-', "_")] {
            let told = stage.send("GET", "/x", &[(&spelled, "canary-value"), ("X-Stays", "1")], b"").await;
            if told.status == 401 {
                // Two credentials of the caller's own are none.
                assert_eq!(
                    (spelled.to_ascii_lowercase().as_str(), stage.peer.take().len()),
                    ("authorization", 0)
                );
            } else {
                let seen = stage.peer.one();
                let names: Vec<_> = seen.headers.iter().map(|(name, _)| name.as_str()).collect();
                let mut sorted = names.clone();
                sorted.sort_unstable();
                assert_eq!(sorted, ["host", "user-agent", "x-api-key", "x-stays"], "{spelled}");
                assert!(!format!("{seen:?}").contains("canary-value"), "{spelled}");
            }
            tried += 1;
        }
    }

    assert_eq!(tried, 45 * 3);
}

#[tokio::test]
async fn what_connection_names_ends_here() {
    let stage = Stage::new("keyed", |_| ok("")).await;
    let head = stage.head("GET", "/x", &[("X-Hop", "1"), ("x_second", "1"), ("X-Stays", "1")]);
    let head = head.replace("Connection: close", "Connection: close, x-hop, X-Second, x-api-key");

    super::ask(stage.address(), format!("{head}\r\n").as_bytes()).await.unwrap();

    let seen = stage.peer.one();
    assert_eq!(
        (seen.header("x-hop"), seen.header("x_second"), seen.header("x-stays")),
        ("".into(), "".into(), "1".into())
    );
    assert_eq!((seen.header("connection").as_str(), seen.header("x-api-key").as_str()), ("", "sesame"));
}

#[tokio::test]
async fn a_callers_own_headers_arrive_each_with_all_its_values() {
    let stage = Stage::new("keyed", |_| ok("")).await;
    let headers = [
        ("User-Agent", "Acme/1.0"),
        ("Accept", "text/csv"),
        ("If-None-Match", "\"x\""),
        ("Range", "bytes=0-9"),
        ("Idempotency-Key", "k1"),
        ("X-Many", "a"),
        ("X-Many", "b"),
        ("x_own_name", "u"),
        ("Prefer", "x=\"é\""),
        ("Content-Type", "application/json; charset=utf-8"),
        ("traceparent", "00-1-2-01"),
    ];

    stage.send("POST", "/x", &headers, b"{}").await;

    let seen = stage.peer.one();
    for (name, value) in headers.iter().filter(|(name, _)| *name != "X-Many") {
        assert_eq!(seen.header(name), *value, "{name}");
    }
    assert_eq!(seen.header("x-many"), "a,b");
    stage.get("/x").await;
    assert!(stage.peer.one().header("user-agent").starts_with("hitchpost/"));
}

/// Our credential wins in every spelling.
#[tokio::test]
async fn the_credential_is_ours_and_fixed_text_is_a_default() {
    let stage = Stage::new("keyed", |_| ok("")).await;
    stage
        .send("GET", "/x", &[("X-Api-Key", "theirs"), ("X_Api_Key", "theirs"), ("x-api_key", "theirs")], b"")
        .await;
    let seen = stage.peer.one();
    assert_eq!(seen.headers.iter().filter(|(name, _)| name.contains("key")).count(), 1);
    assert_eq!(seen.header("x-api-key"), "sesame");

    let stage = Stage::new("versioned", |_| ok("")).await;
    stage.get("/x").await;
    let seen = stage.peer.one();
    assert_eq!(
        (seen.header("accept").as_str(), seen.header("x-version").as_str()),
        ("application/json", "7")
    );
    stage.send("GET", "/x", &[("Accept", "text/csv"), ("X-Version", "8")], b"").await;
    let seen = stage.peer.one();
    assert_eq!((seen.header("accept").as_str(), seen.header("x-version").as_str()), ("text/csv", "8"));
}

#[tokio::test]
async fn a_credential_of_the_query_takes_the_place_of_the_callers_own() {
    let stage = Stage::new("queried", |_| ok("")).await;

    for (query, target) in [
        ("", "/v1/x?token=sesame"),
        ("?a='1'&b=%2F", "/v1/x?a='1'&b=%2F&token=sesame"),
        ("?token=theirs&a=1&t%6fken=theirs&token", "/v1/x?a=1&token=sesame"),
        ("?Token=x", "/v1/x?Token=x&token=sesame"),
    ] {
        stage.get(&format!("/x{query}")).await;
        assert_eq!(stage.peer.one().target, target);
    }
}

/// RFC 5849 §3.4.1.3: query and form are signed; a judge of its own computes the same signature.
#[tokio::test]
async fn a_signed_call_covers_query_and_form() {
    let stage = Stage::new("signed", |_| ok("")).await;
    let form = ("Content-Type", "application/x-www-form-urlencoded");

    let told = stage.send("POST", "/x?a=1&b='%20", &[form], b"c=2&d=%C3%A4+x").await;
    assert_eq!(told.status, 200, "{}", told.text());
    let signed = stage.peer.one();
    stage.send("POST", "/x", &[("Content-Type", "application/json")], b"{\"c\":2}").await;
    let json = stage.peer.one();

    assert_eq!(
        (signed.body.as_slice(), signed.target.as_str()),
        (&b"c=2&d=%C3%A4+x"[..], "/v1/x?a=1&b='%20")
    );
    let base = format!("http://{}/v1/x", stage.peer.address);
    let params = [("a", "1"), ("b", "' "), ("c", "2"), ("d", "ä x")];
    assert_eq!(
        judged(&base, &signed.header("authorization"), &params),
        signature(&signed.header("authorization"))
    );
    assert_eq!(judged(&base, &json.header("authorization"), &[]), signature(&json.header("authorization")));
}

#[tokio::test]
async fn a_form_too_large_to_sign_is_refused() {
    let stage = Stage::new("signed", |_| ok("")).await;
    let form = ("Content-Type", "application/x-www-form-urlencoded");

    let large = stage.send("POST", "/x", &[form], &vec![b'a'; 65_537]).await;
    let other = stage.send("POST", "/x", &[("Content-Type", "text/plain")], &vec![b'a'; 65_537]).await;

    assert_eq!((large.status, large.refusal().as_str()), (413, "payload_too_large"));
    assert_eq!((other.status, stage.peer.one().body.len()), (200, 65_537));
}

fn parts(header: &str) -> Vec<(String, String)> {
    let parts = header.strip_prefix("OAuth ").unwrap().split(", ");
    let decode = |text: &str| {
        let form = format!("x={}", text.replace('+', "%2B"));
        url::form_urlencoded::parse(form.as_bytes()).next().unwrap().1.into_owned()
    };
    parts
        .map(|part| part.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), decode(value.trim_matches('"'))))
        .collect()
}

fn signature(header: &str) -> String {
    parts(header).into_iter().find(|(name, _)| name == "oauth_signature").unwrap().1
}

/// The signature by the letters of RFC 5849.
fn judged(base: &str, header: &str, params: &[(&str, &str)]) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let encode = |text: &str| {
        let byte = |byte: u8| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        };
        text.bytes().map(byte).collect::<String>()
    };
    let protocol = parts(header).into_iter().filter(|(name, _)| name != "oauth_signature" && name != "realm");
    let own = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let mut all: Vec<_> = protocol.chain(own).map(|(name, value)| (encode(&name), encode(&value))).collect();
    all.sort();
    let normalized = all.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
    let text = format!("POST&{}&{}", encode(base), encode(&normalized));
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"client-secret&sesame");
    STANDARD.encode(aws_lc_rs::hmac::sign(&key, text.as_bytes()))
}

/// Security O7.
#[tokio::test]
async fn a_hostile_answer_says_nothing_about_our_address() {
    const HOSTILE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/html\r\n\
        Set-Cookie: __Host-hitchpost=evil; Path=/\r\nSet-Cookie: b=2\r\nSet-Cookie2: c\r\n\
        Content-Security-Policy: script-src *\r\nContent-Security-Policy-Report-Only: x\r\n\
        Access-Control-Allow-Origin: https://evil.example\r\nAccess-Control-Allow-Credentials: true\r\n\
        Clear-Site-Data: \"*\"\r\nStrict-Transport-Security: max-age=0\r\nPublic-Key-Pins: x\r\n\
        Alt-Svc: h3=\"evil.example:443\"\r\nReport-To: {}\r\nNEL: {}\r\nReporting-Endpoints: x=\"https://evil.example\"\r\n\
        Service-Worker-Allowed: /\r\nRefresh: 0;url=https://evil.example/\r\nX-Accel-Redirect: /etc/passwd\r\n\
        X-Sendfile: /etc/passwd\r\nSurrogate-Control: max-age=9\r\nCDN-Cache-Control: public\r\n\
        Cache-Control: public, max-age=31536000\r\nExpires: Thu, 01 Jan 2099 00:00:00 GMT\r\nPragma: x\r\n\
        Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\n\
        Hitchpost-Error: forged\r\nServer-Timing: db;dur=1\r\nX-Kept: 1\r\nETag: \"x\"\r\n\r\nok";
    let stage = Stage::new("keyed", |_| Say::Raw(HOSTILE.as_bytes().to_vec())).await;

    let told = stage.send("GET", "/x", &[("Origin", "https://app.acme.com")], b"").await;

    assert_eq!((told.status, told.text().as_str()), (200, "ok"));
    for gone in [
        "set-cookie",
        "set-cookie2",
        "content-security-policy-report-only",
        "access-control-allow-credentials",
        "clear-site-data",
        "strict-transport-security",
        "public-key-pins",
        "alt-svc",
        "report-to",
        "nel",
        "reporting-endpoints",
        "service-worker-allowed",
        "refresh",
        "x-accel-redirect",
        "x-sendfile",
        "surrogate-control",
        "cdn-cache-control",
        "expires",
        "pragma",
        "x-hop",
        "keep-alive",
        "proxy-authenticate",
        "hitchpost-error",
    ] {
        assert_eq!(told.header(gone), "", "{gone}");
    }
    for (name, value) in [
        ("content-security-policy", "sandbox"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
        ("access-control-allow-origin", "*"),
        ("content-type", "text/html"),
        ("server-timing", "db;dur=1"),
        ("x-kept", "1"),
        ("etag", "\"x\""),
    ] {
        assert_eq!(told.header(name), value, "{name}");
    }
    assert_eq!(told.header("content-disposition"), "");
}
