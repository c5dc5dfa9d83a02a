//! Where a customer's data lives: a site, a company, a data centre. Each app tells it in a way of its
//! own, and every later call goes there.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::stage::Stage;

/// One sign-in covers two sites; the chosen one stands in every address.
#[tokio::test]
async fn a_jira_site_is_chosen_and_its_cloud_id_is_what_the_api_is_called_with() {
    let mut stage = Stage::new("jira").await;

    let items = stage.choose_second("oauth2").await;

    assert_eq!(items, ["sandbox-alice", "sandbox-alice-2"]);
    let connection = stage.only().await;
    let calls = stage.relay.take();
    let sites: Vec<_> = calls.iter().filter(|call| call.path.starts_with("/ex/jira/")).collect();
    assert!(sites.iter().all(|call| call.path.starts_with("/ex/jira/sandbox-alice-2/")), "{sites:#?}");
    let call = stage.check(connection).await;
    assert_eq!(
        (call.host.as_str(), call.path.as_str()),
        ("api.atlassian.com", "/ex/jira/sandbox-alice-2/rest/api/3/myself")
    );
    stage.renewed(connection).await.unwrap();
    assert_eq!(stage.check(connection).await.path, "/ex/jira/sandbox-alice-2/rest/api/3/myself");
}

/// What is no organisation is not offered; the header is left out where nothing is known yet.
#[tokio::test]
async fn a_xero_organisation_is_named_in_a_header_of_every_call() {
    let mut stage = Stage::new("xero").await;

    let items = stage.choose_second("oauth2").await;

    assert_eq!(items, ["sandbox-alice", "sandbox-alice-2"], "of three connections two are organisations");
    assert_eq!(stage.call("/connections").header("xero-tenant-id"), "");
    let connection = stage.only().await;
    assert_eq!(stage.check(connection).await.header("xero-tenant-id"), "sandbox-alice-2");
    stage.renewed(connection).await.unwrap();
    assert_eq!(stage.check(connection).await.header("xero-tenant-id"), "sandbox-alice-2");
}

/// The user's token finds the installations; the app's own key gets a token of the chosen one, and a
/// fresh one whenever that ends. What the user signed in with is used for nothing else.
#[tokio::test]
async fn a_github_app_acts_with_a_token_of_the_installation_that_was_chosen() {
    let mut stage = Stage::new("github").await;

    let items = stage.choose_second("app").await;

    assert_eq!(items, ["sandbox-alice", "sandbox-alice-2"]);
    let connection @ (scope, id) = stage.only().await;
    let calls = stage.relay.take();
    let swap = "/app/installations/sandbox-alice-2/access_tokens";
    let paths: Vec<_> = calls.iter().map(|call| call.path.as_str()).collect();
    assert_eq!(
        paths,
        ["/login/oauth/access_token", "/user/installations", swap, "/installation/repositories"],
        "no other installation is touched"
    );
    let bearer =
        |place: usize| calls[place].header("authorization").strip_prefix("Bearer ").unwrap().to_owned();
    let (user, signed, installation) = (bearer(1), bearer(2), bearer(3));
    assert_eq!(signed.matches('.').count(), 2, "a signed token gets it: {signed}");
    assert_ne!(user, installation);
    let token = stage.app.engine.fresh(scope, id).await.unwrap().access_token.unwrap();
    assert_eq!(*token.expose(), installation);
    assert_eq!(stage.connection(scope, id).await.account.unwrap().id, "sandbox-alice-2");

    let renewed = stage.renewed(connection).await.unwrap().access_token.unwrap();
    let again = stage.call(swap);
    assert_ne!(again.header("authorization"), format!("Bearer {signed}"), "signed anew");
    assert_ne!(*renewed.expose(), installation);

    stage.relay.take();
    stage.delete().await;
    let revoke = stage.call("/installation/token");
    assert_eq!(revoke.method, "DELETE");
    assert_eq!(revoke.header("authorization"), format!("Bearer {}", renewed.expose()));
}

/// Acceptance 35. Only the callback says which company was chosen.
#[tokio::test]
async fn a_quickbooks_company_is_kept_from_the_callback_beyond_a_renewal() {
    let mut stage = Stage::new("quickbooks").await;
    let connection = stage.connected("oauth2", &[]).await;
    let path = "/v3/company/sandbox-alice/companyinfo/sandbox-alice";

    assert_eq!(stage.check(connection).await.path, path);
    let kept = stage.renewed(connection).await.unwrap().kept;

    assert_eq!(kept.get("realm_id").map(String::as_str), Some("sandbox-alice"));
    assert_eq!(stage.check(connection).await.path, path);
}

/// The callback names the accounts server, the token reply the API.
#[tokio::test]
async fn a_zoho_customer_stays_in_the_data_centre_that_the_callback_named() {
    let mut stage = Stage::new("zoho-crm").await;

    let connection = stage.connected("oauth2", &[]).await;

    let token = stage.call("/oauth/v2/token");
    assert!(token.host.starts_with("accounts.zoho") && token.host != "accounts.zoho.com", "{}", token.host);
    let kept = stage.renewed(connection).await.unwrap().kept;
    assert_eq!(kept["accounts"], format!("https://{}", token.host));
    assert_eq!(stage.call("/oauth/v2/token").host, token.host, "the refresh");
    let api = stage.check(connection).await;
    assert_eq!(kept["api_domain"], format!("https://{}", api.host));
    assert!(api.host.starts_with("www.zohoapis."), "{}", api.host);
    stage.relay.take();
    stage.delete().await;
    let revokes: Vec<_> = stage.relay.take().into_iter().map(|call| call.host).collect();
    assert_eq!(revokes, [token.host.as_str(), token.host.as_str()]);
}

/// Security O9: the browser's word never chooses where a secret goes.
#[tokio::test]
async fn a_zoho_callback_that_names_a_strange_server_sends_nothing_there() {
    for strange in [
        "https://evil.example",
        "https://accounts.zoho.com.evil.example",
        "https://accounts.zoho.com@evil.example",
        "http://accounts.zoho.eu",
    ] {
        let mut stage = Stage::new("zoho-crm").await;
        let left = stage.start("oauth2", &[]).await;
        let said = stage.browser.consent(&left.location(), &[]).await.location();
        let mut address = url::Url::parse(&said).unwrap();
        let pairs: Vec<_> = address.query_pairs().into_owned().collect();
        address.query_pairs_mut().clear().extend_pairs(
            pairs.iter().map(|(name, value)| {
                (name, if name == "accounts-server" { strange } else { value.as_str() })
            }),
        );

        let arrived = stage.browser.get(address.as_str()).await;

        stage.told(&arrived).await.assert_says("Zoho CRM was not connected");
        assert!(stage.relay.take().is_empty(), "{strange}");
    }
}

/// Of several accounts the default one; demo accounts live at another host.
#[tokio::test]
async fn a_docusign_account_tells_its_host_and_a_demo_one_signs_in_elsewhere() {
    for (settings, host) in [
        ("", "account.docusign.com"),
        ("connector_parameters = { environment = \"demo\" },", "account-d.docusign.com"),
    ] {
        let mut stage = Stage::with("docusign", settings).await;
        let left = stage.start("oauth2", &[]).await;
        assert!(left.location().contains(&format!("/sandbox/{host}/oauth/auth?")), "{}", left.location());

        let arrived = stage.go_on("oauth2", left, &[]).await;

        stage.assert_connected("oauth2", &arrived).await;
        let connection = stage.only().await;
        let kept = stage.renewed(connection).await.unwrap().kept;
        assert_eq!(kept["account_id"], "sandbox-alice", "not the account that is no default");
        assert!(kept["base_uri"].ends_with(".docusign.net"), "{kept:?}");
        stage.check(connection).await;
        let hosts: Vec<_> = stage.relay.take().into_iter().map(|call| call.host).collect();
        assert!(hosts.iter().all(|called| called == host), "{hosts:?}");
    }
}

#[tokio::test]
async fn a_salesforce_org_is_called_at_its_own_host_and_its_sandbox_signs_in_elsewhere() {
    for (settings, login) in [
        ("", "login.salesforce.com"),
        ("connector_parameters = { environment = \"sandbox\" },", "test.salesforce.com"),
    ] {
        let mut stage = Stage::with("salesforce", settings).await;

        let connection = stage.connected("oauth2", &[]).await;

        let token = stage.call("/services/oauth2/token");
        assert_eq!(token.host, login);
        let call = stage.check(connection).await;
        assert!(call.host.ends_with(".salesforce.com") && call.host != login, "{}", call.host);
        let kept = stage.renewed(connection).await.unwrap().kept;
        assert_eq!(kept["instance_url"], format!("https://{}", call.host));
        assert_eq!(stage.call("/services/oauth2/token").host, login, "the refresh");
    }
}

/// One call wants another word before the token, and says where the account lives; a key says it itself.
#[tokio::test]
async fn a_mailchimp_account_is_called_in_its_data_centre() {
    let mut stage = Stage::new("mailchimp").await;
    let connection = stage.connected("oauth2", &[]).await;
    assert!(stage.call("/oauth2/metadata").header("authorization").starts_with("OAuth hpa_"));

    let call = stage.check(connection).await;

    assert_eq!(call.host, "sandbox.api.mailchimp.com");
    assert!(call.header("authorization").starts_with("Bearer hpa_"));

    let mut stage = Stage::new("mailchimp").await;
    let connection = stage.connected("api-key", &[("api_key", "sandbox-us6")]).await;
    let call = stage.check(connection).await;
    assert_eq!(call.host, "us6.api.mailchimp.com");
    let basic = STANDARD.encode("hitchpost:sandbox-us6");
    assert_eq!(call.header("authorization"), format!("Basic {basic}"));
}

/// RFC 5849 §3.5.1: the realm is the account, in NetSuite's spelling; its host in another.
#[tokio::test]
async fn a_netsuite_account_is_its_realm_and_its_host() {
    let typed = super::NETSUITE_SANDBOX;
    for (option, typed, realm, host) in [
        ("oauth1", &typed[..5], "1234567", "1234567"),
        ("oauth1-sandbox", &typed[..], "1234567_SB2", "1234567-sb2"),
    ] {
        let mut stage = Stage::new("netsuite").await;
        let connection = stage.connected(option, typed).await;

        let call = stage.check(connection).await;

        assert_eq!(call.host, format!("{host}.suitetalk.api.netsuite.com"));
        let header = call.header("authorization");
        assert!(header.starts_with(&format!("OAuth realm=\"{realm}\", ")), "{header}");
        assert!(header.contains("oauth_signature_method=\"HMAC-SHA256\""), "{header}");
    }
}

/// Acceptance 38: nothing is stored, and the sandbox found the signature wrong.
#[tokio::test]
async fn a_netsuite_token_with_a_wrong_secret_connects_nothing() {
    let mut stage = Stage::new("netsuite").await;
    let mut typed = super::NETSUITE;
    typed[4].1 = "sandbox-secret-known-eve";

    let arrived = stage.connect("oauth1", &typed, &[]).await;

    stage.told(&arrived).await.assert_says("did not accept this");
    assert!(stage.app.connections("c1").await.is_empty());
    assert_eq!(stage.relay.count("netsuite", "signature_refused").await, 1);
}
