//! Customers, as the product's backend keeps them.
//!
//! A backend whose token names a customer sees that customer and nobody else.

use futures_util::{StreamExt as _, stream};
use serde_json::{Map, Value};

use super::{Engine, EngineError};
use crate::{
    model::{Access, Customer, CustomerId},
    store::{CustomerChange, CustomerFilter, CustomerName, CustomerRecord, NewCustomer, Page},
};

/// Longest own id of a customer in bytes, as tokens may have it.
pub(super) const INTERNAL_ID_MAX: usize = 256;
/// Longest name, in characters.
const NAME_MAX: usize = 256;
/// Most that `fields` and `meta` may have as JSON, in bytes.
const OBJECT_MAX: usize = 16 * 1024;
/// Tokens of one archived customer that are on their way back to providers at once.
const GIVEN_BACK_AT_ONCE: usize = 8;

/// A customer as a backend wants them.
#[derive(Clone, Debug, Default)]
pub struct DesiredCustomer {
    /// The product's own id; none takes ours.
    pub internal_id: Option<String>,
    /// Their name.
    pub name: Option<String>,
    /// Free fields, as tokens carry them.
    pub fields: Map<String, Value>,
    /// What the backend keeps with them.
    pub meta: Option<Value>,
}

impl Engine {
    /// Finds customers, newest first.
    pub async fn find_customers(
        &self,
        access: &Access,
        filter: &CustomerFilter,
    ) -> Result<Page<CustomerRecord>, EngineError> {
        let only = access.customer.as_ref().map(|customer| customer.id);
        let filter = CustomerFilter { only, ..filter.clone() };
        Ok(self.store().customers(access.workspace, &filter).await?)
    }

    /// One customer, by our id or by the product's own; archived ones too.
    pub async fn find_customer(
        &self,
        access: &Access,
        selector: &str,
    ) -> Result<CustomerRecord, EngineError> {
        let mut found = None;
        if let Some(id) = CustomerId::parse(selector) {
            found = self.store().customer_record(access.workspace, CustomerName::Id(id)).await?;
        }
        if found.is_none() {
            let name = CustomerName::InternalId(selector);
            found = self.store().customer_record(access.workspace, name).await?;
        }
        let seen = |found: &CustomerRecord| {
            access.customer.as_ref().is_none_or(|customer| customer.id == found.customer.id)
        };
        found.filter(seen).ok_or(EngineError::NotFound("customer"))
    }

    /// Makes a customer.
    pub async fn add_customer(
        &self,
        access: &Access,
        desired: DesiredCustomer,
    ) -> Result<CustomerRecord, EngineError> {
        let now = self.now();
        let id = CustomerId::from_uuid(self.entropy().uuid(now));
        let internal_id = desired.internal_id.unwrap_or_else(|| id.to_string());
        check_internal_id("internalId", &internal_id)?;
        check_details(desired.name.as_deref(), Some(&desired.fields), desired.meta.as_ref())?;
        let is_own = |customer: &Customer| customer.internal_id == internal_id;
        if !access.customer.as_ref().is_none_or(is_own) {
            return Err(EngineError::invalid("internalId", "The token is for another customer."));
        }
        let customer = Customer { id, internal_id, name: named(desired.name), fields: desired.fields };
        let new = NewCustomer { customer, workspace: access.workspace, meta: desired.meta };
        let made = self.store().add_customer(&new, access.actor(), now).await?;
        made.ok_or(EngineError::AlreadyExists("a customer with this `internalId`"))
    }

    /// Changes a customer.
    pub async fn change_customer(
        &self,
        access: &Access,
        selector: &str,
        internal_id: Option<&str>,
        change: CustomerChange,
    ) -> Result<CustomerRecord, EngineError> {
        let found = self.find_customer(access, selector).await?;
        if internal_id.is_some_and(|internal_id| internal_id != found.customer.internal_id) {
            let message = "A customer keeps the id that their tokens carry; make a new customer for another.";
            return Err(EngineError::invalid("internalId", message));
        }
        let name = change.name.as_ref().and_then(Option::as_deref);
        let meta = change.meta.as_ref().and_then(Option::as_ref);
        check_details(name, change.fields.as_ref(), meta)?;
        let change = CustomerChange { name: change.name.map(named), ..change };
        let (workspace, id) = (access.workspace, found.customer.id);
        let changed = self.store().change_customer(workspace, id, &change, access.actor(), self.now());
        let changed = changed.await?.ok_or(EngineError::NotFound("customer"))?;
        self.forget_visits();
        Ok(changed)
    }

    /// Archives a customer with all their connections. Doing it again changes nothing.
    pub async fn archive_customer(
        &self,
        access: &Access,
        selector: &str,
    ) -> Result<CustomerRecord, EngineError> {
        let found = self.find_customer(access, selector).await?;
        let (workspace, id) = (access.workspace, found.customer.id);
        let archived = self.store().archive_customer(workspace, id, access.actor(), self.now()).await?;
        let archived = archived.ok_or(EngineError::NotFound("customer"))?;
        self.forget_visits();
        self.inner.lists.forget(workspace, id);
        self.connections_ended();
        if !archived.ended.is_empty() {
            let count = archived.ended.len();
            tracing::info!(customer.id = %id, count, "Archived customer {id} with {count} connections");
        }
        let (engine, flying) = (self.clone(), self.inner.flights.take_off());
        tokio::spawn(async move {
            let given_back = stream::iter(archived.ended);
            let one = async |(connection, erased)| engine.give_back(connection, erased).await;
            given_back.for_each_concurrent(GIVEN_BACK_AT_ONCE, one).await;
            drop(flying);
        });
        Ok(archived.record)
    }

    /// Lets an archived customer sign in again. What ended stays ended.
    pub async fn restore_customer(
        &self,
        access: &Access,
        selector: &str,
    ) -> Result<CustomerRecord, EngineError> {
        let found = self.find_customer(access, selector).await?;
        let (workspace, id) = (access.workspace, found.customer.id);
        let restored = self.store().restore_customer(workspace, id, access.actor(), self.now()).await?;
        restored.ok_or(EngineError::NotFound("customer"))
    }

    /// The customer that a backend names by the product's own id, made at first sight as by a token.
    pub(super) async fn customer_for(
        &self,
        access: &Access,
        path: &str,
        internal_id: &str,
        name: Option<String>,
    ) -> Result<Customer, EngineError> {
        check_internal_id(path, internal_id)?;
        check_details(name.as_deref(), None, None)?;
        let is_own = |customer: &Customer| customer.internal_id == internal_id;
        if !access.customer.as_ref().is_none_or(is_own) {
            return Err(EngineError::NotFound("customer"));
        }
        let now = self.now();
        let seen = Customer {
            id: CustomerId::from_uuid(self.entropy().uuid(now)),
            internal_id: internal_id.to_owned(),
            name: named(name),
            fields: Map::new(),
        };
        let customer = self.store().ensure_customer(&seen, access.workspace, now).await?;
        customer.ok_or_else(|| EngineError::invalid(path, "This customer is archived."))
    }

    /// What was looked up of tokens and page sessions a moment ago counts no more.
    fn forget_visits(&self) {
        self.inner.tokens.forget();
        self.inner.sessions.forget();
    }
}

/// A name of nothing but spaces is none.
fn named(name: Option<String>) -> Option<String> {
    name.filter(|name| !name.trim().is_empty())
}

pub(super) fn check_internal_id(path: &str, id: &str) -> Result<(), EngineError> {
    let fits = (1..=INTERNAL_ID_MAX).contains(&id.len()) && !id.chars().any(char::is_control);
    let message = format!("An id has 1 to {INTERNAL_ID_MAX} bytes and no control characters.");
    fits.then_some(()).ok_or_else(|| EngineError::invalid(path, message))
}

fn check_details(
    name: Option<&str>,
    fields: Option<&Map<String, Value>>,
    meta: Option<&Value>,
) -> Result<(), EngineError> {
    let is_large = |json: String| json.len() > OBJECT_MAX;
    let too_large = format!("This has more than {} KiB as JSON.", OBJECT_MAX / 1024);
    let mut wrong = Vec::new();
    if name.is_some_and(|name| name.chars().count() > NAME_MAX) {
        wrong.push(("name".to_owned(), format!("A name has at most {NAME_MAX} characters.")));
    }
    if fields.is_some_and(|fields| is_large(Value::Object(fields.clone()).to_string())) {
        wrong.push(("fields".to_owned(), too_large.clone()));
    }
    if meta.is_some_and(|meta| is_large(meta.to_string())) {
        wrong.push(("meta".to_owned(), too_large));
    }
    if wrong.is_empty() { Ok(()) } else { Err(EngineError::Invalid(wrong)) }
}
