//! What an account has, as the connector's file looks for it.

use serde_json::{Value, json};

use crate::catalog::connector::Discover;

use super::{cast::Part, kept::plausible, person::Person, reply::put};

/// The reply to the `at`-th call that finds out what the account has: `items` workspaces where the
/// customer can choose, and beside them one that the file does not look for.
pub(super) fn found(part: &Part, at: usize, host: &str, person: Person, items: u8) -> Value {
    let Some(discover) = part.option().discover.get(at) else { return json!([]) };
    let count = if discover.pick.is_some() { items } else { items.min(1) };
    let looked_for = (0..count).map(|number| item(part, discover, host, person, number));
    let list: Vec<Value> = other(part, discover, host, person).into_iter().chain(looked_for).collect();
    let is_list = discover.pick.is_some() || !discover.filter.is_empty() || list.len() != 1;
    match &discover.items {
        Some(path) => {
            let mut body = json!({});
            put(&mut body, path, json!(list));
            body
        }
        None if is_list => json!(list),
        None => list.into_iter().next().unwrap_or_default(),
    }
}

fn item(part: &Part, discover: &Discover, host: &str, person: Person, number: u8) -> Value {
    let mut item = json!({});
    for (name, path) in &discover.request.keep {
        let value = plausible(part, host, name, person);
        // An address or a host stays one: all workspaces live there.
        let is_said = value == person.said_at(name);
        put(&mut item, path, json!(if is_said { nth(&value, number) } else { value }));
    }
    if let Some(pick) = &discover.pick {
        put(&mut item, &pick.label, json!(nth(person.name(), number)));
        put(&mut item, &pick.id, json!(nth(&person.said_at("id"), number)));
    }
    for (path, value) in &discover.filter {
        put(&mut item, path, value.clone());
    }
    item
}

/// The second and further ones are numbered.
fn nth(value: &str, number: u8) -> String {
    match number {
        0 => value.to_owned(),
        _ if value.contains(' ') => format!("{value} {}", number + 1),
        _ => format!("{value}-{}", number + 1),
    }
}

/// Something that does not pass the file's `where`, so that whoever does not filter is noticed.
fn other(part: &Part, discover: &Discover, host: &str, person: Person) -> Option<Value> {
    let (path, wanted) = discover.filter.iter().next()?;
    let mut other = item(part, discover, host, person, 8);
    let unwanted = match wanted {
        Value::Bool(truth) => json!(!truth),
        Value::Number(_) => json!(-1),
        _ => json!("something else"),
    };
    put(&mut other, path, unwanted);
    Some(other)
}
