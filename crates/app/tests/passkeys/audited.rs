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
    assert_eq!(json!(by_passkey.details), json!({"by": "passkey"}));
    assert_eq!((refused.actor.kind, refused.thing.id), (ActorKind::Anyone, None));
    log.hide(PASSWORD);
    log.hide(signed_in.token.expose());
    log.end(OPERATIONS).await;
    world.app.stop().await;
}
