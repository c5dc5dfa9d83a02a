//! How an OAuth 1 provider says no (OAuth Problem Reporting).

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

use crate::{model::Timestamp, sandbox::reply};

/// `Date` as HTTP writes it (RFC 9110 §5.6.7).
const HTTP_DATE: &[BorrowedFormatItem<'_>] =
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");

/// Why a signed call is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::sandbox) struct Problem {
    /// `oauth_problem`.
    pub(in crate::sandbox) code: &'static str,
    /// What the developer can do about it.
    pub(in crate::sandbox) why: &'static str,
}

/// Shorthand for [`Problem`].
pub(super) const fn problem(code: &'static str, why: &'static str) -> Problem {
    Problem { code, why }
}

impl Problem {
    /// `WWW-Authenticate` of the refusal.
    pub(in crate::sandbox) fn challenge(self) -> HeaderValue {
        let text = format!("OAuth realm=\"sandbox\", oauth_problem=\"{}\"", self.code);
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("OAuth realm=\"sandbox\""))
    }

    /// The refusal of one of the steps, form-encoded like their other answers. It tells the time, so
    /// that a client whose clock is wrong can learn it.
    pub(super) fn answer(self, now: Timestamp) -> Response {
        let pairs = [("oauth_problem", self.code), ("oauth_problem_advice", self.why)];
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let status = if self.code.starts_with("parameter") {
            StatusCode::BAD_REQUEST
        } else {
            StatusCode::UNAUTHORIZED
        };
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        let headers = [(header::CONTENT_TYPE, kind), (header::WWW_AUTHENTICATE, self.challenge())];
        let mut response = (status, headers, body).into_response();
        tell_time(&mut response, now);
        reply::unstored(response)
    }
}

/// Puts the sandbox's own time on a reply.
pub(in crate::sandbox) fn tell_time(response: &mut Response, now: Timestamp) {
    let date = OffsetDateTime::from_unix_timestamp(now.seconds())
        .ok()
        .and_then(|time| time.format(HTTP_DATE).ok())
        .and_then(|date| HeaderValue::from_str(&date).ok());
    if let Some(date) = date {
        response.headers_mut().insert(header::DATE, date);
    }
}
