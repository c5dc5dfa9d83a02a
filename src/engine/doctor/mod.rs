//! Looks whether the integrations of a configuration can work, by asking the real providers.
//!
//! Nothing is changed anywhere: pages are fetched, and token endpoints get a code that cannot be right. The
//! client secret goes where it goes in service and nowhere else: every call is made by [`Provider`], which
//! sends to the connector's own hosts only, through the one client and its egress policy.

mod ask;
mod setup;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{StreamExt as _, stream};

use super::{Engine, EngineError, IntegrationView, WorkspaceView, provider::Provider};

/// Integrations that are looked at side by side.
const PARALLEL: usize = 8;
/// Seconds our clock may be off before tokens and signatures are in danger.
const SKEW_MOST: i64 = 30;

/// How well something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Ok,
    /// Worth knowing.
    Warning,
    /// Something will not work.
    Problem,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How well it stands.
    pub level: Level,
    /// Key of the workspace; none for the server as a whole.
    pub workspace: Option<String>,
    /// Key of the integration.
    pub integration: Option<String>,
    /// What was looked at, in one word: `client`, `callback`, `authorize`, `token` …
    pub check: &'static str,
    /// What was found and, unless it is well, what to do. Never holds a secret.
    pub message: String,
}

impl Finding {
    /// About the server as a whole.
    pub fn of_server(level: Level, check: &'static str, message: impl Into<String>) -> Self {
        Self { level, workspace: None, integration: None, check, message: message.into() }
    }
}

/// What is found about one integration, as it is found.
struct Notes<'v> {
    workspace: &'v WorkspaceView,
    view: &'v IntegrationView,
    found: Vec<Finding>,
}

impl Notes<'_> {
    fn add(&mut self, level: Level, check: &'static str, message: impl Into<String>) {
        self.found.push(Finding {
            level,
            workspace: Some(self.workspace.workspace.key.clone()),
            integration: Some(self.view.integration.key.clone()),
            check,
            message: message.into(),
        });
    }

    fn ok(&mut self, check: &'static str, message: impl Into<String>) {
        self.add(Level::Ok, check, message);
    }

    fn warn(&mut self, check: &'static str, message: impl Into<String>) {
        self.add(Level::Warning, check, message);
    }

    fn problem(&mut self, check: &'static str, message: impl Into<String>) {
        self.add(Level::Problem, check, message);
    }
}

/// By how many seconds the clocks of those who answered are ahead of ours.
#[derive(Default)]
struct Clocks(Mutex<Vec<i64>>);

impl Engine {
    /// Looks at every integration that is offered. Ends after `budget` at the latest; what was not asked by
    /// then is said.
    pub async fn examine(&self, budget: Duration) -> Result<Vec<Finding>, EngineError> {
        let deadline = tokio::time::Instant::now() + budget;
        let mut workspaces = self.workspaces().await?;
        workspaces.sort_by(|one, other| one.workspace.key.cmp(&other.workspace.key));
        let clocks = Clocks::default();
        let all = workspaces.iter().flat_map(|workspace| {
            let offered = workspace.integrations.iter().filter(|view| !view.integration.hidden);
            offered.map(move |view| (workspace, view))
        });
        let looked = all.map(|(workspace, view)| self.examine_one(workspace, view, &clocks, deadline));
        let found: Vec<Vec<Finding>> = stream::iter(looked).buffered(PARALLEL).collect().await;
        Ok(found.into_iter().flatten().chain(clocks.finding()).collect())
    }

    async fn examine_one(
        &self,
        workspace: &Arc<WorkspaceView>,
        view: &Arc<IntegrationView>,
        clocks: &Clocks,
        deadline: tokio::time::Instant,
    ) -> Vec<Finding> {
        let mut notes = Notes { workspace, view, found: Vec::new() };
        setup::look(&mut notes, &self.inner.addresses, &self.callback_uri(view));
        if view.integration.settings.sandbox {
            return notes.found;
        }
        let asking = self.ask_providers(workspace, view, &mut notes, clocks);
        if tokio::time::timeout_at(deadline, asking).await.is_err() {
            notes.warn("time", "there was no time left to ask everything; allow more with --timeout");
        }
        notes.found
    }
}

impl Clocks {
    fn learn(&self, ahead: i64) {
        self.0.lock().expect("nothing panics while holding it").push(ahead);
    }

    /// The median of what was seen: one provider with a bad clock says nothing about ours.
    fn finding(&self) -> Option<Finding> {
        let mut seen = self.0.lock().expect("nothing panics while holding it").clone();
        seen.sort_unstable();
        let ahead = *seen.get(seen.len() / 2)?;
        let of_server = |level, message| Some(Finding::of_server(level, "clock", message));
        if ahead.abs() <= SKEW_MOST {
            return of_server(Level::Ok, "it agrees with the providers' clocks".to_owned());
        }
        let way = if ahead > 0 { "behind" } else { "ahead of" };
        let message = format!(
            "it is {} s {way} the providers' clocks: signed tokens and calls will be refused; set it by NTP",
            ahead.abs()
        );
        of_server(Level::Problem, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(ahead: &[i64]) -> Option<Level> {
        let clocks = Clocks::default();
        ahead.iter().for_each(|ahead| clocks.learn(*ahead));
        clocks.finding().map(|finding| finding.level)
    }

    #[test]
    fn the_clock_is_judged_by_what_most_providers_say() {
        assert_eq!(seen(&[]), None);
        assert_eq!(seen(&[0, 1, 4000]), Some(Level::Ok));
        assert_eq!(seen(&[-300, -299, 0]), Some(Level::Problem));
    }
}
