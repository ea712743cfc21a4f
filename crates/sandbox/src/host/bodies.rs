//! Bodies of answers, read piece by piece.

use std::collections::HashMap;

use bytes::Bytes;
use egress::ResponseBody;
use wasmtime::StoreContextMut;

use super::{BYTE_FUEL, burn, charge, operations::Ended};
use crate::state::GuestState;

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
    rest: Option<Box<ResponseBody>>,
    /// The operation that read it last; 0 before the first.
    last_read: u32,
}

impl Bodies {
    pub(super) fn insert(&mut self, handle: u32, rest: ResponseBody) {
        self.open.insert(handle, Body { rest: Some(Box::new(rest)), last_read: 0 });
    }

    /// Hands out the rest of a body to be read as `operation`. A piece that was not taken is given up.
    fn lend(&mut self, handle: u32, operation: u32) -> Result<Box<ResponseBody>, &'static str> {
        let body = self.open.get_mut(&handle).ok_or("there is no such body: it was read to its end, or closed, or never was")?;
        let rest = body.rest.take().ok_or("the body is being read already: wait for its piece first")?;
        self.pieces.remove(&body.last_read);
        body.last_read = operation;
        Ok(rest)
    }

    /// Takes back the rest of a body after `operation` has read a piece; at its end there is none, and the body is gone. Gives the
    /// piece's length.
    pub(super) fn give_back(&mut self, handle: u32, operation: u32, read: Option<(Bytes, Box<ResponseBody>)>) -> usize {
        let Some((piece, rest)) = read else {
            self.open.remove(&handle);
            return 0;
        };
        let bytes = piece.len();
        if let Some(body) = self.open.get_mut(&handle) {
            body.rest = Some(rest);
            self.pieces.insert(operation, piece);
        }
        bytes
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
    let GuestState { operations, outside, .. } = guest.data_mut();
    let operation = operations.next_handle()?;
    let mut rest = match outside.bodies.lend(handle, operation) {
        Ok(rest) => rest,
        Err(reason) => return Ok((Err(reason.to_owned()),)),
    };
    operations.start(operation, None, async move {
        let piece = rest.next().await;
        Ended::Read { body: handle, piece: piece.map(|piece| piece.map(|piece| (piece, rest))) }
    });
    Ok((Ok(operation),))
}

/// `take: func(operation: u32) -> list<u8>`
pub(super) fn take(mut guest: StoreContextMut<'_, GuestState>, (operation,): (u32,)) -> wasmtime::Result<(Vec<u8>,)> {
    charge(&mut guest, 0, 0)?;
    let piece = guest.data_mut().outside.bodies.pieces.remove(&operation).unwrap_or_default();
    burn(&mut guest, piece.len(), BYTE_FUEL)?;
    Ok((piece.to_vec(),))
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
