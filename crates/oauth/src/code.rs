//! What becomes of an authorization code (RFC 6749, section 4.1.2 and 10.5; OAuth 2.1, section 4.1.3).

use crate::{Challenge, ClientId, RedirectUri, Resource, Verifier};
use chrono::{DateTime, Utc};

/// A code that was given out, as it is kept; the code itself is known by its hash alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// Whom it was given to.
    pub client: ClientId,
    /// What its holder must know the origin of.
    pub challenge: Challenge,
    /// Where it was sent.
    pub redirect_uri: RedirectUri,
    /// What its token is for.
    pub resource: Resource,
    /// From when on it is worth nothing.
    pub expires_at: DateTime<Utc>,
    /// What became of it.
    pub state: CodeState,
}

/// What became of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeState {
    /// Nobody has shown it yet.
    Fresh,
    /// Tokens were given for it.
    Redeemed,
    /// Somebody showed it without its verifier, so it is known to more than its client: it is worth nothing any more.
    Burnt,
}

/// What a client shows for tokens.
#[derive(Debug, Clone, Copy)]
pub struct Redemption<'a> {
    /// The client that proved to be itself, or says so, if it is a public one.
    pub client: &'a ClientId,
    /// The proof that it asked for the code.
    pub verifier: &'a Verifier,
    /// `redirect_uri`, which OAuth 2.1 has dropped here; if it is said, it must be the one of the request.
    pub redirect_uri: Option<&'a str>,
    /// `resource`, if it is said.
    pub resource: Option<&'a Resource>,
}

/// What follows when a code is shown. The code's state is already changed: it must be kept before anything is answered, in the transaction
/// that read it under a lock, so that of two who show it at once one comes second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeOutcome {
    /// Tokens are given: once for each code.
    Redeemed,
    /// It is shown a second time, by somebody who can prove to have asked for it: all that came of it is revoked.
    Replayed,
    /// Nothing is given.
    Refused(CodeRefusal),
}

/// Why nothing is given for a code. All are `invalid_grant`, but for the last, which is `invalid_target`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodeRefusal {
    /// It is another client's.
    #[error("the code was given to another client")]
    OtherClient,
    /// It is too old.
    #[error("the code has expired")]
    Expired,
    /// It is worth nothing any more.
    #[error("the code has been used")]
    Used,
    /// The verifier does not match; the code is burnt.
    #[error("`code_verifier` does not match the `code_challenge` of the request")]
    Verifier,
    /// The address is not the one of the request; the code is burnt.
    #[error("`redirect_uri` is not the one of the request")]
    RedirectUri,
    /// The resource is not the one of the request.
    #[error("`resource` is not the one of the request")]
    Resource,
}

impl Code {
    /// What follows when this code is shown at `now`; changes its state accordingly.
    pub fn redeem(&mut self, shown: &Redemption<'_>, now: DateTime<Utc>) -> CodeOutcome {
        // Another client may have found the code; that must not harm the one that it is for.
        if *shown.client != self.client {
            return CodeOutcome::Refused(CodeRefusal::OtherClient);
        }
        let proven = self.challenge.is_met_by(shown.verifier);
        match self.state {
            CodeState::Fresh => self.redeem_fresh(shown, proven, now),
            // Without the proof anybody who finds an old code in a log could end what its user allowed.
            CodeState::Redeemed if proven => CodeOutcome::Replayed,
            CodeState::Redeemed | CodeState::Burnt => CodeOutcome::Refused(CodeRefusal::Used),
        }
    }

    fn redeem_fresh(&mut self, shown: &Redemption<'_>, proven: bool, now: DateTime<Utc>) -> CodeOutcome {
        if now >= self.expires_at {
            return CodeOutcome::Refused(CodeRefusal::Expired);
        }
        if !proven {
            return self.burn(CodeRefusal::Verifier);
        }
        if shown.redirect_uri.is_some_and(|uri| uri != self.redirect_uri.as_str()) {
            return self.burn(CodeRefusal::RedirectUri);
        }
        if shown.resource.is_some_and(|resource| *resource != self.resource) {
            return CodeOutcome::Refused(CodeRefusal::Resource);
        }
        self.state = CodeState::Redeemed;
        CodeOutcome::Redeemed
    }

    fn burn(&mut self, refusal: CodeRefusal) -> CodeOutcome {
        self.state = CodeState::Burnt;
        CodeOutcome::Refused(refusal)
    }
}

#[cfg(test)]
mod tests;
