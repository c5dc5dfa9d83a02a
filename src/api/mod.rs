//! The JSON API: one file per resource. Thin: reads the request, calls one verb, shapes the answer.

mod absent;
mod audit;
mod body;
mod cancel;
mod confirm;
mod connections;
pub mod cors;
mod customers;
mod events;
mod integrations;
mod life;
mod links;
mod openapi;
mod operation;
mod options;
mod own;
mod proxy;
mod query;
mod spec;
mod webhooks;
mod workspace;

use axum::{Router, http::Method};

use crate::http::{AppState, Refusal};

pub use absent::answer as absent;
pub use operation::{Operation, Role};

/// Every operation of the API. A path that stands here twice has two methods.
pub fn operations() -> Vec<Operation> {
    use Role::Customer;
    vec![
        Operation::new(Method::GET, "/openapi.json", Role::Anyone, openapi::find),
        Operation::new(Method::GET, "/integrations", Customer, integrations::list),
        Operation::new(Method::POST, "/integrations", Role::Backend, integrations::create),
        Operation::new(Method::GET, "/integrations/{sel}", Customer, integrations::find),
        Operation::new(Method::PUT, "/integrations/{sel}", Role::Backend, integrations::put),
        Operation::new(Method::PATCH, "/integrations/{sel}", Role::Backend, integrations::patch),
        Operation::new(Method::DELETE, "/integrations/{sel}", Role::Backend, integrations::archive),
        Operation::new(Method::POST, "/integrations/{sel}/restore", Role::Backend, integrations::restore),
        Operation::new(Method::POST, "/integrations/{sel}/setup", Role::Backend, integrations::setup),
        Operation::new(Method::POST, "/integrations/{sel}/disconnect", Customer, integrations::disconnect),
        Operation::new(Method::GET, "/integrations/{sel}/connector-spec", Customer, spec::find),
        Operation::new(Method::POST, "/connection-options", Customer, options::list),
        Operation::new(Method::GET, "/connections", Customer, connections::list),
        Operation::new(Method::POST, "/connections", Role::Backend, connections::create),
        Operation::new(Method::GET, "/connections/{sel}", Customer, connections::find),
        Operation::new(Method::PUT, "/connections/{sel}", Customer, connections::put),
        Operation::new(Method::PATCH, "/connections/{sel}", Customer, connections::patch),
        Operation::new(Method::DELETE, "/connections/{sel}", Customer, connections::archive),
        Operation::new(Method::POST, "/connections/{sel}/events", Role::Backend, events::report),
        Operation::new(Method::GET, "/events", Role::Backend, events::list),
        Operation::new(Method::GET, "/events/{sel}", Role::Backend, events::get),
        Operation::new(Method::GET, "/events/{sel}/deliveries", Role::Backend, events::deliveries_of),
        Operation::new(Method::POST, "/events/{sel}/redeliver", Role::Backend, events::redeliver),
        Operation::new(Method::GET, "/deliveries", Role::Backend, events::deliveries),
        Operation::new(Method::GET, "/webhooks", Role::Backend, webhooks::list),
        Operation::new(Method::POST, "/webhooks", Role::Backend, webhooks::create),
        Operation::new(Method::GET, "/webhooks/{sel}", Role::Backend, webhooks::get),
        Operation::new(Method::PATCH, "/webhooks/{sel}", Role::Backend, webhooks::change),
        Operation::new(Method::DELETE, "/webhooks/{sel}", Role::Backend, webhooks::remove),
        Operation::new(Method::POST, "/webhooks/{sel}/rotate-secret", Role::Backend, webhooks::rotate_secret),
        Operation::new(Method::POST, "/webhooks/{sel}/test", Role::Backend, webhooks::test),
        Operation::new(Method::GET, "/audit", Role::Backend, audit::list),
        Operation::new(
            Method::POST,
            "/connections/{sel}/refresh-credentials",
            Customer,
            life::refresh_credentials,
        ),
        Operation::new(Method::POST, "/connections/{sel}/test", Customer, life::test),
        Operation::of_any_method("/connections/{sel}/proxy", Customer, proxy::call),
        Operation::of_any_method("/connections/{sel}/proxy/", Customer, proxy::call),
        Operation::of_any_method("/connections/{sel}/proxy/{*path}", Customer, proxy::call),
        Operation::new(Method::POST, "/connect/cancel", Customer, cancel::cancel),
        Operation::new(Method::POST, "/connections/confirm", Role::Backend, confirm::confirm),
        Operation::new(Method::GET, "/self", Customer, own::find),
        Operation::new(Method::PATCH, "/self", Customer, own::patch),
        Operation::of_any_method("/self/proxy", Role::Backend, own::call),
        Operation::of_any_method("/self/proxy/", Role::Backend, own::call),
        Operation::of_any_method("/self/proxy/{*path}", Role::Backend, own::call),
        Operation::new(Method::GET, "/customers", Role::Backend, customers::list),
        Operation::new(Method::POST, "/customers", Role::Backend, customers::create),
        Operation::new(Method::GET, "/customers/{sel}", Role::Backend, customers::find),
        Operation::new(Method::PUT, "/customers/{sel}", Role::Backend, customers::put),
        Operation::new(Method::PATCH, "/customers/{sel}", Role::Backend, customers::patch),
        Operation::new(Method::DELETE, "/customers/{sel}", Role::Backend, customers::archive),
        Operation::new(Method::POST, "/customers/{sel}/restore", Role::Backend, customers::restore),
        Operation::new(Method::GET, "/customer", Role::Backend, customers::find),
        Operation::new(Method::PUT, "/customer", Role::Backend, customers::put),
        Operation::new(Method::PATCH, "/customer", Role::Backend, customers::patch),
        Operation::new(Method::DELETE, "/customer", Role::Backend, customers::archive),
        Operation::new(Method::POST, "/customer/restore", Role::Backend, customers::restore),
        Operation::new(Method::POST, "/links", Role::Backend, links::create),
        Operation::new(Method::GET, "/workspace", Role::Backend, workspace::find),
        Operation::new(Method::PATCH, "/workspace", Role::Backend, workspace::patch),
    ]
}

/// The API's routes that Hitchpost answers itself.
pub fn routes(state: &AppState) -> Router<AppState> {
    routed(state, |operation| !operation.is_relayed())
}

/// The API's routes that are handed on to an app.
pub fn relays(state: &AppState) -> Router<AppState> {
    routed(state, Operation::is_relayed)
}

fn routed(state: &AppState, is_meant: impl Fn(&Operation) -> bool) -> Router<AppState> {
    operations()
        .into_iter()
        .filter(is_meant)
        .map(|operation| operation.route(state))
        .fold(Router::new(), |router, (path, handler)| router.route(path, handler))
}

/// How many a list gives when the caller does not say.
const LIMIT_DEFAULT: usize = 25;
/// The most it gives.
const LIMIT_MAX: usize = 1000;

/// Reads `limit`: 1 to 1000; anything else is refused with its name.
fn limit(given: Option<&str>) -> Result<usize, Refusal> {
    let Some(text) = given.filter(|text| !text.is_empty()) else { return Ok(LIMIT_DEFAULT) };
    text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit)).ok_or_else(|| {
        Refusal::bad_request("invalid_limit", format!("`limit` is a whole number from 1 to {LIMIT_MAX}."))
    })
}
