//! The house's one structural rule: a module imports only from its own room and from floors below.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Rooms by floor, the ground first. Rooms of one list may not import each other, except where `<` says so.
const FLOORS: [&[&str]; 5] = [
    &["model", "catalog", "protocol"],
    &["clock", "store", "vault", "outbound"],
    &["engine"],
    &["http", "api", "app", "connect", "sandbox"],
    &["cli", "config", "server", "telemetry", "lib", "main"],
];

/// Arrows inside one floor that are part of the plan.
const SIDEWAYS: [(&str, &str); 14] = [
    ("catalog", "model"),
    ("protocol", "model"),
    ("protocol", "catalog"),
    ("vault", "clock"),
    ("store", "clock"),
    ("api", "http"),
    ("app", "http"),
    ("connect", "http"),
    ("sandbox", "http"),
    ("server", "config"),
    ("cli", "config"),
    ("cli", "server"),
    ("cli", "telemetry"),
    ("server", "telemetry"),
];

/// What only one room may say.
const ONLY: [(&str, &[&str]); 5] = [
    ("leptos", &["app"]),
    ("sqlx", &["store", "telemetry"]),
    ("axum", &["http", "api", "app", "connect", "sandbox", "server"]),
    ("reqwest", &["outbound", "server"]),
    ("jsonwebtoken", &["protocol"]),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        // Tests may look at anything they check.
        if name == "tests" || name.ends_with("tests.rs") || name == "conformance.rs" {
            continue;
        }
        if path.is_dir() {
            sources(&path, found);
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

fn is_allowed(from: &str, to: &str) -> bool {
    match (floor(from), floor(to)) {
        _ if from == to => true,
        (Some(above), Some(below)) if below < above => true,
        (Some(_), Some(_)) => SIDEWAYS.contains(&(from, to)) || matches!(from, "lib" | "main"),
        _ => false,
    }
}

/// Rooms a source names behind `crate::`, in code and not in comments or its own tests.
fn rooms_named(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]").next().unwrap();
    let mut rooms = Vec::new();
    for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
        for rest in line.split("crate::").skip(1) {
            rooms.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>());
        }
    }
    // `use crate::{` opens a list whose rooms stand at the first level of nesting.
    for list in code.split("use crate::{").skip(1) {
        let (mut depth, mut word, mut at_start) = (0_i32, String::new(), true);
        for c in list.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => at_start = true,
                c if depth == 0 && at_start && (c.is_alphanumeric() || c == '_') => word.push(c),
                _ if depth == 0 && !word.is_empty() => {
                    rooms.push(std::mem::take(&mut word));
                    at_start = false;
                }
                _ => {}
            }
        }
        rooms.extend((!word.is_empty()).then_some(word));
    }
    rooms.retain(|room| !room.is_empty());
    rooms
}

fn all() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    sources(&root, &mut found);
    found
        .into_iter()
        .map(|path| {
            let inside = path.strip_prefix(&root).unwrap();
            let room = inside.components().next().unwrap().as_os_str().to_str().unwrap();
            let text = fs::read_to_string(&path).unwrap();
            (room.trim_end_matches(".rs").to_owned(), path, text)
        })
        .collect()
}

#[test]
fn no_arrow_runs_up_or_sideways() {
    let mut wrong = Vec::new();
    let all = all();
    for (room, path, text) in &all {
        for named in rooms_named(text) {
            if !is_allowed(room, &named) {
                wrong.push(format!("{}: {room} -> {named}", path.display()));
            }
        }
    }

    assert!(all.len() > 60, "only {} sources were read", all.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_belongs_to_one_room_is_said_there_only() {
    let mut wrong = Vec::new();
    for (room, path, text) in all() {
        let code = text.split("#[cfg(test)]").next().unwrap();
        for (word, rooms) in ONLY {
            let says = code
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .any(|line| line.contains(&format!("{word}::")) || line.contains(&format!("use {word};")));
            if says && !rooms.contains(&room.as_str()) {
                wrong.push(format!("{}: {room} says {word}", path.display()));
            }
        }
        if code.contains("inner_html") {
            wrong.push(format!("{}: inner_html", path.display()));
        }
    }

    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_reader_of_imports_sees_lists_and_paths() {
    let text = "use crate::{\n    clock::{Clock, Entropy},\n    model::Handle,\n};\nfn x() { crate::engine::y() }\n// crate::comment\n";

    let mut rooms = rooms_named(text);
    rooms.sort();

    assert_eq!(rooms, ["clock", "engine", "model"]);
    assert!(!is_allowed("model", "engine") && !is_allowed("store", "vault") && !is_allowed("app", "api"));
}
