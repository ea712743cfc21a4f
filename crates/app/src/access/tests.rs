use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::{ApiKeyId, AuthorizationId, CustomerId, MemberRole, Scopes, ServerId, SignInId, UserId};

use super::*;

/// The use cases, as their own files name them. One that asks for no operation, or an operation that none asks for, is a hole.
const USE_CASES: &[(&str, &str)] = &[
    ("accounts/activity", include_str!("../accounts/activity.rs")),
    ("accounts/identities", include_str!("../accounts/identities.rs")),
    ("accounts/own", include_str!("../accounts/own.rs")),
    ("accounts/passkeys", include_str!("../accounts/passkeys.rs")),
    ("accounts/passkeys/assertion", include_str!("../accounts/passkeys/assertion.rs")),
    ("accounts/passkeys/registration", include_str!("../accounts/passkeys/registration.rs")),
    ("accounts/passkeys/sign_in", include_str!("../accounts/passkeys/sign_in.rs")),
    ("accounts/sign_in", include_str!("../accounts/sign_in.rs")),
    ("accounts/sign_up", include_str!("../accounts/sign_up.rs")),
    ("accounts/upstream/answer", include_str!("../accounts/upstream/answer.rs")),
    ("accounts/upstream/begin", include_str!("../accounts/upstream/begin.rs")),
    ("accounts/users", include_str!("../accounts/users.rs")),
    ("api_keys", include_str!("../api_keys.rs")),
    ("audit/listing", include_str!("../audit/listing.rs")),
    ("breakers", include_str!("../breakers.rs")),
    ("calls", include_str!("../calls.rs")),
    ("catalogue", include_str!("../catalogue.rs")),
    ("components", include_str!("../components.rs")),
    ("completions", include_str!("../completions.rs")),
    ("consents", include_str!("../consents.rs")),
    ("customers", include_str!("../customers.rs")),
    ("environment", include_str!("../environment.rs")),
    ("executions", include_str!("../executions.rs")),
    ("invitations", include_str!("../invitations.rs")),
    ("machine_clients", include_str!("../machine_clients.rs")),
    ("members", include_str!("../members.rs")),
    ("modules", include_str!("../modules.rs")),
    ("pins", include_str!("../pins.rs")),
    ("pins/consents", include_str!("../pins/consents.rs")),
    ("pins/words", include_str!("../pins/words.rs")),
    ("prompts", include_str!("../prompts.rs")),
    ("questions", include_str!("../questions.rs")),
    ("releases", include_str!("../releases.rs")),
    ("resources", include_str!("../resources.rs")),
    ("server_access", include_str!("../server_access.rs")),
    ("servers", include_str!("../servers.rs")),
    ("tiers", include_str!("../tiers.rs")),
    ("tools", include_str!("../tools.rs")),
    ("versions", include_str!("../versions.rs")),
];

fn key() -> Caller {
    Caller::of(Who::Key(KeyCaller { customer: CustomerId::new(), api_key: ApiKeyId::new(), pins_definitions: false }))
}

fn member(role: MemberRole) -> Caller {
    Caller::of(Who::Member(MemberCaller { user: UserId::new(), sign_in: SignInId::new(), customer: CustomerId::new(), role }))
}

fn token(audience: Audience, scopes: &str) -> Caller {
    Caller::of(Who::Token(Arc::new(TokenCaller {
        authorization: AuthorizationId::new(),
        client: "client".to_owned(),
        user: Some(UserId::new()),
        consent: None,
        pins_definitions: false,
        audience,
        scopes: scopes.parse::<Scopes>().unwrap(),
        expires_at: DateTime::<Utc>::MAX_UTC,
    })))
}

fn may(caller: &Caller, operation: Operation) -> bool {
    match operation.needs() {
        Needs::Admin | Needs::Nothing => check(caller, operation).is_ok(),
        Needs::Member(..) | Needs::Owner => check_customer(caller, operation).is_ok(),
        Needs::Use => require_use(caller, operation).is_ok(),
        Needs::Person => check_person(caller, operation).is_ok(),
    }
}

/// What takes that somebody shows who they are.
fn guarded() -> impl Iterator<Item = Operation> {
    Operation::ALL.iter().copied().filter(|operation| operation.needs() != Needs::Nothing)
}

#[test]
fn before_anybody_is_known_they_sign_up_or_in_or_look_at_an_invitation() {
    let open: Vec<_> = Operation::ALL.iter().filter(|operation| may(&Caller::of(Who::Anyone), **operation)).collect();

    let needs_nothing = open.iter().filter(|operation| operation.needs() == Needs::Nothing).count();
    assert_eq!(needs_nothing, 7, "{open:?}");
    assert!(open.iter().all(|operation| matches!(operation.needs(), Needs::Nothing | Needs::Use)), "{open:?}");
}

#[test]
fn a_person_may_what_is_about_themselves() {
    let person = Caller::of(Who::Person(PersonCaller { user: UserId::new(), sign_in: SignInId::new() }));
    for operation in guarded() {
        assert_eq!(may(&person, operation), operation.needs() == Needs::Person, "{operation:?}");
    }
}

#[test]
fn the_admin_may_what_is_the_admins_and_nothing_else() {
    for operation in guarded() {
        assert_eq!(may(&Caller::of(Who::Admin), operation), operation.needs() == Needs::Admin, "{operation:?}");
    }
}

#[test]
fn an_api_key_stands_for_an_owner_but_where_people_are_the_matter() {
    for operation in guarded() {
        let expected = match operation.needs() {
            Needs::Admin | Needs::Person | Needs::Nothing => false,
            Needs::Member(_, scope) => scope != Scope::MembersWrite,
            Needs::Use | Needs::Owner => true,
        };
        assert_eq!(may(&key(), operation), expected, "{operation:?}");
    }
}

#[test]
fn a_member_may_what_the_role_may_and_uses_no_server_by_a_sign_in() {
    for role in [MemberRole::Viewer, MemberRole::Editor, MemberRole::Owner] {
        for operation in guarded() {
            let expected = match operation.needs() {
                Needs::Member(least, _) => role >= least,
                Needs::Owner => role == MemberRole::Owner,
                needs => needs == Needs::Person,
            };
            assert_eq!(may(&member(role), operation), expected, "{role:?} {operation:?}");
        }
    }
}

#[test]
fn a_token_for_the_management_may_what_both_its_scopes_and_the_role_of_its_user_allow() {
    let management = |role| Audience::Management { customer: CustomerId::new(), role };
    for operation in guarded() {
        let Needs::Member(least, scope) = operation.needs() else {
            assert!(!may(&token(management(MemberRole::Owner), "servers:write mcp:tools"), operation), "{operation:?}");
            continue;
        };
        assert!(may(&token(management(MemberRole::Owner), &scope.to_string()), operation), "{operation:?}");
        assert!(!may(&token(management(MemberRole::Owner), "mcp:tools"), operation), "{operation:?}");
        let viewers = may(&token(management(MemberRole::Viewer), &scope.to_string()), operation);
        assert_eq!(viewers, least == MemberRole::Viewer, "{operation:?}");
    }
}

#[test]
fn a_token_for_a_server_uses_servers_and_nothing_else() {
    let caller = token(Audience::Server(ServerId::new()), "mcp:tools servers:write members:write");
    for operation in guarded() {
        assert_eq!(may(&caller, operation), operation.needs() == Needs::Use, "{operation:?}");
    }
}

#[test]
fn what_changes_something_lets_nobody_through_who_would_leave_no_entry() {
    let person = Caller::of(Who::Person(PersonCaller { user: UserId::new(), sign_in: SignInId::new() }));
    let admin = Caller::of(Who::Admin);
    for operation in Operation::ALL.iter().copied().filter(|operation| operation.needs() != Needs::Use) {
        let (read, changed) = match operation.needs() {
            Needs::Person => (require_person(&person, operation).is_ok(), require_person_change(&person, operation).is_ok()),
            Needs::Member(..) | Needs::Owner => {
                let owner = member(MemberRole::Owner);
                (require_customer(&owner, operation).is_ok(), require_customer_change(&owner, operation).is_ok())
            }
            _ => (require(&admin, operation).is_ok(), require_change(&admin, operation).is_ok()),
        };

        assert_eq!((read, changed), (!operation.changes(), operation.changes()), "{operation:?}");
    }
}

#[test]
fn every_use_case_begins_by_asking_for_its_operation() {
    for (file, text) in USE_CASES {
        let text = text.replace("\npub async fn ", "\npub fn ");
        for function in text.split("\npub fn ").skip(1) {
            let name = function.split('(').next().unwrap_or_default();
            let body = function.split_once("{\n").map_or("", |(_, body)| body);
            let first = body.lines().next().unwrap_or_default().trim();

            assert!(first.contains("access::require"), "{file}::{name} begins with `{first}`");
        }
    }
}

#[test]
fn every_operation_is_asked_for_by_one_use_case() {
    for operation in Operation::ALL {
        let asked = format!("Operation::{operation:?})?");
        let times: usize = USE_CASES.iter().map(|(_, text)| text.matches(&asked).count()).sum();

        assert_eq!(times, 1, "{operation:?}");
    }
}
