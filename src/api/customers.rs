//! `/customers` and `/customer?id=…`

use axum::{
    Json, RequestPartsExt,
    extract::{FromRequestParts, Path, Query, State},
    http::{StatusCode, request::Parts},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    body::{Body, Member},
    operation::Caller,
    query::{Asked, listed},
};
use crate::{
    engine::{DesiredCustomer, EngineError},
    http::{AppState, Refusal},
    model::{Access, CustomerId},
    store::{CustomerChange, CustomerFilter, CustomerRecord},
};

type Answer = Result<Json<Value>, Refusal>;

/// Who asks about which customer: the last segment of the path, or `id` of the query.
pub(super) struct Selected {
    state: AppState,
    access: Access,
    selector: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SelectorQuery {
    id: Option<String>,
    internal_id: Option<String>,
}

impl FromRequestParts<AppState> for Selected {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Refusal> {
        let Caller(access) = parts.extract_with_state(state).await?;
        Ok(Self { state: state.clone(), access, selector: selector(parts).await? })
    }
}

async fn selector(parts: &mut Parts) -> Result<String, Refusal> {
    let not_found = |_| Refusal::not_found("customer");
    if let Some(Path(selector)) = parts.extract::<Option<Path<String>>>().await.map_err(not_found)? {
        return Ok(selector);
    }
    let unreadable = |_| Refusal::of_status(StatusCode::BAD_REQUEST);
    let Query(query) = parts.extract::<Query<SelectorQuery>>().await.map_err(unreadable)?;
    let missing = || Refusal::invalid(vec![("id".to_owned(), "Say which customer.".to_owned())]);
    query.id.or(query.internal_id).ok_or_else(missing)
}

/// `{items, cursor?}`, newest first, without archived ones.
pub(super) async fn list(State(state): State<AppState>, Caller(access): Caller, asked: Asked) -> Answer {
    let filter = CustomerFilter {
        only: None,
        search: asked.text("search"),
        include_archived: asked.flag("includeArchived")?.unwrap_or_default(),
        before: asked.cursor(CustomerId::parse)?,
        limit: u32::try_from(asked.limit()?).unwrap_or(u32::MAX),
    };
    let page = state.engine.find_customers(&access, &filter).await?;
    Ok(listed(page.items.iter().map(customer_json).collect(), filter.limit, "id"))
}

/// Makes a customer.
pub(super) async fn create(
    State(state): State<AppState>,
    Caller(access): Caller,
    body: Body,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    refuse_credentials(&body)?;
    let desired = DesiredCustomer {
        internal_id: body.text("internalId")?.flatten(),
        name: body.text("name")?.flatten(),
        fields: body.object("fields")?.flatten().unwrap_or_default(),
        meta: meta(&body)?.flatten(),
    };
    Ok((StatusCode::CREATED, shown(state.engine.add_customer(&access, desired).await)?))
}

/// One customer, archived ones too.
pub(super) async fn find(Selected { state, access, selector }: Selected) -> Answer {
    shown(state.engine.find_customer(&access, &selector).await)
}

/// Changes what is sent and leaves the rest.
pub(super) async fn patch(selected: Selected, body: Body) -> Answer {
    let change = CustomerChange {
        name: body.text("name")?,
        fields: body.object("fields")?.map(Option::unwrap_or_default),
        meta: meta(&body)?,
    };
    changed(selected, &body, change).await
}

/// Replaces everything that can be set; what is not sent is emptied.
pub(super) async fn put(selected: Selected, body: Body) -> Answer {
    let change = CustomerChange {
        name: Some(body.text("name")?.flatten()),
        fields: Some(body.object("fields")?.flatten().unwrap_or_default()),
        meta: Some(meta(&body)?.flatten()),
    };
    changed(selected, &body, change).await
}

async fn changed(
    Selected { state, access, selector }: Selected,
    body: &Body,
    change: CustomerChange,
) -> Answer {
    refuse_credentials(body)?;
    let internal_id = body.text("internalId")?.flatten();
    shown(state.engine.change_customer(&access, &selector, internal_id.as_deref(), change).await)
}

/// Archives a customer with all their connections.
pub(super) async fn archive(Selected { state, access, selector }: Selected) -> Answer {
    shown(state.engine.archive_customer(&access, &selector).await)
}

/// Lets an archived customer sign in again.
pub(super) async fn restore(Selected { state, access, selector }: Selected) -> Answer {
    shown(state.engine.restore_customer(&access, &selector).await)
}

fn shown(done: Result<CustomerRecord, EngineError>) -> Answer {
    Ok(Json(customer_json(&done?)))
}

/// A customer on the wire.
pub(super) fn customer_json(record: &CustomerRecord) -> Value {
    let customer = &record.customer;
    let mut json = json!({
        "id": customer.id,
        "internalId": customer.internal_id,
        "name": customer.label(),
        "fields": customer.fields,
        "createdAt": record.created_at,
        "updatedAt": record.updated_at,
    });
    let mut add = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            json[name] = value;
        }
    };
    add("meta", record.meta.clone());
    add("lastActiveAt", record.last_active_at.map(|at| json!(at)));
    add("archivedAt", record.archived_at.map(|at| json!(at)));
    json
}

fn meta(body: &Body) -> Result<Member<Value>, Refusal> {
    let object: Member<Map<String, Value>> = body.object("meta")?;
    Ok(object.map(|object| object.map(Value::Object)))
}

/// Taken silently they would be missed later.
fn refuse_credentials(body: &Body) -> Result<(), Refusal> {
    if !body.has("credentials") {
        return Ok(());
    }
    let message = "Set these with `PATCH /self` and a token of this customer.";
    Err(Refusal::invalid(vec![("credentials".to_owned(), message.to_owned())]))
}
