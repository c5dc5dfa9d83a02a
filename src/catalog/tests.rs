//! The connectors that come with Hitchpost, and the examples of the format.

use std::collections::BTreeMap;

use super::{connector::AuthType, *};

mod facts;
mod quirks;
mod whole;

fn builtin() -> Catalog {
    match Catalog::builtin() {
        Ok(catalog) => catalog,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn every_file_is_a_connector() {
    let catalog = builtin();

    let keys: Vec<_> = catalog.iter().map(|connector| connector.key.as_str()).collect();
    let handmade = [
        "airtable",
        "apple",
        "asana",
        "bigcommerce",
        "docusign",
        "dropbox",
        "github",
        "gitlab",
        "google-drive",
        "hubspot",
        "jira",
        "linear",
        "mailchimp",
        "netsuite",
        "notion",
        "paypal",
        "quickbooks",
        "salesforce",
        "sendgrid",
        "shopify",
        "slack",
        "stripe",
        "tiktok",
        "trello",
        "xero",
        "zendesk",
        "zoho-crm",
    ];
    for key in handmade {
        assert!(keys.contains(&key), "{key}");
    }
    assert!(keys.is_sorted());
}

#[test]
fn a_connector_read_on_demand_is_the_one_that_was_checked() {
    let (checked, on_demand) = (builtin(), Catalog::on_demand());

    assert!(on_demand.entries.values().all(|entry| entry.0.get().is_none()));
    assert!(on_demand.keys().eq(checked.keys()));
    for connector in checked.iter() {
        let read = on_demand.get(&connector.key).expect("every key has its connector");
        assert_eq!(format!("{read:?}"), format!("{connector:?}"));
    }
    assert!(on_demand.get("no-such-app").is_none());
}

#[test]
fn every_logo_is_there_and_draws_only_shapes() {
    for connector in builtin().iter() {
        let picture = logo::svg(connector);
        let text = std::str::from_utf8(&picture.bytes).expect("SVG is text");
        let (slug, key) = (connector.logo.as_deref(), &connector.key);
        assert!(slug.is_none() || text.contains("<path"), "{key}: public/logos/{slug:?}.svg is missing");
        assert!(text.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 24 24\""), "{key}");
        for word in
            ["<script", "href", "url(", "<style", "style=", "onload", "<image", "<foreignObject", "<!"]
        {
            assert!(!text.contains(word), "{key} has {word}");
        }
    }
}

/// Reviewed options without a test call, and why.
const NOTHING_TO_CALL: &[&str] = &[
    // The tokens are for signing in, or for an API that does not speak HTTP.
    "apple/oauth2",
    "evernote/oauth1",
    "evernote/oauth1-sandbox",
    // There is no call that every token may make: what it may see is chosen elsewhere.
    "atlassian/basic-service-account-api-token",
    "atlassian/client-credentials-service-account",
    "cloudflare/oauth2",
    "datadog/oauth2",
    "eveonline/oauth2",
    "greenhouse/oauth2-ingestion",
    "microsoft/client-credentials",
    "microsoft-excel/client-credentials",
    "microsoft-powerpoint/client-credentials",
    "microsoft-word/client-credentials",
    "segment/oauth2",
    "sharepoint-online/client-credentials",
    "snowflake/oauth2",
    "twitter/client-credentials",
    "workday/basic",
    "workday/oauth2",
    "workday/token-exchange-refresh-token",
    "zoho/oauth2",
    "zoho-people/oauth2",
    // The API knows one thing by its id and no list of them. Who signed in stands in the id_token.
    "google-ads/oauth2",
    "google-analytics/oauth2",
    "google-cloud-storage/oauth2",
    "google-docs/oauth2",
    "google-forms/oauth2",
    "google-meet/oauth2",
    "google-sheets/oauth2",
    "google-slides/oauth2",
];

#[test]
fn every_reviewed_connector_says_what_a_page_needs() {
    for connector in builtin().iter().filter(|found| found.status == connector::Status::Reviewed) {
        let key = &connector.key;
        assert!(connector.description.as_ref().is_some_and(|line| line.len() <= 60), "{key}");
        assert!(connector.docs.is_some() && connector.website.is_some(), "{key}");
        for option in &connector.auth {
            let api = connector.api_for(option).expect("an API");
            let name = format!("{key}/{}", option.key);
            assert_ne!(api.test.is_some(), NOTHING_TO_CALL.contains(&name.as_str()), "{name}");
            assert!(api.open_hosts || !api.hosts.is_empty(), "{name}");
            for scope in &option.scopes.default {
                assert!(option.scopes.titles.contains_key(scope), "{key}: {scope} needs a title");
            }
        }
    }
}

#[test]
fn the_test_call_goes_where_the_vendor_says() {
    let catalog = builtin();
    let values = BTreeMap::from(
        [
            ("subdomain", "acme"),
            ("api_host", "api.sendgrid.com"),
            ("host", "gitlab.com"),
            ("instance_url", "https://acme.my.salesforce.com"),
            ("cloud_id", "c-1"),
            ("shop", "acme"),
            ("realm_id", "123"),
            ("api_domain", "https://www.zohoapis.eu"),
            ("account_host", "account-d.docusign.com"),
            ("account_id", "1234567"),
            ("sandbox", "SB1"),
            ("dc", "us6"),
            ("store_hash", "abc123"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    for (key, option, expected) in [
        ("airtable", "oauth2", "https://api.airtable.com/v0/meta/whoami"),
        ("asana", "oauth2", "https://app.asana.com/api/1.0/users/me"),
        ("bigcommerce", "oauth2", "https://api.bigcommerce.com/stores/abc123/v2/store"),
        ("docusign", "oauth2", "https://account-d.docusign.com/oauth/userinfo"),
        ("dropbox", "oauth2", "https://api.dropboxapi.com/2/users/get_current_account"),
        ("github", "api-key", "https://api.github.com/user"),
        ("github", "app", "https://api.github.com/installation/repositories?per_page=1"),
        ("gitlab", "api-key", "https://gitlab.com/api/v4/user"),
        ("google-drive", "oauth2", "https://www.googleapis.com/drive/v3/about?fields=user"),
        ("google-drive", "service-account", "https://www.googleapis.com/drive/v3/about?fields=user"),
        ("hubspot", "oauth2", "https://api.hubapi.com/account-info/v3/details"),
        ("jira", "oauth2", "https://api.atlassian.com/ex/jira/c-1/rest/api/3/myself"),
        ("jira", "basic", "https://acme.atlassian.net/rest/api/3/myself"),
        ("linear", "oauth2", "https://api.linear.app/graphql"),
        ("mailchimp", "api-key", "https://us6.api.mailchimp.com/3.0/"),
        (
            "netsuite",
            "oauth1-sandbox",
            "https://1234567-sb1.suitetalk.api.netsuite.com/services/rest/record/v1/metadata-catalog?select=customer",
        ),
        ("notion", "api-key", "https://api.notion.com/v1/users/me"),
        (
            "quickbooks",
            "oauth2-sandbox",
            "https://sandbox-quickbooks.api.intuit.com/v3/company/123/companyinfo/123",
        ),
        ("salesforce", "oauth2", "https://acme.my.salesforce.com/services/oauth2/userinfo"),
        (
            "salesforce",
            "jwt-bearer",
            "https://acme.my.salesforce.com/services/data/v60.0/query?q=SELECT+Id,Name+FROM+Organization",
        ),
        ("sendgrid", "api-key", "https://api.sendgrid.com/v3/scopes"),
        ("shopify", "token", "https://acme.myshopify.com/admin/api/2026-10/graphql.json"),
        ("slack", "oauth2-user", "https://slack.com/api/auth.test"),
        ("stripe", "api-key", "https://api.stripe.com/v1/account"),
        ("tiktok", "oauth2", "https://open.tiktokapis.com/v2/user/info/?fields=open_id,display_name"),
        ("trello", "oauth1", "https://api.trello.com/1/members/me"),
        ("xero", "oauth2", "https://api.xero.com/api.xro/2.0/Organisation"),
        ("zendesk", "basic", "https://acme.zendesk.com/api/v2/users/me.json"),
        ("zoho-crm", "oauth2", "https://www.zohoapis.eu/crm/v8/users?type=CurrentUser"),
    ] {
        let connector = catalog.get(key).expect("a connector");
        let option = connector.option(Some(option)).expect("an option");
        let api = connector.api_for(option).expect("an API");
        let test = api.test.as_ref().expect("a test");

        let url = test.address(api).render_url(&values).expect("an address");

        assert_eq!(url.as_str(), expected);
        assert!(api.admits(&url), "{key}");
    }
}

#[test]
fn no_hostile_subdomain_leaves_zendesk() {
    let catalog = builtin();
    let zendesk = catalog.get("zendesk").expect("a connector");

    for option in &zendesk.auth {
        for value in
            ["evil.com/#", "x@evil", "evil.com\\", "a.b", "acme.evil.com", "https://acme.evil.com", ""]
        {
            let given = BTreeMap::from(
                [("subdomain", value), ("email", "a@b.c"), ("api_token", "t")]
                    .map(|(name, value)| (name.to_owned(), value.to_owned())),
            );
            let errors = input::check(option, &given).err().expect("refused");
            assert_eq!(errors[0].field, "subdomain", "{value}");

            let api = zendesk.api_for(option).expect("an API");
            assert!(api.base.as_ref().expect("a base").render_url(&given).is_err(), "{value}");
        }
    }
}

#[test]
fn each_connector_offers_its_options_in_order() {
    let catalog = builtin();
    let kinds = |key: &str| -> Vec<AuthType> {
        catalog.get(key).expect("a connector").auth.iter().map(|option| option.kind).collect()
    };

    for key in ["hubspot", "gitlab", "notion", "linear", "asana", "airtable", "dropbox", "mailchimp"] {
        assert_eq!(kinds(key), [AuthType::OAuth2, AuthType::ApiKey], "{key}");
    }
    for key in ["docusign", "zoho-crm", "tiktok", "apple", "xero"] {
        assert_eq!(kinds(key), [AuthType::OAuth2], "{key}");
    }
    for key in ["shopify", "bigcommerce"] {
        assert_eq!(kinds(key), [AuthType::OAuth2, AuthType::ApiKey], "{key}");
    }
    for key in ["zendesk", "jira"] {
        assert_eq!(kinds(key), [AuthType::OAuth2, AuthType::Basic], "{key}");
    }
    for key in ["google-drive", "salesforce"] {
        assert_eq!(kinds(key), [AuthType::OAuth2, AuthType::Jwt], "{key}");
    }
    assert_eq!(kinds("github"), [AuthType::OAuth2, AuthType::ApiKey, AuthType::OAuth2]);
    assert_eq!(kinds("slack"), [AuthType::OAuth2, AuthType::OAuth2, AuthType::ApiKey]);
    assert_eq!(kinds("quickbooks"), [AuthType::OAuth2, AuthType::OAuth2]);
    assert_eq!(kinds("trello"), [AuthType::OAuth1, AuthType::ApiKey]);
    assert_eq!(kinds("netsuite"), [AuthType::OAuth1, AuthType::OAuth1, AuthType::OAuth2]);
    assert_eq!(kinds("paypal"), [AuthType::ClientCredentials]);
    assert_eq!(kinds("stripe"), [AuthType::ApiKey]);
    assert_eq!(kinds("sendgrid"), [AuthType::ApiKey]);
}

#[test]
fn open_hosts_admit_named_https_hosts_only() {
    let catalog = builtin();
    let gitlab = catalog.get("gitlab").expect("a connector");
    let token = gitlab.option(Some("api-key")).expect("an option");
    let admits = |option, url: &str| {
        gitlab.api_for(option).expect("an API").admits(&Url::parse(url).expect("an address"))
    };

    assert!(admits(token, "https://git.example.com/api/v4/user"));
    assert!(!admits(token, "http://git.example.com/"));
    assert!(!admits(token, "https://10.0.0.1/"));
    assert!(admits(&gitlab.auth[0], "https://gitlab.com/api/v4/user"));
    assert!(!admits(&gitlab.auth[0], "https://git.example.com/api/v4/user"));
}

#[test]
fn a_connector_of_the_same_key_takes_the_place() {
    let mut own = Connector::clone(builtin().get("stripe").expect("a connector"));
    own.name = "My Stripe".to_owned();

    let catalog = builtin().with(own);

    assert_eq!(catalog.len(), builtin().len());
    assert_eq!(catalog.get("stripe").expect("a connector").name, "My Stripe");
}

#[test]
fn a_revoke_call_that_places_the_token_itself_is_told_apart() {
    let catalog = builtin();
    let mentions = |key: &str| {
        let revoke = catalog.get(key).and_then(|found| found.auth[0].revoke.as_ref()).expect("a revoke call");
        revoke.names().any(|name| name == "access_token")
    };

    assert!(mentions("github") && mentions("dropbox"));
    assert!(!mentions("hubspot") && !mentions("notion"));
}

#[test]
fn the_example_of_the_documentation_is_a_connector() {
    let page = include_str!("../../docs/connector-format.md");
    let section = page.split("## An example").nth(1).expect("the section");
    let example =
        section.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("the example");

    let tickets = match parse::connector("tickets", "tickets.toml", example) {
        Ok(connector) => connector,
        Err(error) => panic!("{error}"),
    };

    assert_eq!(tickets.auth.len(), 2);
    let hosts: Vec<_> = tickets.api.expect("an API").hosts.iter().map(ToString::to_string).collect();
    assert_eq!(hosts, ["*.tickets.example"]);
}
