//! RFC 9126.

use http::StatusCode;

use super::*;
use crate::{
    catalog::connector::Request,
    model::Timestamp,
    protocol::{
        Reply,
        samples::{api, option, pairs, request, templates},
        token_reply::TokenRefusal,
    },
};

const PAR: &str = "https://api.example.com/as/par";
const AUTHORIZE: &str = "https://id.example.com/authorize";
const REDIRECT: &str = "https://client.example.org/cb";
const REFERENCE: &str = "urn:ietf:params:oauth:request_uri:6esc_11ACC5bwc014ltc14eY22c";
const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn endpoint(request: &Request) -> Endpoint {
    Endpoint::render(request, &api(), &()).expect("it fits")
}

fn client() -> Client {
    Client {
        id: "s6BhdRkqt3".to_owned(),
        secret: Some(Secret::from("7Fjfp0ZBr1KtDRbnfVdmIw")),
        assertion: None,
    }
}

fn ask(scopes: &[String]) -> AuthorizeAsk<'_> {
    AuthorizeAsk {
        client_id: "s6BhdRkqt3",
        redirect_uri: REDIRECT,
        scopes,
        state: "af0ifjsldkj",
        verifier: Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
    }
}

fn sent(call: &Call) -> Vec<(String, String)> {
    form_urlencoded::parse(&call.body).into_owned().collect()
}

/// RFC9126-2.1, the example (its challenge is of another verifier).
#[test]
fn rfc_9126_section_2_1_the_authorize_parameters_are_pushed() {
    let mut option = option();
    option.client_auth = ClientAuth::Basic;
    let scopes = ["account-information".to_owned()];

    let call = pushed_request(
        &option,
        &endpoint(&request(PAR)),
        &client(),
        &ask(&scopes),
        &endpoint(&request(AUTHORIZE)),
    )
    .expect("a call");

    let expected = pairs(&[
        ("response_type", "code"),
        ("client_id", "s6BhdRkqt3"),
        ("scope", "account-information"),
        ("redirect_uri", REDIRECT),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
        ("state", "af0ifjsldkj"),
    ]);
    assert_eq!((call.method.as_str(), call.url.as_str()), ("POST", PAR));
    assert_eq!(call.headers["authorization"], "Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3");
    assert_eq!(sent(&call), expected);
}

/// RFC9126-2.1: "all parameters that constitute an authorization request", `request_uri` never.
#[test]
fn the_connectors_own_parameters_are_pushed_and_cannot_rebind_the_attempt() {
    let mut authorize = request("https://id.example.com/authorize?tenant=t&request_uri=urn:old");
    authorize.params = templates(&[("prompt", "consent")]);
    let mut par = request(PAR);
    par.params = templates(&[("audience", "x"), ("state", "evil"), ("redirect_uri", "https://evil.example")]);

    let call = pushed_request(&option(), &endpoint(&par), &client(), &ask(&[]), &endpoint(&authorize))
        .expect("a call");

    let sent = sent(&call);
    let value = |name: &str| {
        let values: Vec<_> = sent.iter().filter(|(own, _)| own == name).map(|(_, value)| &**value).collect();
        values.join("|")
    };
    assert_eq!(
        (value("tenant"), value("prompt"), value("audience")),
        ("t".into(), "consent".into(), "x".into())
    );
    assert_eq!((value("state"), value("redirect_uri")), ("af0ifjsldkj".into(), REDIRECT.into()));
    assert_eq!(value("client_id"), "s6BhdRkqt3");
    assert_eq!(value("client_secret"), "7Fjfp0ZBr1KtDRbnfVdmIw");
    assert_eq!(value("request_uri"), "");
}

/// RFC9126-2.2, RFC9126-2.3.
#[test]
fn rfc_9126_section_2_2_the_reference_is_read_or_the_refusal() {
    let table = [
        (201, format!(r#"{{"request_uri":"{REFERENCE}","expires_in":60}}"#), Ok(REFERENCE)),
        (200, format!(r#"{{"request_uri":"{REFERENCE}"}}"#), Ok(REFERENCE)),
        (201, "{}".to_owned(), Err("the provider's answer cannot be read: no request_uri")),
        (201, r#"{"request_uri":7}"#.to_owned(), Err("the provider's answer cannot be read: no request_uri")),
        (
            201,
            r#"{"request_uri":"a\nb"}"#.to_owned(),
            Err("the provider's answer cannot be read: no request_uri"),
        ),
        (
            201,
            format!(r#"{{"request_uri":"{}"}}"#, "u".repeat(2049)),
            Err("the provider's answer cannot be read: no request_uri"),
        ),
        (
            201,
            "<html>".to_owned(),
            Err("the provider's answer cannot be read: neither JSON nor form-encoded"),
        ),
        (302, String::new(), Err("the provider's answer cannot be read: a redirect")),
        (400, r#"{"error":"invalid_request"}"#.to_owned(), Err("the provider refused: invalid_request")),
        (401, r#"{"error":"invalid_client"}"#.to_owned(), Err("the provider refused: invalid_client")),
        (405, String::new(), Err("the provider refused: unknown")),
        (413, String::new(), Err("the provider refused: unknown")),
        (429, String::new(), Err("the provider is in trouble (HTTP 429)")),
        (503, r#"{"error":"invalid_client"}"#.to_owned(), Err("the provider is in trouble (HTTP 503)")),
    ];

    for (status, body, expected) in table {
        let reply = Reply::new(StatusCode::from_u16(status).expect("a status"), body.clone());
        let read = pushed_reply(&reply, NOW).map_err(|refusal: TokenRefusal| refusal.to_string());
        assert_eq!(read.as_deref().map_err(|refusal| &**refusal), expected, "{status} {body:.60}");
    }
}

/// RFC9126-4.
#[test]
fn rfc_9126_section_4_the_browser_carries_the_reference_only() {
    let mut authorize = request("https://id.example.com/authorize?tenant=a+b&client_id=old");
    authorize.params = templates(&[("prompt", "consent")]);

    let url = pushed_authorize_url(&option(), &endpoint(&authorize), "s6BhdRkqt3", REFERENCE);
    let plain = pushed_authorize_url(&option(), &endpoint(&request(AUTHORIZE)), "CLIENT1234", "urn:x");

    let encoded = REFERENCE.replace(':', "%3A");
    assert_eq!(url.as_str(), format!("{AUTHORIZE}?tenant=a%20b&client_id=s6BhdRkqt3&request_uri={encoded}"));
    assert_eq!(plain.as_str(), format!("{AUTHORIZE}?client_id=CLIENT1234&request_uri=urn%3Ax"));
}
