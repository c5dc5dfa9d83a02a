//! `GET` and `PATCH /workspace`

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::{
    body::{Body, Member},
    operation::Caller,
};
use crate::{
    engine::{DesiredYourApp, ThemeChange, WorkspaceChange, WorkspaceView},
    http::{AppState, Refusal},
    model::{YourAppSettings, workspace::DEFAULT_MAX_TOKEN_LIFETIME},
};

type Answer = Result<Json<Value>, Refusal>;

/// The caller's workspace. No secret is in it.
pub(super) async fn find(State(state): State<AppState>, Caller(access): Caller) -> Answer {
    let view = state.engine.workspace(access.workspace).await?;
    Ok(Json(workspace_json(&state, &view)))
}

/// Changes what is sent and leaves the rest.
pub(super) async fn patch(State(state): State<AppState>, Caller(access): Caller, body: Body) -> Answer {
    let change = WorkspaceChange {
        name: body.text("name")?.map(Option::unwrap_or_default),
        allowed_origins: body.texts("allowedOrigins")?.map(Option::unwrap_or_default),
        max_token_lifetime_seconds: body
            .whole("maxTokenLifetimeSeconds")?
            .map(|seconds| seconds.unwrap_or(DEFAULT_MAX_TOKEN_LIFETIME.as_secs())),
        allow_tokens_without_exp: body.flag("allowTokensWithoutExp")?.map(Option::unwrap_or_default),
        require_signed_parameters: body.flag("requireSignedParameters")?.map(Option::unwrap_or_default),
        allow_credentials_read: body.flag("allowCredentialsRead")?.map(Option::unwrap_or_default),
        confirm_redirect: body.text("confirmRedirect")?.map(|page| page.filter(|page| !page.is_empty())),
        theme: theme(&body)?,
        your_app: your_app(&body)?,
    };
    let view = state.engine.change_workspace(&access, change).await?;
    Ok(Json(workspace_json(&state, &view)))
}

fn theme(body: &Body) -> Result<ThemeChange, Refusal> {
    let Some(given) = body.object("theme")? else { return Ok(ThemeChange::default()) };
    let Some(given) = given else {
        let none = (Some(None), Some(None), Some(None), Some(None));
        return Ok(ThemeChange { accent: none.0, radius: none.1, logo: none.2, scheme: none.3 });
    };
    let given = Body::within("theme", given);
    Ok(ThemeChange {
        accent: given.text("accent")?,
        radius: given.whole("radius")?,
        logo: given.text("logo")?,
        scheme: given.text("scheme")?,
    })
}

fn your_app(body: &Body) -> Result<Member<DesiredYourApp>, Refusal> {
    let Some(given) = body.value("yourApp") else { return Ok(None) };
    let wrong = |error: serde_json::Error| Refusal::invalid(vec![("yourApp".to_owned(), error.to_string())]);
    given.map(serde_json::from_value).transpose().map(Some).map_err(wrong)
}

fn workspace_json(state: &AppState, view: &WorkspaceView) -> Value {
    let workspace = &view.workspace;
    let settings = &workspace.settings;
    let logo = state.assets.picture(settings.theme.logo.as_deref());
    let public_keys = view.keys.public.iter().filter(|key| key.counts(state.engine.clock().now()));
    let public_keys = public_keys
        .map(|key| json!({ "name": key.kid(), "publicKey": key.pem(), "retiresAt": key.retires_at() }));
    json!({
        "id": workspace.id,
        "key": workspace.key,
        "name": workspace.name,
        "logoUri": logo.map(|path| format!("{}{path}", state.origin.as_str())),
        "publicKeys": public_keys.collect::<Vec<_>>(),
        "allowedOrigins": settings.allowed_origins,
        "maxTokenLifetimeSeconds": settings.max_token_lifetime_seconds,
        "allowTokensWithoutExp": settings.allow_tokens_without_exp,
        "requireSignedParameters": settings.require_signed_parameters,
        "allowCredentialsRead": settings.allow_credentials_read,
        "confirmRedirect": settings.confirm_redirect,
        "theme": {
            "accent": settings.theme.accent,
            "radius": settings.theme.radius,
            "scheme": settings.theme.scheme,
        },
        "yourApp": settings.your_app.as_ref().map(YourAppSettings::shown),
        "isTest": settings.demo,
    })
}
