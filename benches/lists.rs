//! What a page of one customer's connections costs when there are a thousand of them and when there are a
//! million, all made at the same moment. Run it with `cargo bench --bench lists`.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[path = "stage/mod.rs"]
mod stage;

use std::path::Path;

use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use stage::{Client, Hitchpost, Outcome, folder, get, measure};

const FEW: u32 = 1_000;
const MANY: u32 = 1_000_000;
/// How many times the cost at [`FEW`] the cost at [`MANY`] should be at most.
const AIM: f64 = 1.2;
/// Connections on a page.
const LIMIT: usize = 25;

const CONFIG: &str = "[server.limits]\napi_per_customer = \"off\"\napi_per_workspace = \"off\"\n\
    [[workspace]]\nkey = \"bench\"\nname = \"Bench\"\nsecret = \"a secret of a benchmark, 32 bytes\"\n\
    [[workspace.integration]]\nkey = \"hubspot\"\nconnector = \"hubspot\"\nsandbox = true\n";

fn main() -> Outcome<()> {
    println!("CPU time per page of {LIMIT} connections of one customer, all made in the same millisecond");
    println!("{:>10}  {:>14}  {:>14}", "rows", "first page µs", "last page µs");
    let few = pages(FEW)?;
    let many = pages(MANY)?;
    for (rows, (first, last)) in [(FEW, few), (MANY, many)] {
        println!("{rows:>10}  {first:>14.1}  {last:>14.1}");
    }
    let (first, last) = (many.0 / few.0, many.1 / few.1);
    let verdict = if first.max(last) <= AIM { "met" } else { "missed" };
    println!("Ratio: first page {first:.2}, last page {last:.2} (aim: at most {AIM}): {verdict}.");
    Ok(())
}

/// CPU µs of the first and of the last page.
fn pages(rows: u32) -> Outcome<(f64, f64)> {
    let folder = folder(&format!("lists-{rows}"))?;
    let server = Hitchpost::start(&folder, CONFIG)?;
    let headers = format!("Authorization: Bearer {}\r\n", server.token("customer-1", false)?);
    let mut client = Client::connect(server.process.port)?;
    // The customer is made by the first call.
    client.ask(&get("/connections", &headers))?.good()?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(fill(&folder, rows))?;
    let (mut cursor, mut before) = ("0".to_owned(), "0".to_owned());
    loop {
        let page = client.ask(&get(&format!("/connections?limit=1000&cursor={cursor}"), &headers))?.good()?;
        let page: serde_json::Value = serde_json::from_slice(&page)?;
        if page["items"].as_array().is_none_or(Vec::is_empty) {
            break;
        }
        let Some(next) = page["cursor"].as_str() else { break };
        before = std::mem::replace(&mut cursor, next.to_owned());
    }
    let first = get(&format!("/connections?limit={LIMIT}"), &headers);
    let last = get(&format!("/connections?limit={LIMIT}&cursor={before}"), &headers);
    Ok((measure(&server.process, &[first])?.0, measure(&server.process, &[last])?.0))
}

async fn fill(folder: &Path, rows: u32) -> Outcome<()> {
    let options = SqliteConnectOptions::new().filename(folder.join("bench.db"));
    let mut database = SqliteConnection::connect_with(&options).await?;
    sqlx::query(
        "with recursive number (n) as (select 1 union all select n + 1 from number where n < $1)
         insert into connection (id, workspace_id, customer_id, integration_id, auth_option, state, input,
                                 connector_parameters, credential_version, retry_attempts,
                                 created_at, updated_at)
         select printf('0199a000-0000-7%03x-8000-%012x', n % 4096, n),
                c.workspace_id, c.id, i.id, 'oauth2', 'ready', '{}', '{}', 1, 0, 1760000000000, 1760000000000
         from number, customer c, integration i",
    )
    .bind(rows)
    .execute(&mut database)
    .await?;
    Ok(database.close().await?)
}
