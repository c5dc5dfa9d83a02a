//! One connection without a task of its own: whoever waits for it drives it.
//!
//! The two ends of it wake each other all the time. To the runtime that looks like a task that wants its
//! turn again, and it wakes another thread for it; here it is one more round of the same poll.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures_util::task::AtomicWaker;
use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::{TrySendError, http1::SendRequest},
};

use super::body::Sending;

type Carrier = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// A connection: where requests are put in, and what carries them.
pub(super) struct Line {
    sender: SendRequest<Sending>,
    /// None once the connection has ended. How it ended shows in the call that uses it.
    carrier: Option<Carrier>,
    nudge: Arc<Nudge>,
}

impl Line {
    pub(super) fn new(
        sender: SendRequest<Sending>,
        carrier: impl Future<Output = hyper::Result<()>> + Send + 'static,
    ) -> Self {
        Self { sender, carrier: Some(Box::pin(carrier)), nudge: Arc::default() }
    }

    /// Puts a request in. It is carried as soon as what comes back is polled, with [`Line::poll`].
    pub(super) fn put(
        &mut self,
        request: Request<Sending>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<Sending>>>> + use<> {
        self.nudge.state.store(POLLED, Ordering::SeqCst);
        self.sender.try_send_request(request)
    }

    /// Carries what is to be carried, and polls what waits for it: `wanted` may look at nothing that does
    /// not come over this line.
    pub(super) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut wanted: impl FnMut(&mut SendRequest<Sending>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.nudge.parent.register(cx.waker());
        let waker = Waker::from(self.nudge.clone());
        let mut cx = Context::from_waker(&waker);
        loop {
            self.nudge.state.store(POLLED, Ordering::SeqCst);
            if let Some(carrier) = &mut self.carrier
                && carrier.as_mut().poll(&mut cx).is_ready()
            {
                self.carrier = None;
            }
            let polled = wanted(&mut self.sender, &mut cx);
            let is_quiet = self.nudge.state.swap(RESTING, Ordering::SeqCst) == POLLED;
            if polled.is_ready() || is_quiet {
                return polled;
            }
        }
    }

    /// Comes back when the next request may be put in, or never will.
    pub(super) async fn is_ready(&mut self) -> bool {
        let ready = poll_fn(|cx| self.poll(cx, SendRequest::poll_ready)).await;
        ready.is_ok() && self.carrier.is_some()
    }

    /// Whether the other side has hung up, as far as is known.
    pub(super) fn has_ended(&mut self) -> bool {
        let _: Poll<()> = self.poll(&mut Context::from_waker(Waker::noop()), |_, _| Poll::Pending);
        self.carrier.is_none()
    }

    /// What is still to be sent goes on without anybody who waits.
    pub(super) fn let_run(self) {
        if let Some(carrier) = self.carrier {
            tokio::spawn(carrier);
        }
    }
}

const RESTING: u8 = 0;
const POLLED: u8 = 1;
const NUDGED: u8 = 2;

/// Passes a wake-up on, unless the line is being polled: then it is polled once more.
#[derive(Default)]
struct Nudge {
    state: AtomicU8,
    parent: AtomicWaker,
}

impl Wake for Nudge {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.swap(NUDGED, Ordering::SeqCst) == RESTING {
            self.parent.wake();
        }
    }
}
