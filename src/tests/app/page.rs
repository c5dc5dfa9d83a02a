//! [`Page`]: what came back, and what a test wants to know of it.

use std::collections::HashMap;

use reqwest::{StatusCode, header};
use serde_json::Value;
use url::Url;

/// What came back.
pub struct Page {
    pub url: Url,
    pub status: StatusCode,
    pub headers: header::HeaderMap,
    pub body: String,
}

impl Page {
    #[track_caller]
    pub fn assert_status(&self, status: StatusCode) {
        assert_eq!(self.status, status, "{}: {}", self.url.path(), self.body);
    }

    #[track_caller]
    pub fn assert_says(&self, text: &str) {
        assert!(self.body.contains(text), "{} does not say {text:?}: {}", self.url.path(), self.body);
    }

    /// Where a redirect goes.
    #[track_caller]
    pub fn location(&self) -> String {
        self.assert_status(StatusCode::SEE_OTHER);
        self.header("location").to_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.body))
    }

    /// Checks the refusal an API call got.
    #[track_caller]
    pub fn assert_error(&self, status: StatusCode, reason: &str) {
        self.assert_status(status);
        assert_eq!(self.json()["data"]["reason"], reason, "{}", self.body);
    }

    /// Action and fields of the first form of class `name` or of that action; an empty name is any form.
    #[track_caller]
    pub fn form(&self, name: &str) -> (String, HashMap<String, String>) {
        let form = self
            .body
            .split("<form")
            .skip(1)
            .filter_map(|rest| rest.split_once("</form>").map(|(form, _)| form))
            .find(|form| {
                let is_class = attribute(form, "class").is_some_and(|class| class == name);
                is_class || attribute(form, "action").is_some_and(|action| action.ends_with(name))
            })
            .unwrap_or_else(|| panic!("no form {name:?} on {}: {}", self.url.path(), self.body));
        let action = attribute(form, "action").unwrap();
        let inputs = form.split("<input").skip(1).filter(|input| {
            let is_choice = matches!(attribute(input, "type").as_deref(), Some("radio" | "checkbox"));
            !is_choice || input.split('>').next().unwrap().contains("checked")
        });
        let fields = inputs
            .filter_map(|input| {
                Some((attribute(input, "name")?, attribute(input, "value").unwrap_or_default()))
            })
            .collect();
        (action, fields)
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let tag = tag.split_once('>').map_or(tag, |(tag, _)| tag);
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    let (value, _) = rest.split_once('"')?;
    Some(value.replace("&quot;", "\"").replace("&lt;", "<").replace("&#x2f;", "/").replace("&amp;", "&"))
}
