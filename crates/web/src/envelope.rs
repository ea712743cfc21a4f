//! What an answer says when it is not a success (API-1).

use domain::RequestId;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// What every answer says when it is not a success.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Error)]
pub(crate) struct Envelope {
    /// What kind of error it is: programs branch on this.
    pub(crate) error_code: ErrorCode,
    /// What is wrong and what would be right, for people and models. The wording may change.
    #[schema(example = "there is no server `weather`")]
    pub(crate) message: String,
    /// More about it; which members there are depends on `error_code`, and there may be none.
    #[schema(value_type = Object)]
    pub(crate) details: Value,
    /// Names this request in the logs of the installation; also in the header `X-Request-Id`.
    #[schema(value_type = String, format = Uuid, example = "01994c1e-5a6f-7c21-9f52-3b1d9a3f8a10")]
    pub(crate) request_id: RequestId,
}

/// The kind of an error, as programs branch on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ErrorCode {
    /// 400: the request cannot be read at all: not JSON, a body that broke off.
    Unreadable,
    /// 401: no key, or one that is not valid.
    Unauthenticated,
    /// 403: a valid key for another door.
    Forbidden,
    /// 404: it does not exist, or is another customer's.
    NotFound,
    /// 405: the path exists, the method on it does not; the header `Allow` names those that do.
    MethodNotAllowed,
    /// 409: it contradicts what is there, such as a slug that was given out before.
    Conflict,
    /// 413: more bytes than are read; `details.bytes_max` is the bound.
    TooLarge,
    /// 415: the body is not declared as `application/json`.
    UnsupportedMediaType,
    /// 421: this installation does not answer under the name that was asked for.
    Misdirected,
    /// 422: readable, but not right; `details` says where.
    Invalid,
    /// 422: the source does not become a tool; `details.diagnostics` says what is wrong and where.
    BuildFailed,
    /// 422: the customer's tier does not allow more; `details` has `limit`, `value` and `tier`. Waiting does not help.
    LimitReached,
    /// 429: the customer's tier allows so many in a span of time; the header `Retry-After` says when to come back.
    RateLimited,
    /// 429: too much of it at one time; the header `Retry-After` says when to come back.
    Busy,
    /// 503: something that Toolwright stands on is away; the header `Retry-After` says when to come back.
    Unavailable,
    /// 500: a fault of the installation, which its log explains under the `request_id`.
    Internal,
}
