//! Who hears that the import of a connection is done, for as long as they listen.
//!
//! A listener may come back long after the attempt is forgotten. So each message carries a *bookmark*: which
//! connection is listened for and behind which report, sealed, so that nobody but us can make one. It tells
//! nothing that its holder was not told before, and opens nothing once the connection is gone.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use super::{Engine, EngineError, IntegrationView, Outcome, connect::ATTEMPT_LIFE};
use crate::{
    model::{Connection, ConnectionId, ConnectionState, CustomerId, EventId, Scope, Timestamp, WorkspaceId},
    vault::{Place, Sealed},
};

/// How often a waiting page looks by itself: reports to other processes are not announced here.
const POLL: Duration = Duration::from_secs(5);
/// Reports that a slow listener may be behind before it has to look by itself.
const BACKLOG: usize = 64;
/// How long after the attempt began a page may still come back.
const LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Tells whoever waits that an import is done.
pub(super) struct Imports(broadcast::Sender<()>);

impl Default for Imports {
    fn default() -> Self {
        Self(broadcast::Sender::new(BACKLOG))
    }
}

impl Imports {
    /// Nobody listening is not an error.
    pub(super) fn announce(&self) {
        let _ = self.0.send(());
    }
}

/// Waits for reports that a connection's import is done.
pub struct ImportWatch {
    engine: Engine,
    place: Bookmark,
    view: Arc<IntegrationView>,
    announced: broadcast::Receiver<()>,
}

/// Where a listener is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bookmark {
    request_id: String,
    workspace: WorkspaceId,
    customer: CustomerId,
    connection: ConnectionId,
    since_millis: i64,
    after: Option<EventId>,
}

impl Bookmark {
    /// When the attempt began: earlier reports were of what was connected before.
    fn since(&self) -> Timestamp {
        Timestamp::from_millis(self.since_millis)
    }
}

impl ImportWatch {
    /// The next report, as soon as there is one: the connection as it is now.
    pub async fn next(&mut self) -> Result<Connection, EngineError> {
        loop {
            let (store, place) = (self.engine.store(), &self.place);
            if let Some(found) = store.import_done(place.connection, place.after, place.since()).await? {
                let connection = self.engine.listened_to(place).await?;
                self.place.after = Some(found);
                return Ok(connection);
            }
            tokio::select! {
                // Having missed some is a reason to look as well.
                _ = self.announced.recv() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    /// Opens the stream again behind what was told so far.
    pub fn bookmark(&self) -> String {
        let text = serde_json::to_vec(&self.place).expect("ids and times serialize");
        URL_SAFE_NO_PAD.encode(self.engine.vault().seal(place(), &text).0)
    }

    /// The client's own name for the attempt.
    pub fn request_id(&self) -> &str {
        &self.place.request_id
    }

    /// What was connected.
    pub fn view(&self) -> &IntegrationView {
        &self.view
    }
}

impl Engine {
    /// Listens for reports that the import of the connection that an attempt ended in is done; none when it
    /// ended in no connection.
    pub fn watch_import(&self, outcome: &Outcome) -> Option<ImportWatch> {
        let connection = outcome.connection.as_ref()?;
        Some(ImportWatch {
            engine: self.clone(),
            place: Bookmark {
                request_id: outcome.attempt.request_id.clone().unwrap_or_default(),
                workspace: connection.workspace,
                customer: connection.customer,
                connection: connection.id,
                since_millis: outcome.attempt.expires_at.minus(ATTEMPT_LIFE).millis(),
                after: None,
            },
            view: outcome.view.clone(),
            announced: self.inner.imports.0.subscribe(),
        })
    }

    /// Goes on where a listener was; none when the bookmark is not ours, is for another attempt or too old,
    /// or the connection is gone.
    pub async fn resume_import(&self, request_id: &str, bookmark: &str) -> Option<ImportWatch> {
        let sealed = Sealed(URL_SAFE_NO_PAD.decode(bookmark).ok()?);
        let opened = self.vault().open(place(), &sealed).ok()?;
        let place: Bookmark = serde_json::from_slice(opened.expose()).ok()?;
        if place.request_id != request_id || place.since().plus(LIFE) <= self.now() {
            return None;
        }
        let announced = self.inner.imports.0.subscribe();
        let connection = self.listened_to(&place).await.ok()?;
        let view = self.workspace(place.workspace).await.ok()?.by_id(connection.integration)?.clone();
        Some(ImportWatch { engine: self.clone(), place, view, announced })
    }

    async fn listened_to(&self, place: &Bookmark) -> Result<Connection, EngineError> {
        let scope = Scope { workspace: place.workspace, customer: Some(place.customer) };
        let found = self.store().connection(scope, place.connection).await?;
        let is_there = |found: &Connection| !matches!(found.state, ConnectionState::Archived(_));
        found.filter(is_there).ok_or(EngineError::NotFound("connection"))
    }
}

fn place() -> Place<'static> {
    Place { table: "event_stream", row: "bookmark", column: "import", workspace: None }
}
