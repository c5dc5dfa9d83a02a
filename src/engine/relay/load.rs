//! The caller's body: passed on as it comes, and kept where it is small enough to be sent again.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{Stream, StreamExt as _};
use hyper::body::Bytes;

use super::{REPLAYED_MOST, RelayError};
use crate::outbound::{ByteStream, Upload, UploadFault};

/// A body, and whether it can be sent once more.
pub(super) enum Load {
    /// At hand, or none.
    Whole(Bytes),
    /// As it comes; what came is kept while it is little.
    Passing { upload: Option<Upload>, kept: Option<Arc<Mutex<Kept>>> },
}

/// What passed so far.
#[derive(Default)]
pub(super) struct Kept {
    bytes: Vec<u8>,
    has_ended: bool,
    is_too_much: bool,
}

impl Load {
    /// Reads a body first that says that it is small, or that `must_be_whole`.
    pub(super) async fn take(body: Upload, must_be_whole: bool, idle: Duration) -> Result<Self, RelayError> {
        let (stream, length) = match body {
            Upload::Empty => return Ok(Self::Whole(Bytes::new())),
            Upload::Whole(bytes) => return Ok(Self::Whole(bytes)),
            Upload::Stream { stream, length } => (stream, length),
        };
        match length {
            Some(length) if length <= REPLAYED_MOST as u64 => read(stream, idle).await.map(Self::Whole),
            Some(_) if must_be_whole => Err(RelayError::TooLargeToSign),
            Some(_) => Ok(Self::Passing { upload: Some(Upload::Stream { stream, length }), kept: None }),
            None if must_be_whole => read(stream, idle).await.map(Self::Whole),
            None => {
                let kept = Arc::new(Mutex::new(Kept::default()));
                let stream = Box::pin(Keeping { stream, kept: kept.clone() });
                Ok(Self::Passing { upload: Some(Upload::Stream { stream, length }), kept: Some(kept) })
            }
        }
    }

    /// The body, where it is at hand.
    pub(super) fn whole(&self) -> Option<Bytes> {
        match self {
            Self::Whole(bytes) => Some(bytes.clone()),
            Self::Passing { .. } => None,
        }
    }

    /// The body, to be sent.
    pub(super) fn upload(&mut self) -> Option<Upload> {
        match self {
            Self::Whole(bytes) if bytes.is_empty() => Some(Upload::Empty),
            Self::Whole(bytes) => Some(Upload::Whole(bytes.clone())),
            Self::Passing { upload, .. } => upload.take(),
        }
    }

    /// Whether all of it can be sent once more. What passed and was kept is at hand from then on.
    pub(super) fn can_go_again(&mut self) -> bool {
        let bytes = match self {
            Self::Whole(_) => return true,
            Self::Passing { kept: None, .. } => return false,
            Self::Passing { kept: Some(kept), .. } => {
                let mut kept = kept.lock().expect("nothing panics while holding it");
                if !kept.has_ended || kept.is_too_much {
                    return false;
                }
                std::mem::take(&mut kept.bytes)
            }
        };
        *self = Self::Whole(bytes.into());
        true
    }
}

async fn read(mut stream: ByteStream, idle: Duration) -> Result<Bytes, RelayError> {
    let mut first: Option<Bytes> = None;
    let mut more = Vec::new();
    loop {
        let next = tokio::time::timeout(idle, stream.next()).await;
        let chunk = match next.map_err(|_| RelayError::Upload(UploadFault::Stalled))? {
            Some(chunk) => chunk.map_err(RelayError::Upload)?,
            None if more.is_empty() => return Ok(first.unwrap_or_default()),
            None => return Ok(more.into()),
        };
        // Nearly always one piece: it is passed on as it is.
        let Some(earlier) = &first else {
            first = Some(chunk);
            continue;
        };
        if more.is_empty() {
            more.extend_from_slice(earlier);
        }
        if more.len() + chunk.len() > REPLAYED_MOST {
            return Err(RelayError::TooLargeToSign);
        }
        more.extend_from_slice(&chunk);
    }
}

/// A body of unknown length that leaves a copy of what it was, as long as that is little.
struct Keeping {
    stream: ByteStream,
    kept: Arc<Mutex<Kept>>,
}

impl Stream for Keeping {
    type Item = Result<Bytes, UploadFault>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.stream.as_mut().poll_next(cx);
        let mut kept = self.kept.lock().expect("nothing panics while holding it");
        match &polled {
            Poll::Ready(Some(Ok(bytes))) if !kept.is_too_much => {
                if kept.bytes.len() + bytes.len() > REPLAYED_MOST {
                    kept.is_too_much = true;
                    kept.bytes = Vec::new();
                } else {
                    kept.bytes.extend_from_slice(bytes);
                }
            }
            Poll::Ready(None) => kept.has_ended = true,
            Poll::Ready(Some(Err(_))) => kept.is_too_much = true,
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        drop(kept);
        polled
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn passing(chunks: Vec<Result<Bytes, UploadFault>>, length: Option<u64>) -> Upload {
        Upload::Stream { stream: Box::pin(stream::iter(chunks)), length }
    }

    async fn loaded(upload: Upload) -> Load {
        Load::take(upload, false, Duration::from_secs(1)).await.unwrap()
    }

    async fn drain(load: &mut Load) {
        let Some(Upload::Stream { mut stream, .. }) = load.upload() else { panic!("it is at hand") };
        while stream.next().await.is_some() {}
    }

    #[tokio::test]
    async fn a_small_body_of_unknown_length_is_kept_while_it_passes() {
        let mut load =
            loaded(passing(vec![Ok(Bytes::from_static(b"ab")), Ok(Bytes::from_static(b"c"))], None)).await;

        assert!(!load.can_go_again());
        drain(&mut load).await;

        assert!(load.can_go_again());
        assert_eq!(load.whole().as_deref(), Some(&b"abc"[..]));
    }

    #[tokio::test]
    async fn one_byte_too_many_and_nothing_is_kept() {
        let most = Bytes::from(vec![7; REPLAYED_MOST]);
        let mut fits = loaded(passing(vec![Ok(most.clone())], None)).await;
        let mut does_not = loaded(passing(vec![Ok(most), Ok(Bytes::from_static(b"x"))], None)).await;

        drain(&mut fits).await;
        drain(&mut does_not).await;

        assert!(fits.can_go_again());
        assert!(!does_not.can_go_again());
    }

    #[tokio::test]
    async fn a_body_that_broke_off_is_not_sent_again() {
        let chunks = vec![Ok(Bytes::from_static(b"ab")), Err(UploadFault::Broke)];
        let mut load = loaded(passing(chunks, None)).await;

        drain(&mut load).await;

        assert!(!load.can_go_again());
    }

    #[tokio::test]
    async fn what_has_to_be_signed_is_read_first_or_refused() {
        let small = vec![Ok(Bytes::from_static(b"a=")), Ok(Bytes::from_static(b"1"))];
        let large = vec![Ok(Bytes::from(vec![7; REPLAYED_MOST])), Ok(Bytes::from_static(b"x"))];

        let whole = Load::take(passing(small, None), true, Duration::from_secs(1)).await.unwrap();
        let refused = Load::take(passing(large, None), true, Duration::from_secs(1)).await;

        assert_eq!(whole.whole().as_deref(), Some(&b"a=1"[..]));
        assert!(matches!(refused, Err(RelayError::TooLargeToSign)));
    }
}
