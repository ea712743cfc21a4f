//! Signing in by an issuer elsewhere, and connecting one.

use app::{
    Caller,
    accounts::{
        self, Proof, SignUp,
        upstream::{self, Begun, Browser, Finished, NewUpstreamSignIn, UpstreamAnswer, UpstreamError},
    },
    audit::ActorKind,
};
use domain::UpstreamId;
use serde_json::json;
use sqlx::PgPool;
use testkit::{TestApp, TestIssuer, TestOptions};

use super::{Log, person, stranger, whence, whereabouts};

const PASSWORD: &str = "nineteen green bicycles";

pub(crate) const OPERATIONS: &[&str] = &["connect_identity", "disconnect_identity", "refuse_sign_in", "sign_in_upstream"];

#[sqlx::test(migrations = "../../migrations")]
async fn each_leaves_one_entry(pool: PgPool) {
    let issuer = TestIssuer::start().await;
    let upstreams = vec![issuer.settings("acme")];
    let options = TestOptions { egress: TestIssuer::egress(&[&issuer]), upstreams, ..TestOptions::default() };
    let test = TestApp::start_with(&pool, options).await;
    let (app, acme, anyone) = (test.app(), "acme".parse::<UpstreamId>().unwrap(), stranger());
    let mut log = Log::of(&test);
    log.hide(PASSWORD);
    let begin = async || {
        let begun = upstream::begin_sign_in(app, &anyone, whereabouts().address, &acme, NewUpstreamSignIn::default()).await;
        begun.unwrap()
    };

    let begun = log.none(begin()).await;
    let (signed_in, entry) = log.one("sign_in_upstream", come_back(&test, &issuer, &anyone, &begun)).await;
    let Finished::SignedIn(ada) = signed_in else { panic!("{signed_in:?}") };
    assert_eq!((entry.actor.kind, entry.actor.id), (ActorKind::Person, Some(ada.person.user.as_uuid())));
    assert_eq!((entry.actor.sign_in, entry.thing.id), (Some(ada.person.sign_in), Some(ada.person.user.as_uuid())));
    assert_eq!((entry.request, entry.address), (anyone.from.request, anyone.from.address));
    assert_eq!(json!(entry.details), json!({"by": "acme", "device": "a test"}));
    log.hide(ada.token.expose());

    let begun = begin().await;
    issuer.change(|state| state.signing_key = 9);
    let forged = async {
        match come_back(&test, &issuer, &anyone, &begun).await {
            Err(UpstreamError::NotVerified { .. }) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    };
    let ((), entry) = log.one("refuse_sign_in", forged).await;
    assert_eq!((entry.actor.kind, entry.thing.id, entry.address), (ActorKind::Anyone, None, anyone.from.address));
    assert_eq!((json!(entry.details), entry.account), (json!({"by": "acme", "device": "a test"}), None));
    issuer.change(|state| {
        state.signing_key = 1;
        state.claims = json!({"sub": "bob-elsewhere", "email": "bob@elsewhere.test"});
    });

    connecting(&mut log, &test, &issuer).await;
    log.hide("bob-elsewhere");
    log.end(OPERATIONS).await;
    test.stop().await;
}

async fn connecting(log: &mut Log<'_>, test: &TestApp, issuer: &TestIssuer) {
    let (app, acme) = (test.app(), "acme".parse::<UpstreamId>().unwrap());
    let new = SignUp {
        email: "bob@example.com".parse().unwrap(),
        name: "Bob Example".parse().unwrap(),
        password: PASSWORD.into(),
        invitation: None,
    };
    let bob = accounts::sign_up(app, &stranger(), whereabouts(), new).await.unwrap();
    let caller = Caller { from: whence(), ..person(bob.person) };
    let proof = Proof::Password(PASSWORD.into());

    let begun = log.none(upstream::begin_connection(app, &caller, &whereabouts(), &acme, proof)).await.unwrap();
    let (_, entry) = log.one("connect_identity", come_back(test, issuer, &caller, &begun)).await;
    let identity = accounts::list_identities(app, &caller).await.unwrap().remove(0).identity_id;
    let ((), removed) = log.one("disconnect_identity", accounts::disconnect(app, &caller, identity)).await;

    assert_eq!(json!(entry.details), json!({"upstream": "acme"}));
    for entry in [entry, removed] {
        assert_eq!((entry.thing.kind.as_str(), entry.thing.id), ("identity", Some(identity.as_uuid())));
        assert_eq!((entry.actor.kind, entry.actor.id), (ActorKind::Person, Some(bob.person.user.as_uuid())));
        assert_eq!((entry.actor.sign_in, entry.request), (Some(bob.person.sign_in), caller.from.request));
    }
}

/// What becomes of a browser that goes to the issuer and comes back.
async fn come_back(test: &TestApp, issuer: &TestIssuer, caller: &Caller, begun: &Begun) -> Result<Finished, UpstreamError> {
    let back = issuer.visit(begun.location.as_str());
    let (_, query) = back.split_once('?').unwrap();
    let mut answer = UpstreamAnswer::default();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()).into_owned() {
        match name.as_str() {
            "state" => answer.state = value,
            "code" => answer.code = Some(value),
            "iss" => answer.issuer = Some(value),
            _ => panic!("{back}"),
        }
    }
    let browser = Browser { secret: Some(begun.secret.expose().to_owned()), sign_in: None };
    upstream::finish(test.app(), caller, whereabouts(), &"acme".parse().unwrap(), answer, browser).await
}
