//! A client's connection that cannot be held open for nothing.
//!
//! Between two requests, while the head of one arrives, and while an answer waits to be taken: each has a
//! limit of its own. A request in progress has none here; its body and its handler have theirs.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::Notify,
    time::{Instant, Sleep},
};

/// What a connection is doing, seen from outside.
pub(super) struct Activity {
    opened: Instant,
    requests: AtomicUsize,
    /// Requests there ever were.
    visits: AtomicU64,
    /// A request ended and nobody has read since: time runs again, and whoever reads has to know.
    left: AtomicBool,
    /// Milliseconds from `opened` to the end of the last request.
    idle_since: AtomicU64,
    /// Told to end: after the request in progress, or at once.
    told: AtomicBool,
    ending: Notify,
}

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            opened: Instant::now(),
            requests: AtomicUsize::new(0),
            visits: AtomicU64::new(0),
            left: AtomicBool::new(false),
            idle_since: AtomicU64::new(0),
            told: AtomicBool::new(false),
            ending: Notify::new(),
        })
    }

    /// A request begins; it is in progress until what comes back is dropped.
    pub(super) fn visit(self: &Arc<Self>) -> Visit {
        self.requests.fetch_add(1, Relaxed);
        self.visits.fetch_add(1, Relaxed);
        Visit(self.clone())
    }

    /// Whether a request ended and the connection was not read since; says so once. Requests end while
    /// their connection is polled: poll it once more then.
    pub(super) fn was_left(&self) -> bool {
        self.left.swap(false, Relaxed)
    }

    pub(super) fn is_busy(&self) -> bool {
        self.requests.load(Relaxed) > 0
    }

    /// Since when no request is in progress.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        (!self.is_busy()).then(|| self.opened + Duration::from_millis(self.idle_since.load(Relaxed)))
    }

    /// Tells it to end; false when it was told before.
    pub(super) fn tell_to_end(&self) -> bool {
        let is_first = !self.told.swap(true, Relaxed);
        self.ending.notify_one();
        is_first
    }

    pub(super) fn was_told(&self) -> bool {
        self.told.load(Relaxed)
    }

    /// Comes back when it is told.
    pub(super) async fn told_to_end(&self) {
        self.ending.notified().await;
    }
}

/// A request in progress.
pub(super) struct Visit(Arc<Activity>);

impl Drop for Visit {
    fn drop(&mut self) {
        let since = u64::try_from(self.0.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.idle_since.store(since, Relaxed);
        self.0.requests.fetch_sub(1, Relaxed);
        self.0.left.store(true, Relaxed);
    }
}

/// How long a connection may be in which phase.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// For the head of a request.
    pub(super) head: Duration,
    /// Between two requests.
    pub(super) idle: Duration,
    /// Without anything of an answer being taken.
    pub(super) write: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Head,
    Request,
    Idle,
}

/// The connection itself.
pub(super) struct Guarded {
    stream: TcpStream,
    activity: Arc<Activity>,
    patience: Patience,
    phase: Phase,
    /// Requests there were when the phase began.
    visits: u64,
    reading: Pin<Box<Sleep>>,
    writing: Option<Pin<Box<Sleep>>>,
}

impl Guarded {
    pub(super) fn new(stream: TcpStream, activity: Arc<Activity>, patience: Patience) -> Self {
        let reading = Box::pin(tokio::time::sleep(patience.head));
        Self { stream, activity, patience, phase: Phase::Head, visits: 0, reading, writing: None }
    }

    fn enter(&mut self, phase: Phase, limit: Duration) {
        self.phase = phase;
        self.reading.as_mut().reset(Instant::now() + limit);
    }

    /// Whether what came from the socket was written, or has waited for too long.
    fn written(
        &mut self,
        context: &mut Context<'_>,
        poll: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if poll.is_ready() {
            self.writing = None;
            return poll;
        }
        let limit = self.patience.write;
        let writing = self.writing.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        writing.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        let visits = this.activity.visits.load(Relaxed);
        if visits != this.visits {
            (this.phase, this.visits) = (Phase::Request, visits);
        }
        this.activity.left.store(false, Relaxed);
        if this.activity.is_busy() {
            return read;
        }
        match (&read, this.phase) {
            (Poll::Ready(_), Phase::Head) => read,
            // Time for a head runs from its first byte.
            (Poll::Ready(_), Phase::Idle | Phase::Request) => {
                this.enter(Phase::Head, this.patience.head);
                read
            }
            (Poll::Pending, phase) => {
                if phase == Phase::Request {
                    this.enter(Phase::Idle, this.patience.idle);
                }
                this.reading.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.written(context, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
