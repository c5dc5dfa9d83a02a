//! Style, script and pictures, each at an address that contains its hash and may be kept for ever.

use std::{borrow::Cow, collections::HashMap, sync::RwLock};

use axum::{
    body::Body,
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use rust_embed::RustEmbed;

use super::AppState;
use crate::{
    catalog::logo::{Logo, content_hash},
    model::Theme,
};

const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
/// Style files in the order they apply.
const STYLES: [&str; 8] = [
    "tokens.css",
    "base.css",
    "parts.css",
    "connections.css",
    "catalog.css",
    "pages.css",
    "forms.css",
    "messages.css",
];

#[derive(RustEmbed)]
#[folder = "style/"]
struct Style;

#[derive(RustEmbed)]
#[folder = "public/"]
struct Scripts;

struct Asset {
    bytes: Cow<'static, [u8]>,
    media_type: &'static str,
}

/// All assets by file name.
pub struct Assets {
    fixed: HashMap<String, Asset>,
    /// Logos and themes, which workspaces bring along while the server runs.
    later: RwLock<HashMap<String, Asset>>,
    css: String,
    js: String,
    frame_js: String,
    reference_css: String,
}

/// A script without what only a reader needs: lines of comment, and indentation. No text of ours runs over
/// several lines.
fn script(name: &str) -> Cow<'static, [u8]> {
    let file = Scripts::get(name).map(|file| file.data).unwrap_or_default();
    let text = String::from_utf8_lossy(&file);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
    lines.flat_map(|line| [line, "\n"]).collect::<String>().into_bytes().into()
}

impl Assets {
    /// Takes in what the binary carries.
    pub fn new() -> Self {
        let css: Vec<u8> = STYLES
            .iter()
            .filter_map(|name| Style::get(name))
            .flat_map(|file| file.data.into_owned())
            .collect();
        let mut assets = Self {
            fixed: HashMap::new(),
            later: RwLock::default(),
            css: String::new(),
            js: String::new(),
            frame_js: String::new(),
            reference_css: String::new(),
        };
        assets.css = assets.add("hitchpost", "css", CSS, Cow::Owned(css));
        let reference = Style::get("reference.css").map(|file| file.data).unwrap_or_default();
        assets.reference_css = assets.add("reference", "css", CSS, reference);
        assets.js = assets.add("hitchpost", "js", JS, script("hitchpost.js"));
        assets.frame_js = assets.add("frame", "js", JS, script("frame.js"));
        assets
    }

    /// Address of the style sheet.
    pub fn css(&self) -> String {
        self.css.clone()
    }

    /// Address of the script.
    pub fn js(&self) -> String {
        self.js.clone()
    }

    /// Address of the script that talks to the page around an embed.
    pub fn frame_js(&self) -> String {
        self.frame_js.clone()
    }

    /// Address of what the API reference has beside the style sheet.
    pub fn reference_css(&self) -> String {
        self.reference_css.clone()
    }

    /// Address of a logo.
    pub fn logo(&self, logo: &Logo) -> String {
        let file = logo.file();
        let is_known = self.later.read().expect("nothing panics while holding it").contains_key(&file);
        if is_known {
            return format!("/assets/{file}");
        }
        self.add_later(file, logo.bytes.clone(), logo.media_type)
    }

    /// Address of a workspace's theme; none when it sets nothing.
    pub fn theme(&self, theme: &Theme) -> Option<String> {
        let mut css = String::new();
        if let Some(accent) = &theme.accent {
            css.push_str(&format!("--accent:{accent};"));
        }
        if let Some(radius) = theme.radius {
            css.push_str(&format!("--radius:{radius}px;"));
        }
        if css.is_empty() {
            return None;
        }
        let css = format!(":root{{{css}}}").into_bytes();
        let name = format!("theme-{}.css", content_hash(&css));
        Some(self.add_later(name, Cow::Owned(css), CSS))
    }

    /// Address of a workspace's own picture.
    pub fn picture(&self, own: Option<&str>) -> Option<String> {
        own.and_then(Logo::of_data).map(|logo| self.logo(&logo))
    }

    fn add(&mut self, name: &str, end: &str, media_type: &'static str, bytes: Cow<'static, [u8]>) -> String {
        let file = format!("{name}-{}.{end}", content_hash(&bytes));
        let address = format!("/assets/{file}");
        self.fixed.insert(file, Asset { bytes, media_type });
        address
    }

    fn add_later(&self, file: String, bytes: Cow<'static, [u8]>, media_type: &'static str) -> String {
        let address = format!("/assets/{file}");
        let is_known = self.later.read().expect("nothing panics while holding it").contains_key(&file);
        if !is_known {
            let mut later = self.later.write().expect("nothing panics while holding it");
            later.insert(file, Asset { bytes, media_type });
        }
        address
    }

    fn response(&self, file: &str) -> Option<Response> {
        if let Some(asset) = self.fixed.get(file) {
            return Some(asset.response());
        }
        self.later.read().expect("nothing panics while holding it").get(file).map(Asset::response)
    }
}

impl Default for Assets {
    fn default() -> Self {
        Self::new()
    }
}

impl Asset {
    fn response(&self) -> Response {
        let body = Body::from(self.bytes.clone().into_owned());
        let mut response = body.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        headers
            .insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
        // An SVG opened on its own is a document: it may draw and nothing else.
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(
                "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'",
            ),
        );
        response
    }
}

/// `GET /assets/{file}`.
pub async fn serve(State(state): State<AppState>, Path(file): Path<String>) -> Response {
    state.assets.response(&file).unwrap_or_else(|| StatusCode::NOT_FOUND.into_response())
}
