//! A customer with a key, and what it does most: deploy and call.

use std::sync::Arc;

use app::{
    App, AppError, Caller, CallerSecrets, Who,
    api_keys::{self, NewApiKey},
    calls::{self, CallAnswer, CallRequest},
    customers::{self, NewCustomer},
    questions::Asking,
    releases,
    servers::{self, NewServer, ServerView},
    tools::{self, NewVersion, VersionBuilt},
};
use domain::{AccessPolicy, CustomerId, Grants, Language, RequestId, Slug, ToolName};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// A customer with an API key.
#[derive(Debug, Clone)]
pub struct TestCustomer {
    app: Arc<App>,
    /// Its id.
    pub id: CustomerId,
    /// It, for use cases.
    pub caller: Caller,
    /// Its key, for the doors.
    pub api_key: String,
}

impl TestCustomer {
    pub(crate) async fn create(app: &Arc<App>, tier: &str) -> Self {
        let new = NewCustomer { name: "Example Ltd".parse().expect("a name"), tier: tier.parse().expect("the name of a tier") };
        let customer = customers::create(app, &Caller::of(Who::Admin), new).await.expect("the customer is made");
        let id = customer.customer_id;
        let new = NewApiKey { name: "test".parse().expect("a name"), pins_definitions: false };
        let made = api_keys::create(app, &Caller::of(Who::Admin), id, new).await;
        let (key, text) = made.expect("the key is made");
        let caller = Caller::of(Who::Key(app::KeyCaller { customer: id, api_key: key.api_key_id, pins_definitions: false }));
        Self { app: Arc::clone(app), id, caller, api_key: text.expose().to_owned() }
    }

    /// Makes a server.
    pub async fn create_server(&self, slug: &str) -> Result<ServerView, AppError> {
        let new = NewServer {
            slug: self::slug(slug),
            title: "A server".parse().expect("a title"),
            description: String::new(),
            access: AccessPolicy::default(),
        };
        servers::create(&self.app, &self.caller, new).await
    }

    /// Puts a TypeScript source without grants as the tool `name`.
    pub async fn put(&self, slug: &str, name: &str, source: &str) -> Result<VersionBuilt, AppError> {
        self.put_with(slug, name, source, Grants::default()).await
    }

    /// Puts a TypeScript source with grants as the tool `name`.
    pub async fn put_with(&self, slug: &str, name: &str, source: &str, grants: Grants) -> Result<VersionBuilt, AppError> {
        let new = NewVersion { language: Language::TypeScript, source: source.to_owned(), grants };
        tools::put(&self.app, &self.caller, &self::slug(slug), &tool_name(name), new).await
    }

    /// Releases the newest version of each tool.
    pub async fn release(&self, slug: &str) -> releases::ReleaseView {
        releases::create(&self.app, &self.caller, &self::slug(slug), None).await.expect("the release is made")
    }

    /// Makes a server with one tool of this TypeScript source, and releases it.
    pub async fn deploy(&self, slug: &str, name: &str, source: &str) -> VersionBuilt {
        self.create_server(slug).await.expect("the server is made");
        let version = self.put(slug, name, source).await.expect("the tool is built");
        self.release(slug).await;
        version
    }

    /// Calls a released tool.
    pub async fn call(&self, slug: &str, name: &str, arguments: Value) -> Result<CallAnswer, AppError> {
        calls::call_tool(&self.app, &self.caller, &self::slug(slug), request(name, arguments)).await
    }
}

/// A call that nobody follows or cancels.
#[must_use]
pub fn request(name: &str, arguments: Value) -> CallRequest {
    CallRequest {
        tool: tool_name(name),
        arguments,
        request_id: RequestId::new(),
        reports: None,
        cancelled: CancellationToken::new(),
        asking: Asking::Nobody("nobody is there"),
        secrets: CallerSecrets::default(),
    }
}

fn slug(text: &str) -> Slug {
    text.parse().expect("a slug")
}

fn tool_name(text: &str) -> ToolName {
    text.parse().expect("the name of a tool")
}
