//! Calls to the product's own API as one of its customers, relayed like those through a connection.

use std::sync::{Arc, atomic::Ordering};

use http::{HeaderMap, Method};

use super::renew::{Called, Opened, When};
use crate::{
    engine::{
        Engine, EngineError, RefreshError,
        relay::{Answer, Behalf, RelayError, Relayed, Standing},
    },
    model::{Access, Customer, CustomerId, DisconnectReason, WorkspaceId},
    outbound::Upload,
    protocol::Reply,
};

/// The largest answer to a call of our own that is read.
const ANSWER_MAX: usize = 256 * 1024;

/// A call of Hitchpost's own to the product's API, small enough to be held.
pub struct AppCall {
    /// HTTP method.
    pub method: Method,
    /// What stands behind the base address: a path that begins with a slash.
    pub path: String,
    /// Headers of the call; credentials win over them.
    pub headers: HeaderMap,
    /// The body; empty for none.
    pub body: Vec<u8>,
}

/// Why the product's API was not called, or brought no answer.
#[derive(Debug, thiserror::Error)]
pub enum AppCallError {
    /// The workspace has no `your_app`.
    #[error("this workspace is not connected to its own API")]
    NotConfigured,
    /// The caller's token names no customer.
    #[error("the token names no customer")]
    NoCustomer,
    /// The customer has no credentials for it.
    #[error("this customer has no credentials for the product's API")]
    NoCredentials,
    /// As for every relayed call.
    #[error(transparent)]
    Relay(#[from] RelayError),
}

impl From<EngineError> for AppCallError {
    fn from(error: EngineError) -> Self {
        Self::Relay(error.into())
    }
}

impl AppCallError {
    /// They are over.
    pub(super) fn over(reason: DisconnectReason) -> Self {
        Self::Relay(RefreshError::Disconnected(reason).into())
    }

    /// The token has ended, and the API does not give another one right now.
    pub(super) fn later() -> Self {
        Self::Relay(RefreshError::Transient.into())
    }

    /// While a call is under way, what is missing was taken away.
    fn withdrawn(self) -> RelayError {
        match self {
            Self::Relay(error) => error,
            Self::NotConfigured | Self::NoCustomer | Self::NoCredentials => RelayError::Withdrawn,
        }
    }
}

impl Engine {
    /// Passes a call on to the product's own API, as the customer that the caller names.
    pub async fn self_proxy(&self, access: &Access, request: Relayed) -> Result<Answer, AppCallError> {
        let customer = access.customer.clone().ok_or(AppCallError::NoCustomer)?;
        self.relay_to_app(access.workspace, customer, request).await
    }

    /// Calls the product's own API as one of its customers, and reads the whole answer.
    pub async fn call_your_app(
        &self,
        workspace: WorkspaceId,
        customer: CustomerId,
        call: AppCall,
    ) -> Result<Reply, AppCallError> {
        let found = self.store().customer(workspace, customer).await.map_err(EngineError::from)?;
        let customer = found.ok_or(EngineError::NotFound("customer"))?;
        let AppCall { method, path, headers, body } = call;
        let body = if body.is_empty() { Upload::Empty } else { Upload::Whole(body.into()) };
        let request = Relayed { method, path, query: None, headers, body };
        let answer = self.relay_to_app(workspace, customer, request).await?;
        let (status, headers) = (answer.status, answer.headers.clone());
        let body = answer.whole(ANSWER_MAX).await.map_err(RelayError::from)?;
        Ok(Reply { status, headers, body })
    }

    async fn relay_to_app(
        &self,
        workspace: WorkspaceId,
        customer: Customer,
        request: Relayed,
    ) -> Result<Answer, AppCallError> {
        let workspace = self.workspace(workspace).await?;
        let app = workspace.your_app.clone().ok_or(AppCallError::NotConfigured)?;
        let called = Called { workspace, app, customer: Arc::new(customer) };
        let standing = AsCustomer { engine: self, called };
        let behalf = standing.behalf(When::Stale).await?;
        Ok(self.relay(behalf, &standing, request).await?)
    }

    /// Grows when somebody's credentials were set anew or erased here.
    fn app_mark(&self) -> u64 {
        let set = self.inner.app_flights.set.load(Ordering::Acquire);
        self.inner.hot.ends().wrapping_add(set)
    }

    /// Call it wherever this process set or erased somebody's credentials, before that is acknowledged.
    pub(super) fn app_credentials_changed(&self) {
        self.inner.app_flights.set.fetch_add(1, Ordering::AcqRel);
    }
}

/// A customer whose credentials for the product's API are in use.
struct AsCustomer<'e> {
    engine: &'e Engine,
    called: Called,
}

impl AsCustomer<'_> {
    async fn behalf(&self, when: When) -> Result<Behalf, AppCallError> {
        // Read first: what is set from here on is seen by the last look.
        let mark = self.engine.app_mark();
        let opened: Opened = self.engine.open_app(&self.called, when).await?;
        let (customer, version) = (self.called.customer.clone(), opened.version());
        Ok(Behalf {
            workspace: self.called.workspace.clone(),
            view: self.called.app.view.clone(),
            option: 0,
            lane: customer.id.uuid(),
            customer,
            connection: None,
            credentials: opened.credentials,
            version,
            mark,
        })
    }
}

impl Standing for AsCustomer<'_> {
    fn stands(&self, behalf: &Behalf) -> bool {
        behalf.mark == self.engine.app_mark()
    }

    async fn again(&self, _: Behalf) -> Result<Behalf, RelayError> {
        self.behalf(When::Stale).await.map_err(AppCallError::withdrawn)
    }

    async fn renew(&self, rejected: i64) -> Result<Behalf, RelayError> {
        self.behalf(When::Rejected(rejected)).await.map_err(AppCallError::withdrawn)
    }
}
