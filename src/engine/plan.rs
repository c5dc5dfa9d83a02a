//! One integration as somebody wants it, checked and sealed: the same rules for the configuration file
//! and for a backend.

use std::sync::Arc;

use url::{Host, Url};

use super::{
    ConfigureError, DesiredIntegration, Engine, IntegrationView,
    configure::check_key,
    directory::{client_secret_place, integration_parameters_place},
};
use crate::{
    catalog::{
        self,
        connector::Connector,
        logo::Logo,
        parameters::{self, SCOPES, Source},
        reach::{self, Reaching},
    },
    model::{IntegrationId, IntegrationSettings, WorkspaceId},
    store::IntegrationPlan,
};

/// Characters of a name and of a description.
const NAME_MAX: usize = 256;
const DESCRIPTION_MAX: usize = 1024;
/// Bytes of a picture.
const LOGO_MAX: usize = 256 * 1024;
/// Bytes of a client id, and of its secret, which may be a private key.
const CLIENT_ID_MAX: usize = 1024;
const CLIENT_SECRET_MAX: usize = 16 * 1024;

impl Engine {
    /// Checks and seals. `before` is the integration as it is, where there is one.
    pub(super) fn plan_integration(
        &self,
        workspace: WorkspaceId,
        desired: DesiredIntegration,
        before: Option<&IntegrationView>,
    ) -> Result<IntegrationPlan, ConfigureError> {
        check_key("integration", &desired.key)?;
        if desired.key == "confirm" {
            return Err(ConfigureError::ReservedKey);
        }
        let connector = self.connector(&desired)?;
        check(&desired, &connector).map_err(|(setting, reason)| ConfigureError::IntegrationSetting {
            integration: desired.key.clone(),
            setting,
            reason,
        })?;
        let id = IntegrationId::of(workspace, &desired.key);
        let row = id.to_string();
        let mut settings = desired.settings;
        let parameters = parameters::check(&connector, &settings.connector_parameters, Source::Integration);
        let parameters = parameters
            .map_err(|errors| ConfigureError::Parameter { integration: desired.key.clone(), errors })?;
        let new_hosts = match before {
            Some(view) => {
                let had = Reaching { connector: &view.connector, parameters: &view.parameters };
                reach::added(had, Reaching { connector: &connector, parameters: &parameters })
            }
            // One that is new has no connections; one whose connector cannot be read any more may have.
            None => reach::all(&connector),
        };
        let sealed_parameters = parameters
            .secret_bytes()
            .map(|bytes| self.vault().seal(integration_parameters_place(workspace, &row), &bytes).0);
        settings.connector_parameters = parameters.plain;
        let sealed_client_secret = desired.client_secret.map(|secret| {
            self.vault().seal(client_secret_place(workspace, &row), secret.expose().as_bytes()).0
        });
        Ok(IntegrationPlan {
            id,
            key: desired.key,
            connector: desired.connector,
            connector_source: desired.connector_source,
            settings,
            sealed_client_secret,
            sealed_parameters,
            new_hosts,
        })
    }

    fn connector(&self, desired: &DesiredIntegration) -> Result<Arc<Connector>, ConfigureError> {
        if let Some(source) = &desired.connector_source {
            return catalog::parse::connector(&desired.key, &desired.connector, source)
                .map(Arc::new)
                .map_err(|error| ConfigureError::Connector {
                    integration: desired.key.clone(),
                    error: Box::new(error),
                });
        }
        self.catalog().get(&desired.connector).cloned().ok_or_else(|| {
            let begins =
                |key: &str| key.starts_with(desired.connector.get(..3).unwrap_or(&desired.connector));
            let near = self.catalog().keys().find(|key| begins(key));
            ConfigureError::UnknownConnector {
                integration: desired.key.clone(),
                connector: desired.connector.clone(),
                hint: near.map(|near| format!(" (did you mean `{near}`?)")).unwrap_or_default(),
            }
        })
    }
}

/// The first setting that cannot be so, by its name in a configuration file, and why. Quotes no secret.
fn check(desired: &DesiredIntegration, connector: &Connector) -> Result<(), (&'static str, String)> {
    let settings = &desired.settings;
    check_texts(settings)?;
    // Spaces inside are a client id's right (RFC 6749 appendix A.1); at its ends they were pasted along.
    let is_plain = |text: &str, max: usize| {
        (1..=max).contains(&text.len()) && text.trim() == text && !text.chars().any(char::is_control)
    };
    if settings.client_id.as_deref().is_some_and(|id| !is_plain(id, CLIENT_ID_MAX)) {
        let reason = format!("A client id has 1 to {CLIENT_ID_MAX} bytes and no space at its ends.");
        return Err(("client_id", reason));
    }
    let secret = desired.client_secret.as_ref().map(|secret| secret.expose().len());
    if secret.is_some_and(|length| !(1..=CLIENT_SECRET_MAX).contains(&length)) {
        let reason = format!("A client secret has 1 to {CLIENT_SECRET_MAX} bytes.");
        return Err(("client_secret", reason));
    }
    if secret.is_some() && settings.client_id.is_none() {
        return Err(("client_secret", "There is a client secret but no client id.".to_owned()));
    }
    if let Some(scopes) = &settings.scopes {
        let given = serde_json::Map::from_iter([(SCOPES.to_owned(), scopes.clone().into())]);
        parameters::check(connector, &given, Source::Integration).map_err(|errors| {
            ("scopes", errors.into_iter().map(|error| error.message).collect::<Vec<_>>().join(" "))
        })?;
    }
    Ok(())
}

fn check_texts(settings: &IntegrationSettings) -> Result<(), (&'static str, String)> {
    let is_line = |text: &str, max: usize| {
        (1..=max).contains(&text.chars().count())
            && !text.trim().is_empty()
            && !text.chars().any(char::is_control)
    };
    for (setting, text, max) in
        [("name", &settings.name, NAME_MAX), ("description", &settings.description, DESCRIPTION_MAX)]
    {
        if text.as_deref().is_some_and(|text| !is_line(text, max)) {
            return Err((setting, format!("This is one line of 1 to {max} characters.")));
        }
    }
    if settings.logo.as_deref().is_some_and(|logo| !is_picture(logo)) {
        let reason = format!(
            "A logo is `data:image/svg+xml;base64,…` or `data:image/png;base64,…` with at most {} KiB: pages load no picture from elsewhere.",
            LOGO_MAX / 1024
        );
        return Err(("logo", reason));
    }
    if settings.oauth_callback_uri.as_deref().is_some_and(|uri| !is_callback(uri)) {
        let reason = "This is an https address without user, query or fragment; http only for loopback.";
        return Err(("oauth_callback_uri", reason.to_owned()));
    }
    Ok(())
}

fn is_picture(text: &str) -> bool {
    Logo::of_data(text).is_some_and(|logo| {
        let fits = match logo.media_type {
            "image/png" => logo.bytes.starts_with(b"\x89PNG\r\n\x1a\n"),
            _ => std::str::from_utf8(&logo.bytes).is_ok_and(|text| text.contains("<svg")),
        };
        fits && logo.bytes.len() <= LOGO_MAX
    })
}

/// RFC 6749 §3.1.2: absolute, without a fragment.
fn is_callback(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return false,
    };
    let is_bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_loopback);
    is_safe && is_bare && url.fragment().is_none()
}
