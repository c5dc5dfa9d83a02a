//! Texts that change only with the server: kept for a while, then asked after by their tag.

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::catalog::logo::content_hash;

/// As long as it may be behind a server that was just renewed.
const KEPT: &str = "public, max-age=300";

/// A text with what changes when it does.
pub struct Tagged {
    text: Bytes,
    media_type: HeaderValue,
    tag: String,
}

impl Tagged {
    /// Takes the text in.
    pub fn new(text: impl Into<Bytes>, media_type: &'static str) -> Self {
        let text = text.into();
        let tag = format!("\"{}\"", content_hash(&text));
        Self { text, media_type: HeaderValue::from_static(media_type), tag }
    }

    /// The text; who shows its tag is told that it is the same.
    pub fn answer(&self, asked: &HeaderMap) -> Response {
        let known = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|tags| tags.to_str().ok());
        // Compression makes a tag weak on its way out.
        let mut tags = known.flat_map(|tags| tags.split(',')).map(|tag| tag.trim().trim_start_matches("W/"));
        let kept = [(header::CACHE_CONTROL, KEPT), (header::ETAG, &self.tag)];
        if tags.any(|tag| tag == "*" || tag == self.tag) {
            return (StatusCode::NOT_MODIFIED, kept).into_response();
        }
        (kept, [(header::CONTENT_TYPE, self.media_type.clone())], self.text.clone()).into_response()
    }
}
