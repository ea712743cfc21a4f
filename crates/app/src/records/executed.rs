//! The log of executed code (SEC-15): a line for each run of a version, with whose it is, who called, and what ran. It is written as the run ends, and waits
//! for nothing.

use store::executions::Execution;
use tracing::info;

/// Tells the log of a run that ended. Its target, `toolwright::executed`, lets an operator keep these lines apart.
pub(super) fn tell(row: &Execution) {
    let receipt = row.receipt.as_ref();
    info!(
        target: "toolwright::executed",
        call_id = %row.call,
        request_id = %row.request,
        customer_id = %row.customer,
        caller = caller(row),
        api_key_id = row.api_key.map(display),
        user_id = row.user.map(display),
        sign_in_id = row.sign_in.map(display),
        authorization_id = row.authorization.map(display),
        client_id = row.client.as_deref(),
        server_id = %row.server,
        server.slug = %row.server_slug,
        tool.name = %row.tool,
        version_id = %row.version,
        digest = receipt.map(|receipt| display(receipt.digest)),
        fuel = receipt.map(|receipt| receipt.fuel),
        status = row.status.as_str(),
        "code executed"
    );
}

/// What the caller showed. Whoever showed nothing is not known: the server is public.
const fn caller(row: &Execution) -> &'static str {
    match row {
        Execution { api_key: Some(_), .. } => "api_key",
        Execution { authorization: Some(_), .. } => "client",
        Execution { sign_in: Some(_), .. } => "member",
        _ => "anyone",
    }
}
