//! Where the templates of a connector stand, each with its dotted key.

use serde_json::Value;

use crate::catalog::{
    connector::{Api, AuthOption, Basic, Request, Target, Templates, Usage},
    template::Template,
};

/// What a template is used for.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Role {
    /// A whole address.
    Address,
    /// Any other text.
    Text,
    /// A string of a JSON body that cannot be read, and why.
    NotATemplate(String),
}

/// One template and where it stands.
pub(super) struct Used {
    pub(super) key: String,
    pub(super) template: Template,
    pub(super) role: Role,
    /// The customer's browser sees the result.
    pub(super) browser: bool,
    /// It can carry a credential into a call of the API.
    pub(super) carries: bool,
}

impl Used {
    fn new(key: String, template: &Template, role: Role) -> Self {
        Self { key, template: template.clone(), role, browser: false, carries: false }
    }
}

/// The templates of an `[api]`.
pub(super) fn of_api(api: &Api, key: &str) -> Vec<Used> {
    let mut all = Vec::new();
    if let Some(base) = &api.base {
        all.push(Used::new(format!("{key}.base"), base, Role::Address));
    }
    texts(&mut all, &format!("{key}.headers"), &api.headers);
    if let Some(test) = &api.test {
        request(&mut all, &format!("{key}.test"), test, api);
    }
    for used in &mut all {
        used.carries = true;
    }
    all
}

/// The templates of an option, its `api` not among them.
pub(super) fn of_option(option: &AuthOption, key: &str, api: &Api) -> Vec<Used> {
    let mut all = Vec::new();
    if let Some(authorize) = &option.authorize {
        request(&mut all, &format!("{key}.authorize"), authorize, api);
    }
    if let Some(url) = &option.url {
        all.push(Used::new(format!("{key}.url"), url, Role::Text));
    }
    for used in &mut all {
        used.browser = true;
    }
    let refresh = option.refresh.as_ref().and_then(|refresh| refresh.request.as_ref());
    for (name, found) in [
        ("request_token", option.request_token.as_ref()),
        ("par", option.par.as_ref()),
        ("token", option.token.as_ref()),
        ("exchange", option.exchange.as_ref()),
        ("refresh", refresh),
        ("revoke", option.revoke.as_ref()),
    ] {
        if let Some(found) = found {
            request(&mut all, &format!("{key}.{name}"), found, api);
        }
    }
    for (index, discover) in option.discover.iter().enumerate() {
        request(&mut all, &format!("{key}.discover[{index}]"), &discover.request, api);
    }
    singles(&mut all, option, key);
    usage(&mut all, &option.usage, &format!("{key}.use"));
    all
}

fn singles(all: &mut Vec<Used>, option: &AuthOption, key: &str) {
    let mut text = |name: &str, template: Option<&Template>| {
        all.extend(template.map(|template| Used::new(format!("{key}.{name}"), template, Role::Text)));
    };
    text("redirect_uri", option.redirect_uri.as_ref());
    text("client.id", option.client.as_ref().map(|client| &client.id));
    text("client.secret", option.client.as_ref().and_then(|client| client.secret.as_ref()));
    text("callback.signature.key", option.callback.signature.as_ref().map(|signature| &signature.key));
    text("jwt.key", option.jwt.as_ref().map(|jwt| &jwt.key));
    text("signature.realm", option.signature.as_ref().and_then(|signature| signature.realm.as_ref()));
    text("token_static.token", option.token_static.as_ref().map(|token| &token.token));
    text("token_static.secret", option.token_static.as_ref().map(|token| &token.secret));
    texts(all, &format!("{key}.callback.match"), &option.callback.matching);
    if let Some(jwt) = &option.jwt {
        texts(all, &format!("{key}.jwt.header"), &jwt.header);
        texts(all, &format!("{key}.jwt.claims"), &jwt.claims);
    }
}

fn usage(all: &mut Vec<Used>, usage: &Usage, key: &str) {
    let from = all.len();
    texts(all, &format!("{key}.headers"), &usage.headers);
    texts(all, &format!("{key}.query"), &usage.query);
    basic(all, &format!("{key}.basic"), usage.basic.as_ref());
    for used in &mut all[from..] {
        used.carries = true;
    }
}

fn request(all: &mut Vec<Used>, key: &str, request: &Request, api: &Api) {
    let name = match request.target {
        Target::Url(_) => "url",
        Target::Path(_) => "path",
    };
    all.push(Used::new(format!("{key}.{name}"), &request.address(api), Role::Address));
    texts(all, &format!("{key}.params"), &request.params);
    texts(all, &format!("{key}.headers"), &request.headers);
    basic(all, &format!("{key}.basic"), request.basic.as_ref());
    if let Some(body) = &request.body {
        json(all, &format!("{key}.body"), body);
    }
}

fn basic(all: &mut Vec<Used>, key: &str, basic: Option<&Basic>) {
    if let Some(basic) = basic {
        all.push(Used::new(format!("{key}.username"), &basic.username, Role::Text));
        all.push(Used::new(format!("{key}.password"), &basic.password, Role::Text));
    }
}

fn texts(all: &mut Vec<Used>, key: &str, templates: &Templates) {
    all.extend(
        templates.iter().map(|(name, template)| Used::new(format!("{key}.{name}"), template, Role::Text)),
    );
}

fn json(all: &mut Vec<Used>, key: &str, value: &Value) {
    match value {
        Value::String(text) => {
            let (template, role) = match Template::parse(text) {
                Ok(template) => (template, Role::Text),
                Err(error) => (
                    Template::parse("").expect("nothing is a template"),
                    Role::NotATemplate(error.to_string()),
                ),
            };
            all.push(Used::new(key.to_owned(), &template, role));
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                json(all, &format!("{key}[{index}]"), item);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                json(all, &format!("{key}.{name}"), member);
            }
        }
        _ => {}
    }
}
