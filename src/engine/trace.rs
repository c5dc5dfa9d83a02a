//! For whom a request is: the ids that its lines in the log carry, once they are known.

use tracing::{Span, field::display};

use crate::model::{ConnectionId, CustomerId, WorkspaceId};

/// The caller of the request at hand.
pub(super) fn caller(workspace: WorkspaceId, customer: Option<CustomerId>) {
    let span = Span::current();
    span.record("workspace.id", display(workspace));
    if let Some(customer) = customer {
        span.record("customer.id", display(customer));
    }
}

/// The connection that the request at hand is about.
pub(super) fn connection(id: ConnectionId) {
    Span::current().record("connection.id", display(id));
}
