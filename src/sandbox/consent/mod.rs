//! The consent page: what is asked, by whom, and what should happen.
//!
//! The page is the provider's own: never framed, and its form counts only when it was sent from
//! this origin. What was checked travels through it signed.

use std::sync::Arc;

use axum::{
    Form,
    extract::State,
    http::{HeaderMap, Method, StatusCode},
    response::Response,
};
use minijinja::{Value, context};
use serde::Deserialize;
use url::Url;

use crate::{catalog::connector::AuthOption, model::HandleHash};

use super::{
    Sandbox,
    call::{Call, Params},
    cast::Part,
    memory::{Approved, Code},
    pages::{self, Isolation, Page},
    person::Person,
    scenario::Scenario,
    signed::Purpose,
    stats::Count,
};

mod asked;
mod back;

use asked::{Asked, Kind};
use back::Words;

pub(super) use asked::{check, wire};

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
    let part = chosen(sandbox, parts, &call.query);
    sandbox.stats.add(&part.connector.key, Count::Authorize);
    if call.method != Method::GET {
        return pages::refusal(StatusCode::METHOD_NOT_ALLOWED, "This page is opened by GET.");
    }
    let params = match asked::params(sandbox, call, part) {
        Ok(params) => params,
        Err(why) => return pages::refusal(StatusCode::BAD_REQUEST, &why),
    };
    let asked = match asked::read(sandbox, call, part, &params) {
        Ok(asked) => asked,
        Err(why) => return pages::refusal(StatusCode::BAD_REQUEST, &why),
    };
    if let Err((code, why)) = check(part, &params) {
        if Kind::of(part.option()) != Kind::Code {
            return pages::refusal(StatusCode::BAD_REQUEST, &why);
        }
        let answer = words(&[("error", code), ("error_description", &why)]);
        return back::back(&asked, part, answer, None, sandbox.clock.now());
    }
    let aside = |name: &str| call.query.get(name).or_else(|| params.get(name));
    let scenario = aside("sandbox").and_then(Scenario::parse).unwrap_or_default();
    let person = aside("sandbox_account").and_then(Person::parse).unwrap_or(Person::Alice);
    let isolation = if scenario == Scenario::Coop { Isolation::SameOrigin } else { Isolation::None };
    let people = Person::ALL.iter().map(|one| {
        context! { key => one.key(), name => one.name(), email => one.email(), chosen => *one == person }
    });
    let scenarios = Scenario::ALL
        .iter()
        .map(|one| context! { key => one.key(), title => one.title(), chosen => *one == scenario });
    let page = context! {
        app => part.connector.name.as_str(),
        client => client_name(&asked, part.option()),
        installs => Kind::of(part.option()) == Kind::Installation,
        destination => origin(&asked.destination),
        scopes => scopes(part.option(), &params, &asked.scope),
        people => people.collect::<Value>(),
        scenarios => scenarios.collect::<Value>(),
        request => sandbox.signer.seal(Purpose::Consent, &asked),
    };
    pages::show(StatusCode::OK, Page::Consent, page, isolation)
}

/// Who asks: the client, or the app that the address of an installation names.
fn client_name<'a>(asked: &'a Asked, option: &AuthOption) -> &'a str {
    if Kind::of(option) != Kind::Installation || !asked.client.is_empty() {
        return &asked.client;
    }
    asked.captured.values().next().map_or("the app", String::as_str)
}

/// Several connectors may share the address: a temporary token's own counts, then the client's name, then the scopes.
fn chosen<'a>(sandbox: &Sandbox, parts: &'a [Part], query: &Params) -> &'a Part {
    let named = |part: &&Part| {
        let client = wire(part.option(), "client_id").and_then(|name| query.get(name)).unwrap_or("");
        client.strip_prefix("sandbox-").is_some_and(|rest| rest == part.connector.key)
    };
    let asked = |part: &Part| query.get(&part.option().scopes.param).unwrap_or("").to_owned();
    let has = |part: &&Part| !asked(part).is_empty();
    let asks = |part: &&Part| {
        let scopes = &part.option().scopes;
        asked(part)
            .split(scopes.separator.as_str())
            .any(|scope| scopes.default.iter().any(|known| known == scope))
    };
    let token = HandleHash::of(query.get("oauth_token").unwrap_or(""));
    let waiting = sandbox.memory.temporary(token).map(|temporary| temporary.part);
    let waits = |part: &&Part| {
        waiting.as_ref().is_some_and(|other| part.is(&other.connector.key, &other.option().key))
    };
    let rank = |part: &&Part| (waits(part), named(part), has(part), asks(part));
    // The first of the best.
    parts.iter().rev().max_by_key(rank).unwrap_or(&parts[0])
}

/// The scopes asked for, in a person's words where the file has them.
fn scopes(option: &AuthOption, query: &Params, main: &str) -> Value {
    let further = option.scopes.params.keys().filter_map(|name| query.get(name));
    std::iter::once(main)
        .chain(further)
        .flat_map(|text| text.split(option.scopes.separator.as_str()))
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
    let said = match scenario {
        _ if answer.decision != "allow" => denied(&asked),
        Scenario::Deny => denied(&asked),
        Scenario::Error => broken(&asked),
        _ => granted(&sandbox, &asked, &part, person, scenario),
    };
    back::back(&asked, &part, said, Some(scenario), now)
}

fn words(pairs: &[(&str, &str)]) -> Words {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The customer says no; OAuth 1 has its own words for it (OAuth Problem Reporting).
fn denied(asked: &Asked) -> Words {
    match &asked.temporary {
        Some(token) => words(&[("oauth_token", token), ("oauth_problem", "user_refused")]),
        None => words(&[("error", "access_denied"), ("error_description", "The customer refused.")]),
    }
}

fn broken(asked: &Asked) -> Words {
    match &asked.temporary {
        Some(token) => words(&[("oauth_token", token), ("oauth_problem", "server_error")]),
        None => words(&[("error", "server_error"), ("error_description", "The provider broke.")]),
    }
}

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

/// What the callback says when the customer said yes.
fn granted(sandbox: &Sandbox, asked: &Asked, part: &Part, person: Person, scenario: Scenario) -> Words {
    let kept = back::kept(asked, part, person);
    let mut said = match (Kind::of(part.option()), &asked.temporary) {
        (Kind::Code, _) => {
            let code = code(sandbox, asked, part, &kept, person, scenario);
            words(&[(part.option().callback.code.as_str(), &code)])
        }
        (Kind::Verifier, Some(token)) => {
            let verifier = sandbox.entropy.handle().expose().to_owned();
            let said = words(&[("oauth_token", token), ("oauth_verifier", &verifier)]);
            sandbox.memory.approve(HandleHash::of(token), Approved { verifier, person, scenario });
            said
        }
        _ => Words::new(),
    };
    said.extend(kept);
    said
}

fn code(
    sandbox: &Sandbox,
    asked: &Asked,
    part: &Part,
    kept: &Words,
    person: Person,
    scenario: Scenario,
) -> String {
    let now = sandbox.clock.now();
    let code = sandbox.entropy.handle();
    let echo = &part.option().callback.echo;
    sandbox.memory.add(
        code.hash(),
        Code {
            part: part.at(&asked.captured),
            grant: sandbox.entropy.uuid(now).to_string(),
            client: asked.client.clone(),
            redirect_uri: asked.redirect_uri.clone(),
            challenge: asked.challenge.clone(),
            scope: asked.scope.clone(),
            person,
            scenario,
            echoed: kept.iter().filter(|(name, _)| echo.contains(name)).cloned().collect(),
            lives: asked.lives,
            made_at: now,
            used: false,
        },
    );
    code.expose().to_owned()
}

fn origin(address: &str) -> String {
    Url::parse(address).map(|url| url.origin().ascii_serialization()).unwrap_or_default()
}
