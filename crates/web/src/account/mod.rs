//! The pages where people sign in and look after their account: plain HTML forms, which work without JavaScript.

mod assets;
pub(crate) mod cookies;
pub(crate) mod csrf;
pub(crate) mod fields;
pub(crate) mod form;
pub(crate) mod page;
pub(crate) mod return_to;
pub(crate) mod same_origin;
pub(crate) mod signed_in;
pub(crate) mod whereabouts;

use axum::{Router, routing::get};

use crate::state::WebState;

/// The pages, and what they are drawn with.
pub(crate) fn routes() -> Router<WebState> {
    Router::new().route("/assets/style.css", get(assets::style)).route("/assets/icon.svg", get(assets::icon))
}
