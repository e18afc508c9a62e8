//! Answer bodies that arrive whole, slowly, or never.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

const DRIP_EVERY: Duration = Duration::from_secs(1);

/// The body of an answer of a mock partner. Its length is always announced in full.
#[derive(Debug)]
pub(super) enum Answer {
    /// All pieces, one after the other.
    Pieces(Vec<Bytes>),
    /// One piece of a body of `announced` bytes, then nothing for ever.
    Stalled {
        first: Option<Bytes>,
        announced: u64,
    },
    /// One byte a second.
    Drip { rest: Bytes, next: Pin<Box<Sleep>> },
}

impl Answer {
    pub(super) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::Pieces(vec![bytes.into()])
    }

    pub(super) fn empty() -> Self {
        Self::Pieces(Vec::new())
    }

    /// `head`, then `padding` bytes of `x`, then `tail`.
    pub(super) fn padded(head: Bytes, padding: usize, tail: Bytes) -> Self {
        const PIECE: &[u8] = &[b'x'; 64 * 1024];
        let mut pieces = vec![tail];
        let mut left = padding;
        while left > 0 {
            let bytes = left.min(PIECE.len());
            pieces.push(Bytes::from_static(&PIECE[..bytes]));
            left -= bytes;
        }
        pieces.push(head);
        pieces.reverse();
        Self::Pieces(pieces)
    }

    pub(super) fn half_of(bytes: &Bytes) -> Self {
        let first = Some(bytes.slice(..bytes.len() / 2));
        Self::Stalled {
            first,
            announced: bytes.len() as u64,
        }
    }

    pub(super) fn drip(rest: Bytes) -> Self {
        Self::Drip {
            rest,
            next: Box::pin(sleep(DRIP_EVERY)),
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let bytes = match self.get_mut() {
            Self::Pieces(pieces) if pieces.is_empty() => return Poll::Ready(None),
            Self::Pieces(pieces) => pieces.remove(0),
            Self::Stalled { first, .. } => match first.take() {
                Some(first) => first,
                None => return Poll::Pending,
            },
            Self::Drip { rest, .. } if rest.is_empty() => return Poll::Ready(None),
            Self::Drip { rest, next } => {
                std::task::ready!(next.as_mut().poll(context));
                *next = Box::pin(sleep(DRIP_EVERY));
                rest.split_to(1)
            }
        };
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Pieces(pieces) => pieces.iter().map(|piece| piece.len() as u64).sum(),
            Self::Stalled { announced, .. } => *announced,
            Self::Drip { rest, .. } => rest.len() as u64,
        })
    }
}
