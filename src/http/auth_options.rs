//! Ways to connect and connector parameters, as the public SDKs read them.

use serde_json::{Map, Value, json};

use super::AppState;
use crate::{
    catalog::{
        connector::{AuthOption, AuthType, Connector, Parameter},
        input,
    },
    engine::IntegrationView,
};

/// What an option is called on the wire. The SDKs open a popup for all but `client-credentials`, which
/// they post to a hidden frame: so what needs no page of somebody else's is called that.
pub fn wire_type(option: &AuthOption) -> &'static str {
    match option.kind {
        AuthType::Proxy => "proxy",
        AuthType::MembraneToken => "membrane-token",
        AuthType::OAuth1 if option.authorize.is_some() => "oauth1",
        _ if option.authorize.is_some() => "oauth2",
        _ => "client-credentials",
    }
}

impl AppState {
    /// An auth option with its key.
    pub fn auth_option_json(&self, view: &IntegrationView, option: &AuthOption) -> Value {
        let mut json = json!({
            "key": option.key,
            "type": wire_type(option),
            "title": option.title,
            "inputSchema": input::input_schema(option),
        });
        if let Some(help) = &option.help_url {
            json["description"] = format!("[Where to find this]({help})").into();
        }
        if option.authorize.is_some() {
            json["oAuthCallbackUri"] = self.engine.callback_uri(view).into();
        }
        json
    }
}

/// JSON Schema of the parameters that an integration may set.
pub fn parameters_schema(connector: &Connector) -> Value {
    schema_of(connector, |_| true)
}

/// JSON Schema of those that a connection may have of its own.
pub fn connection_parameters_schema(connector: &Connector) -> Value {
    schema_of(connector, |parameter| !parameter.integration_only)
}

fn schema_of(connector: &Connector, counts: impl Fn(&Parameter) -> bool) -> Value {
    let counted = connector.parameters.iter().filter(|(_, parameter)| counts(parameter));
    let properties: Map<_, _> = counted
        .map(|(name, parameter)| {
            let mut schema = parameter.schema.clone();
            if parameter.secret {
                schema["writeOnly"] = true.into();
            }
            (name.clone(), schema)
        })
        .collect();
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}
