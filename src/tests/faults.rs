//! Whatever a provider does wrong, at whichever call: the documented error, nobody disconnected who is
//! not, and memory that stays where it is.
//!
//! Security F6, O4, O8. Every fault of the catalog meets every call site, each with a connection of its own,
//! all at the same time.

#[path = "faults/catalog.rs"]
mod catalog;
#[path = "faults/peer.rs"]
mod peer;

use std::{collections::BTreeMap, time::Duration};

use futures_util::{StreamExt as _, stream};
use hitchpost::{
    engine::{CheckError, RefreshError},
    model::{ConnectionId, ConnectionState, DisconnectReason, FailureKey, Scope},
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use self::{
    catalog::{Fault, Kind, all},
    peer::{Peer, Site},
};
use super::{app::TestApp, provider::Provider};

const CONNECTOR: &str = r#"
name = "Faulty"
[api]
base = "https://api.faulty.example/v1"
hosts = ["api.faulty.example", "login.faulty.example"]
test = { path = "/me" }
account = { id = "id", label = "name" }

[[auth]]
key = "oauth2"
type = "oauth2"
authorize = { url = "https://login.faulty.example/authorize" }
token = { url = "https://login.faulty.example/token" }
refresh = { rotates = true }
revoke = { url = "https://login.faulty.example/revoke" }
use = { headers = { Authorization = "Bearer {{access_token}}" } }
"#;

const CONFIG: &str = r#"
[server]
sandbox = true

[server.limits]
proxy_answer_timeout = "15s"
proxy_idle_timeout = "5s"
start_per_address = "off"
api_per_address = "off"
proxy_per_address = "off"
start_per_workspace = "off"
sign_in_per_address = "off"

[[workspace]]
key = "acme"
name = "Acme"
secret = "acme-secret-0123456789abcdef-0123456789"
allowed_origins = ["https://app.acme.com"]
integration = [{ key = "faulty", connector = "file:faulty.toml", sandbox = true, client_id = "c", client_secret = "a secret" }]
"#;

const BACK: &str = "https://app.acme.com/back";
/// How much memory all the faults together may cost, MiB.
const GROWTH_MAX: u64 = 128;

struct Cell<'a> {
    number: usize,
    site: Site,
    fault: &'a Fault,
}

struct Stage {
    app: TestApp,
    peer: Peer,
}

impl Stage {
    /// Connects as the cell's own customer; comes back with what the callback said.
    async fn connect(&self, cell: &Cell<'_>) -> Result<(Scope, ConnectionId), Value> {
        let customer = format!("customer-{}", cell.number);
        let mut browser = self.app.browser();
        let payload =
            json!({ "token": self.app.token(&customer), "integrationKey": "faulty", "redirectUri": BACK });
        let left =
            browser.post_from("https://app.acme.com", "/connect", &[("payload", &payload.to_string())]).await;
        let left = url::Url::parse(&left.location()).unwrap();
        let (_, state) = left.query_pairs().find(|(name, _)| name == "state").unwrap();
        let (_, back) = left.query_pairs().find(|(name, _)| name == "redirect_uri").unwrap();
        let code = format!("cell-{}", cell.number);
        let answer = browser.get(&format!("{back}?code={code}&state={state}")).await;
        let told = url::Url::parse(&answer.location()).unwrap();
        let told: BTreeMap<String, String> = told.query_pairs().into_owned().collect();
        match told.get("connectionId") {
            Some(id) => Ok((self.app.scope(&customer).await, ConnectionId::parse(id).unwrap())),
            None => Err(serde_json::from_str(&told["errorData"]).unwrap()),
        }
    }

    async fn state(&self, scope: Scope, id: ConnectionId) -> ConnectionState {
        self.app.engine.connection(scope, &id.to_string()).await.unwrap().state
    }

    /// Meets the fault and says what came of it that should not have; nothing when all is well.
    async fn meet(&self, cell: &Cell<'_>, connected: Option<(Scope, ConnectionId)>) -> Option<String> {
        let verdict = match (cell.site, connected) {
            (Site::Token, _) => self.token(cell).await,
            (Site::Refresh, Some((scope, id))) => self.refresh(cell, scope, id).await,
            (Site::Test, Some((scope, id))) => self.test(cell, scope, id).await,
            (Site::Proxy, Some((scope, id))) => self.proxy(cell, scope, id).await,
            (Site::Revoke, Some((_, id))) => self.revoke(cell, id).await,
            (_, None) => Err("it was not connected".to_owned()),
        };
        let met = self.met(cell).await;
        let verdict =
            verdict.and_then(|()| if met == 0 { Err("the fault was never met".to_owned()) } else { Ok(()) });
        verdict.err().map(|what| format!("{:?} × {}: {what}", cell.site, cell.fault.name))
    }

    /// How often the fault was met; what goes on in the background is waited for.
    async fn met(&self, cell: &Cell<'_>) -> usize {
        for _ in 0..600 {
            let met = self.peer.met(cell.number, cell.site);
            if met > 0 {
                return met;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        0
    }

    async fn token(&self, cell: &Cell<'_>) -> Result<(), String> {
        let said = match self.connect(cell).await {
            Ok(_) => return Err("it connected".to_owned()),
            Err(said) => said,
        };
        let expected = match cell.fault.kind {
            Kind::No | Kind::Over => "provider_error",
            Kind::Trouble | Kind::Broken | Kind::Nonsense | Kind::Elsewhere => "provider_unreachable",
        };
        same(&said["key"], &json!(expected))?;
        same(&self.peer.met(cell.number, Site::Token), &1)
    }

    async fn refresh(&self, cell: &Cell<'_>, scope: Scope, id: ConnectionId) -> Result<(), String> {
        let tried = self.app.engine.fresh(scope, id).await.err().map(|error| match error {
            RefreshError::Disconnected(reason) => reason.as_str().to_owned(),
            RefreshError::Transient => "transient".to_owned(),
            other => other.to_string(),
        });
        let (expected, state) = match cell.fault.kind {
            Kind::Over => {
                let reason = DisconnectReason::GrantRevoked;
                (reason.as_str(), ConnectionState::Disconnected(reason))
            }
            _ => ("transient", ConnectionState::Ready),
        };
        same(&tried.as_deref(), &Some(expected))?;
        same(&self.state(scope, id).await, &state)
    }

    async fn test(&self, cell: &Cell<'_>, scope: Scope, id: ConnectionId) -> Result<(), String> {
        let said = match self.app.engine.check(scope, id).await {
            Ok(_) => None,
            Err(CheckError::Refused(failure)) => Some(failure.key),
            Err(error) => return Err(error.to_string()),
        };
        let expected = match cell.fault.kind {
            Kind::No | Kind::Over | Kind::Elsewhere => Some(FailureKey::TestFailed),
            Kind::Trouble | Kind::Broken => Some(FailureKey::ProviderUnreachable),
            Kind::Nonsense => None,
        };
        same(&said, &expected)?;
        same(&self.state(scope, id).await, &ConnectionState::Ready)
    }

    async fn proxy(&self, cell: &Cell<'_>, scope: Scope, id: ConnectionId) -> Result<(), String> {
        let token = self.app.token(&format!("customer-{}", cell.number));
        let status = self.status(&format!("/connections/{id}/proxy/things"), &token).await;
        match cell.fault.kind {
            // A head that was good had left before the body broke.
            Kind::Broken => same(&matches!(status, Some(200 | 502 | 504) | None), &true)?,
            _ => same(&status, &cell.fault.status())?,
        }
        same(&self.state(scope, id).await, &ConnectionState::Ready)
    }

    /// The status of an answer that was read to its end, or its status when the body broke off.
    async fn status(&self, path: &str, token: &str) -> Option<u16> {
        #[expect(clippy::disallowed_methods, reason = "a backend of its own, not the server's client")]
        let client =
            reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_gzip().build().unwrap();
        let asked = client.get(self.app.base.join(path).unwrap()).bearer_auth(token).send();
        let answer = tokio::time::timeout(Duration::from_secs(60), asked).await.ok()?.ok()?;
        let status = answer.status().as_u16();
        let mut body = answer.bytes_stream();
        // An endless body is read for a while and then let go of.
        let _ = tokio::time::timeout(Duration::from_secs(8), async {
            while let Some(Ok(_)) = body.next().await {}
        })
        .await;
        Some(status)
    }

    async fn revoke(&self, cell: &Cell<'_>, id: ConnectionId) -> Result<(), String> {
        let token = self.app.token(&format!("customer-{}", cell.number));
        let path = format!("/connections/{id}");

        let deleted = self.app.browser().api(Method::DELETE, &path, &token).await;
        let again = self.app.browser().api(Method::DELETE, &path, &token).await;

        same(&(deleted.status.is_success(), again.status.is_success()), &(true, true))?;
        let proxied = self.app.browser().api(Method::GET, &format!("{path}/proxy/things"), &token).await;
        same(&matches!(proxied.status, StatusCode::NOT_FOUND | StatusCode::GONE), &true)
    }
}

fn same<T: PartialEq + std::fmt::Debug>(found: &T, expected: &T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{found:?} instead of {expected:?}")) }
}

/// Security F6, O4, O8; acceptance 20, 42.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_at_every_call_site_ends_as_documented_and_disconnects_nobody_wrongly() {
    let evil = Provider::new(|_| (200, json!({ "access_token": "stolen" }))).await;
    let faults = all(&format!("http://{}/", evil.address));
    let peer = Peer::new().await;
    let stage =
        Stage { app: TestApp::played_by(peer.address, CONFIG, &[("faulty.toml", CONNECTOR)]).await, peer };
    let cells: Vec<Cell<'_>> = Site::ALL
        .into_iter()
        .flat_map(|site| faults.iter().map(move |fault| (site, fault)))
        .enumerate()
        .map(|(number, (site, fault))| Cell { number, site, fault })
        .collect();
    // Tokens of the refresh cells end within the hour; those of the others outlive the test.
    for cell in cells.iter().filter(|cell| cell.site == Site::Refresh) {
        stage.peer.lives(cell.number, 3600);
    }
    let connected: Vec<_> = stream::iter(&cells)
        .map(async |cell| match cell.site {
            Site::Token => None,
            _ => Some(stage.connect(cell).await.unwrap()),
        })
        .buffered(16)
        .collect()
        .await;
    for cell in &cells {
        stage.peer.arm(cell.number, cell.site, &cell.fault.play);
    }
    stage.app.clock.advance(Duration::from_secs(2 * 3600));
    let before = resident();

    let wrong: Vec<String> = stream::iter(cells.iter().zip(connected))
        .map(async |(cell, connected)| stage.meet(cell, connected).await)
        .buffer_unordered(cells.len())
        .filter_map(async |wrong| wrong)
        .collect()
        .await;

    let grown = resident().saturating_sub(before);
    println!(
        "{} faults × {} call sites: {} cells, {} wrong, {grown} MiB more",
        faults.len(),
        Site::ALL.len(),
        cells.len(),
        wrong.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(faults.len() >= 50, "{}", faults.len());
    assert_eq!(evil.calls().len(), 0, "a redirect was followed");
    assert!(grown < GROWTH_MAX, "{grown} MiB");
}

/// MiB of memory that this process has.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) / 1024
}
