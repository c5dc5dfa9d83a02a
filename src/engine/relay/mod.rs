//! Passes on calls that somebody else made up: method, path, headers and body are theirs, the address's
//! host and the credentials are ours.
//!
//! Whoever relays brings a [`Behalf`] (on whose behalf, with which credentials) and a [`Standing`] (how
//! those are looked at again and renewed), and gets the head of the answer with its body still to come:
//!
//! ```text
//! let answer = engine.relay(behalf, &standing, request).await?;
//! ```
//!
//! A body is never held whole unless it is small (64 KiB): only then a call is made twice, after a renewal,
//! a `Retry-After` or a connection that ended under it. Redirects are answers.

mod dress;
mod lanes;
mod load;
mod reply;
mod verdict;

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, Method};
use url::Url;
use uuid::Uuid;

use self::{
    dress::Route,
    load::Load,
    verdict::{Verdict, Waiting},
};
use super::{Engine, EngineError, IntegrationView, RefreshError, WorkspaceView, provider::ProviderError};
use crate::{
    catalog::connector::{Api, AuthOption},
    model::{Connection, Credentials, Customer},
    outbound::{OutboundError, Reach, Reuse, StreamedCall, Upload, UploadFault},
    protocol::join::JoinError,
};

pub(super) use lanes::Lanes;
pub use lanes::ProxyLimits;
pub use reply::{Answer, AnswerBody};

/// Largest body that is kept to be sent again, and largest form that is signed.
pub const REPLAYED_MOST: usize = 64 * 1024;
/// The caller's word on how long it waits for a provider that says `Retry-After`: whole seconds.
pub const MAX_WAIT_HEADER: &str = "hitchpost-max-wait";
/// The most that header can say.
pub const MAX_WAIT: Duration = Duration::from_secs(60);

/// A call as it was received.
pub struct Relayed {
    /// HTTP method.
    pub method: Method,
    /// What stands behind the door's own prefix, as received: empty, or a path with its slash, or a slash
    /// and a whole address.
    pub path: String,
    /// The query, as received.
    pub query: Option<String>,
    /// Headers, as received.
    pub headers: HeaderMap,
    /// The body.
    pub body: Upload,
}

/// A call without its body.
struct Head {
    method: Method,
    path: String,
    query: Option<String>,
    headers: HeaderMap,
}

/// On whose behalf a call goes out. Made per call: the credentials are in the clear.
pub(super) struct Behalf {
    /// The workspace.
    pub(super) workspace: Arc<WorkspaceView>,
    /// What is called.
    pub(super) view: Arc<IntegrationView>,
    /// Place of the auth option in the connector.
    pub(super) option: usize,
    /// Whose credentials they are.
    pub(super) customer: Arc<Customer>,
    /// The connection, where there is one: its input and its parameters.
    pub(super) connection: Option<Arc<Connection>>,
    /// What opens the account.
    pub(super) credentials: Credentials,
    /// Their version, for [`Standing::renew`].
    pub(super) version: i64,
    /// A mark of the [`Standing`]'s own.
    pub(super) mark: u64,
    /// Calls of one lane share a limit: the connection's id.
    pub(super) lane: Uuid,
}

impl Behalf {
    pub(super) fn option(&self) -> &AuthOption {
        &self.view.connector.auth[self.option]
    }

    fn api(&self) -> Option<&Api> {
        self.view.connector.api_for(self.option())
    }

    fn reach(&self) -> Reach {
        if self.view.integration.settings.sandbox { Reach::Sandbox } else { Reach::Public }
    }
}

/// What is known of credentials while they are in use.
pub(super) trait Standing: Send + Sync {
    /// Nothing ended since `behalf` was made. Asked right before a call leaves, so it costs nothing.
    fn stands(&self, behalf: &Behalf) -> bool;
    /// The same credentials looked at again, when something ended.
    fn again(&self, behalf: Behalf) -> impl Future<Output = Result<Behalf, RelayError>> + Send;
    /// The answer to a 401 for credentials of this version. The same version comes back where nothing can
    /// be renewed; the 401 then stands.
    fn renew(&self, rejected: i64) -> impl Future<Output = Result<Behalf, RelayError>> + Send;
}

/// Why a call was not passed on, or brought no answer.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// TRACE would show the credentials to the caller; CONNECT is no call.
    #[error("this method is not passed on")]
    Method,
    /// [`MAX_WAIT_HEADER`] is no number of seconds from 0 to 60.
    #[error("`Hitchpost-Max-Wait` is a whole number of seconds from 0 to 60")]
    MaxWait,
    /// Where it goes.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// The connector does not say where its API is.
    #[error("the connector has no `api.base`")]
    NoBase,
    /// The credentials do not fit into a call.
    #[error("the credentials cannot be put into a call: {0}")]
    Unfit(String),
    /// As many calls as are allowed are on their way.
    #[error("too many calls at once")]
    TooMany,
    /// The caller's body.
    #[error(transparent)]
    Upload(UploadFault),
    /// A form has to be signed and is too large to be read first.
    #[error("a form of more than 64 KiB cannot be signed")]
    TooLargeToSign,
    /// Something ended while the call was about to leave.
    #[error("the connection changed as the call was about to leave")]
    Withdrawn,
    /// No answer.
    #[error(transparent)]
    Outbound(OutboundError),
    /// No credentials.
    #[error(transparent)]
    Refresh(#[from] RefreshError),
    /// Our side.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl From<ProviderError> for RelayError {
    fn from(error: ProviderError) -> Self {
        match error {
            ProviderError::Outbound(error) => Self::Outbound(error),
            error => Self::Unfit(error.to_string()),
        }
    }
}

impl From<OutboundError> for RelayError {
    fn from(error: OutboundError) -> Self {
        match error {
            OutboundError::Upload(fault) => Self::Upload(fault),
            OutboundError::Withdrawn => Self::Withdrawn,
            error => Self::Outbound(error),
        }
    }
}

/// What was done already for one relayed call; each is done once.
#[derive(Default)]
struct Done {
    renewed: bool,
    clock_set: bool,
    severed: bool,
}

impl Engine {
    /// Passes a call on.
    pub(super) async fn relay(
        &self,
        mut behalf: Behalf,
        standing: &impl Standing,
        request: Relayed,
    ) -> Result<Answer, RelayError> {
        if matches!(request.method, Method::TRACE | Method::CONNECT) {
            return Err(RelayError::Method);
        }
        let Relayed { method, path, query, headers, body } = request;
        let request = Head { method, path, query, headers };
        let mut waiting = Waiting::of(&request)?;
        let is_signed_form = behalf.option().usage.sign && dress::is_form(&request.headers);
        let deadlines = &self.inner.lanes.limits().deadlines;
        let mut load = Load::take(body, is_signed_form, deadlines.idle).await?;
        let mut done = Done::default();
        loop {
            let answer;
            (behalf, answer) = self.attempt(behalf, standing, &request, &mut load, &mut done).await?;
            let Some(mut answer) = answer else { continue };
            if !load.can_go_again() {
                return Ok(answer);
            }
            match verdict::judge(self, &behalf, &request, &mut answer, &mut waiting, &done).await {
                Verdict::Stands => return Ok(answer),
                Verdict::Expired => {
                    done.renewed = true;
                    let renewed = standing.renew(behalf.version).await?;
                    if renewed.version == behalf.version {
                        return Ok(answer);
                    }
                    behalf = renewed;
                    answer.discard().await;
                }
                Verdict::ClockIsOff => {
                    done.clock_set = true;
                    answer.discard().await;
                }
                Verdict::Later(wait) => {
                    answer.discard().await;
                    tokio::time::sleep(wait).await;
                    behalf = standing.again(behalf).await?;
                }
            }
        }
    }

    /// One try. No answer when the connection to the provider ended under it and it may be made again.
    async fn attempt(
        &self,
        mut behalf: Behalf,
        standing: &impl Standing,
        request: &Head,
        load: &mut Load,
        done: &mut Done,
    ) -> Result<(Behalf, Option<Answer>), RelayError> {
        let deadlines = &self.inner.lanes.limits().deadlines;
        let mut route = self.route(&behalf, request)?;
        let pass = self.inner.lanes.enter(behalf.lane, &route.host()).await?;
        let outbound = &self.inner.ports.outbound;
        let may_repeat = request.method.is_idempotent() && load.can_go_again();
        let reuse = match () {
            () if done.severed => Reuse::None,
            () if may_repeat => Reuse::Any,
            () => Reuse::Young,
        };
        let reserved = outbound.reserve(&route.called, behalf.reach(), deadlines, reuse).await?;
        if !standing.stands(&behalf) {
            behalf = standing.again(behalf).await?;
            let now = self.route(&behalf, request)?;
            if !is_same_place(&route.called, &now.called) {
                return Err(RelayError::Withdrawn);
            }
            route = now;
        }
        let call = self.dressed(&behalf, request, &route, load)?;
        let stands = || standing.stands(&behalf);
        match outbound.stream(reserved, call, deadlines, &stands).await {
            Ok(reply) => Ok((behalf, Some(Answer::new(reply, pass)))),
            Err(OutboundError::Severed(_)) if may_repeat && !done.severed => {
                done.severed = true;
                Ok((behalf, None))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn dressed(
        &self,
        behalf: &Behalf,
        request: &Head,
        route: &Route,
        load: &mut Load,
    ) -> Result<StreamedCall, RelayError> {
        let whole = load.whole();
        let (target, headers) = self.dress(behalf, request, route, whole.as_deref())?;
        let body = load.upload().ok_or(RelayError::Withdrawn)?;
        Ok(StreamedCall { method: request.method.clone(), url: route.called.clone(), target, headers, body })
    }
}

fn is_same_place(one: &Url, other: &Url) -> bool {
    one.scheme() == other.scheme()
        && one.host() == other.host()
        && one.port_or_known_default() == other.port_or_known_default()
}
