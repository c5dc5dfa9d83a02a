//! Whole flows against servers that nobody here wrote.
//!
//! npm `oidc-provider` needs Node 20 and `npm ci` in `end2end/`; PyPI `oauthlib`, `django-oauth-toolkit`,
//! `standardwebhooks`, `schemathesis` and `openapi-spec-validator` need Python and
//! `end2end/providers/requirements.txt`. `./test` sees to all of it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops with the place and the cause")]

#[path = "app/mod.rs"]
#[expect(dead_code, reason = "shared with the black-box tests, which use the rest of it")]
mod app;
#[path = "interop/certified.rs"]
mod certified;
#[path = "interop/django.rs"]
mod django;
#[path = "interop/lease.rs"]
mod lease;
#[path = "interop/oauth1.rs"]
mod oauth1;
#[path = "interop/oidc_clients.rs"]
mod oidc_clients;
#[path = "interop/oidc_code.rs"]
mod oidc_code;
#[path = "roles/operations.rs"]
#[expect(dead_code, reason = "shared with the black-box tests, which use the rest of it")]
mod operations;
#[path = "interop/process.rs"]
mod process;
#[path = "interop/provider.rs"]
mod provider;
#[path = "receiver.rs"]
#[expect(dead_code, reason = "shared with the black-box tests, which use the rest of it")]
mod receiver;
#[path = "interop/schemathesis.rs"]
mod schemathesis;
#[path = "roles/stage.rs"]
mod stage;
#[path = "interop/webhooks.rs"]
mod webhooks;
#[path = "interop/wire.rs"]
mod wire;
