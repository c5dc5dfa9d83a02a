//! An app's picture: the embedded logo, or a monogram drawn from its name.
//!
//! Simple shapes only: no script, no style, no reference to anything outside. Logos are drawn on
//! a white tile, so a dark mark is fine in either scheme.

use std::borrow::Cow;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rust_embed::RustEmbed;

use super::connector::Connector;

/// `public/logos/`, one file per simple-icons slug.
#[derive(RustEmbed)]
#[folder = "public/logos/"]
// A missing folder is no compile error; the tests of this room look for what must be there.
#[allow_missing = true]
struct Files;

/// A picture and a short name for its content.
#[derive(Clone, Debug)]
pub struct Logo {
    /// SVG or PNG.
    pub bytes: Cow<'static, [u8]>,
    /// `image/svg+xml` or `image/png`.
    pub media_type: &'static str,
    /// Twelve hexadecimal characters of its SHA-256, for an address that never changes.
    pub hash: String,
    /// Drawn from the name; it has a ground of its own and needs no tile.
    pub is_monogram: bool,
}

/// The connector's logo.
pub fn svg(connector: &Connector) -> Logo {
    let file = connector.logo.as_ref().and_then(|slug| Files::get(&format!("{slug}.svg")));
    match file {
        Some(file) => Logo::of(file.data),
        None => {
            let drawn = Cow::Owned(monogram(connector).into_bytes());
            Logo { is_monogram: true, ..Logo::of(drawn) }
        }
    }
}

impl Logo {
    fn of(bytes: Cow<'static, [u8]>) -> Self {
        Self::typed(bytes, "image/svg+xml")
    }

    fn typed(bytes: Cow<'static, [u8]>, media_type: &'static str) -> Self {
        Self { hash: content_hash(&bytes), bytes, media_type, is_monogram: false }
    }

    /// A picture of a workspace's own: `data:image/svg+xml;base64,…` or PNG, as the store keeps it.
    pub fn of_data(text: &str) -> Option<Self> {
        let (media_type, data) = text.strip_prefix("data:")?.split_once(";base64,")?;
        let media_type = ["image/svg+xml", "image/png"].into_iter().find(|known| *known == media_type)?;
        Some(Self::typed(Cow::Owned(STANDARD.decode(data).ok()?), media_type))
    }

    /// Name of the file it is served as. Pages tell a monogram by it.
    pub fn file(&self) -> String {
        let begin = if self.is_monogram { "monogram" } else { "logo" };
        let end = if self.media_type == "image/png" { "png" } else { "svg" };
        format!("{begin}-{}.{end}", self.hash)
    }
}

/// Twelve hexadecimal characters of the SHA-256 of `bytes`: good for an address that never changes.
pub fn content_hash(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// One or two letters on a rounded square.
fn monogram(connector: &Connector) -> String {
    let letters = escape(&initials(&connector.name));
    let title = escape(&connector.name);
    let back = ground(connector);
    let ink = if luminance(back) > INK_TURNS { "#1b1b1f" } else { "#ffffff" };
    let [red, green, blue] = back;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 24 24\" role=\"img\"><title>{title}</title>\
         <rect width=\"24\" height=\"24\" rx=\"5\" fill=\"#{red:02x}{green:02x}{blue:02x}\"/>\
         <text x=\"12\" y=\"12\" dy=\".36em\" fill=\"{ink}\" font-family=\"system-ui, sans-serif\" font-size=\"10\" \
         font-weight=\"600\" text-anchor=\"middle\">{letters}</text></svg>"
    )
}

/// The first letters of the first two words, or of the two halves of a word like `SendGrid`.
fn initials(name: &str) -> String {
    let words: Vec<&str> =
        name.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let mut letters: Vec<char> = words.iter().take(2).filter_map(|word| word.chars().next()).collect();
    if let [word] = words[..] {
        letters.extend(word.chars().skip(1).find(|letter| letter.is_uppercase()));
    }
    letters.into_iter().flat_map(char::to_uppercase).take(2).collect()
}

/// The connector's colour, or one that its key always gets.
fn ground(connector: &Connector) -> [u8; 3] {
    let digits = connector.color.as_deref().and_then(|color| color.strip_prefix('#'));
    if let Some(number) = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) {
        let [_, red, green, blue] = number.to_be_bytes();
        return [red, green, blue];
    }
    let hash = digest(&SHA256, connector.key.as_bytes());
    STABLE[usize::from(hash.as_ref()[0]) % STABLE.len()]
}

/// Calm grounds for apps without a colour; white letters read well on each.
const STABLE: [[u8; 3]; 8] = [
    [0x3b, 0x5b, 0xdb],
    [0x0b, 0x72, 0x85],
    [0x24, 0x76, 0x35],
    [0x9c, 0x36, 0xb5],
    [0xc2, 0x25, 0x5c],
    [0xc9, 0x2a, 0x2a],
    [0x86, 0x5d, 0x00],
    [0x49, 0x50, 0x57],
];

/// The luminance where black and white letters have the same contrast: (L+0.05)² = 1.05 × 0.05.
const INK_TURNS: f64 = 0.179;

/// Relative luminance, WCAG 2.
fn luminance(color: [u8; 3]) -> f64 {
    let [red, green, blue] = color.map(|channel| {
        let part = f64::from(channel) / 255.0;
        if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    });
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // XML has no way to write most control characters.
            control if control.is_control() => {}
            plain => escaped.push(plain),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::parse;

    fn connector(name: &str, color: &str) -> Connector {
        let text = format!(
            "name = {name:?}\n{color}\n[[auth]]\ntype = \"api-key\"\nuse = {{ headers = {{ A = \"{{{{k}}}}\" }} }}\n\
             field = [{{ name = \"k\", title = \"Key\", secret = true }}]"
        );
        parse::connector("some-app", "some-app.toml", &text).expect("a connector")
    }

    fn text(connector: &Connector) -> String {
        String::from_utf8(svg(connector).bytes.into_owned()).expect("SVG is text")
    }

    #[test]
    fn an_app_without_a_logo_shows_its_initials() {
        for (name, letters) in
            [("SendGrid", ">SG<"), ("Some App Now", ">SA<"), ("zoom", ">Z<"), ("éa", ">É<")]
        {
            assert!(text(&connector(name, "")).contains(letters), "{name}");
        }
    }

    #[test]
    fn letters_are_dark_on_a_light_ground() {
        assert!(text(&connector("A", "color = \"#FFEE00\"")).contains("fill=\"#1b1b1f\""));
        assert!(text(&connector("A", "color = \"#03363D\"")).contains("fill=\"#ffffff\""));
        for ground in STABLE {
            assert!(1.05 / (luminance(ground) + 0.05) >= 4.5, "{ground:?}");
        }
    }

    #[test]
    fn a_name_cannot_break_out_of_the_picture() {
        let drawn = text(&connector("<script>\"&", ""));

        assert!(drawn.contains("<title>&lt;script&gt;&quot;&amp;</title>"));
        assert!(!drawn.contains("<script"));
    }

    #[test]
    fn the_same_picture_has_the_same_hash() {
        let one = svg(&connector("A", ""));

        assert_eq!(one.hash, svg(&connector("A", "")).hash);
        assert_ne!(one.hash, svg(&connector("B", "")).hash);
        assert_eq!(one.hash.len(), 12);
    }
}
