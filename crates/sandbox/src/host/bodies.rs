//! Bodies of answers, read piece by piece.

use std::collections::HashMap;

use bytes::Bytes;
use domain::{HostCall, SuspendedBody};
use egress::{FetchError, ResponseBody};
use wasmtime::StoreContextMut;

use super::{BYTE_FUEL, burn, charge, operations::Ended};
use crate::{journal, state::GuestState};

/// Bytes of a piece of what an earlier run has read: about as many as come from a host at a time.
const KEPT_PIECE_BYTES: usize = 64 * 1024;

/// What a `read` says that has brought a piece.
const MORE: &str = "more";
/// What it says where nothing follows.
const END: &str = "end";

/// The bodies that a guest holds open, and their pieces that it has not taken yet: one of each body at most. How many it may hold open is
/// bounded by `egress`.
#[derive(Debug, Default)]
pub(crate) struct Bodies {
    open: HashMap<u32, Body>,
    pieces: HashMap<u32, Bytes>,
}

#[derive(Debug)]
struct Body {
    /// Absent while it is read.
    rest: Option<Rest>,
    /// The operation that read it last; before the first, the request.
    last_read: u32,
    /// Whether that is the request, of which what it brought is not given up: where nobody takes it, the first `read` brings it.
    is_begun: bool,
}

/// What of a body is still to be read.
#[derive(Debug)]
pub(crate) enum Rest {
    /// From its host.
    Live(Box<ResponseBody>),
    /// From the journal: an earlier run has read it, as far as it came.
    Kept { bytes: Bytes, broken: Option<String> },
}

/// A body that a guest holds open.
pub(crate) struct OpenBody {
    pub(crate) handle: u32,
    pub(crate) last_read: u32,
    /// Whether that is the request.
    pub(crate) is_begun: bool,
    /// The piece that came last, if the guest has not taken it.
    pub(crate) piece: Option<Vec<u8>>,
    /// Absent while it is read.
    pub(crate) rest: Option<Rest>,
}

impl Rest {
    /// Whether it is known that nothing follows.
    fn is_at_end(&self) -> bool {
        match self {
            Self::Live(body) => body.is_at_end(),
            Self::Kept { bytes, broken } => bytes.is_empty() && broken.is_none(),
        }
    }

    /// The next piece, never empty; nothing at the end. The inner error is told to the guest.
    pub(crate) async fn next(&mut self) -> Result<Result<Option<Bytes>, String>, FetchError> {
        match self {
            Self::Live(body) => body.next().await.map(Ok),
            Self::Kept { bytes, .. } if !bytes.is_empty() => {
                let piece = bytes.split_to(bytes.len().min(KEPT_PIECE_BYTES));
                Ok(Ok(Some(piece)))
            }
            Self::Kept { broken, .. } => Ok(broken.take().map_or(Ok(None), Err)),
        }
    }
}

impl Bodies {
    /// Opens a body, of which the request `operation` has brought a piece, if it has.
    pub(super) fn insert(&mut self, handle: u32, operation: u32, body: ResponseBody, begun: Option<Bytes>) {
        self.open.insert(handle, Body { rest: Some(Rest::Live(Box::new(body))), last_read: operation, is_begun: true });
        if let Some(piece) = begun {
            self.pieces.insert(operation, piece);
        }
    }

    /// What `operation` has brought, if nobody has taken it yet. A body that a request has brought as a whole is gone then.
    fn take(&mut self, operation: u32) -> Bytes {
        let Some(piece) = self.pieces.remove(&operation) else { return Bytes::new() };
        self.open
            .retain(|_, body| !(body.is_begun && body.last_read == operation && body.rest.as_ref().is_some_and(Rest::is_at_end)));
        piece
    }

    /// All that are open, which are so no longer.
    pub(crate) fn take_open(&mut self) -> Vec<OpenBody> {
        let mut open: Vec<_> = self.open.drain().collect();
        open.sort_unstable_by_key(|(handle, _)| *handle);
        let taken = open.into_iter().map(|(handle, Body { rest, last_read, is_begun })| OpenBody {
            handle,
            last_read,
            is_begun,
            piece: self.pieces.remove(&last_read).map(Vec::from),
            rest,
        });
        taken.collect()
    }

    /// Opens a body again that an earlier run has read out.
    pub(crate) fn restore(&mut self, body: SuspendedBody) {
        let SuspendedBody { body: handle, last_read, is_begun, piece, rest, broken } = body;
        self.open.insert(handle, Body { rest: Some(Rest::Kept { bytes: rest.into(), broken }), last_read, is_begun });
        if let Some(piece) = piece {
            self.pieces.insert(last_read, piece.into());
        }
    }

    /// Hands out the rest of a body to be read as `operation`, with what its request has brought if nobody has taken that. The piece of an
    /// earlier `read` that was not taken is given up.
    fn lend(&mut self, handle: u32, operation: u32) -> Result<(Rest, Option<Bytes>), &'static str> {
        let body = self.open.get_mut(&handle).ok_or("there is no such body: it was read to its end, or closed, or never was")?;
        let rest = body.rest.take().ok_or("the body is being read already: wait for its piece first")?;
        let piece = self.pieces.remove(&body.last_read).filter(|piece| body.is_begun && !piece.is_empty());
        (body.last_read, body.is_begun) = (operation, false);
        Ok((rest, piece))
    }

    /// Takes back the rest of a body after `operation` has read a piece; at its end there is none, and the body is gone. Gives what the
    /// guest is told, and the piece's length.
    pub(super) fn give_back(&mut self, handle: u32, operation: u32, read: Option<(Bytes, Rest)>) -> (&'static str, usize) {
        let Some((piece, rest)) = read else {
            self.open.remove(&handle);
            return (END, 0);
        };
        let told = (if rest.is_at_end() { END } else { MORE }, piece.len());
        if let Some(body) = self.open.get_mut(&handle) {
            body.rest = Some(rest);
            self.pieces.insert(operation, piece);
        }
        told
    }

    /// Gives up a body. If it is being read, this is the operation.
    fn close(&mut self, handle: u32) -> Option<u32> {
        let body = self.open.remove(&handle)?;
        self.pieces.remove(&body.last_read);
        body.rest.is_none().then_some(body.last_read)
    }

    /// Gives up the body that `operation` reads, if it reads one.
    pub(super) fn close_read_by(&mut self, operation: u32) {
        self.open.retain(|_, body| body.rest.is_some() || body.last_read != operation);
    }
}

/// `read: func(body: u32) -> result<u32, string>`
pub(super) fn read(mut guest: StoreContextMut<'_, GuestState>, (handle,): (u32,)) -> wasmtime::Result<(Result<u32, String>,)> {
    charge(&mut guest, 0, 0)?;
    let started = journal::tell(&mut guest, HostCall::Read, |_| Some(journal::number(handle)), |guest| begin(guest, handle))?;
    Ok((started,))
}

fn begin(guest: &mut StoreContextMut<'_, GuestState>, handle: u32) -> wasmtime::Result<Result<u32, String>> {
    let GuestState { operations, outside, .. } = guest.data_mut();
    let operation = operations.next_handle()?;
    let (mut rest, begun) = match outside.bodies.lend(handle, operation) {
        Ok(lent) => lent,
        Err(reason) => return Ok(Err(reason.to_owned())),
    };
    operations.start(operation, None, async move {
        let piece = match begun {
            Some(piece) => Ok(Ok(Some(piece))),
            None => rest.next().await,
        };
        Ended::Read { body: handle, piece: piece.map(|piece| piece.map(|piece| piece.map(|piece| (piece, rest)))) }
    });
    Ok(Ok(operation))
}

/// `take: func(operation: u32) -> list<u8>`
pub(super) fn take(mut guest: StoreContextMut<'_, GuestState>, (operation,): (u32,)) -> wasmtime::Result<(Vec<u8>,)> {
    charge(&mut guest, 0, 0)?;
    let piece = journal::tell(
        &mut guest,
        HostCall::Take,
        |_| Some(journal::number(operation)),
        |guest| Ok(guest.data_mut().outside.bodies.take(operation).to_vec()),
    )?;
    burn(&mut guest, piece.len(), BYTE_FUEL)?;
    Ok((piece,))
}

/// `close: func(body: u32)`; a handle that is not in use is none of anyone's business.
pub(super) fn close(mut guest: StoreContextMut<'_, GuestState>, (handle,): (u32,)) -> wasmtime::Result<()> {
    charge(&mut guest, 0, 0)?;
    let GuestState { operations, outside, .. } = guest.data_mut();
    if let Some(operation) = outside.bodies.close(handle) {
        operations.cancel(operation);
    }
    Ok(())
}
