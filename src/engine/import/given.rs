//! Credentials as a backend writes them, read for one auth option: tokens, the option's own fields, and
//! what its calls would have kept. What does not fit is refused by its path; no message quotes a value.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Map, Value};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{EngineError, Proving};
use crate::{
    catalog::{
        connector::{AuthOption, AuthType},
        input,
    },
    model::{Credentials, Secret, Timestamp},
};

/// Bytes of one token.
const TOKEN_MAX: usize = 16 * 1024;
/// Scopes of one token.
const SCOPES_MAX: usize = 200;
/// Longest life of a token that is believed.
const LIFE_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// What was given, in the form in which it is stored.
pub(super) struct Read {
    pub(super) credentials: Credentials,
    pub(super) input: BTreeMap<String, String>,
    pub(super) expires_at: Option<Timestamp>,
}

pub(super) fn read(proving: &Proving<'_>, now: Timestamp) -> Result<Read, EngineError> {
    let option = proving.option;
    let mut reading = Reading::default();
    let mut credentials = proving.kept.cloned().unwrap_or_default();
    let mut given: BTreeMap<String, String> =
        credentials.input.iter().map(|(name, secret)| (name.clone(), secret.expose().clone())).collect();
    for (name, value) in proving.input {
        given.extend(reading.scalar("input", name, value).map(|text| (name.clone(), text)));
    }
    let takes = Takes::of(option);
    for (name, value) in &proving.given.0 {
        match name.as_str() {
            "accessToken" if takes.tokens => credentials.access_token = reading.token(name, value),
            "refreshToken" if takes.tokens => credentials.refresh_token = reading.token(name, value),
            "tokenSecret" if takes.token_secret => credentials.token_secret = reading.token(name, value),
            "scopes" if takes.tokens => credentials.scopes = reading.scopes(value),
            "expiresAt" | "expiresIn" if takes.tokens => {}
            _ if takes.fields.contains(name) || takes.anything => {
                let Some(text) = reading.scalar("credentials", name, value) else { continue };
                if takes.anything {
                    credentials.input.insert(format!("credentials.{name}"), Secret::from(text.as_str()));
                }
                given.insert(name.clone(), text);
            }
            _ if takes.kept.contains(name) => {
                let text = reading.scalar("credentials", name, value);
                credentials.kept.extend(text.map(|text| (name.clone(), text)));
            }
            _ => reading.refuse(name, takes.known()),
        }
    }
    let given_end = if takes.tokens { reading.end(&proving.given.0, now) } else { None };
    let typed = reading.typed(option, &given);
    if proving.kept.is_none() {
        reading.demand(option, &takes, &credentials);
    }
    if !reading.faults.is_empty() {
        return Err(EngineError::Invalid(reading.faults));
    }
    let only_renewable = credentials.access_token.is_none() && credentials.refresh_token.is_some();
    let expires_at = given_end.or(proving.kept_until).or(only_renewable.then_some(now));
    credentials.input.extend(typed.secret);
    Ok(Read { credentials, input: typed.plain, expires_at })
}

/// What an option's credentials are made of.
struct Takes {
    tokens: bool,
    token_secret: bool,
    /// A developer's own page collects what it likes.
    anything: bool,
    fields: Vec<String>,
    kept: Vec<String>,
}

impl Takes {
    fn of(option: &AuthOption) -> Self {
        let token_secret = option.kind == AuthType::OAuth1 && option.token_static.is_none();
        let refresh = option.refresh.iter().filter_map(|refresh| refresh.request.as_ref());
        let calls = option.token.iter().chain(&option.exchange).chain(refresh);
        let found = option.discover.iter().map(|discover| &discover.request);
        let of_calls = calls.chain(found).flat_map(|request| request.keep.keys());
        Self {
            tokens: option.token.is_some(),
            token_secret,
            anything: option.kind == AuthType::Proxy,
            fields: input::typed(option).map(|field| field.name.clone()).collect(),
            kept: of_calls.chain(option.callback.keep.keys()).cloned().collect(),
        }
    }

    fn known(&self) -> String {
        let tokens: &[&str] = if self.tokens {
            &["accessToken", "refreshToken", "expiresAt", "expiresIn", "scopes"]
        } else {
            &[]
        };
        let secret: &[&str] = if self.token_secret { &["tokenSecret"] } else { &[] };
        let own = self.fields.iter().chain(&self.kept).map(String::as_str);
        let known: Vec<_> = tokens.iter().chain(secret).copied().chain(own).collect();
        format!("This way to connect does not have it; it has `{}`.", known.join("`, `"))
    }
}

/// What is wrong with what was given, each with its path.
#[derive(Default)]
struct Reading {
    faults: Vec<(String, String)>,
}

impl Reading {
    fn refuse(&mut self, name: &str, message: impl Into<String>) {
        self.faults.push((format!("credentials.{name}"), message.into()));
    }

    fn scalar(&mut self, place: &str, name: &str, value: &Value) -> Option<String> {
        match value {
            Value::String(text) if text.len() <= TOKEN_MAX => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(flag) => Some(flag.to_string()),
            Value::Null => None,
            _ => {
                let message =
                    format!("This is a text of at most {} KiB, a number, true or false.", TOKEN_MAX / 1024);
                self.faults.push((format!("{place}.{name}"), message));
                None
            }
        }
    }

    /// RFC 6750 §2.1: what can stand in a header.
    fn token(&mut self, name: &str, value: &Value) -> Option<Secret<String>> {
        if value.is_null() {
            return None;
        }
        let fits = |text: &&str| {
            (1..=TOKEN_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        let token = value.as_str().filter(fits).map(Secret::from);
        if token.is_none() {
            let message = format!(
                "A token is a text of visible ASCII without spaces, at most {} KiB.",
                TOKEN_MAX / 1024
            );
            self.refuse(name, message);
        }
        token
    }

    fn scopes(&mut self, value: &Value) -> Option<Vec<String>> {
        if value.is_null() {
            return None;
        }
        let items = value.as_array().map(|items| items.iter().map(|item| item.as_str().map(str::to_owned)));
        let scopes =
            items.and_then(|items| items.collect::<Option<Vec<_>>>()).filter(|list| list.len() <= SCOPES_MAX);
        if scopes.is_none() {
            self.refuse("scopes", format!("Scopes are a list of at most {SCOPES_MAX} texts."));
        }
        scopes
    }

    fn end(&mut self, given: &Map<String, Value>, now: Timestamp) -> Option<Timestamp> {
        let there = |name: &str| given.get(name).filter(|value| !value.is_null());
        match (there("expiresAt"), there("expiresIn")) {
            (None, None) => None,
            (Some(_), Some(_)) => {
                self.refuse("expiresIn", "Give either `expiresAt` or `expiresIn`.");
                None
            }
            (Some(at), None) => {
                let end = at.as_str().and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
                if end.is_none() {
                    self.refuse("expiresAt", "This is a time such as 2027-01-31T12:00:00Z.");
                }
                end.map(|end| Timestamp::from_seconds(end.unix_timestamp()).min(now.plus(LIFE_MAX)))
            }
            (None, Some(life)) => {
                let life = life.as_u64().map(Duration::from_secs).filter(|life| *life <= LIFE_MAX);
                if life.is_none() {
                    self.refuse("expiresIn", "These are whole seconds from now, at most ten years.");
                }
                life.map(|life| now.plus(life))
            }
        }
    }

    fn typed(&mut self, option: &AuthOption, given: &BTreeMap<String, String>) -> input::Input {
        let checked = input::check(option, given);
        checked.unwrap_or_else(|errors| {
            for error in errors {
                let is_secret = option.fields.iter().any(|field| field.name == error.field && field.secret);
                let place = if is_secret { "credentials" } else { "input" };
                self.faults.push((format!("{place}.{}", error.field), error.message));
            }
            input::Input::default()
        })
    }

    /// What there has to be, unless we can get it ourselves.
    fn demand(&mut self, option: &AuthOption, takes: &Takes, credentials: &Credentials) {
        let is_faulty = |name: &str, faults: &[(String, String)]| {
            faults.iter().any(|(path, _)| path.strip_prefix("credentials.") == Some(name))
        };
        let can_be_got =
            matches!(option.kind, AuthType::ClientCredentials | AuthType::Jwt | AuthType::TokenExchange);
        let has_token = credentials.access_token.is_some()
            || (credentials.refresh_token.is_some() && option.refresh.is_some());
        if takes.tokens && !can_be_got && !has_token && !is_faulty("accessToken", &self.faults) {
            let message = match option.refresh {
                Some(_) => "An access token is needed, or a refresh token to get one with.",
                None => "An access token is needed.",
            };
            self.refuse("accessToken", message);
        }
        let lacks_secret = takes.token_secret && credentials.token_secret.is_none();
        if lacks_secret && !is_faulty("tokenSecret", &self.faults) {
            self.refuse("tokenSecret", "OAuth 1 signs with it.");
        }
    }
}
