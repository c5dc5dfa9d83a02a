//! The consent page: what is asked, by whom, and what should happen.
//!
//! The page is the provider's own: never framed, and its form counts only when it was sent from
//! this origin. What was checked travels through it signed.

use std::{sync::Arc, time::Duration};

use axum::{
    Form,
    extract::State,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use minijinja::{Value, context};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::catalog::{TemplateError, connector::AuthOption};

use super::{
    Sandbox,
    call::{Call, Params},
    cast::Part,
    grants::Code,
    pages::{self, Isolation, Page},
    pattern::Captured,
    person::Person,
    reply::plausible,
    scenario::Scenario,
    signed::Purpose,
    stats::Count,
};

/// How long the page can be answered.
const PAGE_LIFE: Duration = Duration::from_secs(3600);
/// Seconds an access token lives when its connector renews but does not say.
const TOKEN_LIFE: u64 = 3600;
/// Longest life a test may ask for, seconds.
const LONGEST_LIFE: u64 = 366 * 24 * 3600;
/// Length of an S256 challenge.
const CHALLENGE_CHARS: usize = 43;
/// The issuer of [`Scenario::WrongIss`].
const WRONG_ISSUER: &str = "https://wrong.example";

/// The provider's name of a standard parameter; none when it does not want it.
pub(super) fn wire<'a>(option: &'a AuthOption, standard: &'a str) -> Option<&'a str> {
    let name = option.names.get(standard).map_or(standard, String::as_str);
    (!name.is_empty()).then_some(name)
}

/// A checked request, as the form carries it.
#[derive(Serialize, Deserialize)]
struct Asked {
    connector: String,
    option: String,
    host: String,
    captured: Captured,
    client: String,
    redirect_uri: String,
    state: Option<String>,
    challenge: Option<String>,
    scope: String,
    /// Seconds its access tokens live; none lives on.
    lives: Option<u64>,
    /// When the page can no longer be answered, in milliseconds since 1970.
    until: i64,
}

/// The consent form.
#[derive(Deserialize)]
pub(super) struct Answer {
    request: String,
    account: String,
    scenario: String,
    decision: String,
}

/// Shows the consent page, or says what is wrong with the address.
pub(super) fn ask(sandbox: &Sandbox, call: &Call, parts: &[Part]) -> Response {
    let part = chosen(parts, &call.query);
    sandbox.stats.add(&part.connector.key, Count::Authorize);
    if call.method != Method::GET {
        return pages::refusal(StatusCode::METHOD_NOT_ALLOWED, "This page is opened by GET.");
    }
    let asked = match read(sandbox, call, part) {
        Ok(asked) => asked,
        Err(why) => return pages::refusal(StatusCode::BAD_REQUEST, why),
    };
    if let Err((code, why)) = check(part, &call.query) {
        return back(&asked, part, &[("error", code), ("error_description", why)], None);
    }
    let scenario = call.query.get("sandbox").and_then(Scenario::parse).unwrap_or_default();
    let person = call.query.get("sandbox_account").and_then(Person::parse).unwrap_or(Person::Alice);
    let isolation = if scenario == Scenario::Coop { Isolation::SameOrigin } else { Isolation::None };
    let people = Person::ALL.iter().map(|one| {
        context! { key => one.key(), name => one.name(), email => one.email(), chosen => *one == person }
    });
    let scenarios = Scenario::ALL
        .iter()
        .map(|one| context! { key => one.key(), title => one.title(), chosen => *one == scenario });
    let page = context! {
        app => part.connector.name.as_str(),
        client => asked.client.as_str(),
        destination => origin(&asked.redirect_uri),
        scopes => scopes(part.option(), &call.query),
        people => people.collect::<Value>(),
        scenarios => scenarios.collect::<Value>(),
        request => sandbox.signer.seal(Purpose::Consent, &asked),
    };
    pages::show(StatusCode::OK, Page::Consent, page, isolation)
}

/// Several connectors may share the address: the client's name decides, then the scopes.
fn chosen<'a>(parts: &'a [Part], query: &Params) -> &'a Part {
    let named = |part: &&Part| {
        let client = wire(part.option(), "client_id").and_then(|name| query.get(name)).unwrap_or("");
        client.strip_prefix("sandbox-").is_some_and(|rest| rest == part.connector.key)
    };
    let asks = |part: &&Part| {
        let scopes = &part.option().scopes;
        let asked = query.get(&scopes.param).unwrap_or("");
        asked.split(scopes.separator.as_str()).any(|scope| scopes.default.iter().any(|known| known == scope))
    };
    parts.iter().find(named).or_else(|| parts.iter().find(asks)).unwrap_or(&parts[0])
}

/// What must be right before the browser may be sent anywhere.
fn read(sandbox: &Sandbox, call: &Call, part: &Part) -> Result<Asked, &'static str> {
    let option = part.option();
    let get = |standard: &'static str| {
        wire(option, standard).and_then(|name| call.query.get(name)).filter(|text| !text.is_empty())
    };
    let client = get("client_id");
    if client.is_none() && wire(option, "client_id").is_some() {
        return Err("The address names no client (client_id).");
    }
    let redirect_uri = get("redirect_uri").ok_or("The address names no redirect_uri.")?;
    if !sandbox.origins.admit(redirect_uri) {
        return Err("redirect_uri is not an address the sandbox sends browsers to: \
                    loopback, or the origin this server is reached at.");
    }
    if get("response_mode").is_some_and(|mode| mode == "form_post") {
        return Err("The sandbox does not play response_mode=form_post yet.");
    }
    let asked_life = call.query.get("sandbox_expires_in").and_then(|text| text.parse::<u64>().ok());
    let said_life = option.token.as_ref().and_then(|token| token.expires_in);
    let usual_life = said_life.or(option.refresh.as_ref().map(|_| TOKEN_LIFE));
    Ok(Asked {
        connector: part.connector.key.clone(),
        option: option.key.clone(),
        host: call.address.host.clone(),
        captured: part.captured.clone(),
        client: client.unwrap_or("").to_owned(),
        redirect_uri: redirect_uri.to_owned(),
        state: get("state").map(str::to_owned),
        challenge: get("code_challenge").map(str::to_owned),
        scope: call.query.get(&option.scopes.param).unwrap_or("").to_owned(),
        lives: asked_life.map(|seconds| seconds.min(LONGEST_LIFE)).or(usual_life),
        until: sandbox.clock.now().plus(PAGE_LIFE).millis(),
    })
}

/// What the client is told by redirect when it is wrong (RFC 6749 §4.1.2.1).
fn check(part: &Part, query: &Params) -> Result<(), (&'static str, &'static str)> {
    let option = part.option();
    let get = |standard: &'static str| wire(option, standard).and_then(|name| query.get(name));
    if wire(option, "response_type").is_some() && get("response_type") != Some("code") {
        return Err(("unsupported_response_type", "response_type is not code"));
    }
    if wire(option, "state").is_some() && get("state").is_none_or(str::is_empty) {
        return Err(("invalid_request", "state is missing"));
    }
    let challenge = get("code_challenge");
    match (option.pkce, challenge) {
        (true, None) => Err(("invalid_request", "code_challenge is missing")),
        (false, Some(_)) => Err(("invalid_request", "this provider knows no code_challenge")),
        (true, Some(_)) if get("code_challenge_method") != Some("S256") => {
            Err(("invalid_request", "code_challenge_method is not S256"))
        }
        (true, Some(text)) if text.len() != CHALLENGE_CHARS => {
            Err(("invalid_request", "code_challenge is malformed"))
        }
        _ => Ok(()),
    }
}

fn scopes(option: &AuthOption, query: &Params) -> Value {
    let main = (option.scopes.param.as_str(), option.scopes.separator.as_str());
    let names = std::iter::once(main.0).chain(option.scopes.params.keys().map(String::as_str));
    names
        .filter_map(|name| query.get(name))
        .flat_map(|text| text.split(main.1))
        .filter(|scope| !scope.is_empty())
        .map(|scope| {
            let title = option.scopes.titles.get(scope).map_or("", String::as_str);
            context! { key => scope, title => title }
        })
        .collect()
}

/// Takes the form and sends the browser back.
pub(super) async fn decide(
    State(sandbox): State<Arc<Sandbox>>,
    headers: HeaderMap,
    Form(answer): Form<Answer>,
) -> Response {
    if !is_own(&sandbox, &headers) {
        return pages::refusal(StatusCode::FORBIDDEN, "The form was not sent from this page.");
    }
    let asked: Option<Asked> = sandbox.signer.open(Purpose::Consent, &answer.request);
    let now = sandbox.clock.now();
    let Some(asked) = asked.filter(|asked| asked.until > now.millis()) else {
        return pages::refusal(
            StatusCode::BAD_REQUEST,
            "The page is too old. Go back to the app and start again.",
        );
    };
    let Some(part) = sandbox.part(&asked.connector, &asked.option) else {
        return pages::refusal(StatusCode::BAD_REQUEST, "The connector is gone.");
    };
    let (Some(person), Some(scenario)) = (Person::parse(&answer.account), Scenario::parse(&answer.scenario))
    else {
        return pages::refusal(StatusCode::BAD_REQUEST, "The form is incomplete.");
    };
    sandbox.stats.add(&part.connector.key, Count::Consent);
    match scenario {
        _ if answer.decision != "allow" => back(&asked, &part, &DENIED, Some(scenario)),
        Scenario::Deny => back(&asked, &part, &DENIED, Some(scenario)),
        Scenario::Error => back(&asked, &part, &BROKEN, Some(scenario)),
        _ => {
            let code = grant(&sandbox, &asked, &part, person, scenario);
            let kept = kept(&asked, &part, person);
            let mut answer: Vec<(&str, &str)> = vec![(part.option().callback.code.as_str(), code.as_str())];
            answer.extend(kept.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            back(&asked, &part, &answer, Some(scenario))
        }
    }
}

const DENIED: [(&str, &str); 2] =
    [("error", "access_denied"), ("error_description", "The customer refused.")];
const BROKEN: [(&str, &str); 2] = [("error", "server_error"), ("error_description", "The provider broke.")];

/// Whether a form came from a page of this origin. Browsers say so themselves; where they do not
/// (plain http), the Origin header has to.
fn is_own(sandbox: &Sandbox, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match text("sec-fetch-site") {
        Some(site) => site == "same-origin",
        None => text("origin")
            .is_some_and(|origin| origin == sandbox.origins.sandbox.origin().ascii_serialization()),
    }
}

fn grant(sandbox: &Sandbox, asked: &Asked, part: &Part, person: Person, scenario: Scenario) -> String {
    let now = sandbox.clock.now();
    let code = sandbox.entropy.handle();
    let grant = sandbox.entropy.uuid(now).to_string();
    sandbox.grants.add(
        code.hash(),
        Code {
            part: part.clone(),
            grant,
            client: asked.client.clone(),
            redirect_uri: asked.redirect_uri.clone(),
            challenge: asked.challenge.clone(),
            scope: asked.scope.clone(),
            person,
            scenario,
            lives: asked.lives,
            made_at: now,
            used: false,
        },
    );
    code.expose().to_owned()
}

/// What else this provider says in its callback.
fn kept(asked: &Asked, part: &Part, person: Person) -> Vec<(String, String)> {
    let callback = &part.option().callback;
    let mut pairs: Vec<(String, String)> = callback
        .keep
        .iter()
        .map(|(name, param)| (param.clone(), plausible(part, &asked.host, name, person)))
        .collect();
    pairs.extend(callback.echo.iter().map(|param| (param.clone(), person.said_at(param))));
    for (param, template) in &callback.matching {
        let value: Result<String, TemplateError> = template.render(&asked.captured);
        // A name that the address does not show cannot be told; the client will say what it misses.
        if let Ok(value) = value {
            pairs.push((param.clone(), value));
        }
    }
    pairs.sort();
    pairs.dedup_by(|a, b| a.0 == b.0);
    pairs
}

/// Sends the browser back with `answer`, `state` and the issuer.
fn back(asked: &Asked, part: &Part, answer: &[(&str, &str)], scenario: Option<Scenario>) -> Response {
    let Ok(mut url) = Url::parse(&asked.redirect_uri) else {
        return pages::refusal(StatusCode::BAD_REQUEST, "redirect_uri cannot be read.");
    };
    let option = part.option();
    {
        let mut query = url.query_pairs_mut();
        query.extend_pairs(answer);
        if let (Some(name), Some(state)) = (wire(option, "state"), &asked.state) {
            query.append_pair(name, state);
        }
        if scenario == Some(Scenario::WrongIss) {
            query.append_pair("iss", WRONG_ISSUER);
        } else if let Some(issuer) = &option.issuer {
            query.append_pair("iss", issuer);
        }
    }
    if scenario == Some(Scenario::Coop) {
        let page = context! { app => part.connector.name.as_str(), url => url.as_str() };
        return pages::show(StatusCode::OK, Page::Leaving, page, Isolation::SameOrigin);
    }
    let Ok(location) = HeaderValue::from_str(url.as_str()) else {
        return pages::refusal(StatusCode::BAD_REQUEST, "redirect_uri cannot be read.");
    };
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response();
    pages::guard(&mut response, Isolation::None);
    response
}

fn origin(address: &str) -> String {
    Url::parse(address).map(|url| url.origin().ascii_serialization()).unwrap_or_default()
}
