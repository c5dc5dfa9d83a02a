//! Sentences about connections and attempts.

use crate::model::{DisconnectReason, FailureKey, Timestamp};

/// Way back from a page that asks.
pub const BACK_TO_APP: &str = "Back";

/// Why a connection no longer works.
pub fn why_disconnected(reason: DisconnectReason, app: &str) -> String {
    match reason {
        DisconnectReason::GrantRevoked => format!("{app} no longer accepts this connection."),
        DisconnectReason::NotRenewable => format!("The permission that {app} gave has run out."),
        DisconnectReason::RefreshOutcomeUnknown => {
            format!(
                "Renewing the permission at {app} was interrupted, and {app} no longer accepts the old one."
            )
        }
        DisconnectReason::CredentialsUnreadable => {
            "The stored credentials cannot be read any more.".to_owned()
        }
    }
}

/// What to do about it.
pub fn reconnect_step(app: &str) -> String {
    format!("Reconnect {app} to go on. Nothing else has to be set up again.")
}

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

/// One line that helps to choose between auth options.
pub fn option_hint(leaves: bool, app: &str) -> String {
    if leaves { format!("You sign in at {app}.") } else { format!("You paste it from {app}.") }
}

/// Which secrets the sandbox takes.
pub fn sandbox_secret(pattern: Option<&str>) -> String {
    let example = match pattern {
        Some(pattern) if pattern.starts_with("^SG") => "SG.sandbox",
        Some(pattern) if pattern.starts_with("^(sk|rk)") => "sk_test_sandbox",
        Some(pattern) if pattern.starts_with("^lin_api") => "lin_api_sandbox",
        Some(pattern) if pattern.starts_with("^pat") => "pat.sandbox",
        _ => "my-sandbox-key",
    };
    format!("The sandbox takes anything with the word sandbox in it, for example {example}.")
}

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
}
