//! What a list is asked for. Unknown names are ignored, as the SDKs send some of their own; a blank value
//! is none.

use std::collections::HashMap;

use axum::{
    Json,
    extract::{FromRequestParts, Query},
    http::{StatusCode, request::Parts},
};
use serde_json::{Value, json};

use super::limit;
use crate::http::{AppState, Refusal};

/// The query of a request.
pub(super) struct Asked(HashMap<String, String>);

impl FromRequestParts<AppState> for Asked {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Refusal> {
        let unreadable = || Refusal::of_status(StatusCode::BAD_REQUEST);
        let asked = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let Query(pairs) = asked.map_err(|_| unreadable())?;
        let count = pairs.len();
        let asked: HashMap<_, _> = pairs.into_iter().collect();
        // Of a name that stands there twice nobody knows which one is meant.
        if asked.len() == count { Ok(Self(asked)) } else { Err(unreadable()) }
    }
}

impl Asked {
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).filter(|text| !text.trim().is_empty()).cloned()
    }

    /// Values of those of these names that are there.
    pub(super) fn texts(&self, names: &[&str]) -> Vec<String> {
        names.iter().filter_map(|name| self.text(name)).collect()
    }

    /// `true` or `1`, `false` or `0`.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Refusal> {
        match self.text(name).as_deref() {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(_) => {
                let message = "This has to be true or false.".to_owned();
                let refused = Refusal::invalid(vec![(name.to_owned(), message)]);
                Err(Refusal { reason: "invalid_query", ..refused })
            }
        }
    }

    pub(super) fn limit(&self) -> Result<usize, Refusal> {
        limit(self.text("limit").as_deref())
    }

    /// Where a list goes on; `0` is its beginning. One that no page gave is refused: to begin again
    /// unasked would keep a caller that pages from ever ending.
    pub(super) fn cursor<T>(&self, read: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Refusal> {
        let Some(cursor) = self.text("cursor").filter(|cursor| cursor != "0") else { return Ok(None) };
        let message = "`cursor` is none that a page of this list gave; leave it out to begin.";
        read(&cursor).map(Some).ok_or_else(|| Refusal::bad_request("invalid_cursor", message))
    }
}

/// `{items, cursor?}`: a full page ends with the `cursor` member of its last item. The public SDKs begin
/// anew when a full page has none, so every one has, though the page behind it may be empty.
pub(super) fn listed(items: Vec<Value>, limit: u32, cursor: &str) -> Json<Value> {
    let is_full = u32::try_from(items.len()).is_ok_and(|length| length >= limit);
    let last = items.last().map(|item| item[cursor].clone()).filter(|_| is_full);
    let mut answer = json!({ "items": items });
    if let Some(last) = last {
        answer["cursor"] = last;
    }
    Json(answer)
}
