//! What the script of the pages asks for: the options of a ceremony, as JSON, for a form of the same page. What goes wrong is the API's envelope.

use std::sync::Arc;

use app::{
    App, AppError,
    accounts::passkeys::{self, Ceremony},
};
use axum::{Json as Answer, extract::State};
use serde::Serialize;
use serde_json::Value;

use super::name;
use crate::{
    account::{
        form::PostedForm,
        prove,
        signed_in::{MaybeSignedIn, SignedIn},
        whereabouts,
    },
    error::ApiError,
    whence::Stranger,
};

/// What a ceremony begins with.
#[derive(Debug, Serialize)]
pub(in crate::account) struct CeremonyView {
    options: Value,
    state: String,
}

/// The options for signing in.
pub(in crate::account) async fn ask_to_sign_in(
    State(app): State<Arc<App>>,
    Stranger(caller): Stranger,
    form: PostedForm,
) -> Result<Answer<CeremonyView>, ApiError> {
    // What the browser's forms carry stands for the browser.
    Ok(view(passkeys::begin_sign_in(&app, &caller, form.csrf().as_str())?))
}

/// The options for showing that one is still there.
pub(in crate::account) async fn ask_for_proof(
    State(app): State<Arc<App>>,
    MaybeSignedIn(signed_in): MaybeSignedIn,
    _form: PostedForm,
) -> Result<Answer<CeremonyView>, ApiError> {
    let signed_in = known(signed_in)?;
    Ok(view(passkeys::begin_proof(&app, &signed_in.caller()).await?))
}

/// The options for another passkey, for somebody who shows who they are.
pub(in crate::account) async fn ask_for_new(
    State(app): State<Arc<App>>,
    MaybeSignedIn(signed_in): MaybeSignedIn,
    whereabouts::From(whereabouts): whereabouts::From,
    form: PostedForm,
) -> Result<Answer<CeremonyView>, ApiError> {
    let signed_in = known(signed_in)?;
    // Before the authenticator has made one that nobody could keep.
    name(&form)?;
    let proof = prove::shown(&form, "password");
    Ok(view(passkeys::begin_registration(&app, &signed_in.caller(), &whereabouts, proof).await?))
}

fn known(signed_in: Option<SignedIn>) -> Result<SignedIn, ApiError> {
    Ok(signed_in.ok_or(AppError::Unauthenticated)?)
}

fn view(ceremony: Ceremony) -> Answer<CeremonyView> {
    let Ceremony { options, state } = ceremony;
    Answer(CeremonyView { options, state })
}
