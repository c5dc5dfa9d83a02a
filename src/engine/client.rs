//! Who we are to a provider: the registered OAuth client, a client the customer typed, and the
//! tokens we sign to prove either.

use serde_json::Value;

use super::{
    Engine, EngineError, IntegrationView,
    directory::client_secret_place,
    provider::{Provider, ProviderError},
};
use crate::{
    catalog::{
        connector::{AuthOption, AuthType, ClientAuth},
        template::{Template, TemplateError},
        values::Namespace,
    },
    model::{Failure, FailureKey, Parameters, Secret, Timestamp},
    protocol::{
        Endpoint,
        jwt::{self, MintError, Minting},
        oauth2::Client,
    },
    vault::Sealed,
};

/// How long a token for the developer's own API lives.
const WORKSPACE_TOKEN_SECONDS: u64 = 5 * 60;
/// What the sandbox knows the public halves of; they open nothing else.
const SANDBOX_ES256: &str = include_str!("../sandbox/keys/es256.pem");
const SANDBOX_RS256: &str = include_str!("../sandbox/keys/rs256.pem");

/// Why we cannot prove who we are.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// The developer gave no OAuth client.
    #[error("the integration has no OAuth client")]
    Missing,
    /// The key cannot sign.
    #[error(transparent)]
    Key(#[from] MintError),
    /// A part of what is signed is not known.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The workspace has public keys only.
    #[error("the workspace has no secret to sign with")]
    NoWorkspaceSecret,
}

impl ClientError {
    /// What the customer reads.
    pub(super) fn failure(&self, app: &str) -> Failure {
        let message = match self {
            Self::Key(_) => format!("The private key for {app} cannot be used. Check that it is complete."),
            Self::Missing | Self::NoWorkspaceSecret | Self::Template(_) => {
                format!("{app} is not set up yet. Its team has to look at it.")
            }
        };
        let key = match self {
            Self::Key(_) => FailureKey::InvalidInput,
            Self::Missing | Self::NoWorkspaceSecret | Self::Template(_) => FailureKey::MissingClient,
        };
        Failure::new(key, message)
    }
}

impl Engine {
    /// The OAuth client of an integration. The sandbox's own where the integration is played and has none.
    pub(super) fn registered_client(
        &self,
        view: &IntegrationView,
        option: &AuthOption,
    ) -> Result<Option<Client>, EngineError> {
        let integration = &view.integration;
        let Some(id) = &integration.settings.client_id else {
            return Ok(integration.settings.sandbox.then(|| Client {
                id: format!("sandbox-{}", integration.key),
                secret: Some(match signing_key_of_sandbox(option, "client.secret") {
                    Some(pem) => Secret::from(pem),
                    None => Secret::new(format!("sandbox-secret-{}", integration.key)),
                }),
                assertion: None,
            }));
        };
        let row = integration.id.to_string();
        let secret = view
            .sealed_client_secret
            .as_ref()
            .map(|sealed| {
                self.vault().open(client_secret_place(integration.workspace, &row), &Sealed(sealed.clone()))
            })
            .transpose()?
            .and_then(|bytes| String::from_utf8(bytes.expose().clone()).ok())
            .map(Secret::new);
        Ok(Some(Client { id: id.clone(), secret, assertion: None }))
    }

    /// The integration's connector parameters. A played integration has something for all that only an
    /// integration can set.
    pub(super) fn integration_parameters(&self, view: &IntegrationView, option: &AuthOption) -> Parameters {
        let mut parameters = view.parameters.clone();
        if !view.integration.settings.sandbox {
            return parameters;
        }
        for (name, parameter) in view.connector.parameters.iter().filter(|(_, found)| found.integration_only)
        {
            let is_set = parameters.plain.contains_key(name) || parameters.secret.contains_key(name);
            if is_set || parameter.schema.get("default").is_some() {
                continue;
            }
            let key = signing_key_of_sandbox(option, &format!("param.{name}"));
            let value = key.map_or_else(|| sample(&parameter.schema), Value::from);
            match value {
                Value::String(text) if parameter.secret => {
                    parameters.secret.insert(name.clone(), Secret::new(text));
                }
                value => {
                    parameters.plain.insert(name.clone(), value);
                }
            }
        }
        parameters
    }
}

/// A value that a schema itself names, such as the host of an example.
fn sample(schema: &Value) -> Value {
    let named = ["enum", "examples"].iter().find_map(|key| schema.get(key)?.as_array()?.first());
    named.cloned().unwrap_or_else(|| "sandbox".into())
}

/// The sandbox's key, where `option` signs with the value of `name`.
fn signing_key_of_sandbox(option: &AuthOption, name: &str) -> Option<&'static str> {
    let asserts = option.client_auth == ClientAuth::PrivateKeyJwt && option.jwt.is_none();
    let signs = option.signs_with(name) || (asserts && name == "client.secret");
    if !signs {
        return None;
    }
    let is_es = option.jwt.as_ref().is_some_and(|jwt| jwt.algorithm.starts_with("ES"));
    Some(if is_es { SANDBOX_ES256 } else { SANDBOX_RS256 })
}

impl Provider<'_> {
    /// The option's `{{jwt}}`; none when it has none.
    pub(super) fn minted(&self) -> Result<Option<Secret<String>>, ClientError> {
        let id = self.engine.entropy().handle();
        let now = self.engine.now();
        if self.option.kind == AuthType::MembraneToken {
            return self.workspace_token(id.expose(), now).map(Some);
        }
        let Some(jwt) = &self.option.jwt else { return Ok(None) };
        let header = filled(&jwt.header, &self.names)?;
        let claims = filled(&jwt.claims, &self.names)?;
        let key = Secret::new(jwt.key.render(&self.names)?);
        // A claim out of an optional field that was left empty is not made at all.
        let claims = claims.into_iter().filter(|(_, value)| !value.is_empty());
        let claims = claims.map(|(name, value)| (name, value.into())).collect();
        let minting = Minting {
            algorithm: &jwt.algorithm,
            key: &key,
            header: &header,
            claims: &claims,
            now,
            expires_in: jwt.expires_in,
            id: id.expose(),
        };
        Ok(Some(jwt::mint(&minting)?))
    }

    /// A token of the workspace about this customer, for the developer's own API.
    fn workspace_token(&self, id: &str, now: Timestamp) -> Result<Secret<String>, ClientError> {
        let secret = self.workspace.keys.secrets.first().ok_or(ClientError::NoWorkspaceSecret)?;
        let text = String::from_utf8(secret.expose().clone()).map_err(|_| ClientError::NoWorkspaceSecret)?;
        let claims = self.workspace_claims.clone();
        let minting = Minting {
            algorithm: "HS256",
            key: &Secret::new(text),
            header: &[],
            claims: &claims,
            now,
            expires_in: WORKSPACE_TOKEN_SECONDS,
            id,
        };
        Ok(jwt::mint(&minting)?)
    }

    /// The option's own client, or else the registered one.
    pub(super) fn own_client(&self, unsigned: Option<ClientError>) -> Result<Client, ClientError> {
        match unsigned {
            // A callback or a choice may bring what is missing; whoever needs the token before is told.
            None | Some(ClientError::Template(TemplateError::Missing(_))) => {}
            Some(error) => return Err(error),
        }
        let Some(own) = &self.option.client else {
            return self.registered.clone().ok_or(ClientError::Missing);
        };
        let secret = own.secret.as_ref().map(|secret| secret.render(&self.names)).transpose()?;
        Ok(Client { id: own.id.render(&self.names)?, secret: secret.map(Secret::new), assertion: None })
    }

    /// The client with a fresh proof for one call. RFC 7523 §3: for the issuer, or else for the
    /// address that is called.
    pub(super) fn proven_client(&self, endpoint: &Endpoint) -> Result<Client, ProviderError> {
        let mut client = self.client()?.clone();
        if self.option.client_auth != ClientAuth::PrivateKeyJwt {
            return Ok(client);
        }
        let (key, algorithm, header) = match &self.option.jwt {
            Some(jwt) => {
                let key = Secret::new(jwt.key.render(&self.names)?);
                (key, Some(jwt.algorithm.as_str()), filled(&jwt.header, &self.names)?)
            }
            None => (client.secret.clone().ok_or(ClientError::Missing)?, None, Vec::new()),
        };
        let audience = self.option.issuer.as_deref().unwrap_or(endpoint.url.as_str());
        let id = self.engine.entropy().handle();
        let now = self.engine.now();
        let assertion =
            jwt::client_assertion(&client.id, &key, audience, algorithm, &header, now, id.expose());
        client.assertion = Some(assertion.map_err(ClientError::from)?);
        Ok(client)
    }
}

fn filled(
    templates: &[(String, Template)],
    names: &Namespace,
) -> Result<Vec<(String, String)>, TemplateError> {
    templates.iter().map(|(name, template)| Ok((name.clone(), template.render(names)?))).collect()
}
