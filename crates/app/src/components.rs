//! Components: uploads that become tools, and tools that are downloaded as components.

mod download;
mod upload;

use std::collections::BTreeSet;

use domain::{Digest, Example, Grants, Slug, ToolInterface, ToolName, VersionId};
use serde_json::{Map, Value};

pub use self::upload::Ticket;
pub(crate) use self::upload::Uploads;
use crate::{
    App, AppError, Caller,
    access::{self, Operation},
    builds, candidates,
    tools::VersionBuilt,
};

/// A component that is to become one tool.
#[derive(Debug)]
pub struct NewComponent {
    /// The component in the binary format, [`Ticket::bytes_max`] bytes at most.
    pub component: Vec<u8>,
    /// Which of its functions; needed where it exports several.
    pub export: Option<String>,
    /// What it asks to use.
    pub grants: Grants,
    /// What is said of it beyond its types.
    pub words: Words,
}

/// What a function's types do not say. A component of the world `toolwright:tool` says all of it itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Words {
    /// The name that people see.
    pub title: Option<String>,
    /// What it does and when to use it.
    pub description: Option<String>,
    /// Hints for clients.
    pub annotations: Option<Map<String, Value>>,
    /// Calls that show how it is used; they must work.
    pub examples: Option<Vec<Example>>,
}

/// A component whose functions are all to become tools.
#[derive(Debug)]
pub struct NewComponents {
    /// The component in the binary format, [`Ticket::bytes_max`] bytes at most.
    pub component: Vec<u8>,
    /// What stands before each function's name; may be empty.
    pub prefix: String,
    /// What each of them asks to use.
    pub grants: Grants,
}

/// A new version of the component that a tool is, with the same code.
#[derive(Debug, Clone, PartialEq)]
pub struct Revision {
    /// What it asks to use.
    pub grants: Grants,
    /// What is said of it; what is not given stays as it is.
    pub words: Words,
}

/// A component that can be downloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    /// The version.
    pub version_id: VersionId,
    /// Another value stands for other bytes.
    pub digest: Digest,
    /// The component in the binary format; absent if whoever asks has it.
    pub component: Option<Vec<u8>>,
}

/// Lets an upload to the server begin, whose length is `declared` or may be the tier's most: one of each customer at a time, and as many as
/// the node has room for. It is one of the customer's builds of the hour, whatever comes of it. The ticket is needed for the put.
pub async fn begin(app: &App, caller: &Caller, slug: &Slug, declared: Option<u64>) -> Result<Ticket, AppError> {
    let customer = access::require_customer(caller, Operation::BeginUpload)?;
    upload::begin(app, customer, slug, declared).await
}

/// Makes a component into the next version of the tool `name`, which is made if it is not there. Nothing is served before a release.
pub async fn put(
    app: &App,
    caller: &Caller,
    slug: &Slug,
    name: &ToolName,
    ticket: Ticket,
    new: NewComponent,
) -> Result<VersionBuilt, AppError> {
    let (customer, intent) = access::require_customer_change(caller, Operation::PutComponent)?;
    let _work = app.begin_work()?;
    let began = ticket.began;
    let tried = builds::observe(app, began, upload::put_one(app, intent, customer, slug, name, &ticket, new).await)?;
    Ok(builds::tell(slug, began, tried))
}

/// Makes each function of a component into the next version of a tool of its name: all of them or none. Nothing is served before a release.
pub async fn put_all(
    app: &App,
    caller: &Caller,
    slug: &Slug,
    ticket: Ticket,
    new: NewComponents,
) -> Result<Vec<VersionBuilt>, AppError> {
    let (customer, intent) = access::require_customer_change(caller, Operation::PutComponents)?;
    let _work = app.begin_work()?;
    let began = ticket.began;
    let tried = builds::observe(app, began, upload::put_all(app, intent, customer, slug, &ticket, new).await)?;
    Ok(tried.into_iter().map(|tried| builds::tell(slug, began, tried)).collect())
}

/// Makes a new version of a tool that is a component, with other grants or words and the same code.
pub async fn revise(
    app: &App,
    caller: &Caller,
    slug: &Slug,
    name: &ToolName,
    revision: Revision,
) -> Result<VersionBuilt, AppError> {
    let (customer, intent) = access::require_customer_change(caller, Operation::ReviseComponent)?;
    let _work = app.begin_work()?;
    let began = std::time::Instant::now();
    let tried = builds::observe(app, began, upload::revise(app, intent, customer, slug, name, revision).await)?;
    Ok(builds::tell(slug, began, tried))
}

/// A version of a tool as one component of its own: what was uploaded, or a source with the engine that runs it, of the world
/// `toolwright:tool`. The tool's newest version if none is named. `known` are digests of downloads that whoever asks has.
pub async fn download(
    app: &App,
    caller: &Caller,
    slug: &Slug,
    name: &ToolName,
    version: Option<VersionId>,
    known: &BTreeSet<Digest>,
) -> Result<Download, AppError> {
    let customer = access::require_customer(caller, Operation::DownloadComponent)?;
    let _work = app.begin_work()?;
    download::make(app, customer, slug, name, version, known).await
}

impl Words {
    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Says it of `interface`.
    fn say_of(self, interface: &mut ToolInterface) -> Result<(), AppError> {
        let Self { title, description, annotations, examples } = self;
        if title.is_some() {
            interface.title = title;
        }
        if let Some(description) = description {
            interface.description = description;
        }
        if let Some(annotations) = annotations {
            interface.annotations = annotations;
        }
        if let Some(examples) = examples {
            interface.examples = examples;
        }
        interface.check().map_err(|error| candidates::rejected(error.to_string()))
    }
}
