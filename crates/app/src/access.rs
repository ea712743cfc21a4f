//! Who may do what: the whole of it, in one table.

use domain::{ApiKeyId, CustomerId};

use crate::AppError;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Caller {
    /// Whoever runs the platform.
    Admin,
    /// A customer, by one of its API keys.
    Customer {
        /// The customer.
        customer: CustomerId,
        /// The key that was shown.
        api_key: ApiKeyId,
        /// Whether definitions are held against what was read first through that key (SEC-18).
        pins_definitions: bool,
    },
}

/// What a caller can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Admin,
    Customer,
}

macro_rules! operations {
    ($($role:ident: $($operation:ident),+;)+) => {
        /// Everything that can be asked of the application.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum Operation {
            $($($operation,)+)+
        }

        impl Operation {
            /// The role that may do it. A customer's operation touches that customer's own things only; an admin has none.
            pub(crate) const fn role(self) -> Role {
                match self {
                    $($(Self::$operation => Role::$role,)+)+
                }
            }

            #[cfg(test)]
            pub(crate) const ALL: &'static [Self] = &[$($(Self::$operation,)+)+];
        }
    };
}

// The table. An operation stands in it once, under the one role that may do it; a new one does not compile without a place.
operations! {
    Admin:
        CreateCustomer, ListCustomers, LoadCustomer, SetTier,
        CreateApiKey, ListApiKeys, LoadApiKey, ChangeApiKey, DeleteApiKey,
        ListTiers, LoadTier, PutTier,
        ListBreakers, ForceBreaker, LoadEgress;
    Customer:
        CreateServer, ListServers, LoadServer, ChangeServer, DeleteServer,
        PutTool, ListTools, LoadTool, DeleteTool,
        BeginUpload, PutComponent, PutComponents, ReviseComponent, DownloadComponent,
        ListVersions, LoadVersion,
        ListModules,
        PutEnvironment, ListEnvironment, LoadEnvironment, DeleteEnvironment,
        CreateRelease, ListReleases, LoadRelease, RollBack,
        ListExecutions, LoadExecution, SummariseExecutions,
        ListPins, AcceptDefinition,
        FindServed, WatchServed, ComparePinned, CallTool, TryTool, ReadResource, GetPrompt, Complete;
}

/// Lets the caller through if the table gives `operation` to its role. Every use case begins with this or with [`require_customer`].
pub(crate) fn require(caller: &Caller, operation: Operation) -> Result<(), AppError> {
    let role = match caller {
        Caller::Admin => Role::Admin,
        Caller::Customer { .. } => Role::Customer,
    };
    if operation.role() == role {
        return Ok(());
    }
    Err(AppError::Forbidden {
        needed: match operation.role() {
            Role::Admin => "the admin key",
            Role::Customer => "a customer's API key",
        },
    })
}

/// As [`require_customer`], for operations that are the affair of the key that was shown: says whose and which.
pub(crate) fn require_api_key(caller: &Caller, operation: Operation) -> Result<(CustomerId, ApiKeyId), AppError> {
    require(caller, operation)?;
    match caller {
        Caller::Customer { customer, api_key, .. } => Ok((*customer, *api_key)),
        // Not reached while the table gives these operations to customers.
        Caller::Admin => Err(AppError::Forbidden { needed: "a customer's API key" }),
    }
}

/// As [`require`], for operations on a customer's own things: says whose.
pub(crate) fn require_customer(caller: &Caller, operation: Operation) -> Result<CustomerId, AppError> {
    require(caller, operation)?;
    match caller {
        Caller::Customer { customer, .. } => Ok(*customer),
        // Not reached while the table gives these operations to customers.
        Caller::Admin => Err(AppError::Forbidden { needed: "a customer's API key" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The use cases, as their own files name them. One that asks for no operation, or an operation that none asks for, is a hole.
    const USE_CASES: &[(&str, &str)] = &[
        ("api_keys", include_str!("api_keys.rs")),
        ("breakers", include_str!("breakers.rs")),
        ("calls", include_str!("calls.rs")),
        ("catalogue", include_str!("catalogue.rs")),
        ("components", include_str!("components.rs")),
        ("completions", include_str!("completions.rs")),
        ("customers", include_str!("customers.rs")),
        ("environment", include_str!("environment.rs")),
        ("executions", include_str!("executions.rs")),
        ("modules", include_str!("modules.rs")),
        ("pins", include_str!("pins.rs")),
        ("prompts", include_str!("prompts.rs")),
        ("releases", include_str!("releases.rs")),
        ("resources", include_str!("resources.rs")),
        ("servers", include_str!("servers.rs")),
        ("tiers", include_str!("tiers.rs")),
        ("tools", include_str!("tools.rs")),
        ("versions", include_str!("versions.rs")),
    ];

    #[test]
    fn each_operation_is_for_one_role() {
        let customer = Caller::Customer { customer: CustomerId::new(), api_key: ApiKeyId::new(), pins_definitions: false };

        for operation in Operation::ALL {
            let admin_may = require(&Caller::Admin, *operation).is_ok();
            let customer_may = require(&customer, *operation).is_ok();

            assert!(admin_may != customer_may, "{operation:?}");
            assert_eq!(admin_may, operation.role() == Role::Admin, "{operation:?}");
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
}
