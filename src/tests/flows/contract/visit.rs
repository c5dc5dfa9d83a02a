//! The customer away from the product: at the provider's page, or at the developer's own, and back.

use hitchpost::{
    catalog::connector::AuthType,
    engine::{CallbackParams, Departure, Next, Outcome},
};
use reqwest::StatusCode;
use serde_json::json;
use url::Url;

use super::{
    super::super::{app::SECRET, provider::Seen},
    known::names,
    play::{Fault, Play, Step, fault, said},
};

impl Play<'_> {
    /// At the provider's page and back.
    pub(super) async fn visit(&mut self, departure: Departure) -> Step<Outcome> {
        let step = "authorize";
        if let Some(call) = self.script.authorize().map_err(fault(step))? {
            call.judge(&left(&departure.url)).map_err(fault(step))?;
        }
        let pairs = if self.option.kind == AuthType::Proxy {
            self.hand_over(&departure.url).await?
        } else {
            self.consent(&departure.url).await?
        };
        let app = &self.bench.app;
        let workspace = app.engine.workspace_by_key("acme").await.map_err(fault(step))?;
        let id = workspace.integration(&self.connector.key).unwrap().integration.id.to_string();
        let cookie = |name: &str| (name == departure.cookie).then(|| departure.binding.expose().to_owned());
        let next = app.engine.callback(&id, &CallbackParams::new(pairs), cookie).await;
        match next.map_err(|error| Fault { step: "callback", why: format!("{error:?}{}", self.last()) })? {
            Next::Done(outcome) => Ok(*outcome),
            _ => Err(Fault { step: "callback", why: "a page asks for more".to_owned() }),
        }
    }

    /// Says yes; comes back with what the callback carries, in its address or in a form.
    async fn consent(&self, address: &Url) -> Step<Vec<(String, String)>> {
        let step = "consent";
        let mut browser = self.bench.browser.anew();
        let page = browser.get(address.as_str()).await;
        if page.status != StatusCode::OK {
            return Err(Fault { step, why: format!("{}: {}", page.status, said(&page.body)) });
        }
        let (action, mut fields) = page.form("");
        fields.insert("decision".to_owned(), "allow".to_owned());
        fields.insert("scenario".to_owned(), "allow".to_owned());
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let answer = browser.post(page.url.join(&action).unwrap().as_str(), &fields).await;
        if answer.status == StatusCode::SEE_OTHER {
            let location = Url::parse(&answer.location()).map_err(fault(step))?;
            return Ok(location.query_pairs().into_owned().collect());
        }
        if answer.status == StatusCode::OK {
            return Ok(answer.form("").1.into_iter().collect());
        }
        Err(Fault { step, why: format!("{}: {}", answer.status, said(&answer.body)) })
    }

    /// What the developer's own page does: its backend hands over what the customer gave there.
    async fn hand_over(&mut self, address: &Url) -> Step<Vec<(String, String)>> {
        let step = "hand over";
        let ticket =
            address.query_pairs().find(|(name, _)| name == "ticket").map(|(_, value)| value.into_owned());
        let ticket = ticket.ok_or("no ticket").map_err(fault(step))?;
        let usage = &self.option.usage;
        let sources: Vec<_> = usage.headers.iter().chain(&usage.query).map(|(_, one)| one.source()).collect();
        let mut credentials = serde_json::Map::new();
        for name in sources.iter().flat_map(|source| names(source)) {
            if let Some(own) = name.strip_prefix("credentials.") {
                credentials.insert(own.to_owned(), json!(format!("sandbox-{own}")));
                self.script.known.set(name, &format!("sandbox-{own}"));
            }
        }
        let app = &self.bench.app;
        let admin = json!({ "iss": "acme", "isAdmin": true, "exp": app.now() + 60 });
        let customer = self.script.known.get("customer.id").unwrap_or_default();
        let body = json!({ "credentials": credentials, "customerId": customer });
        let path = format!("/connect/continue/{ticket}");
        let answer = self.bench.browser.anew().post_json(&path, &app.signed(SECRET, &admin), &body).await;
        let back = answer.json()["redirectUrl"].as_str().and_then(|url| Url::parse(url).ok());
        let back = back.ok_or_else(|| answer.body.clone()).map_err(fault(step))?;
        Ok(back.query_pairs().into_owned().collect())
    }
}

/// The address that a browser left for, as the provider sees it.
fn left(address: &Url) -> Seen {
    let behind = address.path().strip_prefix("/sandbox/").unwrap_or_default();
    let (host, path) = behind.split_once('/').unwrap_or((behind, ""));
    // How the sandbox knows a way back that others have on file.
    let pairs = address.query_pairs().into_owned().filter(|(name, _)| name != "sandbox_redirect_uri");
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    Seen {
        method: "GET".to_owned(),
        host: host.to_owned(),
        path: format!("/{path}"),
        query,
        headers: http::HeaderMap::new(),
        body: String::new(),
    }
}
