//! Every route, at a glance.

use std::sync::Arc;

use app::App;
use axum::{Router, middleware};
use bytes::Bytes;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    WebSettings, account, admin, api, documents,
    door::{self, Door},
    entry,
    error::{method_not_allowed, unknown_route},
    health, mcp, oauth, openapi,
    state::{WebParts, WebState},
    welcome,
};

/// The whole of HTTP, ready to be served.
pub fn router(app: Arc<App>, settings: WebSettings) -> Router {
    let settings = Arc::new(settings);
    let door = Door::new(Arc::clone(app.metrics()), Arc::clone(&settings));
    let document = Bytes::from(openapi::text());
    let state = WebState::new(WebParts { app, settings, document });
    let (documented, _frame) = documented_routes().split_for_parts();
    documented
        .nest("/mcp", mcp::routes())
        .merge(account::routes())
        .merge(oauth::pages())
        .fallback(unknown_route)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn_with_state(state.clone(), entry::pass))
        .layer(middleware::from_fn_with_state(Arc::new(door), door::pass))
        .with_state(state)
}

/// The routes that the OpenAPI document describes.
pub(crate) fn documented_routes() -> OpenApiRouter<WebState> {
    OpenApiRouter::with_openapi(openapi::frame())
        .nest("/admin/v1", admin_routes())
        .nest("/api/v1", api_routes())
        .routes(routes!(welcome::welcome))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(crate::metrics::get_metrics))
        .merge(oauth::endpoints())
}

fn admin_routes() -> OpenApiRouter<WebState> {
    use admin::{api_keys, audit, breakers, customers, tiers, users};

    OpenApiRouter::new()
        .routes(routes!(customers::list_customers, customers::create_customer))
        .routes(routes!(customers::get_customer, customers::change_customer))
        .routes(routes!(api_keys::list_api_keys, api_keys::create_api_key))
        .routes(routes!(api_keys::get_api_key, api_keys::change_api_key, api_keys::delete_api_key))
        .routes(routes!(users::invite_to_customer))
        .routes(routes!(users::list_users))
        .routes(routes!(users::change_user))
        .routes(routes!(tiers::list_tiers))
        .routes(routes!(tiers::get_tier, tiers::put_tier))
        .routes(routes!(breakers::list_breakers))
        .routes(routes!(breakers::put_breaker))
        .routes(routes!(breakers::get_egress))
        .routes(routes!(audit::list_audit))
}

fn api_routes() -> OpenApiRouter<WebState> {
    use api::{
        account, activity, audit, clients, components, consent_pins, consents, environment, executions, identities, invitations,
        members, memberships, modules, passkeys, pins, releases, server_access, servers, tools, tries, versions,
    };

    OpenApiRouter::new()
        .routes(routes!(servers::list_servers, servers::create_server))
        .routes(routes!(servers::get_server, servers::change_server, servers::delete_server))
        .routes(routes!(server_access::list_server_access))
        .routes(routes!(server_access::end_server_access))
        .routes(routes!(tools::list_tools, components::put_tools))
        .routes(routes!(tools::get_tool, tools::put_tool, tools::delete_tool))
        .routes(routes!(components::get_component))
        .routes(routes!(versions::list_versions))
        .routes(routes!(versions::get_version))
        .routes(routes!(tries::try_tool))
        .routes(routes!(environment::list_environment))
        .routes(routes!(
            environment::get_environment_value,
            environment::put_environment_value,
            environment::delete_environment_value
        ))
        .routes(routes!(releases::list_releases, releases::create_release))
        .routes(routes!(releases::get_release))
        .routes(routes!(releases::roll_back))
        .routes(routes!(pins::list_pins, pins::accept_server_words))
        .routes(routes!(pins::accept_definition))
        .routes(routes!(clients::list_clients, clients::create_client))
        .routes(routes!(clients::get_client, clients::delete_client))
        .routes(routes!(audit::list_own_audit))
        .routes(routes!(executions::list_executions))
        .routes(routes!(executions::summarise_executions))
        .routes(routes!(executions::get_execution))
        .routes(routes!(modules::list_modules))
        .routes(routes!(account::get_account))
        .routes(routes!(account::change_password))
        .routes(routes!(identities::list_identities))
        .routes(routes!(identities::delete_identity))
        .routes(routes!(account::delete_sign_ins))
        .routes(routes!(account::delete_sign_in))
        .routes(routes!(activity::list_activity))
        .routes(routes!(consents::list_consents))
        .routes(routes!(consents::revoke_consent))
        .routes(routes!(consents::change_consent))
        .routes(routes!(consent_pins::list_consent_pins, consent_pins::accept_consent_words))
        .routes(routes!(consent_pins::accept_consent_definition))
        .routes(routes!(memberships::leave_customer))
        .routes(routes!(passkeys::list_passkeys))
        .routes(routes!(passkeys::change_passkey, passkeys::delete_passkey))
        .routes(routes!(members::list_members))
        .routes(routes!(members::change_member, members::remove_member))
        .routes(routes!(invitations::list_invitations, invitations::create_invitation))
        .routes(routes!(invitations::revoke_invitation))
        .routes(routes!(documents::get_openapi))
        .routes(routes!(documents::get_types))
}
