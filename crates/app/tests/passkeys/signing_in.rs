use app::AppError;
use serde_json::{Value, json};

use super::*;

#[sqlx::test(migrations = "../../migrations")]
async fn a_passkey_signs_its_person_in_without_a_name(pool: PgPool) {
    let world = World::open(&pool).await;
    let ada = world.sign_up("ada@example.com").await;
    let mut authenticator = SoftAuthenticator::new(ORIGIN);
    let added = world.add(&ada, &mut authenticator).await;
    assert_eq!((added.name.as_str(), added.used_at), ("Laptop", None));

    world.later(Duration::from_mins(1));
    let begun = world.begin_sign_in();
    let first = world.end_sign_in(signed(&mut authenticator, &begun)).await.unwrap();
    let second = world.sign_in(&mut authenticator).await.unwrap();

    assert_eq!(begun.options["allowCredentials"], json!([]), "who has an account is not told");
    assert_eq!(begun.options["userVerification"], "required");
    assert_eq!(begun.options["rpId"], "tools.example.com");
    let Who::Person(person) = ada.who else { panic!("{ada:?}") };
    assert_eq!((first.person.user, second.person.user), (person.user, person.user));
    assert_ne!(first.token.expose(), second.token.expose());
    assert!(accounts::authenticate(world.app(), first.token.expose()).await.is_ok());
    let kept = passkeys::load(world.app(), &ada).await.unwrap().passkeys;
    assert_eq!(kept.first().unwrap().used_at, Some(world.app().now()));
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_answer_for_another_place_is_refused(pool: PgPool) {
    let world = World::open(&pool).await;
    let ada = world.sign_up("ada@example.com").await;
    let mut authenticator = SoftAuthenticator::new(ORIGIN);
    world.add(&ada, &mut authenticator).await;

    for origin in
        ["https://evil.test", "https://login.tools.example.com", "http://tools.example.com", "https://tools.example.com:444"]
    {
        let mut elsewhere = authenticator.clone();
        elsewhere.origin = origin.to_owned();
        assert!(is_refused(&world.sign_in(&mut elsewhere).await), "{origin}");
        let begun = world.begin_adding(&ada).await;
        let answer = made(&mut elsewhere, &begun);
        assert!(is_refused(&world.end_adding(&ada, &answer).await), "{origin}");
    }
    let mut elsewhere = authenticator.clone();
    elsewhere.rp_id = Some("example.com".to_owned());
    assert!(is_refused(&world.sign_in(&mut elsewhere).await));
    let begun = world.begin_adding(&ada).await;
    let answer = made(&mut elsewhere, &begun);
    assert!(is_refused(&world.end_adding(&ada, &answer).await));

    assert!(world.sign_in(&mut authenticator).await.is_ok());
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_answer_counts_once_and_for_five_minutes(pool: PgPool) {
    let world = World::open(&pool).await;
    let other_node = World::open(&pool).await;
    let ada = world.sign_up("ada@example.com").await;
    // One that does not count its signatures, as those that are kept in a cloud.
    let mut authenticator = SoftAuthenticator::new(ORIGIN);
    authenticator.counter = None;
    world.add(&ada, &mut authenticator).await;
    let answer = signed(&mut authenticator, &world.begin_sign_in());
    let late = signed(&mut authenticator, &world.begin_sign_in());

    assert!(world.end_sign_in(answer.clone()).await.is_ok());
    assert!(is_over(&world.end_sign_in(answer.clone()).await));
    assert!(is_over(&other_node.end_sign_in(answer.clone()).await), "nor on another node");
    let newer = PasskeyAnswer { state: world.begin_sign_in().state, ..answer };
    assert!(is_refused(&world.end_sign_in(newer).await), "nor for another challenge");
    world.later(Duration::from_mins(5));
    assert!(is_over(&world.end_sign_in(late).await));
    let both = signed(&mut authenticator, &world.begin_sign_in());
    let (one, other) = tokio::join!(world.end_sign_in(both.clone()), world.end_sign_in(both));
    assert_eq!(u8::from(one.is_ok()) + u8::from(other.is_ok()), 1, "nor at one time");
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_answer_counts_where_it_was_asked_for(pool: PgPool) {
    let world = World::open(&pool).await;
    let ada = world.sign_up("ada@example.com").await;
    let mut authenticator = SoftAuthenticator::new(ORIGIN);
    world.add(&ada, &mut authenticator).await;

    let elsewhere = passkeys::begin_sign_in(world.app(), &anyone(), "another browser").unwrap();
    assert!(is_over(&world.end_sign_in(signed(&mut authenticator, &elsewhere)).await));
    let proof = passkeys::begin_proof(world.app(), &ada).await.unwrap();
    assert!(is_over(&world.end_sign_in(signed(&mut authenticator, &proof)).await), "asked for another purpose");
    let sign_in = world.begin_sign_in();
    let proof = Proof::Passkey(signed(&mut authenticator, &sign_in));
    assert!(is_over(&world.try_begin_adding(&ada, proof).await), "and the other way round");
    let invented = PasskeyAnswer { state: "A".repeat(200), ..signed(&mut authenticator, &sign_in) };
    assert!(is_over(&world.end_sign_in(invented).await));
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_counter_that_goes_back_shows_a_copy(pool: PgPool) {
    let world = World::open(&pool).await;
    let ada = world.sign_up("ada@example.com").await;
    let mut authenticator = SoftAuthenticator::new(ORIGIN);
    authenticator.counter = Some(5);
    world.add(&ada, &mut authenticator).await;
    let mut copy = authenticator.clone();
    assert!(world.sign_in(&mut authenticator).await.is_ok());

    assert!(is_refused(&world.sign_in(&mut copy).await), "it has the same count");
    copy.counter = Some(0);
    assert!(is_refused(&world.sign_in(&mut copy).await));
    copy.counter = None;
    assert!(is_refused(&world.sign_in(&mut copy).await), "and does not stop counting");
    assert!(world.sign_in(&mut authenticator).await.is_ok());
}

#[sqlx::test(migrations = "../../migrations")]
async fn the_authenticator_must_have_verified_its_user(pool: PgPool) {
    let world = World::open(&pool).await;
    let ada = world.sign_up("ada@example.com").await;
    let mut authenticator = SoftAuthenticator::new(ORIGIN);
    world.add(&ada, &mut authenticator).await;
    authenticator.verifies_user = false;

    assert!(is_refused(&world.sign_in(&mut authenticator).await));
    let begun = world.begin_adding(&ada).await;
    let answer = made(&mut authenticator, &begun);
    assert!(is_refused(&world.end_adding(&ada, &answer).await));
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_is_not_right_in_an_answer_is_refused_in_the_same_words(pool: PgPool) {
    let world = World::open(&pool).await;
    let ada = world.sign_up("ada@example.com").await;
    let eve = world.sign_up("eve@example.com").await;
    let (mut adas, mut eves) = (SoftAuthenticator::new(ORIGIN), SoftAuthenticator::new(ORIGIN));
    world.add(&ada, &mut adas).await;
    world.add(&eve, &mut eves).await;
    let begun = world.begin_sign_in();
    let of_ada: Value = serde_json::from_str(&adas.sign(&begun.options)).unwrap();
    let of_eve: Value = serde_json::from_str(&eves.sign(&begun.options)).unwrap();

    let mut as_ada = of_eve.clone();
    as_ada["response"]["userHandle"] = of_ada["response"]["userHandle"].clone();
    let mut by_adas_id = of_eve.clone();
    for member in ["id", "rawId"] {
        by_adas_id[member] = of_ada[member].clone();
    }
    by_adas_id["response"]["userHandle"] = of_ada["response"]["userHandle"].clone();
    let mut nobodys = of_ada.clone();
    nobodys["response"]["userHandle"] = Value::Null;
    let mut unsigned = of_ada.clone();
    unsigned["response"]["signature"] = json!("AAAA");
    for credential in [as_ada, by_adas_id, nobodys, unsigned, json!({}), json!("x")] {
        let answer = PasskeyAnswer { state: begun.state.clone(), credential: credential.to_string() };
        assert!(is_refused(&world.end_sign_in(answer).await), "{credential}");
    }
    let unknown = SoftAuthenticator::new(ORIGIN).make(&world.begin_adding(&ada).await.options);
    let answer = PasskeyAnswer { state: begun.state.clone(), credential: unknown };
    assert!(is_refused(&world.end_sign_in(answer).await));

    let answer = PasskeyAnswer { state: begun.state, credential: of_ada.to_string() };
    assert!(world.end_sign_in(answer).await.is_ok(), "what was refused ended nothing");
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_removed_passkey_and_a_disabled_person_are_out(pool: PgPool) {
    let world = World::open(&pool).await;
    let ada = world.sign_up("ada@example.com").await;
    let eve = world.sign_up("eve@example.com").await;
    let mut authenticator = SoftAuthenticator::new(ORIGIN);
    let added = world.add(&ada, &mut authenticator).await;

    let theirs = passkeys::remove(world.app(), &eve, added.passkey_id).await;
    assert!(matches!(theirs, Err(AppError::NotFound { .. })), "{theirs:?}");
    let theirs = passkeys::rename(world.app(), &eve, added.passkey_id, "Mine".parse().unwrap()).await;
    assert!(matches!(theirs, Err(AppError::NotFound { .. })), "{theirs:?}");
    let renamed = passkeys::rename(world.app(), &ada, added.passkey_id, "Desk".parse().unwrap()).await.unwrap();
    assert_eq!(renamed.name.as_str(), "Desk");

    sqlx::query("UPDATE users SET disabled_at = now() WHERE email = 'ada@example.com'").execute(&pool).await.unwrap();
    assert!(is_refused(&world.sign_in(&mut authenticator).await));
    sqlx::query("UPDATE users SET disabled_at = NULL").execute(&pool).await.unwrap();
    assert!(world.sign_in(&mut authenticator).await.is_ok());
    passkeys::remove(world.app(), &ada, added.passkey_id).await.unwrap();
    assert!(is_refused(&world.sign_in(&mut authenticator).await));
    assert!(passkeys::load(world.app(), &ada).await.unwrap().passkeys.is_empty());
}

#[sqlx::test(migrations = "../../migrations")]
async fn tries_of_one_address_are_bounded(pool: PgPool) {
    let world = World::open(&pool).await;
    let ada = world.sign_up("ada@example.com").await;
    let mut authenticator = SoftAuthenticator::new(ORIGIN);
    world.add(&ada, &mut authenticator).await;
    // Signing up counts as well.
    for _ in 0..29 {
        let wrong = PasskeyAnswer { credential: "{}".to_owned(), state: world.begin_sign_in().state };
        assert!(is_refused(&world.end_sign_in(wrong).await));
    }

    let bounded = world.sign_in(&mut authenticator).await;

    assert!(matches!(bounded, Err(AccountError::TooMany { .. })), "{bounded:?}");
    world.later(Duration::from_secs(2));
    assert!(world.sign_in(&mut authenticator).await.is_ok());
}

#[sqlx::test(migrations = "../../migrations")]
async fn ended_ceremonies_are_forgotten_when_their_answers_count_no_more(pool: PgPool) {
    let world = World::open(&pool).await;
    let ada = world.sign_up("ada@example.com").await;
    let mut authenticator = SoftAuthenticator::new(ORIGIN);
    world.add(&ada, &mut authenticator).await;
    world.sign_in(&mut authenticator).await.unwrap();
    let kept = async || sqlx::query_scalar::<_, i64>("SELECT count(*) FROM passkey_ceremonies").fetch_one(&pool).await.unwrap();
    assert_eq!(kept().await, 2);

    world.later(Duration::from_mins(5));
    // It sweeps when it starts.
    let _later = TestApp::start_with(&pool, TestOptions { clock: world.clock.clone(), ..TestOptions::default() }).await;

    for _ in 0..200 {
        if kept().await == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("they are still kept after 5 s");
}
