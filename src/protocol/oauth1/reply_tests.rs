//! Odd answers of OAuth 1 providers, and the address between them.

use http::{HeaderName, HeaderValue, StatusCode, header};

use super::*;
use crate::{
    catalog::connector::{ErrorField, ScopeAt},
    model::Timestamp,
    protocol::{
        Endpoint, Reply,
        samples::{api, map, option, pairs, request, templates},
        token_reply::{Description, TokenRefusal},
    },
};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn reply(status: u16, body: &str) -> Reply {
    Reply::new(StatusCode::from_u16(status).expect("a status"), body)
}

fn with_header(mut reply: Reply, name: HeaderName, value: &'static str) -> Reply {
    reply.headers.insert(name, HeaderValue::from_static(value));
    reply
}

fn refusal(refusal: TokenRefusal) -> String {
    match refusal {
        TokenRefusal::Refused { code, description, client_fault } => {
            let words = description.map_or("-".to_owned(), Description::into_string);
            format!("refused {code}{} {words}", if client_fault { " (client)" } else { "" })
        }
        TokenRefusal::Transient { status, .. } => format!("transient {status}"),
        TokenRefusal::Unreadable(why) => format!("unreadable {why}"),
    }
}

fn temporary(reply: &Reply) -> String {
    temporary_reply(reply, NOW)
        .map_or_else(refusal, |found| format!("ok {} [{}]", found.token, found.secret.expose()))
}

fn last(request: &crate::catalog::connector::Request, reply: &Reply) -> String {
    token_reply(request, reply, NOW).map_or_else(refusal, |found| {
        let life = found.expires_at.map_or("-".to_owned(), |at| at.since(NOW).as_secs().to_string());
        let secret = found.token_secret.as_ref().map_or("-", |secret| secret.expose());
        format!("ok {} [{secret}] {life}", found.access_token.expose())
    })
}

/// RFC5849-2.1, and what providers make of it.
#[test]
fn rfc_5849_section_2_1_every_odd_temporary_reply_gets_its_verdict() {
    let huge = format!("oauth_token=t&oauth_token_secret={}", "s".repeat(300 * 1024));
    let long = format!(
        "oauth_token=t&oauth_token_secret={}&oauth_callback_confirmed=true",
        "s".repeat(16 * 1024 + 1)
    );
    let deep = format!(r#"{{"oauth_token":{}"#, "[".repeat(100_000));
    let table: &[(u16, &str, &str)] = &[
        (
            200,
            "oauth_token=hdk48Djdsa&oauth_token_secret=xyz4992k83j47x0b&oauth_callback_confirmed=true",
            "ok hdk48Djdsa [xyz4992k83j47x0b]",
        ),
        (200, "oauth_token=t&oauth_token_secret=&oauth_callback_confirmed=true", "ok t []"),
        (
            200,
            "oauth_token=t&oauth_token_secret=a%26b+%C3%A9&oauth_callback_confirmed=True&x=1\n",
            "ok t [a&b \u{e9}]",
        ),
        (201, r#"{"oauth_token":"t","oauth_token_secret":"s","oauth_callback_confirmed":true}"#, "ok t [s]"),
        (200, "\u{feff}oauth_token=t&oauth_token_secret=s&oauth_callback_confirmed=true", "ok t [s]"),
        (200, "oauth_token=t&oauth_token_secret=s", "refused callback_not_confirmed -"),
        (
            200,
            "oauth_token=t&oauth_token_secret=s&oauth_callback_confirmed=false",
            "refused callback_not_confirmed -",
        ),
        (
            200,
            "oauth_token=t&oauth_token_secret=s&oauth_callback_confirmed=",
            "refused callback_not_confirmed -",
        ),
        (
            200,
            "oauth_token=t&oauth_token_secret=s&oauth_callback_confirmed=1",
            "refused callback_not_confirmed -",
        ),
        (200, "oauth_token=t&oauth_callback_confirmed=true", "unreadable no token secret"),
        (200, "oauth_token_secret=s&oauth_callback_confirmed=true", "unreadable no token"),
        (200, "oauth_token=&oauth_token_secret=s&oauth_callback_confirmed=true", "unreadable no token"),
        (
            200,
            "oauth_token=t%0D%0Ax&oauth_token_secret=s&oauth_callback_confirmed=true",
            "unreadable a token with characters that no header can carry",
        ),
        (
            200,
            r#"{"oauth_token":"t","oauth_token_secret":7,"oauth_callback_confirmed":true}"#,
            "unreadable a token secret that is not a text",
        ),
        (200, r#"{"oauth_token":null,"oauth_token_secret":"s"}"#, "unreadable no token"),
        (200, &long, "unreadable a token secret of more than 16 KiB"),
        (200, &huge, "unreadable too large"),
        (200, &deep, "unreadable too deeply nested"),
        (200, "", "unreadable empty"),
        (200, "<html><a href=\"x=y\">", "unreadable neither JSON nor form-encoded"),
        (200, "oauth_problem=consumer_key_unknown", "refused consumer_key_unknown (client) -"),
        (302, "oauth_token=t", "unreadable a redirect"),
        (
            401,
            "oauth_problem=signature_invalid&oauth_problem_advice=Check+the+secret",
            "refused signature_invalid (client) Check the secret",
        ),
        (
            401,
            "oauth_problem=timestamp_refused&oauth_acceptable_timestamps=1-2",
            "refused timestamp_refused -",
        ),
        (401, "oauth_problem=nonce_used", "refused nonce_used -"),
        (401, "error=invalid_client&error_description=no", "refused invalid_client (client) no"),
        (401, "invalid app key", "refused unknown -"),
        (400, r#"{"error":{"code":"parameter_absent"}}"#, "refused parameter_absent -"),
        (429, "oauth_problem=consumer_key_unknown", "transient 429"),
        (503, "oauth_token=t&oauth_token_secret=s&oauth_callback_confirmed=true", "transient 503"),
    ];

    let wrong: Vec<String> = table
        .iter()
        .filter_map(|(status, body, expected)| {
            let verdict = temporary(&reply(*status, body));
            (verdict != *expected).then(|| format!("{status} {body:.80}\n  {verdict}\n  {expected}"))
        })
        .collect();

    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(table.len() >= 15);
}

#[test]
fn a_problem_may_stand_in_the_header_only() {
    let challenge = "OAuth realm=\"https://a.example/\", oauth_problem=\"token_rejected\"";
    let first = "OAuth oauth_problem=consumer_key_refused";

    let quoted = with_header(reply(401, "<html>"), header::WWW_AUTHENTICATE, challenge);
    let bare = with_header(reply(401, ""), header::WWW_AUTHENTICATE, first);
    let none = with_header(reply(401, ""), header::WWW_AUTHENTICATE, "Basic realm=\"x\"");

    assert_eq!(temporary(&quoted), "refused token_rejected -");
    assert_eq!(temporary(&bare), "refused consumer_key_refused (client) -");
    assert_eq!(temporary(&none), "refused unknown -");
}

/// RFC5849-2.3, and what providers make of it.
#[test]
fn rfc_5849_section_2_3_every_odd_token_reply_gets_its_verdict() {
    let plain = request("https://api.example.com/token");
    let mut lasting = plain.clone();
    lasting.expires_in = Some(7200);
    let mut mapped = plain.clone();
    mapped.map =
        map(&[("access_token", "data.key"), ("token_secret", "data.secret"), ("expires_in", "data.ttl")]);
    let mut hiding = plain.clone();
    hiding.error = Some(ErrorField {
        field: "stat".to_owned(),
        ok: Some("ok".into()),
        message: Some("message".to_owned()),
    });
    let table = [
        (
            &plain,
            200,
            "oauth_token=j49ddk933skd9dks&oauth_token_secret=ll399dj47dskfjdk",
            "ok j49ddk933skd9dks [ll399dj47dskfjdk] -",
        ),
        (&plain, 200, "oauth_token=t&oauth_token_secret=", "ok t [] -"),
        (&plain, 200, "oauth_token=t&oauth_token_secret=s&oauth_expires_in=1800", "ok t [s] 1800"),
        (&plain, 200, "oauth_token=t&oauth_token_secret=s&oauth_expires_in=never", "ok t [s] -"),
        (&plain, 200, "oauth_token=t&oauth_token_secret=s&oauth_expires_in=-1", "ok t [s] 0"),
        (
            &plain,
            200,
            "oauth_token=t&oauth_token_secret=s&oauth_expires_in=1000000000000000000",
            "ok t [s] 315360000",
        ),
        (&lasting, 200, "oauth_token=t&oauth_token_secret=s", "ok t [s] 7200"),
        (
            &lasting,
            200,
            r#"{"oauth_token":"t","oauth_token_secret":"s","oauth_expires_in":60.5}"#,
            "ok t [s] 60",
        ),
        (&mapped, 200, r#"{"data":{"key":"k","secret":"s","ttl":"9"}}"#, "ok k [s] 9"),
        (&mapped, 200, "oauth_token=t&oauth_token_secret=s", "unreadable no token"),
        (
            &hiding,
            200,
            r#"{"stat":"fail","message":"invalid_verifier"}"#,
            "refused invalid_verifier invalid_verifier",
        ),
        (&hiding, 200, "stat=ok&oauth_token=t&oauth_token_secret=s", "ok t [s] -"),
        (&plain, 200, "oauth_token=t", "unreadable no token secret"),
        (
            &plain,
            200,
            "oauth_token=a%20b&oauth_token_secret=s",
            "unreadable a token with characters that no header can carry",
        ),
        (
            &plain,
            200,
            "oauth_token=t&oauth_token_secret=s&oauth_problem=permission_denied",
            "refused permission_denied -",
        ),
        (&plain, 401, "oauth_problem=token_rejected", "refused token_rejected -"),
        (&plain, 401, "oauth_problem=permission_denied", "refused permission_denied -"),
        (&plain, 401, "Invalid verifier", "refused unknown -"),
        (&plain, 401, "oauth_problem=%3Cscript%3E", "refused unknown -"),
        (&plain, 500, "oauth_problem=token_rejected", "transient 500"),
        (&plain, 307, "", "unreadable a redirect"),
    ];

    for (request, status, body, expected) in table {
        assert_eq!(last(request, &reply(status, body)), expected, "{status} {body:.80}");
    }
}

#[test]
fn the_whole_reply_is_kept_for_what_the_connector_keeps() {
    let reply = reply(200, "oauth_token=t&oauth_token_secret=s&user_id=42");

    let found = token_reply(&request("https://api.example.com/"), &reply, NOW).expect("a token");

    assert_eq!(
        crate::protocol::json::keep(&map(&[("user", "user_id")]), &found.body),
        map(&[("user", "42")])
    );
    assert!(found.refresh_token.is_none() && found.scopes.is_none());
}

/// RFC5849-2.2.
#[test]
fn rfc_5849_section_2_2_the_authorize_address() {
    let mut authorize = request("https://id.example.com/authorize?mode=1&oauth_token=old");
    authorize.params = templates(&[("expiration", "never"), ("oauth_token", "evil")]);
    let endpoint = Endpoint::render(&authorize, &api(), &()).expect("it fits");
    let mut option = option();
    option.scopes.separator = ",".to_owned();
    let scopes = ["read".to_owned(), "write".to_owned()];

    let url = authorize_url(&option, &endpoint, "hdk48 Djdsa", &scopes);
    option.scopes.at = ScopeAt::RequestToken;
    let without = authorize_url(&option, &endpoint, "t", &scopes);

    assert_eq!(
        url.as_str(),
        "https://id.example.com/authorize?mode=1&scope=read%2Cwrite&expiration=never&oauth_token=hdk48%20Djdsa"
    );
    assert_eq!(without.as_str(), "https://id.example.com/authorize?mode=1&expiration=never&oauth_token=t");
}

#[test]
fn scopes_go_with_the_first_call_only_where_the_connector_says_so() {
    let scopes = ["r".to_owned(), "w".to_owned()];
    let mut option = option();

    let elsewhere = request_token_params(&option, &scopes);
    option.scopes.at = ScopeAt::RequestToken;
    option.scopes.param = "x_scope".to_owned();
    let here = request_token_params(&option, &scopes);

    assert_eq!(elsewhere, []);
    assert_eq!(here, pairs(&[("x_scope", "r w")]));
    assert_eq!(request_token_params(&option, &[]), []);
}

/// RFC5849-3.3: the provider's clock is the one that counts. NOW is Fri, 15 Jan 2027 08:00:00 GMT.
#[test]
fn rfc_5849_section_3_3_the_offset_of_the_providers_clock() {
    let offset = |date| clock_offset(&with_header(reply(401, ""), header::DATE, date), NOW);

    assert_eq!(offset("Fri, 15 Jan 2027 08:00:00 GMT"), Some(0));
    assert_eq!(offset("Fri, 15 Jan 2027 08:10:05 GMT"), Some(605));
    assert_eq!(offset("Fri, 15 Jan 2027 07:00:00 GMT"), Some(-3600));
    for date in ["soon", "", "1800000000", "2027-01-15T08:00:00Z"] {
        assert_eq!(offset(date), None, "{date}");
    }
    assert_eq!(clock_offset(&reply(200, ""), NOW), None);
}
