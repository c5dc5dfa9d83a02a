//! A JSON object that a caller sent, read member by member. What does not fit is refused with its path.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::StatusCode,
};
use serde_json::{Map, Value};

use crate::http::{AppState, Refusal, json};

/// The members of a body, or of an object in it. An empty body has none.
pub(super) struct Body {
    members: Map<String, Value>,
    /// What stands before the names of members in a refusal.
    path: &'static str,
}

/// A member that is absent, null, or there.
pub(super) type Member<T> = Option<Option<T>>;

impl FromRequest<AppState> for Body {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Refusal> {
        let too_large = |_| Refusal::of_status(StatusCode::PAYLOAD_TOO_LARGE);
        let bytes = Bytes::from_request(request, state).await.map_err(too_large)?;
        if bytes.is_empty() {
            return Ok(Self { members: Map::new(), path: "" });
        }
        let malformed = |_| Refusal::bad_request("malformed_input", "The body has to be a JSON object.");
        let members = json::object(&bytes).map_err(malformed)?;
        Ok(Self { members, path: "" })
    }
}

impl Body {
    /// An object that was found under `path`.
    pub(super) fn within(path: &'static str, members: Map<String, Value>) -> Self {
        Self { members, path }
    }

    /// Whether the member is there and is not null.
    pub(super) fn has(&self, name: &str) -> bool {
        self.members.get(name).is_some_and(|value| !value.is_null())
    }

    pub(super) fn text(&self, name: &str) -> Result<Member<String>, Refusal> {
        self.member(name, "a string", |value| value.as_str().map(str::to_owned))
    }

    pub(super) fn flag(&self, name: &str) -> Result<Member<bool>, Refusal> {
        self.member(name, "true or false", Value::as_bool)
    }

    pub(super) fn whole(&self, name: &str) -> Result<Member<u64>, Refusal> {
        self.member(name, "a whole number from 0", Value::as_u64)
    }

    pub(super) fn object(&self, name: &str) -> Result<Member<Map<String, Value>>, Refusal> {
        self.member(name, "an object", |value| value.as_object().cloned())
    }

    pub(super) fn texts(&self, name: &str) -> Result<Member<Vec<String>>, Refusal> {
        self.member(name, "a list of strings", |value| {
            value.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
        })
    }

    pub(super) fn value(&self, name: &str) -> Member<Value> {
        self.members.get(name).map(|value| Some(value.clone()).filter(|value| !value.is_null()))
    }

    fn member<T>(
        &self,
        name: &str,
        what: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Member<T>, Refusal> {
        match self.members.get(name) {
            None => Ok(None),
            Some(Value::Null) => Ok(Some(None)),
            Some(value) => read(value).map(|value| Some(Some(value))).ok_or_else(|| {
                Refusal::invalid(vec![(self.path_of(name), format!("This has to be {what}."))])
            }),
        }
    }

    /// Refuses members that are none of `writable`, unless they are sent as they are shown.
    pub(super) fn admit(&self, writable: &[&str], shown: &Value) -> Result<(), Refusal> {
        let fixed = self.members.keys().filter(|name| !writable.contains(&name.as_str()));
        let refused = fixed.filter(|name| !self.is_as_in(shown, name)).map(|name| {
            let message = match shown.get(name) {
                Some(_) => "This cannot be changed.",
                None => "There is nothing of this name to change.",
            };
            (self.path_of(name), message.to_owned())
        });
        let refused: Vec<_> = refused.collect();
        if refused.is_empty() { Ok(()) } else { Err(Refusal::invalid(refused)) }
    }

    /// A member that is read, unless it is what is shown. Where everything is replaced, an absent one is null.
    pub(super) fn wanted<T>(&self, name: &str, read: Member<T>, shown: &Value, is_whole: bool) -> Member<T> {
        let is_absent = !self.members.contains_key(name);
        if is_absent { is_whole.then_some(None) } else { read.filter(|_| !self.is_as_in(shown, name)) }
    }

    /// Whether a member is absent, or is what `shown` has; null is what is not shown.
    pub(super) fn is_as_in(&self, shown: &Value, name: &str) -> bool {
        let shown = shown.get(name).unwrap_or(&Value::Null);
        self.members.get(name).is_none_or(|given| given == shown)
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}
