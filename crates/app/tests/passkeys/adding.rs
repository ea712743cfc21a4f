use app::AppError;
use serde_json::json;

use super::*;

const OTHER: &str = "kettle orbit mantle fog";

#[sqlx::test(migrations = "../../migrations")]
async fn a_passkey_is_asked_for_that_is_found_without_a_name(pool: PgPool) {
    let world = World::open(&pool).await;
    let ada = world.sign_up("ada@example.com").await;

    let options = world.begin_adding(&ada).await.options;

    assert_eq!(options["rp"], json!({ "id": "tools.example.com", "name": "Toolwright" }));
    assert_eq!(options["user"]["name"], "ada@example.com");
    assert_eq!(options["authenticatorSelection"]["residentKey"], "required");
    assert_eq!(options["authenticatorSelection"]["requireResidentKey"], true);
    assert_eq!(options["authenticatorSelection"]["userVerification"], "required");
    assert_eq!(options["attestation"], "none");
}

#[sqlx::test(migrations = "../../migrations")]
async fn whoever_finds_an_open_sign_in_adds_nothing(pool: PgPool) {
    let world = World::open(&pool).await;
    let ada = world.sign_up("ada@example.com").await;

    let wrong = world.try_begin_adding(&ada, Proof::Password(OTHER.into())).await;
    assert!(matches!(wrong, Err(AccountError::WrongPassword)), "{wrong:?}");
    let nothing = world.try_begin_adding(&ada, Proof::NewSignIn).await;
    assert!(matches!(nothing, Err(AccountError::ProofNeeded)), "who has a password shows it: {nothing:?}");
    for _ in 0..3 {
        world.try_begin_adding(&ada, Proof::Password(OTHER.into())).await.unwrap_err();
    }
    let bounded = world.try_begin_adding(&ada, Proof::Password(PASSWORD.into())).await;
    assert!(matches!(bounded, Err(AccountError::TooMany { .. })), "{bounded:?}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_passkey_that_is_there_shows_who_one_is_once(pool: PgPool) {
    let world = World::open(&pool).await;
    let ada = world.sign_up("ada@example.com").await;
    let eve = world.sign_up("eve@example.com").await;
    let (mut adas, mut eves) = (SoftAuthenticator::new(ORIGIN), SoftAuthenticator::new(ORIGIN));
    adas.counter = None;
    world.add(&ada, &mut adas).await;
    world.add(&eve, &mut eves).await;

    let begun = passkeys::begin_proof(world.app(), &ada).await.unwrap();
    assert_eq!(begun.options["allowCredentials"].as_array().map(Vec::len), Some(1));
    let answer = signed(&mut adas, &begun);
    let by_eve = begun_without_names(&begun);
    let of_eve = world.try_begin_adding(&ada, Proof::Passkey(signed(&mut eves, &by_eve))).await;
    assert!(is_refused(&of_eve), "it is Eve's");
    let as_eve = world.try_begin_adding(&eve, Proof::Passkey(answer.clone())).await;
    assert!(is_over(&as_eve), "it was asked of Ada");

    let shown = world.try_begin_adding(&ada, Proof::Passkey(answer.clone())).await.unwrap();
    assert_eq!(shown.options["excludeCredentials"].as_array().map(Vec::len), Some(1));
    assert!(is_over(&world.try_begin_adding(&ada, Proof::Passkey(answer)).await));
    let mut another = SoftAuthenticator::new(ORIGIN);
    world.end_adding(&ada, &made(&mut another, &shown)).await.unwrap();
    assert!(world.sign_in(&mut another).await.is_ok());
}

/// The same ceremony with an authenticator that uses whatever it has.
fn begun_without_names(begun: &Ceremony) -> Ceremony {
    let mut begun = begun.clone();
    begun.options["allowCredentials"] = json!([]);
    begun
}

#[sqlx::test(migrations = "../../migrations")]
async fn who_has_nothing_else_shows_a_sign_in_of_a_moment_ago(pool: PgPool) {
    let world = World::open(&pool).await;
    let ada = world.sign_up("ada@example.com").await;
    sqlx::query("UPDATE users SET password = NULL").execute(&pool).await.unwrap();
    assert!(!passkeys::load(world.app(), &ada).await.unwrap().has_password);

    world.later(Duration::from_mins(9));
    let begun = world.try_begin_adding(&ada, Proof::NewSignIn).await.unwrap();
    world.later(Duration::from_mins(1));
    let late = world.try_begin_adding(&ada, Proof::NewSignIn).await;
    assert!(matches!(late, Err(AccountError::NotFresh)), "{late:?}");

    let mut authenticator = SoftAuthenticator::new(ORIGIN);
    world.end_adding(&ada, &made(&mut authenticator, &begun)).await.unwrap();
    let again = caller(&world.sign_in(&mut authenticator).await.unwrap());
    let nothing = world.try_begin_adding(&again, Proof::NewSignIn).await;
    assert!(matches!(nothing, Err(AccountError::ProofNeeded)), "there is a passkey to show: {nothing:?}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_passkey_is_added_by_the_sign_in_that_began_and_once(pool: PgPool) {
    let world = World::open(&pool).await;
    let ada = world.sign_up("ada@example.com").await;
    let eve = world.sign_up("eve@example.com").await;
    let mut authenticator = SoftAuthenticator::new(ORIGIN);
    let begun = world.begin_adding(&ada).await;
    let answer = made(&mut authenticator, &begun);

    assert!(is_over(&world.end_adding(&eve, &answer).await), "Ada began");
    world.end_adding(&ada, &answer).await.unwrap();
    assert!(is_over(&world.end_adding(&ada, &answer).await));
    let again = caller(&world.sign_in(&mut authenticator).await.unwrap());
    let begun = world.begin_adding(&ada).await;
    let answer = made(&mut authenticator, &begun);
    assert!(is_over(&world.end_adding(&again, &answer).await), "in another sign-in of hers");
    world.later(Duration::from_mins(5));
    assert!(is_over(&world.end_adding(&ada, &answer).await), "too late");
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_credential_that_somebody_has_is_not_added_again(pool: PgPool) {
    let world = World::open(&pool).await;
    let ada = world.sign_up("ada@example.com").await;
    let eve = world.sign_up("eve@example.com").await;
    let mut authenticator = SoftAuthenticator::new(ORIGIN);
    let begun = world.begin_adding(&ada).await;
    let answer = made(&mut authenticator, &begun);
    world.end_adding(&ada, &answer).await.unwrap();

    let begun = world.begin_adding(&eve).await;
    let stolen = PasskeyAnswer { state: begun.state.clone(), credential: authenticator.clone().make_again(&begun.options) };

    assert!(is_refused(&world.end_adding(&eve, &stolen).await));
    assert!(world.sign_in(&mut authenticator).await.is_ok());
}

#[sqlx::test(migrations = "../../migrations")]
async fn another_password_keeps_passkeys_and_ends_what_was_begun(pool: PgPool) {
    let world = World::open(&pool).await;
    let ada = world.sign_up("ada@example.com").await;
    let (mut before, mut begun_before) = (SoftAuthenticator::new(ORIGIN), SoftAuthenticator::new(ORIGIN));
    world.add(&ada, &mut before).await;
    let begun = world.begin_adding(&ada).await;
    let answer = made(&mut begun_before, &begun);

    let change =
        accounts::PasswordChange { proof: Proof::Password(PASSWORD.into()), next: OTHER.into(), clients: accounts::LetIn::End };
    accounts::change_password(world.app(), &ada, whereabouts(), change).await.unwrap();

    let ended = world.end_adding(&ada, &answer).await;
    assert!(matches!(ended, Err(AccountError::App(AppError::Unauthenticated))), "{ended:?}");
    let made = world.sign_in(&mut before).await.unwrap();
    accounts::sign_out_everywhere(world.app(), &caller(&made)).await.unwrap();
    assert!(accounts::authenticate(world.app(), made.token.expose()).await.is_err());
    assert!(world.sign_in(&mut before).await.is_ok());
}

#[sqlx::test(migrations = "../../migrations")]
async fn one_has_so_many_passkeys_and_no_more(pool: PgPool) {
    let world = World::open(&pool).await;
    let ada = world.sign_up("ada@example.com").await;
    let mut authenticator = SoftAuthenticator::new(ORIGIN);
    for _ in 1..passkeys::PASSKEYS_MAX {
        world.add(&ada, &mut authenticator).await;
    }
    let (one, other) = (world.begin_adding(&ada).await, world.begin_adding(&ada).await);
    world.end_adding(&ada, &made(&mut authenticator, &one)).await.unwrap();

    let beyond = world.end_adding(&ada, &made(&mut authenticator, &other)).await;
    assert!(matches!(beyond, Err(AccountError::TooManyPasskeys)), "{beyond:?}");
    let beyond = world.try_begin_adding(&ada, Proof::Password(PASSWORD.into())).await;
    assert!(matches!(beyond, Err(AccountError::TooManyPasskeys)), "{beyond:?}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn at_an_address_without_a_name_there_are_none(pool: PgPool) {
    let world = World::open_at(&pool, "https://192.0.2.1").await;
    let ada = world.sign_up("ada@example.com").await;

    assert_eq!(world.app().passkeys_origin(), None);
    let none = world.try_begin_adding(&ada, Proof::Password(PASSWORD.into())).await;
    assert!(matches!(none, Err(AccountError::NoPasskeys)), "{none:?}");
    let none = passkeys::begin_sign_in(world.app(), &anyone(), BROWSER);
    assert!(matches!(none, Err(AccountError::NoPasskeys)), "{none:?}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_address_of_this_machine_has_them_by_its_name(pool: PgPool) {
    let world = World::open_at(&pool, "http://127.0.0.1:8080").await;
    let ada = world.sign_up("ada@example.com").await;
    let mut authenticator = SoftAuthenticator::new("http://localhost:8080");

    world.add(&ada, &mut authenticator).await;

    assert!(world.sign_in(&mut authenticator).await.is_ok());
    authenticator.origin = "http://127.0.0.1:8080".to_owned();
    assert!(is_refused(&world.sign_in(&mut authenticator).await), "browsers have none there");
}

/// Whoever lost the password is not out: a passkey shows who they are as well.
#[sqlx::test(migrations = "../../migrations")]
async fn a_passkey_gives_another_password(pool: PgPool) {
    let world = World::open(&pool).await;
    let ada = world.sign_up("ada@example.com").await;
    let mut authenticator = SoftAuthenticator::new(ORIGIN);
    world.add(&ada, &mut authenticator).await;
    let change = async |proof| {
        let change = accounts::PasswordChange { proof, next: "nineteen green bicycles".into(), clients: accounts::LetIn::Keep };
        accounts::change_password(world.app(), &ada, whereabouts(), change).await
    };

    let without = change(Proof::NewSignIn).await;
    let proof = passkeys::begin_proof(world.app(), &ada).await.unwrap();
    let by_passkey = change(Proof::Passkey(signed(&mut authenticator, &proof))).await;
    let once_more = change(Proof::Passkey(signed(&mut authenticator, &proof))).await;

    assert!(matches!(without, Err(AccountError::ProofNeeded)), "{without:?}");
    assert!(by_passkey.is_ok(), "{by_passkey:?}");
    assert!(once_more.is_err(), "its sign-in has ended, and its answer was used");
}
