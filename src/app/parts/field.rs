//! One field of a form: label above, help below, the error beside its field.

use leptos::prelude::*;

use crate::app::text;
use crate::app::view::{FieldKind, FieldView};

/// Field number `index` of the form whose ids begin with `scope`.
///
/// The first field of a form that has an error takes the focus, also without a script.
pub fn field(scope: &str, index: usize, field: &FieldView, focus: bool) -> AnyView {
    let ids = Ids::of(scope, index, field);
    let error = field.error.clone().map(|error| {
        view! { <p class="error" id=ids.error.clone()>{error}</p> }
    });
    let hint = hint(field).map(|hint| view! { <p class="hint" id=ids.hint.clone()>{hint}</p> });
    let optional = (!field.required && field.kind != FieldKind::Switch)
        .then(|| view! { " " <span class="optional">{text::OPTIONAL}</span> });
    let label = view! { <label for=ids.control.clone()>{field.title.clone()} {optional}</label> };
    let control = control(&ids, field, focus);
    if field.kind == FieldKind::Switch {
        return view! { <div class="field switch">{control} {label} {error} {hint}</div> }.into_any();
    }
    let control = match &field.suffix {
        None => control,
        Some(suffix) => view! {
            <div class="joined">{control} <span id=ids.suffix.clone()>{suffix.clone()}</span></div>
        }
        .into_any(),
    };
    view! { <div class="field">{label} {control} {error} {hint}</div> }.into_any()
}

/// Ids that tie a control to what describes it.
struct Ids {
    control: String,
    error: String,
    hint: String,
    suffix: String,
    list: String,
    described_by: Option<String>,
}

impl Ids {
    fn of(scope: &str, index: usize, field: &FieldView) -> Self {
        let control = format!("{scope}-{index}");
        let [error, hint, suffix, list] =
            ["error", "hint", "suffix", "list"].map(|what| format!("{control}-{what}"));
        let described: Vec<&str> = [
            (field.suffix.is_some() && field.kind != FieldKind::Switch).then_some(suffix.as_str()),
            field.error.is_some().then_some(error.as_str()),
            self::hint(field).is_some().then_some(hint.as_str()),
        ]
        .into_iter()
        .flatten()
        .collect();
        let described_by = (!described.is_empty()).then(|| described.join(" "));
        Self { control, error, hint, suffix, list, described_by }
    }
}

fn hint(field: &FieldView) -> Option<String> {
    let kept = (field.secret && field.kept).then_some(text::KEPT);
    let parts: Vec<&str> =
        [field.help.as_deref(), field.pattern_hint.as_deref(), kept].into_iter().flatten().collect();
    // Help is mostly a remark without a full stop, and what follows is a sentence.
    let said = parts.into_iter().fold(String::new(), |said, part| match said.chars().last() {
        None => part.to_owned(),
        Some('.' | '!' | '?') => format!("{said} {part}"),
        Some(_) => format!("{said}. {part}"),
    });
    (!said.is_empty()).then_some(said)
}

fn control(ids: &Ids, field: &FieldView, focus: bool) -> AnyView {
    match field.kind {
        FieldKind::Choice => choice(ids, field, focus),
        FieldKind::Switch => switch(ids, field, focus),
        FieldKind::Long => long(ids, field, focus),
        FieldKind::Text | FieldKind::Email | FieldKind::Url | FieldKind::Number => line(ids, field, focus),
    }
}

fn name(field: &FieldView) -> String {
    format!("input[{}]", field.name)
}

/// What may leave for the browser: never a secret.
fn value(field: &FieldView) -> Option<String> {
    (!field.secret && !field.value.is_empty()).then(|| field.value.clone())
}

fn must_be_filled(field: &FieldView) -> bool {
    field.required && !(field.secret && field.kept)
}

fn placeholder(field: &FieldView) -> Option<String> {
    if field.secret && field.kept { Some(text::KEPT_PLACEHOLDER.to_owned()) } else { field.example.clone() }
}

fn invalid(field: &FieldView) -> Option<&'static str> {
    field.error.is_some().then_some("true")
}

fn line(ids: &Ids, field: &FieldView, focus: bool) -> AnyView {
    // Not `type=url` or `type=number`: browsers then refuse "acme.com" and leading zeros with a
    // bubble of their own before our sentence beside the field is ever asked for.
    let kind = if field.secret { "password" } else { "text" };
    let mode = match field.kind {
        FieldKind::Email => Some("email"),
        FieldKind::Url => Some("url"),
        FieldKind::Number => Some("decimal"),
        _ => None,
    };
    let has_list = !field.suggestions.is_empty() && !field.secret;
    let list = has_list.then(|| {
        let options: Vec<_> =
            field.suggestions.iter().map(|value| view! { <option value=value.clone()></option> }).collect();
        view! { <datalist id=ids.list.clone()>{options}</datalist> }
    });
    let input = view! {
        <input id=ids.control.clone() name=name(field) type=kind inputmode=mode value=value(field)
            placeholder=placeholder(field) required=must_be_filled(field) aria-invalid=invalid(field)
            aria-describedby=ids.described_by.clone() list=has_list.then(|| ids.list.clone()) autofocus=focus
            autocomplete="off" autocapitalize="off" spellcheck="false"
            dir=field.suffix.is_some().then_some("ltr") />
    };
    if field.secret { secret(input.into_any()) } else { view! { {input} {list} }.into_any() }
}

/// Room for the button that shows what is typed. It is in the page from the start: a field that a script
/// moves later loses the focus it was given.
fn secret(control: AnyView) -> AnyView {
    view! { <div class="secret" data-secret="">{control}</div> }.into_any()
}

fn long(ids: &Ids, field: &FieldView, focus: bool) -> AnyView {
    let class = if field.secret { "masked" } else { "" };
    // A textarea drops the first line break of its content.
    let text = value(field).map(|value| if value.starts_with('\n') { format!("\n{value}") } else { value });
    let control = view! {
        <textarea id=ids.control.clone() name=name(field) class=class rows="5" placeholder=placeholder(field)
            required=must_be_filled(field) aria-invalid=invalid(field) aria-describedby=ids.described_by.clone()
            autofocus=focus autocomplete="off" autocapitalize="off" spellcheck="false">{text}</textarea>
    };
    if field.secret { secret(control.into_any()) } else { control.into_any() }
}

fn choice(ids: &Ids, field: &FieldView, focus: bool) -> AnyView {
    let chosen = field.options.iter().any(|option| option.selected);
    let none = (!chosen).then(|| view! { <option value="">{text::CHOOSE}</option> });
    let options: Vec<_> = field
        .options
        .iter()
        .map(|option| {
            view! { <option value=option.value.clone() selected=option.selected>{option.label.clone()}</option> }
        })
        .collect();
    view! {
        <select id=ids.control.clone() name=name(field) required=must_be_filled(field) aria-invalid=invalid(field)
            aria-describedby=ids.described_by.clone() autofocus=focus>{none} {options}</select>
    }
    .into_any()
}

fn switch(ids: &Ids, field: &FieldView, focus: bool) -> AnyView {
    view! {
        <input id=ids.control.clone() name=name(field) type="checkbox" value="true" checked=field.value == "true"
            aria-invalid=invalid(field) aria-describedby=ids.described_by.clone() autofocus=focus />
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remark_and_what_a_field_asks_for_read_as_two_sentences() {
        let said = |help: Option<&str>| {
            hint(&FieldView {
                help: help.map(str::to_owned),
                pattern_hint: Some("Use digits only.".to_owned()),
                ..FieldView::default()
            })
        };

        assert_eq!(said(None).as_deref(), Some("Use digits only."));
        assert_eq!(said(Some("Without _SB1")).as_deref(), Some("Without _SB1. Use digits only."));
        assert_eq!(said(Some("In Setup.")).as_deref(), Some("In Setup. Use digits only."));
    }
}
