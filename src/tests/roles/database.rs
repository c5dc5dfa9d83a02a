//! Everything that stands in a database, row by row.

use std::{collections::BTreeMap, path::Path};

use sqlx::{AssertSqlSafe, Row as _, SqlitePool, sqlite::SqliteConnectOptions};

/// Changes when somebody is seen, whatever they were answered.
const SEEN: &str = "last_active_at";

/// Rows of every table, each as text.
pub async fn dump(folder: &Path) -> BTreeMap<String, Vec<String>> {
    let options = SqliteConnectOptions::new().filename(folder.join("test.db")).read_only(true);
    let pool = SqlitePool::connect_with(options).await.unwrap();
    let tables = "select name from sqlite_master where type = 'table' and name not like 'sqlite_%'";
    let mut dump = BTreeMap::new();
    for table in sqlx::query(tables).fetch_all(&pool).await.unwrap() {
        let table: String = table.get(0);
        let columns = format!("select name from pragma_table_info('{table}')");
        let columns = sqlx::query(AssertSqlSafe(columns)).fetch_all(&pool).await.unwrap();
        let columns = columns.iter().map(|column| column.get::<String, _>(0)).filter(|column| column != SEEN);
        let quoted: Vec<_> = columns.map(|column| format!("quote(\"{column}\")")).collect();
        let rows = format!("select {} from \"{table}\" order by 1", quoted.join("||'|'||"));
        let rows = sqlx::query(AssertSqlSafe(rows)).fetch_all(&pool).await.unwrap();
        dump.insert(table, rows.iter().map(|row| row.get(0)).collect());
    }
    pool.close().await;
    dump
}
