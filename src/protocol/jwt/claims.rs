//! What a checked token says, in our words.

use serde_json::{Map, Value};

use super::TokenError;
use crate::model::Timestamp;

/// Bytes a customer's id may have.
const MAX_CUSTOMER_BYTES: usize = 256;

/// Integrations a token may list.
const MAX_INTEGRATIONS: usize = 256;

/// What a checked token says.
#[derive(Clone, PartialEq)]
pub struct Claims {
    /// The customer, byte for byte; `None` only when `is_admin`.
    pub customer: Option<String>,
    /// The customer's name for the page.
    pub name: Option<String>,
    /// What the connection is to be called. Munity's `name`: a token that names its customer by
    /// `customer_id` alone speaks of the integration.
    pub connection_name: Option<String>,
    /// Stored on the customer.
    pub fields: Option<Map<String, Value>>,
    /// May make workspace-level calls.
    pub is_admin: bool,
    /// Keys of the only integrations this session sees.
    pub integrations: Option<Vec<String>>,
    /// Connector parameters under the workspace's signature.
    pub connector_parameters: Option<Map<String, Value>>,
    /// The connection to renew; Munity's word for it.
    pub integration_id: Option<String>,
    /// A test customer.
    pub test: bool,
    /// When the token ends; `None` for tokens without `exp`.
    pub expires_at: Option<Timestamp>,
    /// The public key that signed, by its owner's name for it.
    pub signed_by: Option<String>,
}

impl Claims {
    /// Reads the claims of a token whose signature and times are already checked.
    pub(super) fn read(
        mut members: Map<String, Value>,
        expires_at: Option<Timestamp>,
    ) -> Result<Self, TokenError> {
        let is_admin = flag(&members, "isAdmin")?;
        let customer = customer(&members)?;
        let name = text(&members, "name")?.filter(|name| !name.is_empty());
        let (name, connection_name) = if is_munity(&members) { (None, name) } else { (name, None) };
        if customer.is_none() && !is_admin {
            return Err(TokenError::MissingCustomer);
        }
        Ok(Self {
            customer,
            name,
            connection_name,
            integration_id: text(&members, "integration_id")?.filter(|id| !id.is_empty()),
            integrations: list(&members, "integrations")?,
            test: flag(&members, "test")?,
            fields: object(&mut members, "fields")?,
            connector_parameters: object(&mut members, "connectorParameters")?,
            is_admin,
            expires_at,
            signed_by: None,
        })
    }
}

/// Whether the customer is named in Munity's way only.
fn is_munity(members: &Map<String, Value>) -> bool {
    let is_there = |claim| members.get(claim).is_some_and(Value::is_string);
    is_there("customer_id") && !is_there("id") && !is_there("tenantKey")
}

fn customer(members: &Map<String, Value>) -> Result<Option<String>, TokenError> {
    let mut found: Option<String> = None;
    for claim in ["id", "tenantKey", "customer_id"] {
        let Some(id) = text(members, claim)? else { continue };
        let fits = match claim {
            "customer_id" => id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'),
            _ => !id.chars().any(char::is_control),
        };
        if id.is_empty() || id.len() > MAX_CUSTOMER_BYTES || !fits {
            return Err(TokenError::InvalidClaim(claim));
        }
        if found.as_ref().is_some_and(|earlier| *earlier != id) {
            return Err(TokenError::Conflict("id"));
        }
        found = Some(id);
    }
    Ok(found)
}

/// A string; null counts as absent.
pub(super) fn text(members: &Map<String, Value>, claim: &'static str) -> Result<Option<String>, TokenError> {
    match members.get(claim) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(TokenError::InvalidClaim(claim)),
    }
}

fn flag(members: &Map<String, Value>, claim: &'static str) -> Result<bool, TokenError> {
    match members.get(claim) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(TokenError::InvalidClaim(claim)),
    }
}

fn list(members: &Map<String, Value>, claim: &'static str) -> Result<Option<Vec<String>>, TokenError> {
    let items = match members.get(claim) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(items)) if items.len() <= MAX_INTEGRATIONS => items,
        Some(_) => return Err(TokenError::InvalidClaim(claim)),
    };
    let keys = items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>();
    keys.map(Some).ok_or(TokenError::InvalidClaim(claim))
}

fn object(
    members: &mut Map<String, Value>,
    claim: &'static str,
) -> Result<Option<Map<String, Value>>, TokenError> {
    match members.remove(claim) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object)),
        Some(_) => Err(TokenError::InvalidClaim(claim)),
    }
}
