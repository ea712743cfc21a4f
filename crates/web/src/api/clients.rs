//! Clients that act for a customer itself (OAuth's grant `client_credentials`).

use std::sync::Arc;

use app::{
    App,
    machine_clients::{self, MachineAudience, MachineKeys, NewAudience},
};
use axum::{Json as Answer, extract::State};
use chrono::{DateTime, Utc};
use domain::{ClientKey, MemberRole, Scopes, Slug};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::{
    caller::CustomerCaller,
    envelope::Envelope,
    error::ApiError,
    extract::{Json, Path, Query},
    page::{Page, PageQuery},
};

/// The path of a client.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ClientPath {
    /// The client.
    #[param(value_type = String, format = Uuid)]
    client_id: ClientKey,
}

/// A client that is to be. It is for one server, or, with `role` instead, for the management API.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewClient {
    /// What it is called.
    #[schema(min_length = 1, max_length = 100, example = "Nightly report")]
    name: String,
    /// The public name of the server that it is to use.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "weather")]
    server: Option<Slug>,
    /// What it is to be for the management API.
    #[serde(default)]
    role: Option<ClientRole>,
    /// What it may do, with spaces between: `mcp:tools` or `mcp:tools:NAME` on a server; `servers:read`, `servers:write`, `executions:read` in the
    /// management. Without, everything on the server, or `servers:read`.
    #[serde(default)]
    #[schema(example = "mcp:tools")]
    scope: Option<String>,
    /// Its public keys (RFC 7517), by which it proves itself with `private_key_jwt`. Without any it gets a secret.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    jwks: Option<Value>,
    /// The https address of its public keys, instead of `jwks`.
    #[serde(default)]
    #[schema(example = "https://jobs.example.com/keys.json")]
    jwks_uri: Option<String>,
}

/// What a client may be for the management API.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ClientRole {
    /// It may read.
    Viewer,
    /// It may build, release and change.
    Editor,
}

/// A client that acts for its customer, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Client)]
pub(crate) struct ClientView {
    /// Its id, which it names itself by at the token endpoint.
    #[schema(value_type = String, format = Uuid)]
    client_id: ClientKey,
    /// What it is called.
    #[schema(example = "Nightly report")]
    name: String,
    /// The public name of the server that it may use; null if it is for the management API.
    #[schema(value_type = Option<String>, required = true, example = "weather")]
    server: Option<Slug>,
    /// What it is for the management API; null if it is for a server.
    #[schema(required = true)]
    role: Option<ClientRole>,
    /// What it may do, with spaces between.
    #[schema(value_type = String, example = "mcp:tools")]
    scope: Scopes,
    /// How it proves to be itself at the token endpoint: `client_secret_basic` or `private_key_jwt`.
    #[schema(example = "client_secret_basic")]
    token_endpoint_auth_method: &'static str,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it last asked for a token, to the day; null if it never did.
    #[schema(required = true)]
    last_used_at: Option<DateTime<Utc>>,
}

/// A client with its secret, in the one answer that shows it.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreatedClient {
    /// The secret, which it shows with its id by HTTP Basic; absent if it has keys. It is not kept and never shown again.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    #[serde(flatten)]
    client: ClientView,
}

impl From<machine_clients::MachineClientView> for ClientView {
    fn from(view: machine_clients::MachineClientView) -> Self {
        let machine_clients::MachineClientView { client_id, name, audience, scopes, auth_method, created_at, last_used_at } =
            view;
        let (server, role) = match audience {
            MachineAudience::Server { slug, .. } => (Some(slug), None),
            MachineAudience::Management(MemberRole::Viewer) => (None, Some(ClientRole::Viewer)),
            // None is an owner: `app` and the database see to that.
            MachineAudience::Management(_) => (None, Some(ClientRole::Editor)),
        };
        let token_endpoint_auth_method = auth_method.as_str();
        Self { client_id, name, server, role, scope: scopes, token_endpoint_auth_method, created_at, last_used_at }
    }
}

/// Makes a client that acts for the customer itself, such as a nightly job
///
/// It asks for tokens at `/oauth/token` with `grant_type=client_credentials`. Only an owner, or an API key, makes one.
#[utoipa::path(post, path = "/clients", tag = "clients", security(("api_key" = [])), request_body = NewClient,
    responses(
        (status = 201, description = "The client; the answer is the only place that shows its secret", body = CreatedClient),
        (status = 404, description = "There is no such server", body = Envelope),
        (status = 409, description = "There are as many as there may be", body = Envelope),
    ))]
pub(crate) async fn create_client(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
    Json(new): Json<NewClient>,
) -> Result<(StatusCode, Answer<CreatedClient>), ApiError> {
    let NewClient { name, server, role, scope, jwks, jwks_uri } = new;
    let audience = match (server, role) {
        (Some(slug), None) => NewAudience::Server(slug),
        (None, Some(ClientRole::Viewer)) => NewAudience::Management(MemberRole::Viewer),
        (None, Some(ClientRole::Editor)) => NewAudience::Management(MemberRole::Editor),
        _ => return Err(ApiError::invalid("a client is for either a `server` or, with a `role`, the management API")),
    };
    let new = machine_clients::NewMachineClient { name, audience, scope, keys: MachineKeys { jwks, jwks_uri } };
    let (view, secret) = machine_clients::create(&app, &caller, new).await?;
    let client_secret = secret.map(|secret| secret.reveal().to_owned());
    Ok((StatusCode::CREATED, Answer(CreatedClient { client_secret, client: view.into() })))
}

/// Lists the clients that act for the customer itself, newest first
#[utoipa::path(get, path = "/clients", tag = "clients", security(("api_key" = [])), params(PageQuery),
    responses((status = 200, description = "A page of clients", body = Page<ClientView>)))]
pub(crate) async fn list_clients(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
    Query(page): Query<PageQuery>,
) -> Result<Answer<Page<ClientView>>, ApiError> {
    Ok(Answer(machine_clients::list(&app, &caller, &page.try_into()?).await?.into()))
}

/// Shows a client that acts for the customer itself, without its secret
#[utoipa::path(get, path = "/clients/{client_id}", tag = "clients", security(("api_key" = [])), params(ClientPath),
    responses((status = 200, description = "The client", body = ClientView)))]
pub(crate) async fn get_client(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
    Path(ClientPath { client_id }): Path<ClientPath>,
) -> Result<Answer<ClientView>, ApiError> {
    Ok(Answer(machine_clients::load(&app, &caller, client_id).await?.into()))
}

/// Deletes a client that acts for the customer itself
///
/// It gets no tokens any more, and those that it has open nothing: on this node from then on, and within a second on others.
#[utoipa::path(delete, path = "/clients/{client_id}", tag = "clients", security(("api_key" = [])), params(ClientPath),
    responses((status = 204, description = "The client is gone")))]
pub(crate) async fn delete_client(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
    Path(ClientPath { client_id }): Path<ClientPath>,
) -> Result<StatusCode, ApiError> {
    machine_clients::delete(&app, &caller, client_id).await?;
    Ok(StatusCode::NO_CONTENT)
}
