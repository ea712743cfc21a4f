//! The library modules. Written by scripts/bundle-modules from catalogue.json; not by hand.

use super::LibraryModule;

/// Every module there is.
pub const LIBRARY: &[LibraryModule] = &[];
