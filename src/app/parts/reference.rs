//! A call of the API: who makes it, what it takes, what it answers, and how to try it.

use leptos::prelude::*;

use crate::app::text;
use crate::app::view::{AnswerRow, CallView, FieldRow};

use super::words::words;

/// The place of a group or an object on the page.
pub fn id_of(name: &str) -> String {
    format!("of-{}", name.to_lowercase())
}

/// A call, closed.
pub fn call(call: &CallView, origin: &str) -> AnyView {
    let about = (!call.about.is_empty()).then(|| view! { <p>{words(&call.about)}</p> });
    view! {
        <details class="call">
            <summary>
                <h3><b>{call.method.clone()}</b> " " <code>{call.path.clone()}</code></h3>
                <span>{words(&call.summary)}</span>
                <span class="who">{text::caller(&call.role)}</span>
            </summary>
            <div id=call.id.clone()>
                {about}
                {part(text::PARAMETERS, &call.parameters)}
                {part(text::BODY, &call.body)}
                <h4>{text::ANSWERS}</h4>
                <dl>{call.answers.iter().map(answer).collect_view()}</dl>
                <h4>{text::SAMPLE}</h4>
                <pre tabindex="0"><code>{sample(call, origin)}</code></pre>
            </div>
        </details>
    }
    .into_any()
}

fn part(title: &'static str, rows: &[FieldRow]) -> Option<AnyView> {
    (!rows.is_empty()).then(|| view! { <h4>{title}</h4> {fields(rows)} }.into_any())
}

/// Parameters or members.
pub fn fields(rows: &[FieldRow]) -> AnyView {
    view! { <dl>{rows.iter().map(field).collect_view()}</dl> }.into_any()
}

fn field(row: &FieldRow) -> AnyView {
    let required = row.required.then(|| view! { " " <em>{text::REQUIRED}</em> });
    view! {
        <div>
            <dt><code>{row.name.clone()}</code>{required}</dt>
            <dd>
                <span>{words(&row.kind)} " " {link(row.object.as_deref())}</span>
                " " {words(&row.about)}
            </dd>
        </div>
    }
    .into_any()
}

fn answer(row: &AnswerRow) -> AnyView {
    let members = (!row.fields.is_empty()).then(|| fields(&row.fields));
    view! {
        <div>
            <dt><code>{row.status.clone()}</code></dt>
            <dd>
                {words(&row.about)} " "
                <span>{words(&row.kind)} " " {link(row.object.as_deref())}</span>
                {members}
            </dd>
        </div>
    }
    .into_any()
}

fn link(object: Option<&str>) -> Option<AnyView> {
    object.map(|name| {
        let href = format!("#{}", id_of(name));
        view! { <a href=href>{name.to_owned()}</a> }.into_any()
    })
}

/// The call for a shell.
fn sample(call: &CallView, origin: &str) -> String {
    let mut words = vec!["curl".to_owned()];
    match (call.method.as_str(), &call.sample_body) {
        ("GET" | "ANY", _) | ("POST", Some(_)) => {}
        (method, _) => words.push(format!("-X {method}")),
    }
    words.push(format!("'{origin}{}'", call.sample_path));
    let mut lines = vec![words.join(" ")];
    if !["anyone", "operator"].contains(&call.role.as_str()) {
        lines.push("-H \"Authorization: Bearer $TOKEN\"".to_owned());
    }
    if let Some(body) = &call.sample_body {
        lines.push("-H 'Content-Type: application/json'".to_owned());
        lines.push(format!("-d '{body}'"));
    }
    lines.join(" \\\n  ")
}
