//! How whoever is signed in shows once more that it is they: what forms carry of that, and what becomes of it.

use app::accounts::{Account, PasskeyAnswer, Proof};
use askama::{Template, filters::HtmlSafe};

use super::{
    form::PostedForm,
    passkeys::{PageElsewhere, PasskeyPlace},
};

/// The fields of a form by which somebody shows who they are who has a passkey and no password: a template of its own, which a page's template shows
/// as `{{ prove }}`; nothing for everybody else.
#[derive(Debug, Clone, Template)]
#[template(path = "prove.html")]
pub(super) struct Prove {
    is_needed: bool,
    /// Where the script takes a passkey; absent if not here.
    pub(super) origin: Option<String>,
    elsewhere: Option<PageElsewhere>,
}

// It escapes what it shows itself.
impl HtmlSafe for Prove {}

impl Prove {
    /// Those of whoever has this account, on the page at `path`.
    pub(super) fn of(account: &Account, place: &PasskeyPlace, path: &str) -> Self {
        let is_needed = account.has_passkey && !account.has_password;
        Self { is_needed, origin: place.origin().filter(|_| is_needed), elsewhere: place.elsewhere(path).filter(|_| is_needed) }
    }
}

/// What a form shows: a passkey, the password in its field of this name, or, of who has neither, nothing but a new sign-in.
pub(super) fn shown(form: &PostedForm, password: &str) -> Proof {
    let (state, credential) = (form.text("proof_state"), form.text("proof_credential"));
    if !state.is_empty() {
        return Proof::Passkey(PasskeyAnswer { state: state.to_owned(), credential: credential.to_owned() });
    }
    if form.text(password).is_empty() { Proof::NewSignIn } else { Proof::Password(form.secret(password)) }
}
