//! `/sandbox/embed`: the example of `examples/embed.html`, filled in for the demo's customer.

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::http::{AppState, Refusal};

/// The file to copy. `{{ embed_url }}` is where its reader puts the address.
const EXAMPLE: &str = include_str!("../../examples/embed.html");

/// `GET /sandbox/embed`
pub async fn embed(State(state): State<AppState>) -> Result<Response, Refusal> {
    let workspace = state.demo_workspace.as_deref().ok_or_else(|| Refusal::not_found("page"))?;
    let token = state.engine.demo_token(workspace).await?;
    let address = format!("{}/embed/main?token={}", state.origin.as_str(), token.expose());
    let page = EXAMPLE.replace("{{ embed_url }}", &address);
    let policy = format!(
        "default-src 'none'; style-src {}; script-src {}; frame-src {}; base-uri 'none'; frame-ancestors 'none'",
        sources(&page, "style"),
        sources(&page, "script"),
        state.origin.as_str(),
    );
    let mut response = (StatusCode::OK, Html(page)).into_response();
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    Ok(response)
}

/// Hashes of the example's own inline blocks: it is one file to copy, so it has them inline.
fn sources(page: &str, tag: &str) -> String {
    let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
    let blocks = page.split(&open).skip(1).filter_map(|rest| rest.split_once(&close));
    let hashes =
        blocks.map(|(block, _)| format!("'sha256-{}'", STANDARD.encode(digest(&SHA256, block.as_bytes()))));
    hashes.collect::<Vec<_>>().join(" ")
}
