//! What may and what may not become part of an address.

use std::collections::BTreeMap;

use super::*;

fn render(template: &str, value: &str) -> Result<String, TemplateError> {
    let values = BTreeMap::from([("x".to_owned(), value.to_owned())]);
    Template::parse(template)?.render_url(&values).map(String::from)
}

fn shape(template: &str) -> Result<HostShape, TemplateError> {
    Template::parse(template)?.host_shape()
}

#[test]
fn a_value_fills_its_own_component() {
    for (template, value, url) in [
        ("https://{{x}}.zendesk.com/oauth", "acme", "https://acme.zendesk.com/oauth"),
        ("https://{{x}}.zendesk.com", "Acme-1", "https://acme-1.zendesk.com/"),
        ("https://api.{{x}}/v1", "us3.datadoghq.com", "https://api.us3.datadoghq.com/v1"),
        ("https://api.amazon.{{x}}", "co.uk", "https://api.amazon.co.uk/"),
        ("https://api-{{x}}.example.com/", "eu", "https://api-eu.example.com/"),
        ("https://{{x}}/api/v4", "git.example.com", "https://git.example.com/api/v4"),
        ("https://{{x}}/api/v4", "git.example.com:8443", "https://git.example.com:8443/api/v4"),
        ("https://{{x}}?a=b", "git.example.com", "https://git.example.com/?a=b"),
        ("https://a.example:{{x}}/b", "8443", "https://a.example:8443/b"),
        ("https://a.example/v1/{{x}}/me", "a/b c?#%2f", "https://a.example/v1/a%2Fb%20c%3F%23%252f/me"),
        ("https://a.example/v1/{{x}}", "\u{e9}", "https://a.example/v1/%C3%A9"),
        ("https://a.example/?q={{x}}&r=1", "a&r=2#x+ ", "https://a.example/?q=a%26r%3D2%23x%2B%20&r=1"),
        ("https://a.example/?q={{x}}", "", "https://a.example/?q="),
        ("{{x}}", "https://eu.example.com", "https://eu.example.com/"),
        ("{{x}}/oauth/token", "https://eu.example.com/", "https://eu.example.com/oauth/token"),
        ("{{x}}/token?a=b", "https://eu.example.com:8443/p/", "https://eu.example.com:8443/p/token?a=b"),
        ("{{x}}/token", "http://127.0.0.1:9000", "http://127.0.0.1:9000/token"),
        ("http://localhost:9000/{{x}}", "a", "http://localhost:9000/a"),
        ("http://[::1]:9000/{{x}}", "a", "http://[::1]:9000/a"),
        ("https://a.example:443/{{x}}", "a", "https://a.example/a"),
    ] {
        assert_eq!(render(template, value), Ok(url.to_owned()), "{template} with {value}");
    }
}

/// Values that have left a host, a path or a query somewhere before.
const HOSTILE: &[&str] = &[
    "evil.com",
    "evil.com/",
    "evil.com/#",
    "evil.com#",
    "evil.com?",
    "evil.com\\",
    "evil.com:443/",
    "evil.com%2f",
    "evil.com%00",
    "x@evil",
    "x@evil.com",
    "x:y@evil.com",
    "@evil.com",
    ":@evil.com",
    "a.b",
    "a.b%2f",
    "a/b",
    "/",
    "//",
    "//evil.com",
    "/..",
    "..",
    ".",
    "...",
    "a..b",
    ".a",
    "a.",
    "%2e%2e",
    "%2f",
    "%",
    "a%",
    "\\",
    "\\\\evil.com",
    "\t",
    "a\tb",
    "a\nb",
    "a\r\nHost: evil.com",
    "\u{0}",
    "a\u{0}",
    "\u{7f}",
    "\u{85}",
    " ",
    "a b",
    " a",
    "a ",
    "",
    "-",
    "-a",
    "a-",
    "a_b",
    "a:1",
    ":",
    ":80",
    "a#b",
    "#",
    "?",
    "a?b",
    "a;b",
    "a&b",
    "a=b",
    "a,b",
    "a'b",
    "a\"b",
    "<a>",
    "{{x}}",
    "{a}",
    "$a",
    "a|b",
    "a^b",
    "`",
    "[::1]",
    "[",
    "]",
    "\u{3002}evil\u{3002}com",
    "evil\u{3002}com",
    "evil\u{ff0e}com",
    "evil\u{ff61}com",
    "evil\u{2024}com",
    "\u{ff0f}",
    "a\u{2044}b",
    "a\u{2215}b",
    "\u{ff03}",
    "\u{ff20}evil",
    "\u{2100}",
    "\u{ad}",
    "a\u{200b}",
    "\u{feff}",
    "\u{202e}moc",
    "\u{e9}",
    "\u{df}",
    "http://evil.com",
    "https://evil.com",
    "javascript:alert(1)",
    "127.0.0.1",
    "169.254.169.254/latest",
];

#[test]
fn a_label_admits_no_hostile_value() {
    for value in HOSTILE {
        for template in
            ["https://{{x}}.zendesk.com/oauth/tokens", "https://a.{{x}}.example.com", "https://x-{{x}}.a.b/"]
        {
            let result = render(template, value);
            let Err(TemplateError::Unfit { name, reason }) = result else {
                panic!("{template} with {value:?}: {result:?}");
            };
            assert_eq!(name, "x");
            assert!(value.trim().len() < 4 || !reason.contains(value));
        }
    }
}

#[test]
fn a_whole_host_admits_host_names_only() {
    for value in HOSTILE.iter().filter(|value| !matches!(**value, "evil.com" | "a.b")) {
        let result = render("https://{{x}}/api/v4", value);

        assert!(matches!(result, Err(TemplateError::Unfit { .. })), "{value:?}: {result:?}");
    }
    for value in
        ["127.1", "0x7f.1", "a.0x7f000001", "2130706433", "1.2.3.4", "a.b:0", "a.b:", "a.b:99999", "a.b:+1"]
    {
        let result = render("https://{{x}}/api/v4", value);

        assert!(matches!(result, Err(TemplateError::Unfit { .. })), "{value:?}: {result:?}");
    }
}

#[test]
fn hostile_values_stay_inside_a_path_segment() {
    for value in HOSTILE {
        match render("https://a.example/v1/{{x}}/me?q=1", value) {
            Ok(text) => {
                let url = Url::parse(&text).expect("an address");
                assert_eq!(url.host_str(), Some("a.example"), "{value:?}");
                assert_eq!(url.path().split('/').count(), 4, "{value:?}");
                assert_eq!(url.query(), Some("q=1"), "{value:?}");
                assert_eq!(url.fragment(), None, "{value:?}");
            }
            Err(TemplateError::Unfit { name, .. }) => assert_eq!(name, "x"),
            Err(other) => panic!("{value:?}: {other}"),
        }
    }
}

#[test]
fn hostile_values_stay_inside_a_query_value() {
    for value in HOSTILE.iter().filter(|value| !value.chars().any(char::is_control)) {
        let text = render("https://a.example/v1?q={{x}}&end=1", value).expect("any text is a query value");

        let url = Url::parse(&text).expect("an address");
        let pairs: Vec<_> = url.query_pairs().collect();
        assert_eq!(pairs, [("q".into(), (*value).into()), ("end".into(), "1".into())], "{value:?}");
        assert_eq!((url.host_str(), url.fragment()), (Some("a.example"), None));
    }
}

#[test]
fn text_and_value_together_cannot_climb_either() {
    for (template, value) in [
        ("https://a.example/.{{x}}/z", "."),
        ("https://a.example/{{x}}./z", "."),
        ("https://a.example/%2{{x}}.", "e"),
        ("https://a.example/%2{{x}}%2e/z", "e"),
    ] {
        assert!(render(template, value).is_err(), "{template}");
    }
}

#[test]
fn the_end_of_a_host_stays_in_the_host() {
    for value in HOSTILE {
        match render("https://api.{{x}}/v1", value) {
            // A name, which the connector's hosts then judge.
            Ok(url) => assert_eq!(url, format!("https://api.{value}/v1")),
            Err(TemplateError::Unfit { .. }) => {}
            Err(error) => panic!("{value:?}: {error}"),
        }
    }
    for value in ["evil.com/", "x@evil.com", "a..b", "evil.com:443", "1", "a.0x7f", ".", "a."] {
        assert!(render("https://api.{{x}}/v1", value).is_err(), "{value:?}");
    }
}

#[test]
fn a_base_is_the_address_of_a_server() {
    for value in HOSTILE.iter().filter(|value| **value != "https://evil.com") {
        let result = render("{{x}}/oauth/token", value);

        assert!(matches!(result, Err(TemplateError::Unfit { .. })), "{value:?}: {result:?}");
    }
    for value in [
        "http://eu.example.com",
        "ftp://eu.example.com",
        "https://u@eu.example.com",
        "https://u:p@eu.example.com",
        "https://eu.example.com?a",
        "https://eu.example.com/?",
        "https://eu.example.com#",
        "https://eu.example.com/#a",
        "https:eu.example.com",
        "https:/eu.example.com",
        "https:///eu.example.com",
        "https://eu.example.com\\@evil.com",
        "https://eu.example.com\\.evil.com",
        "https://b\u{fc}cher.example",
        "https://0x7f.1",
        "https://",
        "//eu.example.com",
        "http://localhost.evil.com",
        "data:text/html,x",
    ] {
        let result = render("{{x}}/oauth/token", value);

        assert!(matches!(result, Err(TemplateError::Unfit { .. })), "{value:?}: {result:?}");
    }
}

#[test]
fn text_that_cannot_be_an_address_is_refused_whatever_the_value() {
    for template in [
        "",
        "/path",
        "api.example.com/{{x}}",
        "ftp://a.example/{{x}}",
        "HTTPS://a.example/{{x}}",
        "{{x}}evil",
        "{{x}}.example.com",
        "{{x}}{{x}}",
        "https://u@a.example/{{x}}",
        "https://{{x}}@a.example/",
        "https://a.example/#{{x}}",
        "https://a.example/ {{x}}",
        "https://a.example\\{{x}}",
        "https:///{{x}}",
        "http://a.example/{{x}}",
        "https://a.example/../{{x}}",
        "https://b\u{fc}cher.example/{{x}}",
    ] {
        let value = if template.starts_with("{{") { "https://a.example" } else { "a" };
        let result = render(template, value);

        assert!(matches!(result, Err(TemplateError::NotAnAddress(_))), "{template}: {result:?}");
    }
}

#[test]
fn an_error_names_the_placeholder_and_not_the_value() {
    let error = render("https://{{x}}.example.com/", "evil.com/#").expect_err("hostile");

    assert_eq!(error.to_string(), "the value of `{{x}}` may have letters, digits and hyphens only");
}

#[test]
fn the_shape_of_a_host_is_read_from_the_text() {
    for (template, expected) in [
        ("https://API.example.com/{{x}}", HostShape::Literal("api.example.com".into())),
        ("http://127.0.0.1:9000/x", HostShape::Literal("127.0.0.1:9000".into())),
        ("https://{{x}}.zendesk.com/y", HostShape::Suffix("zendesk.com".into())),
        ("https://{{x}}.{{x}}.zendesk.com", HostShape::Suffix("zendesk.com".into())),
        ("https://a-{{x}}.zendesk.com?z={{x}}", HostShape::Suffix("zendesk.com".into())),
        ("https://{{x}}.com/y", HostShape::Open),
        ("https://{{x}}zendesk.com/y", HostShape::Open),
        ("https://{{x}}/y", HostShape::Open),
        ("https://a.{{x}}/y", HostShape::Open),
        ("https://a.example:{{x}}/y", HostShape::Open),
        ("{{x}}/y", HostShape::Open),
    ] {
        assert_eq!(shape(template), Ok(expected), "{template}");
    }
}
