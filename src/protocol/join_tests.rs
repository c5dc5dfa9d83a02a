use super::*;
use crate::catalog::{Template, host::HostPattern};

fn url(text: &str) -> Url {
    Url::parse(text).expect("an address")
}

fn joined(base: &str, path: &str, query: Option<&str>) -> Result<String, JoinError> {
    let found = join(&url(base), path, query)?;
    Ok(found.query.map_or(found.url.to_string(), |query| format!("{}?{query}", found.url)))
}

fn api(base: &str, hosts: &[&str]) -> Api {
    Api {
        base: Some(Template::parse(base).expect("a template")),
        hosts: hosts.iter().map(|host| HostPattern::parse(host).expect("a host")).collect(),
        ..Api::default()
    }
}

#[test]
fn a_path_stands_behind_the_base_as_received() {
    for (base, path, whole) in [
        ("https://a.example", "", "https://a.example/"),
        ("https://a.example", "/", "https://a.example/"),
        ("https://a.example/v1", "", "https://a.example/v1"),
        ("https://a.example/v1", "/", "https://a.example/v1/"),
        ("https://a.example/v1/", "/x", "https://a.example/v1/x"),
        ("https://a.example/v1", "/x//y/", "https://a.example/v1/x//y/"),
        ("https://a.example/v1", "//b.example/x", "https://a.example/v1//b.example/x"),
        ("https://a.example", "//b.example/x", "https://a.example//b.example/x"),
        ("https://a.example/v1", "/a%2Fb/%e4%C3%A4", "https://a.example/v1/a%2Fb/%e4%C3%A4"),
        ("https://a.example/v1", "/@me:80/a=b;c,d!$&'()*+~", "https://a.example/v1/@me:80/a=b;c,d!$&'()*+~"),
        ("https://a.example/v1", "/...a/.b/c./..d/d..", "https://a.example/v1/...a/.b/c./..d/d.."),
        ("https://a.example/v1", "/100%25", "https://a.example/v1/100%25"),
    ] {
        assert_eq!(joined(base, path, None), Ok(whole.to_owned()), "{base} {path}");
    }
}

#[test]
fn the_query_is_not_touched() {
    let query = "a=1&a=2&q='\"%2e%2E/../\\&&=&b[]=ü";

    assert_eq!(
        join(&url("https://a.example/v1"), "/x", Some(query)).expect("fits").query.as_deref(),
        Some(query)
    );
    assert_eq!(
        joined("https://a.example/v1?k=v", "/x", Some("a=1")),
        Ok("https://a.example/v1/x?k=v&a=1".into())
    );
    assert_eq!(joined("https://a.example/v1", "/x", Some("")), Ok("https://a.example/v1/x".into()));
}

/// Security O5.
#[test]
fn a_step_upwards_is_refused_in_every_encoding() {
    for step in [
        "..",
        ".",
        "%2e%2e",
        ".%2e",
        "%2e.",
        "%2E%2E",
        "%252e%252e",
        "%25252e%25252e",
        "..;",
        "..;x=1",
        ".;",
        "%2e%2e;",
        "..%20",
        "%20..",
        "..%09",
        "..%00",
        "..%0d%0a",
        "%2e%2e%2f",
        "..%2f..",
        "a%2f..%2fb",
        "..%5c",
        "..\\",
        "a\\b",
        "a%5cb",
        "a%255cb",
        "%c0%ae%c0%ae",
        "%e0%80%ae",
        "%c0%af",
        "%f0%80%80%ae",
        "%ef%bc%8e%ef%bc%8e",
        "\u{ff0e}\u{ff0e}",
        "%e2%80%a5",
        "x%00",
        "x%0a",
        "%0d%0aHost:%20evil.example",
        "a b",
        "a\tb",
        "a?b",
        "a#b",
        "\u{7f}",
    ] {
        for path in [format!("/{step}"), format!("/x/{step}/y"), format!("/x/{step}")] {
            assert_eq!(joined("https://a.example/v1", &path, None), Err(JoinError::InvalidPath), "{path:?}");
        }
    }
    assert_eq!(joined("https://a.example/v1", "x", None), Err(JoinError::InvalidPath));
}

/// Acceptance 76.
#[test]
fn a_whole_address_may_be_one_of_the_connectors_hosts() {
    let api = api("https://api.example.com/v1", &["api.example.com", "*.files.example.com"]);
    let base = url("https://api.example.com/v1");
    let reached = |path: &str| {
        let found = absolute(path).map(|whole| address(whole, None, &api, Some(&base)))?;
        Some(found.map(|found| found.url.to_string()))
    };

    assert_eq!(reached("/https://api.example.com/v2/x"), Some(Ok("https://api.example.com/v2/x".into())));
    assert_eq!(reached("/HTTPS:/API.example.com"), Some(Ok("https://api.example.com/".into())));
    assert_eq!(reached("/https://eu.files.example.com/x"), Some(Ok("https://eu.files.example.com/x".into())));
    for elsewhere in [
        "/https://evil.example/",
        "/http://api.example.com/",
        "/https://api.example.com:8443/",
        "/https://api.example.com.evil.example/",
        "/https://api.example.com@evil.example/",
        "/https://evil.example#api.example.com/",
        "/https://api.example.com%2eevil.example/",
        "/https://2130706433/",
        "/https:///api.example.com/",
        "/https:////evil.example/",
        "/https://[::1]/",
        "/https:/",
    ] {
        assert_eq!(reached(elsewhere), Some(Err(JoinError::HostNotAllowed)), "{elsewhere}");
    }
    assert_eq!(reached("/https://api.example.com/../x"), Some(Err(JoinError::InvalidPath)));
    for path in
        ["/v1/https://evil.example/", "/ftp://evil.example/", "//evil.example/", "/https", "/https%3A%2F%2Fx"]
    {
        assert_eq!(reached(path), None, "{path}");
    }
}

/// Acceptance 76, where a pattern stands for the customers' own hosts.
#[test]
fn a_token_does_not_reach_the_next_customers_host() {
    let own = api("https://{{subdomain}}.zendesk.com", &["*.zendesk.com", "files.zendesk.com"]);
    let base = url("https://acme.zendesk.com/");
    let reached = |path: &str| {
        address(absolute(path).expect("a whole address"), None, &own, Some(&base))
            .map(|found| found.url.to_string())
    };

    assert_eq!(reached("/https://acme.zendesk.com/x"), Ok("https://acme.zendesk.com/x".into()));
    assert_eq!(reached("/https://files.zendesk.com/x"), Ok("https://files.zendesk.com/x".into()));
    assert_eq!(reached("/https://evil.zendesk.com/x"), Err(JoinError::HostNotAllowed));
}

#[test]
fn an_app_on_any_host_is_reached_on_its_own() {
    let open = Api { open_hosts: true, ..api("{{base_url}}", &[]) };
    let base = url("https://git.acme.example/api");
    let reached = |path: &str| {
        address(absolute(path).expect("a whole address"), None, &open, Some(&base))
            .map(|found| found.url.to_string())
    };

    assert_eq!(reached("/https://git.acme.example/x"), Ok("https://git.acme.example/x".into()));
    assert_eq!(reached("/https://evil.example/x"), Err(JoinError::HostNotAllowed));
}
