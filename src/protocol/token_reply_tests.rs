use http::HeaderValue;
use serde_json::json;

use super::*;
use crate::{
    catalog::connector::ErrorField,
    protocol::samples::{map, request},
};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn post() -> Request {
    request("https://api.example.com/token")
}

fn reply(status: u16, body: &str) -> Reply {
    Reply::new(StatusCode::from_u16(status).expect("a status"), body)
}

/// A verdict in one line, so that a table can hold it.
fn verdict(request: &Request, reply: &Reply) -> String {
    match token_reply(request, reply, NOW) {
        Ok(tokens) => {
            let refresh = tokens.refresh_token.as_ref().map_or("-", |token| token.expose());
            let life = tokens.expires_at.map_or("-".to_owned(), |at| at.since(NOW).as_secs().to_string());
            let scopes = tokens.scopes.map_or("-".to_owned(), |scopes| scopes.join("+"));
            format!("ok {} {refresh} {life} {scopes} {}", tokens.access_token.expose(), tokens.token_type)
        }
        Err(TokenRefusal::Refused { code, description, client_fault }) => {
            let words = description.map_or("-".to_owned(), Description::into_string);
            format!("refused {code}{} {words}", if client_fault { " (client)" } else { "" })
        }
        Err(TokenRefusal::Transient { status, retry_after }) => {
            format!(
                "transient {status} {}",
                retry_after.map_or("-".to_owned(), |wait| wait.as_secs().to_string())
            )
        }
        Err(TokenRefusal::Unreadable(why)) => format!("unreadable {why}"),
    }
}

fn judge(status: u16, body: &str) -> String {
    verdict(&post(), &reply(status, body))
}

#[test]
fn every_odd_reply_gets_its_verdict() {
    let long = "a".repeat(400);
    let long_words = format!("refused invalid_grant {}", "a".repeat(300));
    let deep = format!(r#"{{"access_token":"A","x":{}{}}}"#, "[".repeat(32), "]".repeat(32));
    let abyss = format!(r#"{{"access_token":"A","x":{}"#, "[".repeat(100_000));
    let huge = format!(r#"{{"access_token":"A","x":"{}"}}"#, "x".repeat(300 * 1024));
    let table: &[(u16, &str, &str)] = &[
        // What the RFCs say.
        (
            200,
            r#"{"access_token":"A","token_type":"Bearer","expires_in":3600,"refresh_token":"R","scope":"a b"}"#,
            "ok A R 3600 a+b bearer",
        ),
        (
            200,
            r#"{"access_token":"A","token_type":"example","expires_in":3600}"#,
            "unreadable a token type that is not bearer",
        ),
        (
            400,
            r#"{"error":"invalid_grant","error_description":"Token has been revoked."}"#,
            "refused invalid_grant Token has been revoked.",
        ),
        (401, r#"{"error":"invalid_client"}"#, "refused invalid_client (client) -"),
        (400, r#"{"error":"unauthorized_client"}"#, "refused unauthorized_client (client) -"),
        (400, r#"{"error":"invalid_scope","error_uri":"https://x.example"}"#, "refused invalid_scope -"),
        // Missing, empty, odd types.
        (200, r#"{"access_token":"A"}"#, "ok A - - - bearer"),
        (201, r#"{"access_token":"A","token_type":"bearer"}"#, "ok A - - - bearer"),
        (
            200,
            r#"{"access_token":"A","token_type":null,"refresh_token":null,"expires_in":null,"scope":null}"#,
            "ok A - - - bearer",
        ),
        (200, r#"{"access_token":"A","token_type":"","refresh_token":"","scope":""}"#, "ok A - - - bearer"),
        (200, r#"{"access_token":"A","token_type":"BEARER"}"#, "ok A - - - bearer"),
        (200, r#"{"access_token":"A","token_type":"BearerToken"}"#, "ok A - - - bearertoken"),
        (200, r#"{"access_token":"A","token_type":"bot"}"#, "ok A - - - bot"),
        (200, r#"{"access_token":"A","token_type":"mac"}"#, "unreadable a token type that is not bearer"),
        (200, r#"{"access_token":"A","token_type":"DPoP"}"#, "unreadable a token type that is not bearer"),
        (200, r#"{"access_token":"A","token_type":7}"#, "unreadable a token type that is not a text"),
        // Life.
        (200, r#"{"access_token":"A","expires_in":"3600"}"#, "ok A - 3600 - bearer"),
        (200, r#"{"access_token":"A","expires_in":" 3600 "}"#, "ok A - 3600 - bearer"),
        (200, r#"{"access_token":"A","expires_in":3600.9}"#, "ok A - 3600 - bearer"),
        (200, r#"{"access_token":"A","expires_in":"3.6e3"}"#, "ok A - 3600 - bearer"),
        (200, r#"{"access_token":"A","expires_in":0}"#, "ok A - 0 - bearer"),
        (200, r#"{"access_token":"A","expires_in":-5}"#, "ok A - 0 - bearer"),
        (200, r#"{"access_token":"A","expires_in":1000000000000000000}"#, "ok A - 315360000 - bearer"),
        (200, r#"{"access_token":"A","expires_in":1e300}"#, "ok A - 315360000 - bearer"),
        (200, r#"{"access_token":"A","expires_in":"NaN"}"#, "ok A - - - bearer"),
        (200, r#"{"access_token":"A","expires_in":"inf"}"#, "ok A - - - bearer"),
        (200, r#"{"access_token":"A","expires_in":"never"}"#, "ok A - - - bearer"),
        (200, r#"{"access_token":"A","expires_in":[1]}"#, "ok A - - - bearer"),
        (200, r#"{"access_token":"A","expires_in":1e400}"#, "unreadable broken JSON"),
        // Scopes.
        (200, r#"{"access_token":"A","scope":"a,b"}"#, "ok A - - a+b bearer"),
        (200, r#"{"access_token":"A","scope":"a, b  c"}"#, "ok A - - a+b+c bearer"),
        (200, r#"{"access_token":"A","scope":["a","b c",7]}"#, "ok A - - a+b+c bearer"),
        (200, r#"{"access_token":"A","scope":[]}"#, "ok A - - - bearer"),
        (200, r#"{"access_token":"A","scope":{"a":1}}"#, "ok A - - - bearer"),
        // Wrapping.
        (200, "\u{feff}{\"access_token\":\"A\"}", "ok A - - - bearer"),
        (200, " \r\n{\"access_token\":\"A\"}\n", "ok A - - - bearer"),
        (200, r#"{"access_token":"A","access_token":"B"}"#, "ok B - - - bearer"),
        (200, "access_token=A&token_type=bearer&scope=a%2Cb&expires_in=60", "ok A - 60 a+b bearer"),
        (200, "access_token=A%2Bb&refresh_token=", "ok A+b - - - bearer"),
        (
            400,
            "error=bad_verification_code&error_description=The+code+expired",
            "refused bad_verification_code The code expired",
        ),
        (200, "", "unreadable empty"),
        (204, "", "unreadable empty"),
        (200, "null", "unreadable neither JSON nor form-encoded"),
        (200, "\"A\"", "unreadable neither JSON nor form-encoded"),
        (200, "[]", "unreadable not an object"),
        (200, "{}", "unreadable no access token"),
        (200, r#"{"access_token":"A""#, "unreadable broken JSON"),
        (200, r#"{"access_token":"A"} x"#, "unreadable broken JSON"),
        (200, "<html><body class=\"a=b\">Welcome</body></html>", "unreadable neither JSON nor form-encoded"),
        (200, "callback({\"access_token\":\"A\"});", "unreadable neither JSON nor form-encoded"),
        (200, &deep, "unreadable too deeply nested"),
        (200, &abyss, "unreadable too deeply nested"),
        (200, &huge, "unreadable too large"),
        (200, r#"{"data":{"access_token":"A"}}"#, "unreadable no access token"),
        // Tokens that no header can carry.
        (200, r#"{"access_token":null}"#, "unreadable no access token"),
        (200, r#"{"access_token":""}"#, "unreadable no access token"),
        (200, r#"{"access_token":12345}"#, "unreadable a token that is not a text"),
        (200, r#"{"access_token":["A"]}"#, "unreadable a token that is not a text"),
        (
            200,
            r#"{"access_token":"A\r\nX-Evil: 1"}"#,
            "unreadable a token with characters that no header can carry",
        ),
        (200, r#"{"access_token":"A\n"}"#, "unreadable a token with characters that no header can carry"),
        (200, r#"{"access_token":"A B"}"#, "unreadable a token with characters that no header can carry"),
        (200, r#"{"access_token":"\u00e9"}"#, "unreadable a token with characters that no header can carry"),
        (200, r#"{"access_token":"A\u0000"}"#, "unreadable a token with characters that no header can carry"),
        (
            200,
            r#"{"access_token":"A","refresh_token":"R\r\n"}"#,
            "unreadable a token with characters that no header can carry",
        ),
        (200, r#"{"access_token":"A","refresh_token":{"a":1}}"#, "unreadable a token that is not a text"),
        // Errors in other dress.
        (200, r#"{"error":"bad_refresh_token","error_description":"no"}"#, "refused bad_refresh_token no"),
        (200, r#"{"access_token":"A","error":"access_denied"}"#, "refused access_denied -"),
        (200, r#"{"access_token":"A","error":null}"#, "ok A - - - bearer"),
        (200, r#"{"access_token":"A","error":""}"#, "ok A - - - bearer"),
        (400, r#"{"error":{"code":"invalid_grant","message":"gone"}}"#, "refused invalid_grant gone"),
        (400, r#"{"error":{"type":"OAuthException","code":190,"message":"bad"}}"#, "refused 190 bad"),
        (400, r#"{"error":{}}"#, "refused unknown -"),
        (
            400,
            r#"{"status":"BAD_REFRESH_TOKEN","message":"missing or unknown refresh token"}"#,
            "refused bad_refresh_token missing or unknown refresh token",
        ),
        (400, r#"{"message":"Bad request"}"#, "refused unknown -"),
        (400, r#"{"error":"<script>alert(1)</script>"}"#, "refused unknown -"),
        (400, r#"{"error":"Invalid Grant"}"#, "refused unknown -"),
        (400, &format!(r#"{{"error":"{long}"}}"#), "refused unknown -"),
        (400, &format!(r#"{{"error":"invalid_grant","error_description":"{long}"}}"#), &long_words),
        (
            400,
            r#"{"error":"invalid_grant","error_description":"a\r\nb\u0000\u202ec"}"#,
            "refused invalid_grant abc",
        ),
        (400, r#"{"error":"invalid_grant","error_description":{"a":1}}"#, "refused invalid_grant -"),
        (401, r#"{"oauth_problem":"token_expired","error":""}"#, "refused token_expired -"),
        (401, "<html>Unauthorized</html>", "refused unknown -"),
        (403, "", "refused unknown -"),
        (404, "Not Found", "refused unknown -"),
        // Passing trouble, decided before anything is read.
        (500, r#"{"error":"invalid_grant"}"#, "transient 500 -"),
        (502, "<html>Bad Gateway</html>", "transient 502 -"),
        (503, "", "transient 503 -"),
        (429, r#"{"error":"invalid_grant"}"#, "transient 429 -"),
        (408, r#"{"access_token":"A"}"#, "transient 408 -"),
        (400, r#"{"error":"temporarily_unavailable"}"#, "transient 400 -"),
        (400, r#"{"error":"server_error"}"#, "transient 400 -"),
        (301, r#"{"access_token":"A"}"#, "unreadable a redirect"),
        (302, "", "unreadable a redirect"),
    ];

    let wrong: Vec<String> = table
        .iter()
        .filter_map(|(status, body, expected)| {
            let verdict = judge(*status, body);
            (verdict != *expected).then(|| format!("{status} {body:.80}\n  {verdict}\n  {expected}"))
        })
        .collect();

    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(table.len() >= 80, "{} replies", table.len());
}

#[test]
fn a_body_that_is_not_utf_8_is_unreadable() {
    let bytes = b"{\"access_token\":\"A\",\"x\":\"\xff\"}".to_vec();

    assert_eq!(verdict(&post(), &Reply::new(StatusCode::OK, bytes)), "unreadable not UTF-8");
}

#[test]
fn the_label_of_the_body_does_not_matter() {
    for label in ["text/html", "text/plain; charset=utf-8", "application/x-www-form-urlencoded", "nonsense"] {
        let mut reply = reply(200, r#"{"access_token":"A"}"#);
        reply.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(label));

        assert_eq!(verdict(&post(), &reply), "ok A - - - bearer", "{label}");
    }
}

#[test]
fn a_connector_says_where_things_are() {
    let mut nested = post();
    nested.map = map(&[
        ("access_token", "data.token.value"),
        ("expires_in", "data.token.ttl"),
        ("scope", "data.scopes"),
    ]);
    nested.expires_in = Some(7200);

    let with_ttl =
        reply(200, r#"{"data":{"token":{"value":"A","ttl":"60"},"scopes":["a"]},"access_token":"wrong"}"#);
    let without = reply(200, r#"{"data":{"token":{"value":"A"}}}"#);
    let mut listed = post();
    listed.map = map(&[("access_token", "0.token")]);

    assert_eq!(verdict(&nested, &with_ttl), "ok A - 60 a bearer");
    assert_eq!(verdict(&nested, &without), "ok A - 7200 - bearer");
    assert_eq!(verdict(&listed, &reply(200, r#"[{"token":"A"}]"#)), "ok A - - - bearer");
}

#[test]
fn a_connector_says_what_an_error_looks_like() {
    let rule = |field: &str, ok: Option<Value>, message: Option<&str>| {
        let mut request = post();
        request.error = Some(ErrorField { field: field.to_owned(), ok, message: message.map(str::to_owned) });
        request
    };
    let slack = rule("ok", Some(json!(true)), Some("error"));
    let tiktok = rule("code", Some(json!(0)), Some("message"));
    let present = rule("error_info", None, Some("error_info.text"));

    assert_eq!(verdict(&slack, &reply(200, r#"{"ok":true,"access_token":"A"}"#)), "ok A - - - bearer");
    assert_eq!(
        verdict(&slack, &reply(200, r#"{"ok":false,"error":"invalid_code"}"#)),
        "refused invalid_code invalid_code"
    );
    assert_eq!(verdict(&slack, &reply(200, r#"{"ok":false,"error":"ratelimited"}"#)), "transient 200 -");
    assert_eq!(verdict(&slack, &reply(200, "ok=true&access_token=A")), "ok A - - - bearer");
    assert_eq!(
        verdict(&tiktok, &reply(200, r#"{"code":40002,"message":"Bad code"}"#)),
        "refused unknown Bad code"
    );
    assert_eq!(verdict(&tiktok, &reply(200, r#"{"code":0,"access_token":"A"}"#)), "ok A - - - bearer");
    assert_eq!(
        verdict(&present, &reply(200, r#"{"error_info":{"text":"no"},"access_token":"A"}"#)),
        "refused no no"
    );
    assert_eq!(
        verdict(&present, &reply(200, r#"{"error_info":null,"access_token":"A"}"#)),
        "ok A - - - bearer"
    );
}

#[test]
fn rfc_9110_section_10_2_3_retry_after_in_both_forms() {
    // NOW is Fri, 15 Jan 2027 08:00:00 GMT.
    let table = [
        ("120", "transient 503 120"),
        ("0", "transient 503 0"),
        ("Fri, 15 Jan 2027 08:01:00 GMT", "transient 503 60"),
        ("Fri, 15 Jan 2027 07:00:00 GMT", "transient 503 0"),
        ("99999999999", "transient 503 86400"),
        ("Fri, 31 Dec 9999 23:59:59 GMT", "transient 503 86400"),
        ("-1", "transient 503 -"),
        ("1.5", "transient 503 -"),
        ("soon", "transient 503 -"),
        ("99999999999999999999999", "transient 503 -"),
        ("", "transient 503 -"),
    ];

    for (value, expected) in table {
        let mut reply = reply(503, "");
        reply.headers.insert(header::RETRY_AFTER, HeaderValue::from_static(value));
        assert_eq!(verdict(&post(), &reply), expected, "{value}");
    }
}

#[test]
fn only_a_refused_grant_is_revoked() {
    let refusal = |status, body| token_reply(&post(), &reply(status, body), NOW).err().expect("a refusal");

    for body in
        [r#"{"error":"invalid_grant"}"#, r#"{"error":"INVALID_GRANT"}"#, r#"{"status":"BAD_REFRESH_TOKEN"}"#]
    {
        assert!(refusal(400, body).is_revoked(), "{body}");
    }
    for (status, body) in [
        (500, r#"{"error":"invalid_grant"}"#),
        (429, r#"{"error":"invalid_grant"}"#),
        (401, r#"{"error":"invalid_client"}"#),
        (400, ""),
        (200, "{}"),
        (200, "<html>"),
        (400, r#"{"error":"invalid_request"}"#),
        (403, "blocked"),
    ] {
        assert!(!refusal(status, body).is_revoked(), "{status} {body}");
    }
}

#[test]
fn the_providers_words_do_not_reach_a_log() {
    let body = r#"{"error":"invalid_grant","error_description":"token s3cr3t is gone"}"#;

    let refusal = token_reply(&post(), &reply(400, body), NOW).err().expect("a refusal");

    assert!(!format!("{refusal} {refusal:?}").contains("s3cr3t"));
}

#[test]
fn the_whole_reply_is_kept_for_what_the_connector_keeps() {
    let tokens = token_reply(&post(), &reply(200, r#"{"access_token":"A","team":{"id":7}}"#), NOW);

    let body = tokens.map(|tokens| tokens.body).expect("tokens");

    assert_eq!(crate::protocol::json::keep(&map(&[("team", "team.id")]), &body), map(&[("team", "7")]));
}

#[test]
fn a_life_may_be_told_as_a_date() {
    let mut request = post();
    request.map.insert("expires_at".to_owned(), "until".to_owned());
    let now = Timestamp::from_seconds(1_767_225_600);
    let lives = |until: &str| {
        let body = format!(r#"{{"access_token":"at","until":{until}}}"#);
        let Ok(read) = token_reply(&request, &reply(200, &body), now) else { panic!("{body}") };
        read.expires_at.map(|end| end.seconds() - now.seconds())
    };

    assert_eq!(lives(r#""2026-01-01T01:00:00Z""#), Some(3600));
    assert_eq!(lives(r#""2026-01-01T02:00:00+01:00""#), Some(3600));
    assert_eq!(lives("1767229200"), Some(3600));
    assert_eq!(lives(r#""1767229200""#), Some(3600));
    assert_eq!(lives(r#""2025-12-31T23:00:00Z""#), Some(0));
    for unknown in [r#""never""#, "1767229200000", "null", "{}"] {
        assert_eq!(lives(unknown), None, "{unknown}");
    }
}
