//! One option played from the first press to the last revoke, and every call on the way judged.

use std::{sync::Arc, time::Duration};

use hitchpost::{
    catalog::{
        Connector,
        connector::{AuthOption, Request},
    },
    engine::{Began, ConnectRequest, Next, Outcome},
    model::{Access, ConnectionId, Credentials, Road, Scope, Session, Surface},
};
use reqwest::{Method, StatusCode};
use serde_json::json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    super::{
        super::{
            app::{Browser, SECRET, TestApp},
            provider::Seen,
        },
        relay::{Answer, Relay},
    },
    call::Call,
    given::{Given, given},
    known::Known,
    script::{Client, PROBED, Script},
};

/// Seconds before its end when a token is renewed: while it still lives, since some renew themselves.
const AHEAD: u64 = 30;
/// How often a renewal is looked for that the background may have begun.
const LOOKS: u32 = 50;

/// What an option was seen to do.
#[derive(Clone, Copy, Default)]
pub struct Done {
    pub renewed: bool,
    pub called: bool,
    pub given_back: bool,
}

/// What is not as the file says.
pub struct Fault {
    pub step: &'static str,
    pub why: String,
}

pub(super) type Step<T> = Result<T, Fault>;

pub(super) fn fault<E: std::fmt::Display>(step: &'static str) -> impl Fn(E) -> Fault {
    move |why| Fault { step, why: why.to_string() }
}

/// A server that has every connector, and the sandbox behind it.
pub struct Bench {
    pub app: TestApp,
    pub relay: Relay,
    pub browser: Browser,
}

/// One option on it.
pub struct Play<'b> {
    pub(super) bench: &'b Bench,
    pub(super) connector: &'b Arc<Connector>,
    pub(super) option: &'b AuthOption,
    session: Session,
    given: Given,
    pub(super) script: Script<'b>,
}

/// A connection that was made.
struct Made {
    scope: Scope,
    id: ConnectionId,
    credentials: Credentials,
    /// Seconds its access token lives.
    life: Option<u64>,
}

impl<'b> Play<'b> {
    pub async fn new(bench: &'b Bench, connector: &'b Arc<Connector>, option: &'b AuthOption) -> Step<Self> {
        let step = "prepare";
        let given = given(connector, option).map_err(fault(step))?;
        let customer = format!("{}-{}", connector.key, option.key);
        let app = &bench.app;
        let claims = json!({
            "iss": "acme", "id": customer, "name": "Ada Example", "exp": app.now() + 600,
            "connectorParameters": given.parameters,
        });
        let session = app.engine.authenticate(&app.signed(SECRET, &claims), Surface::Page).await;
        let session = session.map_err(fault(step))?;
        let workspace = app.engine.workspace_by_key("acme").await.map_err(fault(step))?;
        let view = workspace.integration(&connector.key);
        let view = view.ok_or("the integration is not there").map_err(fault(step))?;
        let mut known = given.known.clone();
        known.set("customer.id", &customer);
        known.set("customer.name", "Ada Example");
        known.set("workspace.key", "acme");
        known.set("workspace.name", "Acme");
        known.open("jwt");
        let client = client(connector, option, &mut known).map_err(fault(step))?;
        let redirect_uri = match &option.redirect_uri {
            Some(template) => known.text(template.source()).map_err(fault(step))?,
            None => app.base.join(&format!("/oauth/callback/{}", view.integration.id)).unwrap().into(),
        };
        let api = connector.api_for(option);
        let scopes = given.scopes.clone();
        let script = Script { option, api, known, scopes, client, redirect_uri };
        Ok(Self { bench, connector, option, session, given, script })
    }

    pub async fn run(mut self) -> Step<Done> {
        self.bench.relay.take_answered();
        let made = self.connect().await?;
        let played = self.live(made).await;
        if played.is_err() {
            // Nothing of it may come between the calls of the next.
            let _ = self.bench.app.engine.archive(&Access::from(&self.session), &self.connector.key).await;
        }
        played
    }

    async fn live(&mut self, mut made: Made) -> Step<Done> {
        let renewed = self.renew(&mut made).await?;
        let opened = self.test(&made).await?;
        let proxied = self.proxy(&made).await?;
        let called = opened.is_some() || proxied.is_some();
        let given_back = self.give_back(&made, opened.or(proxied)).await?;
        Ok(Done { renewed, called, given_back })
    }

    async fn connect(&mut self) -> Step<Made> {
        let step = "connect";
        let outcome = self.outcome().await?;
        if let Some(failure) = outcome.failure() {
            let why = format!("{}: {}{}", failure.key.as_str(), failure.message, self.last());
            return Err(Fault { step, why });
        }
        let connection = outcome.connection.ok_or("no connection").map_err(fault(step))?;
        let (scope, id) = (self.session.scope(), connection.id);
        let answered = self.bench.relay.take_answered();
        let credentials = self.bench.app.engine.fresh(scope, id).await.map_err(fault(step))?;
        self.learn(&credentials);
        if connection.account.is_none() && self.script.names_account() {
            return Err(Fault { step, why: "nobody says whose account it is".to_owned() });
        }
        let calls = self.script.connect().map_err(fault(step))?;
        judge(&calls, &answered).map_err(fault(step))?;
        let traded = [&self.option.token, &self.option.exchange];
        let life = self.life(traded.into_iter().flatten(), &answered);
        let made = Made { scope, id, credentials, life };
        self.rest(step, &made).await?;
        Ok(made)
    }

    /// How long the last of these answers says that the token lives.
    fn life<'r>(&self, requests: impl Iterator<Item = &'r Request>, answered: &Answered) -> Option<u64> {
        requests.filter_map(|request| self.life_told(request, answered)).last()
    }

    fn life_told(&self, request: &Request, answered: &Answered) -> Option<u64> {
        let at = |name: &str| {
            let path = request.map.get(name).map_or(name, String::as_str);
            let pointer = format!("/{}", path.replace('.', "/"));
            answered.iter().rev().find_map(|(_, (_, body))| body.pointer(&pointer).cloned())
        };
        let end = at("expires_at").filter(|_| request.map.contains_key("expires_at"));
        let end = end.and_then(|end| OffsetDateTime::parse(end.as_str()?, &Rfc3339).ok());
        let left = end.map(|end| end.unix_timestamp() - self.bench.app.now());
        let left = left.and_then(|left| u64::try_from(left).ok());
        left.or(at("expires_in").and_then(|seconds| seconds.as_u64())).or(request.expires_in)
    }

    /// While a token is young nobody is asked for another.
    async fn rest(&self, step: &'static str, made: &Made) -> Step<()> {
        let same = self.bench.app.engine.fresh(made.scope, made.id).await.map_err(fault(step))?;
        let calls = self.bench.relay.take_answered();
        if !calls.is_empty() || same.to_bytes() != made.credentials.to_bytes() {
            let why = format!("a fresh token is renewed: {:?}", calls.first().map(|(seen, _)| &seen.path));
            return Err(Fault { step, why });
        }
        Ok(())
    }

    async fn outcome(&mut self) -> Step<Outcome> {
        let step = "connect";
        let engine = &self.bench.app.engine;
        let request = ConnectRequest {
            integration: self.connector.key.clone(),
            option: Some(self.option.key.clone()),
            input: self.given.input.clone(),
            road: Road::Popup { origin: None },
            request_id: None,
            name: None,
            allow_multiple: false,
            connection: None,
            custom_state: None,
            connector_parameters: None,
            no_ui: true,
            began: Began::Allowed,
        };
        let next = engine.connect(&self.session, request).await;
        match next.map_err(|error| Fault { step, why: format!("{error:?}{}", self.last()) })? {
            Next::Done(outcome) => Ok(*outcome),
            Next::Leave(departure) => self.visit(departure).await,
            Next::Ask(_) | Next::Confirm(_) => Err(Fault { step, why: "a page asks for more".to_owned() }),
        }
    }

    fn learn(&mut self, credentials: &Credentials) {
        for (name, value) in &credentials.kept {
            self.script.known.set(name, value);
        }
        for (name, token) in
            [("access_token", &credentials.access_token), ("refresh_token", &credentials.refresh_token)]
        {
            if let Some(token) = token {
                self.script.known.set(name, token.expose());
            }
        }
    }

    /// Twice, so that a refresh token that rotates is shown to be kept.
    async fn renew(&mut self, made: &mut Made) -> Step<bool> {
        let step = "refresh";
        if !self.script.is_renewed() {
            return Ok(false);
        }
        for _ in 0..2 {
            let life = made.life.ok_or("nobody says how long the token lives").map_err(fault(step))?;
            let calls = self.script.renew().map_err(fault(step))?;
            self.bench.app.clock.advance(Duration::from_secs(life.saturating_sub(AHEAD)));
            let renewed = self.renewed(made).await?;
            let answered = self.bench.relay.take_answered();
            judge(&calls, &answered).map_err(fault(step))?;
            self.judge_renewed(made, &renewed)?;
            let refresh = self.option.refresh.as_ref().and_then(|refresh| refresh.request.as_ref());
            let traded = [refresh.or(self.option.token.as_ref()), self.option.exchange.as_ref()];
            made.life = self.life(traded.into_iter().flatten(), &answered);
            made.credentials = renewed;
            self.learn(&made.credentials);
            self.rest(step, made).await?;
        }
        Ok(true)
    }

    /// Fresh credentials. The background may have begun to renew them by itself; then the old ones are
    /// handed out as long as they live.
    async fn renewed(&self, made: &Made) -> Step<Credentials> {
        let mut look = 0;
        loop {
            let fresh = self.bench.app.engine.fresh(made.scope, made.id).await;
            let fresh =
                fresh.map_err(|error| Fault { step: "refresh", why: format!("{error}{}", self.last()) })?;
            let is_new = text(&fresh.access_token) != text(&made.credentials.access_token);
            look += 1;
            if is_new || look == LOOKS {
                return Ok(fresh);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    fn judge_renewed(&self, made: &Made, renewed: &Credentials) -> Step<()> {
        let step = "refresh";
        if text(&renewed.access_token) == text(&made.credentials.access_token) {
            return Err(Fault { step, why: "the access token is the old one".to_owned() });
        }
        let rotates = self.option.refresh.as_ref().and_then(|refresh| refresh.rotates) == Some(true);
        let (before, after) = (text(&made.credentials.refresh_token), text(&renewed.refresh_token));
        match (before == after, rotates && !before.is_empty()) {
            (true, true) => Err(Fault { step, why: "the refresh token did not rotate".to_owned() }),
            (false, false) => Err(Fault { step, why: "another refresh token came".to_owned() }),
            _ => Ok(()),
        }
    }

    async fn test(&self, made: &Made) -> Step<Option<Seen>> {
        let step = "call";
        let Some(call) = self.script.test().map_err(fault(step))? else { return Ok(None) };
        let found = self.bench.app.engine.check(made.scope, made.id).await;
        found.map_err(|error| Fault { step, why: format!("{error}{}", self.last()) })?;
        let mut answered = self.bench.relay.take_answered();
        judge(&[call], &answered).map_err(fault(step))?;
        Ok(answered.pop().map(|(seen, _)| seen))
    }

    /// A call of the product's own through the connection; one that has no API to go to is refused.
    async fn proxy(&self, made: &Made) -> Step<Option<Seen>> {
        let step = "proxy";
        let app = &self.bench.app;
        let customer = self.script.known.get("customer.id").unwrap_or_default();
        let path = format!("/connections/{}/proxy{PROBED}", made.id);
        let bearer = format!("Bearer {}", app.token(customer));
        let page =
            self.bench.browser.anew().send(Method::GET, &path, &[("authorization", &bearer)], None).await;
        let mut answered = self.bench.relay.take_answered();
        let Some(call) = self.script.proxied().map_err(fault(step))? else {
            let is_refused = page.status.is_client_error() && answered.is_empty();
            let why = || format!("without an API base: {}: {}", page.status, said(&page.body));
            return if is_refused { Ok(None) } else { Err(Fault { step, why: why() }) };
        };
        judge(&[call], &answered).map_err(fault(step))?;
        if page.status != StatusCode::OK {
            return Err(Fault { step, why: format!("{}: {}", page.status, said(&page.body)) });
        }
        Ok(answered.pop().map(|(seen, _)| seen))
    }

    /// After a delete that gave the token back, the same call opens nothing.
    async fn give_back(&self, made: &Made, opened: Option<Seen>) -> Step<bool> {
        let step = "revoke";
        let calls = self.script.revoke().map_err(fault(step))?;
        let access = Access::from(&self.session);
        let gone = self.bench.app.engine.archive(&access, &made.id.to_string()).await;
        gone.map_err(fault(step))?;
        let answered = self.bench.relay.take_answered();
        judge(&calls, &answered).map_err(fault(step))?;
        if let Some((_, (status, body))) = answered.iter().find(|(_, (status, _))| !status.is_success()) {
            return Err(Fault { step, why: format!("{status}: {body}") });
        }
        if let Some(call) = opened.filter(|_| !calls.is_empty()) {
            let (status, body) = self.bench.relay.again(&call).await;
            // A signed call cannot be made twice; its token is judged first.
            let is_signed = self.option.usage.sign;
            if status.is_success() || (is_signed && !body.contains("was revoked")) {
                return Err(Fault {
                    step,
                    why: format!("the call still opens the API: {status}: {}", said(&body)),
                });
            }
        }
        Ok(!calls.is_empty())
    }

    /// The last call and its answer, for whoever has to find out.
    pub(super) fn last(&self) -> String {
        let answered = self.bench.relay.take_answered();
        let last = answered.last().map(|(seen, (status, body))| {
            format!(
                " [{} https://{}{}?{} {} → {status}: {}]",
                seen.method,
                seen.host,
                seen.path,
                seen.query,
                seen.body,
                said(&body.to_string())
            )
        });
        last.unwrap_or_default()
    }
}

/// The product's client with the provider: the option's own, or the one that the sandbox gives.
fn client(connector: &Connector, option: &AuthOption, known: &mut Known) -> Result<Client, String> {
    let id = format!("sandbox-{}", connector.key);
    let secret = format!("sandbox-secret-{}", connector.key);
    known.set("client.id", &id);
    known.set("client.secret", &secret);
    match &option.client {
        None => Ok(Client { id, secret: Some(secret) }),
        Some(own) => {
            let secret = own.secret.as_ref().map(|secret| known.text(secret.source())).transpose()?;
            Ok(Client { id: known.text(own.id.source())?, secret })
        }
    }
}

/// Calls and their answers.
type Answered = Vec<(Seen, Answer)>;

/// The calls that were seen are the ones that the file asks for, in their order.
fn judge(expected: &[Call], seen: &Answered) -> Result<(), String> {
    for (call, (seen, _)) in expected.iter().zip(seen) {
        call.judge(seen)?;
    }
    match (expected.len(), seen.len()) {
        (expected, seen) if expected == seen => Ok(()),
        (more, less) if more > less => Err(format!("{} was not made", expected[less].what)),
        (less, _) => {
            let (seen, _) = &seen[less];
            Err(format!("one call too many: {} https://{}{}", seen.method, seen.host, seen.path))
        }
    }
}

fn text(token: &Option<hitchpost::model::Secret<String>>) -> String {
    token.as_ref().map(|token| token.expose().clone()).unwrap_or_default()
}

/// The beginning of a body, in one line.
pub(super) fn said(body: &str) -> String {
    let plain: String = body.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = plain.split_once("<main").map_or(plain.as_str(), |(_, main)| main);
    text.chars().take(400).collect()
}
