//! The JSON shapes of integrations, connections and outcomes, as the public SDKs read them.

use serde_json::{Value, json};

use super::AppState;
use crate::{
    engine::{IntegrationSummary, IntegrationView, Outcome},
    model::{Connection, ConnectionState, Customer, Session},
};

impl AppState {
    /// An integration as one customer sees it.
    pub fn integration_json(&self, summary: &IntegrationSummary, session: &Session) -> Value {
        let view = &summary.view;
        let mut json = self.integration_only_json(view);
        if let Some(connection) = &summary.connection {
            json["connection"] = connection_json(connection, view, &session.customer);
        }
        json
    }

    fn integration_only_json(&self, view: &IntegrationView) -> Value {
        let integration = &view.integration;
        let path = self.assets.logo(&view.logo);
        json!({
            "id": integration.id,
            "key": integration.key,
            "name": view.name,
            "description": view.connector.description,
            "logoUri": format!("{}{path}", self.origin.as_str()),
            "connectorId": view.connector.key,
            "state": "READY",
            "oAuthCallbackUri": self.engine.callback_uri(view),
            "hasMissingParameters": view.missing_client,
        })
    }

    /// How an attempt ended, as popups and event streams tell it.
    pub fn outcome_json(&self, outcome: &Outcome) -> Value {
        let mut json = json!({
            "source": "integration.app",
            "requestId": outcome.attempt.request_id,
        });
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
                    .map(|connection| connection_json(connection, &outcome.view, &outcome.attempt.customer))
                    .unwrap_or_default();
            }
        }
        json
    }
}

/// A connection. No credential and no secret input is ever in it.
pub fn connection_json(connection: &Connection, view: &IntegrationView, customer: &Customer) -> Value {
    let disconnected = matches!(connection.state, ConnectionState::Disconnected(_));
    let name =
        connection.name.as_ref().or(connection.account.as_ref().and_then(|account| account.label.as_ref()));
    let mut json = json!({
        "id": connection.id,
        "name": name.unwrap_or(&view.name),
        "integrationId": connection.integration,
        "integrationKey": view.integration.key,
        "connectorId": view.connector.key,
        "authOptionKey": connection.auth_option,
        "userId": connection.customer,
        "tenantId": connection.customer,
        "customerId": customer.internal_id,
        "connected": connection.state == ConnectionState::Ready,
        "disconnected": disconnected,
        "state": "READY",
        "input": connection.input,
        "isTest": view.integration.settings.sandbox,
        "retryAttempts": connection.retry_attempts,
        "nextCredentialsRefreshAt": connection.refresh_at,
        "createdAt": connection.created_at,
        "updatedAt": connection.updated_at,
    });
    match connection.state {
        ConnectionState::Archived(at) => json["archivedAt"] = json!(at),
        ConnectionState::Disconnected(reason) => {
            json["error"] = json!({
                "type": "connection",
                "key": "connection_is_defunct",
                "message": "The connection has to be made again.",
                "data": { "reason": reason },
            });
        }
        ConnectionState::Ready => {}
    }
    json
}
