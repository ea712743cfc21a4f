//! The authorization server's doors: the flow as a whole, what it must do, and what is tried against it.

mod access;
mod attacks;
mod authorize;
mod away;
mod clients;
mod consent;
mod devices;
mod endpoints;
mod flow;
mod held_back;
mod machines;
mod metadata;
mod registrations;
mod server_access;
mod tokens;
mod world;
