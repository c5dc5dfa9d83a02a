use http::{HeaderName, Method};

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
fn a_signature_is_left_to_the_caller_and_counts_as_a_credential() {
    let signed = Usage { sign: true, ..Usage::default() };
    let with_key = Usage { sign: true, headers: templates(&[("X-Key", "{{key}}")]), ..Usage::default() };
    let mut call = call();

    inject(&signed, &(), &mut call).expect("nothing to fill in");
    inject(&with_key, &(), &mut call).expect("the signature is the credential");

    assert!(call.headers.is_empty());
    assert_eq!(call.url.as_str(), "https://api.example.com/x?a=1&key=theirs");
}

#[test]
fn in_a_callers_call_the_credential_is_ours_and_fixed_text_a_default() {
    let usage = Usage {
        headers: templates(&[("X-Key", "{{key}}"), ("Accept", "application/json")]),
        query: templates(&[("token", "{{key}}")]),
        ..Usage::default()
    };
    let mut call = Call::new(Method::GET, Url::parse("https://api.example.com/x").expect("a URL"));
    for (name, value) in [("x-key", "theirs"), ("x_key", "theirs"), ("accept", "text/csv"), ("version", "1")]
    {
        call.headers.insert(HeaderName::from_static(name), value.parse().expect("a value"));
    }

    let defaults = templates(&[("Version", "2"), ("X-Zone", "eu")]);
    inject_relayed(&usage, &defaults, &map(&[("key", "ours")]), &mut call).expect("it fits");

    let found: Vec<_> =
        ["x-key", "accept", "version", "x-zone"].iter().map(|name| &call.headers[*name]).collect();
    assert_eq!(found, ["ours", "text/csv", "1", "eu"]);
    assert_eq!(call.headers.len(), 4);
    assert_eq!(call.url.query(), Some("token=ours"));
}

#[test]
fn the_callers_query_stays_as_it_is_beside_the_credential() {
    let own = Some("key=ours&zone=eu");

    assert_eq!(merge_query(Some("a='%2F+&&b=\u{fc}"), None).as_deref(), Some("a='%2F+&&b=\u{fc}"));
    assert_eq!(merge_query(None, None), None);
    assert_eq!(merge_query(None, own).as_deref(), own);
    assert_eq!(
        merge_query(Some("a='%2F&key=x&k%65y=y&key&zone"), own).as_deref(),
        Some("a='%2F&key=ours&zone=eu")
    );
}
