use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::{
    catalog::connector::{Format, Refresh, Request},
    protocol::samples::{api, map, option, pairs, request, templates},
};

const TOKEN: &str = "https://api.example.com/token";
const AUTHORIZE: &str = "https://id.example.com/authorize";
const CALLBACK: &str = "https://post.example/oauth/callback/1";

fn endpoint(request: &Request) -> Endpoint {
    let values = map(&[
        ("access_token", "AT"),
        ("refresh_token", "RT"),
        ("client.id", "cid"),
        ("client.secret", "sec"),
    ]);
    Endpoint::render(request, &api(), &values).expect("it fits")
}

fn client() -> Client {
    Client { id: "cid".to_owned(), secret: Some(Secret::from("s3c")), assertion: None }
}

fn scopes_of(scopes: &[&str]) -> Vec<String> {
    scopes.iter().map(|scope| (*scope).to_owned()).collect()
}

fn ask<'a>(scopes: &'a [String]) -> AuthorizeAsk<'a> {
    AuthorizeAsk { client_id: "cid", redirect_uri: CALLBACK, scopes, state: "st", verifier: Some(VERIFIER) }
}

fn code_grant() -> CodeGrant<'static> {
    CodeGrant { code: "c0de", redirect_uri: CALLBACK, verifier: Some(VERIFIER), scopes: &[], echo: &[] }
}

fn body(call: &Call) -> BTreeMap<String, String> {
    form_urlencoded::parse(&call.body).into_owned().collect()
}

fn query(url: &Url) -> Vec<(String, String)> {
    url.query_pairs().into_owned().collect()
}

/// RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

#[test]
fn rfc_7636_appendix_b_verifier_and_challenge() {
    let bytes = [
        116, 24, 223, 180, 151, 153, 224, 37, 79, 250, 96, 125, 216, 173, 187, 186, 22, 212, 37, 77, 105,
        214, 191, 240, 91, 88, 5, 88, 83, 132, 141, 121,
    ];

    let verifier = pkce_verifier(bytes);

    assert_eq!(verifier.expose(), VERIFIER);
    assert_eq!(challenge(verifier.expose()), CHALLENGE);
}

#[test]
fn rfc_7636_section_4_1_the_verifier_has_43_unreserved_characters() {
    let verifier = pkce_verifier([0xff; 32]);

    assert_eq!(verifier.expose().len(), 43);
    assert!(verifier.expose().bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b)));
}

#[test]
fn rfc_6749_section_4_1_1_the_authorize_address() {
    let scopes = scopes_of(&["a.read", "b"]);

    let url = authorize_url(&option(), &endpoint(&request(AUTHORIZE)), &ask(&scopes));

    assert_eq!(
        url.as_str(),
        format!(
            "{AUTHORIZE}?response_type=code&client_id=cid&scope=a.read%20b&redirect_uri=https%3A%2F%2Fpost.example\
             %2Foauth%2Fcallback%2F1&code_challenge={CHALLENGE}&code_challenge_method=S256&state=st"
        )
    );
}

#[test]
fn an_option_names_separates_and_leaves_out_as_its_provider_wants() {
    let mut option = option();
    option.names = map(&[("client_id", "client_key"), ("response_type", "")]);
    option.scopes.separator = ",".to_owned();
    option.scopes.param = "scopes".to_owned();
    option.scopes.params = [("user_scope".to_owned(), scopes_of(&["x", "y"]))].into();
    option.pkce = false;
    option.resource = Some("https://api.example.com/".to_owned());
    let scopes = scopes_of(&["a", "b"]);

    let url = authorize_url(&option, &endpoint(&request(AUTHORIZE)), &ask(&scopes));

    let expected = pairs(&[
        ("client_key", "cid"),
        ("scopes", "a,b"),
        ("user_scope", "x,y"),
        ("resource", "https://api.example.com/"),
        ("redirect_uri", CALLBACK),
        ("state", "st"),
    ]);
    assert_eq!(query(&url), expected);
}

#[test]
fn rfc_6749_section_3_1_no_parameter_appears_twice() {
    let mut custom = request("https://id.example.com/authorize?tenant=a%20b&response_type=code&state=fixed");
    custom.params = templates(&[
        ("scope", "always"),
        ("prompt", "consent"),
        ("state", "evil"),
        ("redirect_uri", "https://evil.example"),
    ]);
    let scopes = scopes_of(&["asked"]);
    let mut endpoint = endpoint(&custom);
    endpoint.url.set_fragment(Some("frag"));

    let url = authorize_url(&option(), &endpoint, &ask(&scopes));

    let expected = pairs(&[
        ("tenant", "a b"),
        ("response_type", "code"),
        ("client_id", "cid"),
        ("scope", "always"),
        ("prompt", "consent"),
        ("redirect_uri", CALLBACK),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("state", "st"),
    ]);
    assert_eq!(query(&url), expected);
    assert_eq!(url.fragment(), None);
}

#[test]
fn the_addresss_own_query_is_kept_as_it_is() {
    let url = authorize_url(&option(), &endpoint(&request("https://id.example.com/a?x=%2F+1&&y")), &ask(&[]));

    assert!(url.as_str().starts_with("https://id.example.com/a?x=%2F+1&&y&response_type=code&"), "{url}");
}

#[test]
fn scopes_are_left_out_when_there_are_none_or_the_provider_knows_none() {
    let mut without = option();
    without.scopes.supported = false;
    let scopes = scopes_of(&["a"]);
    let authorize = endpoint(&request(AUTHORIZE));
    let mut at_token = option();
    at_token.scopes.at = ScopeAt::Token;

    for url in [
        authorize_url(&without, &authorize, &ask(&scopes)),
        authorize_url(&option(), &authorize, &ask(&[])),
        authorize_url(&at_token, &authorize, &ask(&scopes)),
    ] {
        assert!(query(&url).iter().all(|(name, _)| name != "scope"), "{url}");
    }
    let grant = CodeGrant { scopes: &scopes, ..code_grant() };
    let call = code_request(&at_token, &endpoint(&request(TOKEN)), &client(), &grant).expect("a call");
    assert_eq!(body(&call)["scope"], "a");
}

#[test]
fn an_app_installation_gets_its_state_only() {
    let mut option = option();
    option.kind = AuthType::Jwt;

    let url = authorize_url(&option, &endpoint(&request(AUTHORIZE)), &ask(&[]));

    assert_eq!(url.as_str(), "https://id.example.com/authorize?state=st");
}

#[test]
fn rfc_6749_section_4_1_3_the_token_call() {
    let call = code_request(&option(), &endpoint(&request(TOKEN)), &client(), &code_grant()).expect("a call");

    let expected = map(&[
        ("grant_type", "authorization_code"),
        ("code", "c0de"),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
        ("client_id", "cid"),
        ("client_secret", "s3c"),
    ]);
    assert_eq!(body(&call), expected);
    assert_eq!((call.method.as_str(), call.url.as_str()), ("POST", TOKEN));
    assert_eq!(call.headers["accept"], "application/json");
    assert_eq!(call.headers["content-type"], "application/x-www-form-urlencoded");
    assert!(!call.headers.contains_key("authorization"));
}

#[test]
fn rfc_6749_section_2_3_1_basic_parts_are_form_encoded_first() {
    let client =
        Client { id: "we:ird id".to_owned(), secret: Some(Secret::from("p%/+\u{e9}~")), assertion: None };
    let mut standard = option();
    standard.client_auth = ClientAuth::Basic;
    let mut raw = option();
    raw.client_auth = ClientAuth::BasicRaw;
    let token = endpoint(&request(TOKEN));

    let call = code_request(&standard, &token, &client, &code_grant()).expect("a call");
    let refused = code_request(&raw, &token, &client, &code_grant()).err();
    let plain = Client { id: "id".to_owned(), secret: Some(Secret::from("a/b")), assertion: None };
    let sent_raw = code_request(&raw, &token, &plain, &code_grant()).expect("a call");

    // we%3Aird+id:p%25%2F%2B%C3%A9%7E
    assert_eq!(call.headers["authorization"], "Basic d2UlM0FpcmQraWQ6cCUyNSUyRiUyQiVDMyVBOSU3RQ==");
    assert!(!body(&call).contains_key("client_id") && !body(&call).contains_key("client_secret"));
    assert_eq!(refused, Some(CallError::BasicUsername));
    assert_eq!(sent_raw.headers["authorization"], "Basic aWQ6YS9i");
}

#[test]
fn rfc_6749_section_2_3_1_the_rfcs_own_client() {
    let client = Client {
        id: "s6BhdRkqt3".to_owned(),
        secret: Some(Secret::from("7Fjfp0ZBr1KtDRbnfVdmIw")),
        assertion: None,
    };
    let mut option = option();
    option.client_auth = ClientAuth::Basic;

    let call = refresh_request(&option, &endpoint(&request(TOKEN)), &client, "tGzv3JOkF0XG5Qx2TlKWIA", &[])
        .expect("a call");

    assert_eq!(call.headers["authorization"], "Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3");
    assert_eq!(call.body, b"grant_type=refresh_token&refresh_token=tGzv3JOkF0XG5Qx2TlKWIA");
}

#[test]
fn a_public_client_names_itself_and_proves_nothing() {
    let public = Client { id: "cid".to_owned(), secret: None, assertion: None };
    for place in [ClientAuth::None, ClientAuth::Body, ClientAuth::Basic, ClientAuth::BasicRaw] {
        let mut option = option();
        option.client_auth = place;

        let call = code_request(&option, &endpoint(&request(TOKEN)), &public, &code_grant()).expect("a call");

        assert_eq!(body(&call)["client_id"], "cid", "{place:?}");
        assert!(!body(&call).contains_key("client_secret") && !call.headers.contains_key("authorization"));
    }
}

#[test]
fn client_auth_none_never_sends_the_secret() {
    let mut option = option();
    option.client_auth = ClientAuth::None;

    let call = code_request(&option, &endpoint(&request(TOKEN)), &client(), &code_grant()).expect("a call");

    assert!(
        !String::from_utf8_lossy(&call.body).contains("s3c") && !call.headers.contains_key("authorization")
    );
}

#[test]
fn the_token_call_follows_the_connectors_words() {
    let mut custom = request(TOKEN);
    custom.format = Format::Json;
    custom.headers = templates(&[("Accept", "text/json")]);
    custom.params = templates(&[("expiring", "1")]);
    let mut option = option();
    option.names = map(&[
        ("client_id", "app_id"),
        ("client_secret", "secret"),
        ("code", "auth_code"),
        ("grant_type", ""),
    ]);
    option.pkce = false;
    let echo = pairs(&[("context", "stores/1")]);

    let call =
        code_request(&option, &endpoint(&custom), &client(), &CodeGrant { echo: &echo, ..code_grant() })
            .expect("a call");

    let sent: Value = serde_json::from_slice(&call.body).expect("JSON");
    let expected = json!({
        "auth_code": "c0de", "redirect_uri": CALLBACK, "context": "stores/1", "app_id": "cid", "secret": "s3c", "expiring": "1",
    });
    assert_eq!(sent, expected);
    assert_eq!(call.headers["accept"], "text/json");
    assert_eq!(call.headers["content-type"], "application/json");
}

#[test]
fn a_request_with_its_own_basic_sends_the_secret_nowhere_else() {
    let mut custom = request(TOKEN);
    custom.basic = Some(crate::catalog::connector::Basic {
        username: crate::protocol::samples::template("{{client.id}}"),
        password: crate::protocol::samples::template("{{client.secret}}"),
    });

    let call = code_request(&option(), &endpoint(&custom), &client(), &code_grant()).expect("a call");

    assert_eq!(call.headers["authorization"], "Basic Y2lkOnNlYw==");
    assert!(!body(&call).contains_key("client_secret"));
}

#[test]
fn rfc_6749_section_6_a_refresh_repeats_scopes_only_where_wanted() {
    let granted = scopes_of(&["a", "b"]);
    let mut option = option();

    let plain =
        refresh_request(&option, &endpoint(&request(TOKEN)), &client(), "RT", &granted).expect("a call");
    option.scopes.on_refresh = true;
    let repeated =
        refresh_request(&option, &endpoint(&request(TOKEN)), &client(), "RT", &granted).expect("a call");

    let expected = map(&[
        ("grant_type", "refresh_token"),
        ("refresh_token", "RT"),
        ("client_id", "cid"),
        ("client_secret", "s3c"),
    ]);
    assert_eq!(body(&plain), expected);
    assert_eq!(body(&repeated)["scope"], "a b");
}

#[test]
fn a_refresh_marked_template_is_sent_as_written() {
    let mut custom = request(TOKEN);
    custom.params = templates(&[("token", "{{access_token}}")]);
    let mut option = option();
    option.refresh = Some(Refresh { request: None, rotates: None, expires_in: None, template: true });

    let call = refresh_request(&option, &endpoint(&custom), &client(), "RT", &[]).expect("a call");

    assert_eq!(body(&call), map(&[("token", "AT")]));
}

#[test]
fn rfc_7009_section_2_1_the_refresh_token_goes_first() {
    let grant = Grant { access_token: "AT", refresh_token: Some("RT") };

    let calls = revoke_requests(&option(), &endpoint(&request(TOKEN)), &client(), &grant).expect("calls");

    let sent: Vec<_> = calls.iter().map(body).collect();
    let expected = |token, hint| {
        map(&[("token", token), ("token_type_hint", hint), ("client_id", "cid"), ("client_secret", "s3c")])
    };
    assert_eq!(sent, [expected("RT", "refresh_token"), expected("AT", "access_token")]);
}

#[test]
fn a_grant_without_refresh_token_is_revoked_by_one_call() {
    let grant = Grant { access_token: "AT", refresh_token: None };

    let calls = revoke_requests(&option(), &endpoint(&request(TOKEN)), &client(), &grant).expect("calls");

    assert_eq!(calls.len(), 1);
    assert_eq!(body(&calls[0])["token"], "AT");
}

#[test]
fn a_revocation_that_places_the_token_is_sent_once_as_written() {
    let mut custom = request("https://api.example.com/tokens/{{refresh_token}}");
    custom.method = http::Method::DELETE;
    let grant = Grant { access_token: "AT", refresh_token: Some("RT") };

    let calls = revoke_requests(&option(), &endpoint(&custom), &client(), &grant).expect("calls");

    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].url.as_str(), "https://api.example.com/tokens/RT");
    assert!(calls[0].body.is_empty());
}
