//! The way back: what the browser carries to the redirect address, and how.

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use minijinja::{Value, context};
use url::Url;

use super::asked::{Asked, Carriage, Kind, wire};
use crate::{
    catalog::{TemplateError, connector::CallbackSignature},
    model::Timestamp,
    sandbox::{
        cast::Part,
        client,
        kept::plausible,
        pages::{self, Isolation, Page},
        person::Person,
        scenario::Scenario,
    },
};

/// The issuer of [`Scenario::WrongIss`].
const WRONG_ISSUER: &str = "https://wrong.example";

/// What the callback says of the answer itself.
pub(super) type Words = Vec<(String, String)>;

/// What else this provider says in its callback.
pub(super) fn kept(asked: &Asked, part: &Part, person: Person) -> Words {
    let callback = &part.option().callback;
    let part = part.at(&asked.captured);
    let mut pairs = Words::new();
    for (param, template) in &callback.matching {
        let value: Result<String, TemplateError> = template.render(&asked.captured);
        // A name that the address does not show cannot be told; the client will say what it misses.
        if let Ok(value) = value {
            pairs.push((param.clone(), value));
        }
    }
    let keep = callback.keep.iter();
    pairs.extend(keep.map(|(name, param)| (param.clone(), plausible(&part, &asked.host, name, person))));
    pairs.extend(callback.echo.iter().map(|param| {
        // What a provider says of the scopes is what was granted.
        let is_scope = *param == part.option().scopes.param && !asked.scope.is_empty();
        (param.clone(), if is_scope { asked.scope.clone() } else { person.said_at(param) })
    }));
    // The first of a name counts: what must match stays what it is when it is echoed as well.
    let mut known: Vec<String> = Vec::new();
    pairs.retain(|(name, _)| {
        let is_new = !known.contains(name);
        known.push(name.clone());
        is_new
    });
    pairs
}

/// Sends the browser back with `answer`, `state` and the issuer.
pub(super) fn back(
    asked: &Asked,
    part: &Part,
    answer: Words,
    scenario: Option<Scenario>,
    now: Timestamp,
) -> Response {
    let Ok(mut url) = Url::parse(&asked.destination) else {
        return pages::refusal(StatusCode::BAD_REQUEST, "redirect_uri cannot be read.");
    };
    let option = part.option();
    let mut pairs = answer;
    if let (Some(name), Some(state)) = (wire(option, "state"), &asked.state) {
        pairs.push((name.to_owned(), state.clone()));
    }
    if Kind::of(option) == Kind::Code {
        if scenario == Some(Scenario::WrongIss) {
            pairs.push(("iss".to_owned(), WRONG_ISSUER.to_owned()));
        } else if let Some(issuer) = &option.issuer {
            pairs.push(("iss".to_owned(), issuer.clone()));
        }
    }
    if let Some(signature) = &option.callback.signature {
        pairs.push(("timestamp".to_owned(), now.seconds().to_string()));
        let own = url.query_pairs().into_owned().filter(|_| asked.carriage == Carriage::Query);
        let all: Words = own.chain(pairs.iter().cloned()).collect();
        if let Some(value) = signed(signature, asked, all) {
            pairs.push((signature.param.clone(), value));
        }
    }
    let isolation = if scenario == Some(Scenario::Coop) { Isolation::SameOrigin } else { Isolation::None };
    if asked.carriage == Carriage::Form {
        let fields = pairs.iter().map(|(name, value)| context! { name => name, value => value });
        let page = context! {
            app => part.connector.name.as_str(),
            destination => url.as_str(),
            fields => fields.collect::<Value>(),
        };
        return pages::show(StatusCode::OK, Page::Posting, page, isolation);
    }
    url.query_pairs_mut().extend_pairs(&pairs);
    if scenario == Some(Scenario::Coop) {
        let page = context! { app => part.connector.name.as_str(), url => url.as_str() };
        return pages::show(StatusCode::OK, Page::Leaving, page, isolation);
    }
    let Ok(location) = HeaderValue::from_str(url.as_str()) else {
        return pages::refusal(StatusCode::BAD_REQUEST, "redirect_uri cannot be read.");
    };
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response();
    pages::guard(&mut response, Isolation::None);
    response
}

/// The signature over all parameters, sorted by name.
fn signed(signature: &CallbackSignature, asked: &Asked, mut pairs: Words) -> Option<String> {
    let mut values = asked.captured.clone();
    values.insert("client.id".to_owned(), asked.client.clone());
    values.insert("client.secret".to_owned(), client::secret_of(&asked.client)?);
    let key = signature.key.render(&values).ok()?;
    pairs.sort();
    let text: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let tag = sign(&Key::new(HMAC_SHA256, key.as_bytes()), text.join("&").as_bytes());
    Some(match signature.encoding.as_str() {
        "base64" => STANDARD.encode(tag),
        _ => tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect(),
    })
}
