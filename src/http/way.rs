//! Where a browser goes when an attempt ended.

use crate::engine::{Destination, Outcome};

/// The path of ours, or the caller's address, that shows or carries the outcome; none when it was found by
/// its `requestId` and has no page.
pub fn way(outcome: &Outcome) -> Option<String> {
    Some(match outcome.destination()? {
        Destination::Catalog => {
            let key = &outcome.view.integration.key;
            let renewed = outcome.attempt.request.target.is_some();
            let notice = if renewed { "reconnected" } else { "connected" };
            format!("/?notice={notice}&app={key}")
        }
        Destination::Result(handle) => format!("/connect/result/{}", handle.expose()),
        Destination::Away(address) => address,
    })
}
