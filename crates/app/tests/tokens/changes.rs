//! A client that is let in while its person changes their password: by an old sign-in nothing outlives the change.

use app::accounts::{self, LetIn, PasswordChange, Proof, SignUp, Whereabouts};
use sqlx::{Connection as _, PgConnection};

use super::*;

const OLD: &str = "seventeen green bicycles";
const NEW: &str = "kettle orbit mantle fog";

/// Somebody with a password who owns the scene's server.
async fn with_password(scene: &Scene) -> PersonCaller {
    let new = SignUp {
        email: "ada@example.com".parse().unwrap(),
        name: "Ada Example".parse().unwrap(),
        password: OLD.into(),
        invitation: None,
    };
    let person = accounts::sign_up(scene.app(), &Caller::of(Who::Anyone), whereabouts(), new).await.unwrap().person;
    join(&scene.pool, &scene.customer, person.user, MemberRole::Owner).await;
    person
}

fn whereabouts() -> Whereabouts {
    Whereabouts { address: [127, 0, 0, 1].into(), device: "a test".to_owned() }
}

async fn change(app: &App, person: PersonCaller) {
    let change = PasswordChange { proof: Proof::Password(OLD.into()), next: NEW.into(), clients: LetIn::End };
    accounts::change_password(app, &Caller::of(Who::Person(person)), whereabouts(), change).await.unwrap();
}

/// What the database says of how many.
async fn count(connection: &mut PgConnection, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(connection).await.unwrap()
}

async fn until(connection: &mut PgConnection, what: &str, query: &'static str) {
    assert!(within_a_second(async || count(connection, query).await > 0).await, "{what}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_was_decided_while_the_password_was_changed_ends_with_the_change(pool: PgPool) {
    const WAITS: &str = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'";
    let scene = Scene::set(&pool).await;
    let person = with_password(&scene).await;
    let asked = ask(scene.app(), &scene.client, &server(SLUG), "mcp:tools").await.unwrap();
    let mut held = pool.acquire().await.unwrap();
    let mut looks = pool.acquire().await.unwrap();
    // The decision is stopped in its middle: whoever keeps a consent takes this lock, after the sign-in was looked at.
    let mut holding = held.begin().await.unwrap();
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, 7592))")
        .bind(person.user.to_string())
        .execute(&mut *holding)
        .await
        .unwrap();

    let deciding = async {
        let decision = Decision::Allow { scopes: asked.scopes.clone(), customer: None, pins_definitions: false };
        authorize::decide(scene.app(), &person, Whence::default(), &asked, decision).await
    };
    let changing = async {
        until(&mut looks, "the decision is under way", WAITS).await;
        change(scene.app(), person).await;
    };
    let freeing = async {
        // The change has had all the time that it takes, or waits for the decision.
        tokio::time::sleep(Duration::from_secs(2)).await;
        holding.commit().await.unwrap();
    };
    let (decided, (), ()) = tokio::join!(deciding, changing, freeing);

    let left = count(&mut looks, "SELECT count(*) FROM authorizations").await;
    assert_eq!(left, 0, "what came of it is gone");
    if let Ok(location) = decided {
        let code = parameter(&location, "code").unwrap();
        assert_eq!(told(redeem(scene.app(), &scene.client, &code).await), "invalid_grant");
    }
    scene.test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn by_a_sign_in_that_has_ended_nothing_is_decided(pool: PgPool) {
    let scene = Scene::set(&pool).await;
    let person = with_password(&scene).await;
    let asked = ask(scene.app(), &scene.client, &server(SLUG), "mcp:tools").await.unwrap();

    change(scene.app(), person).await;
    let decision = Decision::Allow { scopes: asked.scopes.clone(), customer: None, pins_definitions: false };
    let decided = authorize::decide(scene.app(), &person, Whence::default(), &asked, decision).await;

    assert!(matches!(decided, Err(authorize::Refusal::App(AppError::Unauthenticated))), "{decided:?}");
    let mut connection = pool.acquire().await.unwrap();
    assert_eq!(count(&mut connection, "SELECT count(*) FROM consents").await, 0);
    scene.test.stop().await;
}
