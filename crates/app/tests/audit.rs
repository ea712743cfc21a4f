//! The audit log (SEC-14): every change leaves one entry, in its transaction.

use std::{collections::BTreeSet, net::IpAddr};

use app::{
    AppError, Caller, PageRequest, PersonCaller, Whence, Who,
    accounts::{self, AccountError, IsDisabled, LetIn, PasswordChange, SignIn, SignUp, Whereabouts},
    api_keys::{self, ApiKeyChange, NewApiKey},
    audit::{self, ActorKind, AuditFilter, Entry},
    breakers::{self, Force},
    catalogue, consents, customers,
    environment::{self, NewEnvValue},
    invitations::{self, NewInvitation},
    machine_clients::{self, MachineKeys, NewAudience, NewMachineClient},
    members,
    pins::{self, Acceptance},
    releases, server_access, servers, tiers, tools,
};
use domain::{Digest, KeepContents, MemberRole, RequestId};
use serde_json::json;
use sqlx::PgPool;
use testkit::{TestApp, TestCustomer};

use crate::sources::{ADD, slug, tool_name};

const PASSWORD: &str = "seventeen green bicycles";
const OTHER: &str = "eighteen green bicycles";

/// What is asked for by no use case of this file: signing in by devices and issuers, components, and what clients of the authorization server do, each
/// of which is tried beside the rest of it.
const ELSEWHERE: &[&str] = &[
    "add_passkey",
    "change_registration",
    "connect_identity",
    "delete_registration",
    "disconnect_identity",
    "end_server_access",
    "give_consent",
    "make_authorization",
    "put_component",
    "put_components",
    "refuse_consent",
    "register_client",
    "remove_passkey",
    "rename_passkey",
    "retire_signing_key",
    "revise_component",
    "revoke_authorization",
    "revoke_consent",
    "rotate_data_key",
    "rotate_master_key",
    "rotate_signing_key",
    "sign_in_by_passkey",
    "sign_in_upstream",
];

/// The log, and which operations were seen in it.
struct Log<'a> {
    test: &'a TestApp,
    seen: BTreeSet<String>,
}

impl Log<'_> {
    async fn entries(&self) -> Vec<Entry> {
        let page = PageRequest::new(None, Some(100)).unwrap();
        audit::list(self.test.app(), &self.test.admin(), AuditFilter::default(), &page).await.unwrap().items
    }

    /// Does something that leaves just one entry, of this operation.
    async fn one<T, E: std::fmt::Debug>(&mut self, operation: &str, act: impl Future<Output = Result<T, E>>) -> (T, Entry) {
        let before = self.entries().await.len();
        let done = act.await.unwrap();
        let mut entries = self.entries().await;
        assert_eq!(entries.len(), before + 1, "{operation}: {entries:?}");
        let entry = entries.swap_remove(0);
        assert_eq!(entry.operation, operation, "{entry:?}");
        self.seen.insert(operation.to_owned());
        (done, entry)
    }
}

fn whereabouts() -> Whereabouts {
    Whereabouts { address: IpAddr::from([127, 0, 0, 1]), device: "a test".to_owned() }
}

fn stranger() -> Caller {
    let from = Whence { request: Some(RequestId::new()), address: Some(IpAddr::from([203, 0, 113, 9])) };
    Who::Anyone.at(from)
}

fn person(person: PersonCaller) -> Caller {
    Caller::of(Who::Person(person))
}

fn new_person(email: &str, invitation: Option<String>) -> SignUp {
    SignUp { email: email.parse().unwrap(), name: "Ada Example".parse().unwrap(), password: PASSWORD.into(), invitation }
}

fn credentials(password: &str) -> SignIn {
    SignIn { email: "ada@example.com".to_owned(), password: password.into(), cookie: None }
}

#[sqlx::test(migrations = "../../migrations")]
async fn every_change_leaves_one_entry(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let mut log = Log { test: &test, seen: BTreeSet::from(["make_signing_key".to_owned()]) };

    of_the_operator(&mut log).await;
    let customer = test.customer("pro").await;
    Box::pin(of_servers(&mut log, &customer)).await;
    of_people(&mut log, &customer).await;

    let expected: BTreeSet<String> = audit::operations().into_iter().filter(|name| !ELSEWHERE.contains(&name.as_str())).collect();
    assert_eq!(log.seen, expected, "an operation that changes something is tried here, or elsewhere");
    let made = log.entries().await.into_iter().filter(|entry| entry.operation == "make_signing_key").collect::<Vec<_>>();
    assert_eq!((made.len(), made[0].actor.kind), (1, ActorKind::Program), "the node's first start made one");
    test.stop().await;
}

async fn of_the_operator(log: &mut Log<'_>) {
    let (app, admin) = (log.test.app(), log.test.admin());
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
    let (app, caller, sums) = (log.test.app(), &customer.caller, slug("sums"));
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
    let (app, sums) = (log.test.app(), slug("sums"));
    let Who::Key(key) = customer.caller.who else { panic!("no key") };
    let pinning = Caller::of(Who::Key(app::KeyCaller { pins_definitions: true, ..key }));
    let before = log.entries().await.len();
    let server = catalogue::find(app, &pinning, &sums).await.unwrap();
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
    let (app, admin, anyone) = (log.test.app(), log.test.admin(), stranger());
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
    let change = PasswordChange { current: PASSWORD.into(), next: OTHER.into(), clients: LetIn::Keep };
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
    let (app, admin) = (log.test.app(), log.test.admin());
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

#[sqlx::test(migrations = "../../migrations")]
async fn what_is_refused_or_changes_nothing_leaves_no_entry(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    let log = Log { test: &test, seen: BTreeSet::new() };
    let before = log.entries().await;

    let (app, admin, missing) = (test.app(), test.admin(), slug("nowhere"));
    assert!(servers::delete(app, &customer.caller, &missing).await.is_err());
    assert!(customers::set_tier(app, &admin, customer.id, "platinum".parse().unwrap()).await.is_err());
    assert!(customers::set_tier(app, &customer.caller, customer.id, "pro".parse().unwrap()).await.is_err());
    assert!(
        server_access::end(app, &customer.caller, &missing, domain::AccessId::from_uuid(customer.id.as_uuid())).await.is_err()
    );
    let nobody = person(PersonCaller { user: domain::UserId::new(), sign_in: domain::SignInId::new() });
    assert!(consents::revoke(app, &nobody, domain::ConsentId::new()).await.is_err());

    assert_eq!(log.entries().await, before);
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_owner_sees_what_became_of_their_things_and_nothing_else(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let (mine, other) = (test.customer("free").await, test.customer("free").await);
    mine.create_server("mine").await.unwrap();
    other.create_server("theirs").await.unwrap();
    let from = Whence { request: Some(RequestId::new()), address: Some(IpAddr::from([203, 0, 113, 9])) };
    customers::set_tier(test.app(), &Who::Admin.at(from), mine.id, "pro".parse().unwrap()).await.unwrap();
    let page = PageRequest::default();
    let list = async |filter| audit::list_own(test.app(), &mine.caller, filter, &page).await;

    let all = list(AuditFilter::default()).await.unwrap().items;
    let others = list(AuditFilter { customer: Some(other.id), ..AuditFilter::default() }).await.unwrap().items;
    let unknown = list(AuditFilter { operation: Some("set_teir".to_owned()), ..AuditFilter::default() }).await;
    let as_admin = audit::list_own(test.app(), &test.admin(), AuditFilter::default(), &page).await;
    let as_customer = audit::list(test.app(), &mine.caller, AuditFilter::default(), &page).await;

    let names: Vec<_> = all.iter().map(|entry| entry.operation.as_str()).collect();
    assert_eq!(names, ["set_tier", "create_server", "create_api_key", "create_customer"]);
    assert_eq!((all[0].request, all[0].address), (None, None), "where the operator sits is nobody's business");
    assert_eq!(others, all, "a customer asks for its own, whatever it names");
    assert!(matches!(unknown, Err(AppError::Invalid { .. })), "{unknown:?}");
    assert!(matches!(as_admin, Err(AppError::Forbidden { .. })), "{as_admin:?}");
    assert!(matches!(as_customer, Err(AppError::Forbidden { .. })), "{as_customer:?}");
    test.stop().await;
}
