//! What was taken, written and read again.

use std::fmt::Debug;

use serde::{Serialize, de::DeserializeOwned};

/// Bytes of an error's text: what it repeats of its input is cut.
pub(crate) const ERROR_BYTES_MAX: usize = 8 * 1024;

/// Checks that `value` is the same when it has been written as JSON and read again.
pub(crate) fn check_json<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let written = serde_json::to_string(value).unwrap_or_else(|error| panic!("it cannot be written: {error}: {value:?}"));
    match serde_json::from_str::<T>(&written) {
        Ok(read) => assert_eq!(&read, value, "it is another one when it is read again: {written}"),
        Err(error) => panic!("it cannot be read again: {error}: {written}"),
    }
}

/// Checks that an error has words, and not too many.
pub(crate) fn check_error(text: &str) {
    assert!(!text.is_empty(), "an error without words");
    assert!(text.len() <= ERROR_BYTES_MAX, "an error of {} bytes: {}...", text.len(), text.chars().take(200).collect::<String>());
}
