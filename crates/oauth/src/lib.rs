//! OAuth 2.1: what goes over the wire, and the rules about it, as pure functions. Nothing here reads a clock, makes a random number,
//! opens a connection or awaits; time and randomness are passed in.

mod pkce;

pub use pkce::{Challenge, ChallengeError, Verifier, VerifierError};
