//! The workspace a newcomer meets.

use std::sync::Arc;

use crate::{
    engine::{
        ConfigureError, DesiredIntegration, DesiredKey, DesiredWorkspace, Engine, EngineError, WorkspaceView,
    },
    model::{IntegrationSettings, WorkspaceSettings},
    sandbox,
};

/// The workspace a newcomer meets: every app that the sandbox can play.
pub(super) async fn demo(engine: &Engine) -> Result<(), ConfigureError> {
    let known = engine.workspaces().await?;
    if !known.is_empty() && !known.iter().all(|view| view.workspace.settings.demo) {
        return Ok(());
    }
    engine.catalog().read_ahead(engine.catalog().keys());
    let played = engine.catalog().iter().filter(|connector| sandbox::plays(connector));
    let apps = played.map(|connector| DesiredIntegration {
        key: connector.key.clone(),
        connector: connector.key.clone(),
        connector_source: None,
        client_secret: None,
        settings: IntegrationSettings { sandbox: true, ..IntegrationSettings::default() },
    });
    let origins = ["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"];
    let settings = WorkspaceSettings {
        allowed_origins: origins.map(str::to_owned).to_vec(),
        demo: true,
        ..WorkspaceSettings::default()
    };
    let workspace = DesiredWorkspace {
        id: None,
        key: "demo".to_owned(),
        name: "Acme".to_owned(),
        settings,
        keys: vec![DesiredKey::Secret(engine.demo_secret())],
        integrations: apps.collect(),
        webhooks: Vec::new(),
        your_app: None,
    };
    engine.configure(vec![workspace]).await.map(|_| ())
}

pub(super) async fn demo_workspace(engine: &Engine) -> Result<Option<Arc<WorkspaceView>>, EngineError> {
    Ok(engine.workspaces().await?.into_iter().find(|view| view.workspace.settings.demo))
}
