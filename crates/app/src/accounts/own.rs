//! What somebody who is signed in may do about themselves.

use chrono::{DateTime, Utc};
use domain::{EmailAddress, PersonName, SignInId, UserId};
use secrecy::{ExposeSecret as _, SecretString};
pub use store::members::Membership;

use super::{
    AccountError, NewSignIn, Whereabouts, forget_sign_ins, load_person, password_rules, sign_in, step_up, step_up::Proof,
};
use crate::{
    App, AppError, Caller,
    access::{self, Operation},
    audit::About,
};

/// A person's account, as they see it themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Their id.
    pub user_id: UserId,
    /// Their address.
    pub email: EmailAddress,
    /// What they are called.
    pub name: PersonName,
    /// Whether they have a password. Who has none signs in another way, and may give themselves one.
    pub has_password: bool,
    /// Whether they have a passkey: who has one and no password shows by it that they are who they are.
    pub has_passkey: bool,
    /// The customers that they belong to, by name.
    pub memberships: Vec<Membership>,
    /// Their sign-ins, newest first.
    pub sign_ins: Vec<SignInView>,
}

/// A sign-in, as its person sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInView {
    /// Its id.
    pub sign_in_id: SignInId,
    /// What it was made with, in words.
    pub device: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was used last, to the minute.
    pub used_at: DateTime<Utc>,
    /// Whether it is the one by which they look.
    pub is_current: bool,
}

/// The account of whoever asks.
pub async fn load(app: &App, caller: &Caller) -> Result<Account, AppError> {
    let person = access::require_person(caller, Operation::LoadAccount)?;
    let known = load_person(app, person.user).await?;
    let now = app.clock.now();
    let idle_since = app.settings.accounts.idle_since(now);
    let mut connection = app.pool.acquire().await?;
    let sign_ins = store::sign_ins::list(&mut connection, person.user, now, idle_since).await?;
    let credentials = store::users::find_credentials(&mut connection, &known.email).await?;
    let passkeys = store::passkeys::list_credential_ids(&mut connection, person.user, 1).await?;
    drop(connection);
    let sign_ins = sign_ins.into_iter().map(|sign_in| SignInView {
        sign_in_id: sign_in.id,
        device: sign_in.device,
        created_at: sign_in.created_at,
        used_at: sign_in.used_at,
        is_current: sign_in.id == person.sign_in,
    });
    Ok(Account {
        user_id: person.user,
        email: known.email.clone(),
        name: known.name.clone(),
        has_password: credentials.is_some_and(|credentials| credentials.password.is_some()),
        has_passkey: !passkeys.is_empty(),
        memberships: known.memberships.clone(),
        sign_ins: sign_ins.collect(),
    })
}

/// Another password that is to be.
#[derive(Debug, Clone)]
pub struct PasswordChange {
    /// What shows that it is the person: the one that they have, or, of who has none or knows it no more, one of their passkeys. A password of somebody who has none
    /// stands for nothing but a new sign-in.
    pub proof: Proof,
    /// The one that is to be.
    pub next: SecretString,
    /// What becomes of the clients that they let in.
    pub clients: LetIn,
}

/// What becomes of the clients that somebody let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LetIn {
    /// They are out: their tokens end, and each has to ask again.
    End,
    /// They stay in.
    Keep,
}

/// Gives whoever asks another password, if they show that it is they, or a first one, if they signed in just now. All their sign-ins end,
/// this one too, whose cookie somebody else may have: whoever had the old password is out, and whoever asks goes on with a new sign-in.
pub async fn change_password(
    app: &App,
    caller: &Caller,
    whereabouts: Whereabouts,
    change: PasswordChange,
) -> Result<NewSignIn, AccountError> {
    let (person, intent) = access::require_person_change(caller, Operation::ChangePassword)?;
    let PasswordChange { proof, next, clients } = change;
    let known = load_person(app, person.user).await?;
    password_rules::check(next.expose_secret(), &known.email)?;
    let before = step_up::find_password(app, person).await?;
    let proof = match proof {
        Proof::Password(_) if before.is_none() => Proof::NewSignIn,
        proof => proof,
    };
    step_up::prove(app, person, &whereabouts, proof).await?;
    let digest = app.passwords.digest(next).await?;
    let mut deed = intent.begin(app).await?;
    if !store::users::set_password(&mut deed, person.user, before.as_deref(), &digest, app.clock.now()).await? {
        return Err(AccountError::WrongPassword);
    }
    // Whoever signed out everywhere meanwhile ended this as well.
    if store::sign_ins::hold(&mut deed, person.user, person.sign_in).await?.is_none() {
        return Err(AppError::Unauthenticated.into());
    }
    let ended = store::sign_ins::delete_all(&mut deed, person.user, None).await?;
    let out = match clients {
        LetIn::End => store::consents::delete_all(&mut deed, person.user).await?,
        LetIn::Keep => Vec::new(),
    };
    let made = sign_in::begin(app, &mut deed, person.user, &whereabouts.device, Some(app.clock.now())).await?;
    let about = About::a("user").id(person.user.as_uuid()).detail("sign_ins_ended", ended.len());
    let about = about.detail("authorizations_ended", out.len()).detail("device", whereabouts.device);
    deed.commit(about).await?;
    forget_sign_ins(app, ended);
    for authorization in out {
        app.memory.forget_authorization(authorization);
    }
    tracing::info!(user = %person.user, "somebody changed their password");
    Ok(made)
}

/// Ends the sign-in by which it is asked.
pub async fn sign_out(app: &App, caller: &Caller) -> Result<(), AppError> {
    let (person, intent) = access::require_person_change(caller, Operation::SignOut)?;
    let mut deed = intent.begin(app).await?;
    // Of two who do it at one time, one does it.
    if store::sign_ins::delete(&mut deed, person.user, person.sign_in).await? {
        deed.commit(About::a("sign_in").id(person.sign_in.as_uuid())).await?;
    }
    forget_sign_ins(app, vec![person.sign_in]);
    Ok(())
}

/// Ends every sign-in of whoever asks, this one included.
pub async fn sign_out_everywhere(app: &App, caller: &Caller) -> Result<(), AppError> {
    let (person, intent) = access::require_person_change(caller, Operation::SignOutEverywhere)?;
    let mut deed = intent.begin(app).await?;
    let ended = store::sign_ins::delete_all(&mut deed, person.user, None).await?;
    deed.commit(About::a("user").id(person.user.as_uuid()).detail("sign_ins_ended", ended.len())).await?;
    forget_sign_ins(app, ended);
    Ok(())
}

/// Ends one of the sign-ins of whoever asks.
pub async fn end_sign_in(app: &App, caller: &Caller, sign_in: SignInId) -> Result<(), AppError> {
    let (person, intent) = access::require_person_change(caller, Operation::EndSignIn)?;
    let mut deed = intent.begin(app).await?;
    if !store::sign_ins::delete(&mut deed, person.user, sign_in).await? {
        return Err(AppError::not_found("sign-in", sign_in));
    }
    deed.commit(About::a("sign_in").id(sign_in.as_uuid())).await?;
    forget_sign_ins(app, vec![sign_in]);
    Ok(())
}
