//! What passkeys leave in the audit log.

use app::audit::ActorKind;
use serde_json::json;

use super::*;
use crate::audit::{Log, whence};

pub(crate) const OPERATIONS: &[&str] =
    &["add_passkey", "refuse_sign_in", "remove_passkey", "rename_passkey", "sign_in_by_passkey"];

#[sqlx::test(migrations = "../../migrations")]
async fn each_leaves_one_entry(pool: PgPool) {
    let world = World::open(&pool).await;
    let mut log = Log::of(&world.app);
    let ada = Caller { from: whence(), ..world.sign_up("ada@example.com").await };
    let Who::Person(person) = ada.who else { panic!("{ada:?}") };
    let mut authenticator = SoftAuthenticator::new(ORIGIN);
    let app = world.app();

    let begun = log.none(world.begin_adding(&ada)).await;
    let (added, entry) = log.one("add_passkey", world.end_adding(&ada, &made(&mut authenticator, &begun))).await;
    let (_, renamed) = log.one("rename_passkey", passkeys::rename(app, &ada, added.passkey_id, "Desk".parse().unwrap())).await;
    assert_eq!((entry.thing.name.as_deref(), renamed.thing.name.as_deref()), (Some("Laptop"), Some("Desk")));
    let begun = log.none(async { world.begin_sign_in() }).await;
    let (signed_in, by_passkey) = log.one("sign_in_by_passkey", world.end_sign_in(signed(&mut authenticator, &begun))).await;
    let ((), removed) = log.one("remove_passkey", passkeys::remove(app, &ada, added.passkey_id)).await;
    let refused = async {
        match world.sign_in(&mut authenticator).await {
            Err(AccountError::PasskeyRefused) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    };
    let ((), refused) = log.one("refuse_sign_in", refused).await;

    for entry in [entry, renamed, removed] {
        assert_eq!((entry.thing.kind.as_str(), entry.thing.id), ("passkey", Some(added.passkey_id.as_uuid())));
        assert_eq!((entry.actor.kind, entry.actor.id), (ActorKind::Person, Some(person.user.as_uuid())));
        assert_eq!((entry.actor.sign_in, entry.request), (Some(person.sign_in), ada.from.request));
        assert_eq!((entry.address, entry.customer), (ada.from.address, None));
    }
    assert_eq!((by_passkey.actor.kind, by_passkey.actor.id), (ActorKind::Person, Some(person.user.as_uuid())));
    assert_eq!(by_passkey.thing.id, Some(signed_in.person.sign_in.as_uuid()));
    assert_eq!(json!(by_passkey.details), json!({"by": "passkey", "device": "Firefox on Linux"}));
    assert_eq!(
        (refused.actor.kind, refused.thing.id, refused.account),
        (ActorKind::Anyone, None, None),
        "nobody has it any more"
    );
    assert_eq!(json!(refused.details), json!({"by": "passkey", "device": "Firefox on Linux"}));
    log.hide(PASSWORD);
    log.hide(signed_in.token.expose());
    log.end(OPERATIONS).await;
    world.app.stop().await;
}

/// One that comes too late, or a second time, signs nobody in: it is a sign-in that failed.
#[sqlx::test(migrations = "../../migrations")]
async fn an_answer_that_counts_no_more_leaves_an_entry_about_whose_it_is(pool: PgPool) {
    let world = World::open(&pool).await;
    let mut log = Log::of(&world.app);
    let ada = world.sign_up("ada@example.com").await;
    let Who::Person(person) = ada.who else { panic!("{ada:?}") };
    let mut authenticator = SoftAuthenticator::new(ORIGIN);
    authenticator.counter = None;
    world.add(&ada, &mut authenticator).await;
    let answer = signed(&mut authenticator, &world.begin_sign_in());
    let late = signed(&mut authenticator, &world.begin_sign_in());
    world.end_sign_in(answer.clone()).await.unwrap();

    let ((), used) = log.one("refuse_sign_in", over(&world, answer)).await;
    world.later(Duration::from_mins(5));
    let ((), expired) = log.one("refuse_sign_in", over(&world, late.clone())).await;
    let unread = PasskeyAnswer { credential: "{}".to_owned(), ..late.clone() };
    let ((), nobodys) = log.one("refuse_sign_in", over(&world, unread)).await;

    for entry in [used, expired] {
        assert_eq!((entry.actor.kind, entry.thing.id), (ActorKind::Anyone, Some(person.user.as_uuid())));
        assert_eq!(entry.account, Some(person.user), "it is told to its person");
    }
    assert_eq!((nobodys.thing.id, nobodys.account), (None, None));
    let written = async || log.entries().await.iter().filter(|entry| entry.operation == "refuse_sign_in").count();
    let network = Caller { from: whence(), ..anyone() };
    for _ in 0..25 {
        let new = PasskeySignIn { browser: BROWSER.to_owned(), answer: late.clone(), cookie: None };
        let _ = passkeys::finish_sign_in(world.app(), &network, whereabouts(), new).await;
    }
    assert_eq!(written().await, 23, "and no more than twenty of one network in an hour");
    world.app.stop().await;
}

async fn over(world: &World, answer: PasskeyAnswer) -> Result<(), String> {
    match world.end_sign_in(answer).await {
        Err(AccountError::CeremonyOver) => Ok(()),
        other => Err(format!("{other:?}")),
    }
}
