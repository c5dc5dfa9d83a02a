//! The pages that an attempt leads through: what it asks, what it lets choose, how it ended.

use super::{AppHead, ConnectForm};

/// The page `/connect/continue/{ticket}`: confirms, asks, or both.
#[derive(Clone, Default)]
pub struct AskView {
    /// The app.
    pub app: AppHead,
    /// The workspace's name.
    pub workspace: String,
    /// The customer's name and id, in words.
    pub customer: String,
    /// It was started elsewhere: say whose page this is before anything is linked.
    pub confirm: bool,
    /// It renews a connection.
    pub again: bool,
    /// What the workspace will be able to do, in words.
    pub shares: Vec<String>,
    /// The form.
    pub form: ConnectForm,
    /// Small reference id.
    pub reference: String,
    /// Way out: address and label.
    pub back: Option<(String, String)>,
}

/// The page on which the customer says which of several things is meant.
#[derive(Clone, Default)]
pub struct ChooseView {
    /// The app.
    pub app: AppHead,
    /// The workspace's name.
    pub workspace: String,
    /// The attempt's ticket.
    pub ticket: String,
    /// What there is.
    pub items: Vec<ChooseItem>,
    /// Small reference id.
    pub reference: String,
}

/// One thing to choose.
#[derive(Clone, Default)]
pub struct ChooseItem {
    /// What is posted.
    pub id: String,
    /// What a person reads.
    pub label: String,
    /// Tells it from others of the same label.
    pub hint: Option<String>,
}

/// How an attempt ended.
#[derive(Clone, Default)]
pub struct ResultView {
    /// The app; `None` when the attempt is unknown.
    pub app: Option<AppHead>,
    /// Connected.
    pub ok: bool,
    /// `HubSpot is connected`.
    pub headline: String,
    /// What happened, in one sentence.
    pub detail: String,
    /// What to do next, in one sentence.
    pub next_step: String,
    /// Address of Try again.
    pub try_again: Option<String>,
    /// Way back: address and label.
    pub back: Option<(String, String)>,
    /// Small reference id; empty on success is fine.
    pub reference: String,
    /// JSON that the script posts to the opener.
    pub outcome: Option<String>,
    /// Exact origin `outcome` may go to; without it nothing is posted.
    pub target_origin: Option<String>,
    /// When the script closes the window.
    pub close: Close,
    /// JSON of the connection that an embed ends with; the script tells the page around it.
    pub connection: Option<String>,
}

/// When a page of ours closes its own window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Close {
    /// Never.
    #[default]
    Never,
    /// Once the page that waits was told, which then shows what happened.
    Told,
    /// As soon as it is there.
    Always,
}

impl Close {
    /// The word for the script.
    pub fn word(self) -> Option<&'static str> {
        match self {
            Self::Never => None,
            Self::Told => Some("told"),
            Self::Always => Some("always"),
        }
    }
}
