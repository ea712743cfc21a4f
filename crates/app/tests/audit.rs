//! The audit log (SEC-14): every change leaves one entry, in its transaction. Each operation is driven by one test, which is beside the other tests of
//! what it does where that takes a world of its own.

mod identities;
mod retention;
mod things;

use std::{collections::BTreeSet, net::IpAddr};

use app::{
    App, AppError, Caller, PageRequest, PersonCaller, Whence, Who,
    accounts::Whereabouts,
    audit::{self, AuditFilter, Entry},
    consents, customers, server_access, servers,
};
use domain::RequestId;
use sqlx::PgPool;
use testkit::TestApp;

use crate::sources::slug;

/// The log of an installation, and which operations were seen in it.
pub(crate) struct Log<'a> {
    app: &'a App,
    admin: Caller,
    seen: BTreeSet<String>,
    secrets: Vec<String>,
}

impl<'a> Log<'a> {
    pub(crate) fn of(test: &'a TestApp) -> Self {
        Self { app: test.app(), admin: test.admin(), seen: BTreeSet::new(), secrets: Vec::new() }
    }

    /// The newest entries, newest first.
    pub(crate) async fn entries(&self) -> Vec<Entry> {
        let page = PageRequest::new(None, Some(100)).unwrap();
        audit::list(self.app, &self.admin, AuditFilter::default(), &page).await.unwrap().items
    }

    /// Does something that leaves just one entry, of this operation.
    pub(crate) fn one<T, E: std::fmt::Debug>(
        &mut self,
        operation: &str,
        act: impl Future<Output = Result<T, E>>,
    ) -> impl Future<Output = (T, Entry)> {
        let act = Box::pin(act);
        async move {
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

    /// Does something that leaves none.
    pub(crate) fn none<T>(&self, act: impl Future<Output = T>) -> impl Future<Output = T> {
        let act = Box::pin(act);
        async move {
            let before = self.entries().await;
            let done = act.await;
            assert_eq!(self.entries().await, before);
            done
        }
    }

    /// What no entry may have in it.
    pub(crate) fn hide(&mut self, secret: &str) {
        assert!(!secret.is_empty());
        self.secrets.push(secret.to_owned());
    }

    /// Ends the test that drives these operations: each of them was seen, and no secret was.
    pub(crate) async fn end(self, operations: &[&str]) {
        let expected: BTreeSet<String> = operations.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(self.seen, expected);
        let all = format!("{:?}", self.entries().await);
        for secret in &self.secrets {
            assert!(!all.contains(secret.as_str()), "{secret} is in the log: {all}");
        }
    }
}

/// Somebody who comes from somewhere.
pub(crate) fn whence() -> Whence {
    Whence { request: Some(RequestId::new()), address: Some(IpAddr::from([203, 0, 113, 9])) }
}

fn whereabouts() -> Whereabouts {
    Whereabouts { address: IpAddr::from([127, 0, 0, 1]), device: "a test".to_owned() }
}

fn stranger() -> Caller {
    Who::Anyone.at(whence())
}

fn person(person: PersonCaller) -> Caller {
    Caller::of(Who::Person(person))
}

/// Whoever adds an operation that changes something, says here which test drives it.
#[test]
fn every_operation_is_driven_by_a_test() {
    let tests = [
        things::OPERATIONS,
        identities::OPERATIONS,
        retention::OPERATIONS,
        crate::components::audited::OPERATIONS,
        crate::passkeys::audited::OPERATIONS,
        crate::secrets::audited::OPERATIONS,
        crate::tokens::audited::OPERATIONS,
        crate::tokens::held_back::OPERATIONS,
    ];

    let driven: BTreeSet<String> = tests.concat().into_iter().map(str::to_owned).collect();

    assert_eq!(driven, audit::operations().into_iter().collect());
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_is_refused_or_changes_nothing_leaves_no_entry(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    let log = Log::of(&test);
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
    customers::set_tier(test.app(), &Who::Admin.at(whence()), mine.id, "pro".parse().unwrap()).await.unwrap();
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
