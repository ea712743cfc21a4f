//! The pages where people sign in and look after their account: plain HTML forms, which work without JavaScript.
//! Passkeys alone need a script, which is asked for where they are used and nowhere else.

mod access;
mod activity;
mod activity_words;
mod asked_page;
mod assets;
mod changes;
pub(crate) mod cookies;
pub(crate) mod csrf;
mod difference_words;
pub(crate) mod fields;
pub(crate) mod forgery;
pub(crate) mod form;
mod identities;
mod invitation;
mod members;
mod moment;
mod not_me;
mod overview;
pub(crate) mod page;
mod passkeys;
mod prove;
pub(crate) mod return_to;
pub(crate) mod same_origin;
mod sign_in;
mod sign_up;
pub(crate) mod signed_in;
mod upstream;
pub(crate) mod whereabouts;

pub(crate) use self::sign_in::cookie_of;

use axum::{
    Router, middleware,
    routing::{get, post},
};

use crate::state::WebState;

/// The pages, and what they are drawn with.
pub(crate) fn routes() -> Router<WebState> {
    let pages = Router::new()
        .route("/sign-in", get(sign_in::show).post(sign_in::submit))
        .route("/sign-up", get(sign_up::show).post(sign_up::submit))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/sign-in/upstream/{upstream_id}", get(upstream::begin))
        .route("/sign-in/upstream/{upstream_id}/callback", get(upstream::callback))
        .route("/account", get(overview::show))
        .route("/account/password", post(overview::change_password))
        .route("/account/sign-ins/{sign_in_id}/end", post(overview::end_sign_in))
        .route("/account/sign-out-everywhere", post(sign_in::sign_out_everywhere))
        .route("/account/activity", get(activity::show))
        .route("/account/not-me", get(not_me::show).post(not_me::change_password))
        .route("/account/upstreams/{upstream_id}/connect", post(identities::connect))
        .route("/account/identities/{identity_id}/disconnect", post(identities::disconnect))
        .route("/account/access", get(access::show))
        .route("/account/access/{consent_id}", get(changes::show))
        .route("/account/access/{consent_id}/accept", post(changes::accept))
        .route("/account/access/{consent_id}/hold-back", post(changes::hold_back))
        .route("/account/access/{consent_id}/end", post(access::take_back))
        .merge(customer_routes())
        .route("/sign-in/passkey", post(passkeys::sign_in))
        .route("/account/passkeys", get(passkeys::show).post(passkeys::add))
        .route("/account/passkeys/{passkey_id}/rename", post(passkeys::rename))
        .route("/account/passkeys/{passkey_id}/remove", post(passkeys::remove))
        .route("/invitations/{token}", get(invitation::show).post(invitation::accept))
        .layer(middleware::from_fn(page::guard));
    // Answered with JSON, whatever comes of it.
    let asked_by_script = Router::new()
        .route("/sign-in/passkey/options", post(passkeys::ask_to_sign_in))
        .route("/account/passkeys/options", post(passkeys::ask_for_new))
        .route("/account/passkeys/proof", post(passkeys::ask_for_proof));
    let assets = Router::new()
        .route("/assets/style.css", get(assets::style))
        .route("/assets/passkeys.js", get(assets::passkeys))
        .route("/assets/icon.svg", get(assets::icon));
    assets.merge(pages).merge(asked_by_script)
}

fn customer_routes() -> Router<WebState> {
    Router::new()
        .route("/account/customers/{customer_id}/members", get(members::show))
        .route("/account/customers/{customer_id}/members/{user_id}/role", post(members::set_role))
        .route("/account/customers/{customer_id}/members/{user_id}/remove", post(members::remove))
        .route("/account/customers/{customer_id}/invitations", post(members::invite))
        .route("/account/customers/{customer_id}/invitations/{invitation_id}/end", post(members::revoke_invitation))
        .route("/account/customers/{customer_id}/leave", post(members::leave))
}
