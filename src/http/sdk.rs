//! Our own SDK as browsers load it: `/sdk.js`, `/sdk.global.js` and `/sdk.d.ts`, all from the package
//! in `sdk/`.
//!
//! The server writes its own address in, and leaves out what only a reader needs. Every site may load
//! them: there is nothing in them that is not in the repository.

use axum::{
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::IntoResponse,
};
use tower_http::{CompressionLevel, compression::CompressionLayer};

use super::{AppState, tagged::Tagged};
use crate::model::redirect::Origin;

const SOURCE: &str = include_str!("../../sdk/hitchpost.js");
const TYPES: &str = include_str!("../../sdk/hitchpost.d.ts");
/// Where the source leaves room for the server's address.
const ADDRESS: &str = "let server = \"\";";
/// What the source gives to whoever imports it; a script puts the same into one global object.
const EXPORT: &str = "export { HitchpostClient, HitchpostError, configure, connect };";
const SCRIPT: &str = "text/javascript; charset=utf-8";
/// Of gzip and brotli alike.
const LEVEL: CompressionLevel = CompressionLevel::Precise(6);

/// The three files of a server.
pub struct Sdk {
    module: Tagged,
    script: Tagged,
    types: Tagged,
}

impl Sdk {
    /// For a server at this origin.
    pub fn new(origin: &Origin) -> Self {
        let source = SOURCE.replacen(ADDRESS, &format!("let server = \"{origin}\";"), 1);
        Self {
            module: Tagged::new(lean(&source), SCRIPT),
            script: Tagged::new(classic(&source), SCRIPT),
            types: Tagged::new(TYPES, "text/plain; charset=utf-8"),
        }
    }
}

/// `GET /sdk.js`: the ES module.
pub async fn module(State(state): State<AppState>, asked: HeaderMap) -> impl IntoResponse {
    (open_to_all(), state.sdk.module.answer(&asked))
}

/// `GET /sdk.global.js`: the same as `window.Hitchpost`.
pub async fn script(State(state): State<AppState>, asked: HeaderMap) -> impl IntoResponse {
    (open_to_all(), state.sdk.script.answer(&asked))
}

/// `GET /sdk.d.ts`: the types of both.
pub async fn types(State(state): State<AppState>, asked: HeaderMap) -> impl IntoResponse {
    (open_to_all(), state.sdk.types.answer(&asked))
}

/// Compresses them. Small matters more than fast here: a browser asks once in a while.
pub fn packed() -> CompressionLayer {
    CompressionLayer::new().quality(LEVEL)
}

/// Pages of every origin may load it, isolated ones too.
fn open_to_all() -> [(HeaderName, HeaderValue); 2] {
    [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
        (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("cross-origin")),
    ]
}

/// The module as a script of its own, `window.Hitchpost`.
fn classic(script: &str) -> String {
    let names = EXPORT.trim_start_matches("export ");
    let global = script.replacen(EXPORT, &format!("window.Hitchpost = {names}"), 1);
    format!("(() => {{\n\"use strict\";\n{}}})();\n", lean(&global))
}

/// The same program without comments, indentation and spaces between signs. Lines stay lines.
fn lean(script: &str) -> String {
    let lines = script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
    lines.map(|line| squeezed(line) + "\n").collect()
}

/// A line without spaces beside signs, except inside a text.
fn squeezed(line: &str) -> String {
    let is_word = |letter: char| letter.is_alphanumeric() || "_$#".contains(letter);
    let mut kept = String::with_capacity(line.len());
    let mut inside = None;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match inside {
            Some(quote) => {
                if letter == '\\' {
                    kept.push(letter);
                    kept.extend(letters.next());
                    continue;
                }
                inside = (letter != quote).then_some(quote);
            }
            None if letter == '"' || letter == '`' => inside = Some(letter),
            None if letter == ' ' => {
                let before = kept.chars().next_back().is_some_and(is_word);
                if !(before && letters.peek().copied().is_some_and(is_word)) {
                    continue;
                }
            }
            None => {}
        }
        kept.push(letter);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_has_what_is_replaced_once_each() {
        for part in [ADDRESS, EXPORT] {
            assert_eq!(SOURCE.matches(part).count(), 1, "{part}");
        }
        assert!(SOURCE.trim_end().ends_with(EXPORT));
    }

    #[test]
    fn the_package_has_the_version_of_the_server() {
        let version = concat!("\"version\": \"", env!("CARGO_PKG_VERSION"), "\"");

        assert!(include_str!("../../sdk/package.json").contains(version));
    }

    /// What the header of the source promises, so that [`lean`] may go line by line.
    #[test]
    fn no_text_of_the_source_runs_over_several_lines() {
        for line in SOURCE.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
            assert_eq!(line.matches('`').count() % 2, 0, "{line}");
            assert_eq!(line.matches('"').count() % 2, 0, "{line}");
            assert!(!line.contains('\'') && !line.starts_with("/*") && !line.contains(" // "), "{line}");
        }
    }

    #[test]
    fn spaces_go_where_only_a_reader_needs_them() {
        for (line, left) in [
            (
                "  const get = (path) => () => this.request(\"GET\", path);",
                "const get=(path)=>()=>this.request(\"GET\",path);",
            ),
            ("throw refusal(\"no_url\", `a ${b} \\` c`);", "throw refusal(\"no_url\",`a ${b} \\` c`);"),
            (
                "for (const [name, value] of Object.entries(all)) return #held in this;",
                "for(const[name,value]of Object.entries(all))return #held in this;",
            ),
            ("// a comment", ""),
        ] {
            assert_eq!(lean(line).trim_end(), left);
        }
    }
}
