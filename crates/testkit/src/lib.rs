//! What tests above the rooms share: the program, a whole application over a test's own database, a clock that is set.

mod program;

pub use program::program;
