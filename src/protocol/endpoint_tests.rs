use serde_json::json;

use super::*;
use crate::protocol::samples::{api, map, pairs, request, template, templates};

fn render(request: &Request) -> Endpoint {
    Endpoint::render(request, &api(), &map(&[("tenant", "a/b"), ("access_token", "t0k")])).expect("it fits")
}

#[test]
fn a_path_stands_behind_the_base() {
    let mut me = request("");
    me.target = Target::Path(template("/users/{{tenant}}?all=1"));
    me.method = Method::GET;

    let endpoint = render(&me);

    assert_eq!(endpoint.url.as_str(), "https://api.example.com/v1/users/a%2Fb?all=1");
    assert!(!endpoint.places_token);
}

#[test]
fn a_host_that_is_not_the_connectors_is_refused() {
    for url in
        ["https://evil.example/", "https://api.example.com.evil.example/", "https://api.example.com:8443/"]
    {
        let refusal = Endpoint::render(&request(url), &api(), &());
        assert!(matches!(refusal, Err(EndpointError::HostNotAllowed)), "{url}");
    }
    let open = Api { open_hosts: true, ..Api::default() };
    assert!(Endpoint::render(&request("https://git.example.org/x"), &open, &()).is_ok());
}

#[test]
fn a_path_needs_a_base() {
    let mut me = request("");
    me.target = Target::Path(template("/me"));

    let refusal = Endpoint::render(&me, &Api::default(), &());

    assert!(matches!(refusal, Err(EndpointError::NoBase)));
}

#[test]
fn headers_basic_and_parameters_are_filled_in() {
    let mut custom = request("https://api.example.com/x");
    custom.headers =
        templates(&[("Accept", "application/vnd.x+json"), ("X-Token", "Bearer {{access_token}}")]);
    custom.params = templates(&[("a", "{{tenant}}")]);
    custom.basic =
        Some(crate::catalog::connector::Basic { username: template("u"), password: template("{{tenant}}") });
    let mut api = api();
    api.headers = templates(&[("X-Version", "7"), ("Accept", "text/plain")]);

    let endpoint = Endpoint::render(&custom, &api, &map(&[("tenant", "a/b"), ("access_token", "t0k")]));
    let call = endpoint.expect("it fits").call().expect("good headers");

    assert_eq!(call.headers["accept"], "application/vnd.x+json");
    assert_eq!(call.headers["x-version"], "7");
    assert_eq!(call.headers["x-token"], "Bearer t0k");
    assert_eq!(call.headers["authorization"], "Basic dTphL2I=");
    assert!(call.headers["authorization"].is_sensitive() && call.headers["x-token"].is_sensitive());
    assert_eq!(call.body, b"a=a%2Fb");
}

#[test]
fn a_json_body_takes_in_what_it_does_not_say_itself() {
    let mut custom = request("https://api.example.com/x");
    custom.format = Format::Json;
    custom.body = Some(json!({"client_id": "own", "deep": ["{{tenant}}", 1]}));

    let call = render(&custom).call_with(pairs(&[("client_id", "standard"), ("code", "c")])).expect("a call");

    let body: Value = serde_json::from_slice(&call.body).expect("JSON");
    assert_eq!(body, json!({"client_id": "own", "deep": ["a/b", 1], "code": "c"}));
}

#[test]
fn the_connectors_parameter_wins_over_the_standard_one() {
    let mut custom = request("https://api.example.com/x?keep=1");
    custom.params = templates(&[("grant_type", "fb_exchange_token")]);
    let standard = pairs(&[("grant_type", "authorization_code"), ("code", "c")]);

    let form = render(&custom).call_with(standard.clone()).expect("a call");
    custom.format = Format::Query;
    let query = render(&custom).call_with(standard.clone()).expect("a call");
    custom.format = Format::Form;
    custom.method = Method::GET;
    let get = render(&custom).call_with(standard).expect("a call");

    assert_eq!(form.body, b"code=c&grant_type=fb_exchange_token");
    assert_eq!(query.url.as_str(), "https://api.example.com/x?keep=1&code=c&grant_type=fb_exchange_token");
    assert_eq!(get.url, query.url);
    assert!(query.body.is_empty() && get.body.is_empty());
}

#[test]
fn a_request_that_places_a_token_is_recognised_wherever_it_does() {
    let mut in_path = request("https://api.example.com/tokens/{{access_token}}");
    assert!(render(&in_path).places_token);
    in_path = request("https://api.example.com/");
    in_path.body = Some(json!({"a": {"b": "{{access_token}}"}}));
    assert!(render(&in_path).places_token);
    in_path = request("https://api.example.com/");
    in_path.headers = templates(&[("Authorization", "Bearer {{access_token}}")]);
    assert!(render(&in_path).places_token);
    assert!(!render(&request("https://api.example.com/{{tenant}}")).places_token);
}
