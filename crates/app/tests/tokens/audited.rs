//! What clients and whoever lets them in leave in the audit log.

use app::{
    audit::ActorKind,
    consents,
    machine_clients::{self, MachineKeys, NewAudience, NewMachineClient},
    server_access,
};
use domain::ClientKey;
use oauth::{RegistrationUpdate, Secret};
use serde_json::json;

use super::*;
use crate::audit::{Log, whence};

pub(crate) const OPERATIONS: &[&str] = &[
    "change_registration",
    "delete_registration",
    "end_server_access",
    "give_consent",
    "make_authorization",
    "refuse_consent",
    "register_client",
    "revoke_authorization",
    "revoke_consent",
];

#[sqlx::test(migrations = "../../migrations")]
async fn each_leaves_one_entry(pool: PgPool) {
    let scene = Scene::set(&pool).await;
    let mut log = Log::of(&scene.test);

    of_registrations(&mut log, &scene).await;
    of_consents(&mut log, &scene).await;
    of_authorizations(&mut log, &scene).await;
    of_machines(&mut log, &scene).await;

    log.end(OPERATIONS).await;
    scene.test.stop().await;
}

async fn of_registrations(log: &mut Log<'_>, scene: &Scene) {
    let (app, from) = (scene.app(), whence());
    let asked =
        json!({"redirect_uris": [CALLBACK], "client_name": "An app", "token_endpoint_auth_method": "client_secret_basic"});
    let registration = oauth::Registration::parse(asked.to_string().as_bytes()).unwrap();
    let (told, made) = log.one("register_client", clients::register(app, from, registration)).await;
    let told = serde_json::to_value(told).unwrap();
    let text = |name: &str| told[name].as_str().unwrap().to_owned();
    let (id, token) = (text("client_id"), text("registration_access_token"));
    log.hide(&text("client_secret"));
    log.hide(&token);
    let (key, token) = (id.parse::<ClientKey>().unwrap(), Secret::shown(&token));

    let update =
        json!({"client_id": id, "redirect_uris": [CALLBACK], "client_name": "Another", "token_endpoint_auth_method": "none"});
    let update = RegistrationUpdate::parse(update.to_string().as_bytes(), key.as_uuid()).unwrap();
    let (_, changed) = log.one("change_registration", clients::change(app, from, key, &token, update)).await;
    let ((), deleted) = log.one("delete_registration", clients::delete(app, from, key, &token)).await;

    assert_eq!(json!(made.details), json!({"redirect_uris": [CALLBACK], "count": 1}));
    let names = [&made, &changed, &deleted].map(|entry| entry.thing.name.as_deref().unwrap());
    assert_eq!(names, ["An app", "Another", "Another"]);
    for entry in [made, changed, deleted] {
        assert_eq!((entry.actor.kind, entry.actor.client.as_ref()), (ActorKind::Client, Some(&id)));
        assert_eq!((entry.thing.id, entry.customer), (Some(key.as_uuid()), None));
        assert_eq!((entry.request, entry.address), (from.request, from.address));
    }
}

async fn of_consents(log: &mut Log<'_>, scene: &Scene) {
    let (app, client, from) = (scene.app(), &scene.client, whence());
    let asked = log.none(ask(app, client, &server(SLUG), "mcp:tools")).await.unwrap();
    let deny = authorize::decide(app, &scene.owner, from, &asked, Decision::Deny);
    let (_, refused) = log.one("refuse_consent", deny).await;
    let allow = Decision::Allow { scopes: asked.scopes.clone(), customer: None, pins_definitions: false };
    let (location, given) = log.one("give_consent", authorize::decide(app, &scene.owner, from, &asked, allow)).await;
    log.hide(&parameter(&location, "code").unwrap());
    let owner = Who::Person(scene.owner).at(from);
    let consent = consents::list(app, &owner, &app::PageRequest::default()).await.unwrap().items.remove(0).consent_id;
    let ((), revoked) = log.one("revoke_consent", consents::revoke(app, &owner, consent)).await;

    let details = json!({"client_id": client.id().to_string(), "client_name": "A client", "scopes": "mcp:tools", "pins_definitions": false});
    assert_eq!((json!(given.details), given.thing.name.as_ref()), (details, Some(&server(SLUG))));
    assert_eq!((given.thing.id, revoked.thing.id), (Some(consent.as_uuid()), Some(consent.as_uuid())));
    let details = json!({"authorizations_ended": 1, "client_id": client.id().to_string(), "client_name": "A client"});
    assert_eq!(json!(revoked.details), details);
    for entry in [refused, given, revoked] {
        assert_eq!((entry.actor.kind, entry.actor.id), (ActorKind::Person, Some(scene.owner.user.as_uuid())));
        assert_eq!((entry.actor.sign_in, entry.customer), (Some(scene.owner.sign_in), None), "people's own: {entry:?}");
        assert_eq!((entry.request, entry.address), (from.request, from.address));
    }
}

async fn of_authorizations(log: &mut Log<'_>, scene: &Scene) {
    let (app, client) = (scene.app(), &scene.client);
    let code = scene.code("mcp:tools").await;
    let (first, made) = log.one("make_authorization", redeem(app, client, &code)).await;
    let second = log.none(refresh(app, client, first.refresh.as_ref().unwrap())).await.unwrap();
    hide(log, &[&first, &second]);
    let ((), revoked) = log.one("revoke_authorization", tokens::revoke(app, client, whence(), &second.access)).await;
    log.none(tokens::revoke(app, client, whence(), &second.access)).await.unwrap();

    let first = scene.tokens("mcp:tools").await.refresh.unwrap();
    refresh(app, client, &first).await.unwrap();
    scene.pass(30);
    let replay = async { Ok::<_, ()>(told(refresh(app, client, &first).await)) };
    let (answer, replayed) = log.one("revoke_authorization", replay).await;
    assert_eq!(answer, "invalid_grant");
    assert!(replayed.details["reason"].as_str().unwrap().contains("used before"), "{replayed:?}");
    assert_eq!(made.actor.authorization, revoked.actor.authorization);
    assert_ne!(made.actor.authorization, replayed.actor.authorization);
    for entry in [made, revoked, replayed] {
        assert_eq!((entry.actor.kind, entry.actor.id), (ActorKind::Client, Some(scene.owner.user.as_uuid())));
        assert_eq!(entry.actor.client, Some(client.id().to_string()));
        assert_eq!((entry.thing.id, entry.customer), (entry.actor.authorization.map(domain::AuthorizationId::as_uuid), None));
    }

    let tokens = scene.tokens("mcp:tools").await;
    let caller = Caller { from: whence(), ..scene.customer.caller.clone() };
    let access = server_access::list(app, &caller, &slug(SLUG), &app::PageRequest::default()).await.unwrap();
    let access = access.items[0].access_id;
    let ((), ended) = log.one("end_server_access", server_access::end(app, &caller, &slug(SLUG), access)).await;
    assert!(is_refused(&scene.use_server(&tokens.access).await));
    assert_eq!((ended.thing.id, ended.thing.name.as_deref()), (Some(access.as_uuid()), Some(SLUG)));
    assert_eq!((ended.customer, ended.address), (Some(scene.customer.id), caller.from.address));
}

/// A client that acts for the customer: who asks again with it does not make another authorization.
async fn of_machines(log: &mut Log<'_>, scene: &Scene) {
    use base64::Engine as _;
    let (app, customer) = (scene.app(), &scene.customer);
    let new = NewMachineClient {
        name: "Nightly".to_owned(),
        audience: NewAudience::Server(slug(SLUG)),
        scope: None,
        keys: MachineKeys::default(),
    };
    let (made, secret) = machine_clients::create(app, &customer.caller, new).await.unwrap();
    let secret = secret.unwrap().reveal().to_owned();
    log.hide(&secret);
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{}:{secret}", made.client_id));
    let shown = ClientAuthentication::parse(Some(&format!("Basic {pair}")), &Parameters::parse("").unwrap()).unwrap();
    let client = clients::authenticate(app, &shown).await.unwrap();
    let form = [("grant_type", "client_credentials")];

    let (tokens, entry) = log.one("make_authorization", exchange(app, &client, &form)).await;
    let again = log.none(exchange(app, &client, &form)).await.unwrap();
    let ((), revoked) = log.one("revoke_authorization", tokens::revoke(app, &client, whence(), &again.access)).await;

    hide(log, &[&tokens, &again]);
    for entry in [entry, revoked] {
        assert_eq!((entry.actor.kind, entry.actor.client), (ActorKind::Client, Some(made.client_id.to_string())));
        assert_eq!((entry.customer, entry.actor.id), (Some(customer.id), entry.thing.id), "it acts for the customer");
    }
}

fn hide(log: &mut Log<'_>, tokens: &[&Tokens]) {
    for tokens in tokens {
        log.hide(&tokens.access);
        tokens.refresh.iter().for_each(|refresh| log.hide(refresh));
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn the_oldest_authorization_that_makes_room_for_a_new_one_leaves_an_entry_that_says_so(pool: PgPool) {
    let scene = Scene::set(&pool).await;
    let log = Log::of(&scene.test);
    let first = scene.tokens("mcp:tools").await;
    for _ in 1..32 {
        scene.tokens("mcp:tools").await;
    }
    assert!(!is_refused(&scene.use_server(&first.access).await), "as many as may be are in force");
    let before = log.entries().await.len();

    let newest = scene.tokens("mcp:tools").await;

    assert!(is_refused(&scene.use_server(&first.access).await), "at once on this node");
    assert!(!is_refused(&scene.use_server(&newest.access).await));
    let entries = log.entries().await;
    assert_eq!(entries.len(), before + 3);
    let [made, revoked, given] = [&entries[0], &entries[1], &entries[2]];
    let operations = [made, revoked, given].map(|entry| entry.operation.as_str());
    assert_eq!(operations, ["make_authorization", "revoke_authorization", "give_consent"]);
    assert_eq!(revoked.details["reason"], "it made room for a new one: 32 of one consent are in force at most");
    assert_eq!((revoked.actor.kind, revoked.actor.id), (ActorKind::Person, Some(scene.owner.user.as_uuid())));
    assert_eq!((revoked.account, revoked.customer), (Some(scene.owner.user), None));
    assert_ne!(revoked.thing.id, made.thing.id);
    scene.test.stop().await;
}
