//! The smallest auth option and request, for the tests of this floor.

use std::collections::BTreeMap;

use http::Method;

use crate::catalog::{
    connector::{Api, AuthOption, AuthType, Callback, ClientAuth, Format, Request, Scopes, Target, Usage},
    host::HostPattern,
    template::Template,
};

pub(super) fn template(text: &str) -> Template {
    Template::parse(text).expect("a template")
}

pub(super) fn templates(pairs: &[(&str, &str)]) -> Vec<(String, Template)> {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), template(text))).collect()
}

pub(super) fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

pub(super) fn map(of: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs(of).into_iter().collect()
}

pub(super) fn api() -> Api {
    Api {
        base: Some(template("https://api.example.com/v1")),
        hosts: ["api.example.com", "id.example.com"]
            .map(|host| HostPattern::parse(host).expect("a host"))
            .to_vec(),
        ..Api::default()
    }
}

pub(super) fn request(url: &str) -> Request {
    Request {
        target: Target::Url(template(url)),
        method: Method::POST,
        format: Format::Form,
        params: Vec::new(),
        body: None,
        headers: Vec::new(),
        basic: None,
        map: BTreeMap::new(),
        keep: BTreeMap::new(),
        error: None,
        expires_in: None,
    }
}

pub(super) fn option() -> AuthOption {
    AuthOption {
        key: "oauth2".to_owned(),
        title: "Sign in".to_owned(),
        kind: AuthType::OAuth2,
        help_url: None,
        environment: None,
        client: None,
        client_auth: ClientAuth::Body,
        pkce: true,
        issuer: None,
        resource: None,
        scopes: Scopes::default(),
        names: BTreeMap::new(),
        redirect_uri: None,
        callback: Callback::default(),
        request_token: None,
        authorize: None,
        par: None,
        token: None,
        exchange: None,
        refresh: None,
        revoke: None,
        discover: Vec::new(),
        jwt: None,
        signature: None,
        token_static: None,
        usage: Usage::default(),
        fields: Vec::new(),
        api: None,
        url: None,
    }
}
