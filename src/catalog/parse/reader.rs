//! Reads a connector file key by key, and knows where each one stands.
//!
//! Every answer is either a value of the asked kind or an error with file, line and dotted key.
//! A table that was read must be [`finish`](Table::finish)ed: keys nobody asked for are errors,
//! because a misspelt key that is silently ignored is found in production.

use std::{cell::RefCell, collections::BTreeMap, str::FromStr};

use serde_json::Value;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::ConnectorError;
use crate::catalog::{
    connector::Templates,
    template::{self, Template},
};

/// One file: its name for errors, and where its keys are.
pub(in crate::catalog) struct File {
    name: String,
    text: String,
    /// Where each key begins. Lines are counted when one is asked for: of hundreds of files none is.
    places: BTreeMap<String, usize>,
    /// What was refused so far, in the order of reading.
    faults: RefCell<Vec<ConnectorError>>,
    /// The keys that each kind of table was asked for; places in lists left out of its name.
    #[cfg(test)]
    asked: RefCell<BTreeMap<String, std::collections::BTreeSet<&'static str>>>,
}

/// A value and the dotted key that leads to it.
pub(super) struct Item<'t> {
    file: &'t File,
    pub(super) key: String,
    value: &'t DeValue<'t>,
}

/// A table being read.
pub(super) struct Table<'t> {
    file: &'t File,
    key: String,
    entries: Vec<(&'t str, &'t DeValue<'t>)>,
    asked: RefCell<Vec<&'static str>>,
}

impl File {
    /// Notes where each key of `root` stands in `text`.
    pub(super) fn new(name: &str, text: &str, root: &DeTable<'_>) -> Self {
        let mut file = Self {
            name: name.to_owned(),
            text: text.to_owned(),
            places: BTreeMap::new(),
            faults: RefCell::default(),
            #[cfg(test)]
            asked: RefCell::default(),
        };
        file.note("", root);
        file
    }

    /// Remembers a refusal, so that reading can go on behind it.
    pub(in crate::catalog) fn note_fault(&self, fault: ConnectorError) {
        let mut faults = self.faults.borrow_mut();
        if !faults.contains(&fault) {
            faults.push(fault);
        }
    }

    /// Everything that was refused, in the order of reading.
    pub(in crate::catalog) fn faults(&self) -> Vec<ConnectorError> {
        self.faults.borrow().clone()
    }

    /// The keys that each kind of table was asked for.
    #[cfg(test)]
    pub(super) fn asked(&self) -> BTreeMap<String, std::collections::BTreeSet<&'static str>> {
        self.asked.borrow().clone()
    }

    fn note(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let key = join(prefix, name.get_ref());
            self.note_value(&key, value);
            self.places.entry(key).or_insert(name.span().start);
        }
    }

    fn note_value(&mut self, key: &str, value: &Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::Table(table) => self.note(key, table),
            DeValue::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let key = format!("{key}[{index}]");
                    self.note_value(&key, item);
                    self.places.insert(key, item.span().start);
                }
            }
            _ => {}
        }
    }

    /// The line of `key`, or of the nearest table around it that the file has.
    pub(super) fn line(&self, key: &str) -> Option<usize> {
        let mut key = key;
        loop {
            if let Some(place) = self.places.get(key) {
                return Some(line_at(&self.text, *place));
            }
            key = &key[..key.rfind(['.', '['])?];
        }
    }

    /// A refusal of what stands at `key`.
    pub(in crate::catalog) fn refuse(&self, key: &str, reason: impl Into<String>) -> ConnectorError {
        ConnectorError {
            file: self.name.clone(),
            line: self.line(key),
            key: key.to_owned(),
            reason: reason.into(),
        }
    }

    /// Whether the file itself says something at `key`.
    pub(in crate::catalog) fn has(&self, key: &str) -> bool {
        self.places.contains_key(key)
    }
}

/// The 1-based line of a byte offset.
pub(super) fn line_at(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

impl<'t> Item<'t> {
    /// A refusal of this value.
    pub(super) fn refuse(&self, reason: impl Into<String>) -> ConnectorError {
        self.file.refuse(&self.key, reason)
    }

    pub(super) fn is_text(&self) -> bool {
        self.value.is_str()
    }

    pub(super) fn is_list(&self) -> bool {
        self.value.is_array()
    }

    /// Text that is not empty.
    pub(super) fn text(&self) -> Result<String, ConnectorError> {
        let text = self.any_text()?;
        if text.trim().is_empty() { Err(self.refuse("must not be empty")) } else { Ok(text) }
    }

    /// Text, empty or not.
    pub(super) fn any_text(&self) -> Result<String, ConnectorError> {
        self.value.as_str().map(str::to_owned).ok_or_else(|| self.refuse("must be text in quotes"))
    }

    /// Text, or a number or truth value as text.
    pub(super) fn scalar(&self) -> Result<String, ConnectorError> {
        match self.json()? {
            Value::String(text) => Ok(text),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(truth) => Ok(truth.to_string()),
            _ => Err(self.refuse("must be a single value")),
        }
    }

    pub(super) fn bool(&self) -> Result<bool, ConnectorError> {
        self.value.as_bool().ok_or_else(|| self.refuse("must be true or false"))
    }

    /// A whole number, zero or more.
    pub(super) fn number<N: FromStr>(&self) -> Result<N, ConnectorError> {
        self.value
            .as_integer()
            .filter(|integer| integer.radix() == 10)
            .and_then(|integer| integer.as_str().parse().ok())
            .ok_or_else(|| self.refuse("must be a whole number, zero or more"))
    }

    pub(super) fn template(&self) -> Result<Template, ConnectorError> {
        let text = self.scalar()?;
        Template::parse(&text).map_err(|error| self.refuse(error.to_string()))
    }

    /// A name that templates can use.
    pub(super) fn name(&self) -> Result<String, ConnectorError> {
        let name = self.text()?;
        self.check_name(&name)?;
        Ok(name)
    }

    fn check_name(&self, name: &str) -> Result<(), ConnectorError> {
        if template::is_name(name) && !name.contains('.') {
            return Ok(());
        }
        Err(self.refuse("must be a name of letters, digits and `_`"))
    }

    /// One of the given words.
    pub(super) fn one_of<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T, ConnectorError> {
        let word = self.any_text()?;
        let found = choices.iter().find(|(name, _)| *name == word).map(|(_, value)| *value);
        found.ok_or_else(|| {
            let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
            self.refuse(format!("must be one of {}", names.join(", ")))
        })
    }

    pub(super) fn list(&self) -> Result<Vec<Item<'t>>, ConnectorError> {
        let items = self.value.as_array().ok_or_else(|| self.refuse("must be a list"))?;
        let item = |(index, value): (usize, &'t Spanned<DeValue<'t>>)| Item {
            file: self.file,
            key: format!("{}[{index}]", self.key),
            value: value.get_ref(),
        };
        Ok(items.iter().enumerate().map(item).collect())
    }

    /// A list whose items are all read, so that each is told what is wrong with it.
    pub(super) fn each<T>(
        &self,
        read: impl Fn(&Item<'t>) -> Result<T, ConnectorError>,
    ) -> Result<Vec<T>, ConnectorError> {
        let all: Vec<_> = self.list()?.iter().map(read).collect();
        for fault in all.iter().filter_map(|one| one.as_ref().err()) {
            self.file.note_fault(fault.clone());
        }
        all.into_iter().collect()
    }

    pub(super) fn texts(&self) -> Result<Vec<String>, ConnectorError> {
        self.list()?.iter().map(Item::text).collect()
    }

    pub(super) fn table(&self) -> Result<Table<'t>, ConnectorError> {
        let table = self.value.as_table().ok_or_else(|| self.refuse("must be a table"))?;
        Ok(Table::new(self.file, &self.key, table))
    }

    /// The members of a table whose keys are free, in the file's order.
    pub(super) fn members(&self) -> Result<Vec<(String, Item<'t>)>, ConnectorError> {
        let table = self.table()?;
        let member = |(name, value): &(&'t str, &'t DeValue<'t>)| {
            let key = join(&self.key, name);
            ((*name).to_owned(), Item { file: self.file, key, value })
        };
        Ok(table.entries.iter().map(member).collect())
    }

    /// A table of texts.
    pub(super) fn map(&self) -> Result<BTreeMap<String, String>, ConnectorError> {
        self.members()?.into_iter().map(|(name, item)| Ok((name, item.text()?))).collect()
    }

    /// A table whose keys are template names and whose values are texts.
    pub(super) fn names(&self) -> Result<BTreeMap<String, String>, ConnectorError> {
        let member = |(name, item): (String, Item<'t>)| {
            item.check_name(&name)?;
            Ok((name, item.text()?))
        };
        self.members()?.into_iter().map(member).collect()
    }

    /// A table of templates, in the file's order.
    pub(super) fn templates(&self) -> Result<Templates, ConnectorError> {
        self.members()?.into_iter().map(|(name, item)| Ok((name, item.template()?))).collect()
    }

    /// The value as JSON.
    pub(super) fn json(&self) -> Result<Value, ConnectorError> {
        Ok(match self.value {
            DeValue::String(text) => Value::from(text.as_ref()),
            DeValue::Boolean(truth) => Value::from(*truth),
            DeValue::Integer(_) => {
                let digits = self.value.as_integer().filter(|integer| integer.radix() == 10);
                let number = digits.and_then(|integer| integer.as_str().parse::<i64>().ok());
                Value::from(number.ok_or_else(|| self.refuse("is too large a number"))?)
            }
            DeValue::Float(float) => {
                let number = float.as_str().parse::<f64>().ok().filter(|number| number.is_finite());
                Value::from(number.ok_or_else(|| self.refuse("must be a finite number"))?)
            }
            DeValue::Array(_) => Value::Array(self.list()?.iter().map(Item::json).collect::<Result<_, _>>()?),
            DeValue::Table(_) => {
                let member = |(name, item): (String, Item<'t>)| Ok((name, item.json()?));
                Value::Object(self.members()?.into_iter().map(member).collect::<Result<_, _>>()?)
            }
            DeValue::Datetime(_) => return Err(self.refuse("must not be a date; put it in quotes")),
        })
    }
}

impl<'t> Table<'t> {
    pub(super) fn new(file: &'t File, key: &str, table: &'t DeTable<'t>) -> Self {
        let mut entries: Vec<_> = table.iter().collect();
        // The map is sorted by name; where a key stands in the file is its order.
        entries.sort_by_key(|(name, _)| name.span().start);
        let entries =
            entries.into_iter().map(|(name, value)| (name.get_ref().as_ref(), value.get_ref())).collect();
        Self { file, key: key.to_owned(), entries, asked: RefCell::default() }
    }

    /// A refusal of the table as a whole, or of a key it lacks.
    pub(super) fn refuse(&self, name: &str, reason: impl Into<String>) -> ConnectorError {
        let key = if name.is_empty() { self.key.clone() } else { join(&self.key, name) };
        self.file.refuse(&key, reason)
    }

    /// Whether the table says something about `name`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|(key, _)| *key == name)
    }

    /// The value of `name`, if it is there.
    pub(super) fn get(&self, name: &'static str) -> Option<Item<'t>> {
        self.asked.borrow_mut().push(name);
        let (_, value) = self.entries.iter().find(|(key, _)| *key == name)?;
        Some(Item { file: self.file, key: join(&self.key, name), value })
    }

    /// The value of `name`, read by `read`, if it is there. One that is refused is noted, and reading goes
    /// on as if it were not there: whoever mends a file wants to see all that is wrong with it.
    pub(super) fn read<T>(
        &self,
        name: &'static str,
        read: impl FnOnce(&Item<'t>) -> Result<T, ConnectorError>,
    ) -> Result<Option<T>, ConnectorError> {
        let Some(item) = self.get(name) else { return Ok(None) };
        match read(&item) {
            Ok(value) => Ok(Some(value)),
            Err(fault) => {
                self.file.note_fault(fault);
                Ok(None)
            }
        }
    }

    /// The value of `name`, which must be there.
    pub(super) fn need<T>(
        &self,
        name: &'static str,
        read: impl FnOnce(&Item<'t>) -> Result<T, ConnectorError>,
    ) -> Result<T, ConnectorError> {
        let item = self.get(name).ok_or_else(|| self.refuse(name, "is missing"))?;
        read(&item)
    }

    /// The value of `name`, or `T`'s default.
    pub(super) fn or_default<T: Default>(
        &self,
        name: &'static str,
        read: impl FnOnce(&Item<'t>) -> Result<T, ConnectorError>,
    ) -> Result<T, ConnectorError> {
        Ok(self.read(name, read)?.unwrap_or_default())
    }

    /// Refuses keys nobody asked for.
    pub(super) fn finish(&self) -> Result<(), ConnectorError> {
        let asked = self.asked.borrow();
        #[cfg(test)]
        self.file.asked.borrow_mut().entry(kind_of(&self.key)).or_default().extend(asked.iter());
        for (name, _) in self.entries.iter().filter(|(name, _)| !asked.contains(name)) {
            let known = asked.join(", ");
            self.file
                .note_fault(self.refuse(name, format!("is not a key of the format; here it has {known}")));
        }
        Ok(())
    }
}

/// `auth[].field[]` of `auth[0].field[2]`.
#[cfg(test)]
fn kind_of(key: &str) -> String {
    key.chars().filter(|letter| !letter.is_ascii_digit()).collect()
}
