//! JSON that keeps the order of its members: a reference is read from top to bottom.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};

/// A piece of a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// Members in the order in which they are written.
    Object(Vec<(String, Node)>),
    /// Items.
    List(Vec<Node>),
    /// A text.
    Text(String),
    /// A number, true or false, as it is written.
    Word(String),
    /// Null, or what is not there.
    Nothing,
}

impl Node {
    /// A member, or nothing.
    pub fn get(&self, name: &str) -> &Self {
        self.members().find(|(known, _)| *known == name).map_or(&Self::Nothing, |(_, node)| node)
    }

    /// What a reference such as `#/components/schemas/Error` leads to.
    pub fn at(&self, reference: &str) -> &Self {
        reference.trim_start_matches("#/").split('/').fold(self, |node, name| node.get(name))
    }

    /// The members, in order; none of anything but an object.
    pub fn members(&self) -> impl Iterator<Item = (&String, &Self)> {
        let members = match self {
            Self::Object(members) => members.as_slice(),
            _ => &[],
        };
        members.iter().map(|(name, node)| (name, node))
    }

    /// The items; none of anything but a list.
    pub fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// A member's text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).said()
    }

    /// What it says, when it is a single value.
    pub fn said(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Word(text) => Some(text),
            _ => None,
        }
    }

    /// The same as JSON, in one line.
    pub fn json(&self) -> String {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        match self {
            Self::Object(members) => {
                let members = members.iter().map(|(name, node)| format!("{}:{}", quoted(name), node.json()));
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }
            Self::List(items) => format!("[{}]", items.iter().map(Self::json).collect::<Vec<_>>().join(",")),
            Self::Text(text) => quoted(text),
            Self::Word(word) => word.clone(),
            Self::Nothing => "null".to_owned(),
        }
    }

    /// Whether there is nothing here.
    pub fn is_nothing(&self) -> bool {
        *self == Self::Nothing
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reading)
    }
}

struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = Node;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Word(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Word(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Word(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Word(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Node, A::Error> {
        let mut object = Vec::new();
        while let Some(member) = members.next_entry()? {
            object.push(member);
        }
        Ok(Node::Object(object))
    }
}
