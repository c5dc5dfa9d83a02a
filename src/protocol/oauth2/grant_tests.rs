//! Grants without a browser, and how a client proves itself for them.

use std::collections::BTreeMap;

use super::*;
use crate::{
    catalog::connector::{self, Request},
    protocol::samples::{api, map, option, pairs, request, template, templates},
};

const TOKEN: &str = "https://api.example.com/token";

fn endpoint(request: &Request) -> Endpoint {
    Endpoint::render(request, &api(), &map(&[("jwt", "h.p.s")])).expect("it fits")
}

fn token() -> Endpoint {
    endpoint(&request(TOKEN))
}

fn client() -> Client {
    Client { id: "cid".to_owned(), secret: Some(Secret::from("s3c")), assertion: None }
}

fn option_with(client_auth: ClientAuth) -> AuthOption {
    AuthOption { client_auth, ..option() }
}

fn scopes_of(scopes: &[&str]) -> Vec<String> {
    scopes.iter().map(|scope| (*scope).to_owned()).collect()
}

fn body(call: &Call) -> BTreeMap<String, String> {
    form_urlencoded::parse(&call.body).into_owned().collect()
}

/// The RFC's own client; its secret differs from section to section.
fn rfc_client(secret: &str) -> Client {
    Client { id: "s6BhdRkqt3".to_owned(), secret: Some(Secret::from(secret)), assertion: None }
}

/// RFC6749-2.3.1, the example with parameters in the body.
#[test]
fn rfc_6749_section_2_3_1_the_secret_in_the_body() {
    let client = rfc_client("7Fjfp0ZBr1KtDRbnfVdmIw");

    let call = refresh_request(&option(), &token(), &client, "tGzv3JOkF0XG5Qx2TlKWIA", &[]).expect("a call");

    let expected = "grant_type=refresh_token&refresh_token=tGzv3JOkF0XG5Qx2TlKWIA\
                    &client_id=s6BhdRkqt3&client_secret=7Fjfp0ZBr1KtDRbnfVdmIw";
    assert_eq!(String::from_utf8_lossy(&call.body), expected);
    assert_eq!(call.url.query(), None, "secrets are never in the address");
}

/// RFC6749-6, the example.
#[test]
fn rfc_6749_section_6_the_rfcs_own_refresh() {
    let option = option_with(ClientAuth::Basic);

    let call = refresh_request(&option, &token(), &rfc_client("gX1fBat3bV"), "tGzv3JOkF0XG5Qx2TlKWIA", &[])
        .expect("a call");

    assert_eq!(call.headers["authorization"], "Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW");
    assert_eq!(call.body, b"grant_type=refresh_token&refresh_token=tGzv3JOkF0XG5Qx2TlKWIA");
}

/// RFC6749-4.4.2, the example.
#[test]
fn rfc_6749_section_4_4_2_the_rfcs_own_client_credentials() {
    let option = option_with(ClientAuth::Basic);

    let call = client_credentials_request(&option, &token(), &rfc_client("gX1fBat3bV"), &[]).expect("a call");

    assert_eq!((call.method.as_str(), call.url.as_str()), ("POST", TOKEN));
    assert_eq!(call.headers["authorization"], "Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW");
    assert_eq!(call.headers["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(call.body, b"grant_type=client_credentials");
}

/// RFC6749-4.4.2: there is no other request that could carry the scopes.
#[test]
fn client_credentials_take_their_scopes_along_wherever_they_usually_go() {
    let scopes = scopes_of(&["a", "b"]);
    let mut option = option();
    option.scopes.separator = ",".to_owned();
    option.resource = Some("https://api.example.com/".to_owned());
    for at in [ScopeAt::Authorize, ScopeAt::RequestToken, ScopeAt::Token] {
        option.scopes.at = at;

        let call = client_credentials_request(&option, &token(), &client(), &scopes).expect("a call");

        let expected = map(&[
            ("grant_type", "client_credentials"),
            ("scope", "a,b"),
            ("resource", "https://api.example.com/"),
            ("client_id", "cid"),
            ("client_secret", "s3c"),
        ]);
        assert_eq!(body(&call), expected, "{at:?}");
    }
    option.scopes.supported = false;
    let call = client_credentials_request(&option, &token(), &client(), &scopes).expect("a call");
    assert!(!body(&call).contains_key("scope"));
}

#[test]
fn client_credentials_prove_themselves_in_every_way() {
    let secret = "a/b c";
    let client = Client { id: "c:d".to_owned(), secret: Some(Secret::from(secret)), assertion: None };
    let plain = Client { id: "cd".to_owned(), ..client.clone() };

    let header = client_credentials_request(&option_with(ClientAuth::Basic), &token(), &client, &[]);
    let raw = client_credentials_request(&option_with(ClientAuth::BasicRaw), &token(), &plain, &[]);
    let none = client_credentials_request(&option_with(ClientAuth::None), &token(), &client, &[]);

    // c%3Ad:a%2Fb+c
    assert_eq!(header.expect("a call").headers["authorization"], "Basic YyUzQWQ6YSUyRmIrYw==");
    assert_eq!(raw.expect("a call").headers["authorization"], "Basic Y2Q6YS9iIGM=");
    assert_eq!(none.expect("a call").body, b"grant_type=client_credentials&client_id=c%3Ad");
}

/// RFC7523-2.2: the assertion takes the place of the secret, for every grant.
#[test]
fn rfc_7523_section_2_2_a_client_proves_itself_by_an_assertion() {
    let option = option_with(ClientAuth::PrivateKeyJwt);
    let client = Client { assertion: Some(Secret::from("h.p.s")), ..client() };
    let grant = CodeGrant { code: "c0de", redirect_uri: "https://x", verifier: None, scopes: &[], echo: &[] };

    let calls = [
        client_credentials_request(&option, &token(), &client, &[]),
        code_request(&option, &token(), &client, &grant),
        refresh_request(&option, &token(), &client, "RT", &[]),
    ];

    for call in calls {
        let call = call.expect("a call");
        let sent = body(&call);
        assert_eq!(sent["client_assertion_type"], "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
        assert_eq!((&*sent["client_assertion"], &*sent["client_id"]), ("h.p.s", "cid"));
        assert!(!sent.contains_key("client_secret") && !call.headers.contains_key("authorization"));
    }
}

#[test]
fn private_key_jwt_without_an_assertion_is_refused_in_words() {
    let option = option_with(ClientAuth::PrivateKeyJwt);

    let refusal = client_credentials_request(&option, &token(), &client(), &[]).err();

    assert_eq!(refusal, Some(CallError::Unsupported("private_key_jwt without a key")));
}

/// RFC7523-2.1 and the shape of the example in RFC7523-4.
#[test]
fn rfc_7523_section_2_1_an_assertion_is_the_grant() {
    let scopes = scopes_of(&["a"]);
    let mut at_token = option();
    at_token.scopes.at = ScopeAt::Token;

    let plain = jwt_bearer_request(
        &option(),
        &token(),
        Some(&client()),
        "eyJhbGciOiJFUzI1NiIsImtpZCI6IjE2In0.p.s",
        &scopes,
    )
    .expect("a call");
    let scoped = jwt_bearer_request(&at_token, &token(), None, "h.p.s", &scopes).expect("a call");

    let expected = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer\
                    &assertion=eyJhbGciOiJFUzI1NiIsImtpZCI6IjE2In0.p.s";
    assert_eq!(String::from_utf8_lossy(&plain.body), expected);
    assert!(!plain.headers.contains_key("authorization"));
    assert_eq!(body(&scoped)["scope"], "a");
}

/// RFC7523-2.1: client authentication is optional, and the connector asks for it.
#[test]
fn an_assertion_grant_authenticates_the_client_where_the_connector_says_so() {
    let header = option_with(ClientAuth::Basic);
    let mut own = option();
    own.client = Some(connector::Client { id: template("cid"), secret: None });

    let by_header = jwt_bearer_request(&header, &token(), Some(&client()), "h.p.s", &[]).expect("a call");
    let by_body = jwt_bearer_request(&own, &token(), Some(&client()), "h.p.s", &[]).expect("a call");
    let nobody = jwt_bearer_request(&header, &token(), None, "h.p.s", &[]).expect("a call");

    assert_eq!(by_header.headers["authorization"], "Basic Y2lkOnMzYw==");
    assert_eq!(body(&by_body)["client_secret"], "s3c");
    assert!(!nobody.headers.contains_key("authorization") && body(&nobody).len() == 2);
}

#[test]
fn a_request_that_places_the_signed_token_is_sent_as_written() {
    let mut custom = request("https://api.example.com/app/access_tokens");
    custom.headers = templates(&[("Authorization", "Bearer {{jwt}}")]);
    let endpoint = endpoint(&custom);

    let call = jwt_bearer_request(&option(), &endpoint, Some(&client()), "h.p.s", &scopes_of(&["a"]))
        .expect("a call");

    assert!(endpoint.places_jwt && !endpoint.places_token && !token().places_jwt);
    assert_eq!(call.headers["authorization"], "Bearer h.p.s");
    assert!(call.body.is_empty());
}

#[test]
fn the_connectors_words_win_in_every_grant() {
    let mut custom = request(TOKEN);
    custom.params = templates(&[("grant_type", "account_credentials"), ("account_id", "7")]);
    let mut option = option();
    option.names = map(&[("assertion", "token"), ("client_secret", "")]);
    let endpoint = endpoint(&custom);

    let credentials = client_credentials_request(&option, &endpoint, &client(), &[]).expect("a call");
    let bearer = jwt_bearer_request(&option, &endpoint, None, "h.p.s", &[]).expect("a call");

    let sent = |call: &Call| form_urlencoded::parse(&call.body).into_owned().collect::<Vec<_>>();
    let expected = pairs(&[("client_id", "cid"), ("grant_type", "account_credentials"), ("account_id", "7")]);
    assert_eq!(sent(&credentials), expected);
    let expected = pairs(&[("token", "h.p.s"), ("grant_type", "account_credentials"), ("account_id", "7")]);
    assert_eq!(sent(&bearer), expected);
}
