//! By what somebody comes in who has no password: the last of it stays, whatever is taken away at one time.

use app::{
    AppError,
    accounts::upstream::{self, Browser, Finished, NewUpstreamSignIn, UpstreamAnswer},
};
use domain::UpstreamId;
use testkit::TestIssuer;

use super::*;

/// An installation where people sign in by an issuer, too.
async fn open(pool: &PgPool, issuer: &TestIssuer) -> World {
    let options = TestOptions {
        egress: TestIssuer::egress(&[issuer]),
        upstreams: vec![issuer.settings("acme")],
        public_url: ORIGIN.to_owned(),
        ..TestOptions::default()
    };
    World { app: TestApp::start_with(pool, options).await, clock: Arc::new(SetClock::at(DateTime::<Utc>::UNIX_EPOCH)) }
}

/// Somebody new, who comes in by the issuer and has nothing else.
async fn come_in(world: &World, issuer: &TestIssuer) -> Caller {
    let acme: UpstreamId = "acme".parse().unwrap();
    let new = NewUpstreamSignIn::default();
    let begun = upstream::begin_sign_in(world.app(), &anyone(), whereabouts().address, &acme, new).await.unwrap();
    let back = issuer.visit(begun.location.as_str());
    let back = url::Url::parse(&format!("https://tools.example.com{back}")).unwrap();
    let field = |name: &str| back.query_pairs().find(|(own, _)| own == name).map(|(_, value)| value.into_owned());
    let answer = UpstreamAnswer { state: field("state").unwrap(), code: field("code"), ..UpstreamAnswer::default() };
    let browser = Browser { secret: Some(begun.secret.expose().to_owned()), sign_in: None };
    match upstream::finish(world.app(), &anyone(), whereabouts(), &acme, answer, browser).await.unwrap() {
        Finished::SignedIn(made) => caller(&made),
        Finished::Connected => panic!("nobody was signed in to connect it to"),
    }
}

async fn add(world: &World, ada: &Caller, authenticator: &mut SoftAuthenticator, proof: Proof) -> PasskeyView {
    let begun = world.try_begin_adding(ada, proof).await.unwrap();
    world.end_adding(ada, &made(authenticator, &begun)).await.unwrap()
}

fn is_last<T>(result: &Result<T, AppError>) -> bool {
    matches!(result, Err(AppError::Conflict { message }) if message.contains("last way to sign in"))
}

#[sqlx::test(migrations = "../../migrations")]
async fn who_came_in_by_an_issuer_adds_a_passkey_and_goes_on_without_the_issuer(pool: PgPool) {
    let issuer = TestIssuer::start().await;
    let world = open(&pool, &issuer).await;
    let ada = come_in(&world, &issuer).await;
    let mut authenticator = SoftAuthenticator::new(ORIGIN);
    let identity = accounts::list_identities(world.app(), &ada).await.unwrap()[0].identity_id;
    assert!(is_last(&accounts::disconnect(world.app(), &ada, identity).await));

    let passkey = add(&world, &ada, &mut authenticator, Proof::NewSignIn).await;
    accounts::disconnect(world.app(), &ada, identity).await.unwrap();

    assert!(is_last(&passkeys::remove(world.app(), &ada, passkey.passkey_id).await));
    assert!(world.sign_in(&mut authenticator).await.is_ok(), "it is there still");
    let proof = passkeys::begin_proof(world.app(), &ada).await.unwrap();
    let proof = Proof::Passkey(signed(&mut authenticator, &proof));
    let change = accounts::PasswordChange { proof, next: PASSWORD.into(), clients: accounts::LetIn::Keep };
    let again = accounts::change_password(world.app(), &ada, whereabouts(), change).await.unwrap();
    passkeys::remove(world.app(), &caller(&again), passkey.passkey_id).await.unwrap();
    assert!(is_refused(&world.sign_in(&mut authenticator).await));
}

#[sqlx::test(migrations = "../../migrations")]
async fn of_two_that_are_taken_away_at_one_time_one_stays(pool: PgPool) {
    let issuer = TestIssuer::start().await;
    let world = open(&pool, &issuer).await;
    let other_node = open(&pool, &issuer).await;

    for round in 0..10 {
        issuer.change(|state| {
            state.claims = serde_json::json!({"sub": format!("ada-{round}"), "email": format!("ada-{round}@example.com")});
        });
        let ada = come_in(&world, &issuer).await;
        let mut authenticator = SoftAuthenticator::new(ORIGIN);
        let passkey = add(&world, &ada, &mut authenticator, Proof::NewSignIn).await;
        let identity = accounts::list_identities(world.app(), &ada).await.unwrap()[0].identity_id;

        let (disconnected, removed) = tokio::join!(
            accounts::disconnect(world.app(), &ada, identity),
            passkeys::remove(other_node.app(), &ada, passkey.passkey_id)
        );

        assert!(is_last(&disconnected) != is_last(&removed), "{disconnected:?} {removed:?}");
        assert_eq!(u8::from(disconnected.is_ok()) + u8::from(removed.is_ok()), 1, "{disconnected:?} {removed:?}");
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn of_two_passkeys_that_are_removed_at_one_time_one_stays(pool: PgPool) {
    let issuer = TestIssuer::start().await;
    let world = open(&pool, &issuer).await;
    let ada = come_in(&world, &issuer).await;
    let (mut laptop, mut phone) = (SoftAuthenticator::new(ORIGIN), SoftAuthenticator::new(ORIGIN));
    let one = add(&world, &ada, &mut laptop, Proof::NewSignIn).await;
    let proof = passkeys::begin_proof(world.app(), &ada).await.unwrap();
    let other = add(&world, &ada, &mut phone, Proof::Passkey(signed(&mut laptop, &proof))).await;
    let identity = accounts::list_identities(world.app(), &ada).await.unwrap()[0].identity_id;
    accounts::disconnect(world.app(), &ada, identity).await.unwrap();

    let remove = async |passkey: &PasskeyView| passkeys::remove(world.app(), &ada, passkey.passkey_id).await;
    let (first, second) = tokio::join!(remove(&one), remove(&other));

    assert!(is_last(&first) != is_last(&second), "{first:?} {second:?}");
    assert_eq!(passkeys::load(world.app(), &ada).await.unwrap().passkeys.len(), 1);
}

/// A passkey of a name that this installation had before signs nobody in, so that it is no way in.
#[sqlx::test(migrations = "../../migrations")]
async fn a_passkey_for_another_host_is_no_way_in_and_may_go(pool: PgPool) {
    let issuer = TestIssuer::start().await;
    let world = open(&pool, &issuer).await;
    let ada = come_in(&world, &issuer).await;
    let passkey = add(&world, &ada, &mut SoftAuthenticator::new(ORIGIN), Proof::NewSignIn).await;
    let identity = accounts::list_identities(world.app(), &ada).await.unwrap()[0].identity_id;
    sqlx::query("UPDATE passkeys SET rp_id = 'old.example.com'").execute(&pool).await.unwrap();

    assert!(is_last(&accounts::disconnect(world.app(), &ada, identity).await));

    passkeys::remove(world.app(), &ada, passkey.passkey_id).await.unwrap();
}

#[sqlx::test(migrations = "../../migrations")]
async fn whoever_has_a_passkey_and_no_password_shows_it_to_connect_an_issuer(pool: PgPool) {
    let (issuer, second) = (TestIssuer::start().await, TestIssuer::start().await);
    let options = TestOptions {
        egress: TestIssuer::egress(&[&issuer, &second]),
        upstreams: vec![issuer.settings("acme"), second.settings("other")],
        public_url: ORIGIN.to_owned(),
        ..TestOptions::default()
    };
    let clock = Arc::new(SetClock::at(DateTime::<Utc>::UNIX_EPOCH));
    let world = World { app: TestApp::start_with(&pool, options).await, clock };
    let ada = come_in(&world, &issuer).await;
    let mut authenticator = SoftAuthenticator::new(ORIGIN);
    add(&world, &ada, &mut authenticator, Proof::NewSignIn).await;
    let other: UpstreamId = "other".parse().unwrap();
    let begin = async |proof| upstream::begin_connection(world.app(), &ada, &whereabouts(), &other, proof).await;

    let without = begin(Proof::NewSignIn).await;
    let for_signing_in = begin(Proof::Passkey(signed(&mut authenticator, &world.begin_sign_in()))).await;
    let proof = passkeys::begin_proof(world.app(), &ada).await.unwrap();
    let by_passkey = begin(Proof::Passkey(signed(&mut authenticator, &proof))).await;

    assert!(without.is_err() && for_signing_in.is_err(), "{without:?} {for_signing_in:?}");
    assert!(by_passkey.unwrap().location.as_str().contains("prompt=login"));
}
