//! Every option of the catalog, connected, called, renewed and given back the way its file says.

use std::sync::Arc;

use axum::http::StatusCode;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use super::{
    player::{Callback, Player, at},
    stage::{Stage, stage_of},
};
use crate::{
    catalog::{
        Catalog, Connector, Values,
        connector::{AccountFrom, AuthOption},
    },
    protocol::{
        callback_signature::is_genuine,
        discover,
        oauth2::{self, Grant},
        token_reply::TokenReply,
    },
    sandbox::cast::is_played,
};

fn catalog() -> Arc<Catalog> {
    Arc::new(Catalog::builtin().expect("the catalog is sound"))
}

/// The callback carries what the file wants to see in it.
fn check_callback(player: &Player<'_>, callback: &Callback) {
    let option = player.option;
    let get = |name: &str| callback.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    for (name, template) in &option.callback.matching {
        let wanted = template.render(&player.values).expect("every name is known");
        assert_eq!(get(name), Some(wanted.as_str()), "{}", player.connector.key);
    }
    if let Some(signature) = &option.callback.signature {
        let key = signature.key.render(&player.values).expect("a key");
        assert!(is_genuine(signature, &key, callback), "{}", player.connector.key);
        let mut other = callback.clone();
        other[0].1.push('x');
        assert!(!is_genuine(signature, &key, &other), "{}", player.connector.key);
    }
}

async fn discover(player: &mut Player<'_>) {
    for wanted in &player.option.discover {
        let answer = player.call(&wanted.request).await;
        assert_eq!(answer.status, StatusCode::OK, "{}: {}", player.connector.key, answer.text);
        let items = discover::items(wanted, &answer.json());
        assert_eq!(items.len(), 1, "{}: {}", player.connector.key, answer.text);
        for (name, value) in &items[0].kept {
            player.values.set(name, value);
        }
        assert_eq!(items[0].kept.len(), wanted.request.keep.len(), "{}", answer.text);
    }
}

/// What a signed token says.
fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).expect("a signed token");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64")).expect("JSON")
}

async fn check_account(player: &mut Player<'_>, tokens: Option<&TokenReply>, bob: bool) {
    let (key, api) = (player.connector.key.clone(), player.api());
    if api.test.is_none() {
        return;
    }
    let test = player.test().await;
    assert_eq!(test.status, StatusCode::OK, "{key}: {}", test.text);
    let Some(account) = &api.account else { return };
    let reply = match (account.from, tokens) {
        (AccountFrom::Token, Some(tokens)) => tokens.body.clone(),
        (AccountFrom::Kept, _) => {
            assert_eq!(player.values.value(&account.id).map(|id| id.contains("bob")), Some(bob), "{key}");
            return;
        }
        (AccountFrom::IdToken, Some(tokens)) => {
            let token = tokens.body["id_token"].as_str().unwrap_or_else(|| panic!("{key}: no id_token"));
            claims(token)
        }
        _ => test.json(),
    };
    let id = at(&reply, &account.id).and_then(Value::as_str).unwrap_or_else(|| panic!("{key}: {reply}"));
    assert_eq!(id.to_lowercase().contains("bob"), bob, "{key}: {id}");
    assert!(account.label.as_ref().is_none_or(|label| at(&reply, label).is_some()), "{key}");
}

async fn renew(player: &mut Player<'_>, tokens: &TokenReply) {
    let option = player.option;
    let Some(refresh) = &option.refresh else { return };
    let request = refresh.request.as_ref().or(option.token.as_ref()).expect("a request");
    if refresh.template {
        player.swap(request).await;
        return;
    }
    let endpoint = player.endpoint(request);
    player.prove(endpoint.url.as_str());
    let old = tokens.refresh_token.as_ref().expect("a refresh token").expose().clone();
    let call = oauth2::refresh_request(option, &endpoint, &player.client, &old, &option.scopes.default);
    let answer = player.send(call.expect("a call")).await;
    let renewed = player.take(request, &answer).unwrap_or_else(|error| panic!("{error} {}", answer.text));
    assert_eq!(renewed.refresh_token.is_some(), refresh.rotates == Some(true), "{}", answer.text);
}

async fn revoke(player: &mut Player<'_>, tokens: &TokenReply) {
    let option = player.option;
    let Some(request) = &option.revoke else { return };
    player.prove("");
    let endpoint = player.endpoint(request);
    let grant = Grant {
        access_token: tokens.access_token.expose(),
        refresh_token: tokens.refresh_token.as_ref().map(|token| token.expose().as_str()),
    };
    let calls = oauth2::revoke_requests(option, &endpoint, &player.client, &grant).expect("calls");
    for call in calls {
        let answer = player.send(call).await;
        assert_eq!(answer.status, StatusCode::OK, "{}: {}", player.connector.key, answer.text);
    }
    if player.api().test.is_some() {
        let expired = &player.api().expired.status;
        assert!(expired.contains(&player.test().await.status.as_u16()), "{}", player.connector.key);
    }
}

async fn play(stage: &Stage, connector: &Connector, option: &AuthOption) {
    let mut player = Player::new(stage, connector, &option.key);
    let mut bob = false;
    if option.authorize.is_some() {
        let url = player.authorize().await;
        check_callback(&player, &player.visit(&url, "alice", "allow").await);
        bob = true;
    }
    let tokens = player.connect("bob", "allow").await;
    discover(&mut player).await;
    let tokens = match option.exchange.as_ref().filter(|_| player.swaps_late()) {
        Some(swap) => Some(player.swap(swap).await),
        None => tokens,
    };
    check_account(&mut player, tokens.as_ref(), bob).await;
    if let Some(tokens) = tokens {
        renew(&mut player, &tokens).await;
        check_account(&mut player, Some(&tokens), bob).await;
        revoke(&mut player, &tokens).await;
    }
}

#[tokio::test]
async fn every_option_of_the_catalog_is_connected_called_renewed_and_given_back() {
    let catalog = catalog();
    let stage = stage_of(Arc::clone(&catalog));
    let mut played = 0;

    for connector in catalog.iter() {
        for option in &connector.auth {
            play(&stage, connector, option).await;
            played += 1;
        }
    }

    assert!(played >= 20, "{played}");
}

#[test]
fn every_option_of_the_catalog_is_played() {
    for connector in catalog().iter() {
        for option in &connector.auth {
            assert!(is_played(option), "{} {}", connector.key, option.key);
        }
    }
}
