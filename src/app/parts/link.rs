//! Addresses of our own pages, as links on them are written.
//!
//! The only place that knows that links inside the embed carry the session.

use url::form_urlencoded::{Serializer, byte_serialize};

use crate::app::view::{Shell, Surface};

impl Shell {
    /// The catalog, with `pairs` (raw; empty values are left out) as its query.
    pub fn home(&self, pairs: &[(&str, &str)]) -> String {
        self.address(
            match self.surface {
                Surface::Page => "/".to_owned(),
                Surface::Embed => "/embed/main".to_owned(),
            },
            pairs,
        )
    }

    /// The page of the app with integration `key`.
    pub fn app(&self, key: &str, pairs: &[(&str, &str)]) -> String {
        let key = segment(key);
        self.address(
            match self.surface {
                Surface::Page => format!("/apps/{key}"),
                Surface::Embed => format!("/embed/integrations/{key}/connect"),
            },
            pairs,
        )
    }

    /// What a GET form has to carry as hidden fields: the pairs every link carries.
    pub fn carried(&self) -> Vec<(String, String)> {
        if self.surface == Surface::Page {
            return Vec::new();
        }
        let session = self.session.iter().map(|session| ("session".to_owned(), session.clone()));
        session.chain(self.embed_query.iter().cloned()).collect()
    }

    fn address(&self, path: String, pairs: &[(&str, &str)]) -> String {
        let mut query = Serializer::new(String::new());
        if self.surface == Surface::Embed {
            if let Some(session) = &self.session {
                query.append_pair("session", session);
            }
            query.extend_pairs(&self.embed_query);
        }
        query.extend_pairs(pairs.iter().filter(|(_, value)| !value.is_empty()));
        let query = query.finish();
        if query.is_empty() { path } else { format!("{path}?{query}") }
    }
}

/// Encodes one path segment.
fn segment(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

/// An address that may stand in a link: ours, or http(s). Anything else, such as `javascript:`,
/// is no address.
pub fn safe(href: &str) -> Option<String> {
    let ours = href.starts_with('/') && !href.starts_with("//") && !href.starts_with("/\\");
    let web = href.starts_with("https://") || href.starts_with("http://");
    (ours || web).then(|| href.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_on_a_page_of_its_own_carries_no_session() {
        let shell = Shell { session: Some("s3".to_owned()), ..Shell::default() };

        assert_eq!(shell.home(&[]), "/");
        assert_eq!(shell.home(&[("q", "a&b"), ("category", "")]), "/?q=a%26b");
        assert_eq!(shell.app("hub spot/..", &[]), "/apps/hub%20spot%2F..");
        assert_eq!(shell.carried(), Vec::new());
    }

    #[test]
    fn a_link_in_the_embed_carries_the_session_and_what_the_embed_was_opened_with() {
        let shell = Shell {
            surface: Surface::Embed,
            session: Some("s3".to_owned()),
            embed_query: vec![("theme".to_owned(), "dark".to_owned())],
            ..Shell::default()
        };

        assert_eq!(shell.home(&[("q", "x")]), "/embed/main?session=s3&theme=dark&q=x");
        assert_eq!(shell.app("hubspot", &[]), "/embed/integrations/hubspot/connect?session=s3&theme=dark");
        assert_eq!(shell.carried().len(), 2);
    }

    #[test]
    fn a_script_is_no_address() {
        assert_eq!(safe("javascript:alert(1)"), None);
        assert_eq!(safe("//evil.example"), None);
        assert_eq!(safe("/\\evil.example"), None);
        assert_eq!(safe("data:text/html,x"), None);
        assert_eq!(safe("https://hubspot.com").as_deref(), Some("https://hubspot.com"));
        assert_eq!(safe("/?q=x").as_deref(), Some("/?q=x"));
    }
}
