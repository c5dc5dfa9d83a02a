//! Lists of connections as the API filters them.

use std::sync::Arc;

use super::{ConnectionView, Engine, EngineError, IntegrationView, WorkspaceView};
use crate::{
    catalog::search::Search,
    model::{Access, ConnectionId, CustomerId, Scope},
    store::{ConnectionFilter, ConnectionSearch, CustomerName},
};

/// Which connections. Every part narrows; none leaves it open.
#[derive(Clone, Debug, Default)]
pub struct ConnectionQuery {
    /// What the name, the account or the app's name contains.
    pub search: Option<String>,
    /// Id or key of an integration.
    pub integration: Vec<String>,
    /// Key of a connector.
    pub connector: Option<String>,
    /// Our id of a customer or the product's own.
    pub customer: Vec<String>,
    /// Only disconnected ones, or only others.
    pub disconnected: Option<bool>,
    /// Only ready ones, or only others.
    pub connected: Option<bool>,
    /// Only those played by the sandbox, or only others.
    pub is_test: Option<bool>,
    /// Archived ones too.
    pub include_archived: bool,
    /// Made before this one.
    pub before: Option<ConnectionId>,
    /// At most so many.
    pub limit: u32,
}

/// A page of connections, newest first.
pub struct ConnectionPage {
    /// The connections.
    pub items: Vec<ConnectionView>,
    /// Where the next page goes on; a full page has it, also when nothing follows.
    pub next: Option<ConnectionId>,
}

impl Engine {
    /// Lists connections.
    pub async fn list_connections(
        &self,
        access: &Access,
        query: &ConnectionQuery,
    ) -> Result<ConnectionPage, EngineError> {
        let nothing = ConnectionPage { items: Vec::new(), next: None };
        let workspace = self.workspace(access.workspace).await?;
        let Some(scope) = self.narrowed(access, &query.customer).await? else { return Ok(nothing) };
        let Some(filter) = filter(&workspace, access, query) else { return Ok(nothing) };
        let found = self.store().connections(scope, &filter).await?;
        let is_full = found.items.len() == usize::try_from(query.limit).unwrap_or(usize::MAX);
        let next = found.items.last().filter(|_| is_full).map(|last| last.id);
        let items = found.items.into_iter().filter_map(|connection| {
            let view = workspace.by_id(connection.integration)?.clone();
            Some(ConnectionView { connection, view })
        });
        Ok(ConnectionPage { items: items.collect(), next })
    }

    /// The caller's scope, of one customer where those are named; none when that customer is not in it.
    async fn narrowed(&self, access: &Access, names: &[String]) -> Result<Option<Scope>, EngineError> {
        let mut scope = access.scope();
        for name in names {
            let Some(id) = self.customer_named(access, name).await? else { return Ok(None) };
            if scope.customer.is_some_and(|customer| customer != id) {
                return Ok(None);
            }
            scope.customer = Some(id);
        }
        Ok(Some(scope))
    }

    async fn customer_named(&self, access: &Access, name: &str) -> Result<Option<CustomerId>, EngineError> {
        if let Some(own) = &access.customer {
            let is_own = own.internal_id == name || CustomerId::parse(name) == Some(own.id);
            return Ok(is_own.then_some(own.id));
        }
        // A product's own id may look like one of ours.
        let ours = CustomerId::parse(name).map(CustomerName::Id);
        for name in ours.into_iter().chain([CustomerName::InternalId(name)]) {
            if let Some(found) = self.store().customer_record(access.workspace, name).await? {
                return Ok(Some(found.customer.id));
            }
        }
        Ok(None)
    }
}

/// None when no connection can fit.
fn filter(workspace: &WorkspaceView, access: &Access, query: &ConnectionQuery) -> Option<ConnectionFilter> {
    let is_narrow = access.integrations.is_some()
        || !query.integration.is_empty()
        || query.connector.is_some()
        || query.is_test.is_some();
    let fitting = workspace.integrations.iter().filter(|view| fits(workspace, view, access, query));
    let among: Vec<_> = fitting.map(|view| view.integration.id).collect();
    if is_narrow && among.is_empty() {
        return None;
    }
    let only = match among.as_slice() {
        [one] if is_narrow => Some(*one),
        _ => None,
    };
    Some(ConnectionFilter {
        integration: only,
        among: (is_narrow && only.is_none()).then_some(among),
        disconnected: query.disconnected,
        connected: query.connected,
        search: query.search.as_ref().map(|words| searched(workspace, words)),
        include_archived: query.include_archived,
        before: query.before,
        limit: query.limit,
    })
}

fn fits(
    workspace: &WorkspaceView,
    view: &Arc<IntegrationView>,
    access: &Access,
    query: &ConnectionQuery,
) -> bool {
    let is_named = |selector: &String| {
        workspace.integration(selector).is_some_and(|named| named.integration.id == view.integration.id)
    };
    access.sees(&view.integration.key)
        && query.integration.iter().all(is_named)
        && query.connector.as_ref().is_none_or(|connector| *connector == view.connector.key)
        && query.is_test.is_none_or(|is_test| is_test == view.integration.settings.sandbox)
}

fn searched(workspace: &WorkspaceView, words: &str) -> ConnectionSearch {
    let search = Search::new(words);
    let is_found =
        |view: &&Arc<IntegrationView>| search.as_ref().is_none_or(|search| search.names(&view.names));
    let integrations = workspace.integrations.iter().filter(is_found).map(|view| view.integration.id);
    ConnectionSearch { words: words.to_owned(), integrations: integrations.collect() }
}
