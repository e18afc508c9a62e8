//! The reusable memory of a request.

use super::{Context, Cursor, Decode, Keep, Limits, syntax};
use crate::fault::{Fault, Problem};
use bumpalo::Bump;
use simd_json::{Buffers, Node, Tape};

/// The buffers of one request: input bytes, parser state, tape and arena, reused from request
/// to request.
///
/// A decoded message borrows from its scratch, so the scratch cannot take the next request
/// before the last one is gone.
pub struct Scratch {
    input: Vec<u8>,
    buffers: Buffers,
    tape: Tape<'static>,
    arena: Bump,
    /// Bytes of the largest body since the buffers were made.
    largest: usize,
}

/// Room for a request of ordinary size, so that the first ones do not grow the buffers.
const ORDINARY_BYTES: usize = 8 * 1024;

/// An arena that grew beyond this is given back before the next request.
const KEPT_BYTES: usize = 1024 * 1024;

/// Input, parser state and tape of a body beyond this are given back before the next request;
/// at most 24 bytes of tape belong to one byte of body.
const KEPT_BODY: usize = 64 * 1024;

impl Default for Scratch {
    fn default() -> Self {
        Self {
            input: Vec::with_capacity(ORDINARY_BYTES),
            buffers: Buffers::new(ORDINARY_BYTES),
            tape: Tape(Vec::with_capacity(1024)),
            arena: Bump::with_capacity(4 * ORDINARY_BYTES),
            largest: 0,
        }
    }
}

impl Scratch {
    /// Decodes `body` into `T`, replacing whatever this scratch held.
    ///
    /// # Errors
    /// A [`Fault`] with the path of the first field that cannot be read, or with an empty path
    /// where the body is not JSON or exceeds [`Limits::body`].
    pub fn decode<'a, T: Decode<'a>>(
        &'a mut self,
        body: &[u8],
        limits: Limits,
        keep: Keep,
    ) -> Result<T, Fault> {
        if body.len() > limits.body {
            let most = limits.body;
            return Err(Fault::here(Problem::Limit {
                what: "bytes in the body",
                most,
            }));
        }
        self.prepare(body);
        let Self {
            input,
            buffers,
            tape,
            arena,
            ..
        } = self;
        let arena: &'a Bump = arena;
        let mut filled = std::mem::replace(tape, Tape(Vec::new())).reset::<'a>();
        if let Err(error) = simd_json::fill_tape_padded(input, body.len(), buffers, &mut filled) {
            *tape = filled.reset();
            return Err(syntax(&error));
        }
        let context = Context {
            arena,
            limits,
            keep,
        };
        let decoded = Cursor::new(&filled.0, &context).read();
        *tape = filled.reset();
        decoded
    }

    /// Bytes that this scratch holds on to between requests, without the parser's own state.
    pub fn held_bytes(&self) -> usize {
        let tape = self.tape.0.capacity() * size_of::<Node<'_>>();
        self.input.capacity() + tape + self.arena.allocated_bytes()
    }

    fn prepare(&mut self, body: &[u8]) {
        if self.largest > KEPT_BODY || self.arena.allocated_bytes() > KEPT_BYTES {
            *self = Self::default();
        } else {
            self.arena.reset();
        }
        self.largest = self.largest.max(body.len());
        self.input.clear();
        self.input.extend_from_slice(body);
        self.input.resize(body.len() + simd_json::INPUT_PADDING, 0);
    }
}
