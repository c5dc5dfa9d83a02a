//! A call of which only the status and the headers matter.

use std::time::Duration;

use futures_util::StreamExt as _;
use http::{HeaderMap, StatusCode, header::USER_AGENT};
use url::Url;

use super::{AGENT, AddressRefusal, Outbound, OutboundError, Reach, broke};
use crate::protocol::call::Call;

/// How much of an answer is read away, so that its connection can be used again.
const DRAINED: usize = 16 * 1024;

impl Outbound {
    /// Whether an address may be called, as far as that can be told before its name is resolved.
    pub fn admits(&self, url: &Url) -> Result<(), AddressRefusal> {
        self.client_for(url, Reach::Public).map(|_| ())
    }

    /// Sends a call to a public or listed address and waits at most `deadline` for the answer. Its body is
    /// not kept. A redirect is an answer like any other.
    pub async fn knock(
        &self,
        call: Call,
        deadline: Duration,
    ) -> Result<(StatusCode, HeaderMap), OutboundError> {
        let host = call.url.host_str().unwrap_or_default().to_owned();
        let client = self
            .client_for(&call.url, Reach::Public)
            .map_err(|reason| OutboundError::Refused { host: host.clone(), reason })?;
        let request = client
            .request(call.method, call.url)
            .timeout(deadline)
            .headers(call.headers)
            .header(USER_AGENT, AGENT)
            .body(call.body);
        let response = request.send().await.map_err(|error| broke(&error, &host))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let (mut chunks, mut read) = (response.bytes_stream(), 0);
        while let Some(Ok(chunk)) = chunks.next().await {
            read += chunk.len();
            if read > DRAINED {
                break;
            }
        }
        Ok((status, headers))
    }
}
