//! The example server of the local profile, deployed on the first start as any customer would deploy it.

use std::{
    io,
    path::{Path, PathBuf},
};

use app::{
    App, AppError, Caller, Who,
    api_keys::{self, NewApiKey},
    customers::{self, NewCustomer},
    releases,
    servers::{self, NewServer},
    tokens::{self, Wanted},
    tools::{self, NewVersion},
};
use domain::{AccessPolicy, Grants, Language, NameError, Slug};
use tracing::info;

use crate::{configuration::KEYS_FOLDER, private_file};

/// An example: its name, its source, and the grants that it asks for, as JSON.
struct Example(&'static str, &'static str, &'static str);

/// The examples, in the program itself, so that it needs no folder beside it.
const TOOLS: [Example; 6] = [
    Example("cron_next", include_str!("../../../examples/cron_next/tool.ts"), "{}"),
    Example("csv_query", include_str!("../../../examples/csv_query/tool.ts"), "{}"),
    Example(
        "exchange_rates",
        include_str!("../../../examples/exchange_rates/tool.ts"),
        include_str!("../../../examples/exchange_rates/grants.json"),
    ),
    Example("iban_check", include_str!("../../../examples/iban_check/tool.ts"), "{}"),
    Example(
        "issue_search",
        include_str!("../../../examples/issue_search/tool.ts"),
        include_str!("../../../examples/issue_search/grants.json"),
    ),
    Example(
        "page_to_markdown",
        include_str!("../../../examples/page_to_markdown/tool.ts"),
        include_str!("../../../examples/page_to_markdown/grants.json"),
    ),
];

/// `/mcp/examples`
const SLUG: &str = "examples";

/// The tier of their owner: the middle one, so that trying out meets no limit and the limits are still there.
const TIER: &str = "pro";

/// The example server, as the banner shows it.
#[derive(Debug)]
pub(crate) struct Examples {
    /// Where MCP clients find it.
    pub(crate) url: String,
    /// Where its owner's API key is.
    pub(crate) key_file: PathBuf,
}

/// Why the examples are not there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExamplesError {
    /// The platform refused a step.
    #[error("cannot {act}")]
    Step {
        /// Which step.
        act: &'static str,
        /// Why.
        source: AppError,
    },
    /// The owner's key cannot be read or kept.
    #[error("cannot use the key file {path}", path = path.display())]
    KeyFile {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A name of the examples is not one.
    #[error("the examples are named wrongly")]
    Name(#[from] NameError),
    /// The grants of an example are none.
    #[error("the examples' grants are written wrongly")]
    Grants(#[from] serde_json::Error),
}

/// Makes the owner, the server, the tools and their release, as far as a start before this one has not. `None` if the owner has deleted the
/// server: it does not come back.
pub(crate) async fn deploy(app: &App, data_dir: &Path) -> Result<Option<Examples>, ExamplesError> {
    let key_file = data_dir.join(KEYS_FOLDER).join("example-api-key");
    let owner = load_owner(app, &key_file).await?;
    let slug: Slug = SLUG.parse()?;
    let server = match servers::load(app, &owner, &slug).await {
        Ok(server) => server,
        Err(AppError::NotFound { .. }) => match servers::create(app, &owner, new_server()?).await {
            Ok(server) => server,
            // Slugs are never given out twice, so there was a server of this name, and it was deleted.
            Err(AppError::Conflict { .. }) => return Ok(None),
            Err(source) => return Err(ExamplesError::Step { act: "make the example server", source }),
        },
        Err(source) => return Err(ExamplesError::Step { act: "look for the example server", source }),
    };
    if server.release_id.is_none() {
        release(app, &owner, &slug).await?;
        info!(server.slug = SLUG, "deployed the example server");
    }
    Ok(Some(Examples { url: server.url, key_file }))
}

/// The customer whose key is in the file; a new one if there is none, or if its key is of another database.
async fn load_owner(app: &App, key_file: &Path) -> Result<Caller, ExamplesError> {
    let failed = |source| ExamplesError::KeyFile { path: key_file.to_owned(), source };
    match private_file::read(key_file) {
        Ok(key) => match tokens::authenticate(app, &key, Wanted::Management).await {
            Ok(owner @ Who::Key(_)) => return Ok(Caller::of(owner)),
            Ok(_) | Err(AppError::Unauthenticated) => std::fs::remove_file(key_file).map_err(failed)?,
            Err(source) => return Err(ExamplesError::Step { act: "look for the owner of the examples", source }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let new = NewCustomer { name: "Examples".parse()?, tier: TIER.parse()? };
    let step = |act| move |source| ExamplesError::Step { act, source };
    let customer =
        customers::create(app, &Caller::of(Who::Admin), new).await.map_err(step("make a customer for the examples"))?;
    let new = NewApiKey { name: "examples".parse()?, pins_definitions: false };
    let (key, text) = api_keys::create(app, &Caller::of(Who::Admin), customer.customer_id, new)
        .await
        .map_err(step("make an API key for the examples"))?;
    private_file::write(key_file, text.expose()).map_err(failed)?;
    Ok(Caller::of(Who::Key(app::KeyCaller {
        customer: customer.customer_id,
        api_key: key.api_key_id,
        pins_definitions: key.pins_definitions,
    })))
}

fn new_server() -> Result<NewServer, NameError> {
    Ok(NewServer {
        slug: SLUG.parse()?,
        title: "Examples".parse()?,
        description: "Three tools that are right where a model guesses: questions about a CSV table, IBANs, and the next times of a cron expression. \
             Three that use the outside: exchange rates (needs the secret RATES_KEY), pages as Markdown, and issue search."
            .to_owned(),
        access: AccessPolicy::default(),
    })
}

async fn release(app: &App, owner: &Caller, slug: &Slug) -> Result<(), ExamplesError> {
    for Example(name, source, grants) in TOOLS {
        let grants: Grants = serde_json::from_str(grants)?;
        let new = NewVersion { language: Language::TypeScript, source: source.to_owned(), grants };
        let put = tools::put(app, owner, slug, &name.parse()?, new).await;
        put.map_err(|source| ExamplesError::Step { act: "build an example", source })?;
    }
    let released = releases::create(app, owner, slug, None).await;
    released.map(drop).map_err(|source| ExamplesError::Step { act: "release the examples", source })
}
