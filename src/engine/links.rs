//! Links that sign a customer in, made by the product's backend.

use std::time::Duration;

use super::{Engine, EngineError};
use crate::{
    model::{Access, Timestamp},
    store::NewLink,
};
use url::Url;

/// How long a link works unless the backend says otherwise.
const LINK_LIFE: Duration = Duration::from_secs(60 * 60);
/// The longest it may work.
const LINK_LIFE_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A link as a backend wants it.
#[derive(Clone, Debug, Default)]
pub struct DesiredLink {
    /// The product's own id of the customer; may be left out where the token names one.
    pub customer: Option<String>,
    /// Their name; none keeps what is known.
    pub name: Option<String>,
    /// The only integrations they see, by key; none means all that the token sees.
    pub integrations: Option<Vec<String>>,
    /// How long it works.
    pub life: Option<Duration>,
}

/// A link that was made.
pub struct Link {
    /// What to open.
    pub url: Url,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl Engine {
    /// Makes a link. It can be opened any number of times until it ends.
    pub async fn make_link(&self, access: &Access, desired: DesiredLink) -> Result<Link, EngineError> {
        let life = desired.life.unwrap_or(LINK_LIFE);
        if life.is_zero() || life > LINK_LIFE_MAX {
            return Err(EngineError::invalid("expiresIn", "A link works for 1 second to 30 days."));
        }
        let integrations = self.linked_integrations(access, desired.integrations).await?;
        let own = access.customer.as_ref().map(|customer| customer.internal_id.clone());
        let internal_id = desired.customer.or(own);
        let missing = || EngineError::invalid("customerId", "Say whom the link signs in.");
        let internal_id = internal_id.ok_or_else(missing)?;
        let customer = self.customer_for(access, "customerId", &internal_id, desired.name).await?;
        let now = self.now();
        let ticket = self.entropy().handle();
        let link = NewLink {
            hash: ticket.hash(),
            workspace: access.workspace,
            customer: customer.id,
            integrations,
            demo: false,
            expires_at: now.plus(life),
        };
        self.store().make_link(&link, access.actor(), now).await?;
        let mut url = self.inner.addresses.public_url.clone();
        url.set_path(&format!("/link/{}", ticket.expose()));
        Ok(Link { url, expires_at: link.expires_at })
    }

    /// A link shows no more than the token that made it, and only what there is.
    async fn linked_integrations(
        &self,
        access: &Access,
        wanted: Option<Vec<String>>,
    ) -> Result<Option<Vec<String>>, EngineError> {
        let Some(wanted) = wanted else { return Ok(access.integrations.clone()) };
        let workspace = self.workspace(access.workspace).await?;
        let is_there = |key: &String| {
            let found = workspace.integrations.iter().find(|view| view.integration.key == *key);
            found.is_some_and(|view| !view.integration.hidden) && access.sees(key)
        };
        let unknown = wanted.iter().enumerate().filter(|(_, key)| !is_there(key));
        let wrong: Vec<_> = unknown
            .map(|(place, _)| (format!("integrations[{place}]"), "There is no such integration.".to_owned()))
            .collect();
        if wrong.is_empty() { Ok(Some(wanted)) } else { Err(EngineError::Invalid(wrong)) }
    }
}
