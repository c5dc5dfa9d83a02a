//! The API reference. Reads from top to bottom without a script: calls open where they stand.

use leptos::prelude::*;

use crate::app::layout::{Frame, document};
use crate::app::parts::reference::{call, fields, id_of};
use crate::app::parts::words::words;
use crate::app::text;
use crate::app::view::{CallGroup, ObjectView, ReferenceView, Shell};

/// The whole page.
pub fn reference(shell: &Shell, view: &ReferenceView) -> String {
    document(shell, Frame::Wide, || main(view))
}

fn main(view: &ReferenceView) -> AnyView {
    let groups: Vec<_> = view.groups.iter().map(|one| group(one, &view.origin)).collect();
    let objects: Vec<_> = view.objects.iter().map(object).collect();
    view! {
        <div class="title">
            <h1>{text::REFERENCE}</h1>
            <p class="lead">{words(&view.intro)}</p>
            <p class="lead">{words(text::DOCUMENT)}</p>
        </div>
        {contents(view)}
        {groups}
        <section id=id_of(text::OBJECTS)>
            <h2>{text::OBJECTS}</h2>
            <p class="lead">{text::OBJECTS_LEAD}</p>
            {objects}
        </section>
    }
    .into_any()
}

fn contents(view: &ReferenceView) -> AnyView {
    let names = view.groups.iter().map(|group| (group.name.as_str(), group.calls.len()));
    let links: Vec<_> = names
        .chain([(text::OBJECTS, view.objects.len())])
        .map(|(name, count)| {
            let href = format!("#{}", id_of(name));
            view! { <li><a href=href>{name.to_owned()} " " <span>{count}</span></a></li> }
        })
        .collect();
    view! { <nav id="chips" aria-label=text::CONTENTS><ul>{links}</ul></nav> }.into_any()
}

fn group(group: &CallGroup, origin: &str) -> AnyView {
    let calls: Vec<_> = group.calls.iter().map(|one| call(one, origin)).collect();
    view! {
        <section id=id_of(&group.name)>
            <h2>{group.name.clone()}</h2>
            <p class="lead">{words(&group.about)}</p>
            {calls}
        </section>
    }
    .into_any()
}

fn object(object: &ObjectView) -> AnyView {
    view! {
        <details class="call">
            <summary><h3>{object.name.clone()}</h3></summary>
            <div id=id_of(&object.name)>
                <p>{words(&object.about)}</p>
                {fields(&object.fields)}
            </div>
        </details>
    }
    .into_any()
}
