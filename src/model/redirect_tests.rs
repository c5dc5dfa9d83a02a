use super::*;

fn patterns(texts: &[&str]) -> Vec<OriginPattern> {
    texts.iter().map(|text| OriginPattern::parse(text).expect("a good pattern")).collect()
}

fn acme() -> Vec<OriginPattern> {
    patterns(&["https://app.acme.com", "http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"])
}

fn target(raw: &str) -> RedirectTarget {
    RedirectTarget::parse(raw, &acme()).expect("a good address")
}

/// One JSON string a line; made for this project.
fn hostile() -> Vec<String> {
    let lines = include_str!("testdata/redirects.txt").lines();
    lines.map(|line| serde_json::from_str(line).expect("a JSON string")).collect()
}

#[test]
fn no_hostile_address_is_a_redirect_target() {
    let corpus = hostile();

    let accepted: Vec<_> = corpus.iter().filter(|raw| RedirectTarget::parse(raw, &acme()).is_ok()).collect();

    assert_eq!(accepted, Vec::<&String>::new());
    assert!(corpus.len() >= 300, "{} addresses", corpus.len());
}

#[test]
fn the_corpus_is_refused_where_nothing_is_allowed_too() {
    assert!(hostile().iter().all(|raw| RedirectTarget::parse(raw, &[]).is_err()));
    assert_eq!(RedirectTarget::parse("https://app.acme.com/", &[]), Err(RedirectRefusal::NotAllowed));
}

#[test]
fn an_address_of_an_allowed_origin_is_accepted() {
    let table = [
        ("https://app.acme.com", "https://app.acme.com/", "https://app.acme.com"),
        ("https://app.acme.com/a/b?c=d#e", "https://app.acme.com/a/b?c=d#e", "https://app.acme.com"),
        ("HTTPS://App.Acme.com:443/", "https://app.acme.com/", "https://app.acme.com"),
        ("https://app.acme.com//evil.example", "https://app.acme.com//evil.example", "https://app.acme.com"),
        ("https://app.acme.com/@evil.example", "https://app.acme.com/@evil.example", "https://app.acme.com"),
        ("https://app.acme.com#@evil.example", "https://app.acme.com/#@evil.example", "https://app.acme.com"),
        (
            "https://app.acme.com/?u=https://evil.example",
            "https://app.acme.com/?u=https://evil.example",
            "https://app.acme.com",
        ),
        ("https://app.acme.com/../x", "https://app.acme.com/x", "https://app.acme.com"),
        ("https://app.acme.com/\u{fc}", "https://app.acme.com/%C3%BC", "https://app.acme.com"),
        ("http://localhost", "http://localhost/", "http://localhost"),
        ("http://localhost:3000/x", "http://localhost:3000/x", "http://localhost:3000"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("http://[::1]:8080/", "http://[::1]:8080/", "http://[::1]:8080"),
    ];

    for (raw, address, origin) in table {
        let target = target(raw);
        assert_eq!((target.as_str(), target.origin().as_str()), (address, origin), "{raw}");
    }
}

#[test]
fn a_refusal_says_which_rule_was_broken() {
    let table = [
        ("https://app.acme.com/\\x", RedirectRefusal::Characters),
        ("https://app.acme.com/ x", RedirectRefusal::Characters),
        ("/x", RedirectRefusal::NotAnAddress),
        ("javascript:alert(1)", RedirectRefusal::NotAnAddress),
        ("https://user@app.acme.com/", RedirectRefusal::UserInfo),
        ("http://app.acme.com/", RedirectRefusal::Insecure),
        ("https://evil.example/", RedirectRefusal::NotAllowed),
    ];

    for (raw, refusal) in table {
        assert_eq!(RedirectTarget::parse(raw, &acme()), Err(refusal), "{raw}");
    }
}

#[test]
fn parameters_are_added_and_nothing_is_lost() {
    let state = "a b+c&d=e#f\u{e9}\"%";

    let plain = target("https://app.acme.com/x").with(&[("connectionId", "1"), ("customState", state)]);
    let full = target("https://app.acme.com/x?a=%20+b&a#frag?x").with(&[("error", "no & no")]);
    let empty = target("https://app.acme.com/?").with(&[("a", "b")]);
    let none = target("https://app.acme.com/x?#").with(&[]);

    assert_eq!(plain, "https://app.acme.com/x?connectionId=1&customState=a%20b%2Bc%26d%3De%23f%C3%A9%22%25");
    let read: Vec<_> = Url::parse(&plain).expect("a URL").query_pairs().into_owned().collect();
    assert_eq!(read[1], ("customState".to_owned(), state.to_owned()));
    assert_eq!(full, "https://app.acme.com/x?a=%20+b&a&error=no%20%26%20no#frag?x");
    assert_eq!(empty, "https://app.acme.com/?a=b");
    assert_eq!(none, "https://app.acme.com/x?#");
}

#[test]
fn a_pattern_is_an_origin_or_a_loopback_host_with_any_port() {
    for text in
        ["https://app.acme.com", "https://app.acme.com:8443", "http://localhost:3000", "http://localhost:*"]
    {
        assert_eq!(OriginPattern::parse(text).map(|pattern| pattern.to_string()), Ok(text.to_owned()));
    }
    let table = [
        ("*", PatternError::Wildcard),
        ("https://*", PatternError::Wildcard),
        ("https://*.acme.com", PatternError::Wildcard),
        ("https://app.acme.com:*", PatternError::Wildcard),
        ("https://localhost:*", PatternError::Wildcard),
        ("http://localhost:*/", PatternError::Wildcard),
        ("http://localhost:3*", PatternError::Wildcard),
        ("http://127.0.0.2:*", PatternError::Wildcard),
        ("http://0.0.0.0:*", PatternError::Wildcard),
        ("http://LOCALHOST:*", PatternError::Wildcard),
        ("http://app.acme.com", PatternError::Insecure),
        ("http://127.0.0.2:80", PatternError::Insecure),
        ("https://user@app.acme.com", PatternError::Insecure),
        ("https://app.acme.com/", PatternError::NotAnOrigin),
        ("https://app.acme.com/x", PatternError::NotAnOrigin),
        ("https://app.acme.com?x", PatternError::NotAnOrigin),
        ("https://app.acme.com#x", PatternError::NotAnOrigin),
        (" https://app.acme.com", PatternError::NotAnOrigin),
        ("https://app.acme.com\n", PatternError::NotAnOrigin),
        ("https:app.acme.com", PatternError::NotAnOrigin),
        ("app.acme.com", PatternError::NotAnOrigin),
        ("null", PatternError::NotAnOrigin),
        ("", PatternError::NotAnOrigin),
        ("data:text/html,x", PatternError::NotAnOrigin),
    ];
    for (text, refusal) in table {
        assert_eq!(OriginPattern::parse(text), Err(refusal), "{text}");
    }
}

#[test]
fn an_origin_header_is_read_as_browsers_write_it() {
    for text in
        ["https://app.acme.com", "http://localhost:3000", "http://[::1]:80", "https://xn--mnchen-3ya.de"]
    {
        let own = text.replace(":80", "");
        assert_eq!(Origin::parse(&own).map(|origin| origin.to_string()), Some(own));
    }
    for text in [
        "null",
        "",
        "https://app.acme.com/",
        "https://APP.acme.com",
        "https://app.acme.com:443",
        "app.acme.com",
        "file://",
        "https://a.example https://b.example",
        "https://app.acme.com/x",
        "https://user@app.acme.com",
    ] {
        assert_eq!(Origin::parse(text), None, "{text}");
    }
}

#[test]
fn an_origin_is_admitted_exactly() {
    let admitted = |text: &str| admits(&acme(), &Origin::parse(text).expect("an origin"));

    for text in [
        "https://app.acme.com",
        "http://localhost",
        "http://localhost:1",
        "http://127.0.0.1:9",
        "http://[::1]",
    ] {
        assert!(admitted(text), "{text}");
    }
    for text in [
        "http://app.acme.com",
        "https://app.acme.com:8443",
        "https://acme.com",
        "https://localhost",
        "http://localhost.evil.example",
        "http://localhostx",
        "http://127.0.0.1.evil.example",
        "http://[::2]",
    ] {
        assert!(!admitted(text), "{text}");
    }
}

#[test]
fn frame_ancestors_get_no_ipv6_literals() {
    let sources = csp_sources(&[acme(), patterns(&["http://[::1]:3000"])].concat());

    assert_eq!(sources, ["https://app.acme.com", "http://localhost:*", "http://127.0.0.1:*"]);
}
