//! A guest's state. All but the changes between `GRANTED`, `RUNNING` and `WOKEN` are made under the lock of the rota.

/// It waits for something else than a turn.
pub(super) const IDLE: u8 = 0;
/// It waits for a turn.
pub(super) const QUEUED: u8 = 1;
/// It has a turn and its task was woken.
pub(super) const GRANTED: u8 = 2;
/// It runs.
pub(super) const RUNNING: u8 = 3;
/// It runs, and wants another turn after this one.
pub(super) const WOKEN: u8 = 4;
/// It is gone.
pub(super) const GONE: u8 = 5;
