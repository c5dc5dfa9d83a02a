//! [`Browser`]: what a person has, without JavaScript.

use std::collections::BTreeMap;

use reqwest::{Method, StatusCode, header};
use serde_json::Value;
use url::Url;

use super::Page;

/// Cookies and the last page; follows nothing by itself.
pub struct Browser {
    base: Url,
    client: reqwest::Client,
    pub cookies: BTreeMap<String, String>,
    /// Values that must never turn up in a database or log.
    pub secrets: Vec<String>,
}

/// What calls the server from outside; follows nothing by itself.
pub fn plain_client() -> reqwest::Client {
    #[expect(clippy::disallowed_methods, reason = "a client of its own, not the server's")]
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_gzip().build().unwrap()
}

impl Browser {
    pub fn new(base: Url) -> Self {
        Self { base, client: plain_client(), cookies: BTreeMap::new(), secrets: Vec::new() }
    }

    /// Another person's, without cookies, over the same connections: making a client is dear.
    pub fn anew(&self) -> Self {
        let (base, client) = (self.base.clone(), self.client.clone());
        Self { base, client, cookies: BTreeMap::new(), secrets: Vec::new() }
    }

    pub async fn get(&mut self, address: &str) -> Page {
        self.send(Method::GET, address, &[("accept", "text/html"), ("sec-fetch-site", "none")], None).await
    }

    /// A form post as a browser makes it from a page of the server's own.
    pub async fn post(&mut self, address: &str, form: &[(&str, &str)]) -> Page {
        let origin = self.base.origin().ascii_serialization();
        let headers = [("accept", "text/html"), ("sec-fetch-site", "same-origin"), ("origin", &origin)];
        self.send(Method::POST, address, &headers, Some(encoded(form))).await
    }

    /// A form post from another site.
    pub async fn post_from(&mut self, origin: &str, address: &str, form: &[(&str, &str)]) -> Page {
        let headers = [("accept", "text/html"), ("sec-fetch-site", "cross-site"), ("origin", origin)];
        self.send(Method::POST, address, &headers, Some(encoded(form))).await
    }

    pub async fn api(&mut self, method: Method, address: &str, token: &str) -> Page {
        let bearer = format!("Bearer {token}");
        let headers = [("accept", "application/json"), ("authorization", bearer.as_str())];
        self.send(method, address, &headers, None).await
    }

    /// A program's post of JSON.
    pub async fn post_json(&mut self, address: &str, token: &str, body: &Value) -> Page {
        self.api_json(Method::POST, address, token, body).await
    }

    pub async fn api_json(&mut self, method: Method, address: &str, token: &str, body: &Value) -> Page {
        let bearer = format!("Bearer {token}");
        let headers = [("accept", "application/json"), ("authorization", bearer.as_str())];
        self.send_as("application/json", method, address, &headers, Some(body.to_string())).await
    }

    /// Asks and reads the headers only: the body may be compressed.
    pub async fn head(&self, address: &str, headers: &[(&str, &str)]) -> Page {
        let url = self.base.join(address).unwrap();
        let mut request = self.client.get(url.clone());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let response = request.header(header::COOKIE, cookies.join("; ")).send().await.unwrap();
        Page { url, status: response.status(), headers: response.headers().clone(), body: String::new() }
    }

    pub async fn send(
        &mut self,
        method: Method,
        address: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Page {
        self.send_as("application/x-www-form-urlencoded", method, address, headers, body).await
    }

    async fn send_as(
        &mut self,
        media_type: &str,
        method: Method,
        address: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Page {
        let url = self.base.join(address).unwrap();
        let mut request = self.client.request(method, url.clone());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        if let Some(body) = body {
            request = request.header(header::CONTENT_TYPE, media_type).body(body);
        }
        let response = request.send().await.unwrap();
        for cookie in response.headers().get_all(header::SET_COOKIE) {
            let (name, rest) = cookie.to_str().unwrap().split_once('=').unwrap();
            let (value, attributes) = rest.split_once(';').unwrap();
            if value.is_empty() || attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.secrets.push(value.to_owned());
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.text().await.unwrap();
        Page { url, status, headers, body }
    }

    /// Opens an app's page and sends its form. Comes back with the answer to the form.
    pub async fn submit(&mut self, app: &str, input: &[(&str, &str)]) -> Page {
        let page = self.get(&format!("/apps/{app}")).await;
        page.assert_status(StatusCode::OK);
        self.submit_on(&page, input).await
    }

    /// Sends the one connect form of a page.
    pub async fn submit_on(&mut self, page: &Page, input: &[(&str, &str)]) -> Page {
        let (action, mut fields) = page.form("connect");
        for (name, value) in input {
            fields.insert((*name).to_owned(), (*value).to_owned());
        }
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.post(&action, &fields).await
    }

    /// Sends a page's form of this name as it stands.
    pub async fn press(&mut self, page: &Page, name: &str) -> Page {
        let (action, fields) = page.form(name);
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.post(&action, &fields).await
    }

    /// Answers the sandbox's consent page at `address`; comes back with the way to the callback.
    pub async fn consent(&mut self, address: &str, choices: &[(&str, &str)]) -> Page {
        let page = self.get(address).await;
        page.assert_status(StatusCode::OK);
        let (action, mut fields) = page.form("");
        fields.insert("decision".to_owned(), "allow".to_owned());
        fields.insert("scenario".to_owned(), "allow".to_owned());
        for (name, value) in choices {
            fields.insert((*name).to_owned(), (*value).to_owned());
        }
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        // The sandbox may stand at another address than the product.
        let action = page.url.join(&action).unwrap();
        self.post(action.as_str(), &fields).await
    }

    /// Connects an app through the provider's page, in one window; comes back with the callback's answer.
    pub async fn connect(&mut self, app: &str, choices: &[(&str, &str)]) -> Page {
        let left = self.submit(app, &[]).await;
        let returned = self.consent(&left.location(), choices).await;
        self.get(&returned.location()).await
    }
}

fn encoded(form: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish()
}
