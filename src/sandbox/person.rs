//! The two people who have an account with every sandboxed app.

use serde::{Deserialize, Serialize};

/// Who signs in at the consent page, or owns a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Person {
    Alice,
    Bob,
}

impl Person {
    /// In the order of the consent page.
    pub(super) const ALL: [Self; 2] = [Self::Alice, Self::Bob];

    /// Reads [`Person::key`].
    pub(super) fn parse(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|person| person.key() == key)
    }

    /// Whose key this is: Bob's when it says so.
    pub(super) fn of_key(key: &str) -> Self {
        if key.to_ascii_lowercase().contains("bob") { Self::Bob } else { Self::Alice }
    }

    /// How many workspaces the owner of a key has: two when it says so.
    pub(super) fn items_of_key(key: &str) -> u8 {
        if key.to_ascii_lowercase().contains("several") { 2 } else { 1 }
    }

    /// Name in forms and tokens.
    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::Alice => "alice",
            Self::Bob => "bob",
        }
    }

    /// Name on screen.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Alice => "Alice Example",
            Self::Bob => "Bob Example",
        }
    }

    /// Address on screen.
    pub(super) const fn email(self) -> &'static str {
        match self {
            Self::Alice => "alice@example.com",
            Self::Bob => "bob@example.com",
        }
    }

    /// What an app says about this person at the dotted path `path` of a reply: an address where
    /// the path asks for one, a name where it asks for that, otherwise an id.
    pub(super) fn said_at(self, path: &str) -> String {
        let last = path.rsplit('.').next().unwrap_or(path).to_ascii_lowercase();
        let key = self.key();
        if last.contains("mail") {
            self.email().to_owned()
        } else if last.contains("domain") {
            format!("{key}.example.com")
        } else if last.contains("login") || last.contains("username") || last.contains("handle") {
            format!("{key}-example")
        } else if last.contains("name") || last.contains("label") || last.contains("title") {
            self.name().to_owned()
        } else {
            format!("sandbox-{key}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_decides_how_a_person_is_named() {
        assert_eq!(Person::Alice.said_at("user.emailAddress"), "alice@example.com");
        assert_eq!(Person::Bob.said_at("login"), "bob-example");
        assert_eq!(Person::Bob.said_at("workspace_name"), "Bob Example");
        assert_eq!(Person::Alice.said_at("data.viewer.id"), "sandbox-alice");
    }

    #[test]
    fn a_key_is_alices_unless_it_says_bob() {
        assert_eq!(Person::of_key("sk_test_sandbox"), Person::Alice);
        assert_eq!(Person::of_key("sk_test_sandbox_BOB"), Person::Bob);
    }
}
