//! Fields: what the customer types.

use super::{ConnectorError, reader::Item};
use crate::catalog::connector::{Derive, Field, Split};

const KINDS: &[(&str, &str)] =
    &[("string", "string"), ("number", "number"), ("integer", "integer"), ("boolean", "boolean")];

/// One `[[auth.field]]` table.
pub(super) fn field(item: &Item<'_>) -> Result<Field, ConnectorError> {
    let table = item.table()?;
    let field = Field {
        name: table.need("name", Item::name)?,
        title: table.need("title", Item::text)?,
        help: table.read("help", Item::text)?,
        secret: table.or_default("secret", Item::bool)?,
        required: table.read("required", Item::bool)?.unwrap_or(true),
        kind: table.read("type", |item| item.one_of(KINDS))?.unwrap_or("string").to_owned(),
        pattern: table.read("pattern", Item::text)?,
        example: table.read("example", Item::scalar)?,
        default: table.read("default", Item::scalar)?,
        options: table.or_default("options", options)?,
        suggestions: table
            .or_default("suggestions", |item| item.list()?.iter().map(Item::scalar).collect())?,
        suffix: table.read("suffix", Item::text)?,
        derive: table.read("derive", derive)?,
        split: table.read("split", split)?,
    };
    table.finish()?;
    Ok(field)
}

/// A list of values, or a table of value and title; the file's order is the customer's.
fn options(item: &Item<'_>) -> Result<Vec<(String, String)>, ConnectorError> {
    if item.is_list() {
        let value = |item: &Item<'_>| item.scalar().map(|value| (value.clone(), value));
        return item.list()?.iter().map(value).collect();
    }
    item.members()?.into_iter().map(|(value, title)| Ok((value, title.text()?))).collect()
}

fn derive(item: &Item<'_>) -> Result<Derive, ConnectorError> {
    let table = item.table()?;
    let derive = Derive { from: table.need("from", Item::name)?, regex: table.need("regex", Item::text)? };
    table.finish()?;
    Ok(derive)
}

fn split(item: &Item<'_>) -> Result<Split, ConnectorError> {
    let table = item.table()?;
    let names = |item: &Item<'_>| item.list()?.iter().map(Item::name).collect();
    let split = Split { on: table.need("on", Item::any_text)?, into: table.need("into", names)? };
    if split.on.is_empty() || split.into.len() < 2 {
        return Err(table.refuse("", "needs a separator and at least two names"));
    }
    table.finish()?;
    Ok(split)
}
