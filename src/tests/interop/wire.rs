//! [`Wire`]: what lies between Hitchpost and a provider's token endpoint. It can be slow, keep what is
//! sent, or lose what comes back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

/// What becomes of a token request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It arrives, and so does its answer.
    Passing,
    /// It arrives this much later.
    Slow(Duration),
    /// It does not arrive. What is held is gone once the mode changes.
    Holding,
    /// It arrives and is acted on; the answer is lost.
    Losing,
}

/// A wire that listens, for one provider.
pub struct Wire {
    pub port: u16,
    mode: watch::Sender<Mode>,
    sent: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Wire {
    pub async fn to(provider: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (mode, sent) = (watch::Sender::new(Mode::Passing), Arc::new(AtomicUsize::new(0)));
        let (modes, count) = (mode.clone(), sent.clone());
        let task = tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.unwrap();
                let Ok(far) = TcpStream::connect(("127.0.0.1", provider)).await else { continue };
                let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                let (there, back) = (modes.subscribe(), modes.subscribe());
                let count = count.clone();
                tokio::spawn(async move {
                    // When one way ends both do, which closes the connection.
                    tokio::select! {
                        () = requests(near_in, far_out, there, &count) => {}
                        () = answers(far_in, near_out, back) => {}
                    }
                });
            }
        });
        Self { port, mode, sent, task }
    }

    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Token requests that were sent into it so far.
    pub fn sent(&self) -> usize {
        self.sent.load(Ordering::SeqCst)
    }

    /// Waits for the `count`th token request.
    pub async fn has_taken(&self, count: usize) {
        for _ in 0..6000 {
            if self.sent() >= count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("only {} of {count} token requests were sent in a minute", self.sent());
    }
}

async fn requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut modes: watch::Receiver<Mode>,
    count: &AtomicUsize,
) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        if bytes.starts_with(b"POST ") {
            count.fetch_add(1, Ordering::SeqCst);
        }
        let mode = *modes.borrow_and_update();
        match mode {
            Mode::Passing | Mode::Losing => {}
            Mode::Slow(delay) => tokio::time::sleep(delay).await,
            Mode::Holding => {
                let _ = modes.wait_for(|mode| *mode != Mode::Holding).await;
                return;
            }
        }
        if to.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
}

async fn answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, modes: watch::Receiver<Mode>) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        if *modes.borrow() == Mode::Losing || to.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
}
