//! Every app of the catalog, every way to sign in to it, and every way that none of them has: connect,
//! renew, call, give back.
//!
//! [`contract`] plays all of them and compares each call with the file. One line of [`LINES`] is one auth
//! option whose outcome was worked out by hand, played through the pages that a customer sees. What a line
//! hides stands in the rooms beside.

mod accounts;
mod contract;
mod life;
mod quirks;
mod relay;
mod stage;
mod tenants;
mod trouble;

use std::{collections::BTreeMap, time::Duration};

use futures_util::{StreamExt as _, stream};
use hitchpost::model::{ConnectionId, Scope};
use reqwest::StatusCode;
use serde_json::Value;

use self::{
    relay::{FILES, PLAYED},
    stage::{Choices, Stage},
};

/// Apps that are played at a time.
const WIDTH: usize = 4;

/// Seconds that no access token lives.
const LIFE: u64 = 10 * 60 * 60;

/// What is expected of one auth option.
struct Line {
    connector: &'static str,
    option: &'static str,
    typed: Choices<'static>,
    /// Id and label of the account.
    account: Option<(&'static str, &'static str)>,
    /// What the sandbox counts when a token is renewed.
    renewed: Option<&'static str>,
    /// Seconds until a renewal is due.
    life: u64,
    /// Revoke calls after a delete.
    revokes: u64,
}

const fn line(connector: &'static str, option: &'static str) -> Line {
    Line { connector, option, typed: &[], account: None, renewed: None, life: LIFE, revokes: 0 }
}

impl Line {
    const fn typed(self, typed: Choices<'static>) -> Self {
        Self { typed, ..self }
    }

    const fn is(self, id: &'static str, label: &'static str) -> Self {
        Self { account: Some((id, label)), ..self }
    }

    /// Renewed with its refresh token, or as the file writes it.
    const fn refreshes(self) -> Self {
        self.again("token_refresh")
    }

    /// Renewed by the call that got the first token.
    const fn again(self, what: &'static str) -> Self {
        Self { renewed: Some(what), ..self }
    }

    const fn lives(self, seconds: u64) -> Self {
        Self { life: seconds, ..self }
    }

    /// Whether the provider has anything to call; Apple has not.
    fn has_test(&self) -> bool {
        let connector = PLAYED.get(self.connector).unwrap();
        let api = connector.api_for(connector.option(Some(self.option)).unwrap());
        api.is_some_and(|api| api.test.is_some())
    }

    const fn revokes(self, revokes: u64) -> Self {
        Self { revokes, ..self }
    }
}

const ALICE: &str = "sandbox-alice";
/// The same person and what was picked of what she has: a site, an organisation.
const ALICE_PICKED: &str = "sandbox-alice/sandbox-alice";
const MAIL: &str = "alice@example.com";
const NAME: &str = "Alice Example";
const LOGIN: &str = "alice-example";
const KEY: (&str, &str) = ("api_key", "sandbox-key");
const TOKEN: (&str, &str) = ("api_token", "sandbox-token");
const MAILBOX: (&str, &str) = ("email", "ada@acme.com");
const SITE: (&str, &str) = ("subdomain", "acme");
const SHOP: (&str, &str) = ("shop", "acme");
const STORE: (&str, &str) = ("store_hash", "abc123");
/// RFC 7518 §3.2 wants at least 32 bytes.
const HMAC_KEY: &str = "sandbox-hmac-key-of-thirty-two-bytes";
const PAYPAL: [(&str, &str); 3] = [
    ("api_host", "api-m.sandbox.paypal.com"),
    ("client_id", "sandbox-paypal"),
    ("client_secret", "sandbox-word"),
];
const SERVICE: [(&str, &str); 2] =
    [("client_email", "sandbox@acme.iam.gserviceaccount.com"), ("private_key", RS256)];
const NETSUITE: [(&str, &str); 5] = [
    ("account_id", "1234567"),
    ("consumer_key", "sandbox-known-app"),
    ("consumer_secret", "sandbox-secret-known-app"),
    ("token_id", "sandbox-known-ada"),
    ("token_secret", "sandbox-secret-known-ada"),
];
const NETSUITE_SANDBOX: [(&str, &str); 6] =
    [NETSUITE[0], NETSUITE[1], NETSUITE[2], NETSUITE[3], NETSUITE[4], ("sandbox", "SB2")];
const RS256: &str = include_str!("../sandbox/keys/rs256.pem");

/// All options of the connectors whose outcome was worked out by hand.
const LINES: [Line; 69] = [
    line("airtable", "oauth2").is(ALICE, MAIL).refreshes(),
    line("airtable", "api-key").typed(&[("api_key", "pat.sandbox")]).is(ALICE, MAIL),
    line("apple", "oauth2").is(ALICE, MAIL).refreshes().revokes(2),
    line("asana", "oauth2").is(ALICE, MAIL).refreshes().revokes(2),
    line("asana", "api-key").typed(&[KEY]).is(ALICE, MAIL),
    line("bigcommerce", "oauth2").typed(&[STORE]).is(ALICE, MAIL),
    line("bigcommerce", "api-key").typed(&[STORE, KEY]).is(ALICE, NAME),
    line("docusign", "oauth2").is(ALICE, MAIL).refreshes(),
    line("dropbox", "oauth2").is(ALICE, MAIL).refreshes().revokes(1),
    line("dropbox", "api-key").typed(&[KEY]).is(ALICE, MAIL),
    line("github", "oauth2").is(ALICE, LOGIN).refreshes().revokes(1),
    line("github", "api-key").typed(&[KEY]).is(ALICE, LOGIN),
    line("github", "app").is(ALICE, NAME).refreshes().revokes(1),
    line("gitlab", "oauth2").is(ALICE, LOGIN).refreshes().revokes(2),
    line("gitlab", "api-key").typed(&[("host", "gitlab.com"), KEY]).is(ALICE, LOGIN),
    line("google-drive", "oauth2").is(ALICE, MAIL).refreshes().revokes(2),
    line("google-drive", "service-account").typed(&SERVICE).is(ALICE, MAIL).again("jwt"),
    line("hubspot", "oauth2").is(ALICE, ALICE).refreshes().revokes(2),
    line("hubspot", "api-key").typed(&[KEY]).is(ALICE, ALICE),
    line("jira", "oauth2").is(ALICE_PICKED, NAME).refreshes(),
    line("jira", "basic").typed(&[SITE, MAILBOX, TOKEN]).is(ALICE, NAME),
    line("linear", "oauth2").is(ALICE, MAIL).refreshes().revokes(2),
    line("linear", "api-key").typed(&[("api_key", "lin_api_sandbox")]).is(ALICE, MAIL),
    line("mailchimp", "oauth2").is(ALICE, NAME),
    line("mailchimp", "api-key").typed(&[("api_key", "sandbox-us6")]).is(ALICE, NAME),
    line("netsuite", "oauth1").typed(&NETSUITE),
    line("netsuite", "oauth1-sandbox").typed(&NETSUITE_SANDBOX),
    line("netsuite", "oauth2").typed(&[("account_id", "1234567")]).refreshes().revokes(2),
    line("notion", "oauth2").is(ALICE, NAME).refreshes().revokes(2),
    line("notion", "api-key").typed(&[KEY]).is(ALICE, NAME),
    line("paypal", "client-credentials")
        .typed(&PAYPAL)
        .is(ALICE, ALICE)
        .again("client_credentials")
        .revokes(1),
    line("quickbooks", "oauth2").is(ALICE, NAME).refreshes().revokes(2),
    line("quickbooks", "oauth2-sandbox").is(ALICE, NAME).refreshes().revokes(2),
    line("salesforce", "oauth2").is(ALICE, LOGIN).refreshes().revokes(2),
    line("salesforce", "jwt-bearer").is(ALICE, NAME).again("jwt").revokes(1),
    line("sendgrid", "api-key").typed(&[("api_host", "api.sendgrid.com"), ("api_key", "SG.sandbox")]),
    line("shopify", "oauth2").typed(&[SHOP]).is(ALICE, NAME).refreshes(),
    line("shopify", "token").typed(&[SHOP, ("api_key", "shpat_sandbox")]).is(ALICE, NAME),
    line("slack", "oauth2").is(ALICE, ALICE).refreshes().revokes(1),
    line("slack", "oauth2-user").is(ALICE, ALICE).refreshes().revokes(1),
    line("slack", "api-key").typed(&[("api_key", "xoxb-sandbox")]).is(ALICE, ALICE),
    line("stripe", "api-key").typed(&[("api_key", "sk_test_sandbox")]).is(ALICE, NAME),
    line("tiktok", "oauth2").is(ALICE, NAME).refreshes().revokes(2),
    line("trello", "oauth1").is(ALICE, LOGIN).revokes(1),
    line("trello", "api-key").typed(&[KEY, ("token", "sandbox-token")]).is(ALICE, LOGIN),
    line("xero", "oauth2").is(ALICE_PICKED, NAME).refreshes().revokes(2),
    line("zendesk", "oauth2").typed(&[("subdomain", "acme")]).is(ALICE, MAIL).refreshes(),
    line("zendesk", "basic").typed(&[("subdomain", "acme"), MAILBOX, TOKEN]).is(ALICE, MAIL),
    line("zoho-crm", "oauth2").is(ALICE, MAIL).refreshes().revokes(2),
    // What no app of the catalog does.
    line("machine", "body").is(ALICE, NAME).again("client_credentials").revokes(1),
    line("machine", "basic").is(ALICE, NAME).again("client_credentials").revokes(1),
    line("machine", "basic-raw").is(ALICE, NAME).again("client_credentials"),
    line("machine", "rs256").is(ALICE, NAME).again("client_credentials").revokes(1),
    line("machine", "es256").is(ALICE, NAME).again("client_credentials").revokes(1),
    line("own", "membrane-token").is(ALICE, MAIL),
    line("own", "integration-app-token").is(ALICE, MAIL),
    line("own", "proxy").is(ALICE, MAIL),
    line("pushed", "par").is(ALICE, MAIL).refreshes().revokes(2),
    line("pushed", "par-signed").is(ALICE, MAIL).refreshes().revokes(2),
    line("pushed", "public").is(ALICE, MAIL).refreshes(),
    // A token that renews itself is renewed while it still lives.
    line("pushed", "swapped").is(ALICE, MAIL).refreshes().lives(4 * 60 * 60 - 30),
    line("signed", "hmac-sha256").is(ALICE, LOGIN).revokes(1),
    line("signed", "plaintext").is(ALICE, LOGIN),
    line("signer", "each-call").is(ALICE, MAIL),
    line("signer", "each-call-own").typed(&[("team", "sandbox"), ("secret", HMAC_KEY)]).is(ALICE, MAIL),
    line("signer", "bearer").is(ALICE, MAIL).again("jwt").revokes(1),
    line("signer", "installation")
        .typed(&[("app", "sandbox-app"), ("key", RS256)])
        .is(ALICE, MAIL)
        .again("jwt")
        .revokes(1),
    line("typed", "custom")
        .typed(&[("app", "sandbox-app"), ("word", "sandbox word &=/"), ("region", "eu")])
        .is(ALICE, NAME),
    line("typed", "token-exchange")
        .typed(&[("user", "ada"), ("password", "sandbox \"p/w\"")])
        .is(ALICE, NAME)
        .again("token_exchange")
        .revokes(1),
];

/// The settings that an integration needs for what the sandbox cannot choose for it.
fn settings(connector: &str) -> &'static str {
    match connector {
        "salesforce" => "connector_parameters = { username = \"ada@acme.com\" },",
        _ => "",
    }
}

/// Acceptance 35 to 39.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_to_sign_in_connects_renews_calls_and_gives_back() {
    let playing = stream::iter(&LINES).map(async |line| (line, tokio::spawn(play(line)).await));
    let done: Vec<_> = playing.buffer_unordered(WIDTH).collect().await;

    // One that fails has said why, and keeps none of the others from being played.
    let failed = done.iter().filter(|(_, kind)| kind.is_err());
    let failed: Vec<_> = failed.map(|(line, _)| format!("{}/{}", line.connector, line.option)).collect();
    assert_eq!(failed, Vec::<String>::new());
    let mut kinds: BTreeMap<String, [u32; 4]> = BTreeMap::new();
    for (line, kind) in done {
        let steps = [true, line.renewed.is_some(), line.has_test(), line.revokes > 0];
        let words = ["connect", "refresh", "call", "revoke"].iter().zip(steps);
        let words: Vec<_> = words.map(|(word, happened)| if happened { word } else { "-" }).collect();
        println!("{}/{}: {}", line.connector, line.option, words.join(" "));
        let counted = kinds.entry(kind.unwrap()).or_default();
        for (count, happened) in counted.iter_mut().zip(steps) {
            *count += u32::from(happened);
        }
    }
    for (kind, [connected, renewed, called, given_back]) in &kinds {
        println!(
            "{kind}: {connected} connected, {renewed} renewed, {called} called, {given_back} given back"
        );
    }
}

/// No option of a connector that has lines is left out of [`LINES`]. The others have their flow in
/// [`contract`].
#[test]
fn every_option_of_a_connector_with_lines_has_its_own() {
    let mut missing = Vec::new();
    let has_lines = |key: &str| LINES.iter().any(|line| line.connector == key);
    for connector in PLAYED.iter().filter(|connector| has_lines(&connector.key)) {
        for option in &connector.auth {
            if !LINES.iter().any(|line| line.connector == connector.key && line.option == option.key) {
                missing.push(format!("{}/{}", connector.key, option.key));
            }
        }
    }

    assert_eq!(missing, Vec::<String>::new());
    assert!(FILES.iter().all(|(key, _)| has_lines(key)));
}

/// One line, from the page to the revoke. Comes back with the auth type.
async fn play(line: &'static Line) -> String {
    let name = format!("{}/{}", line.connector, line.option);
    let mut stage = Stage::with(line.connector, settings(line.connector)).await;

    let (scope, id) = stage.connected(line.option, line.typed).await;
    check_account(&stage, line, &name, (scope, id)).await;
    renew(&stage, line, &name, (scope, id)).await;
    let opened = call(&stage, line, &name, (scope, id)).await;
    give_back(&mut stage, line, &name, opened).await;

    let connector = PLAYED.get(line.connector).unwrap();
    let kind = connector.option(Some(line.option)).unwrap().kind;
    format!("{kind:?}")
}

async fn check_account(stage: &Stage, line: &Line, name: &str, (scope, id): (Scope, ConnectionId)) {
    let connection = stage.connection(scope, id).await;
    assert_eq!(connection.auth_option, line.option, "{name}");
    let found = connection.account.map(|account| (account.id, account.label.unwrap_or_default()));
    let expected = line.account.map(|(id, label)| (id.to_owned(), label.to_owned()));
    assert_eq!(found, expected, "{name}: the account");
}

/// Twice, so that a rotated refresh token is shown to be the one that is kept.
async fn renew(stage: &Stage, line: &Line, name: &str, (scope, id): (Scope, ConnectionId)) {
    let mut token = stage.app.engine.fresh(scope, id).await.unwrap().access_token;
    for round in 1..=2 {
        let before = stage.relay.counts(line.connector).await;
        stage.app.clock.advance(Duration::from_secs(line.life));
        let fresh = stage.app.engine.fresh(scope, id).await;
        let renewed =
            fresh.unwrap_or_else(|error| panic!("{name}: round {round}: {error}: {:#?}", stage.relay.take()));
        let after = stage.relay.counts(line.connector).await;

        let text = |token: &Option<hitchpost::model::Secret<String>>| {
            token.as_ref().map(|token| token.expose().clone()).unwrap_or_default()
        };
        let is_new = text(&renewed.access_token) != text(&token);
        assert_eq!(is_new, line.renewed.is_some(), "{name}: round {round}: a new token");
        assert_eq!(
            differences(&before, &after),
            Vec::from_iter(line.renewed.map(|what| (what.to_owned(), 1))),
            "{name}: round {round}"
        );
        token = renewed.access_token;
    }
}

/// What was counted in between.
fn differences(before: &Value, after: &Value) -> Vec<(String, u64)> {
    let counts = after.as_object().unwrap().iter();
    counts
        .map(|(what, count)| (what.clone(), count.as_u64().unwrap() - before[what].as_u64().unwrap()))
        .filter(|(_, more)| *more > 0)
        .collect()
}

/// Makes the test call; gives it back as the provider saw it, where there is one.
async fn call(
    stage: &Stage,
    line: &Line,
    name: &str,
    (scope, id): (Scope, ConnectionId),
) -> Option<super::provider::Seen> {
    stage.relay.take();
    let found = stage.app.engine.check(scope, id).await;
    let found = found.unwrap_or_else(|error| panic!("{name}: the call: {error}: {:#?}", stage.relay.take()));
    // A reply to a token call or an id token named it before; the test call need not.
    if let Some(account) = found {
        // What was picked is in the connection's account only.
        let person = line.account.and_then(|(id, _)| id.rsplit('/').next());
        assert_eq!(Some(account.id.as_str()), person, "{name}: whom the call names");
    }
    let mut calls = stage.relay.take();
    assert_eq!(calls.len(), usize::from(line.has_test()), "{name}: calls");
    calls.pop()
}

/// After a delete that gave the token back, the same call opens nothing.
async fn give_back(stage: &mut Stage, line: &Line, name: &str, opened: Option<super::provider::Seen>) {
    let before = stage.relay.counts(line.connector).await;
    if let Some(call) = opened.as_ref().filter(|call| !call.header("authorization").starts_with("OAuth ")) {
        assert_eq!(stage.relay.again(call).await.0, StatusCode::OK, "{name}: the call made again");
    }
    let revoked = |counts: &Value| counts["revoke"].as_u64().unwrap();

    stage.delete().await;

    let after = stage.relay.counts(line.connector).await;
    assert_eq!(revoked(&after) - revoked(&before), line.revokes, "{name}: revoke calls");
    if let Some(call) = opened.filter(|_| line.revokes > 0) {
        let (status, body) = stage.relay.again(&call).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{name}: the call after the revoke: {body}");
        // A signed call cannot be made twice; its token is judged first.
        let is_signed = call.header("authorization").starts_with("OAuth ");
        assert!(!is_signed || body.contains("was revoked"), "{name}: {body}");
    }
}
