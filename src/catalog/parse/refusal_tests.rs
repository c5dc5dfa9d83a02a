//! Bad files give file, line, key and reason.

use super::*;

fn refusal(text: &str) -> String {
    match connector("app", "connectors/app.toml", text) {
        Ok(_) => "accepted".to_owned(),
        Err(error) => error.to_string(),
    }
}

fn api_key(lines: &str) -> String {
    format!(
        r#"name = "App"
[api]
base = "https://api.example.com"
[[auth]]
type = "api-key"
use = {{ headers = {{ A = "{{{{api_key}}}}" }} }}
[[auth.field]]
name = "api_key"
title = "API key"
secret = true
{lines}"#
    )
}

#[test]
fn a_refusal_says_where_and_why() {
    for (text, expected) in [
        ("name = ", ":1: string values must be quoted, expected literal string"),
        ("name = \"A\"\nname = \"B\"", ":2: duplicate key"),
        ("[[auth]]\ntype = \"proxy\"", ": name: is missing"),
        ("name = 3", ":1: name: must be text in quotes"),
        ("name = \"App\"", ": auth: is missing"),
        ("name = \"App\"\nauth = []", ":2: auth: must have at least one option"),
        (
            "name = \"App\"\nlogo = \"../x\"\nauth = []",
            ":2: logo: must be a simple-icons slug: lower-case letters and digits",
        ),
        ("name = \"App\"\ncolor = \"red\"\nauth = []", ":2: color: must be a colour like #FF7A59"),
        (
            "name = \"App\"\nstatus = \"good\"\nauth = []",
            ":2: status: must be one of reviewed, listed, closed",
        ),
        ("name = \"App\"\nwebsite = \"http://a.b\"\nauth = []", ":2: website: must be an https:// address"),
    ] {
        let found = refusal(text);
        assert!(found.starts_with(&format!("connectors/app.toml{expected}")), "{found}");
    }
}

#[test]
fn a_refusal_of_an_option_names_the_dotted_key() {
    for (lines, expected) in [
        ("tokn = 1", ":9: auth[0].tokn: is not a key of the format; here it has type, token"),
        ("pkce = \"no\"", ":9: auth[0].pkce: must be true or false"),
        (
            "client_auth = \"unknown\"",
            ":9: auth[0].client_auth: must be one of body, basic, basic-raw, private_key_jwt, none",
        ),
        ("[auth.revoke]\nmethod = \"POST\"", ":9: auth[0].revoke.url: is missing"),
        (
            "[auth.revoke]\nurl = \"https://a.b\"\npath = \"/x\"",
            ":11: auth[0].revoke.path: cannot stand beside `url`",
        ),
        ("[auth.revoke]\npath = \"x\"", ":10: auth[0].revoke.path: must begin with a slash"),
        (
            "[auth.revoke]\nurl = \"http://api.example.com/x\"",
            ":10: auth[0].revoke.url: must begin with https://",
        ),
        (
            "[auth.revoke]\nurl = \"api.example.com\"",
            ":10: auth[0].revoke.url: this is not a usable address: it must begin with https://",
        ),
        ("[auth.revoke]\nurl = \"https://{{x\"", ":10: auth[0].revoke.url: `{{` is never closed by `}}`"),
        (
            "[auth.revoke]\nurl = \"https://api.example.com/{{nope}}\"",
            ":10: auth[0].revoke.url: nothing is known under `{{nope}}` in option `oauth2`",
        ),
        (
            "[auth.revoke]\nurl = \"{{region}}/revoke\"",
            ":10: auth[0].revoke.url: takes its whole host from a value: list the hosts it may have in `api.hosts`",
        ),
        (
            "[auth.revoke]\nurl = \"https://api.example.com/\"\nbody = { a = [\"{{b\"] }",
            ":11: auth[0].revoke.body.a[0]: `{{` is never closed by `}}`",
        ),
        (
            "[auth.exchange]\nurl = \"https://api.example.com/\"\nparams = { a = \"{{param.x}}\" }",
            ":11: auth[0].exchange.params.a: nothing is known under `{{param.x}}` in option `oauth2`",
        ),
        (
            "field = [{ name = \"region\", title = \"Region\" }]",
            ":7: auth[0].token.keep: `region` already comes from auth[0].field[0].name",
        ),
        (
            "field = [{ name = \"jwt\", title = \"Token\" }]",
            ":9: auth[0].field[0].name: `jwt` is a name of Hitchpost's own",
        ),
        (
            "field = [{ name = \"scopes\", title = \"Scopes\" }]",
            ":9: auth[0].field[0].name: `scopes` is a name of Hitchpost's own",
        ),
        (
            "field = [{ name = \"a-b\", title = \"A\" }]",
            ":9: auth[0].field[0].name: must be a name of letters, digits and `_`",
        ),
        ("field = [{ name = \"a\" }]", ":9: auth[0].field[0].title: is missing"),
        (
            "scopes = { supported = false, default = [\"a\"] }",
            ":9: auth[0].scopes: has scopes although `supported` is false",
        ),
        ("[auth.jwt]\nalgorithm = \"none\"\nkey = \"k\"", ":10: auth[0].jwt.algorithm: must be one of HS256"),
        ("[auth.api]\nhosts = []", ":10: auth[0].api.hosts: must not be empty"),
        ("[auth.api]\nhosts = [\"*\"]", ":10: auth[0].api.hosts[0]: is not a host"),
        (
            "[auth.api]\nhosts = [\"api.example.com\"]",
            ":6: auth[0].authorize.url: goes to example.com, which is not among the hosts",
        ),
        (
            "[auth.api]\nbase = \"https://api.example.com\"\naccount = { id = \"id\" }",
            ":11: auth[0].api.account: needs `test` beside it, or `from = \"token\"`",
        ),
        ("[auth.api]\ntest = { path = \"/me\" }", ":10: auth[0].api.test.path: this is not a usable address"),
    ] {
        let found = refusal(&oauth2(lines));
        assert!(found.starts_with(&format!("connectors/app.toml{expected}")), "{lines}\n{found}");
    }
}

#[test]
fn fields_must_be_able_to_work() {
    for (lines, expected) in [
        ("pattern = \"(\"", ":11: auth[0].field[0].pattern: is not a pattern of the linear engine"),
        ("pattern = \"(?=a)\"", ":11: auth[0].field[0].pattern: is not a pattern of the linear engine"),
        (
            "pattern = \"(a{500}){500}\"",
            ":11: auth[0].field[0].pattern: is not a pattern of the linear engine, or too large",
        ),
        ("pattern = \"^a$\"\ndefault = \"b\"", ":12: auth[0].field[0].default: does not pass its own field"),
        (
            "options = [\"a\"]\ndefault = \"b\"",
            ":12: auth[0].field[0].default: does not pass its own field: Choose one of: a.",
        ),
        (
            "derive = { from = \"nope\", regex = \"(a)\" }",
            ":11: auth[0].field[0].derive.from: there is no field `nope`",
        ),
        (
            "derive = { from = \"api_key\", regex = \"a\" }",
            ":11: auth[0].field[0].derive.regex: needs a group in parentheses",
        ),
        (
            "split = { on = \":\", into = [\"a\"] }",
            ":11: auth[0].field[0].split: needs a separator and at least two names",
        ),
    ] {
        let found = refusal(&api_key(lines));
        assert!(found.starts_with(&format!("connectors/app.toml{expected}")), "{lines}\n{found}");
    }
}

#[test]
fn options_that_cannot_work_are_refused() {
    for (auth, expected) in [
        ("type = \"api-key\"", "auth[0].field: is missing; type api-key cannot work without it"),
        ("type = \"oauth2\"", "auth[0].authorize: is missing; type oauth2 cannot work without it"),
        ("type = \"oauth1\"", "auth[0].request_token: is missing; type oauth1 cannot work without it"),
        ("type = \"proxy\"", "auth[0].url: is missing; type proxy cannot work without it"),
        ("type = \"jwt\"", "auth[0].jwt: is missing; type jwt cannot work without it"),
        ("type = \"membrane-token\"\nuse = {}", "auth[0].use: puts no credential into a call"),
        (
            "type = \"api-key\"\npar = \"https://a.example.com/par\"\nuse = { headers = { A = \"{{k}}\" } }\nfield = [{ name = \"k\", title = \"K\", secret = true }]",
            "auth[0].par: needs `authorize` beside it",
        ),
        ("type = \"sso\"", "auth[0].type: must be one of oauth2, oauth1"),
        (
            "type = \"api-key\"\nfield = [{ name = \"k\", title = \"K\", secret = true }]",
            "auth[0].use: puts no credential into a call",
        ),
        (
            "type = \"api-key\"\nuse = { headers = { A = \"{{access_token}}\" } }\nfield = [{ name = \"k\", title = \"K\" }]",
            "auth[0].use.headers.A: type api-key has no `{{access_token}}`",
        ),
        (
            "type = \"membrane-token\"\nuse = { query = { a = \"{{access_token}}\" } }\n[[auth]]\ntype = \"membrane-token\"",
            "auth[1].key: `membrane-token` is the key of two options",
        ),
    ] {
        let found = refusal(&format!("name = \"App\"\n[[auth]]\n{auth}"));
        assert!(found.contains(expected), "{auth}\n{found}");
    }
}

#[test]
fn no_secret_is_shown_to_a_browser() {
    let found = refusal(&oauth2("").replace(
        "{ url = \"https://example.com/authorize\" }",
        "{ url = \"https://example.com/authorize\", params = { s = \"{{client.secret}}\" } }",
    ));

    assert_eq!(
        found,
        "connectors/app.toml:6: auth[0].authorize.params.s: would show `{{client.secret}}` to the browser"
    );
}

#[test]
fn a_secret_parameter_is_shown_to_no_browser_and_lets_calls_in() {
    let file = |secret: &str, place: &str| {
        format!(
            "name = \"App\"\n[api]\nbase = \"https://a.example.com\"\n[parameters.word]\ntype = \"string\"\n{secret}\n\
             [[auth]]\ntype = \"jwt\"\nscopes = {{ supported = false }}\n{place}\n\
             jwt = {{ algorithm = \"HS256\", key = \"{{{{param.word}}}}\" }}"
        )
    };
    let shown = "authorize = \"https://a.example.com/install?word={{param.word}}\"\nuse = { headers = { A = \"{{jwt}}\" } }";
    let used = "use = { headers = { A = \"{{param.word}}\" } }";

    assert!(
        refusal(&file("secret = true", shown))
            .contains("authorize.url: would show `{{param.word}}` to the browser")
    );
    read(&file("", shown));
    assert!(refusal(&file("", used)).contains("auth[0].use: puts no credential into a call"));
    read(&file("secret = true", used));
}

#[test]
fn scopes_are_not_a_name_where_there_are_none() {
    let found = refusal(&oauth2(
        "scopes = { supported = false }\nrevoke = { url = \"https://example.com/r\", params = { s = \"{{scopes}}\" } }",
    ));

    assert!(found.contains("revoke.params.s: nothing is known under `{{scopes}}`"), "{found}");
}

#[test]
fn no_browser_chooses_the_host_of_a_secret() {
    let file = |parameter: &str| {
        format!(
            "name = \"App\"\n[api]\nbase = \"https://{{{{param.host}}}}/v1\"\nhosts = [\"*.example.com\", \"a.example.org\"]\n\
             [parameters.host]\n{parameter}\n[[auth]]\ntype = \"membrane-token\"\n\
             use = {{ headers = {{ A = \"{{{{access_token}}}}\" }} }}"
        )
    };

    assert_eq!(
        refusal(&file("type = \"string\"")),
        "connectors/app.toml:3: api.base: lets a browser choose the host: make `{{param.host}}` signed, integration_only or an enum"
    );
    for good in ["type = \"string\"\nsigned = true", "integration_only = true", "enum = [\"a.example.com\"]"]
    {
        read(&file(good));
    }
}

#[test]
fn an_open_host_never_sees_the_integrations_client_secret() {
    let file = |client: &str| {
        format!(
            "name = \"App\"\n[api]\nopen_hosts = true\n[[auth]]\ntype = \"oauth2\"\n{client}\n\
             authorize = {{ url = \"https://{{{{host}}}}/a\" }}\ntoken = {{ url = \"https://{{{{host}}}}/t\" }}\n\
             use = {{ headers = {{ A = \"{{{{access_token}}}}\" }} }}\n\
             field = [{{ name = \"host\", title = \"Host\" }}, {{ name = \"id\", title = \"ID\" }}, \
             {{ name = \"secret\", title = \"Secret\", secret = true }}]"
        )
    };

    assert!(
        refusal(&file("")).contains("api.open_hosts: would send the integration's client secret to any host")
    );
    assert!(
        refusal(&file("client = { id = \"{{id}}\", secret = \"{{client.secret}}\" }")).contains("open_hosts")
    );
    read(&file("client = { id = \"{{id}}\", secret = \"{{secret}}\" }"));
}

#[test]
fn parameters_must_fit_together() {
    for (lines, expected) in [
        ("type = \"text\"", "parameters.p: is not a JSON Schema"),
        ("type = \"string\"\npattern = \"(?=a)\"", "parameters.p: is not a JSON Schema"),
        ("type = \"string\"\ndefault = 1", "parameters.p.default: does not fit its own schema"),
        ("enum = [\"a\"]\nsets.b = { x = \"1\" }", "parameters.p.sets.b: is not one of the enum"),
        ("enum = [\"a\", \"b\"]\nsets.a = { x = \"1\" }", "parameters.p.sets: says nothing for `b`"),
        (
            "sets.a = { x = \"1\" }\nsets.b = { y = \"1\" }",
            "parameters.p.sets.b: must set the same names as the other values",
        ),
        ("signed = 1", "parameters.p.signed: must be true or false"),
        (
            "[parameters.scopes]\ntype = \"string\"",
            "parameters.scopes: is a list of scopes in every connector: `type` must be \"array\"",
        ),
    ] {
        let found = refusal(&format!(
            "name = \"App\"\n[parameters.p]\n{lines}\n[[auth]]\ntype = \"membrane-token\"\nuse = {{ query = {{ a = \"{{{{access_token}}}}\" }} }}"
        ));
        assert!(found.contains(expected), "{lines}\n{found}");
    }
}

#[test]
fn a_key_is_lower_case_words() {
    for key in ["", "App", "a_b", "-a", "a-", "a--b", "a/b", "..", "é"] {
        assert!(connector(key, "x.toml", "name = \"A\"").is_err_and(|error| error.key.is_empty()), "{key}");
    }
}

#[test]
fn nobody_chooses_by_typing_whose_data_the_developers_key_opens() {
    let option = |claims: &str, token: &str, rest: &str| {
        format!(
            "name = \"App\"\n[api]\nbase = \"https://a.example.com\"\n\
             [parameters.word]\ntype = \"string\"\nsecret = true\nintegration_only = true\n\
             [parameters.user]\ntype = \"string\"\nsigned = true\n\
             [[auth]]\ntype = \"jwt\"\n{rest}\n\
             jwt = {{ algorithm = \"HS256\", key = \"{{{{param.word}}}}\", claims = {{ {claims} }} }}\n\
             token = \"https://a.example.com/{token}\"\n\
             use = {{ headers = {{ A = \"{{{{access_token}}}}\" }} }}"
        )
    };
    let field = "field = [{ name = \"user\", title = \"User\" }]";
    let kept = "authorize = \"https://a.example.com/install\"\ncallback = { keep = { user = \"user\" } }";
    let reason = "auth[0].jwt: lets the customer choose by `{{user}}` whose data the developer's key opens";

    for text in [
        option("sub = \"{{user}}\"", "token", field),
        option("sub = \"x\"", "{{user}}/token", field),
        option("sub = \"x\"", "{{user}}/token", kept),
    ] {
        let found = refusal(&text);
        assert!(found.contains(reason), "{found}");
    }
    assert_eq!(refusal(&option("sub = \"{{param.user}}\"", "token", "")), "accepted");
}

#[test]
fn a_map_names_members_of_a_token_reply_only() {
    let found =
        refusal(&oauth2("exchange = { url = \"https://example.com/x\", map = { token = \"data.token\" } }"));

    assert!(
        found
            .contains("auth[0].exchange.map: `token` is no member of a token reply; there are access_token,"),
        "{found}"
    );
}

#[test]
fn what_a_field_offers_must_lead_to_a_host_of_the_app() {
    let file = |base: &str, field: &str| {
        format!(
            r#"name = "App"
[api]
base = "https://{base}/v1"
hosts = ["*.example.com"]
[[auth]]
type = "api-key"
use = {{ headers = {{ A = "{{{{api_key}}}}" }} }}
field = [
  {{ name = "place", title = "Place", {field} }},
  {{ name = "api_key", title = "API key", secret = true }},
]"#
        )
    };

    for (base, field, expected) in [
        ("{{place}}", "options = [\"a.example.com\", \"b.example.com\"]", "accepted"),
        ("api.{{place}}", "example = \"eu.example.com\"", "accepted"),
        ("{{place}}.example.com", "pattern = \"^[a-z]+$\"", "accepted"),
        (
            "{{place}}",
            "options = [\"a.example.com\", \"a.example.org\"]",
            ":8: auth[0].field[0].options: offers a.example.org, with which api.base goes to a.example.org, \
             which is not among the hosts",
        ),
        (
            "{{place}}",
            "example = \"a.example.com.evil.test\"",
            ":3: api.base: goes to a.example.com.evil.test, which is not among the hosts",
        ),
        (
            "{{place}}.example.com",
            "example = \"a_b\"",
            ":3: api.base: is no address: the value of `{{place}}` may have letters, digits and hyphens only",
        ),
    ] {
        let found = refusal(&file(base, field));
        assert!(found.strip_prefix("connectors/app.toml").unwrap_or(&found).starts_with(expected), "{found}");
    }
}
