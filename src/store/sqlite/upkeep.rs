//! Upkeep of the file.

use async_trait::async_trait;

use super::{
    super::{Result, UpkeepStore},
    SqliteStore,
    readers::Readers,
};
use crate::model::{CustomerId, WorkspaceId};

#[async_trait]
impl UpkeepStore for SqliteStore {
    async fn try_writing(&self) -> Result<()> {
        // As much as a large transaction, and new each time: a page that stays as it was is not written.
        let mut tx = self.writer.begin_with("begin immediate").await?;
        sqlx::query(
            "insert into installation (name, value)
             values ('write_check', randomblob(32768))
             on conflict (name) do update set value = excluded.value",
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    async fn size(&self) -> Result<u64> {
        let bytes: i64 = sqlx::query_scalar(
            "select page_count * page_size
             from pragma_page_count(), pragma_page_size()",
        )
        .fetch_one(&self.readers)
        .await?;
        Ok(u64::try_from(bytes).unwrap_or_default())
    }

    async fn drop_oldest_attempts(
        &self,
        workspace: WorkspaceId,
        customer: CustomerId,
        most: (u32, u32),
    ) -> Result<u64> {
        let (of_workspace, of_customer) = most;
        let (workspace, customer) = (workspace.to_string(), customer.to_string());
        let by_customer = drop_oldest(
            self,
            "select id from attempt
             where customer_id = $1
               and state = 'pending'
             order by id desc
             limit 1 offset $2",
            "delete from attempt
             where customer_id = $1
               and state = 'pending'
               and id <= $2",
            &customer,
            of_customer,
        );
        let by_customer = by_customer.await?;
        let by_workspace = drop_oldest(
            self,
            "select id from attempt
             where workspace_id = $1
               and state = 'pending'
             order by id desc
             limit 1 offset $2",
            "delete from attempt
             where workspace_id = $1
               and state = 'pending'
               and id <= $2",
            &workspace,
            of_workspace,
        );
        Ok(by_customer + by_workspace.await?)
    }
}

/// Deletes everything up to the first one that is too many. Nearly always there is none, so it is looked
/// for without a transaction that writes.
async fn drop_oldest(
    store: &SqliteStore,
    find: &'static str,
    delete: &'static str,
    of: &str,
    most: u32,
) -> Result<u64> {
    let readers: &Readers = &store.readers;
    let last: Option<String> = sqlx::query_scalar(find).bind(of).bind(most).fetch_optional(readers).await?;
    let Some(last) = last else { return Ok(0) };
    let dropped = sqlx::query(delete).bind(of).bind(last).execute(&store.writer).await?;
    Ok(dropped.rows_affected())
}
