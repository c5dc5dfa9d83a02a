//! What further apps want done in their own way, and which of them were compared with their vendor's
//! documentation.

use serde_json::{Value, json};

use super::*;

/// Rows as in [`super::quirks`].
pub(super) fn table() -> Vec<(&'static str, &'static str, &'static str, Value)> {
    vec![
        // The app's own client stands in every call.
        ("etsy", "oauth2", "use.headers.x-api-key", json!("{{client.id}}:{{client.secret}}")),
        ("twitch", "oauth2", "use.headers.Client-Id", json!("{{client.id}}")),
        ("trakt", "oauth2", "use.headers.trakt-api-key", json!("{{client.id}}")),
        ("disqus", "oauth2", "use.query.api_key", json!("{{client.id}}")),
        ("google-ads", "oauth2", "use.headers.developer-token", json!("{{param.developer_token}}")),
        ("google-ads", "oauth2", "/parameters.developer_token.secret", json!(true)),
        // Other names, other words.
        (
            "tiktok-ads",
            "oauth2",
            "names",
            json!({ "client_id": "app_id", "client_secret": "secret", "code": "auth_code" }),
        ),
        ("tiktok-ads", "oauth2", "callback.code", json!("auth_code")),
        ("tiktok-ads", "oauth2", "token.map.access_token", json!("data.access_token")),
        ("amazon-selling-partner", "oauth2", "callback.code", json!("spapi_oauth_code")),
        ("monday", "oauth2", "names.response_type", json!("")),
        ("monday", "oauth2", "use.headers.Authorization", json!("{{access_token}}")),
        ("soundcloud", "oauth2", "use.headers.Authorization", json!("OAuth {{access_token}}")),
        ("ebay", "oauth2", "redirect_uri", json!("{{param.runame}}")),
        ("flickr", "oauth1", "scopes.param", json!("perms")),
        ("weixin", "oauth2", "names", json!({ "client_id": "appid", "client_secret": "secret" })),
        // A token call of its own kind.
        ("basecamp", "oauth2", "token.params.type", json!("web_server")),
        ("basecamp", "oauth2", "refresh.params.type", json!("refresh")),
        ("bamboohr", "oauth2", "refresh.params.request", json!("token")),
        ("zoom", "client-credentials", "token.params.grant_type", json!("account_credentials")),
        ("withings", "oauth2", "token.params.action", json!("requesttoken")),
        ("withings", "oauth2", "token.map.access_token", json!("body.access_token")),
        ("okta", "client-credentials", "client_auth", json!("private_key_jwt")),
        (
            "okta",
            "client-credentials",
            "client",
            json!({ "id": "{{client_id}}", "secret": "{{private_key}}" }),
        ),
        ("square", "oauth2", "token.map", json!({ "expires_at": "expires_at" })),
        ("square", "oauth2", "revoke.headers.Authorization", json!("Client {{client.secret}}")),
        ("strava", "oauth2", "revoke.params", json!({ "access_token": "{{access_token}}" })),
        // A short-lived token is swapped for one that lives, or renews itself.
        ("facebook", "oauth2", "exchange.params.grant_type", json!("fb_exchange_token")),
        ("instagram", "oauth2", "exchange.params.grant_type", json!("ig_exchange_token")),
        ("instagram", "oauth2", "refresh.template", json!(true)),
        ("threads", "oauth2", "refresh.params.grant_type", json!("th_refresh_token")),
        // Where the API is stands in a reply, or follows from what was chosen.
        ("sap-concur", "token-exchange", "token.keep.geolocation", json!("geolocation")),
        ("pipedrive", "oauth2", "token.keep.api_domain", json!("api_domain")),
        ("surveymonkey", "oauth2", "token.keep.access_url", json!("access_url")),
        ("wrike", "oauth2", "token.keep.host", json!("host")),
        ("datadog", "oauth2", "/api.base", json!("https://api.{{site}}/api")),
        (
            "confluence",
            "oauth2",
            "discover.0.keep",
            json!({ "cloud_id": "id", "site_url": "url", "site_name": "name" }),
        ),
        (
            "microsoft-dynamics-365",
            "oauth2",
            "authorize.params.scope",
            json!("https://{{environment_host}}/.default offline_access"),
        ),
        // Each customer registers a client of their own.
        ("snowflake", "oauth2", "client.secret", json!("{{client_secret}}")),
        ("servicenow", "oauth2", "client.secret", json!("{{client_secret}}")),
        ("workday", "oauth2", "client.secret", json!("{{client_secret}}")),
        // Whose server it is says the developer, because the OAuth app lives there.
        ("gitea", "oauth2", "/parameters.host.integration_only", json!(true)),
        ("nextcloud", "oauth2", "/parameters.host.integration_only", json!(true)),
        ("mattermost", "oauth2", "/parameters.host.integration_only", json!(true)),
    ]
}

/// Compared with the page in `docs`, besides those of [`super::quirks`].
const COMPARED: [(&str, AuthType); 11] = [
    ("anthropic", AuthType::ApiKey),
    ("box", AuthType::OAuth2),
    ("calendly", AuthType::OAuth2),
    ("datadog", AuthType::OAuth2),
    ("flickr", AuthType::OAuth1),
    ("klaviyo", AuthType::OAuth2),
    ("okta", AuthType::ClientCredentials),
    ("sap-concur", AuthType::TokenExchange),
    ("square", AuthType::OAuth2),
    ("twilio", AuthType::Basic),
    ("zoom", AuthType::ClientCredentials),
];

#[test]
fn what_was_compared_names_the_page() {
    let catalog = builtin();
    for (key, kind) in COMPARED {
        let connector = catalog.get(key).expect("a connector");
        let docs = Url::parse(connector.docs.as_deref().expect("a page")).expect("an address");

        assert!(docs.path().len() > 1, "{key}: {docs} is a front page");
        assert!(connector.auth.iter().any(|option| option.kind == kind), "{key} has no {kind:?}");
    }
}
