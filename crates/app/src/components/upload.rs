//! From a component to versions: a place for the upload, inspection, names, rows.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use compiler::{InspectedExport, UploadRequest};
use domain::{CustomerId, Digest, Grants, Language, LimitExceeded, LimitName, Slug, Tier, ToolName};
use store::servers::Server;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use super::{NewComponent, NewComponents, Revision};
use crate::{
    App, AppError, artifacts,
    audit::Intent,
    builds,
    candidates::{self, Candidate, Surroundings, Tried, rejected},
    limits::{Permit, PermitError, Permits},
    servers, signing, tiers,
};

/// When an upload that found no place is worth sending again.
const BUSY_RETRY_S: u32 = 5;

/// Where uploads wait: to arrive, as many as there is room for their bytes; then to be inspected, where each holds its component, its
/// native code and a worker's answer in memory, some 100 MB for the largest.
#[derive(Debug)]
pub(crate) struct Uploads {
    of_node: Semaphore,
    bytes: Arc<Semaphore>,
    of_customers: Permits,
}

/// The right to send one component. Room for its bytes is given back when it is dropped.
#[derive(Debug)]
pub struct Ticket {
    pub(super) began: Instant,
    tier: Arc<Tier>,
    server: Server,
    bytes_awaited: u64,
    _of_customer: Permit,
    _bytes: OwnedSemaphorePermit,
}

impl Uploads {
    /// Of one node, that are inspected. Nobody who sends slowly has such a place.
    const OF_NODE_MAX: usize = 4;
    /// Of one node, that arrive or have arrived: eight components of the largest tier.
    const BYTES_MAX: u32 = 256 * 1024 * 1024;
    /// For a place to be inspected. Few wait, and what they wait with has been sent.
    const PLACE_WAIT_MAX: Duration = Duration::from_secs(30);
    /// Of one customer, so that one who sends slowly keeps no other out.
    const OF_CUSTOMER_MAX: u32 = 1;

    pub(crate) fn new() -> Self {
        Self {
            of_node: Semaphore::new(Self::OF_NODE_MAX),
            bytes: Arc::new(Semaphore::new(Self::BYTES_MAX as usize)),
            of_customers: Permits::default(),
        }
    }

    /// A place to be inspected.
    async fn take_place(&self) -> Result<SemaphorePermit<'_>, AppError> {
        let place = tokio::time::timeout(Self::PLACE_WAIT_MAX, self.of_node.acquire()).await;
        place.ok().and_then(Result::ok).ok_or_else(busy)
    }
}

impl Ticket {
    /// Bytes that the component may have: what the tier says of an artifact.
    #[must_use]
    pub fn bytes_max(&self) -> u64 {
        self.tier.limits.artifact_bytes_max
    }

    /// Bytes that there is room for: those that were declared.
    #[must_use]
    pub const fn bytes_awaited(&self) -> u64 {
        self.bytes_awaited
    }

    /// The error that says so.
    #[must_use]
    pub fn too_large(&self) -> AppError {
        too_large(&self.tier)
    }
}

pub(super) async fn begin(app: &App, customer: CustomerId, slug: &Slug, declared: Option<u64>) -> Result<Ticket, AppError> {
    let began = Instant::now();
    let server = servers::load_own(&mut *app.pool.acquire().await?, customer, slug).await?;
    let tier = tiers::of_customer(app, customer).await?;
    let bytes_max = tier.limits.artifact_bytes_max;
    let bytes_awaited = declared.unwrap_or(bytes_max);
    if bytes_awaited > bytes_max {
        return Err(too_large(&tier));
    }
    let wait_max = Duration::from_millis(tier.limits.queue_wait_ms_max.into());
    let of_customer = app.uploads.of_customers.take(customer, Uploads::OF_CUSTOMER_MAX, wait_max).await;
    let of_customer = of_customer.map_err(|refused| match refused {
        PermitError::Full => busy(),
        PermitError::Late => AppError::Busy {
            limit: Some(LimitExceeded {
                limit: LimitName::QueueWaitMsMax,
                value: tier.limits.queue_wait_ms_max.into(),
                tier: tier.name.clone(),
            }),
            retry_after_s: BUSY_RETRY_S,
        },
    })?;
    // A tier may allow more than there is room for: then one comes at a time.
    let room = u32::try_from(bytes_awaited).unwrap_or(u32::MAX).min(Uploads::BYTES_MAX);
    let bytes = tokio::time::timeout(wait_max, Arc::clone(&app.uploads.bytes).acquire_many_owned(room)).await;
    let bytes = bytes.ok().and_then(Result::ok).ok_or_else(busy)?;
    // Whoever sends slowly, or never to the end, has had it all the same.
    builds::take_build(app, customer, &tier)?;
    Ok(Ticket { began, tier, server, bytes_awaited, _of_customer: of_customer, _bytes: bytes })
}

pub(super) async fn put_one(
    app: &App,
    intent: Intent,
    customer: CustomerId,
    slug: &Slug,
    name: &ToolName,
    ticket: &Ticket,
    new: NewComponent,
) -> Result<Tried, AppError> {
    let NewComponent { component, export, grants, words } = new;
    check(slug, ticket, &component, &grants)?;
    let _place = app.uploads.take_place().await?;
    let Inspected { source_digest, artifact, offers } = inspect(app, customer, ticket, component).await?;
    let InspectedExport { export, mut interface } = choose(offers, export.as_deref())?;
    if export.is_none() && interface.name != *name {
        return Err(rejected(format!(
            "the component says that its name is `{}`, and it was put as `{name}`: both must be the same",
            interface.name
        )));
    }
    if export.is_none() && !words.is_empty() {
        return Err(AppError::invalid("the component describes itself: leave out `title` and `description`"));
    }
    interface.name = name.clone();
    words.say_of(&mut interface)?;
    let candidate = Candidate { language: Language::Component, source: None, export, source_digest, artifact, interface, grants };
    let around = Surroundings::load(app, customer, &ticket.server).await?;
    let tried = candidates::try_out(app, customer, &ticket.tier, &around, candidate).await?;
    candidates::keep(app, intent, customer, &around, std::slice::from_ref(&tried)).await?;
    Ok(tried)
}

pub(super) async fn put_all(
    app: &App,
    intent: Intent,
    customer: CustomerId,
    slug: &Slug,
    ticket: &Ticket,
    new: NewComponents,
) -> Result<Vec<Tried>, AppError> {
    let NewComponents { component, prefix, grants } = new;
    check(slug, ticket, &component, &grants)?;
    let _place = app.uploads.take_place().await?;
    let Inspected { source_digest, artifact, offers } = inspect(app, customer, ticket, component).await?;
    let offers = give_names(offers, &prefix)?;
    let around = Surroundings::load(app, customer, &ticket.server).await?;
    let mut all = Vec::with_capacity(offers.len());
    for InspectedExport { export, interface } in offers {
        let grants = grants.clone();
        let candidate =
            Candidate { language: Language::Component, source: None, export, source_digest, artifact, interface, grants };
        all.push(candidates::try_out(app, customer, &ticket.tier, &around, candidate).await?);
    }
    candidates::keep(app, intent, customer, &around, &all).await?;
    Ok(all)
}

pub(super) async fn revise(
    app: &App,
    intent: Intent,
    customer: CustomerId,
    slug: &Slug,
    name: &ToolName,
    revision: Revision,
) -> Result<Tried, AppError> {
    let tier = tiers::of_customer(app, customer).await?;
    let mut connection = app.pool.acquire().await?;
    let (server, tool) = crate::tools::load_own(&mut connection, customer, slug, name).await?;
    let newest = store::versions::find_newest(&mut connection, customer, tool.id).await?;
    let newest = newest.filter(|newest| newest.language == Language::Component).ok_or_else(|| {
        AppError::invalid(format!("the newest version of `{name}` is no component: put a component as application/wasm first"))
    })?;
    // What somebody else wrote into it must not be signed by being taken over.
    let signed = signing::check_kept(app, &mut connection, &newest).await?;
    signed.map_err(|error| AppError::internal(format!("version {} is not revised", newest.id), error))?;
    revision.grants.check(&tier).map_err(builds::grant_error)?;
    builds::take_build(app, customer, &tier)?;
    if newest.export.is_none() && !revision.words.is_empty() {
        return Err(AppError::invalid("the component describes itself: leave out `interface`"));
    }
    let key = artifacts::key(app, Language::Component, newest.source_digest);
    let artifact = artifacts::find_ours(app, &mut connection, &key).await?;
    let artifact = artifact.ok_or_else(|| AppError::internal("the component of a version is lost", newest.id.to_string()))?;
    drop(connection);
    let mut interface = newest.interface;
    revision.words.say_of(&mut interface)?;
    let candidate = Candidate {
        language: Language::Component,
        source: None,
        export: newest.export,
        source_digest: newest.source_digest,
        artifact: artifact.digest,
        interface,
        grants: revision.grants,
    };
    let around = Surroundings::load(app, customer, &server).await?;
    let tried = candidates::try_out(app, customer, &tier, &around, candidate).await?;
    candidates::keep(app, intent, customer, &around, std::slice::from_ref(&tried)).await?;
    Ok(tried)
}

/// A component that was inspected and is kept.
struct Inspected {
    source_digest: Digest,
    artifact: Digest,
    offers: Vec<InspectedExport>,
}

fn busy() -> AppError {
    AppError::Busy { limit: None, retry_after_s: BUSY_RETRY_S }
}

fn too_large(tier: &Tier) -> AppError {
    AppError::Limit(LimitExceeded {
        limit: LimitName::ArtifactBytesMax,
        value: tier.limits.artifact_bytes_max,
        tier: tier.name.clone(),
    })
}

fn check(slug: &Slug, ticket: &Ticket, component: &[u8], grants: &Grants) -> Result<(), AppError> {
    if ticket.server.slug != *slug {
        return Err(AppError::not_found("server", slug));
    }
    if component.len() as u64 > ticket.bytes_awaited {
        return Err(ticket.too_large());
    }
    if !grants.modules.is_empty() {
        return Err(AppError::invalid("`grants` cannot be given: a component has no library modules but its own"));
    }
    grants.check(&ticket.tier).map_err(builds::grant_error)
}

async fn inspect(app: &App, customer: CustomerId, ticket: &Ticket, component: Vec<u8>) -> Result<Inspected, AppError> {
    let artifact_bytes_max = ticket.bytes_max();
    let fuel_per_call_max = ticket.tier.limits.fuel_per_call_max;
    let request = UploadRequest { customer, component: component.clone(), artifact_bytes_max, fuel_per_call_max };
    let inspected = app.workers.inspect(request).await.map_err(|error| artifacts::build_error(&ticket.tier, error))?;
    let source_digest = artifacts::source_digest(Language::Component, &component);
    let artifact = artifacts::keep(app, Language::Component, source_digest, component, inspected.native).await?;
    Ok(Inspected { source_digest, artifact, offers: inspected.offers })
}

/// The function that is meant.
fn choose(mut offers: Vec<InspectedExport>, export: Option<&str>) -> Result<InspectedExport, AppError> {
    let names: Vec<&str> = offers.iter().filter_map(|offer| offer.export.as_deref()).collect();
    let place = match export {
        None if offers.len() == 1 => 0,
        None => {
            return Err(AppError::invalid(format!(
                "the component exports several functions: say in `export` which of them the tool is: {}; or put it to the \
                 collection, and each becomes a tool",
                names.join(", ")
            )));
        }
        Some(wanted) => offers.iter().position(|offer| offer.export.as_deref() == Some(wanted)).ok_or_else(|| {
            AppError::invalid(if names.is_empty() {
                "the component is one tool as a whole: leave out `export`".to_owned()
            } else {
                format!("the component does not export what `export` says; it exports: {}", names.join(", "))
            })
        })?,
    };
    Ok(offers.swap_remove(place))
}

/// Names each function's tool: the prefix and the function's name, with `_` for `-`.
fn give_names(offers: Vec<InspectedExport>, prefix: &str) -> Result<Vec<InspectedExport>, AppError> {
    let mut taken = BTreeSet::new();
    let mut named = Vec::with_capacity(offers.len());
    for InspectedExport { export, mut interface } in offers {
        match &export {
            Some(export) => {
                let name = format!("{prefix}{}", interface.name.as_str().replace('-', "_"));
                let cannot = |reason: String| {
                    AppError::invalid(format!("the function `{export}` cannot become a tool of its own name: {reason}"))
                };
                interface.name = name.parse::<ToolName>().map_err(|error| cannot(error.to_string()))?;
                if !taken.insert(interface.name.clone()) {
                    return Err(cannot(format!("another would be called `{name}` as well: put it alone, under another name")));
                }
            }
            None if prefix.is_empty() => {}
            None => return Err(AppError::invalid("the component says its name itself: leave out `prefix`")),
        }
        named.push(InspectedExport { export, interface });
    }
    Ok(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn so_many_uploads_are_inspected_at_a_time_and_no_more() {
        let uploads = Uploads::new();
        let mut places = Vec::new();
        for _ in 0..4 {
            places.push(uploads.take_place().await.unwrap());
        }
        let soon = Duration::from_millis(50);

        let fifth = tokio::time::timeout(soon, uploads.take_place()).await.is_ok();
        places.pop();
        let after = tokio::time::timeout(soon, uploads.take_place()).await.is_ok();

        assert_eq!((fifth, after), (false, true));
    }
}
