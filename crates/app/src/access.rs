//! Who may do what: the whole of it, in one table.

mod caller;

use domain::{CustomerId, MemberRole, Scope, Scopes};

pub(crate) use self::caller::are_for;
pub use self::caller::{Audience, Caller, CallerIdentity, KeyCaller, MemberCaller, PersonCaller, TokenCaller, Whence, Who};
use crate::{AppError, audit::Intent, catalogue::ServedServer};

/// What it takes to do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Needs {
    /// The admin key.
    Admin,
    /// To act for a customer: as a member of this role at least, by a token of this scope for its management, or, where people are not the
    /// matter, by one of its API keys, which stands for an owner.
    Member(MemberRole, Scope),
    /// To be an owner of a customer, signed in, or to show one of its API keys: a client that was let in makes no others.
    Owner,
    /// Nothing: whoever asks has still to show who they are.
    Nothing,
    /// To be signed in.
    Person,
    /// To use a server: by a key of its customer, by a token for it, or without any where it is public.
    Use,
}

macro_rules! operations {
    ($($needs:expr => { changes: [$($change:ident),*], reads: [$($other:ident),*] })+) => {
        /// Everything that can be asked of the application.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum Operation {
            $($($change,)* $($other,)*)+
        }

        impl Operation {
            /// What it takes. An operation for a customer touches that customer's own things only; an admin has none.
            pub(crate) const fn needs(self) -> Needs {
                match self {
                    $($(| Self::$change)* $(| Self::$other)* => $needs,)+
                }
            }

            /// Those that change something that stays: each leaves one entry in the audit log (SEC-14).
            pub(crate) const CHANGES: &'static [Self] = &[$($(Self::$change,)*)+];

            #[cfg(test)]
            pub(crate) const ALL: &'static [Self] = &[$($(Self::$change,)* $(Self::$other,)*)+];
        }
    };
}

// The table. An operation stands in it once, under the one thing that it takes, and as one that changes something or one that only reads; a new
// one does not compile without a place. What runs a version leaves a record of its own instead; `BeginUpload` takes no more than a place in memory, and
// what a key reads first is pinned for it without anybody deciding so.
operations! {
    Needs::Admin => {
        changes: [
            CreateCustomer, SetTier, CreateApiKey, ChangeApiKey, DeleteApiKey, PutTier, ForceBreaker, InviteToCustomer, ChangeUser
        ],
        reads: [
            ListCustomers, LoadCustomer, ListApiKeys, LoadApiKey, ListTiers, LoadTier, ListBreakers, LoadEgress, ListUsers, ListAudit
        ]
    }
    Needs::Nothing => {
        changes: [SignUp, SignIn, SignInByPasskey, SignInUpstream],
        reads: [BeginPasskeySignIn, BeginUpstreamSignIn, FindInvitation]
    }
    Needs::Person => {
        changes: [
            ChangePassword, SignOut, SignOutEverywhere, EndSignIn, AcceptInvitation, RevokeConsent, LeaveCustomer, AddPasskey,
            RenamePasskey, RemovePasskey, ConnectIdentity, DisconnectIdentity, AcceptConsentDefinition, AcceptConsentWords, ChangeConsent
        ],
        reads: [
            LoadAccount, ListActivity, ListConsents, ListConsentPins, ListPasskeys, BeginPasskeyProof, BeginPasskey, ListIdentities,
            BeginIdentity
        ]
    }
    Needs::Owner => {
        changes: [CreateClient, DeleteClient, EndServerAccess],
        reads: [ListClients, LoadClient, ListServerAccess, ListOwnAudit]
    }
    Needs::Member(MemberRole::Viewer, Scope::MembersWrite) => {
        changes: [],
        reads: [ListMembers]
    }
    Needs::Member(MemberRole::Owner, Scope::MembersWrite) => {
        changes: [ChangeMember, RemoveMember, CreateInvitation, RevokeInvitation],
        reads: [ListInvitations]
    }
    Needs::Member(MemberRole::Viewer, Scope::ServersRead) => {
        changes: [],
        reads: [
            ListServers, LoadServer, ListTools, LoadTool, DownloadComponent, ListVersions, LoadVersion, ListModules, ListReleases,
            LoadRelease, ListPins
        ]
    }
    Needs::Member(MemberRole::Viewer, Scope::ExecutionsRead) => {
        changes: [],
        reads: [ListExecutions, LoadExecution, SummariseExecutions]
    }
    Needs::Member(MemberRole::Editor, Scope::ServersWrite) => {
        changes: [
            PutTool, DeleteTool, PutComponent, PutComponents, ReviseComponent, PutEnvironment, DeleteEnvironment, CreateRelease,
            RollBack, AcceptDefinition, AcceptWords, CreateServer, ChangeServer
        ],
        reads: [BeginUpload, TryTool, ListEnvironment, LoadEnvironment]
    }
    Needs::Member(MemberRole::Owner, Scope::ServersWrite) => {
        changes: [DeleteServer],
        reads: []
    }
    Needs::Use => {
        changes: [],
        reads: [
            LoadServed, WatchServed, ComparePinned, ReadWords, CallTool, ReadResource, GetPrompt, Complete, AnswerQuestion
        ]
    }
}

impl Operation {
    /// Whether it changes something that stays.
    pub(crate) fn changes(self) -> bool {
        Self::CHANGES.contains(&self)
    }

    /// Its name in snake case, as the audit log has it.
    pub(crate) fn name(self) -> String {
        let mut name = String::new();
        for letter in format!("{self:?}").chars() {
            if letter.is_ascii_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.push(letter.to_ascii_lowercase());
        }
        name
    }
}

/// As [`require`], for an operation that changes something: that it is written down what, is part of what is let through.
pub(crate) fn require_change(caller: &Caller, operation: Operation) -> Result<Intent, AppError> {
    check_changes(operation)?;
    check(caller, operation)?;
    Ok(Intent::asked(caller, operation))
}

/// As [`require_customer`], likewise.
pub(crate) fn require_customer_change(caller: &Caller, operation: Operation) -> Result<(CustomerId, Intent), AppError> {
    check_changes(operation)?;
    let customer = check_customer(caller, operation)?;
    Ok((customer, Intent::asked(caller, operation).of(customer)))
}

/// As [`require_person`], likewise.
pub(crate) fn require_person_change(caller: &Caller, operation: Operation) -> Result<(PersonCaller, Intent), AppError> {
    check_changes(operation)?;
    let person = check_person(caller, operation)?;
    Ok((person, Intent::asked(caller, operation)))
}

/// Lets the caller through if the table gives `operation` to the admin, and the admin asks, or to anybody.
pub(crate) fn require(caller: &Caller, operation: Operation) -> Result<(), AppError> {
    check_reads(operation)?;
    check(caller, operation)
}

fn check(caller: &Caller, operation: Operation) -> Result<(), AppError> {
    match (operation.needs(), &caller.who) {
        (Needs::Admin, Who::Admin) | (Needs::Nothing, _) => Ok(()),
        (Needs::Admin, _) => Err(AppError::Forbidden { needed: "the admin key" }),
        // Not reached while the table gives the operations of others to those functions.
        _ => Err(refusal(operation)),
    }
}

/// Lets the caller through if the table gives `operation` to whom it acts for, and says whom. Every use case about a customer's own things
/// begins with this.
pub(crate) fn require_customer(caller: &Caller, operation: Operation) -> Result<CustomerId, AppError> {
    check_reads(operation)?;
    check_customer(caller, operation)
}

fn check_customer(caller: &Caller, operation: Operation) -> Result<CustomerId, AppError> {
    let (least, scope) = match operation.needs() {
        Needs::Member(least, scope) => (least, scope),
        Needs::Owner => return require_owner(caller, operation),
        _ => return Err(refusal(operation)),
    };
    match &caller.who {
        Who::Key(key) if scope != Scope::MembersWrite => Ok(key.customer),
        Who::Member(member) if member.role >= least => Ok(member.customer),
        Who::Member(_) => Err(AppError::Role { needed: least }),
        Who::Token(token) => match token.audience {
            Audience::Management { customer, role } if token.scopes.allows(&scope) => {
                if role >= least {
                    Ok(customer)
                } else {
                    Err(AppError::Role { needed: least })
                }
            }
            // All that a token needs which does what this one did so far, and this (RFC 6750, section 3.1).
            Audience::Management { .. } => Err(AppError::Scope { needed: token.scopes.with(&Scopes::of([scope])) }),
            Audience::Server(_) => Err(refusal(operation)),
        },
        _ => Err(refusal(operation)),
    }
}

fn require_owner(caller: &Caller, operation: Operation) -> Result<CustomerId, AppError> {
    match &caller.who {
        Who::Key(key) => Ok(key.customer),
        Who::Member(member) if member.role == MemberRole::Owner => Ok(member.customer),
        Who::Member(_) => Err(AppError::Role { needed: MemberRole::Owner }),
        _ => Err(refusal(operation)),
    }
}

/// Lets a person through who is signed in, and says who: for what is theirs alone.
pub(crate) fn require_person(caller: &Caller, operation: Operation) -> Result<PersonCaller, AppError> {
    check_reads(operation)?;
    check_person(caller, operation)
}

fn check_person(caller: &Caller, operation: Operation) -> Result<PersonCaller, AppError> {
    match (operation.needs(), &caller.who) {
        (Needs::Person, Who::Person(person)) => Ok(*person),
        (Needs::Person, Who::Member(MemberCaller { user, sign_in, .. })) => Ok(PersonCaller { user: *user, sign_in: *sign_in }),
        _ => Err(refusal(operation)),
    }
}

/// Lets the caller through if it may use servers at all; which, says [`check_use`].
pub(crate) fn require_use(caller: &Caller, operation: Operation) -> Result<(), AppError> {
    match (operation.needs(), &caller.who) {
        (Needs::Use, Who::Key(_) | Who::Anyone) => Ok(()),
        (Needs::Use, Who::Token(token)) if matches!(token.audience, Audience::Server(_)) => Ok(()),
        _ => Err(refusal(operation)),
    }
}

/// Whether the caller may use this very server. One that it may not use answers as one that there is not (SEC-17).
pub(crate) fn may_use(caller: &Caller, server: &ServedServer) -> bool {
    match &caller.who {
        Who::Key(key) => key.customer == server.customer,
        Who::Token(token) => token.audience == Audience::Server(server.server_id),
        Who::Admin | Who::Member(_) | Who::Person(_) | Who::Anyone => false,
    }
}

/// Refuses what changes something to a use case that would leave no entry: it lets nobody through, so that no test of it passes.
fn check_reads(operation: Operation) -> Result<(), AppError> {
    if operation.changes() {
        return Err(AppError::internal("a change was begun as if it were none", format!("{operation:?}")));
    }
    Ok(())
}

/// Refuses what the table has as reading to a use case that would leave an entry.
fn check_changes(operation: Operation) -> Result<(), AppError> {
    if operation.changes() {
        return Ok(());
    }
    Err(AppError::internal("something was begun as a change that is none", format!("{operation:?}")))
}

fn refusal(operation: Operation) -> AppError {
    AppError::Forbidden {
        needed: match operation.needs() {
            Needs::Admin => "the admin key",
            Needs::Member(_, Scope::MembersWrite) => "a member of the customer, signed in",
            Needs::Owner => "an owner of the customer, signed in, or a customer's API key",
            Needs::Member(..) => "a customer's API key",
            Needs::Person | Needs::Nothing => "a person who is signed in",
            Needs::Use => "a customer's API key, or a token for this server",
        },
    }
}

#[cfg(test)]
mod tests;
