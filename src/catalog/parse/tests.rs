//! Good files give exact values; bad ones are in `refusal_tests`.

use http::Method;

use super::*;
use crate::catalog::connector::{AuthType, ClientAuth, Format, ScopeAt, Target};

mod refusal_tests;

fn read(text: &str) -> Connector {
    match connector("app", "connectors/app.toml", text) {
        Ok(connector) => connector,
        Err(error) => panic!("{error}"),
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
fn pushed_authorization_signed_scopes_and_a_workspace_token_are_read() {
    let app = read(
        r#"
name = "App"
[api]
base = "https://api.example.com"
[[auth]]
type = "oauth2"
authorize = "https://example.com/authorize"
par = { url = "https://example.com/par", headers = { Accept = "application/json" } }
token = "https://example.com/token"
use = { headers = { Authorization = "Bearer {{access_token}}" } }
[[auth]]
type = "jwt"
token = "https://example.com/token"
jwt = { algorithm = "RS256", key = "{{key}}", claims = { scope = "{{scopes}}" } }
use = { headers = { Authorization = "Bearer {{access_token}}" } }
field = [{ name = "key", title = "Private key", secret = true }]
[[auth]]
type = "membrane-token"
[[auth]]
key = "own-header"
type = "membrane-token"
use = { headers = { X-Workspace-Token = "{{jwt}}" } }
"#,
    );

    let par = app.auth[0].par.as_ref().expect("a request");
    assert_eq!((&par.method, par.format, par.headers.len()), (&Method::POST, Format::Form, 1));
    let jwt = app.auth[1].jwt.as_ref().expect("a token");
    assert_eq!(jwt.claims[0].1.source(), "{{scopes}}");
    let header = |index: usize| {
        let (name, value) = &app.auth[index].usage.headers[0];
        format!("{name}: {}", value.source())
    };
    assert_eq!(header(2), "Authorization: Bearer {{jwt}}");
    assert_eq!(header(3), "X-Workspace-Token: {{jwt}}");
    let hosts: Vec<_> = app.api.expect("an API").hosts.iter().map(ToString::to_string).collect();
    assert_eq!(hosts, ["api.example.com", "example.com"]);
}
