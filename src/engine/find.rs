//! Finds integrations and connections: one verb for the page and for the API, so that they agree.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    sync::{Arc, RwLock},
    time::Duration,
};

use super::{Engine, EngineError, IntegrationView, WorkspaceView};
use crate::{
    catalog::search::{Rank, Search},
    model::{Access, Connection, ConnectionState, CustomerId, IntegrationId, Scope, Timestamp, WorkspaceId},
    store::{ConnectionFilter, Page},
};

/// Integrations on one page of the catalog.
pub const PAGE_SIZE: usize = 48;
/// Connections a page shows at most; a customer has a handful.
const CONNECTIONS_SHOWN: u32 = 200;

/// Which integrations.
#[derive(Clone, Debug, Default)]
pub struct IntegrationQuery {
    /// What somebody typed; see [`crate::catalog::search`].
    pub search: Option<String>,
    /// One category.
    pub category: Option<String>,
    /// Goes on behind the integration with this key; absent, empty and `0` begin.
    pub cursor: Option<String>,
    /// At most so many.
    pub limit: usize,
    /// Only the one with this key.
    pub key: Option<String>,
    /// Archived ones too; a customer's only those they are connected to.
    pub include_archived: bool,
    /// Connected ones first, as on the page; otherwise the order does not depend on the customer.
    pub connected_first: bool,
}

/// A page of integrations.
pub struct IntegrationPage {
    /// The integrations.
    pub items: Vec<IntegrationSummary>,
    /// Cursor of the next page.
    pub next: Option<String>,
    /// How many fit the query in all.
    pub total: usize,
    /// Categories of all that fit the search, by key, with counts.
    pub categories: Arc<[CategoryCount]>,
    /// How many fit the search, whatever their category.
    pub all: usize,
    /// The customer's connections, newest first.
    pub connections: Vec<ConnectionView>,
}

/// A category and how many integrations are in it.
pub struct CategoryCount {
    /// Its key.
    pub key: String,
    /// How many.
    pub count: usize,
}

/// An integration as one customer sees it.
pub struct IntegrationSummary {
    /// The integration.
    pub view: Arc<IntegrationView>,
    /// The customer's connection to it: a broken one before a working one, then the newest.
    pub connection: Option<Connection>,
}

/// A connection and what it ties to.
pub struct ConnectionView {
    /// The connection.
    pub connection: Connection,
    /// Its integration.
    pub view: Arc<IntegrationView>,
}

/// How long a customer's list is held: as far as it may be behind what another process changed.
const HELD: Duration = Duration::from_secs(1);
/// Lists held at most; all are let go of when there are more.
const HELD_MOST: usize = 4096;

/// Lists of connections that were read a moment ago. What this process changes is forgotten at once.
#[derive(Default)]
pub(super) struct Lists(RwLock<HeldLists>);

#[derive(Default)]
struct HeldLists {
    /// Grows with every change, so that a list read before one is not kept after it.
    generation: u64,
    pages: HashMap<Scope, (Page<Connection>, Timestamp)>,
}

impl Lists {
    fn recall(&self, scope: Scope, now: Timestamp) -> (Option<Page<Connection>>, u64) {
        let held = self.0.read().expect("nothing panics while holding it");
        let page = held.pages.get(&scope).filter(|(_, since)| now >= *since && now.since(*since) < HELD);
        (page.map(|(page, _)| page.clone()), held.generation)
    }

    fn keep(&self, scope: Scope, page: &Page<Connection>, now: Timestamp, generation: u64) {
        let mut held = self.0.write().expect("nothing panics while holding it");
        if held.generation != generation {
            return;
        }
        if held.pages.len() >= HELD_MOST {
            held.pages.clear();
        }
        held.pages.insert(scope, (page.clone(), now));
    }

    /// A connection of this customer changed.
    pub(super) fn forget(&self, workspace: WorkspaceId, customer: CustomerId) {
        let mut held = self.0.write().expect("nothing panics while holding it");
        held.generation += 1;
        held.pages.remove(&Scope { workspace, customer: Some(customer) });
    }
}

impl Engine {
    /// Finds integrations.
    pub async fn find_integrations(
        &self,
        access: &Access,
        query: &IntegrationQuery,
    ) -> Result<IntegrationPage, EngineError> {
        let workspace = self.workspace(access.workspace).await?;
        let connections = match access.customer {
            Some(_) => self.find_connections(access, &ConnectionFilter::default()).await?,
            None => Page { items: Vec::new(), more: false },
        };
        let mut page = page(&workspace, access, &connections.items, query);
        page.connections = connections.items;
        Ok(page)
    }

    /// Finds connections, newest first. A limit of 0 stands for as many as a page shows.
    pub async fn find_connections(
        &self,
        access: &Access,
        filter: &ConnectionFilter,
    ) -> Result<Page<ConnectionView>, EngineError> {
        let workspace = self.workspace(access.workspace).await?;
        let mut filter = filter.clone();
        if filter.limit == 0 {
            filter.limit = CONNECTIONS_SHOWN;
        }
        let found = self.connections_in(access.scope(), &filter).await?;
        let items = found
            .items
            .into_iter()
            .filter_map(|connection| {
                let view = workspace.by_id(connection.integration)?.clone();
                access.sees(&view.integration.key).then_some(ConnectionView { connection, view })
            })
            .collect();
        Ok(Page { items, more: found.more })
    }

    /// Connections in scope; the list every page begins with is held for a moment.
    async fn connections_in(
        &self,
        scope: Scope,
        filter: &ConnectionFilter,
    ) -> Result<Page<Connection>, EngineError> {
        let whole = ConnectionFilter { limit: CONNECTIONS_SHOWN, ..ConnectionFilter::default() };
        if *filter != whole || scope.customer.is_none() {
            return Ok(self.store().connections(scope, filter).await?);
        }
        let (held, generation) = self.inner.lists.recall(scope, self.now());
        if let Some(page) = held {
            return Ok(page);
        }
        let page = self.store().connections(scope, filter).await?;
        self.inner.lists.keep(scope, &page, self.now(), generation);
        Ok(page)
    }

    /// One integration with the connection that counts.
    pub async fn integration_summary(
        &self,
        access: &Access,
        selector: &str,
    ) -> Result<IntegrationSummary, EngineError> {
        let (view, mut connections) = self.integration(access, selector).await?;
        let place = connections.iter().position(is_broken).unwrap_or_default();
        let connection = (!connections.is_empty()).then(|| connections.swap_remove(place));
        Ok(IntegrationSummary { view, connection })
    }

    /// The one integration of a connector that this caller sees.
    pub async fn integration_of_connector(
        &self,
        access: &Access,
        connector: &str,
    ) -> Result<Arc<IntegrationView>, EngineError> {
        let workspace = self.workspace(access.workspace).await?;
        let mut of_connector = workspace.integrations.iter().filter(|view| {
            view.connector.key == connector && !view.integration.hidden && access.sees(&view.integration.key)
        });
        let found = of_connector.next().ok_or(EngineError::NotFound("integration"))?;
        if of_connector.next().is_some() { Err(EngineError::Ambiguous) } else { Ok(found.clone()) }
    }

    /// One integration with the customer's connections to it.
    pub async fn integration(
        &self,
        access: &Access,
        selector: &str,
    ) -> Result<(Arc<IntegrationView>, Vec<Connection>), EngineError> {
        let workspace = self.workspace(access.workspace).await?;
        let view = workspace.integration(selector).filter(|view| access.sees(&view.integration.key));
        let view = view.ok_or(EngineError::NotFound("integration"))?.clone();
        let filter = ConnectionFilter {
            integration: Some(view.integration.id),
            limit: CONNECTIONS_SHOWN,
            ..Default::default()
        };
        let connections = match access.customer {
            Some(_) => self.store().connections(access.scope(), &filter).await?.items,
            None => Vec::new(),
        };
        if view.integration.hidden && connections.is_empty() && !access.is_backend {
            return Err(EngineError::NotFound("integration"));
        }
        Ok((view, connections))
    }
}

fn page(
    workspace: &WorkspaceView,
    access: &Access,
    connections: &[ConnectionView],
    query: &IntegrationQuery,
) -> IntegrationPage {
    let by_integration = counting(connections);
    let is_connected = |view: &IntegrationView| by_integration.contains_key(&view.integration.id);
    let is_offered = |view: &IntegrationView| {
        let is_shown = query.include_archived && (access.is_backend || is_connected(view));
        view.is_offered() || (view.integration.hidden && is_shown && !view.is_closed())
    };
    // Most pages are of the whole catalog: nothing is looked at that is not shown.
    let is_all = access.integrations.is_none() && !query.include_archived;
    let offered: Vec<Placed<'_>> = if is_all {
        workspace.offered.iter().map(|place| (*place, &workspace.integrations[*place])).collect()
    } else {
        let all = workspace.integrations.iter().enumerate();
        all.filter(|(_, view)| is_offered(view) && access.sees(&view.integration.key)).collect()
    };
    let search = query.search.as_deref().and_then(Search::new);
    let searched = match &search {
        Some(search) => search.among(&offered, |(_, view)| &view.names),
        None => offered.into_iter().map(|placed| (Rank::Whole, placed)).collect(),
    };
    let categories =
        if is_all && search.is_none() { workspace.categories.clone() } else { categories(&searched) };
    let all = searched.len();
    let found = searched.into_iter().filter(|(_, (_, view))| fits(view, query));
    let connected_first = query.connected_first && !connections.is_empty();
    let (mut found, rest): (Vec<_>, Vec<_>) =
        found.partition(|(_, (_, view))| connected_first && is_connected(view));
    let first = found.len();
    found.extend(rest);
    let cursor = query.cursor.as_deref().unwrap_or_default();
    let start = start(workspace, search.as_ref(), found.split_at(first), cursor);
    let items = found.iter().skip(start).take(query.limit).map(|(_, (_, view))| IntegrationSummary {
        view: (*view).clone(),
        connection: by_integration.get(&view.integration.id).map(|connection| (*connection).clone()),
    });
    let items: Vec<_> = items.collect();
    let end = start + items.len();
    let mark = if end <= first { IN_FIRST } else { "" };
    let last = items.last().filter(|_| end < found.len());
    IntegrationPage {
        next: last.map(|item| format!("{mark}{}", item.view.integration.key)),
        items,
        total: found.len(),
        categories,
        connections: Vec::new(),
        all,
    }
}

/// An integration and its place in the directory.
type Placed<'v> = (usize, &'v Arc<IntegrationView>);
/// The same, and how well it fits.
type Ranked<'v> = (Rank, Placed<'v>);

/// Marks a cursor that stands among the connected ones, which come first. No key begins with it.
const IN_FIRST: &str = "~";

/// The connection that counts, by integration: a broken one before a working one, then the newest.
fn counting(connections: &[ConnectionView]) -> BTreeMap<IntegrationId, &Connection> {
    let mut by_integration: BTreeMap<_, &Connection> = BTreeMap::new();
    for found in connections.iter().rev() {
        let place = by_integration.entry(found.view.integration.id).or_insert(&found.connection);
        if is_broken(&found.connection) || !is_broken(place) {
            *place = &found.connection;
        }
    }
    by_integration
}

/// Where a list goes on behind the integration of this cursor, also when it is in it no more: hidden
/// since, or connected. What names no integration begins.
fn start(
    workspace: &WorkspaceView,
    search: Option<&Search>,
    (first, rest): (&[Ranked<'_>], &[Ranked<'_>]),
    cursor: &str,
) -> usize {
    let key = cursor.strip_prefix(IN_FIRST).unwrap_or(cursor);
    let left = workspace.integrations.iter().position(|view| view.integration.key == key);
    let Some(left) = left else { return 0 };
    let names = &workspace.integrations[left].names;
    let rank = search.map_or(Rank::Whole, |search| search.rank(names).unwrap_or(Rank::Slip));
    let behind = |part: &[Ranked<'_>]| {
        part.partition_point(|(other, (place, _))| (Reverse(*other), *place) <= (Reverse(rank), left))
    };
    if key == cursor { first.len() + behind(rest) } else { behind(first) }
}

fn is_broken(connection: &Connection) -> bool {
    matches!(connection.state, ConnectionState::Disconnected(_))
}

fn fits(view: &IntegrationView, query: &IntegrationQuery) -> bool {
    let wanted = query.category.as_ref();
    let in_category = wanted.is_none_or(|category| view.connector.categories.contains(category));
    in_category && query.key.as_ref().is_none_or(|key| *key == view.integration.key)
}

fn categories(found: &[Ranked<'_>]) -> Arc<[CategoryCount]> {
    count_categories(found.iter().map(|(_, (_, view))| *view))
}

/// How many of these integrations are in each category, by its key.
pub(super) fn count_categories<'v>(
    views: impl Iterator<Item = &'v Arc<IntegrationView>>,
) -> Arc<[CategoryCount]> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for category in views.flat_map(|view| &view.connector.categories) {
        *counts.entry(category).or_default() += 1;
    }
    counts.into_iter().map(|(key, count)| CategoryCount { key: key.to_owned(), count }).collect()
}
