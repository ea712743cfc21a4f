//! Secrets: placeholders for the guest, values for the host, masks for whatever comes back (SEC-16).

mod encodings;
mod error;
mod keyed_hash;
mod masker;
mod placeholders;

pub use error::SecretError;
pub(crate) use keyed_hash::hmac;
pub(crate) use masker::{MaskedStream, Masker};
pub(crate) use placeholders::Placeholders;
