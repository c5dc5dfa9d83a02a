//! Good files give exact values; bad files give file, line, key and reason.

use http::Method;

use super::*;
use crate::catalog::connector::{AuthType, ClientAuth, Format, ScopeAt, Target};

fn read(text: &str) -> Connector {
    match connector("app", "connectors/app.toml", text) {
        Ok(connector) => connector,
        Err(error) => panic!("{error}"),
    }
}

fn refusal(text: &str) -> String {
    match connector("app", "connectors/app.toml", text) {
        Ok(_) => "accepted".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// A whole OAuth 2 connector, to which tests add a line at the end of its `[[auth]]` table.
fn oauth2(lines: &str) -> String {
    format!(
        r#"name = "App"
[api]
base = "https://api.example.com/v1"
[[auth]]
type = "oauth2"
authorize = {{ url = "https://example.com/authorize" }}
token = {{ url = "https://api.example.com/token", keep = {{ region = "data.region" }} }}
use = {{ headers = {{ Authorization = "Bearer {{{{access_token}}}}" }} }}
{lines}"#
    )
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
fn hosts_that_depend_on_a_parameter_and_on_the_reply() {
    let app = read(
        r#"
name = "Salesforce"
categories = ["crm", "sales"]
status = "reviewed"
[api]
base = "{{instance_url}}"
hosts = ["*.salesforce.com"]
test = { path = "/services/oauth2/userinfo" }
account = { id = "user_id", label = "preferred_username" }
[parameters.environment]
type = "string"
enum = ["production", "sandbox"]
default = "production"
signed = true
sets.production = { login_host = "login.salesforce.com" }
sets.sandbox = { login_host = "test.salesforce.com" }
[[auth]]
type = "oauth2"
client_auth = "body"
scopes = { default = ["api", "refresh_token"], titles = { api = "Read and change your records" } }
authorize = { url = "https://{{login_host}}/services/oauth2/authorize", params = { prompt = "login consent" } }
revoke = { url = "https://{{login_host}}/services/oauth2/revoke" }
refresh = { rotates = false }
use = { headers = { Authorization = "Bearer {{access_token}}" } }
[auth.token]
url = "https://{{login_host}}/services/oauth2/token"
keep = { instance_url = "instance_url" }
"#,
    );

    let environment = &app.parameters["environment"];
    assert_eq!(
        environment.schema,
        json!({ "type": "string", "enum": ["production", "sandbox"], "default": "production" })
    );
    assert_eq!(environment.sets["sandbox"]["login_host"], "test.salesforce.com");
    assert!(environment.signed && !environment.integration_only && !environment.secret);
    assert!(app.parameters.contains_key("scopes"));
    let option = &app.auth[0];
    assert_eq!((option.key.as_str(), option.title.as_str()), ("oauth2", "Sign in with Salesforce"));
    assert!(option.pkce);
    let refresh = option.refresh.as_ref().expect("refresh");
    assert_eq!((refresh.rotates, refresh.request.is_none(), refresh.template), (Some(false), true, false));
    assert_eq!(option.token.as_ref().expect("token").keep["instance_url"], "instance_url");
}

#[test]
fn two_options_a_signed_callback_and_a_tenant_host() {
    let app = read(
        r#"
name = "Shopify"
categories = ["e-commerce"]
[api]
base = "https://{{shop}}.myshopify.com"
test = "/admin/oauth/access_scopes.json"
[[auth]]
type = "oauth2"
pkce = false
scopes = { separator = ",", default = [] }
authorize = "https://{{shop}}.myshopify.com/admin/oauth/authorize"
token = { url = "https://{{shop}}.myshopify.com/admin/oauth/access_token", params = { b = "1", a = 2 }, expires_in = 3600 }
refresh = { rotates = true, params = { c = "3" } }
use = { headers = { X-Shopify-Access-Token = "{{access_token}}" } }
[auth.callback]
match = { shop = "{{shop}}.myshopify.com" }
signature = { param = "hmac", algorithm = "HMAC-SHA256", encoding = "hex", key = "{{client.secret}}" }
[[auth.field]]
name = "shop"
title = "Shop name"
suffix = ".myshopify.com"
[[auth]]
key = "token"
type = "api-key"
use = { headers = { X-Shopify-Access-Token = "{{api_key}}" } }
field = [
  { name = "shop", title = "Shop name" },
  { name = "api_key", title = "Token", secret = true, pattern = "^shp\\w+_\\S+$" },
]
"#,
    );

    let api = app.api.as_ref().expect("an API");
    assert_eq!(api.hosts, [HostPattern::parse("*.myshopify.com").expect("a pattern")]);
    let test = api.test.as_ref().expect("a test");
    assert!(matches!(&test.target, Target::Path(path) if path.source() == "/admin/oauth/access_scopes.json"));
    assert_eq!((&test.method, test.format), (&Method::GET, Format::Query));
    let option = &app.auth[0];
    assert!(!option.pkce);
    assert_eq!(option.scopes.separator, ",");
    assert_eq!(option.callback.matching[0].1.source(), "{{shop}}.myshopify.com");
    assert_eq!(option.callback.signature.as_ref().expect("a signature").param, "hmac");
    let token = option.token.as_ref().expect("token");
    let params = |list: &crate::catalog::connector::Templates| -> Vec<String> {
        list.iter().map(|(name, value)| format!("{name}={}", value.source())).collect()
    };
    assert_eq!(params(&token.params), ["b=1", "a=2"]);
    let refresh = option.refresh.as_ref().and_then(|refresh| refresh.request.as_ref()).expect("a request");
    assert_eq!(params(&refresh.params), ["c=3"]);
    assert_eq!(refresh.expires_in, Some(3600));
    assert!(matches!(&refresh.target, Target::Url(url) if url.source().ends_with("/access_token")));
    assert_eq!(app.auth[1].fields[1].pattern.as_deref(), Some(r"^shp\w+_\S+$"));
}

#[test]
fn every_other_quirk_of_the_format_is_read() {
    let app = read(
        r##"
name = "Everything"
color = "#0a0B0c"
featured = true
family = "all"
aliases = ["a"]
sources = ["vendor"]
[api]
base = "https://api.example.com"
hosts = ["api.example.com", "example.com", "*.example.org"]
headers = { Accept = "application/json" }
expired = { status = [401, 400], field = "error.code", equals = 190 }
account = { id = "team_id", from = "token" }
[parameters.runame]
type = "string"
integration_only = true
[[auth]]
type = "oauth2"
help_url = "https://example.com/help"
environment = "sandbox"
client = { secret = "{{jwt}}" }
client_auth = "basic-raw"
issuer = "https://example.com"
resource = "https://api.example.com/"
names = { client_id = "client_key", response_type = "" }
redirect_uri = "{{param.runame}}"
authorize = { url = "https://example.com/a", params = { response_mode = "form_post", name = "{{workspace.name}}" } }
exchange = { url = "https://api.example.com/x", method = "GET", params = { old = "{{access_token}}" } }
refresh = { url = "https://api.example.com/r", template = true, expires_in = 99 }
discover = [{ url = "https://api.example.com/d", items = "accounts", where = { is_default = true }, pick = { id = "id", label = "name" }, keep = { base_uri = "base_uri" } }]
use = { headers = { Authorization = "Bearer {{access_token}}" }, query = { t = "{{team_id}}" } }
[auth.scopes]
at = "token"
param = "permissions"
params = { user_scope = ["search:read"] }
on_refresh = true
[auth.callback]
code = "auth_code"
keep = { realm_id = "realmId" }
echo = ["context"]
[auth.token]
url = "https://api.example.com/t"
format = "json"
headers = { Accept = "application/json" }
basic = { username = "{{client.id}}", password = "x" }
map = { access_token = "data.token" }
keep = { team_id = "team.id" }
error = { field = "ok", ok = true, message = "error" }
[auth.jwt]
algorithm = "ES256"
key = "{{param.runame}}"
header = { kid = "{{client.id}}" }
claims = { iss = "{{customer.fields.team}}", n = 1 }
[[auth]]
type = "oauth1"
signature = { method = "HMAC-SHA1", realm = "{{realm}}" }
client = { id = "{{consumer_key}}", secret = "{{consumer_secret}}" }
token_static = { token = "{{token_id}}", secret = "{{token_secret}}" }
use = { sign = true }
field = [
  { name = "realm", title = "Account", options = ["b", "a"], default = "a" },
  { name = "consumer_key", title = "Consumer key" },
  { name = "consumer_secret", title = "Consumer secret", secret = true },
  { name = "tokens", title = "Tokens", secret = true, split = { on = ":", into = ["token_id", "token_secret"] } },
  { name = "dc", title = "Data centre", required = false, derive = { from = "tokens", regex = "-([a-z]+)$" } },
  { name = "limit", title = "Limit", type = "integer", required = false, default = 5, suggestions = [1, 2], example = 3 },
]
[[auth]]
type = "proxy"
url = "https://{{workspace.key}}.example.net/connect"
[[auth]]
type = "integration-app-token"
use = { headers = { Authorization = "Bearer {{access_token}}" } }
"##,
    );

    let option = &app.auth[0];
    assert_eq!(option.client_auth, ClientAuth::BasicRaw);
    assert_eq!(option.client.as_ref().expect("a client").id.source(), "{{client.id}}");
    assert_eq!(option.names["response_type"], "");
    assert_eq!((option.scopes.at, option.scopes.on_refresh), (ScopeAt::Token, true));
    assert_eq!(option.scopes.params["user_scope"], ["search:read"]);
    assert_eq!(option.callback.code, "auth_code");
    assert_eq!(option.discover[0].filter["is_default"], json!(true));
    let exchange = option.exchange.as_ref().expect("exchange");
    assert_eq!((&exchange.method, exchange.format), (&Method::GET, Format::Query));
    let refresh = option.refresh.as_ref().expect("refresh");
    assert_eq!((refresh.template, refresh.expires_in), (true, Some(99)));
    assert_eq!(refresh.request.as_ref().expect("a request").format, Format::Json);
    assert_eq!(option.jwt.as_ref().expect("a token").expires_in, 300);
    let expired = &app.api.as_ref().expect("an API").expired;
    assert_eq!(
        (expired.status.as_slice(), expired.equals.as_ref()),
        ([401, 400].as_slice(), Some(&json!(190)))
    );
    let fields = &app.auth[1].fields;
    assert_eq!(fields[0].options, [("b".into(), "b".into()), ("a".into(), "a".into())]);
    assert_eq!(fields[3].split.as_ref().expect("a split").into, ["token_id", "token_secret"]);
    assert_eq!((fields[5].default.as_deref(), fields[5].kind.as_str()), (Some("5"), "integer"));
    assert_eq!(app.auth[3].kind, AuthType::MembraneToken);
    assert_eq!(app.auth[3].key, "membrane-token");
}

#[test]
fn a_refresh_table_decides_whether_tokens_are_renewed() {
    assert!(read(&oauth2("")).auth[0].refresh.is_none());

    let standard = read(&oauth2("refresh = {}")).auth.remove(0).refresh.expect("refresh");

    assert!(standard.request.is_none() && standard.rotates.is_none() && !standard.template);
}

#[test]
fn hosts_default_to_those_of_the_addresses() {
    let app = read(&oauth2("revoke = { url = \"https://{{region}}.example.net/revoke\" }"));

    let hosts: Vec<_> = app.api.expect("an API").hosts.iter().map(ToString::to_string).collect();
    assert_eq!(hosts, ["api.example.com", "example.com", "*.example.net"]);
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
        ("type = \"membrane-token\"", "auth[0].use: puts no credential into a call"),
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
