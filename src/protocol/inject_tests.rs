use http::Method;

use super::*;
use crate::{
    catalog::connector::Basic,
    protocol::samples::{map, template, templates},
};

fn call() -> Call {
    Call::new(Method::GET, Url::parse("https://api.example.com/x?a=1&key=theirs").expect("a URL"))
}

#[test]
fn a_header_is_filled_and_marked_sensitive() {
    let usage =
        Usage { headers: templates(&[("Authorization", "Bearer {{access_token}}")]), ..Usage::default() };
    let mut call = call();

    inject(&usage, &map(&[("access_token", "t0k")]), &mut call).expect("it fits");

    assert_eq!(call.headers["authorization"], "Bearer t0k");
    assert!(call.headers["authorization"].is_sensitive());
}

#[test]
fn a_header_of_an_empty_optional_field_is_left_out() {
    let usage = Usage {
        headers: templates(&[
            ("X-Key", "{{key}}"),
            ("X-Team", "{{team}}"),
            ("X-Zone", "{{zone}}"),
            ("X-Version", "2"),
        ]),
        ..Usage::default()
    };
    let mut call = call();

    inject(&usage, &map(&[("key", "k"), ("team", "")]), &mut call).expect("it fits");

    assert_eq!(call.headers.len(), 2);
    assert_eq!(
        (&call.headers["x-key"], &call.headers["x-version"]),
        (&"k".parse().expect("ok"), &"2".parse().expect("ok"))
    );
}

#[test]
fn a_call_never_leaves_without_any_credential() {
    let usage = Usage { headers: templates(&[("X-Key", "{{key}}")]), ..Usage::default() };

    let refusal = inject(&usage, &map(&[("other", "x")]), &mut call());

    assert!(matches!(refusal, Err(InjectError::Nothing)));
}

#[test]
fn a_query_parameter_takes_the_place_of_the_callers_own() {
    let usage = Usage { query: templates(&[("key", "{{key}}")]), ..Usage::default() };
    let mut call = call();

    inject(&usage, &map(&[("key", "a&b c")]), &mut call).expect("it fits");

    assert_eq!(call.url.as_str(), "https://api.example.com/x?a=1&key=a%26b%20c");
}

#[test]
fn basic_takes_its_parts_from_templates() {
    let basic = Basic { username: template("{{email}}/token"), password: template("{{api_token}}") };
    let usage = Usage { basic: Some(basic), ..Usage::default() };
    let mut call = call();

    inject(&usage, &map(&[("email", "a@b.example"), ("api_token", "k")]), &mut call).expect("it fits");
    let colon = inject(&usage, &map(&[("email", "a:b"), ("api_token", "k")]), &mut call);
    let missing = inject(&usage, &map(&[("email", "a")]), &mut call);

    assert_eq!(call.headers["authorization"], "Basic YUBiLmV4YW1wbGUvdG9rZW46aw==");
    assert!(matches!(colon, Err(InjectError::Call(CallError::BasicUsername))));
    assert!(matches!(missing, Err(InjectError::Template(_))));
}

#[test]
fn a_value_cannot_add_a_header() {
    let usage = Usage { headers: templates(&[("X-Key", "{{key}}")]), ..Usage::default() };

    for value in ["a\r\nX-Evil: 1", "a\nb", "a\0b", "a\u{7f}"] {
        let refusal = inject(&usage, &map(&[("key", value)]), &mut call());
        let Err(InjectError::Call(refusal)) = refusal else { panic!("accepted {value:?}") };
        assert_eq!(refusal, CallError::HeaderValue("X-Key".to_owned()));
    }
}

#[test]
fn a_signature_is_not_made_here() {
    let usage = Usage { sign: true, ..Usage::default() };

    let refusal = inject(&usage, &(), &mut call());

    assert!(matches!(refusal, Err(InjectError::Call(CallError::Unsupported(_)))));
}
