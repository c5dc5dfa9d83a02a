//! What an authorize address asks for, and what must be right about it.

use std::{borrow::Cow, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    catalog::connector::{AuthOption, AuthType, ScopeAt},
    model::{HandleHash, Timestamp},
    sandbox::{
        Sandbox,
        call::{Call, Params},
        cast::Part,
        client,
        grant::TOKEN_LIFE,
        pattern::{Captured, Pattern},
    },
};

/// How long the page can be answered.
const PAGE_LIFE: Duration = Duration::from_secs(3600);
/// Longest life a test may ask for, seconds.
const LONGEST_LIFE: u64 = 366 * 24 * 3600;
/// Length of an S256 challenge.
const CHALLENGE_CHARS: usize = 43;
/// Where the browser goes back to at a provider that knows the address by registration: the sandbox
/// knows it from this parameter.
const REGISTERED: &str = "sandbox_redirect_uri";
/// Parameters that tie the answer to the attempt; a file cannot set them.
const BINDING: [&str; 4] = ["state", "redirect_uri", "code_challenge", "code_challenge_method"];
/// Parameters that a pushed request holds and its address does not.
const PUSHED: [&str; 7] = [
    "response_type",
    "redirect_uri",
    "state",
    "scope",
    "code_challenge",
    "code_challenge_method",
    "response_mode",
];

/// What is wrong with an address before the browser may be sent anywhere.
pub(super) type Mistake = Cow<'static, str>;

/// What is asked of the customer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// OAuth 2: a code.
    Code,
    /// OAuth 1: a verifier for a temporary token.
    Verifier,
    /// The installation of an app.
    Installation,
}

impl Kind {
    /// What an option's authorize address asks for.
    pub(super) const fn of(option: &AuthOption) -> Self {
        match option.kind {
            AuthType::OAuth2 => Self::Code,
            AuthType::OAuth1 => Self::Verifier,
            _ => Self::Installation,
        }
    }
}

/// How the browser carries the answer back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum Carriage {
    /// In the address.
    Query,
    /// In a form of its own.
    Form,
}

/// A checked request, as the form carries it.
#[derive(Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) connector: String,
    pub(super) option: String,
    pub(super) host: String,
    pub(super) captured: Captured,
    pub(super) client: String,
    /// As it was sent; empty where the provider is told none.
    pub(super) redirect_uri: String,
    /// Where the browser goes.
    pub(super) destination: String,
    pub(super) carriage: Carriage,
    pub(super) state: Option<String>,
    pub(super) challenge: Option<String>,
    pub(super) scope: String,
    /// OAuth 1: the temporary token.
    pub(super) temporary: Option<String>,
    /// Seconds its access tokens live; none lives on.
    pub(super) lives: Option<u64>,
    /// When the page can no longer be answered, in milliseconds since 1970.
    pub(super) until: i64,
}

/// The provider's name of a standard parameter; none when it does not want it.
pub(in crate::sandbox) fn wire<'a>(option: &'a AuthOption, standard: &'a str) -> Option<&'a str> {
    let name = option.names.get(standard).map_or(standard, String::as_str);
    (!name.is_empty()).then_some(name)
}

/// The parameters of the address, or those that were handed over beforehand.
pub(super) fn params<'a>(sandbox: &Sandbox, call: &'a Call, part: &Part) -> Result<Cow<'a, Params>, Mistake> {
    let option = part.option();
    if option.par.is_none() {
        return Ok(Cow::Borrowed(&call.query));
    }
    let get = |standard: &'static str| wire(option, standard).and_then(|name| call.query.get(name));
    if PUSHED.into_iter().any(|standard| get(standard).is_some()) {
        return Err("This provider wants its parameters pushed (RFC 9126): \
                    the address carries client_id and request_uri only."
            .into());
    }
    let uri = call.query.get("request_uri").unwrap_or("");
    let pushed = sandbox.memory.pull(HandleHash::of(uri));
    let pushed = pushed.filter(|pushed| {
        part.is(&pushed.part.connector.key, &pushed.part.option().key) && pushed.until > sandbox.clock.now()
    });
    let pushed = pushed.ok_or("The request_uri is unknown, was used before or is too old (60 seconds).")?;
    if get("client_id").is_some_and(|client| client != pushed.client) || get("client_id").is_none() {
        return Err("The request_uri belongs to another client.".into());
    }
    Ok(Cow::Owned(pushed.params))
}

/// What must be right before the browser may be sent anywhere.
pub(super) fn read(sandbox: &Sandbox, call: &Call, part: &Part, query: &Params) -> Result<Asked, Mistake> {
    let option = part.option();
    let get = |standard: &'static str| {
        wire(option, standard).and_then(|name| query.get(name)).filter(|text| !text.is_empty())
    };
    let mut asked = Asked {
        connector: part.connector.key.clone(),
        option: option.key.clone(),
        host: call.address.host.clone(),
        captured: captured(part, query),
        client: get("client_id").unwrap_or("").to_owned(),
        redirect_uri: get("redirect_uri").unwrap_or("").to_owned(),
        destination: String::new(),
        carriage: Carriage::Query,
        state: get("state").map(str::to_owned),
        challenge: get("code_challenge").map(str::to_owned),
        scope: query.get(&option.scopes.param).unwrap_or("").to_owned(),
        temporary: None,
        lives: lives(call, query, option),
        until: sandbox.clock.now().plus(PAGE_LIFE).millis(),
    };
    match Kind::of(option) {
        Kind::Code => {
            if asked.client.is_empty() && wire(option, "client_id").is_some() {
                return Err("The address names no client (client_id).".into());
            }
            if option.callback.signature.is_some() && client::secret_of(&asked.client).is_none() {
                return Err("This provider signs its answer with the client's secret, and the sandbox \
                            knows the secrets of clients named sandbox-… only."
                    .into());
            }
            if get("response_mode") == Some("form_post") {
                asked.carriage = Carriage::Form;
            }
            asked.destination = destination(sandbox, call, query, option, &asked.redirect_uri)?;
        }
        Kind::Installation => {
            if asked.state.is_none() && wire(option, "state").is_some() {
                return Err("The address has no state.".into());
            }
            asked.destination = destination(sandbox, call, query, option, &asked.redirect_uri)?;
        }
        Kind::Verifier => {
            let token = query.get("oauth_token").unwrap_or("");
            let now = sandbox.clock.now();
            let temporary = waiting(sandbox, part, token, now)?;
            asked.client = temporary.0;
            asked.destination = temporary.1;
            if option.scopes.at == ScopeAt::RequestToken {
                asked.scope = temporary.2;
            }
            asked.temporary = Some(token.to_owned());
        }
    }
    Ok(asked)
}

/// What the address says about the option's fields, its parameters included.
fn captured(part: &Part, query: &Params) -> Captured {
    let params = part.option().authorize.iter().flat_map(|authorize| &authorize.params);
    let said = params.filter_map(|(name, template)| Pattern::of(template.source()).capture(query.get(name)?));
    said.flatten().chain(part.captured.clone()).collect()
}

/// Client, callback and scope of a temporary token that nobody decided on.
fn waiting(
    sandbox: &Sandbox,
    part: &Part,
    token: &str,
    now: Timestamp,
) -> Result<(String, String, String), Mistake> {
    let found = sandbox.memory.temporary(HandleHash::of(token)).filter(|temporary| {
        part.is(&temporary.part.connector.key, &temporary.part.option().key)
            && temporary.until > now
            && temporary.approved.is_none()
    });
    let found = found.ok_or("oauth_token is unknown, was used before or is too old.")?;
    Ok((found.client, found.callback, found.scope))
}

/// Where the browser goes afterwards.
fn destination(
    sandbox: &Sandbox,
    call: &Call,
    query: &Params,
    option: &AuthOption,
    redirect_uri: &str,
) -> Result<String, Mistake> {
    let registered = call.query.get(REGISTERED).or_else(|| query.get(REGISTERED)).unwrap_or("");
    let sends = wire(option, "redirect_uri").is_some() && Kind::of(option) == Kind::Code;
    if sends && redirect_uri.is_empty() {
        return Err("The address names no redirect_uri.".into());
    }
    // A provider that has its own name for the address knows the address itself.
    let by_name = !sends || (option.redirect_uri.is_some() && !registered.is_empty());
    let found = if by_name { registered } else { redirect_uri };
    if found.is_empty() {
        return Err("This provider knows the redirect address by registration; the sandbox is told it \
                    by the parameter sandbox_redirect_uri."
            .into());
    }
    if sandbox.origins.admit(found) {
        return Ok(found.to_owned());
    }
    Err("redirect_uri is not an address the sandbox sends browsers to: \
         loopback, or the origin this server is reached at."
        .into())
}

/// Seconds the access tokens of this visit live.
fn lives(call: &Call, query: &Params, option: &AuthOption) -> Option<u64> {
    let name = "sandbox_expires_in";
    let asked = call.query.get(name).or_else(|| query.get(name)).and_then(|text| text.parse::<u64>().ok());
    let said = option.token.as_ref().and_then(|token| token.expires_in);
    let usual = said.or(option.refresh.as_ref().map(|_| TOKEN_LIFE));
    asked.map(|seconds| seconds.min(LONGEST_LIFE)).or(usual)
}

/// What the client is told by redirect when it is wrong (RFC 6749 §4.1.2.1).
pub(in crate::sandbox) fn check(part: &Part, query: &Params) -> Result<(), (&'static str, String)> {
    let option = part.option();
    let get = |standard: &'static str| wire(option, standard).and_then(|name| query.get(name));
    let bad = |why: &str| Err(("invalid_request", why.to_owned()));
    own_words(option, query)?;
    if Kind::of(option) != Kind::Code {
        return Ok(());
    }
    if wire(option, "response_type").is_some() && get("response_type").is_none_or(str::is_empty) {
        return bad("response_type is missing");
    }
    let wanted = written(option, "response_type").unwrap_or("code");
    if wire(option, "response_type").is_some() && get("response_type") != Some(wanted) {
        return Err(("unsupported_response_type", format!("response_type is not {wanted}")));
    }
    if wire(option, "state").is_some() && get("state").is_none_or(str::is_empty) {
        return bad("state is missing");
    }
    match (option.pkce, get("code_challenge")) {
        (true, None) => bad("code_challenge is missing"),
        (false, Some(_)) => bad("this provider knows no code_challenge"),
        (true, Some(_)) if get("code_challenge_method") != Some("S256") => {
            bad("code_challenge_method is not S256")
        }
        (true, Some(text)) if text.len() != CHALLENGE_CHARS => bad("code_challenge is malformed"),
        _ => Ok(()),
    }
}

/// What the file itself writes for a standard parameter.
fn written<'a>(option: &'a AuthOption, standard: &'a str) -> Option<&'a str> {
    let name = wire(option, standard)?;
    let params = option.authorize.iter().flat_map(|authorize| &authorize.params);
    params.into_iter().find(|(param, _)| param == name).and_then(|(_, template)| template.literal())
}

/// The file's own parameters are there, as they are written out.
fn own_words(option: &AuthOption, query: &Params) -> Result<(), (&'static str, String)> {
    let is_bound = |name: &str| BINDING.iter().any(|standard| wire(option, standard) == Some(name));
    let params = option.authorize.iter().flat_map(|authorize| &authorize.params);
    for (name, template) in params.into_iter().filter(|(name, _)| !is_bound(name)) {
        let Some(text) = template.literal() else { continue };
        if query.get(name).unwrap_or("") != text {
            return Err(("invalid_request", format!("{name} is not {text}")));
        }
    }
    Ok(())
}
