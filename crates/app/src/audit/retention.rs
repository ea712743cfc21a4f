//! Shortening the audit log, for whoever owns the database.

use chrono::{DateTime, TimeDelta, Utc};
use store::{
    Database,
    audit::{self, KEPT_DAYS_MIN},
};

use crate::AppError;

/// Deletes the entries that were made before `before`; gives how many. The role that the program works as may not: this connects as the owner of the
/// tables. The database refuses whatever else would shorten the log, and writes the entry about it.
pub async fn prune(database: &Database, before: DateTime<Utc>, now: DateTime<Utc>) -> Result<u64, AppError> {
    if before > now - TimeDelta::days(KEPT_DAYS_MIN) {
        let message = format!("entries of the audit log stay for {KEPT_DAYS_MIN} days: name a day that is as long ago");
        return Err(AppError::invalid(message));
    }
    Ok(audit::prune(database, before).await?)
}
