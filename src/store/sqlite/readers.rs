//! Connections that read.
//!
//! Every word with a connection is a trip to its thread and back, dearer than most reads themselves. A
//! pool pings a connection before and after each use, since a server may have hung up; a file does not.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{
    FutureExt as _, StreamExt as _, TryStreamExt as _,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use sqlx::{
    Connection as _, Describe, Either, Error, Execute, Executor, SqlStr, Sqlite,
    sqlite::{
        SqliteConnectOptions, SqliteConnection, SqliteQueryResult, SqliteRow, SqliteStatement, SqliteTypeInfo,
    },
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a read waits for a connection before the store says busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// Connections that read, opened as they are needed. Run queries on a reference to it.
#[derive(Clone)]
pub(super) struct Readers(Arc<Shared>);

struct Shared {
    options: SqliteConnectOptions,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<SqliteConnection>>,
}

/// A connection that is lent; it goes back when dropped.
pub(super) struct Lent {
    connection: Option<SqliteConnection>,
    home: Arc<Shared>,
    _permit: OwnedSemaphorePermit,
}

impl Readers {
    /// Opens the first, and later at most `most`.
    pub(super) async fn open(options: SqliteConnectOptions, most: usize) -> Result<Self, Error> {
        let permits = Arc::new(Semaphore::new(most));
        let readers = Self(Arc::new(Shared { options, permits, idle: Mutex::default() }));
        drop(readers.lend().await?);
        Ok(readers)
    }

    /// One of them, for what needs more than one query.
    pub(super) async fn lend(&self) -> Result<Lent, Error> {
        let permit = tokio::time::timeout(PATIENCE, self.0.permits.clone().acquire_owned()).await;
        let permit = permit.map_err(|_| Error::PoolTimedOut)?.map_err(|_| Error::PoolClosed)?;
        let idle = self.0.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => SqliteConnection::connect_with(&self.0.options).await?,
        };
        Ok(Lent { connection: Some(connection), home: self.0.clone(), _permit: permit })
    }

    /// Lets go of the file once nobody reads any more.
    pub(super) async fn close(&self) {
        self.0.permits.close();
        let idle = std::mem::take(&mut *self.0.idle());
        for connection in idle {
            // It only read; there is nothing to lose.
            let _ = connection.close().await;
        }
    }
}

impl Shared {
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<SqliteConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lent {
    pub(super) fn connection(&mut self) -> Result<&mut SqliteConnection, Error> {
        self.connection.as_mut().ok_or(Error::PoolClosed)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take().filter(|_| !self.home.permits.is_closed()) {
            self.home.idle().push(connection);
        }
    }
}

impl fmt::Debug for Readers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Readers")
    }
}

impl<'r> Executor<'r> for &'r Readers {
    type Database = Sqlite;

    /// All rows are read before the first comes out: a query that is not read to its end holds no
    /// connection.
    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, Result<Either<SqliteQueryResult, SqliteRow>, Error>>
    where
        'r: 'e,
        E: 'q + Execute<'q, Sqlite>,
    {
        let read = async move {
            let mut lent = self.lend().await?;
            let rows: Vec<_> = lent.connection()?.fetch_many(query).try_collect().await?;
            Ok::<_, Error>(stream::iter(rows.into_iter().map(Ok)))
        };
        stream::once(read).try_flatten().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<SqliteRow>, Error>>
    where
        'r: 'e,
        E: 'q + Execute<'q, Sqlite>,
    {
        async move { self.lend().await?.connection()?.fetch_optional(query).await }.boxed()
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [SqliteTypeInfo],
    ) -> BoxFuture<'e, Result<SqliteStatement, Error>>
    where
        'r: 'e,
    {
        async move { self.lend().await?.connection()?.prepare_with(sql, parameters).await }.boxed()
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Sqlite>, Error>>
    where
        'r: 'e,
    {
        async move { self.lend().await?.connection()?.describe(sql).await }.boxed()
    }
}
