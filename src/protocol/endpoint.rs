//! A connector's request with its templates filled in.
//!
//! Every call the engine makes begins here, so the rule that secrets only go to the connector's own
//! hosts is kept in one place. An `Endpoint` may hold secrets and cannot be printed.

use http::{HeaderValue, Method, header};
use serde_json::{Map, Value};
use url::Url;

use super::call::{Call, CallError};
use crate::{
    catalog::{
        connector::{Api, Format, Request, Target},
        template::{Template, TemplateError, Values, render_json},
    },
    model::Secret,
};

/// A connector's request with its templates filled in.
#[derive(Clone)]
pub struct Endpoint {
    /// Where it goes; its own query is kept.
    pub url: Url,
    /// HTTP method.
    pub method: Method,
    /// How parameters travel.
    pub format: Format,
    /// The connector's own parameters; they win over standard ones of the same name.
    pub params: Vec<(String, String)>,
    /// Extra headers.
    pub headers: Vec<(String, String)>,
    /// HTTP Basic, user name and password.
    pub basic: Option<(String, Secret<String>)>,
    /// A JSON body.
    pub body: Option<Value>,
    /// The request itself says where a token goes, so it is sent as written.
    pub places_token: bool,
    /// The request itself says where a token signed by us goes, so it is sent as written.
    pub places_jwt: bool,
}

/// Why a request cannot be made out of a connector's words and the values at hand.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// A template cannot be filled in.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A path without an address to put it behind.
    #[error("the request has a path, but the connector has no `api.base`")]
    NoBase,
    /// The final host is none of the connector's.
    #[error("the request's host is not among the connector's `api.hosts`")]
    HostNotAllowed,
}

impl Endpoint {
    /// Fills in a request. `api` is the option's own, or else the connector's: it says behind which
    /// address paths stand and which hosts may see a secret.
    pub fn render(request: &Request, api: &Api, values: &dyn Values) -> Result<Self, EndpointError> {
        let url = address(&request.target, api)?.render_url(values)?;
        if !api.admits(&url) {
            return Err(EndpointError::HostNotAllowed);
        }
        let basic = match &request.basic {
            Some(basic) => {
                Some((basic.username.render(values)?, Secret::new(basic.password.render(values)?)))
            }
            None => None,
        };
        let mut headers = filled(&api.headers, values)?;
        headers.extend(filled(&request.headers, values)?);
        Ok(Self {
            url,
            method: request.method.clone(),
            format: request.format,
            params: filled(&request.params, values)?,
            headers,
            basic,
            body: request.body.as_ref().map(|body| render_json(body, values)).transpose()?,
            places_token: places(request, &["access_token", "refresh_token"]),
            places_jwt: places(request, &["jwt"]),
        })
    }

    /// The request as written, without standard parameters.
    pub fn call(&self) -> Result<Call, CallError> {
        self.call_with(Vec::new())
    }

    /// The request with standard parameters in front of its own.
    pub fn call_with(&self, standard: Vec<(String, String)>) -> Result<Call, CallError> {
        let params = merged(standard, &self.params);
        let mut call = self.with_params(&params);
        for (name, value) in &self.headers {
            call.set_header(name, value)?;
        }
        if let Some((username, password)) = &self.basic {
            call.set_basic(username, password.expose())?;
        }
        call.headers.entry(header::ACCEPT).or_insert(HeaderValue::from_static("application/json"));
        Ok(call)
    }

    fn with_params(&self, params: &[(String, String)]) -> Call {
        let (method, url) = (self.method.clone(), self.url.clone());
        let in_address = self.format == Format::Query || matches!(method, Method::GET | Method::HEAD);
        match &self.body {
            Some(Value::Object(body)) if self.format == Format::Json => {
                Call::json(method, url, &Value::Object(with_members(body, params)))
            }
            Some(body) => Call::json(method, url, body),
            None if params.is_empty() => Call::new(method, url),
            None if in_address => Call::query(method, url, params),
            None if self.format == Format::Json => Call::json_params(method, url, params),
            None => Call::form(method, url, params),
        }
    }
}

fn address(target: &Target, api: &Api) -> Result<Template, EndpointError> {
    match target {
        Target::Url(url) => Ok(url.clone()),
        Target::Path(path) => {
            let base = api.base.as_ref().ok_or(EndpointError::NoBase)?;
            Ok(base.join(path))
        }
    }
}

fn filled(
    templates: &[(String, Template)],
    values: &dyn Values,
) -> Result<Vec<(String, String)>, TemplateError> {
    templates.iter().map(|(name, template)| Ok((name.clone(), template.render(values)?))).collect()
}

fn merged(standard: Vec<(String, String)>, own: &[(String, String)]) -> Vec<(String, String)> {
    let is_own = |name: &str| own.iter().any(|(own, _)| own == name);
    standard.into_iter().filter(|(name, _)| !is_own(name)).chain(own.iter().cloned()).collect()
}

fn with_members(body: &Map<String, Value>, params: &[(String, String)]) -> Map<String, Value> {
    let mut members = body.clone();
    for (name, value) in params {
        members.entry(name.clone()).or_insert_with(|| Value::from(value.as_str()));
    }
    members
}

/// Whether a request has a placeholder of one of these names.
fn places(request: &Request, names: &[&str]) -> bool {
    let has = |template: &Template| template.names().any(|name| names.contains(&name));
    let target = match &request.target {
        Target::Url(template) | Target::Path(template) => template,
    };
    let body = request.body.as_ref().map(Value::to_string).unwrap_or_default();
    has(target)
        || request.params.iter().chain(&request.headers).any(|(_, template)| has(template))
        || request.basic.as_ref().is_some_and(|basic| has(&basic.username) || has(&basic.password))
        || Template::parse(&body).is_ok_and(|template| has(&template))
}

#[cfg(test)]
#[path = "endpoint_tests.rs"]
mod tests;
