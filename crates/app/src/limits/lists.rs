//! Lists that a customer asks for whose length nothing bounds: of their calls, of what was changed. The database may look at all of it for one page, and
//! each such look has a connection that everybody else shares.

use std::time::Duration;

use domain::CustomerId;

use super::permits::{Permit, Permits};
use crate::AppError;

/// The places of all customers.
#[derive(Debug, Default)]
pub(crate) struct Lists(Permits);

impl Lists {
    /// Looks of one customer at one time, on one node: an eighth of the connections that there are.
    const OF_CUSTOMER_MAX: u32 = 2;
    /// How long another waits.
    const WAIT_MAX: Duration = Duration::from_secs(5);
    /// When it is worth asking again that has waited so long, in seconds.
    const RETRY_AFTER_S: u32 = 2;

    /// Waits for a place, before there is a connection.
    pub(crate) async fn enter(&self, customer: CustomerId) -> Result<Permit, AppError> {
        let place = self.0.take(customer, Self::OF_CUSTOMER_MAX, Self::WAIT_MAX).await;
        place.map_err(|_| AppError::Later {
            message: "as many lists of this customer are being put together as may be".to_owned(),
            retry_after_s: Self::RETRY_AFTER_S,
        })
    }
}
