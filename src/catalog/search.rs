//! Finding an app by what people type.

/// How well an app fits a query; the greater comes first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Rank {
    /// Every word stands somewhere in its names.
    Somewhere,
    /// One of its names begins with the query.
    Beginning,
    /// One of its names is the query.
    Whole,
}

/// How well `query` fits; `None` when it does not. An empty query fits everything.
pub fn rank(query: &str, name: &str, key: &str, aliases: &[String]) -> Option<Rank> {
    let query = query.trim().to_lowercase();
    let names: Vec<String> =
        [name, key].into_iter().chain(aliases.iter().map(String::as_str)).map(str::to_lowercase).collect();
    let every = query.split_whitespace().all(|word| names.iter().any(|name| name.contains(word)));
    if !every {
        None
    } else if query.is_empty() {
        Some(Rank::Somewhere)
    } else if names.contains(&query) {
        Some(Rank::Whole)
    } else if names.iter().any(|name| name.starts_with(&query)) {
        Some(Rank::Beginning)
    } else {
        Some(Rank::Somewhere)
    }
}

/// Whether every word of `query` stands in one of the app's names, whatever the case.
pub fn matches(query: &str, name: &str, key: &str, aliases: &[String]) -> bool {
    rank(query, name, key, aliases).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drive(query: &str) -> Option<Rank> {
        rank(query, "Google Drive", "google-drive", &["gdrive".to_owned()])
    }

    #[test]
    fn every_word_must_be_found_in_any_order_and_case() {
        assert!(matches("DRIVE google", "Google Drive", "google-drive", &[]));
        assert!(matches("  ", "Google Drive", "google-drive", &[]));
        assert!(matches("gdr", "Google Drive", "google-drive", &["GDrive".to_owned()]));
        assert!(!matches("google sheets", "Google Drive", "google-drive", &[]));
    }

    #[test]
    fn a_whole_name_comes_before_a_beginning_before_the_rest() {
        assert_eq!(drive(" Google Drive "), Some(Rank::Whole));
        assert_eq!(drive("gdrive"), Some(Rank::Whole));
        assert_eq!(drive("goo"), Some(Rank::Beginning));
        assert_eq!(drive("drive"), Some(Rank::Somewhere));
        assert_eq!(drive("sheets"), None);
        assert!(Rank::Whole > Rank::Beginning && Rank::Beginning > Rank::Somewhere);
    }
}
