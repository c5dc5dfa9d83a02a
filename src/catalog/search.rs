//! Finding an app by what people type: any case, without accents, with or without spaces, by another
//! name, by what it is for, and with one slip of the finger.
//!
//! The one place that says what fits and what fits better; page, embed and API all ask here. Names are
//! folded once, when an integration is loaded, so that a search over hundreds of apps costs little.

use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

/// How well an app fits a search; the greater comes first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Rank {
    /// One word is a slip of one letter away. Counts only when nothing fits as it was typed.
    Slip,
    /// Its family or a category begins with some of the words.
    About,
    /// Every word stands somewhere in its names.
    Somewhere,
    /// Every word begins a word of its names.
    Words,
    /// One of its own names begins with what was typed.
    Beginning,
    /// Another name of it is what was typed.
    Alias,
    /// Its name is what was typed.
    Whole,
}

/// What an app is found by.
#[derive(Clone, Debug, Default)]
pub struct Names {
    own: Vec<Folded>,
    others: Vec<Folded>,
    about: Vec<Folded>,
}

impl Names {
    /// `own` is what it is called on screen and its key, `others` what else people call it, `about` what it
    /// belongs to.
    pub fn new<'t>(
        own: impl IntoIterator<Item = &'t str>,
        others: impl IntoIterator<Item = &'t str>,
        about: impl IntoIterator<Item = &'t str>,
    ) -> Self {
        let (own, others) = (own.into_iter(), others.into_iter());
        Self {
            own: own.map(Folded::new).collect(),
            others: others.map(Folded::new).collect(),
            about: about.into_iter().map(Folded::new).collect(),
        }
    }

    fn names(&self) -> impl Iterator<Item = &Folded> {
        self.own.iter().chain(&self.others)
    }

    fn name_words(&self) -> impl Iterator<Item = &String> {
        self.names().flat_map(|name| &name.words)
    }

    fn about_words(&self) -> impl Iterator<Item = &String> {
        self.about.iter().flat_map(|name| &name.words)
    }
}

/// Text as it is compared: lower case, no accents, letters and digits only.
#[derive(Clone, Debug)]
struct Folded {
    words: Vec<String>,
    joined: String,
}

impl Folded {
    fn new(text: &str) -> Self {
        let lower = text.to_lowercase();
        let mut plain = String::with_capacity(lower.len());
        for letter in lower.nfkd().filter(|letter| !is_combining_mark(*letter)) {
            match letter {
                // What Unicode takes for letters of their own and keyboards elsewhere do not have.
                'ø' => plain.push('o'),
                'ł' => plain.push('l'),
                'đ' | 'ð' => plain.push('d'),
                'ı' => plain.push('i'),
                'ß' => plain.push_str("ss"),
                'æ' => plain.push_str("ae"),
                'œ' => plain.push_str("oe"),
                'þ' => plain.push_str("th"),
                // An apostrophe is left out, where other marks part words.
                '\'' | '’' => {}
                other => plain.push(other),
            }
        }
        let words = plain.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
        let words: Vec<String> = words.map(str::to_owned).collect();
        Self { joined: words.concat(), words }
    }

    /// Whether `joined` begins with one of the words and goes on without the spaces.
    fn has(&self, joined: &str) -> bool {
        let mut rest = self.joined.as_str();
        self.words.iter().any(|word| {
            let fits = rest.starts_with(joined);
            rest = &rest[word.len()..];
            fits
        })
    }
}

/// What somebody typed.
pub struct Search(Folded);

impl Search {
    /// Reads what was typed; `None` when that is nothing but spaces, which asks for no search.
    pub fn new(typed: &str) -> Option<Self> {
        (!typed.trim().is_empty()).then(|| Self(Folded::new(typed)))
    }

    /// How well an app fits as it was typed; `None` when it does not.
    pub fn rank(&self, names: &Names) -> Option<Rank> {
        let Folded { words, joined } = &self.0;
        if words.is_empty() {
            return None;
        }
        let stands = |word: &String| names.name_words().any(|known| known.contains(word));
        if names.own.iter().any(|name| name.joined == *joined) {
            Some(Rank::Whole)
        } else if names.others.iter().any(|name| name.joined == *joined) {
            Some(Rank::Alias)
        } else if names.own.iter().any(|name| name.joined.starts_with(joined)) {
            Some(Rank::Beginning)
        } else if words.iter().all(|word| names.name_words().any(|known| known.starts_with(word)))
            || names.names().any(|name| name.has(joined))
        {
            Some(Rank::Words)
        } else if words.iter().all(stands) {
            Some(Rank::Somewhere)
        } else if words.iter().all(|word| stands(word) || is_about(names, word)) {
            Some(Rank::About)
        } else {
            None
        }
    }

    /// Whether what was typed stands in the app's names.
    pub fn names(&self, names: &Names) -> bool {
        self.rank(names).is_some_and(|rank| rank >= Rank::Somewhere)
    }

    /// Those of `all` that fit, the best first; where two fit alike, in their own order. A slip of the
    /// finger is forgiven when nothing fits without.
    pub fn among<'n, T: Copy>(&self, all: &[T], names: impl Fn(T) -> &'n Names) -> Vec<(Rank, T)> {
        let mut found: Vec<_> = all.iter().filter_map(|one| Some((self.rank(names(*one))?, *one))).collect();
        if found.is_empty() {
            let slips = all.iter().filter(|one| self.slips(names(**one)));
            found = slips.map(|one| (Rank::Slip, *one)).collect();
        }
        found.sort_by_key(|(rank, _)| std::cmp::Reverse(*rank));
        found
    }

    /// Whether all words stand in the names but one, which is a slip away.
    fn slips(&self, names: &Names) -> bool {
        let Folded { words, joined } = &self.0;
        if names.names().any(|name| is_slip(joined, &name.joined)) {
            return true;
        }
        let stands =
            |word: &&String| names.name_words().any(|known| known.contains(*word)) || is_about(names, word);
        let mut strange = words.iter().filter(|word| !stands(word));
        match (strange.next(), strange.next()) {
            (Some(only), None) => {
                names.name_words().chain(names.about_words()).any(|known| is_slip(only, known))
            }
            _ => false,
        }
    }
}

fn is_about(names: &Names, word: &str) -> bool {
    word.len() > 1 && names.about_words().any(|known| known.starts_with(word))
}

/// Fewest letters among which a slip is forgiven, in a whole word and in the beginning of one.
const SLIP_IN_WORD: usize = 4;
const SLIP_IN_BEGINNING: usize = 5;

/// Whether `typed` is `meant`, or its beginning, with one letter more, less, wrong, or two swapped.
fn is_slip(typed: &str, meant: &str) -> bool {
    let (typed, meant): (Vec<char>, Vec<char>) = (typed.chars().collect(), meant.chars().collect());
    if typed.len() < SLIP_IN_WORD {
        return false;
    }
    let at = typed.iter().zip(&meant).take_while(|(one, other)| one == other).count();
    let (typed_rest, meant_rest) = (&typed[at..], &meant[at..]);
    let open_end = typed.len() >= SLIP_IN_BEGINNING;
    let fits = |typed: &[char], meant: &[char]| meant == typed || (open_end && meant.starts_with(typed));
    let (typed_tail, meant_tail) =
        (typed_rest.get(1..).unwrap_or_default(), meant_rest.get(1..).unwrap_or_default());
    let one_more = !typed_rest.is_empty() && fits(typed_tail, meant_rest);
    let one_less = !meant_rest.is_empty() && fits(typed_rest, meant_tail);
    let wrong = !typed_rest.is_empty() && !meant_rest.is_empty() && fits(typed_tail, meant_tail);
    let swapped = match (typed_rest, meant_rest) {
        ([a, b, typed @ ..], [c, d, meant @ ..]) => a == d && b == c && fits(typed, meant),
        _ => false,
    };
    one_more || one_less || wrong || swapped
}

#[cfg(test)]
mod tests {
    use super::*;

    struct App(&'static str, Names);

    fn app(name: &'static str, key: &'static str, aliases: &[&str], about: &[&str]) -> App {
        App(name, Names::new([name, key], aliases.iter().copied(), about.iter().copied()))
    }

    fn apps() -> Vec<App> {
        vec![
            app("Gmail", "gmail", &["google mail"], &["google", "email"]),
            app("Google Drive", "google-drive", &["gdrive", "gmail"], &["google", "storage"]),
            app("HubSpot", "hubspot", &[], &["crm"]),
            app("Mailchimp", "mailchimp", &["intuit mailchimp"], &["marketing"]),
            app("Microsoft Excel", "microsoft-excel", &["office", "office 365"], &["microsoft", "storage"]),
            app("Pennylane", "pennylane", &[], &["accounting"]),
            app("Café Ørsted", "cafe-orsted", &[], &["other"]),
            app("monday.com", "monday", &[], &["project-management"]),
        ]
    }

    /// Names of what is found, in order.
    fn found(typed: &str) -> Vec<&'static str> {
        let apps = apps();
        let all: Vec<_> = apps.iter().collect();
        let Some(search) = Search::new(typed) else { return all.iter().map(|app| app.0).collect() };
        search.among(&all, |app| &app.1).into_iter().map(|(_, app)| app.0).collect()
    }

    #[test]
    fn case_accents_spaces_and_marks_do_not_matter() {
        for typed in ["cafe orsted", "CAFÉ ØRSTED", "cafeorsted", "orsted  cafe", "cafe\u{301}", "ｃａｆé"]
        {
            assert_eq!(found(typed), ["Café Ørsted"], "{typed}");
        }
        assert_eq!(found("hub spot"), ["HubSpot"]);
        assert_eq!(found("googledrive"), ["Google Drive"]);
        assert_eq!(found("google-drive"), ["Google Drive"]);
        assert_eq!(found("mondaycom"), ["monday.com"]);
        assert_eq!(found("spot"), ["HubSpot"]);
    }

    #[test]
    fn another_name_finds_and_the_name_itself_comes_first() {
        assert_eq!(found("gmail"), ["Gmail", "Google Drive"]);
        assert_eq!(found("office"), ["Microsoft Excel"]);
        assert_eq!(found("Office 365"), ["Microsoft Excel"]);
        assert_eq!(found("mail"), ["Mailchimp", "Gmail", "Google Drive"]);
    }

    #[test]
    fn what_an_app_belongs_to_finds_it_last() {
        assert_eq!(found("google"), ["Google Drive", "Gmail"]);
        assert_eq!(found("accounting"), ["Pennylane"]);
        assert_eq!(found("microsoft storage"), ["Microsoft Excel"]);
        assert_eq!(found("c"), ["Café Ørsted", "monday.com", "Mailchimp", "Microsoft Excel"]);
    }

    #[test]
    fn one_slip_is_forgiven_and_two_are_not() {
        for typed in ["hubspto", "hubsot", "hubbspot", "hubspat", "gubspot", "hubsto", "hub spto"] {
            assert_eq!(found(typed), ["HubSpot"], "{typed}");
        }
        assert_eq!(found("gogle drive"), ["Google Drive"]);
        assert_eq!(found("acounting"), ["Pennylane"]);
        for typed in ["hbsopt", "hubspotted", "gogle drvie", "huu", "hupp"] {
            assert_eq!(found(typed), [""; 0], "{typed}");
        }
    }

    #[test]
    fn a_slip_counts_only_where_nothing_fits_as_typed() {
        let apps = [app("Slack", "slack", &[], &[]), app("Slab", "slab", &[], &[])];
        let all: Vec<_> = apps.iter().collect();
        let names = |typed| -> Vec<_> {
            let search = Search::new(typed).expect("a search");
            search.among(&all, |app| &app.1).into_iter().map(|(rank, app)| (rank, app.0)).collect()
        };

        assert_eq!(names("slab"), [(Rank::Whole, "Slab")]);
        assert_eq!(names("slak"), [(Rank::Slip, "Slack"), (Rank::Slip, "Slab")]);
    }

    #[test]
    fn spaces_are_no_search_and_marks_alone_find_nothing() {
        assert!(Search::new(" \t").is_none());
        assert_eq!(found("&"), [""; 0]);
        assert_eq!(found("no such <app>"), [""; 0]);
    }

    #[test]
    fn a_name_is_told_from_what_an_app_is_for() {
        let gmail = &apps()[0].1;

        assert!(Search::new("GMA").expect("a search").names(gmail));
        assert!(!Search::new("email").expect("a search").names(gmail));
        assert_eq!(Search::new("email").expect("a search").rank(gmail), Some(Rank::About));
    }
}
