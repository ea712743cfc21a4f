//! Who may do what: the whole of it, in one table.

mod caller;

use domain::{CustomerId, MemberRole, Scope, Scopes};

pub use self::caller::{Audience, Caller, CallerIdentity, KeyCaller, MemberCaller, PersonCaller, TokenCaller, Whence, Who};
use crate::{AppError, catalogue::ServedServer};

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
    ($($needs:ident $(($role:ident, $scope:ident))?: $($operation:ident),+;)+) => {
        /// Everything that can be asked of the application.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum Operation {
            $($($operation,)+)+
        }

        impl Operation {
            /// What it takes. An operation for a customer touches that customer's own things only; an admin has none.
            pub(crate) const fn needs(self) -> Needs {
                match self {
                    $($(Self::$operation)|+ => Needs::$needs $((MemberRole::$role, Scope::$scope))?,)+
                }
            }

            #[cfg(test)]
            pub(crate) const ALL: &'static [Self] = &[$($(Self::$operation,)+)+];
        }
    };
}

// The table. An operation stands in it once, under the one thing that it takes; a new one does not compile without a place.
operations! {
    Admin:
        CreateCustomer, ListCustomers, LoadCustomer, SetTier,
        CreateApiKey, ListApiKeys, LoadApiKey, ChangeApiKey, DeleteApiKey,
        ListTiers, LoadTier, PutTier,
        ListBreakers, ForceBreaker, LoadEgress,
        InviteToCustomer, ListUsers, ChangeUser;
    Nothing:
        SignUp, SignIn, BeginPasskeySignIn, SignInByPasskey, FindInvitation;
    Person:
        LoadAccount, ChangePassword, SignOut, SignOutEverywhere, EndSignIn, AcceptInvitation,
        ListConsents, RevokeConsent, LeaveCustomer,
        ListPasskeys, BeginPasskeyProof, BeginPasskey, AddPasskey, RenamePasskey, RemovePasskey;
    Owner:
        CreateClient, ListClients, LoadClient, DeleteClient,
        ListServerAccess, EndServerAccess;
    Member(Viewer, MembersWrite):
        ListMembers;
    Member(Owner, MembersWrite):
        ChangeMember, RemoveMember,
        CreateInvitation, ListInvitations, RevokeInvitation;
    Member(Viewer, ServersRead):
        ListServers, LoadServer,
        ListTools, LoadTool, DownloadComponent,
        ListVersions, LoadVersion,
        ListModules,
        ListReleases, LoadRelease,
        ListPins;
    Member(Viewer, ExecutionsRead):
        ListExecutions, LoadExecution, SummariseExecutions;
    Member(Editor, ServersWrite):
        PutTool, DeleteTool,
        BeginUpload, PutComponent, PutComponents, ReviseComponent,
        TryTool,
        PutEnvironment, ListEnvironment, LoadEnvironment, DeleteEnvironment,
        CreateRelease, RollBack,
        AcceptDefinition, AcceptWords,
        CreateServer, ChangeServer;
    Member(Owner, ServersWrite):
        DeleteServer;
    Use:
        FindServed, WatchServed, ComparePinned, ReadWords, CallTool, ReadResource, GetPrompt, Complete, AnswerQuestion;
}

/// Lets the caller through if the table gives `operation` to the admin, and the admin asks, or to anybody.
pub(crate) fn require(caller: &Caller, operation: Operation) -> Result<(), AppError> {
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
