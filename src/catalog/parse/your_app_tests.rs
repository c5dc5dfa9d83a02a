use serde_json::json;

use super::*;

fn parsed(auth: Value) -> Result<Connector, String> {
    your_app("Acme", "https://api.acme.com/v1", &auth).map_err(|error| error.to_string())
}

#[test]
fn an_option_and_a_base_make_a_connector_that_reaches_the_hosts_they_name() {
    let auth = json!({
        "type": "oauth2",
        "token": { "url": "https://auth.acme.com/oauth/token" },
        "client_auth": "basic",
    });

    let connector = parsed(auth).expect("a connector");

    let api = connector.api.as_ref().expect("an api");
    let hosts: Vec<_> = api.hosts.iter().map(ToString::to_string).collect();
    assert_eq!(hosts, ["api.acme.com", "auth.acme.com"]);
    assert_eq!((connector.key.as_str(), connector.name.as_str()), ("your-app", "Acme"));
    let option = &connector.auth[0];
    assert!(option.refresh.is_some(), "a token is renewed");
    assert_eq!(option.usage.headers[0].1.source(), "Bearer {{access_token}}");
}

#[test]
fn every_credential_that_is_used_is_a_field() {
    let auth = json!({
        "type": "custom",
        "use": { "headers": { "X-Key": "{{credentials.key}}", "X-Deep": "{{credentials.a.b}}" } },
    });

    let connector = parsed(auth).expect("a connector");

    let fields: Vec<_> = connector.auth[0].fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(fields, ["credentials.a.b", "credentials.key"]);
    assert!(connector.auth[0].fields.iter().all(|field| field.secret));
}

#[test]
fn basic_goes_by_user_name_and_password_and_a_workspace_token_needs_nothing() {
    let basic = parsed(json!({ "type": "basic" })).expect("a connector");
    let token = parsed(json!({ "type": "membrane-token" })).expect("a connector");
    let own =
        json!({ "type": "integration-app-token", "use": { "headers": { "X-Membrane-Token": "{{jwt}}" } } });

    assert_eq!(basic.auth[0].fields.len(), 2);
    assert_eq!(token.auth[0].fields.len(), 0);
    assert_eq!(parsed(own).expect("a connector").auth[0].usage.headers[0].0, "X-Membrane-Token");
}

#[test]
fn text_of_every_kind_arrives_as_it_was_written() {
    let odd = "a\"b\\c\n\u{7f}é{x} #";
    let auth =
        json!({ "type": "custom", "use": { "headers": { "X-Odd": odd, "X-Key": "{{client.secret}}" } } });

    let connector = parsed(auth).expect("a connector");

    let header = connector.auth[0].usage.headers.iter().find(|(name, _)| name == "X-Odd");
    assert_eq!(header.expect("the header").1.source(), odd);
}

#[test]
fn what_cannot_work_is_refused_by_its_key() {
    let key = json!({ "X-Key": "{{credentials.key}}" });
    for (auth, said) in [
        (json!("x"), "your_app: auth: must be a table in the shape of a connector's [[auth]]"),
        (json!({}), "your_app: auth.type: is missing"),
        (
            json!({ "type": "oauth1", "use": { "headers": key } }),
            "your_app: auth.type: `oauth1` needs a page",
        ),
        (json!({ "type": "proxy" }), "your_app: auth.type: `proxy` needs a page"),
        (json!({ "type": "oauth2" }), "your_app: auth.token: is missing"),
        (
            json!({ "type": "oauth2", "authorize": { "url": "https://a.b/" } }),
            "your_app: auth.authorize: has no meaning here",
        ),
        (json!({ "type": "api-key", "use": {}, "uze": 1 }), "your_app: auth.uze: "),
        (json!({ "type": "api-key" }), "your_app: auth.use: puts no credential into a call"),
        (
            json!({ "type": "api-key", "use": { "headers": { "A": "{{apiKey}}" } } }),
            "your_app: auth.use.headers.A: nothing is known under `{{apiKey}}`",
        ),
        (json!({ "type": "api-key", "use": { "headers": { "A": null } } }), "your_app: auth: has a null"),
        (
            json!({ "type": "client-credentials", "token": { "url": "http://auth.acme.com/token" } }),
            "your_app: auth.token.url: must begin with https://",
        ),
        (
            json!({ "type": "custom", "use": { "headers": key }, "api": { "base": "https://{{credentials.host}}/" } }),
            "your_app: auth.api.base: takes its whole host from a value",
        ),
        (
            json!({
                "type": "jwt",
                "jwt": { "algorithm": "HS256", "key": "{{client.secret}}", "claims": { "sub": "{{credentials.who}}" } },
                "use": { "headers": { "A": "{{jwt}}" } },
            }),
            "your_app: auth.jwt: lets the customer choose by `{{credentials.who}}` whose data",
        ),
    ] {
        let refused = parsed(auth.clone()).expect_err("a refusal");

        assert!(refused.starts_with(said), "{auth}: {refused}");
    }
}

#[test]
fn a_base_is_https_or_loopback_and_ends_with_its_path() {
    let auth = json!({ "type": "membrane-token" });
    for good in [
        "https://api.acme.com",
        "http://localhost:3000/api/",
        "http://127.0.0.1:3000",
        "https://{{customer.fields.region}}.acme.com",
    ] {
        assert!(your_app("Acme", good, &auth).is_ok(), "{good}");
    }
    for bad in [
        "",
        "api.acme.com",
        "http://api.acme.com",
        "ftp://api.acme.com",
        "https://u@api.acme.com",
        "https://api.acme.com/?a=1",
        "https://api.acme.com/#a",
        "https://{{credentials.host}}",
    ] {
        let refused = your_app("Acme", bad, &auth).expect_err(bad).to_string();
        assert!(refused.starts_with("your_app: base_uri: "), "{bad}: {refused}");
    }
}
