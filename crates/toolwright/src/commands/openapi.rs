//! `toolwright openapi`

use std::io::Write as _;

use super::CommandError;

/// Prints the document as `docs/openapi.json` keeps it.
pub(super) fn run() -> Result<(), CommandError> {
    let document = web::openapi().to_pretty_json()?;
    Ok(writeln!(std::io::stdout(), "{document}")?)
}
