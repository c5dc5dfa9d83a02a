//! One operation of the API: method, path, who may call it, and its handler.
//!
//! An operation cannot be written down without its role, and the role is checked here, before the
//! handler runs and before the body is read.

use axum::{
    extract::{FromRequestParts, Request, State},
    handler::Handler,
    http::{Method, header, request::Parts},
    middleware::{Next, from_fn_with_state},
    response::Response,
    routing::{MethodFilter, MethodRouter, any, on},
};

use crate::{
    engine::{Act, EngineError, SessionRefusal},
    http::{AppState, Refusal},
    model::Access,
};

/// Who may call an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everybody, without a token.
    Anyone,
    /// A customer for themselves; the product's backend for all.
    Customer,
    /// The product's backend alone (`isAdmin`).
    Backend,
}

/// An operation of the API.
pub struct Operation {
    /// The method; none stands for every one.
    pub method: Option<Method>,
    /// The path as the router reads it.
    pub path: &'static str,
    /// Who may call it.
    pub role: Role,
    handler: MethodRouter<AppState>,
}

impl Operation {
    /// An operation with one method.
    pub fn new<H, T>(method: Method, path: &'static str, role: Role, handler: H) -> Self
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        let filter = MethodFilter::try_from(method.clone()).expect("the API uses standard methods");
        Self { method: Some(method), path, role, handler: on(filter, handler) }
    }

    /// An operation with whatever method the caller uses.
    pub fn of_any_method<H, T>(path: &'static str, role: Role, handler: H) -> Self
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        Self { method: None, path, role, handler: any(handler) }
    }

    /// Whether it is handed on to an app: what takes every method.
    pub(super) fn is_relayed(&self) -> bool {
        self.method.is_none()
    }

    /// Its route, behind its role.
    pub(super) fn route(self, state: &AppState) -> (&'static str, MethodRouter<AppState>) {
        let act = if self.is_relayed() { Act::Proxy } else { Act::Api };
        let gate = from_fn_with_state((state.clone(), self.role, act), admit);
        // A handler of any method is the router's fallback, which only `layer` reaches.
        let handler = match self.method {
            Some(_) => self.handler.route_layer(gate),
            None => self.handler.layer(gate),
        };
        (self.path, handler)
    }
}

async fn admit(
    State((state, role, act)): State<(AppState, Role, Act)>,
    mut request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    if role != Role::Anyone {
        let missing = || Refusal::not_authenticated(&SessionRefusal::MissingToken);
        let token = bearer(request.headers()).ok_or_else(missing)?;
        let access = state.engine.access(token).await?;
        let customer = access.customer.as_ref().map(|customer| customer.id);
        state.engine.count_caller(act, access.workspace, customer)?;
        if role == Role::Backend && !access.is_backend {
            return Err(EngineError::AccessDenied.into());
        }
        request.extensions_mut().insert(access);
    }
    Ok(next.run(request).await)
}

fn bearer(headers: &axum::http::HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Whoever showed a good token, as the role's check left it.
pub struct Caller(pub Access);

impl FromRequestParts<AppState> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Refusal> {
        let missing = || Refusal::not_authenticated(&SessionRefusal::MissingToken);
        parts.extensions.get::<Access>().cloned().map(Self).ok_or_else(missing)
    }
}
