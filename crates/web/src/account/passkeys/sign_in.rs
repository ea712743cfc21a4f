//! The form with which the script signs somebody in.

use std::sync::Arc;

use app::{
    App,
    accounts::passkeys::{self, PasskeySignIn},
};
use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::HeaderMap;

use super::{PasskeyPlace, answer_of};
use crate::{
    WebSettings,
    account::{
        cookies,
        fields::Faults,
        form::PostedForm,
        return_to::ReturnTo,
        sign_in::{Asked, answer, draw, sentence, signed_in},
        whereabouts,
    },
    error::ApiError,
    whence::Stranger,
};

/// The form: goes on where the page of passwords would have gone on, and comes back to that page with what was wrong.
pub(in crate::account) async fn submit(
    State(app): State<Arc<App>>,
    State(settings): State<Arc<WebSettings>>,
    Stranger(caller): Stranger,
    whereabouts::From(whereabouts): whereabouts::From,
    place: PasskeyPlace,
    headers: HeaderMap,
    form: PostedForm,
) -> Result<Response, ApiError> {
    let return_to = ReturnTo::parse(form.text("return_to")).unwrap_or_else(ReturnTo::account);
    let new = PasskeySignIn {
        browser: form.csrf().as_str().to_owned(),
        answer: answer_of(&form),
        cookie: cookies::sign_in(&settings, &headers).map(str::to_owned),
    };
    match passkeys::finish_sign_in(&app, &caller, whereabouts, new).await {
        Ok(made) => signed_in(&app, &settings, &made, &return_to),
        Err(error) => {
            let faults = Faults::general(sentence(&error));
            let again = |status| {
                draw(&app, &place, form.csrf().clone(), Asked::of(return_to), "", faults).with_status(status).into_response()
            };
            answer(error, again)
        }
    }
}
