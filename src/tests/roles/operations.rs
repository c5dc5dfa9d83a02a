//! The operations of the document, ready to be called.

use hitchpost::http::openapi;
use reqwest::Method;
use serde_json::{Value, json};

/// Where a request names something: the kind of name, and how it stands in the document.
#[derive(Clone)]
pub struct Place {
    pub kind: String,
    pub name: String,
    pub is_in_path: bool,
}

/// An operation.
#[derive(Clone)]
pub struct Operation {
    pub id: String,
    pub method: Method,
    pub path: String,
    pub role: String,
    pub is_api: bool,
    /// What its path and query name.
    pub places: Vec<Place>,
    /// A body that fits.
    pub example: Option<Value>,
    /// What its body may hold, with references followed.
    pub properties: Vec<(String, Value)>,
}

impl Operation {
    /// The path with names in it.
    pub fn address(&self, name: impl Fn(&str) -> String) -> String {
        let mut address = self.path.clone();
        for place in self.places.iter().filter(|place| place.is_in_path) {
            address = address.replace(&format!("{{{}}}", place.name), &name(&place.kind));
        }
        if self.places.iter().any(|place| place.kind == "customerQuery") {
            address.push_str(&format!("?id={}", name("customerQuery")));
        }
        address
    }

    /// Kinds that its path names, or the query in place of a path.
    pub fn selects(&self) -> Vec<&str> {
        let selecting = self.places.iter().filter(|place| place.is_in_path || place.kind == "customerQuery");
        selecting.map(|place| place.kind.as_str()).filter(|kind| *kind != "path").collect()
    }
}

/// All of them, but those for whoever runs the server.
pub fn operations() -> Vec<Operation> {
    let document: Value = serde_json::from_str(openapi::document()).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if operation["operationId"].is_string() && operation["x-door"] != "watch" {
                found.push(read(&document, path, item, method, operation));
            }
        }
    }
    found
}

fn read(document: &Value, path: &str, item: &Value, method: &str, operation: &Value) -> Operation {
    let lists = [&item["parameters"], &operation["parameters"]];
    let places = lists.into_iter().filter_map(Value::as_array).flatten().map(|given| {
        let found = followed(document, given);
        let of_reference = given["$ref"].as_str().and_then(|place| place.rsplit('/').next());
        let name = found["name"].as_str().unwrap().to_owned();
        Place { kind: of_reference.unwrap_or(&name).to_owned(), name, is_in_path: found["in"] == "path" }
    });
    let body = operation["requestBody"]["content"].get("application/json");
    let schema = body.map(|body| followed(document, &body["schema"]));
    let properties = schema.and_then(|schema| schema["properties"].as_object());
    Operation {
        id: operation["operationId"].as_str().unwrap().to_owned(),
        method: method.to_uppercase().parse().unwrap(),
        path: path.to_owned(),
        role: operation["x-role"].as_str().unwrap().to_owned(),
        is_api: operation["x-door"].is_null(),
        places: places.collect(),
        example: body.map(|body| body.get("example").cloned().unwrap_or(json!({}))),
        properties: properties.into_iter().flatten().map(|(name, of)| (name.clone(), of.clone())).collect(),
    }
}

fn followed<'a>(document: &'a Value, node: &'a Value) -> &'a Value {
    match node["$ref"].as_str() {
        Some(place) => document.pointer(place.trim_start_matches('#')).unwrap(),
        None => node,
    }
}
