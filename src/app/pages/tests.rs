//! What holds for every page, whatever is on it.

use crate::app::pages;
use crate::app::view::*;

/// Breaks out of text, attributes, comments and scripts alike.
const HOSTILE: &str = "\"'><script>alert(1)</script><img src=x onerror=alert(2)><!--</title></template>";

fn hostile() -> String {
    HOSTILE.to_owned()
}

fn shell(surface: Surface) -> Shell {
    Shell {
        title: hostile(),
        workspace: hostile(),
        customer: Some(hostile()),
        demo: true,
        surface,
        css: "/assets/hitchpost.css".to_owned(),
        js: "/assets/hitchpost.js".to_owned(),
        session: Some("the-session".to_owned()),
        ..Shell::default()
    }
}

fn row() -> ConnectionRow {
    ConnectionRow {
        id: "c1".to_owned(),
        integration_key: "hubspot".to_owned(),
        name: hostile(),
        app_name: hostile(),
        account: Some(hostile()),
        state: RowState::NeedsAttention { why: hostile(), next_step: hostile() },
        activity: hostile(),
        reconnect: Some(ReconnectOffer { request_id: "r-0123456789abcdef".to_owned(), leaves: true }),
        ..ConnectionRow::default()
    }
}

fn head() -> AppHead {
    AppHead {
        key: hostile(),
        name: hostile(),
        description: hostile(),
        logo: hostile(),
        badges: vec![Badge::Beta],
        website: Some("javascript:alert(3)".to_owned()),
        docs: Some("https://docs.example/".to_owned()),
    }
}

fn secret() -> FieldView {
    FieldView {
        name: "apiKey".to_owned(),
        title: "API key".to_owned(),
        secret: true,
        required: true,
        value: "sk_never_shown".to_owned(),
        error: Some(hostile()),
        help: Some(hostile()),
        ..FieldView::default()
    }
}

fn form(action: FormAction) -> ConnectForm {
    let choice = FieldOption { value: hostile(), label: hostile(), selected: false };
    let region = FieldView {
        name: "region".to_owned(),
        title: "Region".to_owned(),
        kind: FieldKind::Choice,
        options: vec![choice],
        ..FieldView::default()
    };
    let key_file = FieldView { name: "file".to_owned(), kind: FieldKind::Long, ..secret() };
    ConnectForm {
        action,
        fields: vec![secret(), region, key_file],
        submit: hostile(),
        leaves: true,
        request_id: "r-0123456789abcdef".to_owned(),
        error: Some(hostile()),
    }
}

fn connect() -> FormAction {
    FormAction::Connect { integration: "hubspot".to_owned(), option: "oauth".to_owned() }
}

fn catalog_view() -> CatalogView {
    let card = Card {
        key: hostile(),
        name: hostile(),
        description: hostile(),
        logo: hostile(),
        badges: vec![Badge::Beta, Badge::SignInOnly],
        ..Card::default()
    };
    let category = Category { key: hostile(), name: hostile(), count: 3 };
    let chips = Chips { query: hostile(), chosen: Some(hostile()), all: 3, categories: vec![category; 12] };
    CatalogView {
        query: hostile(),
        category: Some(hostile()),
        chips: pages::chips(&Shell::default(), &chips).into(),
        connections: vec![row()],
        cards: vec![pages::card(&Shell::default(), &card).into()],
        total: 1,
        next: Some(hostile()),
        notice: Notice::from_code("connected", Some(HOSTILE)),
    }
}

fn app_view() -> AppView {
    let option = OptionChoice { key: hostile(), title: hostile(), ..OptionChoice::default() };
    AppView {
        app: head(),
        shares: vec![hostile()],
        options: vec![option.clone(), option],
        form: Some(form(connect())),
        connections: vec![row()],
        notice: Notice::from_code("failed", None),
        sandbox: true,
    }
}

fn every_page(shell: &Shell) -> Vec<String> {
    let ticket = FormAction::SubmitInput { ticket: "the-ticket".to_owned() };
    let ask = AskView {
        app: head(),
        workspace: hostile(),
        customer: hostile(),
        confirm: true,
        again: false,
        shares: vec![hostile()],
        form: form(ticket),
        reference: hostile(),
        back: Some(("javascript:alert(4)".to_owned(), hostile())),
    };
    let choose = ChooseView {
        app: head(),
        workspace: hostile(),
        ticket: "the-ticket".to_owned(),
        items: vec![ChooseItem { id: hostile(), label: hostile(), hint: Some(hostile()) }],
        reference: hostile(),
    };
    let result = ResultView {
        app: Some(head()),
        headline: hostile(),
        detail: hostile(),
        try_again: Some("//evil.example".to_owned()),
        back: Some(("/".to_owned(), hostile())),
        reference: hostile(),
        outcome: Some(hostile()),
        target_origin: Some("https://app.acme.example".to_owned()),
        close: Close::Always,
        ..ResultView::default()
    };
    let message = MessageView {
        back: Some(("javascript:alert(5)".to_owned(), hostile())),
        status: 401,
        headline: hostile(),
        detail: hostile(),
        steps: vec![hostile()],
        code: Some(hostile()),
        developer: true,
        told: Some((hostile(), "https://app.acme.example".to_owned())),
    };
    vec![
        pages::catalog(shell, &catalog_view()),
        pages::app(shell, &app_view()),
        pages::ask(shell, &ask),
        pages::choose(shell, &choose),
        pages::result(shell, &result),
        pages::message(shell, &message),
    ]
}

/// The text between `start` and the next `end`, for every `start`.
fn between<'a>(html: &'a str, start: &str, end: &str) -> Vec<&'a str> {
    html.split(start).skip(1).filter_map(|rest| rest.split(end).next()).collect()
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    between(tag, &format!(" {name}=\""), "\"").first().copied()
}

#[test]
fn nothing_anybody_wrote_becomes_markup() {
    for surface in [Surface::Page, Surface::Embed] {
        for html in every_page(&shell(surface)) {
            assert!(html.starts_with("<!doctype html><html lang=\"en\""), "{html}");
            assert_eq!(html.matches("<script").count(), 1, "{html}");
            assert!(html.contains("<script src=\"/assets/hitchpost.js\" defer></script>"), "{html}");
            assert!(!html.contains("<img src=x"), "{html}");
            assert!(!html.contains("<!--"), "{html}");
            assert!(!html.contains("\"'>"), "{html}");
            assert!(!html.contains("javascript:"), "{html}");
            assert!(!html.contains("//evil.example"), "{html}");
        }
    }
}

#[test]
fn no_page_has_inline_style_or_an_inline_handler() {
    for html in every_page(&shell(Surface::Page)) {
        for tag in between(&html, "<", ">") {
            assert!(attribute(tag, "style").is_none(), "{tag}");
            assert!(attribute(tag, "onclick").is_none() && attribute(tag, "onerror").is_none(), "{tag}");
        }
        assert!(!html.contains("<style"), "{html}");
    }
}

#[test]
fn a_secret_never_goes_back_to_the_browser() {
    for html in every_page(&shell(Surface::Page)) {
        assert!(!html.contains("sk_never_shown"), "{html}");
    }
}

#[test]
fn every_form_that_changes_something_carries_its_session_or_its_ticket() {
    for surface in [Surface::Page, Surface::Embed] {
        for html in every_page(&shell(surface)) {
            for form in between(&html, "<form", "</form>") {
                let session = form.contains("name=\"session\" value=\"the-session\"");
                let ticket = form.contains("name=\"ticket\" value=\"the-ticket\"");
                let search_on_own_page = form.contains("role=\"search\"") && surface == Surface::Page;
                assert!(session || ticket || search_on_own_page, "{form}");
            }
        }
    }
}

#[test]
fn a_page_of_its_own_has_no_session_in_its_links() {
    for html in every_page(&shell(Surface::Page)) {
        for tag in between(&html, "<a ", ">") {
            assert!(!tag.contains("the-session"), "{tag}");
        }
    }
}

#[test]
fn every_link_of_the_embed_carries_the_session() {
    for html in every_page(&shell(Surface::Embed)) {
        for tag in between(&html, "<a ", ">") {
            let href = attribute(&format!(" {tag}"), "href").expect("links lead somewhere").to_owned();
            let ours = href.starts_with("/embed/");
            assert!(!ours || href.contains("session=the-session"), "{href}");
        }
    }
}

#[test]
fn a_form_that_leaves_the_embed_opens_a_tab_without_a_hold_on_us() {
    let html = pages::app(&shell(Surface::Embed), &app_view());
    let page = pages::app(&shell(Surface::Page), &app_view());

    let embedded = between(&html, "<form", ">");
    let plain = between(&page, "<form", ">");

    let leaving = |tags: &[&str]| tags.iter().filter(|tag| tag.contains("data-popup")).count();
    let in_tabs = |tags: &[&str]| {
        tags.iter().filter(|t| t.contains("target=\"_blank\"") && t.contains("rel=\"noopener\"")).count()
    };
    assert_eq!((leaving(&embedded), in_tabs(&embedded)), (2, 2));
    assert_eq!((leaving(&plain), in_tabs(&plain)), (2, 0));
}

#[test]
fn every_control_has_a_label_and_every_description_exists() {
    for html in every_page(&shell(Surface::Page)) {
        let controls =
            ["<input", "<select", "<textarea"].into_iter().flat_map(|start| between(&html, start, ">"));
        for tag in controls.filter(|tag| attribute(tag, "type") != Some("hidden")) {
            let id = attribute(tag, "id").expect("a control has an id");
            assert!(html.contains(&format!("<label for=\"{id}\"")), "{tag}");
        }
        for tag in between(&html, "<", ">") {
            let described =
                attribute(tag, "aria-describedby").into_iter().chain(attribute(tag, "aria-labelledby"));
            for id in described.flat_map(|ids| ids.split(' ')) {
                assert_eq!(html.matches(&format!(" id=\"{id}\"")).count(), 1, "{id} of {tag}");
            }
        }
    }
}

#[test]
fn every_page_has_one_main_and_one_h1() {
    for html in every_page(&shell(Surface::Page)) {
        assert_eq!(html.matches("<main ").count(), 1, "{html}");
        assert_eq!(html.matches("<h1>").count(), 1, "{html}");
    }
}

#[test]
fn an_error_stands_beside_its_field_and_the_field_takes_the_focus() {
    let view =
        AppView { app: AppHead { name: "Stripe".to_owned(), ..AppHead::default() }, ..AppView::default() };
    let field = FieldView {
        name: "apiKey".to_owned(),
        title: "API key".to_owned(),
        secret: true,
        required: true,
        error: Some("Stripe does not know this key.".to_owned()),
        ..FieldView::default()
    };
    let form = ConnectForm { action: connect(), fields: vec![field], ..ConnectForm::default() };

    let html = pages::app(&shell(Surface::Page), &AppView { form: Some(form), ..view });

    let input = between(&html, "<input", ">")
        .into_iter()
        .find(|tag| tag.contains("input[apiKey]"))
        .expect("its input");
    assert_eq!(attribute(input, "aria-invalid"), Some("true"));
    assert_eq!(attribute(input, "aria-describedby"), Some("input-0-error"));
    assert!(input.contains(" autofocus"), "{input}");
    assert!(
        html.contains("id=\"input-0-error\" class=\"error\">Stripe does not know this key.</p>"),
        "{html}"
    );
}

/// Acceptance 44.
#[test]
fn each_thing_to_choose_is_a_button_that_posts_its_id() {
    let item = |id: &str, hint: Option<&str>| ChooseItem {
        id: id.to_owned(),
        label: "Acme".to_owned(),
        hint: hint.map(str::to_owned),
    };
    let view = ChooseView {
        ticket: "the-ticket".to_owned(),
        items: vec![item("site-1", Some("site-1")), item("site-2", None)],
        ..ChooseView::default()
    };

    let html = pages::choose(&shell(Surface::Page), &view);

    let form = between(&html, "<form", "</form>").pop().expect("a form");
    let buttons = between(form, "<button", "</button>");
    let posted: Vec<_> = buttons
        .iter()
        .map(|tag| (attribute(tag, "type"), attribute(tag, "name"), attribute(tag, "value")))
        .collect();
    assert_eq!(
        posted,
        [
            (Some("submit"), Some("item"), Some("site-1")),
            (Some("submit"), Some("item"), Some("site-2")),
            (Some("submit"), Some("cancel"), Some("1"))
        ]
    );
    assert_eq!(attribute(form, "action"), Some("/_actions/choose"));
    assert!(buttons[0].contains("<span>Acme <small>site-1</small></span>"), "{form}");
    assert!(!buttons[1].contains("<small>"), "{form}");
}

#[test]
fn a_notice_code_we_do_not_have_says_nothing() {
    assert_eq!(Notice::from_code("pay_me", Some("HubSpot")), None);
    assert_eq!(Notice::from_code("connected", Some("HubSpot")).expect("ours").text, "HubSpot is connected.");
}

#[test]
fn forty_eight_cards_take_less_than_twenty_kilobytes_uncompressed() {
    let card = |i: usize| Card {
        key: format!("app-{i}"),
        name: format!("App {i}"),
        description: "Contacts, companies and deals".to_owned(),
        logo: format!("/assets/logos/app-{i}.svg"),
        ..Card::default()
    };
    let view = CatalogView {
        cards: (0..48).map(|i| pages::card(&Shell::default(), &card(i)).into()).collect(),
        total: 48,
        ..CatalogView::default()
    };

    let html = pages::catalog(&Shell { workspace: "Acme".to_owned(), ..Shell::default() }, &view);

    assert!(html.len() < 20_000, "{}", html.len());
}

#[test]
fn the_apps_of_a_category_stand_under_its_name_and_those_of_none_do_not() {
    let title = |category: &str, total| {
        let view = CatalogView { category: Some(category.to_owned()), total, ..CatalogView::default() };
        let html = pages::catalog(&Shell::default(), &view);
        let (_, title) = html.split_once("id=\"apps-title\">").expect("there is a title");
        title.split('<').next().unwrap().to_owned()
    };

    assert_eq!(title("crm", 19), "CRM");
    assert_eq!(title("your password", 0), "All apps");
}

#[test]
fn a_chosen_category_stands_right_after_all() {
    let one = |index: usize| {
        let key = format!("c{index:02}");
        Category { name: format!("Name {key}"), key, count: 20 - index }
    };
    let chips =
        Chips { chosen: Some("c09".to_owned()), categories: (0..12).map(one).collect(), ..Chips::default() };

    let html = pages::chips(&Shell::default(), &chips);

    let (shown, more) = html.split_once("<details>").expect("some stand below More");
    let order = |html: &str| -> Vec<String> {
        html.split("Name ").skip(1).map(|text| text[..3].to_owned()).collect()
    };
    assert_eq!(order(shown), ["c09", "c00", "c01", "c02", "c03", "c04"]);
    assert_eq!(order(more), ["c05", "c06", "c07", "c08", "c10", "c11"]);
}

#[test]
fn nobody_can_move_the_cards_by_what_they_type() {
    let typed = "<ul class=\"grid\">\u{f8ff}</ul>";
    let card = Card { key: "hubspot".to_owned(), name: typed.to_owned(), ..Card::default() };
    let view = CatalogView {
        query: typed.to_owned(),
        cards: vec![pages::card(&Shell::default(), &card).into()],
        total: 1,
        ..CatalogView::default()
    };
    let shell = Shell { workspace: typed.to_owned(), customer: Some(typed.to_owned()), ..Shell::default() };

    let html = pages::catalog(&shell, &view);

    let (before, after) = html.split_once("<ul class=\"grid\"><li").expect("the grid begins with its card");
    assert!(before.contains("id=\"results\"") && !after.contains("<ul class=\"grid\">"));
}
