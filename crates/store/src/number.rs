//! Numbers between Rust and Postgres, which has no unsigned ones.

use crate::StoreError;

/// A stored number in the type that it has in Rust.
pub(crate) fn read<T: TryFrom<i64>>(what: &'static str, stored: i64) -> Result<T, StoreError> {
    T::try_from(stored).map_err(|_| StoreError::Corrupt { what, source: format!("{stored} is out of range").into() })
}

/// A number to be stored, which must be kept as it is.
pub(crate) fn write(what: &'static str, number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| StoreError::Number { what })
}

/// A measured number to be stored: beyond the largest that can be kept, that one stands for it.
pub(crate) fn saturate(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
