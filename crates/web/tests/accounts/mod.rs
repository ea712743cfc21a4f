//! What people do in a browser: signing up, in and out, inviting each other, and what others try to do in their place.

mod activity;
mod attempts;
pub(crate) mod browser;
mod cookies;
mod cross_site;
pub(crate) mod invitations;
mod members;
mod members_page;
pub(crate) mod own;
mod passkeys;
mod sign_in;
mod sign_up;
mod upstream;
