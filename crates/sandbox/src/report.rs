//! What a call says while it runs.

use domain::LogLine;

/// Something that a tool says before its call ends. Secrets are masked in it; the texts are the tool's own: whoever shows them
/// escapes them.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// How far it has come.
    Progress(Progress),
    /// A line of its log, as it is kept in [`crate::Invoked::log`]. Lines that are not kept are not reported.
    Log(LogLine),
}

/// How far a tool says that it has come. The numbers are finite.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// How much is done.
    pub progress: f64,
    /// How much there is, where the tool knows it.
    pub total: Option<f64>,
    /// What it is doing, cut at [`Progress::MESSAGE_BYTES_MAX`].
    pub message: Option<String>,
}

impl Progress {
    /// One line on a screen.
    pub const MESSAGE_BYTES_MAX: usize = 1024;
}
