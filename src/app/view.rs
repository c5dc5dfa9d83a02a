//! What a page needs to know, as plain data.
//!
//! A door fills these structs, the views below `pages/` turn them into HTML. Nothing here knows
//! the engine, the store or the wire; every `String` is raw text and is escaped when rendered.
//! No credential ever enters one of these structs: a secret field has no value, only `kept`.

mod attempt;
mod reference;

use std::sync::Arc;

use super::text;
pub use crate::model::{Scheme, Surface};
pub use attempt::{AskView, ChooseItem, ChooseView, Close, ResultView};
pub use reference::{AnswerRow, CallGroup, CallView, FieldRow, ObjectView, ReferenceView};

/// Everything around a page's own content.
#[derive(Clone, Default)]
pub struct Shell {
    /// BCP 47 language of the page; empty means `en`.
    pub lang: String,
    /// Document title, without the workspace's name.
    pub title: String,
    /// The workspace's name; empty when the page knows no workspace.
    pub workspace: String,
    /// Address of the workspace's logo; a monogram is drawn without one.
    pub workspace_logo: Option<String>,
    /// Whose page this is, in words: the customer's name, or the id when there is no name.
    pub customer: Option<String>,
    /// Says on screen that the apps are played by the sandbox.
    pub demo: bool,
    /// Colour scheme.
    pub scheme: Scheme,
    /// Page or iframe.
    pub surface: Surface,
    /// Address of the style sheet.
    pub css: String,
    /// Address of the script.
    pub js: String,
    /// Address of the workspace's theme (`--accent`, `--radius`), loaded after the style sheet.
    pub theme_css: Option<String>,
    /// The session handle that every form, and in the embed every link, carries.
    pub session: Option<String>,
    /// Address of the script that talks to the page around an embed.
    pub frame_js: Option<String>,
    /// The path an embed was opened with, where its ways back lead; empty is the catalog.
    pub opened_at: String,
    /// The embed ends with a connection.
    pub connects: bool,
    /// What it connects is one more, and renews nothing.
    pub further: bool,
    /// Origin of the page around the embed, where it is known; the height is told to it in
    /// browsers that do not say themselves who frames us.
    pub parent_origin: Option<String>,
}

/// The catalog with the customer's connections above it.
#[derive(Clone, Default)]
pub struct CatalogView {
    /// What was searched.
    pub query: String,
    /// Key of the chosen category.
    pub category: Option<String>,
    /// The chips, as [`super::pages::chips`] renders them.
    pub chips: Arc<str>,
    /// The customer's connections, the broken ones first.
    pub connections: Vec<ConnectionRow>,
    /// One page of apps, each as [`super::pages::card`] renders it.
    pub cards: Vec<Arc<str>>,
    /// Apps that match query and category, on all pages.
    pub total: usize,
    /// Cursor of the next page.
    pub next: Option<String>,
    /// What just happened.
    pub notice: Option<Notice>,
}

/// What the chips are made of: the categories of all apps, or of those that were found.
#[derive(Clone, Default)]
pub struct Chips {
    /// What was searched.
    pub query: String,
    /// Key of the chosen category.
    pub chosen: Option<String>,
    /// Apps in all categories, for the chip "All".
    pub all: usize,
    /// Those with the most apps first, then by name; the last ones stand below "More".
    pub categories: Vec<Category>,
}

/// A category chip.
#[derive(Clone, Default)]
pub struct Category {
    /// Value of `?category=`.
    pub key: String,
    /// Name on screen.
    pub name: String,
    /// Apps in it.
    pub count: usize,
}

/// An app in the grid. Knows nothing of the customer but `state`.
#[derive(Clone, Default)]
pub struct Card {
    /// Integration key.
    pub key: String,
    /// Name on screen.
    pub name: String,
    /// One line.
    pub description: String,
    /// Address of the logo; empty draws a monogram.
    pub logo: String,
    /// What the customer can do with it.
    pub state: CardState,
    /// What else to know before connecting it.
    pub badges: Vec<Badge>,
}

/// What a card says about an app as such.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Badge {
    /// Its facts come from catalogs and nobody checked them by hand.
    Beta,
    /// It says who somebody is; there is no API behind it.
    SignInOnly,
}

/// Where an app of the grid stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum CardState {
    /// Can be connected.
    #[default]
    Available,
    /// Has a working connection.
    Connected,
    /// Has a connection, and it is broken.
    NeedsAttention,
    /// Has a working connection that connecting again would renew.
    Renewable,
    /// The developer has not set it up (no OAuth client).
    Unavailable,
}

/// A connection of this customer.
#[derive(Clone, Default)]
pub struct ConnectionRow {
    /// Connection id.
    pub id: String,
    /// Key of its integration.
    pub integration_key: String,
    /// The connection's own name, shown where it differs from `app_name`.
    pub name: String,
    /// Name of the app.
    pub app_name: String,
    /// Address of the logo; empty draws a monogram.
    pub logo: String,
    /// The account upstream, for example `ada@example.com`.
    pub account: Option<String>,
    /// State in words.
    pub state: RowState,
    /// `Added 3 days ago`, or empty.
    pub activity: String,
    /// Reconnect by one press. Without it, Reconnect leads to the app's page, where the form is
    /// (`/apps/{key}?connection={id}`).
    pub reconnect: Option<ReconnectOffer>,
}

/// What a one-press Reconnect needs.
#[derive(Clone, Default)]
pub struct ReconnectOffer {
    /// Fresh `requestId`, 16 or more characters.
    pub request_id: String,
    /// The next step is a page of the provider.
    pub leaves: bool,
}

/// State of a connection.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum RowState {
    /// Works.
    #[default]
    Connected,
    /// Broken until the customer does something.
    NeedsAttention {
        /// Why, in one sentence.
        why: String,
        /// What to do, in one sentence.
        next_step: String,
    },
    /// An attempt is under way.
    Connecting,
}

/// The page of one app, which is also the connect dialog.
#[derive(Clone, Default)]
pub struct AppView {
    /// The app.
    pub app: AppHead,
    /// What the workspace will be able to do, in words; empty when the connector knows none.
    pub shares: Vec<String>,
    /// The ways to authenticate; shown when there are two or more.
    pub options: Vec<OptionChoice>,
    /// The connect or reconnect form; absent when there is nothing more to connect.
    pub form: Option<ConnectForm>,
    /// Existing connections to this app.
    pub connections: Vec<ConnectionRow>,
    /// What just happened.
    pub notice: Option<Notice>,
    /// This app is played by the sandbox.
    pub sandbox: bool,
}

/// An app as a heading.
#[derive(Clone, Default)]
pub struct AppHead {
    /// Integration key.
    pub key: String,
    /// Name on screen.
    pub name: String,
    /// One line.
    pub description: String,
    /// Address of the logo; empty draws a monogram.
    pub logo: String,
    /// What else to know before connecting it.
    pub badges: Vec<Badge>,
    /// The app's own site, `https://…`.
    pub website: Option<String>,
    /// Where the app explains its keys, `https://…`.
    pub docs: Option<String>,
}

/// One way to authenticate.
#[derive(Clone, Default)]
pub struct OptionChoice {
    /// Value of `?option=`.
    pub key: String,
    /// Title on screen.
    pub title: String,
    /// `Sandbox`, `EU` …; empty when there is only one.
    pub environment: String,
    /// The form below is for this one.
    pub selected: bool,
    /// One line that helps to choose.
    pub hint: String,
}

/// A form that connects, reconnects or answers a question of an attempt.
#[derive(Clone, Default)]
pub struct ConnectForm {
    /// Where it posts.
    pub action: FormAction,
    /// What the customer types.
    pub fields: Vec<FieldView>,
    /// Label of the one primary button, see [`text::submit`].
    pub submit: String,
    /// The next step is a page of the provider.
    pub leaves: bool,
    /// Fresh `requestId`, 16 or more characters; unused by [`FormAction::SubmitInput`].
    pub request_id: String,
    /// What is wrong with the form as a whole.
    pub error: Option<String>,
}

/// What a [`ConnectForm`] does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FormAction {
    /// `POST /_actions/connect`
    Connect {
        /// Integration key.
        integration: String,
        /// Auth option key; empty is the default option.
        option: String,
    },
    /// `POST /_actions/reconnect`
    Reconnect {
        /// Connection id.
        connection: String,
    },
    /// `POST /_actions/submit_input`
    SubmitInput {
        /// The attempt's ticket.
        ticket: String,
    },
}

impl Default for FormAction {
    fn default() -> Self {
        Self::Connect { integration: String::new(), option: String::new() }
    }
}

/// One field. Posted as `input[name]`.
#[derive(Clone, Default)]
pub struct FieldView {
    /// Property name in the schema.
    pub name: String,
    /// Label above.
    pub title: String,
    /// Help below.
    pub help: Option<String>,
    /// Masked, and its value is never sent back to the browser.
    pub secret: bool,
    /// Has to be filled in.
    pub required: bool,
    /// Which control.
    pub kind: FieldKind,
    /// What was typed before; ignored for a secret. A switch is on for `true`.
    pub value: String,
    /// Placeholder.
    pub example: Option<String>,
    /// The choices of [`FieldKind::Choice`].
    pub options: Vec<FieldOption>,
    /// Offered while typing.
    pub suggestions: Vec<String>,
    /// Stands behind the control: `.zendesk.com`.
    pub suffix: Option<String>,
    /// What is wrong with it, in one sentence.
    pub error: Option<String>,
    /// What a good value looks like, in words.
    pub pattern_hint: Option<String>,
    /// A secret given before stays when this is left blank.
    pub kept: bool,
}

/// The control of a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum FieldKind {
    /// One line.
    #[default]
    Text,
    /// An e-mail address.
    Email,
    /// A web address.
    Url,
    /// A number.
    Number,
    /// One of `options`.
    Choice,
    /// On or off; posts `true` or nothing.
    Switch,
    /// Several lines, for a key file.
    Long,
}

/// One choice of a field.
#[derive(Clone, Default)]
pub struct FieldOption {
    /// What is posted.
    pub value: String,
    /// Name on screen.
    pub label: String,
    /// Chosen.
    pub selected: bool,
}

/// A page that says something and does nothing.
#[derive(Clone, Default)]
pub struct MessageView {
    /// HTTP status, shown small.
    pub status: u16,
    /// One line.
    pub headline: String,
    /// One or two sentences.
    pub detail: String,
    /// What to do, step by step.
    pub steps: Vec<String>,
    /// A machine-readable key.
    pub code: Option<String>,
    /// The steps are for the product's developer, and the page says so.
    pub developer: bool,
    /// JSON that the script posts to the page that waits, and the exact origin of that page.
    pub told: Option<(String, String)>,
    /// Way back: address and label.
    pub back: Option<(String, String)>,
}

/// How a notice is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Tone {
    /// It worked.
    #[default]
    Good,
    /// Something to know.
    Calm,
    /// It did not work.
    Bad,
}

/// One sentence about what just happened.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Notice {
    /// How it is meant.
    pub tone: Tone,
    /// The sentence.
    pub text: String,
}

impl Notice {
    /// Reads `?notice=`: a closed set, so that nobody can put words on the page by a link.
    ///
    /// `app` is the app's name as we know it, never as the query says it.
    pub fn from_code(code: &str, app: Option<&str>) -> Option<Self> {
        let (tone, text) = text::notice(code, app)?;
        Some(Self { tone, text })
    }
}
