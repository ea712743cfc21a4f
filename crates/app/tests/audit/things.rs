//! What operators, customers and people do by requests of their own, and a node's first key.

use app::{
    Caller, PageRequest, PersonCaller, Who,
    accounts::{self, AccountError, IsDisabled, LetIn, PasswordChange, Proof, SignIn, SignUp},
    api_keys::{self, ApiKeyChange, NewApiKey},
    audit::ActorKind,
    breakers::{self, Force},
    catalogue, customers,
    environment::{self, NewEnvValue},
    invitations::{self, NewInvitation},
    machine_clients::{self, MachineKeys, NewAudience, NewMachineClient},
    members,
    pins::{self, Acceptance},
    releases, servers, tiers, tools,
};
use domain::{Digest, KeepContents, MemberRole};
use serde_json::json;
use sqlx::PgPool;
use testkit::{TestApp, TestCustomer};

use super::{Log, person, stranger, whereabouts};
use crate::sources::{ADD, slug, tool_name};

const PASSWORD: &str = "seventeen green bicycles";
const OTHER: &str = "eighteen green bicycles";

pub(crate) const OPERATIONS: &[&str] = &[
    "accept_definition",
    "accept_invitation",
    "accept_words",
    "change_api_key",
    "change_member",
    "change_password",
    "change_server",
    "change_user",
    "create_api_key",
    "create_client",
    "create_customer",
    "create_invitation",
    "create_release",
    "create_server",
    "delete_api_key",
    "delete_client",
    "delete_environment",
    "delete_server",
    "delete_tool",
    "end_sign_in",
    "force_breaker",
    "invite_to_customer",
    "leave_customer",
    "make_signing_key",
    "put_environment",
    "put_tier",
    "put_tool",
    "refuse_sign_in",
    "remove_member",
    "revoke_invitation",
    "roll_back",
    "set_tier",
    "sign_in",
    "sign_out",
    "sign_out_everywhere",
    "sign_up",
];

#[sqlx::test(migrations = "../../migrations")]
async fn each_leaves_one_entry(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let mut log = Log::of(&test);
    log.seen.insert("make_signing_key".to_owned());
    for secret in [PASSWORD, OTHER] {
        log.hide(secret);
    }

    of_the_operator(&mut log).await;
    let customer = test.customer("pro").await;
    Box::pin(of_servers(&mut log, &customer)).await;
    of_people(&mut log, &customer).await;

    let made = log.entries().await.into_iter().filter(|entry| entry.operation == "make_signing_key").collect::<Vec<_>>();
    assert_eq!((made.len(), made[0].actor.kind), (1, ActorKind::Program), "the node's first start made one");
    log.end(OPERATIONS).await;
    test.stop().await;
}

fn new_person(email: &str, invitation: Option<String>) -> SignUp {
    SignUp { email: email.parse().unwrap(), name: "Ada Example".parse().unwrap(), password: PASSWORD.into(), invitation }
}

fn credentials(password: &str) -> SignIn {
    SignIn { email: "ada@example.com".to_owned(), password: password.into(), cookie: None }
}

async fn of_the_operator(log: &mut Log<'_>) {
    let (app, admin) = (log.app, log.admin.clone());
    let new = customers::NewCustomer { name: "Example Ltd".parse().unwrap(), tier: "free".parse().unwrap() };
    let (customer, entry) = log.one("create_customer", customers::create(app, &admin, new)).await;
    let id = customer.customer_id;
    assert_eq!((entry.actor.kind, entry.customer, entry.thing.id), (ActorKind::Admin, Some(id), Some(id.as_uuid())));
    let (_, entry) = log.one("set_tier", customers::set_tier(app, &admin, id, "pro".parse().unwrap())).await;
    assert_eq!(json!(entry.details), json!({"before": "free", "tier": "pro"}));
    let limits = tiers::load(app, &admin, &"pro".parse().unwrap()).await.unwrap().limits;
    let less = domain::Limits { host_calls_max: 7, ..limits.clone() };
    let (_, entry) = log.one("put_tier", tiers::put(app, &admin, "pro".parse().unwrap(), less)).await;
    assert_eq!(json!(entry.details), json!({"limits": {"host_calls_max": [limits.host_calls_max, 7]}}));
    let new = NewApiKey { name: "laptop".parse().unwrap(), pins_definitions: false };
    let ((key, _), entry) = log.one("create_api_key", api_keys::create(app, &admin, id, new)).await;
    assert_eq!((entry.thing.kind.as_str(), entry.thing.name.as_deref()), ("api_key", Some("laptop")));
    let change = ApiKeyChange { id: key.api_key_id, pins_definitions: true };
    log.one("change_api_key", api_keys::change(app, &admin, id, change)).await;
    log.one("delete_api_key", api_keys::delete(app, &admin, id, key.api_key_id)).await;
    let host = "api.example.com".parse().unwrap();
    let ((), entry) = log.one("force_breaker", breakers::force(app, &admin, &host, Force::Open)).await;
    assert_eq!(json!(entry.details), json!({"before": "automatic", "force": "open"}));
    let new = NewInvitation { role: MemberRole::Owner, email: None };
    log.one("invite_to_customer", invitations::create_for(app, &admin, id, new)).await;
}

async fn of_servers(log: &mut Log<'_>, customer: &TestCustomer) {
    let (app, caller, sums) = (log.app, &customer.caller, slug("sums"));
    let (server, entry) = log.one("create_server", customer.create_server("sums")).await;
    assert_eq!((entry.actor.kind, entry.actor.id), (ActorKind::ApiKey, caller.api_key().map(domain::ApiKeyId::as_uuid)));
    let change = servers::ServerChange { keep_contents: Some(KeepContents::All), ..servers::ServerChange::default() };
    log.one("change_server", servers::change(app, caller, &sums, change)).await;
    let (built, entry) = log.one("put_tool", Box::pin(customer.put("sums", "add", ADD))).await;
    assert_eq!((entry.version, entry.digest), (Some(built.version_id), Some(built.digest)));
    assert_eq!(entry.thing.name.as_deref(), Some("sums/add"));
    let (release, _) = log.one("create_release", releases::create(app, caller, &sums, None)).await;
    log.one("roll_back", releases::roll_back(app, caller, &sums, release.release_id)).await;
    of_pins(log, customer).await;
    let secret = NewEnvValue::Secret { value: "hush-hush-hush".into(), hosts: Vec::new() };
    let (_, entry) = log.one("put_environment", environment::put(app, caller, &sums, "KEY".parse().unwrap(), secret)).await;
    assert_eq!(entry.thing.name.as_deref(), Some("sums/KEY"));
    assert!(!format!("{entry:?}").contains("hush"), "the name alone: {entry:?}");
    log.one("delete_environment", environment::delete(app, caller, &sums, &"KEY".parse().unwrap())).await;
    log.one("delete_tool", tools::delete(app, caller, &sums, &tool_name("add"))).await;
    let new = NewMachineClient {
        name: "Nightly".to_owned(),
        audience: NewAudience::Server(sums.clone()),
        scope: None,
        keys: MachineKeys::default(),
    };
    let ((client, _), _) = log.one("create_client", machine_clients::create(app, caller, new)).await;
    log.one("delete_client", machine_clients::delete(app, caller, client.client_id)).await;
    let ((), entry) = log.one("delete_server", servers::delete(app, caller, &sums)).await;
    assert_eq!(entry.thing.id, Some(server.server_id.as_uuid()), "the entry outlives what it speaks of");
}

/// What was pinned by reading is no change that somebody decided; what is accepted in its place is.
async fn of_pins(log: &mut Log<'_>, customer: &TestCustomer) {
    let (app, sums) = (log.app, slug("sums"));
    let Who::Key(key) = customer.caller.who else { panic!("no key") };
    let pinning = Caller::of(Who::Key(app::KeyCaller { pins_definitions: true, ..key }));
    let before = log.entries().await.len();
    let server = catalogue::load(app, &pinning, &sums).await.unwrap();
    pins::compare(app, &pinning, &server).await.unwrap();
    pins::read_words(app, &pinning, &server).await.unwrap();
    assert_eq!(log.entries().await.len(), before);
    let pinned = pins::list(app, &pinning, &sums, None, &PageRequest::default()).await.unwrap();
    let of = |digest: Digest| Acceptance { api_key: None, digest };
    let digest = pinned.tools.items[0].now.unwrap();
    log.one("accept_definition", pins::accept(app, &pinning, &sums, &tool_name("add"), of(digest))).await;
    let digest = pinned.server.unwrap().now;
    log.one("accept_words", pins::accept_words(app, &pinning, &sums, of(digest))).await;
}

async fn of_people(log: &mut Log<'_>, customer: &TestCustomer) {
    let (app, admin, anyone) = (log.app, log.admin.clone(), stranger());
    let new = new_person("ada@example.com", None);
    let (ada, entry) = log.one("sign_up", accounts::sign_up(app, &anyone, whereabouts(), new)).await;
    assert_eq!((entry.actor.kind, entry.actor.id), (ActorKind::Person, Some(ada.person.user.as_uuid())));
    assert_eq!((entry.request, entry.address), (anyone.from.request, anyone.from.address));
    let (second, _) = log.one("sign_in", accounts::sign_in(app, &anyone, whereabouts(), credentials(PASSWORD))).await;
    log.one("end_sign_in", accounts::end_sign_in(app, &person(ada.person), second.person.sign_in)).await;
    let refused = async {
        match accounts::sign_in(app, &anyone, whereabouts(), credentials(OTHER)).await {
            Err(AccountError::Refused) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    };
    let ((), entry) = log.one("refuse_sign_in", refused).await;
    assert_eq!((entry.actor.kind, entry.thing.id), (ActorKind::Anyone, Some(ada.person.user.as_uuid())));
    assert!(!format!("{entry:?}").contains("bicycles"), "{entry:?}");
    let change = PasswordChange { proof: Proof::Password(PASSWORD.into()), next: OTHER.into(), clients: LetIn::Keep };
    let as_ada = person(ada.person);
    let changed = accounts::change_password(app, &as_ada, whereabouts(), change);
    let (ada, entry) = log.one("change_password", changed).await;
    assert!(!format!("{entry:?}").contains("bicycles"), "{entry:?}");
    of_members(log, customer, ada.person).await;
    log.one("sign_out", accounts::sign_out(app, &person(ada.person))).await;
    let again = accounts::sign_in(app, &anyone, whereabouts(), credentials(OTHER)).await.unwrap();
    log.one("sign_out_everywhere", accounts::sign_out_everywhere(app, &person(again.person))).await;
    log.one("change_user", accounts::change_user(app, &admin, ada.person.user, IsDisabled::Yes)).await;
}

async fn of_members(log: &mut Log<'_>, customer: &TestCustomer, ada: PersonCaller) {
    let (app, admin) = (log.app, log.admin.clone());
    let invite = async |role| {
        let (_, link) = invitations::create_for(app, &admin, customer.id, NewInvitation { role, email: None }).await.unwrap();
        link.rsplit('/').next().unwrap().to_owned()
    };
    let (first, second) = (invite(MemberRole::Owner).await, invite(MemberRole::Viewer).await);
    let (_, entry) = log.one("accept_invitation", invitations::accept(app, &person(ada), &first)).await;
    assert_eq!(entry.customer, Some(customer.id));
    let owner = Caller::of(accounts::act_for(app, ada, Some(customer.id)).await.unwrap());
    let new = NewInvitation { role: MemberRole::Viewer, email: None };
    let ((made, _), entry) = log.one("create_invitation", invitations::create(app, &owner, new)).await;
    assert_eq!((entry.actor.kind, entry.actor.sign_in), (ActorKind::Member, Some(ada.sign_in)));
    log.one("revoke_invitation", invitations::revoke(app, &owner, made.invitation_id)).await;
    let bob = accounts::sign_up(app, &stranger(), whereabouts(), new_person("bob@example.com", Some(second))).await.unwrap();
    let bob = bob.person.user;
    log.one("change_member", members::set_role(app, &owner, bob, MemberRole::Owner)).await;
    log.one("remove_member", members::remove(app, &owner, bob)).await;
    let third = invite(MemberRole::Owner).await;
    let cecil = accounts::sign_up(app, &stranger(), whereabouts(), new_person("cecil@example.com", Some(third))).await.unwrap();
    log.one("leave_customer", members::leave(app, &person(cecil.person), customer.id)).await;
}
