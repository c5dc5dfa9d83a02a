//! The JSON shapes of integrations, connections and outcomes, as the public SDKs read them.

use serde_json::{Value, json};

use super::{AppState, Refusal, auth_options};
use crate::{
    engine::{IntegrationSummary, IntegrationView, Outcome},
    model::{Access, Connection, ConnectionState},
};

impl AppState {
    /// An integration as one customer sees it.
    pub fn integration_json(&self, summary: &IntegrationSummary) -> Value {
        let view = &summary.view;
        let mut json = self.integration_only_json(view);
        if let Some(connection) = &summary.connection {
            json["connection"] = connection_json(connection, view);
        }
        json
    }

    fn integration_only_json(&self, view: &IntegrationView) -> Value {
        let integration = &view.integration;
        let record = &integration.record;
        let mut json = json!({
            "id": integration.id,
            "key": integration.key,
            "name": view.name,
            "description": view.description(),
            "logoUri": self.logo_uri(view),
            "connectorId": view.connector.key,
            "authType": view.option(None).map(auth_options::wire_type),
            "state": "READY",
            "isTest": integration.settings.sandbox,
            "featured": view.featured,
            "oAuthCallbackUri": self.engine.callback_uri(view),
            "hasMissingParameters": view.missing_client,
            "createdAt": record.created_at,
            "updatedAt": record.updated_at,
        });
        if integration.hidden {
            json["archivedAt"] = json!(record.archived_at.unwrap_or(record.updated_at));
        }
        json
    }

    /// An integration with its ways to connect and, for a backend, how it is set up. No secret is in it.
    pub fn integration_whole_json(&self, summary: &IntegrationSummary, access: &Access) -> Value {
        let view = &summary.view;
        let mut json = self.integration_json(summary);
        let options = view.usable().map(|option| self.auth_option_json(view, option));
        json["authOptions"] = options.collect();
        if access.is_backend {
            let settings = &view.integration.settings;
            json["meta"] = json!(view.integration.record.meta);
            json["managedBy"] = if view.integration.record.of_file { "file" } else { "api" }.into();
            json["parametersSchema"] = auth_options::parameters_schema(&view.connector);
            json["parameters"] = json!({
                "clientId": settings.client_id,
                "hasClientSecret": view.has_client_secret(),
                "scopes": settings.scopes,
                "connectorParameters": view.shown_parameters(),
            });
        }
        json
    }

    /// Where an integration's picture is.
    pub fn logo_uri(&self, view: &IntegrationView) -> String {
        format!("{}{}", self.origin.as_str(), self.assets.logo(&view.logo))
    }

    /// A connection as this caller may see it: connector parameters are the backend's.
    pub fn connection_json(
        &self,
        connection: &Connection,
        view: &IntegrationView,
        access: &Access,
    ) -> Result<Value, Refusal> {
        let mut json = connection_json(connection, view);
        json["integration"] = json!({
            "id": view.integration.id,
            "key": view.integration.key,
            "name": view.name,
            "logoUri": self.logo_uri(view),
        });
        if access.is_backend {
            json["connectorParameters"] = json!(self.engine.shown_parameters(connection)?);
        }
        Ok(json)
    }

    /// How an attempt ended, as popups and event streams tell it.
    pub fn outcome_json(&self, outcome: &Outcome) -> Value {
        let mut json = json!({
            "source": "integration.app",
            "requestId": outcome.attempt.request_id,
        });
        if let Some(state) = &outcome.attempt.request.custom_state {
            json["customState"] = state.as_str().into();
        }
        match (outcome.failure(), &outcome.connection) {
            (Some(failure), _) => {
                json["type"] = "newConnectionFailure".into();
                json["error"] = failure.message.clone().into();
                json["errorData"] = failure.error_data();
                if let Some(target) = outcome.attempt.request.target {
                    json["connectionId"] = json!(target);
                }
            }
            (None, connection) => {
                json["type"] = "newConnectionCreated".into();
                json["connection"] = connection
                    .as_ref()
                    .map(|connection| connection_json(connection, &outcome.view))
                    .unwrap_or_default();
            }
        }
        json
    }
}

/// A connection. No credential and no secret input is ever in it.
pub fn connection_json(connection: &Connection, view: &IntegrationView) -> Value {
    let connected = connection.state == ConnectionState::Ready;
    let disconnected = matches!(connection.state, ConnectionState::Disconnected(_));
    let name =
        connection.name.as_ref().or(connection.account.as_ref().and_then(|account| account.label.as_ref()));
    let mut json = json!({
        "id": connection.id,
        "key": connection.key,
        "name": name.unwrap_or(&view.name),
        "integrationId": connection.integration,
        "integrationKey": view.integration.key,
        "connectorId": view.connector.key,
        "authOptionKey": connection.auth_option,
        "userId": connection.customer,
        "tenantId": connection.customer,
        "customerId": connection.owner,
        "connected": connected,
        "disconnected": disconnected,
        "state": "READY",
        "input": connection.input,
        "isTest": view.integration.settings.sandbox,
        "canTest": connected && view.can_test(connection),
        "canRefreshCredentials": connected && view.can_refresh(connection),
        "retryAttempts": connection.retry_attempts,
        "nextCredentialsRefreshAt": connection.refresh_at,
        "meta": connection.meta,
        "lastActiveAt": connection.last_active_at,
        "createdAt": connection.created_at,
        "updatedAt": connection.updated_at,
    });
    match connection.state {
        ConnectionState::Archived(at) => json["archivedAt"] = json!(at),
        ConnectionState::Disconnected(reason) => {
            json["error"] = json!({
                "type": "connection",
                "key": "connection_is_defunct",
                "message": reason.why(&view.name),
                "data": { "reason": reason, "nextStep": reason.next_step(&view.name) },
            });
        }
        ConnectionState::Ready => {}
    }
    json
}
