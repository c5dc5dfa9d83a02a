use http::HeaderValue;

use super::*;

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        headers.append(name, HeaderValue::from_str(value).expect("a value"));
    }
    headers
}

fn names(headers: &HeaderMap) -> Vec<&str> {
    headers.keys().map(HeaderName::as_str).collect()
}

/// Acceptance 77.
#[test]
fn what_belongs_to_the_call_passes() {
    let received = headers(&[
        ("accept", "*/*"),
        ("accept-encoding", "gzip, br"),
        ("content-type", "application/json"),
        ("if-none-match", "\"x\""),
        ("idempotency-key", "k"),
        ("range", "bytes=0-9"),
        ("traceparent", "00-1-2-01"),
        ("user-agent", "me"),
        ("x-custom_thing", "1"),
        ("x-many", "a"),
        ("x-many", "b"),
    ]);

    let passed = forwarded(&received);

    assert_eq!(passed, received);
}

/// RFC 9110 §7.6.1.
#[test]
fn what_connection_names_ends_here_in_every_spelling() {
    let received = headers(&[
        ("connection", "X-Hop, close"),
        ("connection", "other_hop"),
        ("x-hop", "1"),
        ("x_hop", "1"),
        ("other-hop", "1"),
        ("x-stays", "1"),
    ]);

    assert_eq!(names(&forwarded(&received)), ["x-stays"]);
    assert_eq!(names(&returned(&received)), ["x-stays"]);
}

/// Security O6.
#[test]
fn the_callers_surroundings_end_here_in_every_spelling() {
    for name in KEPT_FROM_PROVIDER {
        for spelled in [name.to_owned(), name.to_uppercase(), name.replace('-', "_")] {
            assert_eq!(forwarded(&headers(&[(&spelled, "x")])).len(), 0, "{spelled}");
        }
    }
    for prefix in PREFIXES_KEPT_FROM_PROVIDER {
        for spelled in
            [format!("{prefix}x"), format!("{prefix}X").to_uppercase(), prefix.replace('-', "_") + "x"]
        {
            assert_eq!(forwarded(&headers(&[(&spelled, "x")])).len(), 0, "{spelled}");
        }
    }
}

/// Security O7.
#[test]
fn what_a_provider_says_about_our_address_ends_here() {
    for name in KEPT_FROM_CALLER {
        for spelled in [name.to_owned(), name.to_uppercase(), name.replace('-', "_")] {
            assert_eq!(returned(&headers(&[(&spelled, "x")])).len(), 0, "{spelled}");
        }
    }
    for name in
        ["x-accel-redirect", "x-sendfile", "cloudflare-cdn-cache-control", "access-control-allow-origin"]
    {
        assert_eq!(returned(&headers(&[(name, "x")])).len(), 0, "{name}");
    }
}

#[test]
fn what_an_answer_says_of_itself_passes() {
    let received = headers(&[
        ("content-type", "application/json"),
        ("content-encoding", "gzip"),
        ("content-length", "3"),
        ("etag", "\"x\""),
        ("link", "<https://api.example.com/?page=2>; rel=\"next\""),
        ("location", "https://elsewhere.example/"),
        ("retry-after", "3"),
        ("server-timing", "db;dur=3"),
        ("www-authenticate", "Bearer error=\"invalid_token\""),
        ("x-ratelimit-remaining", "7"),
    ]);

    assert_eq!(returned(&received), received);
}

#[test]
fn the_length_of_a_chunked_answer_is_nobodys_word() {
    let received = headers(&[("content-length", "3"), ("transfer-encoding", "chunked")]);

    assert_eq!(returned(&received).len(), 0);
}

#[test]
fn another_spelling_of_the_credentials_header_is_taken_out() {
    let mut received = headers(&[("x-api-key", "ours"), ("x_api_key", "theirs"), ("x-api_key", "theirs")]);

    drop_spellings(&mut received, &HeaderName::from_static("x-api-key"));

    assert_eq!(received, headers(&[("x-api-key", "ours")]));
}
