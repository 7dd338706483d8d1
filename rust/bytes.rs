//! What a checkpoint is made of, as bytes in the compact format of the `postcard` crate.

use serde::{Deserialize, Serialize};

use crate::error::{Result, corrupt};

/// A value as bytes.
pub(crate) fn to_bytes(value: &impl Serialize) -> Result<Vec<u8>> {
    postcard::to_stdvec(value).map_err(|error| corrupt(format!("not written: {error}")))
}

/// A value from its bytes, all of them.
pub(crate) fn from_bytes<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T> {
    let (value, rest) = postcard::take_from_bytes(bytes)
        .map_err(|error| corrupt(format!("not readable: {error}")))?;
    if !rest.is_empty() {
        return Err(corrupt(format!("not readable: {} bytes too many", rest.len())));
    }
    Ok(value)
}
