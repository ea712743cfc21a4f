//! `/account/not-me`: what somebody does who sees that somebody else was in their account.

use std::sync::Arc;

use app::{
    App,
    accounts::{self, Account, LetIn, passkeys},
};
use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};

use super::{
    csrf::CsrfToken,
    fields::{Faults, Field},
    form::PostedForm,
    overview,
    page::{self, Frame, FramePerson, HtmlPage},
    passkeys::PasskeyPlace,
    prove::Prove,
    sign_in::{answer, cookie_of, with_cookies},
    signed_in::SignedIn,
    whereabouts,
};
use crate::{WebSettings, error::ApiError};

#[derive(Template)]
#[template(path = "not_me.html")]
struct NotMePage {
    frame: Frame,
    csrf: CsrfToken,
    faults: Faults,
    account: Account,
    prove: Prove,
    current: Field,
    next: Field,
    passkeys: usize,
    identities: usize,
}

/// The page.
pub(super) async fn show(State(app): State<Arc<App>>, signed_in: SignedIn, place: PasskeyPlace) -> Result<Response, ApiError> {
    Ok(draw(&app, &signed_in, &place, Faults::default()).await?.into_response())
}

/// The form: another password, by which everybody else is out, and so are the clients that were let in.
pub(super) async fn change_password(
    State(app): State<Arc<App>>,
    State(settings): State<Arc<WebSettings>>,
    signed_in: SignedIn,
    whereabouts::From(whereabouts): whereabouts::From,
    place: PasskeyPlace,
    form: PostedForm,
) -> Result<Response, ApiError> {
    let change = overview::password_change(&form, LetIn::End);
    match accounts::change_password(&app, &signed_in.caller(), whereabouts, change).await {
        Ok(made) => {
            let cookie = cookie_of(&app, &settings, &made)?;
            Ok(with_cookies(page::see_other("/account?done=secured"), [cookie]))
        }
        Err(error) => {
            let page = draw(&app, &signed_in, &place, overview::password_faults(&error)).await?;
            answer(error, |status| page.with_status(status).into_response())
        }
    }
}

async fn draw(app: &App, signed_in: &SignedIn, place: &PasskeyPlace, faults: Faults) -> Result<HtmlPage<NotMePage>, ApiError> {
    let caller = signed_in.caller();
    let account = accounts::load(app, &caller).await?;
    let (passkeys, identities) = (passkeys::load(app, &caller).await?.passkeys, accounts::list_identities(app, &caller).await?);
    let prove = Prove::of(&account, place, "/account/not-me");
    let script = if prove.origin.is_some() { place.script() } else { page::Script::None };
    let [current, next] = overview::password_fields(&faults);
    let page = HtmlPage::new(NotMePage {
        frame: Frame::narrow("That was not you")
            .wide()
            .of(FramePerson { email: account.email.to_string(), csrf: signed_in.csrf.clone() }),
        csrf: signed_in.csrf.clone(),
        account,
        prove,
        current,
        next,
        passkeys: passkeys.len(),
        identities: identities.len(),
        faults,
    });
    Ok(page.with_script(script))
}
