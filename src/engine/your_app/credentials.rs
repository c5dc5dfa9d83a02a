//! What a customer has for the product's own API: checked, sealed, never shown again.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{Faults, YourApp, schema::too_large};
use crate::{
    catalog::{connector::AuthType, template::is_name},
    engine::{Engine, EngineError},
    model::{
        Access, AppCredential, Credentials, Customer, CustomerId, DisconnectReason, Secret, Timestamp,
        WorkspaceId,
    },
    store::{CustomerName, CustomerRecord, NewAppCredential},
    vault::{Place, Sealed},
};

/// Names by which OAuth 2 tokens are given.
const ACCESS_TOKEN: [&str; 2] = ["access_token", "accessToken"];
const REFRESH_TOKEN: [&str; 2] = ["refresh_token", "refreshToken"];
const EXPIRES_AT: [&str; 2] = ["expires_at", "expiresAt"];
const EXPIRES_IN: [&str; 2] = ["expires_in", "expiresIn"];
/// The longest life a token is believed to have: ten years.
const LIFE_MAX: f64 = 10.0 * 365.0 * 24.0 * 3600.0;

/// Whoever calls, as they are kept.
pub struct Own {
    /// The customer.
    pub record: CustomerRecord,
    /// Key of the workspace.
    pub workspace_key: String,
    /// Whether the product's own API is connected here at all.
    pub has_your_app: bool,
    /// When credentials for it were set or renewed last; none without credentials.
    pub credentials_at: Option<Timestamp>,
    /// Why those no longer work; none while they do.
    pub ended: Option<DisconnectReason>,
}

impl Engine {
    /// Whoever calls, as they are kept. No secret is in it.
    pub async fn own(&self, access: &Access) -> Result<Own, EngineError> {
        let customer = caller(access)?;
        let record = self.store().customer_record(access.workspace, CustomerName::Id(customer.id)).await?;
        let kept = self.store().app_credential(access.workspace, customer.id).await?;
        let workspace = self.workspace(access.workspace).await?;
        // What was made for our own tokens alone was not given by anybody.
        let given = kept.filter(|_| workspace.your_app.as_ref().is_none_or(|app| app.needs_credentials()));
        Ok(Own {
            record: record.ok_or(EngineError::NotFound("customer"))?,
            workspace_key: workspace.workspace.key.clone(),
            has_your_app: workspace.your_app.is_some(),
            credentials_at: given.as_ref().map(|kept| kept.updated_at),
            ended: given.and_then(|kept| kept.ended),
        })
    }

    /// Sets what the caller has for the product's own API; null erases it. The next call goes out with it.
    pub async fn set_own_credentials(&self, access: &Access, given: &Value) -> Result<(), EngineError> {
        let customer = caller(access)?;
        let (workspace, by, now) = (access.workspace, access.actor(), self.now());
        let new = match given {
            Value::Null => None,
            given => Some(self.checked(workspace, customer.id, given, now).await?),
        };
        let is_set = self.store().set_app_credential(workspace, customer.id, new.as_ref(), by, now).await?;
        self.app_credentials_changed();
        is_set.then_some(()).ok_or(EngineError::NotFound("customer"))
    }

    async fn checked(
        &self,
        workspace: WorkspaceId,
        customer: CustomerId,
        given: &Value,
        now: Timestamp,
    ) -> Result<NewAppCredential, EngineError> {
        let invalid = |message: String| EngineError::Invalid(vec![("credentials".to_owned(), message)]);
        let view = self.workspace(workspace).await?;
        let app = view.your_app.as_ref();
        let app = app.ok_or_else(|| invalid("This workspace is not connected to its own API.".to_owned()))?;
        if let Some(reason) = too_large(given) {
            return Err(invalid(reason));
        }
        let faults = app.faults(given);
        if !faults.is_empty() {
            return Err(EngineError::Invalid(faults.into_iter().collect()));
        }
        let (credentials, expires_at) = read(given, app.option().kind, now);
        Ok(NewAppCredential { sealed: self.seal_app(workspace, customer, &credentials), expires_at })
    }

    pub(super) fn seal_app(
        &self,
        workspace: WorkspaceId,
        customer: CustomerId,
        credentials: &Credentials,
    ) -> Vec<u8> {
        let row = customer.to_string();
        self.vault().seal(credential_place(workspace, &row), &credentials.to_bytes()).0
    }

    /// Opens them. None when they do not open: they were damaged or belong elsewhere.
    pub(super) fn opened_app(&self, kept: &AppCredential) -> Option<Credentials> {
        let row = kept.customer.to_string();
        let place = credential_place(kept.workspace, &row);
        let bytes = self.vault().open(place, &Sealed(kept.sealed.clone())).ok()?;
        Credentials::from_bytes(bytes.expose()).ok()
    }
}

impl YourApp {
    /// What is wrong with credentials, by path.
    fn faults(&self, given: &Value) -> Faults {
        let mut faults = self.schema.as_ref().map(|schema| schema.faults(given)).unwrap_or_default();
        let has = |names: &[&str]| {
            member(given, names).and_then(Value::as_str).is_some_and(|text| !text.is_empty())
        };
        let is_oauth = self.option().kind == AuthType::OAuth2;
        if is_oauth && faults.is_empty() && !has(&ACCESS_TOKEN) && !has(&REFRESH_TOKEN) {
            let path = format!("credentials.{}", ACCESS_TOKEN[0]);
            faults.insert(path, "There has to be an access token or a refresh token.".to_owned());
        }
        let is_none = |value: &Value| value.as_object().is_some_and(serde_json::Map::is_empty);
        if faults.is_empty() && self.needs_credentials() && is_none(given) {
            faults.insert("credentials".to_owned(), "There is nothing in it; send null to erase.".to_owned());
        }
        faults
    }
}

fn caller(access: &Access) -> Result<&Customer, EngineError> {
    let missing = || {
        let message = "The token has to name a customer (`id`).".to_owned();
        EngineError::Invalid(vec![("token.id".to_owned(), message)])
    };
    access.customer.as_ref().ok_or_else(missing)
}

/// What was given as templates see it, and when its access token ends.
fn read(given: &Value, kind: AuthType, now: Timestamp) -> (Credentials, Option<Timestamp>) {
    let mut credentials = Credentials::default();
    name("credentials", given, &mut credentials.input);
    if kind != AuthType::OAuth2 {
        return (credentials, None);
    }
    let token = |names: &[&str]| {
        let text = member(given, names).and_then(Value::as_str).filter(|text| !text.is_empty());
        text.map(Secret::from)
    };
    credentials.access_token = token(&ACCESS_TOKEN);
    credentials.refresh_token = token(&REFRESH_TOKEN);
    // Without an access token the first call gets one.
    let end = credentials.access_token.as_ref().map_or(Some(now), |_| end_of(given, now));
    (credentials, end)
}

/// Takes newer tokens over to the names that they were given by, so that templates see them there too.
pub(super) fn rename(credentials: &mut Credentials) {
    let Credentials { access_token, refresh_token, input, .. } = credentials;
    for (token, names) in [(access_token, ACCESS_TOKEN), (refresh_token, REFRESH_TOKEN)] {
        let Some(token) = token else { continue };
        for name in names {
            input.entry(format!("credentials.{name}")).and_modify(|given| *given = token.clone());
        }
    }
}

/// Every single value by its dotted path.
fn name(path: &str, value: &Value, names: &mut BTreeMap<String, Secret<String>>) {
    match value {
        Value::Object(members) => {
            for (member, value) in members.iter().filter(|(name, _)| is_name(name) && !name.contains('.')) {
                name(&format!("{path}.{member}"), value, names);
            }
        }
        Value::String(text) => {
            names.insert(path.to_owned(), Secret::from(text.as_str()));
        }
        Value::Number(_) | Value::Bool(_) => {
            names.insert(path.to_owned(), Secret::new(value.to_string()));
        }
        Value::Null | Value::Array(_) => {}
    }
}

fn member<'v>(given: &'v Value, names: &[&str]) -> Option<&'v Value> {
    names.iter().find_map(|name| given.get(name))
}

/// When the access token ends: a time in RFC 3339 or seconds since 1970, or seconds from now.
fn end_of(given: &Value, now: Timestamp) -> Option<Timestamp> {
    let seconds = |value: &Value| match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse::<f64>().ok(),
        _ => None,
    };
    let until = member(given, &EXPIRES_AT).and_then(|value| {
        let date = value.as_str().and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
        let end = date.map(|date| date.unix_timestamp() as f64).or_else(|| seconds(value));
        // Some count milliseconds.
        let end = end.map(|end| if end > 1e11 { end / 1000.0 } else { end });
        end.map(|end| end - now.millis() as f64 / 1000.0)
    });
    let life = until.or_else(|| member(given, &EXPIRES_IN).and_then(seconds))?;
    let is_number = life.is_finite();
    is_number.then(|| now.plus(Duration::from_secs_f64(life.clamp(0.0, LIFE_MAX))))
}

fn credential_place(workspace: WorkspaceId, row: &str) -> Place<'_> {
    Place { table: "app_credential", row, column: "sealed_credentials", workspace: Some(workspace) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_seconds(1_800_000_000)
    }

    #[test]
    fn every_single_value_has_a_dotted_name() {
        let given = json!({ "apiKey": "k", "a": { "b": { "c": 7 } }, "on": true, "list": [1], "odd-key": "x", "none": null });

        let (credentials, end) = read(&given, AuthType::ApiKey, now());

        let names: Vec<_> =
            credentials.input.iter().map(|(name, value)| format!("{name}={}", value.expose())).collect();
        assert_eq!(names, ["credentials.a.b.c=7", "credentials.apiKey=k", "credentials.on=true"]);
        assert_eq!((end, credentials.access_token.is_none()), (None, true));
        let (whole, _) = read(&json!("text"), AuthType::ApiKey, now());
        assert_eq!(whole.input["credentials"].expose(), "text");
    }

    #[test]
    fn tokens_are_read_by_either_spelling_and_end_when_they_say() {
        for (given, life) in [
            (json!({ "access_token": "a", "refresh_token": "r", "expires_in": 60 }), Some(60)),
            (json!({ "accessToken": "a", "refreshToken": "r", "expiresIn": "60" }), Some(60)),
            (json!({ "accessToken": "a", "refreshToken": "r", "expiresAt": 1_800_000_060 }), Some(60)),
            (
                json!({ "accessToken": "a", "refreshToken": "r", "expiresAt": 1_800_000_060_000_i64 }),
                Some(60),
            ),
            (
                json!({ "accessToken": "a", "refreshToken": "r", "expires_at": "2027-01-15T08:01:00Z" }),
                Some(60),
            ),
            (
                json!({ "accessToken": "a", "refreshToken": "r", "expires_at": "1999-01-15T08:01:00Z" }),
                Some(0),
            ),
            (json!({ "accessToken": "a", "refreshToken": "r" }), None),
            (json!({ "accessToken": "a", "refreshToken": "r", "expires_at": "soon" }), None),
        ] {
            let (credentials, end) = read(&given, AuthType::OAuth2, now());

            assert_eq!(credentials.access_token.expect("a token").expose(), "a");
            assert_eq!(credentials.refresh_token.expect("a token").expose(), "r");
            assert_eq!(end.map(|end| end.seconds() - 1_800_000_000), life, "{given}");
        }
        let (_, end) = read(&json!({ "refreshToken": "r" }), AuthType::OAuth2, now());
        assert_eq!(end, Some(now()), "without an access token it has ended");
    }

    #[test]
    fn a_renewed_token_is_found_by_the_name_it_was_given_by() {
        let (mut credentials, _) =
            read(&json!({ "accessToken": "a", "refresh_token": "r" }), AuthType::OAuth2, now());
        credentials.access_token = Some("a2".into());
        credentials.refresh_token = Some("r2".into());

        rename(&mut credentials);

        assert_eq!(credentials.input["credentials.accessToken"].expose(), "a2");
        assert_eq!(credentials.input["credentials.refresh_token"].expose(), "r2");
        assert_eq!(credentials.input.len(), 2);
    }
}
