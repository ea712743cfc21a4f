//! What the paths of `/api/v1` carry.

use domain::{
    AccessId, CallId, ConsentId, CustomerId, EnvName, IdentityId, InvitationId, PasskeyId, ReleaseId, SignInId, Slug, ToolName,
    UserId, VersionId,
};
use serde::Deserialize;
use utoipa::IntoParams;

/// The path of a server.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ServerPath {
    /// The server's public name.
    #[param(value_type = String, pattern = "^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", example = "weather")]
    pub(crate) slug: Slug,
}

/// The path of a tool.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ToolPath {
    /// The server's public name.
    #[param(value_type = String, pattern = "^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", example = "weather")]
    pub(crate) slug: Slug,
    /// The tool's name.
    #[param(value_type = String, pattern = "^[A-Za-z0-9_-]{1,48}$", example = "forecast")]
    pub(crate) name: ToolName,
}

/// The path of what a consent has pinned of a tool.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ConsentPinPath {
    /// The consent.
    #[param(value_type = String, format = Uuid)]
    pub(crate) consent_id: ConsentId,
    /// The tool, resource or prompt.
    #[param(value_type = String, pattern = "^[A-Za-z0-9_-]{1,48}$", example = "forecast")]
    pub(crate) name: ToolName,
}

/// The path of a version of a tool.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct VersionPath {
    /// The server's public name.
    #[param(value_type = String, pattern = "^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", example = "weather")]
    pub(crate) slug: Slug,
    /// The tool's name.
    #[param(value_type = String, pattern = "^[A-Za-z0-9_-]{1,48}$", example = "forecast")]
    pub(crate) name: ToolName,
    /// The version.
    #[param(value_type = String, format = Uuid)]
    pub(crate) version_id: VersionId,
}

/// The path of an environment value.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct EnvPath {
    /// The server's public name.
    #[param(value_type = String, pattern = "^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", example = "weather")]
    pub(crate) slug: Slug,
    /// The value's name.
    #[param(value_type = String, pattern = "^[A-Z][A-Z0-9_]{0,63}$", example = "UNITS")]
    pub(crate) name: EnvName,
}

/// The path of a release.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ReleasePath {
    /// The server's public name.
    #[param(value_type = String, pattern = "^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", example = "weather")]
    pub(crate) slug: Slug,
    /// The release.
    #[param(value_type = String, format = Uuid)]
    pub(crate) release_id: ReleaseId,
}

/// The path of an execution.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ExecutionPath {
    /// The call.
    #[param(value_type = String, format = Uuid)]
    pub(crate) call_id: CallId,
}

/// The path of a member.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct MemberPath {
    /// The person.
    #[param(value_type = String, format = Uuid)]
    pub(crate) user_id: UserId,
}

/// The path of an invitation.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct InvitationPath {
    /// The invitation.
    #[param(value_type = String, format = Uuid)]
    pub(crate) invitation_id: InvitationId,
}

/// The path of an account elsewhere.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct IdentityPath {
    /// The account.
    #[param(value_type = String, format = Uuid)]
    pub(crate) identity_id: IdentityId,
}

/// The path of a sign-in.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct SignInPath {
    /// The sign-in.
    #[param(value_type = String, format = Uuid)]
    pub(crate) sign_in_id: SignInId,
}

/// The path of what somebody let a client do.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ConsentPath {
    /// The consent.
    #[param(value_type = String, format = Uuid)]
    pub(crate) consent_id: ConsentId,
}

/// The path of a customer that somebody belongs to.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct MembershipPath {
    /// The customer.
    #[param(value_type = String, format = Uuid)]
    pub(crate) customer_id: CustomerId,
}

/// The path of an access to a server.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct AccessPath {
    /// The server's public name.
    #[param(value_type = String, pattern = "^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", example = "weather")]
    pub(crate) slug: Slug,
    /// The access.
    #[param(value_type = String, format = Uuid)]
    pub(crate) access_id: AccessId,
}

/// The path of a passkey.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct PasskeyPath {
    /// The passkey.
    #[param(value_type = String, format = Uuid)]
    pub(crate) passkey_id: PasskeyId,
}
