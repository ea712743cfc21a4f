//! Digests, which a guest would compute a hundred times slower.

use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};
use wasmtime::{
    StoreContextMut,
    component::{WasmList, WasmStr},
};

use super::{charge, count, take_text};
use crate::state::GuestState;

/// Fuel of a digested byte: the slowest of the four takes about 4 ns for one.
pub(super) const DIGEST_BYTE_FUEL: u64 = 64;
/// Bytes between two chances for other guests to run: about a millisecond.
const CHUNK_BYTES: usize = 256 * 1024;
/// The longest name of an algorithm.
const ALGORITHM_BYTES_MAX: usize = 16;

type Digested = Result<Vec<u8>, String>;

/// `digest: func(algorithm: string, data: list<u8>) -> result<list<u8>, string>`
pub(super) async fn digest(
    mut guest: StoreContextMut<'_, GuestState>,
    (algorithm, data): (WasmStr, WasmList<u8>),
) -> wasmtime::Result<(Digested,)> {
    count(&mut guest)?;
    let algorithm = take_text(&mut guest, &algorithm, ALGORITHM_BYTES_MAX)?;
    charge(&mut guest, data.len(), DIGEST_BYTE_FUEL)?;
    let digested = match algorithm.as_str() {
        "SHA-1" => Ok(digest_by::<Sha1>(guest, &data).await),
        "SHA-256" => Ok(digest_by::<Sha256>(guest, &data).await),
        "SHA-384" => Ok(digest_by::<Sha384>(guest, &data).await),
        "SHA-512" => Ok(digest_by::<Sha512>(guest, &data).await),
        _ => Err("the algorithm must be SHA-1, SHA-256, SHA-384 or SHA-512".to_owned()),
    };
    Ok((digested,))
}

async fn digest_by<D: Digest>(guest: StoreContextMut<'_, GuestState>, data: &WasmList<u8>) -> Vec<u8> {
    let mut digest = D::new();
    for begin in (0..data.len()).step_by(CHUNK_BYTES) {
        if begin > 0 {
            tokio::task::yield_now().await;
        }
        let end = data.len().min(begin + CHUNK_BYTES);
        digest.update(data.as_le_slice(&guest).get(begin..end).unwrap_or_default());
    }
    digest.finalize().to_vec()
}
