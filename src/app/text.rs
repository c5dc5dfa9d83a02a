//! Every sentence on screen, in one place.
//!
//! Plain words for somebody who comes here once a month. Knows no HTML: what it returns is raw
//! text. Sentences about a provider's own answer come from the engine, not from here.

mod reference;
mod refusal;
mod state;

pub use reference::*;
pub use refusal::{NOTHING_CHANGED, REFUSED_ACTIONS, Said, refusal};
pub use state::*;

use super::view::{Badge, CardState, RowState, Tone};
use crate::http::limits::TOO_FAST;

/// Language of these sentences.
pub const LANG: &str = "en";
/// First link of every page.
pub const SKIP: &str = "Skip to content";
/// What the demo note is called by a screen reader.
pub const DEMO_NAME: &str = "Demo";
/// The note on every page of a demo workspace.
pub const DEMO: &str = "Demo: apps here are played by the built-in sandbox.";
/// Name and heading of the catalog.
pub const INTEGRATIONS: &str = "Integrations";
/// Heading of the customer's connections.
pub const CONNECTED: &str = "Connected";
/// Heading of the catalog below connections.
pub const ALL_APPS: &str = "All apps";
/// Heading of what a search found.
pub const RESULTS: &str = "Results";
/// Label of the search field.
pub const SEARCH: &str = "Search apps";
/// Name of the button that searches.
pub const SEARCH_BUTTON: &str = "Search";
/// Name of the list of chips.
pub const CATEGORIES: &str = "Categories";
/// The chip without a category.
pub const ALL: &str = "All";
/// Opens the categories that have no chip.
pub const MORE_CATEGORIES: &str = "More";
/// Link to the next page of the catalog.
pub const MORE: &str = "Show more";
/// Link that empties the search.
pub const CLEAR: &str = "Clear search";
/// What the catalog says when the workspace offers nothing.
pub const NO_APPS: &str = "There are no apps here yet.";
/// Way back to the catalog.
pub const BACK: &str = "All integrations";
/// Action of a card or a broken connection.
pub const CONNECT: &str = "Connect";
/// Action of a connected card or row.
pub const MANAGE: &str = "Manage";
/// Action of a broken card or row.
pub const RECONNECT: &str = "Reconnect";
/// Opens the question before deleting.
pub const DELETE: &str = "Delete…";
/// Deletes.
pub const DELETE_NOW: &str = "Delete connection";
/// Heading above the auth options.
pub const OPTIONS: &str = "How do you want to connect?";
/// Behind the label of a field that may stay empty.
pub const OPTIONAL: &str = "optional";
/// Below a secret that was given before.
pub const KEPT: &str = "Leave blank to keep the one you gave before.";
/// Placeholder of such a secret.
pub const KEPT_PLACEHOLDER: &str = "Saved";
/// First choice of a list that has no choice yet.
pub const CHOOSE: &str = "Choose…";
/// Note on an app that the sandbox plays.
pub const SANDBOX: &str = "Played by the built-in sandbox. No real account is used.";
/// Ends the waiting for a popup.
pub const CANCEL: &str = "Cancel";
/// Opens the provider's page when the popup was blocked.
pub const NEW_TAB: &str = "Open in a new tab";
/// Shown when the popup was blocked.
pub const BLOCKED: &str = "Your browser blocked the window.";
/// Names of the button beside a secret, hidden and shown.
pub const REVEAL: (&str, &str) = ("Show", "Hide");
/// Closes the dialog that an embed is.
pub const CLOSE_DIALOG: &str = "Close";
/// Opens an embed anew whose session has ended.
pub const OPEN_AGAIN: &str = "Open again";
/// Way back from a refusal.
pub const GO_BACK: &str = "Go back";
/// Action of a failed result.
pub const TRY_AGAIN: &str = "Try again";
/// A result whose window did not close itself.
pub const CLOSE: &str = "You can close this window.";
/// The secrets stay on the server.
pub const SEALED: &str = "Your credentials are encrypted and never shown in a browser again.";
/// Said on a confirm page.
pub const CONFIRM: &str =
    "Continue only if you started this yourself. If someone sent you this link, close this page.";
/// Heading of an error page's steps for the product's developer.
pub const DEVELOPER_STEPS: &str = "If you are the developer of this product";
/// Heading of an error page's steps.
pub const STEPS: &str = "What to do";

/// Line below the catalog's heading.
pub fn lead(workspace: &str) -> String {
    format!("Connect the apps you use to {workspace}.")
}

/// Whose page it is.
pub fn signed_in(customer: &str) -> String {
    format!("Signed in as {customer}")
}

/// Whose connection it becomes.
pub fn connecting_as(customer: &str) -> String {
    format!("Connecting as {customer}")
}

/// How many apps were found.
pub fn count(total: usize, query: &str) -> String {
    let apps = if total == 1 { "1 app".to_owned() } else { format!("{total} apps") };
    if query.is_empty() { apps } else { format!("{apps} for “{query}”") }
}

/// A search that found nothing.
pub fn nothing_found(query: &str) -> String {
    if query.is_empty() {
        "No apps in this category.".to_owned()
    } else {
        format!("No apps match “{query}”.")
    }
}

/// Heading of the connect dialog.
pub fn connect_to(app: &str, workspace: &str) -> String {
    format!("Connect {app} to {workspace}")
}

/// Heading of the reconnect dialog.
pub fn reconnect_to(app: &str, workspace: &str) -> String {
    format!("Reconnect {app} to {workspace}")
}

/// Heading above a form on a page that shows connections already.
pub fn connect_another(app: &str) -> String {
    format!("Connect another {app} account")
}

/// Heading above what the workspace will be able to do.
pub fn shares(workspace: &str) -> String {
    format!("{workspace} will be able to")
}

/// The same, where the connector knows no scopes.
pub fn shares_unknown(workspace: &str, app: &str) -> String {
    format!("{workspace} will be able to use your {app} account on your behalf.")
}

/// Heading of the page that lets choose.
pub fn choose(workspace: &str) -> String {
    format!("Which one should {workspace} use?")
}

/// Why the page asks.
pub fn choose_why(app: &str, workspace: &str) -> String {
    format!("Your {app} account gives access to several. {workspace} connects the one you choose.")
}

/// The label of the one primary button.
pub fn submit(app: &str, leaves: bool, again: bool) -> String {
    match (leaves, again) {
        (true, _) => format!("Continue to {app}"),
        (false, false) => format!("Connect {app}"),
        (false, true) => format!("Reconnect {app}"),
    }
}

/// While a popup is open.
pub fn waiting(app: &str) -> String {
    format!("Waiting for {app}…")
}

/// What the buttons of a card are called by a screen reader.
pub fn act_on(action: &str, app: &str) -> String {
    format!("{action} {app}")
}

/// The action of a card; `None` where there is nothing to do.
pub const fn card_action(state: CardState) -> Option<&'static str> {
    match state {
        CardState::Available => Some(CONNECT),
        CardState::Connected => Some(MANAGE),
        CardState::NeedsAttention | CardState::Renewable => Some(RECONNECT),
        CardState::Unavailable => None,
    }
}

/// The state of a card in words; empty where the action says enough.
pub const fn card_state(state: CardState) -> &'static str {
    match state {
        CardState::Available => "",
        CardState::Connected | CardState::Renewable => "Connected",
        CardState::NeedsAttention => "Needs attention",
        CardState::Unavailable => "Not available yet",
    }
}

/// A badge, and what it means.
pub const fn badge(badge: Badge) -> (&'static str, &'static str) {
    match badge {
        Badge::Beta => ("Beta", "Newly added: some things may not work yet."),
        Badge::SignInOnly => ("Sign-in only", "Only tells who you are there."),
    }
}

/// The state of a connection in words.
pub const fn row_state(state: &RowState) -> &'static str {
    match state {
        RowState::Connected => "Connected",
        RowState::NeedsAttention { .. } => "Needs attention",
        RowState::Connecting => "Connecting",
    }
}

/// An app that cannot be connected yet.
pub fn unavailable(app: &str, workspace: &str) -> String {
    format!("{workspace} has not set up {app} yet, so it cannot be connected.")
}

/// What deleting does.
pub fn delete_warning(app: &str, workspace: &str) -> String {
    format!(
        "{workspace} loses access to this {app} account at once, and the stored credentials are erased. \
         Nothing is deleted in {app} itself."
    )
}

/// Link to the app's own help.
pub fn app_help(app: &str) -> String {
    format!("Where to find this in {app}")
}

/// Link to the app's site.
pub fn app_site(app: &str) -> String {
    format!("About {app}")
}

/// Whose page a confirm page is.
pub fn confirm(app: &str, customer: &str, workspace: &str) -> String {
    format!("The {app} account you give next will be linked to {customer} at {workspace}.")
}

/// Why a dialog could not begin, where the refusal's own words are for programs.
pub fn refused_start(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "session_ended" => "This page was open for too long. Open it again to go on.",
        "rate_limit_exceeded" => TOO_FAST,
        "not_found" => "This app or connection is not there any more.",
        _ => return None,
    })
}

/// A small id that support can look up.
pub fn reference(id: &str) -> String {
    format!("Reference {id}")
}

/// The sentence of a notice code; `None` for a code we do not have.
pub fn notice(code: &str, app: Option<&str>) -> Option<(Tone, String)> {
    let app = app.unwrap_or("The app");
    Some(match code {
        "connected" => (Tone::Good, format!("{app} is connected.")),
        "reconnected" => (Tone::Good, format!("{app} is connected again.")),
        "deleted" => (Tone::Good, format!("{app} is no longer connected, and its credentials are erased.")),
        "cancelled" => (Tone::Calm, format!("{app} was not connected.")),
        "denied" => (Tone::Calm, format!("{app} was not connected, because access was not allowed there.")),
        "expired" => (Tone::Calm, "That took too long. Please start again.".to_owned()),
        "not_found" => (Tone::Calm, "That connection does not exist any more.".to_owned()),
        "unavailable" => (Tone::Bad, format!("{app} cannot be connected yet, because it is not set up.")),
        "account_mismatch" => {
            (Tone::Bad, format!("That was another {app} account. The connection stays as it was."))
        }
        "failed" => (Tone::Bad, format!("{app} could not be connected. Please try again.")),
        "busy" => (Tone::Bad, "Too many tries in a short time. Please wait a minute.".to_owned()),
        _ => return None,
    })
}
