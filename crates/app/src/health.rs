//! Whether this node can do its work.

use std::time::Duration;

use crate::{App, AppError};

/// How long the database may take to answer somebody who asks whether this node is ready.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// A node that can do its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// What it cannot do for now, beside calls: a sentence each. Whoever sends requests to another node gains nothing where all share a disk.
    pub impaired: Vec<&'static str>,
}

/// Whether the database answers and records can be taken; [`AppError::Unavailable`] says what is away, within two seconds. Anyone may ask.
pub async fn check(app: &App) -> Result<Ready, AppError> {
    if app.is_stopping() {
        return Err(AppError::Unavailable { message: "this node is shutting down".to_owned() });
    }
    if !app.records.has_room() {
        return Err(AppError::Unavailable { message: "too many records of calls wait for the database".to_owned() });
    }
    let Ok(checked) = tokio::time::timeout(ANSWER_MAX, app.pool.check()).await else {
        app.outage.suspect();
        return Err(AppError::Unavailable { message: "the database does not answer".to_owned() });
    };
    checked?;
    Ok(Ready { impaired: app.disk.trouble().into_iter().collect() })
}
