//! What each app wants done in its own way, so that nobody loses it from a file by tidying up.

use serde_json::{Value, json};

use super::{super::connector::ScopeAt, *};

/// Connector, option, dotted key in the file below `[[auth]]`, value. A key that begins with a
/// slash is read from the top of the file.
fn table() -> Vec<(&'static str, &'static str, &'static str, Value)> {
    vec![
        ("salesforce", "oauth2", "/parameters.environment.enum", json!(["production", "sandbox"])),
        (
            "salesforce",
            "oauth2",
            "/parameters.environment.sets.sandbox",
            json!({ "login_host": "test.salesforce.com" }),
        ),
        ("salesforce", "oauth2", "/parameters.private_key.secret", json!(true)),
        ("salesforce", "oauth2", "/parameters.private_key.integration_only", json!(true)),
        ("salesforce", "oauth2", "token.keep.instance_url", json!("instance_url")),
        ("salesforce", "oauth2", "authorize.params.prompt", json!("login consent")),
        ("salesforce", "jwt-bearer", "type", json!("jwt")),
        (
            "salesforce",
            "jwt-bearer",
            "jwt.claims",
            json!({ "iss": "{{client.id}}", "sub": "{{param.username}}", "aud": "https://{{login_host}}" }),
        ),
        ("slack", "oauth2", "pkce", json!(false)),
        ("slack", "oauth2", "scopes.separator", json!(",")),
        ("slack", "oauth2", "token.error", json!({ "field": "ok", "ok": true, "message": "error" })),
        ("slack", "oauth2", "token.keep.team_id", json!("team.id")),
        ("slack", "oauth2", "/api.test.error", json!({ "field": "ok", "ok": true, "message": "error" })),
        ("slack", "oauth2-user", "scopes.param", json!("user_scope")),
        ("slack", "oauth2-user", "token.map.access_token", json!("authed_user.access_token")),
        ("slack", "oauth2-user", "refresh.map", json!({})),
        ("jira", "oauth2", "token.format", json!("json")),
        ("jira", "oauth2", "discover.0.pick", json!({ "id": "id", "label": "name" })),
        ("jira", "oauth2", "discover.0.keep.cloud_id", json!("id")),
        ("jira", "oauth2", "authorize.params.audience", json!("api.atlassian.com")),
        ("shopify", "oauth2", "callback.match", json!({ "shop": "{{shop}}.myshopify.com" })),
        (
            "shopify",
            "oauth2",
            "callback.signature",
            json!({ "param": "hmac", "algorithm": "HMAC-SHA256", "encoding": "hex", "key": "{{client.secret}}" }),
        ),
        ("shopify", "oauth2", "token.params", json!({ "expiring": "1" })),
        ("shopify", "oauth2", "scopes.separator", json!(",")),
        ("shopify", "oauth2", "use.headers", json!({ "X-Shopify-Access-Token": "{{access_token}}" })),
        ("quickbooks", "oauth2", "callback.keep", json!({ "realm_id": "realmId" })),
        ("quickbooks", "oauth2", "client_auth", json!("basic")),
        ("quickbooks", "oauth2", "revoke.format", json!("json")),
        ("quickbooks", "oauth2-sandbox", "environment", json!("sandbox")),
        ("quickbooks", "oauth2-sandbox", "api.base", json!("https://sandbox-quickbooks.api.intuit.com")),
        ("zoho-crm", "oauth2", "callback.keep", json!({ "accounts": "accounts-server" })),
        ("zoho-crm", "oauth2", "token.url", json!("{{accounts}}/oauth/v2/token")),
        ("zoho-crm", "oauth2", "token.keep.api_domain", json!("api_domain")),
        ("zoho-crm", "oauth2", "token.error.field", json!("error")),
        ("zoho-crm", "oauth2", "use.headers.Authorization", json!("Zoho-oauthtoken {{access_token}}")),
        ("zoho-crm", "oauth2", "authorize.params", json!({ "access_type": "offline", "prompt": "consent" })),
        ("docusign", "oauth2", "discover.0.items", json!("accounts")),
        ("docusign", "oauth2", "discover.0.where", json!({ "is_default": true })),
        ("docusign", "oauth2", "discover.0.keep.base_uri", json!("base_uri")),
        ("docusign", "oauth2", "client_auth", json!("basic")),
        (
            "docusign",
            "oauth2",
            "/parameters.environment.sets.demo",
            json!({ "account_host": "account-d.docusign.com" }),
        ),
        ("trello", "oauth1", "signature.method", json!("HMAC-SHA1")),
        ("trello", "oauth1", "scopes.at", json!("authorize")),
        ("trello", "oauth1", "scopes.separator", json!(",")),
        (
            "trello",
            "oauth1",
            "authorize.params",
            json!({ "expiration": "never", "name": "{{workspace.name}}" }),
        ),
        ("trello", "oauth1", "use.sign", json!(true)),
        ("trello", "oauth1", "revoke.method", json!("DELETE")),
        ("netsuite", "oauth1", "signature", json!({ "method": "HMAC-SHA256", "realm": "{{account_id}}" })),
        (
            "netsuite",
            "oauth1",
            "token_static",
            json!({ "token": "{{token_id}}", "secret": "{{token_secret}}" }),
        ),
        (
            "netsuite",
            "oauth1",
            "client",
            json!({ "id": "{{consumer_key}}", "secret": "{{consumer_secret}}" }),
        ),
        ("netsuite", "oauth1-sandbox", "signature.realm", json!("{{account_id}}_{{sandbox}}")),
        (
            "paypal",
            "client-credentials",
            "client",
            json!({ "id": "{{client_id}}", "secret": "{{client_secret}}" }),
        ),
        ("paypal", "client-credentials", "client_auth", json!("basic")),
        ("mailchimp", "oauth2", "scopes.supported", json!(false)),
        ("mailchimp", "oauth2", "discover.0.headers", json!({ "Authorization": "OAuth {{access_token}}" })),
        ("mailchimp", "oauth2", "discover.0.keep.dc", json!("dc")),
        (
            "mailchimp",
            "api-key",
            "field.1.derive",
            json!({ "from": "api_key", "regex": r"-([a-z]{2,3}\d+)$" }),
        ),
        ("bigcommerce", "oauth2", "callback.echo", json!(["context", "scope"])),
        ("bigcommerce", "oauth2", "callback.match", json!({ "context": "stores/{{store_hash}}" })),
        (
            "bigcommerce",
            "oauth2",
            "/api.account",
            json!({ "id": "context", "label": "owner.email", "from": "token" }),
        ),
        ("bigcommerce", "oauth2", "use.headers", json!({ "X-Auth-Token": "{{access_token}}" })),
        ("tiktok", "oauth2", "names", json!({ "client_id": "client_key" })),
        ("tiktok", "oauth2", "scopes.separator", json!(",")),
        ("tiktok", "oauth2", "pkce", json!(false)),
        ("tiktok", "oauth2", "/api.test.error.ok", json!("ok")),
        ("apple", "oauth2", "client", json!({ "secret": "{{jwt}}" })),
        ("apple", "oauth2", "jwt.algorithm", json!("ES256")),
        ("apple", "oauth2", "jwt.key", json!("{{client.secret}}")),
        ("apple", "oauth2", "jwt.header", json!({ "kid": "{{param.key_id}}" })),
        ("apple", "oauth2", "jwt.claims.iss", json!("{{param.team_id}}")),
        ("apple", "oauth2", "authorize.params", json!({ "response_mode": "form_post" })),
        ("apple", "oauth2", "/parameters.team_id.integration_only", json!(true)),
        ("apple", "oauth2", "/parameters.key_id.integration_only", json!(true)),
        ("github", "app", "type", json!("oauth2")),
        ("github", "app", "pkce", json!(false)),
        (
            "github",
            "app",
            "authorize.url",
            json!("https://github.com/apps/{{param.app_slug}}/installations/new"),
        ),
        ("github", "app", "discover.0.pick", json!({ "id": "id", "label": "account.login" })),
        ("github", "app", "discover.0.keep.installation_id", json!("id")),
        ("github", "app", "exchange.headers.Authorization", json!("Bearer {{jwt}}")),
        ("github", "app", "exchange.map.access_token", json!("token")),
        ("github", "app", "refresh.template", json!(true)),
        ("github", "app", "jwt.claims", json!({ "iss": "{{param.app_client_id}}" })),
        ("github", "app", "/parameters.private_key.secret", json!(true)),
        ("github", "app", "/parameters.private_key.integration_only", json!(true)),
        ("github", "app", "/parameters.app_client_id.integration_only", json!(true)),
        ("github", "app", "/parameters.app_client_secret.secret", json!(true)),
        ("github", "app", "/parameters.app_slug.integration_only", json!(true)),
        ("google-drive", "service-account", "jwt.claims.scope", json!("{{scopes}}")),
        ("google-drive", "service-account", "jwt.claims.aud", json!("https://oauth2.googleapis.com/token")),
        ("google-drive", "service-account", "field.1.secret", json!(true)),
        ("xero", "oauth2", "discover.0.pick", json!({ "id": "tenantId", "label": "tenantName" })),
        ("xero", "oauth2", "discover.0.keep.tenant_id", json!("tenantId")),
        ("xero", "oauth2", "use.headers.xero-tenant-id", json!("{{tenant_id}}")),
        ("xero", "oauth2", "client_auth", json!("basic")),
    ]
}

fn file(key: &str) -> Value {
    let file = Files::get(&format!("{key}.toml")).expect("a file");
    let text = std::str::from_utf8(&file.data).expect("text");
    toml::from_str(text).expect("TOML")
}

#[test]
fn each_app_keeps_its_quirks() {
    for (key, option, path, expected) in table().into_iter().chain(facts::table()) {
        let file = file(key);
        let options = file["auth"].as_array().expect("options");
        let option = options.iter().find(|found| found["key"] == option).expect("the option");
        let (root, path) = path.strip_prefix('/').map_or((option, path), |path| (&file, path));

        let found = root.pointer(&format!("/{}", path.replace('.', "/")));

        assert_eq!(found, Some(&expected), "{key}: {path}");
    }
}

#[test]
fn the_pages_the_facts_come_from_are_the_vendors() {
    let catalog = builtin();
    let keys: std::collections::BTreeSet<_> = table().into_iter().map(|(key, ..)| key).collect();
    assert_eq!(keys.len(), 17);

    for key in keys {
        let connector = catalog.get(key).expect("a connector");
        assert!(!connector.sources.is_empty(), "{key}");
        for page in connector.sources.iter().chain(&connector.docs) {
            assert!(Url::parse(page).is_ok_and(|url| url.scheme() == "https"), "{key}: {page}");
        }
    }
}

#[test]
fn what_a_provider_says_about_hosts_is_believed_within_the_list_only() {
    let catalog = builtin();
    for (key, name, good) in [
        ("salesforce", "instance_url", "https://acme--dev.sandbox.my.salesforce.com"),
        ("zoho-crm", "accounts", "https://accounts.zoho.com.au"),
        ("zoho-crm", "api_domain", "https://www.zohoapis.jp"),
        ("docusign", "base_uri", "https://na3.docusign.net"),
    ] {
        let connector = catalog.get(key).expect("a connector");
        let option = &connector.auth[0];
        let api = connector.api_for(option).expect("an API");
        let template = if name == "accounts" {
            option.token.as_ref().expect("a token call").address(api)
        } else {
            api.base.clone().expect("a base")
        };
        let admitted = |value: &str| {
            let values = BTreeMap::from([
                (name.to_owned(), value.to_owned()),
                ("account_id".to_owned(), "a-1".to_owned()),
            ]);
            template.render_url(&values).is_ok_and(|url| api.admits(&url))
        };

        assert!(admitted(good), "{key}: {good}");
        for evil in [
            "https://evil.test",
            "https://evil.test/.salesforce.com",
            "https://accounts.zoho.com.evil.test",
            "https://salesforce.com@evil.test",
            "https://evil.test#.docusign.net",
            "https://evil.test?.docusign.net",
            "http://accounts.zoho.com",
            "https://accounts.zoho.evil",
            "https://docusign.net",
            "//evil.test",
            "javascript:alert(1)",
            "",
        ] {
            assert!(!admitted(evil), "{key}: {evil}");
        }
    }
}

#[test]
fn one_account_id_gives_netsuite_its_host_and_its_realm() {
    let catalog = builtin();
    let netsuite = catalog.get("netsuite").expect("a connector");
    for (option, typed, host, realm) in [
        ("oauth1", vec![("account_id", "1234567")], "1234567.suitetalk.api.netsuite.com", "1234567"),
        (
            "oauth1",
            vec![("account_id", "TSTDRV1234567")],
            "tstdrv1234567.suitetalk.api.netsuite.com",
            "TSTDRV1234567",
        ),
        (
            "oauth1-sandbox",
            vec![("account_id", "1234567"), ("sandbox", "SB2")],
            "1234567-sb2.suitetalk.api.netsuite.com",
            "1234567_SB2",
        ),
    ] {
        let option = netsuite.option(Some(option)).expect("an option");
        let values: BTreeMap<_, _> =
            typed.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let base = netsuite.api_for(option).and_then(|api| api.base.clone()).expect("a base");
        let signature = option.signature.as_ref().expect("a signature");

        let url = base.render_url(&values).expect("an address");

        assert_eq!(url.host_str(), Some(host));
        assert_eq!(signature.realm.as_ref().expect("a realm").render(&values).as_deref(), Ok(realm));
    }
}

#[test]
fn the_data_centre_of_mailchimp_follows_from_the_key() {
    let catalog = builtin();
    let option = catalog.get("mailchimp").and_then(|found| found.option(Some("api-key"))).expect("an option");
    let given = BTreeMap::from([("api_key".to_owned(), "0123456789abcdef-us21".to_owned())]);

    let input = input::check(option, &given).expect("good input");

    // What follows from a secret is kept as one.
    let dc = input.plain.get("dc").or_else(|| input.secret.get("dc").map(|dc| dc.expose()));
    assert_eq!(dc.map(String::as_str), Some("us21"));
}

#[test]
fn a_key_of_a_service_account_may_have_lines() {
    let catalog = builtin();
    let option = catalog
        .get("google-drive")
        .and_then(|found| found.option(Some("service-account")))
        .expect("an option");
    let key = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n";
    let check = |email: &str| {
        let given = [("client_email", email), ("private_key", key)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        input::check(option, &BTreeMap::from(given))
    };

    assert!(check("sync@acme.iam.gserviceaccount.com").is_ok());
    assert_eq!(check("ada@acme.com").err().expect("refused")[0].field, "client_email");
}

#[test]
fn scopes_go_where_the_vendor_looks_for_them() {
    let catalog = builtin();
    let scopes = |key: &str, option: &str| {
        catalog.get(key).and_then(|found| found.option(Some(option))).expect("an option").scopes.clone()
    };

    let user = scopes("slack", "oauth2-user");
    assert_eq!(
        (user.param.as_str(), user.separator.as_str(), user.at),
        ("user_scope", ",", ScopeAt::Authorize)
    );
    assert_eq!(scopes("slack", "oauth2").param, "scope");
    for key in ["mailchimp", "github", "paypal"] {
        let connector = catalog.get(key).expect("a connector");
        assert!(connector.auth.iter().any(|option| !option.scopes.supported), "{key}");
    }
}
