//! Opens what the server stands on, and refuses to go on where it does not fit.

use std::{path::Path, sync::Arc};

use super::StartError;
use crate::{
    catalog::{Catalog, Connector},
    config::ConfigError,
    engine::{Engine, KEY_CHECK, KEY_CHECK_PLACE},
    store::{SqliteStore, Store as _},
    vault::{Sealed, Vault},
};

pub(super) async fn open_store(path: &Path) -> Result<SqliteStore, StartError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)
            .map_err(|reason| ConfigError::Unwritable { path: folder.to_owned(), reason })?;
    }
    SqliteStore::open(path)
        .await
        .map_err(|error| StartError::Store { database: path.display().to_string(), error })
}

/// Refuses to go on with a key that does not open what is there.
pub(super) async fn check_key(store: &SqliteStore, vault: &Vault, path: &Path) -> Result<(), StartError> {
    let database = path.display().to_string();
    let of_store = |error| StartError::Store { database: database.clone(), error };
    let sealed = vault.seal(KEY_CHECK_PLACE, KEY_CHECK);
    let kept = store.keep_installation_value(KEY_CHECK_PLACE.row, &sealed.0).await.map_err(of_store)?;
    match vault.open(KEY_CHECK_PLACE, &Sealed(kept)) {
        Ok(opened) if opened.expose() == KEY_CHECK => Ok(()),
        _ => Err(ConfigError::WrongKey { database }.into()),
    }
}

/// The connectors that the sandbox plays: those of the catalog, and workspaces' own as they are now.
pub(super) async fn stage(engine: &Engine) -> Result<Arc<Catalog>, StartError> {
    let mut catalog = Catalog::clone(engine.catalog());
    for workspace in engine.workspaces().await? {
        let own = workspace
            .integrations
            .iter()
            .filter(|view| view.integration.connector_source.is_some() && view.integration.settings.sandbox);
        for view in own {
            let mut connector = Connector::clone(&view.connector);
            // Its key is its integration's, which may be that of an app of the catalog.
            if catalog.get(&connector.key).is_some() {
                connector.key = format!("{}.{}", workspace.workspace.key, connector.key);
            }
            catalog.insert(connector);
        }
    }
    Ok(Arc::new(catalog))
}

/// An integration that the sandbox should play needs the sandbox.
pub(super) async fn check_sandbox(engine: &Engine, plays: bool) -> Result<(), StartError> {
    for workspace in engine.workspaces().await? {
        let mut played = workspace.integrations.iter().filter(|view| !view.integration.hidden);
        if let Some(view) = played.find(|view| view.integration.settings.sandbox && !plays) {
            let (workspace, key) = (&workspace.workspace.key, &view.integration.key);
            let reason = format!(
                "integration `{key}` of workspace `{workspace}` has `sandbox = true`, but the sandbox is off; \
                 give it a client_id and client_secret, or turn the sandbox on"
            );
            return Err(ConfigError::Setting { source_name: "[server] sandbox".to_owned(), reason }.into());
        }
    }
    Ok(())
}
