//! The pages: hosted, embedded, and those an attempt leads through.
//!
//! The only place that says `leptos`. Views are pure; [`serve`] loads what they show with one engine
//! verb, [`actions`] are the server functions their forms post to. No rule of the product is here.

pub mod actions;
pub mod embed;
pub mod example;
pub mod layout;
pub mod pages;
pub mod parts;
pub mod present;
pub mod reference;
pub mod refused;
pub mod serve;
pub mod text;
pub mod view;
mod viewer;

use axum::{
    Router,
    routing::{MethodRouter, get, post},
};

use crate::http::AppState;

/// A form of ours, refused from anywhere else.
fn form(state: &AppState) -> MethodRouter<AppState> {
    post(actions::handle).layer(actions::csrf(state))
}

/// The pages' routes.
pub fn routes(state: &AppState) -> Router<AppState> {
    Router::new()
        .route("/", get(serve::catalog))
        .route("/apps/{key}", get(serve::app))
        .route("/link/{ticket}", get(serve::link))
        .route("/embed/main", get(embed::main))
        .route("/embed/integrations/{sel}", get(embed::integration))
        .route("/embed/integrations/{sel}/connect", get(embed::connect))
        .route("/embed/connectors/{sel}/connect", get(embed::connect_connector))
        .route("/embed/connections/{sel}", get(embed::connection))
        .route("/embed/connections/{sel}/refresh", get(embed::refresh))
        .route("/embed/connected", get(embed::connected))
        .route("/embed/session", get(embed::session))
        .route("/screens/connect", post(embed::screen_connect))
        .route("/screens/connection", post(embed::screen_connection))
        .route("/screens/integrations/{sel}/connect", post(embed::screen_integration))
        .route("/connect/continue/{ticket}", get(serve::ask))
        .route("/connect/result/{ticket}", get(serve::result))
        .route("/refused/{code}", get(refused::page))
        .route("/docs", reference::route())
        .route("/_actions/connect", form(state))
        .route("/_actions/reconnect", form(state))
        .route("/_actions/cancel", form(state))
        .route("/_actions/delete", form(state))
        .route("/_actions/submit_input", form(state))
        .route("/_actions/choose", form(state))
}
