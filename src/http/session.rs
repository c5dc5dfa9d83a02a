//! Cookies: the page session and the binding of an attempt.
//!
//! Both HttpOnly and SameSite=Lax: provider pages run at the top of a window, so nothing needs
//! SameSite=None. Over TLS both are Secure and bound to the host by their `__Host-` prefix.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue};
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};

use super::AppState;
use crate::{
    engine::{Departure, EngineError, PAGE_SESSION_LIFE, SessionRefusal},
    model::{Handle, Session},
};

/// Name part of the cookie that finds a page session.
const SESSION: &str = "hitchpost_session";
/// Life of the cookie that binds a browser to an attempt.
const BINDING_LIFE: Duration = Duration::from_secs(10 * 60);

impl AppState {
    /// The cookie that finds a hosted page's session.
    pub fn session_cookie(&self, handle: &Handle) -> HeaderValue {
        self.cookie(SESSION, handle.expose(), PAGE_SESSION_LIFE)
    }

    /// The cookie of a browser that leaves for a provider.
    pub fn binding_cookie(&self, departure: &Departure) -> HeaderValue {
        self.cookie(&departure.cookie, departure.binding.expose(), BINDING_LIFE)
    }

    /// Takes an attempt's cookie away.
    pub fn spent_cookie(&self, name: &str) -> HeaderValue {
        self.cookie(name, "", Duration::ZERO)
    }

    /// The value of a cookie by its name part.
    pub fn cookie_value(&self, headers: &HeaderMap, name: &str) -> Option<String> {
        CookieJar::from_headers(headers).get(&self.full_name(name)).map(|cookie| cookie.value().to_owned())
    }

    /// The session that the cookie finds, and its handle for the page's forms.
    pub async fn page_session(&self, headers: &HeaderMap) -> Result<(Session, String), EngineError> {
        let handle = self.cookie_value(headers, SESSION).ok_or(SessionRefusal::MissingToken)?;
        let session = self.engine.session(&handle).await?;
        Ok((session, handle))
    }

    fn full_name(&self, name: &str) -> String {
        if self.is_secure() { format!("__Host-{name}") } else { name.to_owned() }
    }

    fn cookie(&self, name: &str, value: &str, life: Duration) -> HeaderValue {
        let seconds = i64::try_from(life.as_secs()).unwrap_or(i64::MAX);
        let cookie = Cookie::build((self.full_name(name), value.to_owned()))
            .path("/")
            .http_only(true)
            .secure(self.is_secure())
            .same_site(SameSite::Lax)
            .max_age(time::Duration::seconds(seconds))
            .build();
        HeaderValue::from_str(&cookie.to_string()).expect("handles are base64url")
    }
}
