//! Every OAuth 2 option of the catalog, connected the way its file says.

use std::{borrow::Cow, sync::Arc};

use axum::http::{Method, StatusCode};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use crate::{
    catalog::{
        Catalog, Connector, Template, Values,
        connector::{AccountFrom, Api, AuthOption, AuthType, ClientAuth, Format, Request, Target},
    },
    sandbox::consent::wire,
};

use super::stage::{Answer, CALLBACK, CHALLENGE, Stage, VERIFIER, stage_of};

/// Every name is `acme`, except the token.
struct Acme<'a>(&'a str);

impl Values for Acme<'_> {
    fn value(&self, name: &str) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(if name == "access_token" { self.0 } else { "acme" }))
    }
}

/// The sandbox's path of a request.
fn path(request: &Request, api: &Api) -> String {
    let source = match &request.target {
        Target::Url(url) => url.source().to_owned(),
        Target::Path(path) => format!("{}{}", api.base.as_ref().expect("a base").source(), path.source()),
    };
    let filled =
        Template::parse(&source).expect("a template").render(&Acme("")).expect("every name is known");
    filled.replace("https://", "/sandbox/")
}

/// The authorize address as the file describes it.
fn authorize(option: &AuthOption, api: &Api, client: &str) -> String {
    let scope = option.scopes.default.join(&option.scopes.separator);
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    let standard = [
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", CALLBACK),
        ("state", "s1"),
        ("code_challenge", if option.pkce { CHALLENGE } else { "" }),
        ("code_challenge_method", if option.pkce { "S256" } else { "" }),
    ];
    for (name, value) in standard {
        if let Some(name) = wire(option, name).filter(|_| !value.is_empty()) {
            query.append_pair(name, value);
        }
    }
    query.append_pair(&option.scopes.param, &scope);
    format!("{}?{}", path(option.authorize.as_ref().expect("authorize"), api), query.finish())
}

/// The token call as the file describes it.
async fn redeem(stage: &Stage, option: &AuthOption, api: &Api, client: &str, code: &str) -> Answer {
    let token = option.token.as_ref().expect("token");
    let secret = client.replace("sandbox-", "sandbox-secret-");
    let basic = matches!(option.client_auth, ClientAuth::Basic | ClientAuth::BasicRaw);
    let header = format!("Basic {}", STANDARD.encode(format!("{client}:{secret}")));
    let headers = if basic { vec![("authorization", header.as_str())] } else { vec![] };
    let mut form = vec![("grant_type", "authorization_code"), ("code", code), ("redirect_uri", CALLBACK)];
    if option.pkce {
        form.push(("code_verifier", VERIFIER));
    }
    if !basic {
        form.extend([("client_id", client), ("client_secret", &secret)]);
    }
    let form: Vec<_> =
        form.into_iter().filter_map(|(name, value)| Some((wire(option, name)?, value))).collect();
    if token.format == Format::Json {
        let body: Map<String, Value> =
            form.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        return stage.post_json(&path(token, api), &Value::Object(body), &headers).await;
    }
    stage.post_form(&path(token, api), &form, &headers).await
}

async fn test_call(stage: &Stage, option: &AuthOption, api: &Api, token: &str) -> Answer {
    let test = api.test.as_ref().expect("a test call");
    let headers: Vec<(String, String)> = option
        .usage
        .headers
        .iter()
        .map(|(name, template)| (name.clone(), template.render(&Acme(token)).expect("every name is known")))
        .collect();
    let headers: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    if test.method == Method::GET {
        return stage.get(&path(test, api), &headers).await;
    }
    stage.post_json(&path(test, api), &test.body.clone().unwrap_or(Value::Null), &headers).await
}

fn at<'a>(reply: &'a Value, dotted: &str) -> Option<&'a Value> {
    reply.pointer(&format!("/{}", dotted.replace('.', "/")))
}

async fn connect(stage: &Stage, connector: &Connector, option: &AuthOption) {
    let key = &connector.key;
    let api = option.api.as_ref().or(connector.api.as_ref()).expect("an API");
    let client = format!("sandbox-{key}");

    let answer = stage.consent(&authorize(option, api, &client), "bob", "allow").await;
    let code =
        answer.sent_back(&option.callback.code).unwrap_or_else(|| panic!("{key}: {}", answer.location()));
    let tokens = redeem(stage, option, api, &client, &code).await;
    let token = tokens.text_at("/access_token");
    let test = test_call(stage, option, api, &token).await;

    assert_eq!(tokens.status, StatusCode::OK, "{key}: {}", tokens.text);
    assert_eq!(test.status, StatusCode::OK, "{key}: {}", test.text);
    assert_eq!(tokens.json().get("refresh_token").is_some(), option.refresh.is_some(), "{key}");
    if let Some(account) = &api.account {
        let reply = if account.from == AccountFrom::Token { tokens.json() } else { test.json() };
        assert_eq!(
            at(&reply, &account.id).and_then(Value::as_str).map(|id| id.contains("bob")),
            Some(true),
            "{key}"
        );
        assert!(account.label.as_ref().is_none_or(|label| at(&reply, label).is_some()), "{key}");
    }
}

#[tokio::test]
async fn every_oauth2_option_of_the_catalog_can_be_connected() {
    let catalog = Arc::new(Catalog::builtin().expect("the catalog is sound"));
    let stage = stage_of(Arc::clone(&catalog));
    let mut connected = 0;

    for connector in catalog.iter() {
        for option in connector.auth.iter().filter(|option| option.kind == AuthType::OAuth2) {
            connect(&stage, connector, option).await;
            connected += 1;
        }
    }

    assert!(connected >= 10, "{connected}");
}
