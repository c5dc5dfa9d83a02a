//! The token endpoint: whatever a grant presents becomes an access token.
//!
//! Several options, even of several connectors, may share one address; what is presented tells
//! which of them is meant.

use std::time::Duration;

use axum::{
    body::Body,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{
    catalog::connector::{AuthType, Request},
    sandbox::{
        Sandbox,
        call::Call,
        cast::{Part, Role},
        oauth1,
        person::Person,
        reply::{self, Granted, Refusal, refusal},
        scenario::Scenario,
        signed::{Purpose, Token},
        stats::Count,
    },
};

mod client_credentials;
mod code;
mod exchange;
mod jwt;
mod presented;
mod refresh;
mod typed;

use presented::Presented;

/// `Retry-After` of [`Scenario::Token429`], seconds.
const RETRY_AFTER: &str = "2";
/// How long a token call takes in [`Scenario::Slow`].
pub(in crate::sandbox) const SLOW: Duration = Duration::from_secs(5);
/// Seconds an access token lives when its connector renews or makes it anew but does not say.
pub(in crate::sandbox) const TOKEN_LIFE: u64 = 3600;

/// How a token call ends before it can be granted.
pub(in crate::sandbox) enum Ending {
    /// The provider says no.
    Refused(Refusal),
    /// The provider breaks, as chosen.
    Broken,
    /// The provider is busy, as chosen.
    Limited,
}

impl From<Refusal> for Ending {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Ending {
    /// The chosen failure of a token call, if one was chosen.
    pub(in crate::sandbox) const fn chosen(scenario: Scenario) -> Option<Self> {
        match scenario {
            Scenario::Token500 => Some(Self::Broken),
            Scenario::Token429 => Some(Self::Limited),
            _ => None,
        }
    }
}

/// Answers a token call.
pub(in crate::sandbox) async fn answer(
    sandbox: &Sandbox,
    call: Call,
    body: Body,
    parts: Vec<Part>,
) -> Response {
    let used_basic = call.basic().is_some();
    let Some(body) = call.params(body).await else {
        let part = &parts[0];
        sandbox.stats.add(&part.connector.key, Count::TokenRefused);
        let why = refusal("invalid_request", "The body cannot be read.");
        return reply::refused(request_of(part), used_basic, &why);
    };
    if let Some(part) = parts.iter().find(|part| part.option().kind == AuthType::OAuth1)
        && (oauth1::Signed::read(&call).is_some()
            || parts.iter().all(|part| part.option().kind == AuthType::OAuth1))
    {
        // Several connectors may share the address: the temporary token says whose it is.
        let waiting = oauth1::waiting(sandbox, &call);
        let own =
            waiting.and_then(|own| parts.iter().find(|part| part.is(&own.connector.key, &own.option().key)));
        return oauth1::access_token(sandbox, &call, &body, own.unwrap_or(part)).await;
    }
    let (part, presented) = presented::presented(sandbox, &call, &body, &parts);
    let key = part.connector.key.clone();
    let result = match presented {
        Ok(presented) => {
            sandbox.stats.add(&key, presented.count(part.role));
            match presented {
                Presented::Code(code) => code::redeem(sandbox, &call, &body, &part, &code).await,
                Presented::Refresh(token) => {
                    refresh::renew(sandbox, &call, &body, &part, &token).map_err(Ending::Refused)
                }
                Presented::Client => {
                    client_credentials::grant(sandbox, &call, &body, &part).map_err(Ending::Refused)
                }
                Presented::Assertion(text) => {
                    jwt::grant(sandbox, &call, &body, &part, &text).map_err(Ending::Refused)
                }
                Presented::Typed(typed) => {
                    typed::grant(sandbox, &call, &part, &typed).map_err(Ending::Refused)
                }
                Presented::Fresh(found) => {
                    exchange::swap(sandbox, &call, &part, &found).map_err(Ending::Refused)
                }
                Presented::Anew(found) => {
                    exchange::anew(sandbox, &call, &part, &found).map_err(Ending::Refused)
                }
            }
        }
        Err(refusal) => Err(Ending::Refused(refusal)),
    };
    if result.is_err() {
        sandbox.stats.add(&key, Count::TokenRefused);
    }
    match result {
        Ok(response) => response,
        Err(ending) => ended(ending, request_of(&part), used_basic),
    }
}

/// The reply to a call that is not granted.
fn ended(ending: Ending, request: Option<&Request>, used_basic: bool) -> Response {
    match ending {
        Ending::Refused(refusal) => reply::refused(request, used_basic, &refusal),
        Ending::Broken => {
            reply::problem(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "Chosen on the consent page.")
        }
        Ending::Limited => {
            let response =
                reply::problem(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Chosen on the consent page.");
            ([(header::RETRY_AFTER, RETRY_AFTER)], response).into_response()
        }
    }
}

/// The request of the file that a part plays.
fn request_of(part: &Part) -> Option<&Request> {
    let option = part.option();
    let refresh = || option.refresh.as_ref().and_then(|refresh| refresh.request.as_ref());
    match part.role {
        Role::Refresh => refresh(),
        Role::Exchange => option.exchange.as_ref(),
        _ => option.token.as_ref(),
    }
}

/// What the address says of the account, for telling whose it is.
fn told(part: &Part) -> String {
    part.captured.values().map(String::as_str).collect::<Vec<_>>().join(" ")
}

/// What the address says of an installation is what the callback said, or a call that found it out.
fn check_installation(part: &Part) -> Result<(), Refusal> {
    let option = part.option();
    if option.authorize.is_none() {
        return Ok(());
    }
    let found = option.discover.iter().flat_map(|discover| discover.request.keep.keys());
    for name in option.callback.keep.keys().chain(found) {
        let Some(value) = part.captured.get(name) else { continue };
        let is_said = Person::ALL.iter().any(|person| {
            let said = person.said_at(name);
            value.strip_prefix(said.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        });
        if !is_said {
            return Err(refusal("invalid_grant", "There is no such installation."));
        }
    }
    Ok(())
}

/// A grant without a customer at the page: its owner is told by what was presented.
fn own_token(sandbox: &Sandbox, part: &Part, client: String, scope: String, words: &str) -> Token {
    let lives = request_of(part).and_then(|request| request.expires_in);
    Token {
        grant: sandbox.entropy.uuid(sandbox.clock.now()).to_string(),
        generation: 0,
        connector: part.connector.key.clone(),
        option: part.option().key.clone(),
        person: Person::of_key(words),
        client,
        scope,
        lives: Some(lives.unwrap_or(TOKEN_LIFE)),
        items: Person::items_of_key(words),
        raw: part.option().exchange.is_some() && part.role == Role::Token,
        until: None,
    }
}

/// Whether a new refresh token goes out with the access token.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Renewal {
    Given,
    Withheld,
}

/// Writes the tokens out, in the shape of `request`'s reply.
fn issue(
    sandbox: &Sandbox,
    part: &Part,
    request: Option<&Request>,
    host: &str,
    token: Token,
    renewal: Renewal,
) -> Response {
    let now = sandbox.clock.now();
    let ends = token.lives.map(|seconds| now.plus(Duration::from_secs(seconds)));
    let refresh_lives = part.option().refresh.as_ref().and_then(|refresh| refresh.expires_in);
    let refresh_ends = refresh_lives.map(|seconds| now.plus(Duration::from_secs(seconds)).millis());
    let access = Token { until: ends.map(|time| time.millis()), ..token.clone() };
    let renewing = Token { until: refresh_ends, ..token.clone() };
    let granted = Granted {
        access_token: sandbox.signer.seal(Purpose::Access, &access),
        refresh_token: (renewal == Renewal::Given).then(|| sandbox.signer.seal(Purpose::Refresh, &renewing)),
        expires_in: token.lives,
        expires_at: ends.map(|time| time.rfc3339()),
        scope: token.scope,
    };
    reply::granted(part, request, host, token.person, granted)
}
