//! Whether this node can do its work.

use crate::{App, AppError};

/// Whether the database answers and records can be taken; [`AppError::Unavailable`] says what is away. Anyone may ask.
pub async fn check(app: &App) -> Result<(), AppError> {
    if app.is_stopping() {
        return Err(AppError::Unavailable { message: "this node is shutting down".to_owned() });
    }
    if !app.records.has_room() {
        return Err(AppError::Unavailable { message: "too many records of calls wait for the database".to_owned() });
    }
    Ok(app.pool.check().await?)
}
