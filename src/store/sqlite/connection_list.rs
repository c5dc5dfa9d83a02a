//! Lists of connections: a statement for each filter, so that each has an index to walk.
//!
//! Ids are UUIDv7, so their order is the order of making; a page goes on below the last id and costs the
//! same wherever it is, also when all were made at once.

use sqlx::{QueryBuilder, Sqlite};

use super::{
    super::{ConnectionFilter, Page, Result},
    readers::Readers,
    row::{self, connection_columns},
};
use crate::model::{Connection, Scope};

pub(super) async fn list(
    readers: &Readers,
    scope: Scope,
    filter: &ConnectionFilter,
) -> Result<Page<Connection>> {
    let rows = statement(scope, filter).build().fetch_all(readers).await?;
    let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
    Ok(Page {
        more: rows.len() > limit,
        items: rows.iter().take(limit).map(row::connection).collect::<Result<_>>()?,
    })
}

fn statement(scope: Scope, filter: &ConnectionFilter) -> QueryBuilder<Sqlite> {
    let mut sql =
        QueryBuilder::new(concat!("select ", connection_columns!(), " from connection indexed by "));
    sql.push(index(scope, filter)).push(" where workspace_id = ").push_bind(scope.workspace.to_string());
    if let Some(customer) = scope.customer {
        sql.push(" and customer_id = ").push_bind(customer.to_string());
    }
    push_states(&mut sql, filter);
    push_integrations(&mut sql, filter);
    if let Some(search) = &filter.search {
        sql.push(" and (instr(lower(coalesce(name, account_label, '')), lower(")
            .push_bind(search.words.clone());
        let fitting = listed(&search.integrations);
        sql.push(")) > 0 or integration_id in (select value from json_each(").push_bind(fitting).push(")))");
    }
    if let Some(before) = filter.before {
        sql.push(" and id < ").push_bind(before.to_string());
    }
    sql.push(" order by id desc limit ").push_bind(i64::from(filter.limit) + 1);
    sql
}

/// The index that leaves the fewest rows to pass over. Named, because statistics of a young database would
/// lead the planner astray when it has grown.
fn index(scope: Scope, filter: &ConnectionFilter) -> &'static str {
    let of_customer = scope.customer.is_some();
    match (filter.disconnected, filter.include_archived, of_customer, filter.integration) {
        (Some(true), _, true, _) => "connection_broken_customer",
        (Some(true), _, false, _) => "connection_broken",
        (_, true, true, _) => "connection_any_customer",
        (_, true, false, _) => "connection_any",
        (_, false, true, Some(_)) => "connection_integration",
        (_, false, false, Some(_)) => "connection_of_integration",
        (_, false, true, None) => "connection_customer",
        (_, false, false, None) => "connection_workspace",
    }
}

/// Each term as the index that is walked states it.
fn push_states(sql: &mut QueryBuilder<Sqlite>, filter: &ConnectionFilter) {
    if filter.disconnected == Some(true) {
        sql.push(" and state = 'disconnected'");
    } else if !filter.include_archived {
        sql.push(" and state <> 'archived'");
    }
    if filter.disconnected == Some(false) {
        sql.push(" and state <> 'disconnected'");
    }
    match filter.connected {
        Some(true) => sql.push(" and state = 'ready'"),
        Some(false) => sql.push(" and state <> 'ready'"),
        None => sql,
    };
}

fn push_integrations(sql: &mut QueryBuilder<Sqlite>, filter: &ConnectionFilter) {
    if let Some(integration) = filter.integration {
        sql.push(" and integration_id = ").push_bind(integration.to_string());
    }
    if let Some(among) = &filter.among {
        // Not a way to find them: the order is that of the ids.
        sql.push(" and +integration_id in (select value from json_each(").push_bind(listed(among)).push("))");
    }
}

fn listed(ids: &[crate::model::IntegrationId]) -> String {
    serde_json::to_string(ids).expect("ids serialize")
}

#[cfg(test)]
mod tests {
    use sqlx::{AssertSqlSafe, Row as _};

    use super::*;
    use crate::{
        clock::{Entropy as _, SystemEntropy},
        model::{ConnectionId, CustomerId, IntegrationId, Timestamp, WorkspaceId},
        store::{ConnectionSearch, SqliteStore},
    };

    /// How SQLite walks through a list.
    async fn plan(store: &SqliteStore, scope: Scope, filter: &ConnectionFilter) -> Vec<String> {
        let sql = format!("explain query plan {}", statement(scope, filter).into_string());
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&store.readers).await.unwrap();
        rows.iter().map(|row| row.get("detail")).collect()
    }

    /// Every combination of what a list can be narrowed by.
    fn filters() -> Vec<ConnectionFilter> {
        let integration = IntegrationId::of(WorkspaceId::of("acme"), "hubspot");
        let ways = |bit: u32, bits: u32| bits & (1 << bit) != 0;
        let state = [None, Some(true), Some(false)];
        let with = |bits: u32, disconnected: Option<bool>, connected: Option<bool>| ConnectionFilter {
            integration: ways(0, bits).then_some(integration),
            among: ways(1, bits).then(|| vec![integration]),
            search: ways(2, bits)
                .then(|| ConnectionSearch { words: "a".to_owned(), integrations: vec![integration] }),
            before: ways(3, bits).then(|| ConnectionId::from_uuid(uuid::Uuid::max())),
            include_archived: ways(4, bits),
            disconnected,
            connected,
            limit: 25,
        };
        (0..32)
            .flat_map(|bits| state.into_iter().map(move |disconnected| (bits, disconnected)))
            .flat_map(|(bits, disconnected)| state.map(|connected| with(bits, disconnected, connected)))
            .collect()
    }

    #[tokio::test]
    async fn every_filter_walks_an_index_in_the_order_of_the_list() {
        let own = SystemEntropy::default().uuid(Timestamp::from_millis(0));
        let folder = std::env::temp_dir().join(format!("hitchpost-plan-{own}"));
        std::fs::create_dir_all(&folder).unwrap();
        let store = SqliteStore::open(&folder.join("test.db")).await.unwrap();
        let workspace = WorkspaceId::of("acme");
        let customer = CustomerId::from_uuid(uuid::Uuid::max());

        for filter in filters() {
            for customer in [None, Some(customer)] {
                let scope = Scope { workspace, customer };
                let plan = plan(&store, scope, &filter).await;
                let walked = format!("SEARCH connection USING INDEX {} (", index(scope, &filter));
                assert!(plan[0].starts_with(&walked), "{filter:?}: {plan:?}");
                assert_eq!(plan[0].contains("id<?"), filter.before.is_some(), "{filter:?}: {plan:?}");
                assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{filter:?}: {plan:?}");
            }
        }
        store.readers.close().await;
        store.writer.close().await;
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
