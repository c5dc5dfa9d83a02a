//! Security O1 and O2: no value that comes from outside leads a secret to another host.
//!
//! Every value that stands in an address of a connector — typed, given, said by the provider, brought
//! by the browser — is put through the whole corpus of `testdata/hosts.txt`, and the flow is driven as
//! far as it goes: connect, callback, token, discovery, test, refresh, revoke. The provider is the
//! test's own: it says yes to everything and writes down who would have been called.

mod flow;
mod judge;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use hitchpost::{
    catalog::{
        Connector, Template,
        connector::{Api, AuthOption, Format, Request, Target},
        template::Values,
    },
    engine::{Began, CallbackParams, ConnectRequest, EngineError, Next, Outcome},
    model::{Road, Session, Surface},
    protocol::Endpoint,
};
use serde_json::{Value, json};

use self::{
    flow::{Poison, Source},
    judge::{Allowed, is_label},
};
use super::{
    app::{SECRET, TestApp},
    provider::{Provider, Seen},
};

const CORPUS: &str = include_str!("testdata/hosts.txt");

/// A connector with one option for each place of an address, whose fields take anything: here nothing
/// but the address itself is in the way.
const SLOTS: &str = include_str!("testdata/slots.toml");

/// The connectors whose replies and callbacks this test can make up. What the others put into their
/// addresses stands in the same places, and [`SLOTS`] has them all.
const DRIVEN: [&str; 27] = [
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

/// Connectors that need more than a client to be set up.
const SETTINGS: [(&str, &str); 2] = [
    ("github", r#"app_client_id = "app", app_client_secret = "canary-app", app_slug = "acme""#),
    ("salesforce", r#"username = "ada@example.com""#),
];

fn corpus(host: &str) -> Vec<String> {
    let lines = CORPUS.lines().filter(|line| !line.starts_with('#'));
    let mut values: Vec<String> =
        lines.map(|line| serde_json::from_str::<String>(line).unwrap().replace("{host}", host)).collect();
    let long = [64, 254, 4096, 10_000].map(|length| "a".repeat(length));
    values.extend(long.iter().cloned());
    values.extend(long.iter().map(|long| format!("https://{host}.{long}.evil.example")));
    values.push("a.".repeat(200));
    values
}

/// One option of one connector, and everything around it.
struct Bench {
    app: TestApp,
    provider: Provider,
    reply: Arc<Mutex<Value>>,
    session: Session,
}

/// How one flow went.
struct Ran {
    connected: bool,
    /// Where the browser was sent.
    left: Option<String>,
    calls: Vec<Seen>,
}

impl Bench {
    async fn new() -> Self {
        let reply = Arc::new(Mutex::new(Value::Null));
        let said = reply.clone();
        let provider = Provider::new(move |_| (200, said.lock().unwrap().clone())).await;
        let app = TestApp::played_by(provider.address, &config(), &[("slots.toml", SLOTS)]).await;
        let session = app.engine.authenticate(&app.token("c1"), Surface::Page).await.unwrap();
        Self { app, provider, reply, session }
    }

    /// Drives a flow as far as it goes.
    async fn run(
        &self,
        integration: &str,
        connector: &Connector,
        option: &AuthOption,
        host: &str,
        poison: Option<&Poison>,
    ) -> Ran {
        *self.reply.lock().unwrap() = flow::reply(connector, option, host, poison);
        self.provider.take();
        let mut ran = Ran { connected: false, left: None, calls: Vec::new() };
        if let Some(outcome) = self.connect(integration, option, poison, &mut ran.left).await {
            self.live(&outcome, connector, option, &mut ran).await;
        }
        ran.calls.extend(self.provider.take());
        ran
    }

    async fn connect(
        &self,
        integration: &str,
        option: &AuthOption,
        poison: Option<&Poison>,
        left: &mut Option<String>,
    ) -> Option<Outcome> {
        let engine = &self.app.engine;
        let (session, parameters) = match poison {
            Some(Poison { source: Source::Given(name), value }) => {
                let given = json!({ name: value });
                let claims = json!({ "iss": "acme", "id": "c1", "exp": self.app.now() + 600, "connectorParameters": given });
                // The page's own word is tried first, and then the token's.
                let unsigned = request(integration, option, poison, given.as_object().cloned());
                assert!(
                    matches!(engine.connect(&self.session, unsigned).await, Err(EngineError::Failed(_))),
                    "{value}"
                );
                // A value may be longer than a token can be.
                (engine.authenticate(&self.app.signed(SECRET, &claims), Surface::Page).await.ok()?, None)
            }
            _ => (self.session.clone(), None),
        };
        let next = engine.connect(&session, request(integration, option, poison, parameters)).await.ok()?;
        let departure = match next {
            Next::Done(outcome) => return Some(*outcome),
            Next::Ask(_) | Next::Confirm(_) => return None,
            Next::Leave(departure) => departure,
        };
        *left = Some(departure.url.to_string());
        let secret = format!("canary-client-{integration}");
        let pairs = flow::callback(option, &departure.url, &secret, poison);
        let workspace = engine.workspace_by_key("acme").await.unwrap();
        let id = workspace.integration(integration).unwrap().integration.id.to_string();
        let cookie = |name: &str| (name == departure.cookie).then(|| departure.binding.expose().to_owned());
        match engine.callback(&id, &CallbackParams::new(pairs), cookie).await.ok()? {
            Next::Done(outcome) => Some(*outcome),
            Next::Ask(_) | Next::Confirm(_) | Next::Leave(_) => None,
        }
    }

    /// What a connection does in its life: it is tested, renewed, used, and given back.
    async fn live(&self, outcome: &Outcome, connector: &Connector, option: &AuthOption, ran: &mut Ran) {
        let Some(connection) = &outcome.connection else { return };
        let engine = &self.app.engine;
        let (scope, id) = (self.session.scope(), connection.id);
        ran.connected = true;
        let _ = engine.check(scope, id).await;
        self.app.clock.advance(Duration::from_secs(2 * 60 * 60));
        if let Ok(credentials) = engine.fresh(scope, id).await {
            let known = Known { plain: connection.input.clone(), kept: credentials.kept };
            ran.calls.extend(used(connector.api_for(option), &known));
        }
        engine.archive(&hitchpost::model::Access::from(&self.session), &id.to_string()).await.unwrap();
    }
}

/// What is known of a connection once it is made.
struct Known {
    plain: BTreeMap<String, String>,
    kept: BTreeMap<String, String>,
}

impl Values for Known {
    fn value(&self, name: &str) -> Option<std::borrow::Cow<'_, str>> {
        self.kept.get(name).or_else(|| self.plain.get(name)).map(|value| value.as_str().into())
    }
}

/// A call behind the API's base, as one would be passed on: the address it would go to.
fn used(api: Option<&Api>, known: &Known) -> Option<Seen> {
    let request = Request {
        target: Target::Path(Template::parse("/probe").unwrap()),
        method: http::Method::GET,
        format: Format::Query,
        params: Vec::new(),
        body: None,
        headers: Vec::new(),
        basic: None,
        map: BTreeMap::new(),
        keep: BTreeMap::new(),
        error: None,
        expires_in: None,
    };
    let api = Api { headers: Vec::new(), ..api?.clone() };
    let url = Endpoint::render(&request, &api, known).ok()?.url;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Some(Seen {
        method: "GET".to_owned(),
        host: format!("{}{port}", url.host_str().unwrap()),
        path: url.path().to_owned(),
        query: String::new(),
        headers: http::HeaderMap::new(),
        body: String::new(),
    })
}

fn request(
    integration: &str,
    option: &AuthOption,
    poison: Option<&Poison>,
    parameters: Option<serde_json::Map<String, Value>>,
) -> ConnectRequest {
    ConnectRequest {
        integration: integration.to_owned(),
        option: Some(option.key.clone()),
        input: flow::input(option, poison),
        road: Road::Popup { origin: None },
        request_id: None,
        name: None,
        allow_multiple: false,
        connection: None,
        custom_state: None,
        connector_parameters: parameters,
        no_ui: true,
        began: Began::Allowed,
    }
}

/// Each of [`DRIVEN`], and the places, with a client whose secret is a canary.
fn config() -> String {
    let keys: Vec<String> = files().into_keys().collect();
    let integrations = keys.iter().map(|key| {
        let more = SETTINGS
            .iter()
            .find(|(wanted, _)| wanted == key)
            .map(|(_, more)| format!(", connector_parameters = {{ {more} }}"))
            .unwrap_or_default();
        let connector = if key == "slots" { "file:slots.toml" } else { key.as_str() };
        // Apple's client secret is a key that signs, which the sandbox has.
        let client = if key == "apple" {
            String::new()
        } else {
            format!(r#", client_id = "client", client_secret = "canary-client-{key}""#)
        };
        format!("  {{ key = \"{key}\", connector = \"{connector}\", sandbox = true{client}{more} }},\n")
    });
    format!(
        "[server]\nsandbox = true\n[[workspace]]\nkey = \"acme\"\nname = \"Acme\"\nsecret = \"{SECRET}\"\nintegration = [\n{}]\n",
        integrations.collect::<String>()
    )
}

fn files() -> BTreeMap<String, toml::Table> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("connectors");
    let mut files = BTreeMap::from([("slots".to_owned(), toml::from_str(SLOTS).unwrap())]);
    for key in DRIVEN {
        let text = std::fs::read_to_string(folder.join(key).with_extension("toml")).unwrap();
        files.insert(key.to_owned(), toml::from_str(&text).unwrap());
    }
    files
}

/// The host in an address that the sandbox plays.
fn played_host(address: &str) -> String {
    url::Url::parse(address).unwrap().path().split('/').nth(2).unwrap().to_owned()
}

/// Drives the corpus through every source that `wanted` picks, and judges every call. Comes back with how
/// many sources there were, and of how many a tampered flow called anybody: what calls nobody shows nothing.
#[expect(clippy::print_stdout, reason = "how far the corpus came is part of what the test shows")]
async fn drive(wanted: impl Fn(&str, &Source) -> bool) -> (usize, usize) {
    let bench = Bench::new().await;
    let workspace = bench.app.engine.workspace_by_key("acme").await.unwrap();
    let (mut flows, mut connected, mut calls, mut hosts, mut reached) =
        (0, 0, 0, BTreeSet::new(), BTreeSet::new());
    let mut driven = BTreeSet::new();
    for (key, file) in files() {
        let connector = workspace.integration(&key).unwrap().connector.clone();
        for (place, option) in connector.auth.iter().enumerate() {
            let allowed = Allowed::of(&file, place);
            let host = allowed.example();
            for source in flow::sources(&connector, option).into_iter().filter(|source| wanted(&key, source))
            {
                let of = format!("{key} {} {source:?}", option.key);
                let honest = bench.run(&key, &connector, option, &host, None).await;
                assert!(
                    honest.connected,
                    "{of}: a flow that nobody tampers with connects: {:?}",
                    honest.calls
                );
                assert!(!honest.calls.is_empty(), "{of}: it calls somebody");
                judge(&of, "nothing", &allowed, &honest);
                driven.insert(of.clone());

                for value in corpus(&host) {
                    let poison = Poison { source: source.clone(), value };
                    let ran = bench.run(&key, &connector, option, &host, Some(&poison)).await;
                    judge(&of, &poison.value, &allowed, &ran);
                    flows += 1;
                    connected += usize::from(ran.connected);
                    calls += ran.calls.len();
                    if !ran.calls.is_empty() {
                        reached.insert(of.clone());
                    }
                    hosts.extend(ran.calls.into_iter().map(|call| call.host));
                }
            }
        }
    }
    println!(
        "{} sources, {flows} flows, {connected} connected, {calls} calls to {} hosts",
        driven.len(),
        hosts.len()
    );
    println!("tampered flows called somebody in {}: {reached:#?}", reached.len());
    assert_eq!(flows, corpus("").len() * driven.len());
    (driven.len(), reached.len())
}

/// The host of what somebody typed, with or without a scheme.
fn read_as_a_browser_would(value: &str) -> Option<String> {
    let has_scheme = value.to_ascii_lowercase().starts_with("http");
    let whole = if has_scheme { value.to_owned() } else { format!("https://{value}") };
    let url = url::Url::parse(&whole).ok()?;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{}{port}", url.host_str()?))
}

#[track_caller]
fn judge(of: &str, value: &str, allowed: &Allowed, ran: &Ran) {
    let admits = |host: &str| {
        // A self-hosted app is wherever the customer says, but that is a plain host, and theirs alone.
        let name = host.split(':').next().unwrap();
        let plain = name.split('.').all(is_label);
        let typed = allowed.open && plain && read_as_a_browser_would(value).as_deref() == Some(host);
        typed || allowed.admits(host) || (allowed.open && host == "gitlab.com")
    };
    for call in &ran.calls {
        assert!(admits(&call.host), "{of}: {value:?} led to {}", call.host);
        let climbs = call
            .path
            .to_lowercase()
            .replace("%2e", ".")
            .split('/')
            .any(|segment| matches!(segment, "." | ".."));
        assert!(!climbs, "{of}: {value:?} changed the path: {}", call.path);
        if allowed.open {
            assert!(!call.text().contains("canary-client"), "{of}: {value:?} got the client's secret");
        }
    }
    if let Some(left) = &ran.left {
        assert!(admits(&played_host(left)), "{of}: {value:?} sent the browser to {left}");
        assert!(!left.contains("canary"), "{of}: a secret is in an address: {left}");
    }
}

#[tokio::test]
async fn what_a_customer_types_leads_no_secret_astray() {
    let (sources, reached) = drive(|key, source| key != "slots" && matches!(source, Source::Typed(_))).await;

    assert!(sources >= 15 && reached >= 14, "{reached} of {sources}");
}

#[tokio::test]
async fn what_a_provider_says_leads_no_secret_astray() {
    let (sources, reached) =
        drive(|key, source| key != "slots" && matches!(source, Source::Replied(_))).await;

    assert!(sources >= 9 && reached >= 9, "{reached} of {sources}");
}

#[tokio::test]
async fn what_a_callback_brings_or_a_page_sets_leads_no_secret_astray() {
    let outside = |source: &Source| matches!(source, Source::CalledBack(_) | Source::Given(_));
    let (sources, reached) = drive(|key, source| key != "slots" && outside(source)).await;

    // The catalog's parameters in addresses are enums, so what is given calls nobody.
    assert!(sources >= 6 && reached >= 3, "{reached} of {sources}");
}

#[tokio::test]
async fn no_place_of_an_address_leads_a_secret_astray() {
    let (sources, reached) = drive(|key, _| key == "slots").await;

    // A port that is not the listed one calls nobody.
    assert_eq!((sources, reached), (10, 9));
}

/// The corpus is as large as the matrix asks for, and has nothing twice.
#[test]
fn the_corpus_has_hundreds_of_values() {
    let values = corpus("acme.example");

    assert!(values.len() >= 350, "{} values", values.len());
    assert_eq!(values.iter().collect::<BTreeSet<_>>().len(), values.len());
}
