//! Bodies on their way through: what is sent to a provider, and what comes back.
//!
//! Neither is read ahead of whoever takes it, and neither may stand still for longer than its idle time.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use futures_util::Stream;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::time::Sleep;

use super::{OutboundError, pool::Lent};

/// Bytes of a caller, as they come.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, UploadFault>> + Send>>;

/// Why a caller's body ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UploadFault {
    /// Nothing came for the idle time.
    #[error("the body of the request stood still")]
    Stalled,
    /// The caller's connection broke.
    #[error("the body of the request broke off")]
    Broke,
    /// More than is taken.
    #[error("the body of the request is too large")]
    TooLarge,
}

/// A body to send.
pub enum Upload {
    /// None at all.
    Empty,
    /// At hand.
    Whole(Bytes),
    /// As it comes.
    Stream {
        /// The bytes.
        stream: ByteStream,
        /// How many there are, when the caller said so.
        length: Option<u64>,
    },
}

/// How far an upload has come; the connection writes it, the call reads it.
pub(super) struct Progress {
    began: Instant,
    /// Milliseconds after `began` when the other side last took something.
    moved: AtomicU64,
    state: AtomicU8,
}

const GOING: u8 = 0;
const ENDED: u8 = 1;
const STALLED: u8 = 2;
const BROKE: u8 = 3;
const TOO_LARGE: u8 = 4;

impl Progress {
    fn new() -> Self {
        Self { began: Instant::now(), moved: AtomicU64::new(0), state: AtomicU8::new(GOING) }
    }

    fn note(&self, state: u8) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved.store(now, Ordering::Relaxed);
        self.state.store(state, Ordering::Release);
    }

    /// All of it was taken.
    pub(super) fn has_ended(&self) -> bool {
        self.state.load(Ordering::Acquire) == ENDED
    }

    /// How long ago something was last taken.
    pub(super) fn idle(&self) -> Duration {
        self.began.elapsed().saturating_sub(Duration::from_millis(self.moved.load(Ordering::Relaxed)))
    }

    /// What was wrong with the caller's side.
    pub(super) fn fault(&self) -> Option<UploadFault> {
        match self.state.load(Ordering::Acquire) {
            STALLED => Some(UploadFault::Stalled),
            BROKE => Some(UploadFault::Broke),
            TOO_LARGE => Some(UploadFault::TooLarge),
            _ => None,
        }
    }
}

/// A body as it is sent.
pub(super) enum Sending {
    Whole(Option<Bytes>),
    Stream { stream: ByteStream, left: Option<u64>, progress: Arc<Progress>, idle: Idle },
}

impl Sending {
    /// Also gives what tells how far a stream has come.
    pub(super) fn new(upload: Upload, idle: Duration) -> (Self, Option<Arc<Progress>>) {
        match upload {
            Upload::Empty => (Self::Whole(None), None),
            Upload::Whole(bytes) => (Self::Whole(Some(bytes).filter(|bytes| !bytes.is_empty())), None),
            Upload::Stream { stream, length } => {
                let progress = Arc::new(Progress::new());
                let idle = Idle::new(idle);
                (Self::Stream { stream, left: length, progress: progress.clone(), idle }, Some(progress))
            }
        }
    }
}

impl Body for Sending {
    type Data = Bytes;
    type Error = UploadFault;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadFault>>> {
        let (stream, left, progress, idle) = match self.get_mut() {
            Self::Whole(bytes) => return Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Stream { stream, left, progress, idle } => (stream, left, progress, idle),
        };
        let fault = match stream.as_mut().poll_next(cx) {
            Poll::Ready(Some(Ok(bytes))) => {
                idle.moved();
                progress.note(GOING);
                if let Some(left) = left {
                    *left = left.saturating_sub(bytes.len() as u64);
                    if *left == 0 {
                        progress.note(ENDED);
                    }
                }
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            Poll::Ready(None) => {
                progress.note(ENDED);
                return Poll::Ready(None);
            }
            Poll::Ready(Some(Err(fault))) => fault,
            Poll::Pending => {
                ready!(idle.poll_over(cx));
                UploadFault::Stalled
            }
        };
        progress.note(match fault {
            UploadFault::Stalled => STALLED,
            UploadFault::Broke => BROKE,
            UploadFault::TooLarge => TOO_LARGE,
        });
        Poll::Ready(Some(Err(fault)))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_none(),
            Self::Stream { left, .. } => *left == Some(0),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Stream { left: Some(left), .. } => SizeHint::with_exact(*left),
            Self::Stream { .. } => SizeHint::default(),
        }
    }
}

/// The body of an answer as it comes. Its connection serves the next call once it was read to its end;
/// dropped earlier, the connection is closed.
pub struct Download {
    host: Arc<str>,
    body: Incoming,
    lent: Option<Lent>,
    upload: Option<Arc<Progress>>,
    idle: Idle,
    has_broken: bool,
}

impl Download {
    pub(super) fn new(
        host: Arc<str>,
        body: Incoming,
        lent: Lent,
        upload: Option<Arc<Progress>>,
        idle: Duration,
    ) -> Self {
        let mut download =
            Self { host, body, lent: Some(lent), upload, idle: Idle::new(idle), has_broken: false };
        if download.body.is_end_stream() {
            download.hand_back();
        }
        download
    }

    /// Whose answer it is.
    pub fn host(&self) -> &str {
        &self.host
    }

    fn hand_back(&mut self) {
        let is_sent = self.upload.as_ref().is_none_or(|upload| upload.has_ended());
        match self.lent.take() {
            Some(lent) if is_sent => lent.hand_back(),
            Some(lent) => lent.let_run(),
            None => {}
        }
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let body = &mut self.body;
        match &mut self.lent {
            Some(lent) => lent.line.poll(cx, |_, cx| Pin::new(&mut *body).poll_frame(cx)),
            None => Pin::new(body).poll_frame(cx),
        }
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = OutboundError;

    /// Trailers are left out: nothing behind us asked for them.
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, OutboundError>>> {
        let this = self.get_mut();
        loop {
            if this.has_broken {
                return Poll::Ready(Some(Err(OutboundError::Unreachable(this.host.to_string()))));
            }
            match this.poll_body(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    this.idle.moved();
                    if this.body.is_end_stream() {
                        this.hand_back();
                    }
                    if frame.is_data() {
                        return Poll::Ready(Some(Ok(frame)));
                    }
                }
                // Whoever passes on what came before throws it away on an error, unless it has its turn first.
                Poll::Ready(Some(Err(_))) => {
                    this.lent = None;
                    this.has_broken = true;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(None) => {
                    this.hand_back();
                    return Poll::Ready(None);
                }
                Poll::Pending => {
                    ready!(this.idle.poll_over(cx));
                    this.lent = None;
                    return Poll::Ready(Some(Err(OutboundError::Timeout(this.host.to_string()))));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A clock that runs only while something is waited for.
pub(super) struct Idle {
    limit: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    is_running: bool,
}

impl Idle {
    fn new(limit: Duration) -> Self {
        Self { limit, sleep: None, is_running: false }
    }

    fn moved(&mut self) {
        self.is_running = false;
    }

    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let limit = self.limit;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        if !self.is_running {
            sleep.as_mut().reset(tokio::time::Instant::now() + limit);
            self.is_running = true;
        }
        sleep.as_mut().poll(cx)
    }
}
