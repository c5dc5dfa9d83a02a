//! Addresses of our own pages, as links on them are written.
//!
//! The only place that knows that links inside the embed carry the session.

use url::form_urlencoded::{Serializer, byte_serialize};

use crate::app::view::{Shell, Surface};

/// The catalog in an embed.
pub const MAIN: &str = "/embed/main";

impl Shell {
    /// The catalog, or what an embed was opened with, with `pairs` (raw; empty values are left out) as its query.
    pub fn home(&self, pairs: &[(&str, &str)]) -> String {
        self.address(
            match self.surface {
                Surface::Page => "/".to_owned(),
                Surface::Embed if self.opened_at.is_empty() => MAIN.to_owned(),
                Surface::Embed => self.opened_at.clone(),
            },
            pairs,
        )
    }

    /// Whether the ways back lead to the catalog: an embed may have been opened for one app only.
    pub fn has_catalog(&self) -> bool {
        self.surface == Surface::Page || self.opened_at.is_empty() || self.opened_at == MAIN
    }

    /// Where connecting the app with integration `key` began, to begin again.
    pub fn start(&self, key: &str) -> String {
        if self.has_catalog() { self.app(key, &[]) } else { self.home(&[]) }
    }

    /// Where an embed that ends with a connection goes when there is one.
    pub fn connected(&self) -> Option<String> {
        self.connects.then(|| self.address("/embed/connected".to_owned(), &[]))
    }

    /// The page of the app with integration `key`.
    pub fn app(&self, key: &str, pairs: &[(&str, &str)]) -> String {
        let key = segment(key);
        self.address(
            match self.surface {
                Surface::Page => format!("/apps/{key}"),
                Surface::Embed if self.connects => format!("/embed/integrations/{key}/connect"),
                Surface::Embed => format!("/embed/integrations/{key}"),
            },
            pairs,
        )
    }

    /// What a GET form has to carry as hidden fields: the pairs every link carries.
    pub fn carried(&self) -> Vec<(String, String)> {
        if self.surface == Surface::Page {
            return Vec::new();
        }
        self.session.iter().map(|session| ("session".to_owned(), session.clone())).collect()
    }

    fn address(&self, path: String, pairs: &[(&str, &str)]) -> String {
        let mut query = Serializer::new(String::new());
        if let (Surface::Embed, Some(session)) = (self.surface, &self.session) {
            query.append_pair("session", session);
        }
        query.extend_pairs(pairs.iter().filter(|(_, value)| !value.is_empty()));
        let query = query.finish();
        if query.is_empty() { path } else { format!("{path}?{query}") }
    }
}

/// Encodes one path segment.
pub fn segment(text: &str) -> String {
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
    fn a_link_in_the_embed_carries_the_session() {
        let shell = Shell { surface: Surface::Embed, session: Some("s3".to_owned()), ..Shell::default() };

        assert_eq!(shell.home(&[("q", "x")]), "/embed/main?session=s3&q=x");
        assert_eq!(shell.app("hubspot", &[]), "/embed/integrations/hubspot?session=s3");
        assert_eq!(shell.carried(), [("session".to_owned(), "s3".to_owned())]);
        assert!(shell.has_catalog() && shell.connected().is_none());
    }

    #[test]
    fn an_embed_for_one_app_leads_back_to_where_it_was_opened() {
        let shell = Shell {
            surface: Surface::Embed,
            session: Some("s3".to_owned()),
            opened_at: "/embed/connections/c1/refresh".to_owned(),
            connects: true,
            ..Shell::default()
        };

        assert_eq!(shell.home(&[]), "/embed/connections/c1/refresh?session=s3");
        assert_eq!(shell.start("hubspot"), shell.home(&[]));
        assert_eq!(shell.app("hubspot", &[]), "/embed/integrations/hubspot/connect?session=s3");
        assert_eq!(shell.connected().as_deref(), Some("/embed/connected?session=s3"));
        assert!(!shell.has_catalog());
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
