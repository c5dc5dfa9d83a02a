//! Calls whose bodies are passed on as they come: nothing is decoded, followed or read ahead.

use std::{future::poll_fn, pin::pin, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use hyper::{Request, Response, body::Incoming};
use url::Url;

use super::{
    Outbound, OutboundError, Reach,
    body::{Download, Progress, Sending, Upload},
    pool::{HEAD_CAP, Lent, Place, Reuse},
};

/// How long each step of a streamed call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// Until the connection stands, TLS included.
    pub connect: Duration,
    /// From the last byte of the request to the head of the answer.
    pub head: Duration,
    /// Between two pieces of a body, either way.
    pub idle: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), head: Duration::from_secs(60), idle: Duration::from_secs(30) }
    }
}

/// A call to pass on.
pub struct StreamedCall {
    /// HTTP method.
    pub method: Method,
    /// Scheme, host and port are taken from it.
    pub url: Url,
    /// Path and query, byte for byte.
    pub target: String,
    /// Headers; `Host` and lengths are made here.
    pub headers: HeaderMap,
    /// The body.
    pub body: Upload,
}

/// The beginning of an answer.
pub struct StreamedReply {
    /// HTTP status.
    pub status: StatusCode,
    /// Headers as received.
    pub headers: HeaderMap,
    /// The rest.
    pub body: Download,
}

/// A connection that stands, for one call.
pub struct Reserved {
    lent: Lent,
    place: Place,
}

impl Outbound {
    /// Takes a connection to the place of `url`.
    pub async fn reserve(
        &self,
        url: &Url,
        reach: Reach,
        deadlines: &Deadlines,
        reuse: Reuse,
    ) -> Result<Reserved, OutboundError> {
        let host: Arc<str> = url.host_str().unwrap_or_default().into();
        let is_listed = self
            .is_listed(url, reach)
            .map_err(|reason| OutboundError::Refused { host: host.to_string(), reason })?;
        let port = url.port_or_known_default().unwrap_or(443);
        let place = Place { is_secure: url.scheme() == "https", host, port, is_listed };
        let lent = self.pool.lend(&place, reuse, deadlines.connect).await?;
        Ok(Reserved { lent, place })
    }

    /// Sends a call and comes back with the head of the answer. Where a connection has to be opened anew in
    /// between, `stands` is asked again before the call leaves.
    pub async fn stream(
        &self,
        reserved: Reserved,
        call: StreamedCall,
        deadlines: &Deadlines,
        stands: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<StreamedReply, OutboundError> {
        let Reserved { mut lent, place } = reserved;
        let (mut request, progress) =
            request(call, deadlines).map_err(|_| OutboundError::Unreadable(place.host.to_string()))?;
        loop {
            match send(&mut lent, request, progress.as_deref(), deadlines).await {
                Ok(answer) => {
                    if is_too_large(answer.headers()) {
                        return Err(OutboundError::TooLarge(place.host.to_string()));
                    }
                    let (head, body) = answer.into_parts();
                    let body = Download::new(place.host, body, lent, progress, deadlines.idle);
                    return Ok(StreamedReply { status: head.status, headers: head.headers, body });
                }
                // It ended before a byte was sent, so nothing is sent twice.
                Err(Broken::Unsent(unsent)) => {
                    request = *unsent;
                    lent = self.pool.open(&place, deadlines.connect).await?;
                    if !stands() {
                        return Err(OutboundError::Withdrawn);
                    }
                }
                Err(Broken::Sent(make)) => return Err(make(place.host.to_string())),
                Err(Broken::Upload(fault)) => return Err(OutboundError::Upload(fault)),
            }
        }
    }
}

/// What became of a call without an answer.
enum Broken {
    /// The request came back as it was.
    Unsent(Box<Request<Sending>>),
    /// It may have reached the other side.
    Sent(fn(String) -> OutboundError),
    /// The caller's body ended early.
    Upload(super::UploadFault),
}

async fn send(
    lent: &mut Lent,
    request: Request<Sending>,
    progress: Option<&Progress>,
    deadlines: &Deadlines,
) -> Result<Response<Incoming>, Broken> {
    let mut answer = pin!(lent.line.put(request));
    let mut answer = pin!(poll_fn(|cx| lent.line.poll(cx, |_, cx| answer.as_mut().poll(cx))));
    let mut patience = deadlines.head;
    let answered = loop {
        match tokio::time::timeout(patience, &mut answer).await {
            Ok(answered) => break answered,
            Err(_) => match progress.and_then(|progress| more_patience(progress, deadlines)) {
                Some(more) => patience = more,
                None => return Err(Broken::Sent(OutboundError::Timeout)),
            },
        }
    };
    answered.map_err(|mut failed| {
        if let Some(fault) = progress.and_then(Progress::fault) {
            return Broken::Upload(fault);
        }
        let is_used = lent.is_used;
        if let Some(unsent) = failed.take_message().filter(|_| is_used) {
            return Broken::Unsent(Box::new(unsent));
        }
        let error = failed.into_error();
        Broken::Sent(if error.is_parse_too_large() {
            OutboundError::TooLarge
        } else if error.is_parse() {
            OutboundError::Unreadable
        } else if is_used {
            OutboundError::Severed
        } else {
            OutboundError::Unreachable
        })
    })
}

/// The client reads a little more than it is told to.
fn is_too_large(headers: &HeaderMap) -> bool {
    let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    size > HEAD_CAP
}

/// While the request is still on its way, the clock of the answer has not begun.
fn more_patience(progress: &Progress, deadlines: &Deadlines) -> Option<Duration> {
    let limit = if progress.has_ended() {
        deadlines.head
    } else {
        // The caller's own standing still is found first.
        deadlines.idle + Duration::from_secs(1)
    };
    limit.checked_sub(progress.idle()).filter(|more| !more.is_zero())
}

fn request(
    call: StreamedCall,
    deadlines: &Deadlines,
) -> Result<(Request<Sending>, Option<Arc<Progress>>), http::Error> {
    let port = call.url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let host = HeaderValue::try_from(format!("{}{port}", call.url.host_str().unwrap_or_default()))?;
    let (body, progress) = Sending::new(call.body, deadlines.idle);
    let mut request = Request::builder().method(call.method).uri(call.target).body(body)?;
    *request.headers_mut() = call.headers;
    request.headers_mut().insert(header::HOST, host);
    request.headers_mut().entry(header::USER_AGENT).or_insert(super::AGENT);
    Ok((request, progress))
}
