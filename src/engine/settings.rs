//! What a workspace can set: the same checks for a configuration file and for its backend.

use std::sync::Arc;

use super::{ConfigureError, DesiredYourApp, Engine, EngineError, WorkspaceView};
use crate::{
    catalog::logo::Logo,
    model::{
        Access, Scheme, Theme, WorkspaceSettings,
        redirect::{OriginPattern, RedirectTarget},
    },
    store::WorkspaceUpdate,
};

/// Longest name, in characters.
const NAME_MAX: usize = 256;
/// Most allowed origins.
const ORIGINS_MAX: usize = 100;
/// Largest corner radius, in pixels.
const RADIUS_MAX: u8 = 24;
/// How often a change is made anew when somebody else was faster.
const TRIES: usize = 5;

/// What changes about a workspace; none leaves it as it is.
#[derive(Default)]
pub struct WorkspaceChange {
    /// The product's name.
    pub name: Option<String>,
    /// Origins that may frame the embed and be redirected to.
    pub allowed_origins: Option<Vec<String>>,
    /// How far ahead a token's `exp` may lie, seconds.
    pub max_token_lifetime_seconds: Option<u64>,
    /// Tokens without `exp` are taken.
    pub allow_tokens_without_exp: Option<bool>,
    /// Connector parameters are only taken from signed places.
    pub require_signed_parameters: Option<bool>,
    /// The backend may read credentials in the clear.
    pub allow_credentials_read: Option<bool>,
    /// The page that confirm mode sends browsers to, or that the mode is off.
    pub confirm_redirect: Option<Option<String>>,
    /// The look.
    pub theme: ThemeChange,
    /// How the product's own API is called, whole, or that it is not.
    pub your_app: Option<Option<DesiredYourApp>>,
}

/// What changes about the look; an inner none is the default.
#[derive(Clone, Debug, Default)]
pub struct ThemeChange {
    /// `#RRGGBB`.
    pub accent: Option<Option<String>>,
    /// Corner radius in px.
    pub radius: Option<Option<u64>>,
    /// The logo, as a `data:` address.
    pub logo: Option<Option<String>>,
    /// `auto`, `light` or `dark`.
    pub scheme: Option<Option<String>>,
}

/// A setting that cannot be so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {reason}")]
pub struct SettingError {
    /// Its name, as in a configuration file.
    pub name: &'static str,
    /// What is wrong.
    pub reason: String,
}

impl Engine {
    /// Changes the caller's workspace.
    pub async fn change_workspace(
        &self,
        access: &Access,
        mut change: WorkspaceChange,
    ) -> Result<Arc<WorkspaceView>, EngineError> {
        if let Some(your_app) = change.your_app.take() {
            // Looked at first, so that nothing is set when something else cannot be.
            changed(&*self.workspace(access.workspace).await?, &change)?;
            let set = self.set_your_app(access.workspace, your_app, access.actor()).await;
            set.map_err(of_your_app)?;
        }
        for _ in 0..TRIES {
            self.forget_directory();
            let view = self.workspace(access.workspace).await?;
            let (name, settings, changed) = changed(&view, &change)?;
            if changed.is_empty() {
                return Ok(view);
            }
            let update = WorkspaceUpdate {
                id: access.workspace,
                revision: view.workspace.revision,
                name: &name,
                settings: &settings,
                changed: &changed,
            };
            if self.store().change_workspace(&update, access.actor(), self.now()).await? {
                self.forget_directory();
                return self.workspace(access.workspace).await;
            }
        }
        Err(EngineError::Contended)
    }
}

/// Why the product's own API cannot be called so, with the path in JSON.
fn of_your_app(error: ConfigureError) -> EngineError {
    match error {
        ConfigureError::YourApp { fault, .. } => {
            let (first, rest) = fault.key.split_once('.').unwrap_or((&fault.key, ""));
            let first = on_the_wire(first);
            let key = if rest.is_empty() { first.to_owned() } else { format!("{first}.{rest}") };
            EngineError::invalid(format!("yourApp.{key}"), fault.reason)
        }
        ConfigureError::Engine(error) => error,
        other => EngineError::invalid("yourApp", other.to_string()),
    }
}

/// The workspace as it is to be, and what that changes.
fn changed(
    view: &WorkspaceView,
    change: &WorkspaceChange,
) -> Result<(String, WorkspaceSettings, Vec<&'static str>), EngineError> {
    let name = change.name.as_deref().unwrap_or(&view.workspace.name).trim();
    if name.is_empty() || name.chars().count() > NAME_MAX {
        return Err(EngineError::invalid("name", format!("A name has 1 to {NAME_MAX} characters.")));
    }
    let mut settings = view.workspace.settings.clone();
    let mut changed = Vec::new();
    if name != view.workspace.name {
        changed.push("name");
    }
    set("allowed_origins", &mut settings.allowed_origins, &change.allowed_origins, &mut changed);
    let lifetime = &change.max_token_lifetime_seconds;
    set("max_token_lifetime", &mut settings.max_token_lifetime_seconds, lifetime, &mut changed);
    let without_exp = &change.allow_tokens_without_exp;
    set("allow_tokens_without_exp", &mut settings.allow_tokens_without_exp, without_exp, &mut changed);
    let signed = &change.require_signed_parameters;
    set("require_signed_parameters", &mut settings.require_signed_parameters, signed, &mut changed);
    let readable = &change.allow_credentials_read;
    set("allow_credentials_read", &mut settings.allow_credentials_read, readable, &mut changed);
    set("confirm_redirect", &mut settings.confirm_redirect, &change.confirm_redirect, &mut changed);
    let theme = Some(themed(&settings.theme, &change.theme)?);
    set("theme", &mut settings.theme, &theme, &mut changed);
    check_settings(&settings).map_err(|error| EngineError::invalid(on_the_wire(error.name), error.reason))?;
    Ok((name.to_owned(), settings, changed))
}

fn set<T: Clone + PartialEq>(
    name: &'static str,
    value: &mut T,
    wanted: &Option<T>,
    changed: &mut Vec<&'static str>,
) {
    if let Some(wanted) = wanted.as_ref().filter(|wanted| *wanted != value) {
        value.clone_from(wanted);
        changed.push(name);
    }
}

fn themed(known: &Theme, change: &ThemeChange) -> Result<Theme, EngineError> {
    let mut theme = known.clone();
    if let Some(accent) = &change.accent {
        theme.accent.clone_from(accent);
    }
    if let Some(radius) = change.radius {
        // What does not fit is too much, which the check says.
        theme.radius = radius.map(|radius| u8::try_from(radius).unwrap_or(u8::MAX));
    }
    if let Some(logo) = &change.logo {
        theme.logo.clone_from(logo);
    }
    if let Some(scheme) = &change.scheme {
        theme.scheme = match scheme.as_deref() {
            None | Some("auto") => Scheme::Auto,
            Some("light") => Scheme::Light,
            Some("dark") => Scheme::Dark,
            Some(_) => return Err(EngineError::invalid("theme.scheme", "Write auto, light or dark.")),
        };
    }
    Ok(theme)
}

/// Holds settings against each other and against what can be.
pub(super) fn check_settings(settings: &WorkspaceSettings) -> Result<(), SettingError> {
    let wrong = |name, reason: String| Err(SettingError { name, reason });
    if settings.allowed_origins.len() > ORIGINS_MAX {
        return wrong("allowed_origins", format!("there are more than {ORIGINS_MAX}"));
    }
    let mut origins = Vec::new();
    for origin in &settings.allowed_origins {
        match OriginPattern::parse(origin) {
            Ok(pattern) => origins.push(pattern),
            Err(error) => return wrong("allowed_origins", error.to_string()),
        }
    }
    if let Some(page) = &settings.confirm_redirect
        && let Err(error) = RedirectTarget::parse(page, &origins)
    {
        return wrong("confirm_redirect", error.to_string());
    }
    if settings.max_token_lifetime_seconds == 0 {
        return wrong("max_token_lifetime", "a token lives for at least a second".to_owned());
    }
    check_theme(&settings.theme)
}

/// Checks a look.
pub fn check_theme(theme: &Theme) -> Result<(), SettingError> {
    let wrong = |name, reason: String| Err(SettingError { name, reason });
    let is_color = |text: &str| {
        text.len() == 7 && text.starts_with('#') && text[1..].bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    if let Some(bad) = theme.accent.as_deref().filter(|accent| !is_color(accent)) {
        return wrong("theme.accent", format!("`{bad}` is not a colour such as #3366ff"));
    }
    if let Some(bad) = theme.radius.filter(|radius| *radius > RADIUS_MAX) {
        return wrong("theme.radius", format!("{bad} is more than {RADIUS_MAX} (pixels)"));
    }
    if theme.logo.as_deref().is_some_and(|logo| Logo::of_data(logo).is_none()) {
        let reason = "write `data:image/svg+xml;base64,…` or `data:image/png;base64,…`";
        return wrong("theme.logo", reason.to_owned());
    }
    Ok(())
}

/// The name of a setting in JSON.
fn on_the_wire(name: &str) -> &str {
    match name {
        "allowed_origins" => "allowedOrigins",
        "confirm_redirect" => "confirmRedirect",
        "max_token_lifetime" => "maxTokenLifetimeSeconds",
        "base_uri" => "baseUri",
        "credentials_schema" => "credentialsSchema",
        "client_id" => "clientId",
        "client_secret" => "clientSecret",
        other => other,
    }
}
