//! Acceptance 78, security F5, F7: what an answer means for the credentials, and for the call.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{
    Stage, ask,
    peer::{Say, Seen, ok, say},
};

/// Gives a new token each time: t1, t2 …
fn tokens(given: &AtomicUsize) -> Say {
    let number = given.fetch_add(1, Ordering::SeqCst) + 1;
    ok(format!("{{\"access_token\":\"t{number}\",\"token_type\":\"Bearer\",\"expires_in\":3600}}"))
}

/// An API that takes the token with this number and those after it.
fn api(needed: usize, refusal: fn() -> Say) -> (Arc<AtomicUsize>, impl Fn(&Seen) -> Say + Send + Sync) {
    let given = Arc::new(AtomicUsize::new(0));
    let counted = given.clone();
    let answer = move |seen: &Seen| {
        if seen.path() == "/token" {
            return tokens(&counted);
        }
        let number =
            seen.header("authorization").strip_prefix("Bearer t").and_then(|number| number.parse().ok());
        if number.is_some_and(|number: usize| number >= needed) { ok(&seen.body) } else { refusal() }
    };
    (given, answer)
}

fn expired() -> Say {
    say("401 Unauthorized", &[("WWW-Authenticate", "Bearer error=\"invalid_token\"")], "expired")
}

fn calls(stage: &Stage) -> Vec<Seen> {
    stage.peer.take().into_iter().filter(|seen| seen.path() != "/token").collect()
}

/// Acceptance 78.
#[tokio::test]
async fn a_rejected_token_is_renewed_once_and_the_call_made_once_more() {
    let (given, answer) = api(2, expired);
    let stage = Stage::with_tokens("", answer).await;
    let body = vec![b'x'; 65_536];

    let told = stage.send("POST", "/things?q='1'", &[("Content-Type", "text/plain")], &body).await;

    assert_eq!((told.status, told.body.len()), (200, 65_536));
    let seen = calls(&stage);
    assert_eq!(
        seen.iter().map(|seen| seen.header("authorization")).collect::<Vec<_>>(),
        ["Bearer t1", "Bearer t2"]
    );
    assert!(seen.iter().all(|seen| seen.body == body && seen.target == "/v1/things?q='1'"));
    assert_eq!(given.load(Ordering::SeqCst), 2);
}

/// Acceptance 78: a body without a length is kept while it passes.
#[tokio::test]
async fn a_small_chunked_body_is_sent_again_and_a_large_one_is_not() {
    for (size, status, count) in [(1000, 200, 2), (65_536, 200, 2), (65_537, 401, 1), (300_000, 401, 1)] {
        let (_, answer) = api(2, expired);
        let stage = Stage::with_tokens("", answer).await;
        let mut bytes = stage.head("POST", "/x", &[("Transfer-Encoding", "chunked")]).into_bytes();
        bytes.extend_from_slice(format!("\r\n{size:x}\r\n").as_bytes());
        bytes.extend(vec![b'x'; size]);
        bytes.extend_from_slice(b"\r\n0\r\n\r\n");

        let told = ask(stage.address(), &bytes).await.unwrap();

        let seen = calls(&stage);
        assert_eq!((told.status, seen.len()), (status, count), "{size}");
        assert!(seen.iter().all(|seen| seen.body.len() == size), "{size}");
    }
    let (given, answer) = api(2, expired);
    let stage = Stage::with_tokens("", answer).await;
    let told = stage.send("POST", "/x", &[], &vec![b'x'; 65_537]).await;
    assert_eq!((told.status, told.text().as_str(), given.load(Ordering::SeqCst)), (401, "expired", 1));
}

/// Acceptance 78: the second answer is the answer, whatever it is. Security F5: and then there is peace.
#[tokio::test]
async fn a_token_that_is_never_taken_is_renewed_once_and_the_answer_handed_on() {
    let (given, answer) = api(usize::MAX, expired);
    let stage = Stage::with_tokens("", answer).await;

    let told: Vec<_> = {
        let mut told = Vec::new();
        for _ in 0..10 {
            told.push(stage.get("/x").await);
        }
        told
    };

    for told in told {
        assert_eq!((told.status, told.text().as_str(), told.refusal().as_str()), (401, "expired", ""));
        assert_eq!(told.header("www-authenticate"), "Bearer error=\"invalid_token\"");
    }
    assert_eq!(given.load(Ordering::SeqCst), 2);
    assert_eq!(calls(&stage).len(), 11);
    assert_eq!(stage.connection().await["disconnected"], false);
}

/// Acceptance 78: a renewal that the provider refuses ends the connection, and says so.
#[tokio::test]
async fn a_refused_renewal_disconnects_with_a_documented_error() {
    let given = AtomicUsize::new(0);
    let stage = Stage::with_tokens("", move |seen| match seen.path() {
        "/token" if given.load(Ordering::SeqCst) == 0 => tokens(&given),
        "/token" => say("400 Bad Request", &[], "{\"error\":\"invalid_grant\"}"),
        _ => expired(),
    })
    .await;

    let first = stage.get("/x").await;
    let second = stage.get("/x").await;

    for told in [first, second] {
        let body: Value = serde_json::from_slice(&told.body).unwrap();
        assert_eq!(
            (&body["type"], &body["key"]),
            (&"connection".into(), &"connection_is_defunct".into()),
            "{body}"
        );
        assert!((400..500).contains(&told.status), "{}", told.status);
        assert!(!told.header("hitchpost-error").is_empty());
    }
    assert_eq!(stage.connection().await["disconnected"], true);
    assert_eq!(calls(&stage).len(), 1);
}

/// A renewal that fails for a passing reason disconnects nobody, and the 401 is the truth.
#[tokio::test]
async fn trouble_at_the_token_endpoint_hands_the_refusal_on() {
    let given = AtomicUsize::new(0);
    let stage = Stage::with_tokens("", move |seen| match seen.path() {
        "/token" if given.load(Ordering::SeqCst) == 0 => tokens(&given),
        "/token" => say("503 Service Unavailable", &[], ""),
        _ => expired(),
    })
    .await;

    let told = stage.get("/x").await;

    assert_eq!((told.status, told.text().as_str()), (401, "expired"));
    assert_eq!(stage.connection().await["disconnected"], false);
}

/// RFC 6750 §3.1.
#[tokio::test]
async fn a_token_that_may_too_little_is_not_renewed() {
    for status in ["403 Forbidden", "401 Unauthorized"] {
        let given = Arc::new(AtomicUsize::new(0));
        let counted = given.clone();
        let stage = Stage::with_tokens("expired = { status = [401, 403] }", move |seen| match seen.path() {
            "/token" => tokens(&counted),
            _ => {
                say(status, &[("WWW-Authenticate", "Bearer error=\"insufficient_scope\", scope=\"x\"")], "no")
            }
        })
        .await;

        let told = stage.get("/x").await;

        assert_eq!((told.text().as_str(), given.load(Ordering::SeqCst)), ("no", 1), "{status}");
    }
}

/// A connector says which answers mean that the token ran out.
#[tokio::test]
async fn an_expiry_that_hides_in_another_answer_is_found() {
    for (rule, refusal, renewals) in [
        ("expired = { status = [419] }", (|| say("419 Odd", &[], "x")) as fn() -> Say, 1),
        ("expired = { status = [403] }", || say("403 Forbidden", &[], "x"), 1),
        ("", || say("403 Forbidden", &[], "x"), 0),
        (
            "expired = { status = [400], field = \"error.code\", equals = 190 }",
            || say("400 Bad Request", &[], "{\"error\":{\"code\":190}}"),
            1,
        ),
        (
            "expired = { status = [400], field = \"error.code\", equals = 190 }",
            || say("400 Bad Request", &[], "{\"error\":{\"code\":100}}"),
            0,
        ),
        ("expired = { status = [200], field = \"ok\", equals = false }", || ok("{\"ok\":false}"), 1),
    ] {
        let (given, answer) = api(2, refusal);
        let stage = Stage::with_tokens(rule, answer).await;

        let told = stage.send("POST", "/x", &[], b"body").await;

        assert_eq!(given.load(Ordering::SeqCst), 1 + renewals, "{rule}");
        if renewals == 1 {
            assert_eq!(told.text(), "body", "{rule}");
        } else {
            assert_ne!((told.status, told.body.len()), (200, 4), "{rule}");
        }
    }
}

/// An answer that was looked into is handed on whole, however large.
#[tokio::test]
async fn an_answer_that_was_looked_into_is_whole() {
    for size in [10, 65_535, 65_536, 65_537, 1_000_000] {
        let (_, answer) = api(1, expired);
        let stage = Stage::with_tokens("expired = { status = [200], field = \"x\" }", answer).await;

        let told = stage.send("POST", "/x", &[], &vec![b'y'; size]).await;

        assert!(told.body == vec![b'y'; size], "{size} {}", told.body.len());
    }
}

/// An API that is busy for its first `busy` calls.
fn busy_at_first(
    busy: usize,
    says: &'static str,
    status: &'static str,
) -> impl Fn(&Seen) -> Say + Send + Sync {
    let count = AtomicUsize::new(0);
    move |_: &Seen| match count.fetch_add(1, Ordering::SeqCst) {
        at if at < busy => say(status, &[("Retry-After", says)], "busy"),
        _ => ok("done"),
    }
}

/// Security F7.
#[tokio::test]
async fn a_busy_app_is_waited_for_as_long_as_the_caller_says() {
    let wait = ("Hitchpost-Max-Wait", "5");
    for (status, method, headers, expected, count) in [
        ("429 Too Many Requests", "GET", vec![wait], 200, 2),
        ("503 Service Unavailable", "DELETE", vec![wait], 200, 2),
        ("429 Too Many Requests", "PUT", vec![wait], 200, 2),
        ("429 Too Many Requests", "POST", vec![wait], 429, 1),
        ("429 Too Many Requests", "POST", vec![wait, ("Idempotency-Key", "k")], 200, 2),
        ("429 Too Many Requests", "GET", vec![], 429, 1),
        ("429 Too Many Requests", "GET", vec![("Hitchpost-Max-Wait", "0")], 429, 1),
        ("502 Bad Gateway", "GET", vec![wait], 502, 1),
    ] {
        let stage = Stage::new("keyed", busy_at_first(1, "1", status)).await;
        let body: &[u8] = if matches!(method, "POST" | "PUT") { b"body" } else { b"" };
        let began = Instant::now();

        let told = stage.send(method, "/x", &headers, body).await;

        let seen = stage.peer.take();
        assert_eq!((told.status, seen.len()), (expected, count), "{method} {headers:?}");
        assert!(seen.iter().all(|seen| seen.body == body && seen.header("hitchpost-max-wait").is_empty()));
        assert_eq!(began.elapsed() >= Duration::from_secs(1), count == 2, "{:?}", began.elapsed());
        if told.status == 429 {
            assert_eq!((told.text().as_str(), told.header("retry-after").as_str()), ("busy", "1"));
        }
    }
}

#[tokio::test]
async fn an_app_that_stays_busy_is_asked_three_times() {
    let stage = Stage::new("keyed", busy_at_first(9, "0", "429 Too Many Requests")).await;

    let told = stage.send("GET", "/x", &[("Hitchpost-Max-Wait", "60")], b"").await;

    assert_eq!((told.status, stage.peer.take().len()), (429, 3));
}

#[tokio::test]
async fn a_wait_that_is_longer_than_the_callers_or_absurd_is_handed_on() {
    for says in ["3", "999999999999", "-1", "soon", "Thu, 01 Jan 2099 00:00:00 GMT", ""] {
        let stage = Stage::new("keyed", busy_at_first(1, says, "429 Too Many Requests")).await;
        let began = Instant::now();

        let told = stage.send("GET", "/x", &[("Hitchpost-Max-Wait", "2")], b"").await;

        assert_eq!((told.status, stage.peer.take().len()), (429, 1), "{says}");
        assert!(began.elapsed() < Duration::from_secs(2), "{says}");
    }
    let stage =
        Stage::new("keyed", busy_at_first(1, "Thu, 01 Jan 1998 00:00:00 GMT", "429 Too Many Requests")).await;
    assert_eq!(stage.send("GET", "/x", &[("Hitchpost-Max-Wait", "2")], b"").await.status, 200);
}

#[tokio::test]
async fn a_wait_that_is_no_number_of_seconds_is_refused_by_name() {
    let stage = Stage::new("keyed", |_| ok("")).await;

    for text in ["61", "-1", "1.5", "x", ""] {
        let told = stage.send("GET", "/x", &[("Hitchpost-Max-Wait", text)], b"").await;
        assert_eq!((told.status, told.refusal().as_str()), (400, "invalid_max_wait"), "{text}");
    }
    assert_eq!(stage.peer.take().len(), 0);
}

/// RFC 5849 §3.3: a signature that is refused for its time is made again by the provider's clock.
#[tokio::test]
async fn a_signed_call_learns_the_providers_clock() {
    let stage = Stage::new("signed", |seen| {
        let header = seen.header("authorization");
        let stamp = header.split("oauth_timestamp=\"").nth(1).unwrap().split('"').next().unwrap();
        // The provider lives in 2040.
        let is_now = stamp.parse::<i64>().unwrap() > 2_208_988_000;
        if is_now {
            ok("hello")
        } else {
            say("401 Unauthorized", &[("Date", "Sun, 01 Jan 2040 00:00:00 GMT")], "late")
        }
    })
    .await;

    let told = stage.send("POST", "/x", &[], b"body").await;
    let again = stage.send("POST", "/x", &[], b"body").await;

    assert_eq!((told.text().as_str(), again.text().as_str()), ("hello", "hello"));
    assert_eq!(stage.peer.take().iter().map(|seen| seen.body.len()).collect::<Vec<_>>(), [4, 4, 4]);
}
