//! Sentences about connections and attempts.

use crate::model::{FailureKey, Timestamp};

/// Way back from a page that asks.
pub const BACK_TO_APP: &str = "Back";

/// `Added today`, `Added 3 days ago`.
pub fn added(then: Timestamp, now: Timestamp) -> String {
    match now.since(then).as_secs() / (24 * 60 * 60) {
        0 => "Added today".to_owned(),
        1 => "Added yesterday".to_owned(),
        days => format!("Added {days} days ago"),
    }
}

/// Headline of a result.
pub fn is_connected(app: &str) -> String {
    format!("{app} is connected")
}

/// Headline of a result.
pub fn is_not_connected(app: &str) -> String {
    format!("{app} was not connected")
}

/// What to do after a failure.
pub fn next_step(key: FailureKey, on_page: bool) -> &'static str {
    match key {
        FailureKey::AccessDeniedByProvider if on_page => "If that was a mistake, try again and allow access.",
        FailureKey::AccountMismatch if on_page => {
            "Try again and choose the account that was connected before, or delete the connection first."
        }
        _ if on_page => {
            "You can try again. If it keeps failing, tell the people who run this product the reference below."
        }
        _ => "You can close this window and try again.",
    }
}

/// One line that helps to choose between auth options. `typed`: it has fields to fill in.
pub fn option_hint(leaves: bool, typed: bool, app: &str) -> String {
    match (leaves, typed) {
        (true, _) => format!("You sign in at {app}."),
        (false, true) => format!("You copy the details from {app}."),
        (false, false) => "There is nothing to fill in.".to_owned(),
    }
}

/// Which secrets the sandbox takes.
pub fn sandbox_secret(pattern: Option<&str>) -> String {
    let example = match pattern {
        Some(pattern) if pattern.starts_with("^SG") => "SG.sandbox",
        Some(pattern) if pattern.starts_with("^(sk|rk)") => "sk_test_sandbox",
        Some(pattern) if pattern.starts_with("^lin_api") => "lin_api_sandbox",
        Some(pattern) if pattern.starts_with("^pat") => "pat.sandbox",
        Some(pattern) if pattern.starts_with("^xox") => "xoxb-sandbox",
        Some(pattern) if pattern.starts_with("^shp") => "shpat_sandbox",
        // The end of a Mailchimp key says where the account lives.
        Some(pattern) if pattern.ends_with("-[a-z]{2,3}\\d+$") => "sandbox-us6",
        _ => {
            return said(
                &beginning(pattern).map_or_else(|| "my-sandbox-key".to_owned(), |it| it + "sandbox"),
            );
        }
    };
    said(example)
}

fn said(example: &str) -> String {
    format!("The sandbox takes anything with the word sandbox in it, for example {example}.")
}

/// The letters that a secret begins with, where its pattern asks for nothing else.
fn beginning(pattern: Option<&str>) -> Option<String> {
    let letters = pattern?.strip_prefix('^')?.strip_suffix(r"\S+$")?;
    let plain = |letter: u8| letter.is_ascii_alphanumeric() || b"-_".contains(&letter);
    (!letters.is_empty() && letters.bytes().all(plain)).then(|| letters.to_owned())
}

/// Which private keys the sandbox takes.
pub const SANDBOX_KEY: &str =
    "The sandbox takes any private key of this kind, for example a new one that you throw away.";

/// Name of a category.
pub fn category(key: &str) -> String {
    match key {
        "ai" => "AI".to_owned(),
        "auth-social" => "Social sign-in".to_owned(),
        "cms" => "CMS".to_owned(),
        "crm" => "CRM".to_owned(),
        "erp" => "ERP".to_owned(),
        "hr" => "HR".to_owned(),
        "it-ops" => "IT operations".to_owned(),
        "dev-tools" => "Developer tools".to_owned(),
        "e-commerce" => "E-commerce".to_owned(),
        "health-fitness" => "Health and fitness".to_owned(),
        other => {
            let mut letters = other.chars();
            let first: String =
                letters.next().map(|letter| letter.to_uppercase().collect()).unwrap_or_default();
            format!("{first}{}", letters.as_str().replace('-', " "))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::catalog::{Catalog, input};

    #[test]
    fn days_are_counted_in_words() {
        let then = Timestamp::from_seconds(1_700_000_000);
        let after = |hours: u64| then.plus(Duration::from_secs(hours * 3600));

        assert_eq!(added(then, after(5)), "Added today");
        assert_eq!(added(then, after(30)), "Added yesterday");
        assert_eq!(added(then, after(72)), "Added 3 days ago");
    }

    #[test]
    fn categories_read_like_words() {
        assert_eq!(category("crm"), "CRM");
        assert_eq!(category("project-management"), "Project management");
    }

    #[test]
    fn what_the_sandbox_takes_is_what_the_field_takes() {
        let catalog = Catalog::builtin().expect("the files are in order");
        let options = catalog.iter().flat_map(|connector| connector.auth.iter());
        let secrets = options.flat_map(|option| input::typed(option).map(move |field| (option, field)));
        let mut seen = 0;

        for (option, field) in secrets.filter(|(_, field)| field.secret && field.pattern.is_some()) {
            let said = sandbox_secret(field.pattern.as_deref());
            let (_, example) = said.split_once("for example ").expect("it gives one");
            let example = example.trim_end_matches('.').to_owned();

            let errors = input::check(option, &[(field.name.clone(), example.clone())].into()).err();
            let refused = errors.unwrap_or_default().into_iter().find(|error| error.field == field.name);

            assert_eq!(refused, None, "{example} for {}", field.title);
            assert!(example.contains("sandbox"), "{example}");
            seen += 1;
        }
        assert!(seen >= 7, "{seen}");
    }
}
