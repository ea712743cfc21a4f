//! What each server serves, as snapshots in memory: nothing on the way of a call grows with the number of servers (RUN-4).

mod weight;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use compiler::LibraryModule;
use domain::{
    AccessPolicy, CustomerId, Digest, EnvName, EnvValue, Grants, HostPattern, KeepContents, Language, ReleaseId, ServerId,
    ServerWords, Slug, ToolInterface, VersionId,
};
use egress::Permission;
use sandbox::ToolForm;
use secrecy::ExposeSecret as _;
use store::{serving, signatures::SignedVersion};

use crate::{
    App, AppError, Caller, Who,
    access::{self, Operation},
    artifacts::{self, ArtifactSlot},
    modules,
    offers::Offers,
    outside, policies,
    secrets::{self, OpenSecret},
    signing::{SignatureError, Signer},
    watches::{Side, Watch, WatchesFull},
};

/// Characters of a URI that an error repeats.
pub(crate) const URI_CHARS_SHOWN: usize = 200;

/// What a server serves now.
#[derive(Debug)]
pub struct ServedServer {
    /// The server.
    pub server_id: ServerId,
    /// Its public name.
    pub slug: Slug,
    /// What it says of itself.
    pub words: ServerWords,
    /// The release; absent before the first one, and then it offers nothing.
    pub release_id: Option<ReleaseId>,
    /// What that release has.
    pub offers: Offers,
    /// Who may use it, besides its customer's API keys.
    pub access: AccessPolicy,
    /// Of which calls the contents are kept.
    pub(crate) keep_contents: KeepContents,
    /// Whose it is.
    pub(crate) customer: CustomerId,
    /// All its environment values.
    pub(crate) environment: BTreeMap<EnvName, EnvValue>,
    /// The names of the secrets that callers may bring for anything of it.
    pub names_from_callers: BTreeSet<EnvName>,
}

/// A version that is ready to be called.
#[derive(Debug)]
pub struct ServedTool {
    /// Whose it is.
    pub(crate) customer: CustomerId,
    /// The version that runs.
    pub version_id: VersionId,
    /// The version's digest.
    pub digest: Digest,
    /// What it says of itself.
    pub interface: Arc<ToolInterface>,
    /// The digest of what a client reads of it ([`ToolInterface::definition_digest`]).
    pub definition_digest: Digest,
    pub(crate) language: Language,
    pub(crate) form: ToolForm,
    pub(crate) source_digest: Digest,
    /// Whether this is what was put: only then it runs (SEC-10).
    pub(crate) signed: Result<(), SignatureError>,
    pub(crate) artifact: ArtifactSlot,
    /// The values that it was granted.
    pub(crate) environment: Arc<BTreeMap<EnvName, EnvValue>>,
    /// About how much memory it takes, with its interface and its values: each tool has its own.
    bytes: u64,
    /// A library module that it imports and that not every tier has.
    pub(crate) richer_module: Option<&'static LibraryModule>,
    /// How many hosts it was granted.
    pub(crate) granted_hosts: usize,
    /// What it may do outside.
    pub(crate) permission: Arc<Permission>,
    /// Secrets of the caller that count, with the hosts that may receive them.
    pub(crate) from_callers: BTreeMap<EnvName, Vec<HostPattern>>,
}

/// What a [`ServedTool`] is made of.
#[derive(Debug)]
pub(crate) struct ToolParts<'a> {
    pub(crate) version_id: VersionId,
    pub(crate) digest: Digest,
    pub(crate) language: Language,
    pub(crate) export: Option<String>,
    pub(crate) source_digest: Digest,
    pub(crate) signed: Result<(), SignatureError>,
    pub(crate) artifact: Option<Digest>,
    pub(crate) interface: ToolInterface,
    pub(crate) grants: &'a Grants,
    pub(crate) environment: &'a BTreeMap<EnvName, EnvValue>,
    pub(crate) customer: CustomerId,
    /// The server's secrets, as far as its grants name them.
    pub(crate) secrets: &'a BTreeMap<EnvName, OpenSecret>,
}

/// What server `slug` serves, which the caller may use: what the lists show.
pub async fn load(app: &App, caller: &Caller, slug: &Slug) -> Result<Arc<ServedServer>, AppError> {
    access::require_use(caller, Operation::LoadServed)?;
    load_usable(app, caller, slug).await
}

/// Watches what server `slug`, which the caller may use, serves from now on, whichever node changes it ([`Watch::changed`]). Refused with
/// [`AppError::Busy`] when as many watch as may: all of them, those who are no members, the strangers, or those of the same network or person.
pub async fn watch(app: &App, caller: &Caller, slug: &Slug) -> Result<Watch, AppError> {
    access::require_use(caller, Operation::WatchServed)?;
    let server = load_usable(app, caller, slug).await?;
    let side = Side::of(app, caller, &server).await?;
    let full = |WatchesFull| AppError::Busy { limit: None, retry_after_s: 5 };
    let place = app.memory.watches.add(slug, caller, side).map_err(full)?;
    place.check_caller(app).await?;
    place.watch(app).await
}

/// As [`load`], for use cases that have asked already.
pub(crate) async fn load_usable(app: &App, caller: &Caller, slug: &Slug) -> Result<Arc<ServedServer>, AppError> {
    let server = match load_any(app, slug).await {
        Ok(server) => policies::allow(app, caller, &server).await?.then_some(server),
        Err(AppError::NotFound { .. }) => None,
        Err(error) => return Err(error),
    };
    // A server that one may not use answers as one that there is not (SEC-17): to whoever has a key of somebody else, and to whoever has to
    // show something better.
    server.ok_or_else(|| match caller.who {
        Who::Token(_) | Who::Anyone => AppError::Unauthenticated,
        _ => AppError::not_found("server", slug),
    })
}

/// What `customer`'s own server serves.
pub(crate) async fn load_own(app: &App, customer: CustomerId, slug: &Slug) -> Result<Arc<ServedServer>, AppError> {
    let server = load_any(app, slug).await?;
    if server.customer == customer { Ok(server) } else { Err(AppError::not_found("server", slug)) }
}

/// What the server of this name serves, whosever it is. That there is none is remembered as well, else who may not use a server would tell from
/// the time of the answer whether there is one (SEC-17).
pub(crate) async fn load_any(app: &App, slug: &Slug) -> Result<Arc<ServedServer>, AppError> {
    if let Some(server) = app.memory.servers.find(slug) {
        return Ok(server);
    }
    let mut found = None;
    let place = &mut found;
    let look = move || async move {
        match read(app, slug).await {
            Err(AppError::NotFound { .. }) => Ok(()),
            // It is there, and nothing to keep among those that are not.
            Ok(server) => {
                *place = Some(server);
                Err(AppError::not_found("absence of server", slug))
            }
            Err(error) => Err(error),
        }
    };
    let is_absent = app.memory.absent_servers.get(slug, look).await;
    match (found, is_absent) {
        (Some(server), _) => Ok(server),
        (None, Ok(())) => Err(AppError::not_found("server", slug)),
        (None, Err(error)) => Err(error),
    }
}

/// As it is kept, or from the database.
async fn read(app: &App, slug: &Slug) -> Result<Arc<ServedServer>, AppError> {
    let read = || async {
        let mut connection = app.pool.acquire().await?;
        let found = serving::find_by_slug(&mut connection, slug, &app.engine).await?;
        let mut found = found.ok_or_else(|| AppError::not_found("server", slug))?;
        let versions = match found.release {
            Some(release) => store::signatures::list_of_release(&mut connection, release).await?,
            None => Vec::new(),
        };
        let names = found.tools.values().flat_map(|tool| tool.grants.secrets.keys().cloned()).collect();
        let secrets = secrets::open(app, &mut connection, found.customer, found.id, &names).await?;
        drop(connection);
        let customer = found.customer;
        for tool in found.tools.values_mut() {
            let key = artifacts::key(app, tool.language, tool.source_digest);
            tool.artifact = tool.artifact.filter(|artifact| artifacts::is_ours(app, &key, artifact));
        }
        let signer = Arc::clone(&app.signer);
        // To read, check and digest what hundreds of tools say of themselves takes longer than a thread that serves others may be held.
        let make = move || ServedServer::new(found, &secrets, &versions, &signer).map(Arc::new);
        app.preparations.run(customer, make).await?
    };
    app.memory.servers.get(slug, read).await
}

impl ServedServer {
    /// About how much memory it takes. Compiled schemas are kept, and counted, elsewhere.
    pub(crate) fn bytes(&self) -> u64 {
        let own = ServedTool::BYTES + self.environment.values().map(|value| value.as_str().len() as u64).sum::<u64>();
        self.offers.all().map(|(_, tool)| tool.bytes).fold(own, u64::saturating_add)
    }

    fn new(
        server: serving::ServedServer,
        secrets: &BTreeMap<EnvName, OpenSecret>,
        versions: &[SignedVersion],
        signer: &Signer,
    ) -> Result<Self, AppError> {
        let serving::ServedServer {
            id,
            customer,
            slug,
            title,
            description,
            release,
            tools,
            keep_contents,
            access,
            environment,
            ..
        } = server;
        let versions: HashMap<VersionId, &SignedVersion> = versions.iter().map(|version| (version.version, version)).collect();
        let mut ready = BTreeMap::new();
        let mut names_from_callers = BTreeSet::new();
        for (name, tool) in tools {
            names_from_callers.extend(tool.grants.from_caller.keys().cloned());
            let interface = tool.interface.read()?;
            let parts = ToolParts {
                version_id: tool.version,
                digest: tool.digest,
                language: tool.language,
                export: tool.export,
                source_digest: tool.source_digest,
                signed: signer.check(versions.get(&tool.version).copied(), &tool.grants, &interface),
                artifact: tool.artifact.map(|artifact| artifact.digest),
                interface,
                grants: &tool.grants,
                environment: &environment,
                customer,
                secrets,
            };
            ready.insert(name, Arc::new(ServedTool::new(parts)));
        }
        Ok(Self {
            server_id: id,
            slug,
            words: ServerWords { title, description },
            release_id: release,
            offers: Offers::sort(ready),
            access,
            keep_contents,
            customer,
            environment,
            names_from_callers,
        })
    }
}

impl ServedTool {
    /// Bytes of a tool beside what is counted one by one.
    const BYTES: u64 = 4 * 1024;

    /// Picks out the granted values.
    pub(crate) fn new(parts: ToolParts<'_>) -> Self {
        let interface = parts.interface;
        let granted = parts.environment.iter().filter(|(name, _)| parts.grants.env.contains(*name));
        let environment: BTreeMap<EnvName, EnvValue> = granted.map(|(name, value)| (name.clone(), value.clone())).collect();
        let secrets = parts.grants.secrets.keys().filter_map(|name| parts.secrets.get(name));
        let values = environment.values().map(|value| value.as_str().len());
        let values = values.chain(secrets.map(|secret| secret.value.expose_secret().len()));
        Self {
            bytes: Self::BYTES + values.sum::<usize>() as u64 + weight::of_interface(&interface),
            customer: parts.customer,
            version_id: parts.version_id,
            digest: parts.digest,
            definition_digest: interface.definition_digest(),
            interface: Arc::new(interface),
            language: parts.language,
            form: form_of(parts.language, parts.export),
            source_digest: parts.source_digest,
            signed: parts.signed,
            artifact: ArtifactSlot::of(parts.artifact),
            environment: Arc::new(environment),
            richer_module: modules::find_richer(&parts.grants.modules),
            granted_hosts: parts.grants.hosts.len(),
            permission: Arc::new(outside::permission(parts.customer, parts.grants, parts.secrets)),
            from_callers: outside::from_callers(parts.grants, parts.secrets),
        }
    }

    /// Which function of an uploaded component it is.
    pub(crate) fn export(&self) -> Option<&str> {
        match &self.form {
            ToolForm::Component { export } => export.as_deref(),
            ToolForm::JavaScript => None,
        }
    }
}

fn form_of(language: Language, export: Option<String>) -> ToolForm {
    match language {
        Language::TypeScript | Language::JavaScript => ToolForm::JavaScript,
        Language::Component => ToolForm::Component { export },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_server_takes_in_memory_counts_the_values_of_each_of_its_tools() {
        let names: Vec<EnvName> = (0..8).map(|number| format!("NAME_{number}").parse().unwrap()).collect();
        let environment: BTreeMap<EnvName, EnvValue> =
            names.iter().map(|name| (name.clone(), "v".repeat(8_000).parse().unwrap())).collect();
        let bytes_of = |tools: usize, granted: &[EnvName]| {
            let grants: Grants = serde_json::from_value(json!({ "env": granted })).unwrap();
            let tool = |number| {
                let interface = json!({"name": format!("tool_{number}"), "description": "a", "input": {"type": "object"}});
                let interface: ToolInterface = serde_json::from_value(interface).unwrap();
                let name = interface.name.clone();
                let parts = ToolParts {
                    version_id: VersionId::new(),
                    digest: Digest::of(b"version"),
                    language: Language::JavaScript,
                    export: None,
                    source_digest: Digest::of(b"source"),
                    signed: Ok(()),
                    artifact: None,
                    interface,
                    grants: &grants,
                    environment: &environment,
                    customer: CustomerId::new(),
                    secrets: &BTreeMap::new(),
                };
                (name, Arc::new(ServedTool::new(parts)))
            };
            let server = ServedServer {
                server_id: ServerId::new(),
                slug: "weather".parse().unwrap(),
                words: ServerWords { title: "Weather".parse().unwrap(), description: String::new() },
                release_id: None,
                offers: Offers::sort((0..tools).map(tool).collect()),
                access: AccessPolicy::default(),
                keep_contents: KeepContents::None,
                customer: CustomerId::new(),
                environment: environment.clone(),
                names_from_callers: BTreeSet::new(),
            };
            server.bytes()
        };

        let (few, many) = (bytes_of(1, &names), bytes_of(11, &names));

        assert_eq!(many - few, 10 * (bytes_of(1, &[]) - bytes_of(0, &[]) + 64_000));
        assert!(bytes_of(0, &[]) > 64_000);
    }
}
