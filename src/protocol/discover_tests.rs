use serde_json::json;

use super::*;
use crate::{
    catalog::connector::Pick,
    protocol::samples::{map, request},
};

fn discover(items: Option<&str>, pick: Option<(&str, &str)>, keep: &[(&str, &str)]) -> Discover {
    let mut request = request("https://api.example.com/accounts");
    request.keep = map(keep);
    Discover {
        request,
        items: items.map(str::to_owned),
        filter: BTreeMap::new(),
        pick: pick.map(|(id, label)| Pick { id: id.to_owned(), label: label.to_owned() }),
    }
}

fn shown(items: &[Item]) -> Vec<(&str, &str)> {
    items.iter().map(|item| (&*item.id, &*item.label)).collect()
}

#[test]
fn a_list_of_sites_is_read_whole() {
    let sites = discover(None, Some(("id", "name")), &[("cloud_id", "id"), ("avatar", "avatar.url")]);

    let found = items(
        &sites,
        &json!([{"id": "a", "name": "Acme", "avatar": {"url": "u"}}, {"id": 7, "name": "Beta"}]),
    );

    assert_eq!(shown(&found), [("a", "Acme"), ("7", "Beta")]);
    assert_eq!(found[0].kept, map(&[("cloud_id", "a"), ("avatar", "u")]));
    assert_eq!(found[1].kept, map(&[("cloud_id", "7")]));
}

#[test]
fn a_list_may_stand_deeper_and_be_filtered() {
    let mut accounts = discover(Some("data.accounts"), None, &[("base_uri", "base_uri")]);
    let body = json!({"data": {"accounts": [
        {"is_default": false, "base_uri": "a"}, {"is_default": true, "base_uri": "b"},
        {"is_default": "true", "base_uri": "c"}, {"base_uri": "d"}, {"is_default": null}, "text",
    ]}});
    accounts.filter = [("is_default".to_owned(), json!(true))].into();

    let found = items(&accounts, &body);

    // Texts count as what they say.
    assert_eq!(shown(&found), [("1", "1"), ("2", "2")]);
    assert_eq!(found[0].kept, map(&[("base_uri", "b")]));
}

#[test]
fn an_object_is_one_item_and_anything_else_none() {
    let me = discover(None, None, &[("team", "team.id")]);

    let found = items(&me, &json!({"team": {"id": 9}}));

    assert_eq!(shown(&found), [("0", "0")]);
    assert_eq!(found[0].kept, map(&[("team", "9")]));
    for body in [json!(null), json!("x"), json!(7), json!([])] {
        assert!(items(&me, &body).is_empty(), "{body}");
    }
    assert!(items(&discover(Some("gone"), None, &[]), &json!({"list": []})).is_empty());
}

#[test]
fn an_item_without_a_usable_id_cannot_be_chosen() {
    let sites = discover(None, Some(("id", "name")), &[]);
    let long = "x".repeat(513);

    let found = items(
        &sites,
        &json!([{"name": "none"}, {"id": null}, {"id": ""}, {"id": {"a": 1}}, {"id": "a\n"}, {"id": long}, 7, {"id": "ok"}]),
    );

    assert_eq!(shown(&found), [("ok", "ok")]);
}

#[test]
fn a_label_is_short_and_printable() {
    let sites = discover(None, Some(("id", "name")), &[]);
    let long = "é".repeat(300);

    let found = items(
        &sites,
        &json!([
            {"id": "1", "name": " A\r\n\u{202e}B\u{0} "}, {"id": "2", "name": "\u{200b}"}, {"id": "3", "name": ["x"]},
            {"id": "4", "name": long}, {"id": "\u{200b}", "name": ""},
        ]),
    );

    let expected = "é".repeat(200);
    assert_eq!(shown(&found), [("1", "AB"), ("2", "2"), ("3", "3"), ("4", &expected), ("\u{200b}", "4")]);
}

#[test]
fn at_most_200_items_are_looked_at() {
    let many: Vec<Value> = (0..1000).map(|id| json!({"id": id})).collect();

    let found = items(&discover(None, Some(("id", "id")), &[]), &Value::from(many));

    assert_eq!(found.len(), 200);
    assert_eq!(found[199].id, "199");
}
