//! npm `oidc-provider`, a certified OpenID Connect server, with the clients these tests register there.

use serde_json::{Value, json};

use super::{
    app::TestApp,
    provider::{Integration, Program, Provider, app_with, callback_of, free_port},
};

/// Basic only carries these characters when each part is form-encoded first (RFC 6749 §2.3.1).
pub const CLIENT_ID: &str = "acme:client & co";
pub const CLIENT_SECRET: &str = "we:ird %+&=/secret-0123456789abcdef0123456789abcdef";

/// A client that acts for itself.
pub const SERVICE_ID: &str = "service 50% & co";
pub const SERVICE_SECRET: &str = "a+b c:d&e=f/%20-0123456789abcdef0123456789abcdef";

pub const RSA_KEY: &str = include_str!("../../protocol/testdata/rsa.pem");
pub const OTHER_RSA_KEY: &str = include_str!("../../protocol/testdata/rsa-other.pem");
pub const P256_KEY: &str = include_str!("../../protocol/testdata/p256.pem");
const RSA_PUBLIC: &str = include_str!("../../protocol/testdata/rsa.pub.pem");
const P256_PUBLIC: &str = include_str!("../../protocol/testdata/p256.pub.pem");

/// What a person types on the pages of `oidc-provider`.
pub const ADA: &[(&str, &str)] = &[("login", "ada"), ("password", "any")];

const BEARER: &str = r#"use = { headers = { Authorization = "Bearer {{access_token}}" } }"#;

/// The rest of a connector whose customers sign in; `more` are further keys of its option.
pub fn people(base: &str, client_auth: &str, more: &str) -> String {
    format!(
        r#"
test = {{ path = "/me" }}
account = {{ id = "sub", label = "sub" }}
[[auth]]
key = "oauth2"
type = "oauth2"
issuer = "{base}"
client_auth = "{client_auth}"
scopes = {{ default = ["openid", "offline_access"] }}
authorize = {{ url = "{base}/auth", params = {{ prompt = "consent" }} }}
token = {{ url = "{base}/token" }}
revoke = {{ url = "{base}/token/revocation" }}
refresh = {{ rotates = true }}
{BEARER}
{more}
"#
    )
}

/// The rest of a connector whose client acts for itself.
fn machine(base: &str, client_auth: &str, more: &str) -> String {
    format!(
        r#"
test = {{ path = "/resource" }}
account = {{ id = "id", label = "id" }}
[[auth]]
key = "client-credentials"
type = "client-credentials"
client_auth = "{client_auth}"
scopes = {{ default = ["read"] }}
token = {{ url = "{base}/token" }}
revoke = {{ url = "{base}/token/revocation" }}
{BEARER}
{more}
"#
    )
}

const TYPED_CLIENT: &str = r#"client = { id = "{{client_id}}", secret = "{{client_secret}}" }
field = [
  { name = "client_id", title = "Client ID" },
  { name = "client_secret", title = "Client secret", secret = true },
]"#;

/// One server with an integration for every kind of client, and the provider that knows them all.
pub async fn started() -> (TestApp, Provider) {
    let port = free_port();
    let base = format!("http://127.0.0.1:{port}");
    let pushed = format!(r#"par = {{ url = "{base}/request" }}"#);
    let of = |key, client, connector| Integration { key, client, connector };
    let integrations = [
        of("certified", Some((CLIENT_ID, CLIENT_SECRET)), people(&base, "basic", "")),
        of("pushed", Some(("pushed", CLIENT_SECRET)), people(&base, "basic", &pushed)),
        of("unpushed", Some(("pushed", CLIENT_SECRET)), people(&base, "basic", "")),
        of("signed-rs256", Some(("signed-rs256", RSA_KEY)), people(&base, "private_key_jwt", "")),
        of("signed-es256", Some(("signed-es256", P256_KEY)), people(&base, "private_key_jwt", "")),
        of("pushed-signed", Some(("pushed-signed", P256_KEY)), people(&base, "private_key_jwt", &pushed)),
        of("machine", Some((SERVICE_ID, SERVICE_SECRET)), machine(&base, "basic", "")),
        of("machine-typed", None, machine(&base, "basic", TYPED_CLIENT)),
        of("machine-rs256", Some(("machine-rs256", RSA_KEY)), machine(&base, "private_key_jwt", "")),
        of("machine-es256", Some(("machine-es256", P256_KEY)), machine(&base, "private_key_jwt", "")),
        of("machine-forged", Some(("machine-rs256", OTHER_RSA_KEY)), machine(&base, "private_key_jwt", "")),
    ];
    let app = app_with(port, &integrations).await;
    let clients = clients(&app).await.to_string();
    let provider = Provider::start(Program::Node("oidc-provider.mjs"), port, &[("CLIENTS", &clients)]);
    (app, provider)
}

/// What is registered at the provider. A client may only do what its entry says.
async fn clients(app: &TestApp) -> Value {
    let signed = |mut client: Value, algorithm: &str| {
        client["public_key"] = json!(if algorithm == "RS256" { RSA_PUBLIC } else { P256_PUBLIC });
        client["token_endpoint_auth_method"] = json!("private_key_jwt");
        client["token_endpoint_auth_signing_alg"] = json!(algorithm);
        client
    };
    let machine = |id: &str| json!({ "client_id": id, "grant_types": ["client_credentials"], "response_types": [], "scope": "read" });
    let mut service = machine(SERVICE_ID);
    service["client_secret"] = json!(SERVICE_SECRET);
    json!([
        {
            "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
            "redirect_uris": [callback_of(app, "certified").await],
        },
        {
            "client_id": "pushed", "client_secret": CLIENT_SECRET,
            "redirect_uris": [callback_of(app, "pushed").await, callback_of(app, "unpushed").await],
            "require_pushed_authorization_requests": true,
        },
        signed(json!({ "client_id": "signed-rs256", "redirect_uris": [callback_of(app, "signed-rs256").await] }), "RS256"),
        signed(json!({ "client_id": "signed-es256", "redirect_uris": [callback_of(app, "signed-es256").await] }), "ES256"),
        signed(
            json!({
                "client_id": "pushed-signed", "redirect_uris": [callback_of(app, "pushed-signed").await],
                "require_pushed_authorization_requests": true,
            }),
            "ES256",
        ),
        service,
        signed(machine("machine-rs256"), "RS256"),
        signed(machine("machine-es256"), "ES256"),
    ])
}
