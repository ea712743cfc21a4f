//! Refresh tokens: each is used once and gives its successor, and a token that comes back later ends all of them
//! (RFC 6749, section 10.4; OAuth 2.1, section 4.3.1; RFC 9700, section 4.14.2).

use chrono::{DateTime, TimeDelta, Utc};

/// All refresh tokens of one authorization. They are numbered; only the last one is alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// The number of the token that is alive; the first is 0.
    pub generation: u32,
    /// When the first was given out.
    pub started_at: DateTime<Utc>,
    /// When the one that is alive was given out.
    pub rotated_at: DateTime<Utc>,
    /// Whether any of them is worth something.
    pub state: FamilyState,
}

/// Whether the tokens of a family are worth something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FamilyState {
    /// The last one is.
    Alive,
    /// None is, and none will be.
    Revoked,
}

/// How long refresh tokens live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshLifetimes {
    /// From the first token of a family to the end of its last.
    pub absolute: TimeDelta,
    /// From one use to the next.
    pub idle: TimeDelta,
    /// How long a token may come back because its client did not get the answer.
    pub retry_window: TimeDelta,
}

/// What follows when a refresh token is shown. The family's state is already changed: it must be kept before anything is answered, in the
/// transaction that read it under a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presented {
    /// A successor of this number is made and given out.
    Rotate {
        /// The number of the successor.
        generation: u32,
    },
    /// The successor of this number, which was given out a moment ago, is given out again: the same text.
    Retry {
        /// The number of the successor.
        generation: u32,
    },
    /// A token came back that was used long ago: two have it. The family is revoked, and all that came of it must be.
    Replay,
    /// The family was revoked before.
    Revoked,
    /// The family was not used for too long, or is too old.
    Expired,
    /// No token of this number has been given out.
    Unknown,
}

impl Family {
    /// A family whose first token is given out at `now`.
    #[must_use]
    pub const fn start(now: DateTime<Utc>) -> Self {
        Self { generation: 0, started_at: now, rotated_at: now, state: FamilyState::Alive }
    }

    /// What follows when the token with the number `generation` is shown at `now`; changes the state accordingly.
    pub fn present(&mut self, generation: u32, now: DateTime<Utc>, lifetimes: &RefreshLifetimes) -> Presented {
        if self.state == FamilyState::Revoked {
            return Presented::Revoked;
        }
        if generation > self.generation {
            return Presented::Unknown;
        }
        // Before the lifetimes: a thief is found out late rather than never.
        let again = generation.checked_add(1) == Some(self.generation) && now < later(self.rotated_at, lifetimes.retry_window);
        if generation < self.generation && !again {
            self.state = FamilyState::Revoked;
            return Presented::Replay;
        }
        if now >= self.expires_at(lifetimes) {
            return Presented::Expired;
        }
        if again {
            return Presented::Retry { generation: self.generation };
        }
        let Some(next) = self.generation.checked_add(1) else { return Presented::Expired };
        self.generation = next;
        self.rotated_at = now;
        Presented::Rotate { generation: next }
    }

    /// From when on the token that is alive is worth nothing.
    #[must_use]
    pub fn expires_at(&self, lifetimes: &RefreshLifetimes) -> DateTime<Utc> {
        later(self.started_at, lifetimes.absolute).min(later(self.rotated_at, lifetimes.idle))
    }
}

/// A lifetime that leads out of the calendar is endless.
fn later(from: DateTime<Utc>, by: TimeDelta) -> DateTime<Utc> {
    from.checked_add_signed(by).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

#[cfg(test)]
mod tests;
