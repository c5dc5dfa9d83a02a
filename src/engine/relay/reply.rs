//! An answer on its way back: its head, and its body as it comes.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderMap, StatusCode};
use hyper::body::{Body, Bytes, Frame, SizeHint};

use super::{REPLAYED_MOST, lanes::Pass};
use crate::{
    outbound::{Download, OutboundError, StreamedReply},
    protocol::hop,
};

/// How long is waited for the rest of an answer that nobody wants, so that its connection can be used again.
const FAREWELL: Duration = Duration::from_millis(250);

/// An answer of a provider. Whoever drops it ends the call.
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// Headers without those that end here.
    pub headers: HeaderMap,
    /// The body.
    pub body: AnswerBody,
}

/// The body of an answer; holds its place in the lanes until it ended.
pub struct AnswerBody {
    /// What was read to see what the answer says.
    ahead: Option<Bytes>,
    /// What went wrong while that was read.
    broken: Option<OutboundError>,
    rest: Download,
    pass: Option<Pass>,
}

impl Answer {
    pub(super) fn new(reply: StreamedReply, pass: Pass) -> Self {
        let headers = hop::returned(&reply.headers);
        let mut body = AnswerBody { ahead: None, broken: None, rest: reply.body, pass: Some(pass) };
        body.leave_when_over();
        Self { status: reply.status, headers, body }
    }

    /// The whole body when it is at most 64 KiB; it is still to come afterwards.
    pub(super) async fn peek(&mut self) -> Option<&[u8]> {
        if self.body.size_hint().lower() > REPLAYED_MOST as u64 {
            return None;
        }
        let mut read = Vec::new();
        let mut is_whole = false;
        while read.len() <= REPLAYED_MOST {
            match next(&mut self.body).await {
                Some(Ok(bytes)) => read.extend_from_slice(&bytes),
                Some(Err(error)) => {
                    self.body.broken = Some(error);
                    break;
                }
                None => {
                    is_whole = true;
                    break;
                }
            }
        }
        self.body.ahead = Some(Bytes::from(read));
        self.body.ahead.as_deref().filter(|_| is_whole)
    }

    /// All of it, at most `most` bytes.
    pub async fn whole(mut self, most: usize) -> Result<Vec<u8>, OutboundError> {
        let mut read = Vec::new();
        while let Some(bytes) = next(&mut self.body).await {
            let bytes = bytes?;
            if read.len() + bytes.len() > most {
                return Err(OutboundError::TooLarge(self.body.rest.host().to_owned()));
            }
            read.extend_from_slice(&bytes);
        }
        Ok(read)
    }

    /// Lets go of an answer that nobody sees.
    pub(super) async fn discard(mut self) {
        if self.body.size_hint().upper().is_some_and(|length| length <= REPLAYED_MOST as u64) {
            let rest = async { while let Some(Ok(_)) = next(&mut self.body).await {} };
            let _ = tokio::time::timeout(FAREWELL, rest).await;
        }
    }
}

async fn next(body: &mut AnswerBody) -> Option<Result<Bytes, OutboundError>> {
    let frame = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await?;
    Some(frame.map(|frame| frame.into_data().unwrap_or_default()))
}

impl AnswerBody {
    fn leave_when_over(&mut self) {
        if self.rest.is_end_stream() {
            self.pass = None;
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = OutboundError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, OutboundError>>> {
        if let Some(ahead) = self.ahead.take().filter(|ahead| !ahead.is_empty()) {
            return Poll::Ready(Some(Ok(Frame::data(ahead))));
        }
        if let Some(error) = self.broken.take() {
            self.pass = None;
            return Poll::Ready(Some(Err(error)));
        }
        let polled = Pin::new(&mut self.rest).poll_frame(cx);
        self.leave_when_over();
        polled
    }

    fn is_end_stream(&self) -> bool {
        let has_ahead = self.ahead.as_ref().is_some_and(|ahead| !ahead.is_empty());
        !has_ahead && self.broken.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let ahead = self.ahead.as_ref().map_or(0, |ahead| ahead.len() as u64);
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + ahead);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + ahead);
        }
        hint
    }
}
