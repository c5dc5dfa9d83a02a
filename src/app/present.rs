//! From what the engine knows to what a view shows.

mod shell;

use std::{cmp::Reverse, sync::Arc};

use serde_json::Value;

pub use shell::{bare_shell, framed, shell};

use super::{
    pages, text,
    view::{
        AppHead, AppView, AskView, Badge, Card, CardState, CatalogView, Category, Chips, ChooseItem,
        ChooseView, Close, ConnectForm, ConnectionRow, FieldKind, FieldOption, FieldView, FormAction, Notice,
        OptionChoice, ReconnectOffer, ResultView, RowState, Shell,
    },
};
use crate::{
    catalog::{
        connector::{AuthOption, Field},
        input,
    },
    engine::{
        Ask, Choosing, IntegrationPage, IntegrationQuery, IntegrationSummary, IntegrationView, Opened,
        Outcome, WorkspaceView, leaves,
    },
    http::{AppState, FragmentKey},
    model::{Connection, ConnectionState, Road, Surface},
};

/// The catalog.
pub fn catalog(
    state: &AppState,
    shell: &Shell,
    workspace: &WorkspaceView,
    page: &IntegrationPage,
    query: &IntegrationQuery,
    notice: Option<Notice>,
) -> CatalogView {
    // What is there to connect an app shows apps alone.
    let listed = page.connections.iter().filter(|_| !shell.connects);
    let mut rows: Vec<_> = listed.map(|found| row(state, &found.view, &found.connection)).collect();
    rows.sort_by_key(|row| matches!(row.state, RowState::Connected));
    CatalogView {
        query: query.search.clone().unwrap_or_default(),
        category: query.category.clone(),
        chips: chips(state, shell, workspace, page, query),
        connections: rows,
        cards: page.items.iter().map(|item| card(state, shell, item, workspace.workspace.revision)).collect(),
        total: page.total,
        next: page.next.clone(),
        notice,
    }
}

/// The chips as HTML. Those of the whole catalog are the same for everybody; a session that sees a part
/// of it, an embed or a search has its own.
fn chips(
    state: &AppState,
    shell: &Shell,
    workspace: &WorkspaceView,
    page: &IntegrationPage,
    query: &IntegrationQuery,
) -> Arc<str> {
    let html = || {
        let categories = page.categories.iter().map(|category| Category {
            key: category.key.clone(),
            name: text::category(&category.key),
            count: category.count,
        });
        let mut categories: Vec<_> = categories.collect();
        categories.sort_by_key(|category| (Reverse(category.count), category.name.clone()));
        let query_typed = query.search.clone().unwrap_or_default();
        pages::chips(
            shell,
            &Chips { query: query_typed, chosen: query.category.clone(), all: page.all, categories },
        )
    };
    let is_whole = Arc::ptr_eq(&page.categories, &workspace.categories);
    if !is_whole || shell.surface == Surface::Embed {
        return html().into();
    }
    // What somebody made up in the address is not worth holding.
    let chosen = query.category.as_ref();
    let known = page.categories.iter().find(|category| chosen == Some(&category.key));
    if chosen.is_some() && known.is_none() {
        return html().into();
    }
    let key = known.map(|category| category.key.clone()).unwrap_or_default();
    state
        .fragments
        .get_or_make(FragmentKey::Chips(workspace.workspace.id, workspace.workspace.revision, key), html)
}

/// A card as HTML. In an embed its link carries the session; elsewhere it is the same for everybody.
fn card(state: &AppState, shell: &Shell, item: &IntegrationSummary, revision: i64) -> Arc<str> {
    let view = &item.view;
    let (shown, word) = match item.connection.as_ref().map(|connection| connection.state) {
        Some(ConnectionState::Ready) if shell.connects && !shell.further => {
            (CardState::Renewable, "renewable")
        }
        Some(_) if shell.connects && shell.further => (CardState::Available, "available"),
        Some(ConnectionState::Ready) => (CardState::Connected, "connected"),
        Some(_) => (CardState::NeedsAttention, "needs attention"),
        None if view.options.is_empty() => (CardState::Unavailable, "unavailable"),
        None => (CardState::Available, "available"),
    };
    let html = || {
        let card = Card {
            key: view.integration.key.clone(),
            name: view.name.clone(),
            description: view.description().map(str::to_owned).unwrap_or_else(|| kind(view)),
            logo: logo(state, view),
            state: shown,
            badges: badges(view),
        };
        pages::card(shell, &card)
    };
    match shell.surface {
        Surface::Page => {
            state.fragments.get_or_make(FragmentKey::Card(view.integration.id, revision, word), html)
        }
        Surface::Embed => html().into(),
    }
}

/// What kind of app it is, where nothing better is known.
fn kind(view: &IntegrationView) -> String {
    let main = view.connector.categories.first().filter(|category| *category != "other");
    main.map(|category| text::category(category)).unwrap_or_default()
}

fn badges(view: &IntegrationView) -> Vec<Badge> {
    let beta = view.is_beta().then_some(Badge::Beta);
    beta.into_iter().chain(view.is_sign_in_only().then_some(Badge::SignInOnly)).collect()
}

fn row(state: &AppState, view: &IntegrationView, connection: &Connection) -> ConnectionRow {
    let option = view.connector.auth.iter().find(|option| option.key == connection.auth_option);
    let reconnect = option
        .filter(|option| leaves(option))
        .map(|_| ReconnectOffer { request_id: state.engine.handle().expose().to_owned(), leaves: true });
    ConnectionRow {
        id: connection.id.to_string(),
        integration_key: view.integration.key.clone(),
        name: connection.name.clone().unwrap_or_default(),
        app_name: view.name.clone(),
        logo: logo(state, view),
        account: connection
            .account
            .as_ref()
            .map(|account| account.label.clone().unwrap_or(account.id.clone())),
        state: match connection.state {
            ConnectionState::Disconnected(reason) => RowState::NeedsAttention {
                why: reason.why(&view.name),
                next_step: reason.next_step(&view.name),
            },
            ConnectionState::Ready | ConnectionState::Archived(_) => RowState::Connected,
        },
        activity: text::added(connection.created_at, state.engine.clock().now()),
        reconnect,
    }
}

/// The page of an app: its connections, and the form for one more or for reconnecting `again`.
/// Connector parameters that the session brings along may make more options work.
pub fn app(
    state: &AppState,
    view: &IntegrationView,
    (connections, again): (&[Connection], Option<&Connection>),
    wanted: Option<&str>,
    notice: Option<Notice>,
    opened: &Opened,
) -> AppView {
    let wanted = wanted.or(again.map(|connection| connection.auth_option.as_str()));
    let option = view.option(wanted).or_else(|| view.option(None));
    let offers = connections.is_empty() || again.is_some();
    let form = option.filter(|_| offers).map(|option| ConnectForm {
        action: match again {
            Some(connection) => FormAction::Reconnect { connection: connection.id.to_string() },
            None => {
                FormAction::Connect { integration: view.integration.key.clone(), option: option.key.clone() }
            }
        },
        fields: input::typed(option)
            .map(|field| {
                let known = again.and_then(|connection| connection.input.get(&field.name));
                field_view(view, option, field, known.map(String::as_str), (None, false))
            })
            .collect(),
        submit: text::submit(&view.name, leaves(option), again.is_some()),
        leaves: leaves(option),
        request_id: state.engine.handle().expose().to_owned(),
        error: None,
    });
    AppView {
        app: head(state, view, option),
        shares: option.map(|option| shares(view, option, opened.scopes.as_deref())).unwrap_or_default(),
        options: if form.is_some() && again.is_none() {
            choices(view, option, opened.has_parameters)
        } else {
            Vec::new()
        },
        form,
        connections: connections.iter().map(|connection| row(state, view, connection)).collect(),
        notice,
        sandbox: view.integration.settings.sandbox,
    }
}

/// The page that asks.
pub fn ask(state: &AppState, ask: &Ask, ticket: &str, shell: &Shell) -> AskView {
    let request = &ask.attempt.request;
    let problem = request.problem.as_ref();
    let fields = input::typed(&ask.option)
        .map(|field| {
            let error = problem.and_then(|problem| {
                problem
                    .fields
                    .iter()
                    .find(|(name, _)| *name == field.name)
                    .map(|(_, message)| message.clone())
            });
            let kept = request.secret_input.contains(&field.name);
            let given = request.input.get(&field.name).map(String::as_str);
            field_view(&ask.view, &ask.option, field, given, (error, kept))
        })
        .collect();
    let customer = &ask.attempt.customer;
    AskView {
        app: head(state, &ask.view, Some(&ask.option)),
        workspace: ask.workspace.workspace.name.clone(),
        customer: match &customer.name {
            Some(name) => format!("{name} ({})", customer.internal_id),
            None => customer.internal_id.clone(),
        },
        confirm: request.needs_confirmation,
        again: request.target.is_some(),
        shares: titles(&ask.option, &ask.scopes),
        form: ConnectForm {
            action: FormAction::SubmitInput { ticket: ticket.to_owned() },
            fields,
            submit: text::submit(&ask.view.name, ask.leaves, request.target.is_some()),
            leaves: ask.leaves,
            request_id: String::new(),
            error: problem.map(|problem| problem.message.clone()),
        },
        reference: ask.attempt.id.to_string(),
        back: (request.road == Road::Page)
            .then(|| (shell.start(&ask.view.integration.key), text::BACK_TO_APP.to_owned())),
    }
}

/// The page that lets choose.
pub fn choose(state: &AppState, choosing: &Choosing, ticket: &str) -> ChooseView {
    let items = &choosing.choice.items;
    let is_shared = |label: &str| items.iter().filter(|(_, other)| other == label).count() > 1;
    ChooseView {
        app: head(state, &choosing.view, None),
        workspace: choosing.workspace.workspace.name.clone(),
        ticket: ticket.to_owned(),
        items: items
            .iter()
            .map(|(id, label)| ChooseItem {
                id: id.clone(),
                label: label.clone(),
                hint: is_shared(label).then(|| id.clone()),
            })
            .collect(),
        reference: choosing.attempt.id.to_string(),
    }
}

/// How an attempt ended.
pub fn result(state: &AppState, outcome: &Outcome, shell: &Shell) -> ResultView {
    let name = &outcome.view.name;
    let key = &outcome.view.integration.key;
    let request = &outcome.attempt.request;
    let on_page = request.road == Road::Page;
    let origin = match &request.road {
        Road::Popup { origin } => origin.clone(),
        Road::Page | Road::Redirect { .. } => None,
    };
    let failure = outcome.failure();
    ResultView {
        app: Some(head(state, &outcome.view, None)),
        ok: failure.is_none(),
        headline: match failure {
            None => text::is_connected(name),
            Some(_) => text::is_not_connected(name),
        },
        detail: failure.map(|failure| failure.message.clone()).unwrap_or_default(),
        next_step: failure
            .map(|failure| text::next_step(failure.key, on_page).to_owned())
            .unwrap_or_default(),
        try_again: (failure.is_some() && on_page).then(|| shell.start(key)),
        back: (on_page && shell.has_catalog()).then(|| (shell.home(&[]), text::BACK.to_owned())),
        reference: failure.map(|_| outcome.attempt.id.to_string()).unwrap_or_default(),
        close: match (&request.road, failure) {
            (Road::Popup { .. }, None) => Close::Always,
            // Our own page says it beside its form, where the message may not arrive; a product's page is told.
            (Road::Popup { origin: Some(origin) }, Some(_)) if *origin != state.origin.as_str() => {
                Close::Told
            }
            _ => Close::Never,
        },
        outcome: origin.is_some().then(|| state.outcome_json(outcome).to_string()),
        target_origin: origin,
        connection: None,
    }
}

/// The end of an embed that was there to connect; `told` is what the page around hears.
pub fn connected(state: &AppState, view: &IntegrationView, told: &Value) -> ResultView {
    ResultView {
        app: Some(head(state, view, None)),
        ok: true,
        headline: text::is_connected(&view.name),
        connection: Some(told.to_string()),
        ..ResultView::default()
    }
}

fn logo(state: &AppState, view: &IntegrationView) -> String {
    state.assets.logo(&view.logo)
}

fn head(state: &AppState, view: &IntegrationView, option: Option<&AuthOption>) -> AppHead {
    AppHead {
        key: view.integration.key.clone(),
        name: view.name.clone(),
        description: view.description().unwrap_or_default().to_owned(),
        logo: logo(state, view),
        badges: badges(view),
        website: view.connector.website.clone(),
        docs: option.and_then(|option| option.help_url.clone()),
    }
}

fn shares(view: &IntegrationView, option: &AuthOption, scopes: Option<&[String]>) -> Vec<String> {
    scopes.map_or_else(|| titles(option, &view.scopes(option)), |scopes| titles(option, scopes))
}

fn titles(option: &AuthOption, scopes: &[String]) -> Vec<String> {
    scopes.iter().filter_map(|scope| option.scopes.titles.get(scope).cloned()).collect()
}

fn choices(view: &IntegrationView, selected: Option<&AuthOption>, signed: bool) -> Vec<OptionChoice> {
    let choice = |option: &AuthOption| OptionChoice {
        key: option.key.clone(),
        title: option.title.clone(),
        environment: option.environment.clone().unwrap_or_default(),
        selected: selected.is_some_and(|selected| selected.key == option.key),
        hint: text::option_hint(leaves(option), input::typed(option).next().is_some(), &view.name),
    };
    let offered = |option: &&AuthOption| signed || view.offers(option);
    let choices: Vec<_> = view.usable().filter(offered).map(choice).collect();
    if choices.len() > 1 { choices } else { Vec::new() }
}

fn field_view(
    view: &IntegrationView,
    option: &AuthOption,
    field: &Field,
    given: Option<&str>,
    (error, kept): (Option<String>, bool),
) -> FieldView {
    let value = given.or(field.default.as_deref()).unwrap_or_default();
    let played = view.integration.settings.sandbox && field.secret;
    let signs = option.signs_with(&field.name);
    FieldView {
        name: field.name.clone(),
        title: field.title.clone(),
        help: match (played, signs) {
            (false, _) => field.help.clone(),
            (true, false) => Some(text::sandbox_secret(field.pattern.as_deref())),
            (true, true) => Some(text::SANDBOX_KEY.to_owned()),
        },
        secret: field.secret,
        required: field.required && !kept,
        kind: match field.kind.as_str() {
            _ if !field.options.is_empty() => FieldKind::Choice,
            _ if signs => FieldKind::Long,
            "boolean" => FieldKind::Switch,
            "number" | "integer" => FieldKind::Number,
            _ if field.name.contains("email") => FieldKind::Email,
            _ => FieldKind::Text,
        },
        value: if field.secret { String::new() } else { value.to_owned() },
        example: field.example.clone(),
        options: field
            .options
            .iter()
            .map(|(option, label)| FieldOption {
                value: option.clone(),
                label: label.clone(),
                selected: option == value,
            })
            .collect(),
        suggestions: field.suggestions.clone(),
        suffix: field.suffix.clone(),
        // An error says the same, and "check it" says nothing.
        pattern_hint: input::hint(field)
            .filter(|hint| error.is_none() && !played && !hint.starts_with("Check ")),
        error,
        kept,
    }
}

/// The sentence of `?notice=` about the app with key `app`, as this workspace names it.
pub fn notice(workspace: &WorkspaceView, code: Option<&str>, app: Option<&str>) -> Option<Notice> {
    let name = app.and_then(|key| workspace.integration(key)).map(|view| view.name.as_str());
    Notice::from_code(code?, name)
}
