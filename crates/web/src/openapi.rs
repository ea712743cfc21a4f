//! The OpenAPI document of the REST API (API-3): what the handlers say of themselves, and what is the same for all of them.

mod unsigned;

use std::collections::BTreeMap;

use serde_json::json;
use utoipa::{
    OpenApi,
    openapi::{
        Components, ContentBuilder, HeaderBuilder, Ref, RefOr, Response, ResponseBuilder,
        path::{Operation, ParameterIn, PathItem},
        schema::{ArrayBuilder, ObjectBuilder, Schema, Type},
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use crate::{
    envelope::{Envelope, ErrorCode},
    router::documented_routes,
};

/// The document's frame: everything that no handler can say.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Toolwright",
        version = "1",
        description = "Hosts tools for language models: a source goes in, a sandboxed tool comes out, served at `/mcp/{server}`.\n\nEvery answer carries `X-Request-Id`. Every answer that is not a success carries one envelope, `Error`: programs branch on its `error_code`, people read its `message`. Lists come in pages: ask for the next one with the `next_cursor` of the last. Another customer's thing answers exactly as a missing one. Bodies are JSON of 2 MiB at most, without unknown members and without repeated keys; components are sent as they are, bounded by the tier's `artifact_bytes_max`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "customers", description = "Customers and their tiers; by the admin key"),
        (name = "api keys", description = "What a customer's programs show; by the admin key"),
        (name = "users", description = "People who can sign in; by the admin key"),
        (name = "tiers", description = "The limits that customers are held to; by the admin key"),
        (name = "egress", description = "Hosts that tools reach, and those that are left alone; by the admin key"),
        (name = "servers", description = "What `/mcp/{server}` serves"),
        (name = "tools", description = "Sources, their versions, and trying them"),
        (name = "environment", description = "Values that tools read"),
        (name = "releases", description = "What is served, and going back"),
        (name = "pins", description = "What clients have read of tools, and what changed since"),
        (name = "executions", description = "Records of calls"),
        (name = "audit", description = "What was changed, by whom and from where"),
        (name = "oauth", description = "The authorization server: what OAuth clients talk to. Errors have the form of RFC 6749, section 5.2"),
        (name = "members", description = "The people who may do something for you, and inviting others; by somebody who is signed in"),
        (name = "account", description = "Whoever is signed in, about themselves"),
        (name = "documents", description = "Descriptions for clients and editors"),
        (name = "operation", description = "For whoever runs the installation"),
    ),
    components(schemas(Envelope, ErrorCode)),
)]
struct Frame;

/// An error that operations can answer, described once.
struct ErrorAnswer {
    status: &'static str,
    name: &'static str,
    description: &'static str,
    example: ErrorCode,
    message: &'static str,
    /// A header that comes with it, and what it says.
    header: Option<(&'static str, &'static str)>,
}

const UNREADABLE: ErrorAnswer = ErrorAnswer {
    status: "400",
    name: "Unreadable",
    description: "The body is not JSON, or broke off",
    example: ErrorCode::Unreadable,
    message: "the body is not JSON: EOF while parsing a value at line 1 column 0",
    header: None,
};
const UNAUTHENTICATED: ErrorAnswer = ErrorAnswer {
    status: "401",
    name: "Unauthenticated",
    description: "No key, or one that is not valid",
    example: ErrorCode::Unauthenticated,
    message: "a key is needed in the header Authorization, as `Authorization: Bearer <key>`",
    header: Some(("WWW-Authenticate", "`Bearer`, with `error=\"invalid_token\"` if a key was sent")),
};
const FORBIDDEN: ErrorAnswer = ErrorAnswer {
    status: "403",
    name: "Forbidden",
    description: "A valid key, but for another part of the API",
    example: ErrorCode::Forbidden,
    message: "this needs a customer's API key",
    header: None,
};
const NOT_FOUND: ErrorAnswer = ErrorAnswer {
    status: "404",
    name: "NotFound",
    description: "It does not exist, or is another customer's",
    example: ErrorCode::NotFound,
    message: "there is no server `weather`",
    header: None,
};
const TOO_SLOW: ErrorAnswer = ErrorAnswer {
    status: "408",
    name: "TooSlow",
    description: "The body did not arrive in time",
    example: ErrorCode::Unreadable,
    message: "the body did not arrive within 30 s",
    header: None,
};
const TOO_LARGE: ErrorAnswer = ErrorAnswer {
    status: "413",
    name: "TooLarge",
    description: "The body is larger than `details.bytes_max`",
    example: ErrorCode::TooLarge,
    message: "the body is larger than the 2097152 bytes that are read",
    header: None,
};
const UNSUPPORTED_MEDIA_TYPE: ErrorAnswer = ErrorAnswer {
    status: "415",
    name: "UnsupportedMediaType",
    description: "The body is not declared as what is read here: `application/json`, or `application/wasm` for a component",
    example: ErrorCode::UnsupportedMediaType,
    message: "a body of JSON is needed, with the header `Content-Type: application/json`",
    header: None,
};
const INVALID: ErrorAnswer = ErrorAnswer {
    status: "422",
    name: "Invalid",
    description: "Readable, but not right: `invalid` (`details` says where), `build_failed` (`details.diagnostics`) or `limit_reached` \
                  (`details.limit`, `details.value`, `details.tier`)",
    example: ErrorCode::Invalid,
    message: "the path is not right: `A` is not a valid server slug: it must be 3 to 63 of a-z, 0-9 and -, beginning and ending with a letter \
              or a digit",
    header: None,
};
const TOO_MANY: ErrorAnswer = ErrorAnswer {
    status: "429",
    name: "TooMany",
    description: "Too many in a span of time (`rate_limited`, with RateLimit fields) or at one time (`busy`)",
    example: ErrorCode::RateLimited,
    message: "the limit of 60 builds an hour (builds_per_hour_max) of tier `free` is reached; try again in 60 s",
    header: Some(("Retry-After", "Seconds until it is worth trying again")),
};
const INTERNAL: ErrorAnswer = ErrorAnswer {
    status: "500",
    name: "Internal",
    description: "A fault of the installation, which its log explains under the request id",
    example: ErrorCode::Internal,
    message: "something went wrong on our side; the installation's log explains it under the request id",
    header: None,
};
const UNAVAILABLE: ErrorAnswer = ErrorAnswer {
    status: "503",
    name: "Unavailable",
    description: "Something that the installation stands on is away",
    example: ErrorCode::Unavailable,
    message: "the database does not answer; try again in a few seconds",
    header: Some(("Retry-After", "Seconds until it is worth trying again")),
};

const ALL: [&ErrorAnswer; 11] = [
    &UNREADABLE,
    &UNAUTHENTICATED,
    &FORBIDDEN,
    &NOT_FOUND,
    &TOO_SLOW,
    &TOO_LARGE,
    &UNSUPPORTED_MEDIA_TYPE,
    &INVALID,
    &TOO_MANY,
    &INTERNAL,
    &UNAVAILABLE,
];

/// The whole document, as `docs/openapi.json` keeps it.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    let (_router, mut document) = documented_routes().split_for_parts();
    for operation in document.paths.paths.values_mut().flat_map(operations_mut) {
        add_errors(operation);
    }
    if let Some(components) = &mut document.components {
        refer_to_items(&mut components.schemas);
        components.schemas.values_mut().for_each(unsigned::say_so);
    }
    document
}

/// The whole document as JSON.
pub(crate) fn text() -> String {
    // A document that cannot be written would be a fault of the program, which the test below shows.
    openapi().to_pretty_json().unwrap_or_default()
}

/// What the routes are added to.
pub(crate) fn frame() -> utoipa::openapi::OpenApi {
    let mut document = Frame::openapi();
    let components = document.components.get_or_insert_with(Components::new);
    for (name, description) in [
        ("admin_key", "The key of whoever runs the installation, as `Authorization: Bearer <key>`"),
        ("api_key", "A customer's API key, as `Authorization: Bearer tw_...`"),
    ] {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(description)).build();
        components.security_schemes.insert(name.to_owned(), RefOr::T(SecurityScheme::Http(scheme)));
    }
    let about = "The cookie of a person who is signed in (`__Host-toolwright`; `toolwright` on plain http). Requests that change something must come \
                 from a page of this installation, or carry the header `Toolwright-Csrf`; who belongs to several customers names one in the header \
                 `Toolwright-Customer`";
    let cookie = ApiKey::Cookie(ApiKeyValue::with_description("__Host-toolwright", about));
    components.security_schemes.insert("sign_in".to_owned(), RefOr::T(SecurityScheme::ApiKey(cookie)));
    components.responses.extend(ALL.map(|error| (error.name.to_owned(), RefOr::T(response(error)))));
    document
}

fn response(error: &ErrorAnswer) -> Response {
    let example = json!({
        "error_code": error.example,
        "message": error.message,
        "details": {},
        "request_id": "01994c1e-5a6f-7c21-9f52-3b1d9a3f8a10",
    });
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Error"))).example(Some(example)).build();
    let response = ResponseBuilder::new().description(error.description).content("application/json", content);
    let Some((name, description)) = error.header else { return response.build() };
    let text = ObjectBuilder::new().schema_type(Type::String).build();
    response.header(name, HeaderBuilder::new().schema(Some(text)).description(Some(description)).build()).build()
}

/// A generic schema repeats its parameter; a reference gives generated clients one type instead of two.
fn refer_to_items(schemas: &mut BTreeMap<String, RefOr<Schema>>) {
    for (name, schema) in schemas {
        let (Some(item), RefOr::T(Schema::Object(page))) = (name.strip_prefix("Page_"), schema) else { continue };
        let items = ArrayBuilder::new().items(Ref::from_schema_name(item)).description(Some("The items.")).build();
        page.properties.insert("items".to_owned(), RefOr::T(Schema::Array(items)));
    }
}

fn operations_mut(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = path;
    [get, put, post, delete, patch].into_iter().flatten()
}

/// Which errors an operation can answer follows from what it takes. What it says itself stays.
fn add_errors(operation: &mut Operation) {
    let is_oauth = operation.tags.iter().flatten().any(|tag| tag == "oauth");
    let guarded = operation.security.is_some();
    let parameters = operation.parameters.as_deref().unwrap_or_default();
    let takes = |place: ParameterIn| {
        parameters.iter().any(|parameter| matches!(parameter, RefOr::T(parameter) if parameter.parameter_in == place))
    };
    let (in_path, in_query, in_body) = (takes(ParameterIn::Path), takes(ParameterIn::Query), operation.request_body.is_some());
    if is_oauth {
        return add_oauth_errors(operation, in_path, in_body);
    }
    // What builds or runs is held to a rate.
    let rated = matches!(operation.operation_id.as_deref(), Some("put_tool" | "put_tools" | "get_component" | "try_tool"));
    let errors = [
        (guarded, &[UNAUTHENTICATED, FORBIDDEN, INTERNAL, UNAVAILABLE][..]),
        (in_path, &[NOT_FOUND]),
        (in_body, &[UNREADABLE, TOO_SLOW, TOO_LARGE, UNSUPPORTED_MEDIA_TYPE]),
        (in_path || in_query || in_body, &[INVALID]),
        (rated, &[TOO_MANY]),
    ];
    for error in errors.into_iter().filter(|(applies, _)| *applies).flat_map(|(_, errors)| errors) {
        let reference = RefOr::Ref(Ref::from_response_name(error.name));
        operation.responses.responses.entry(error.status.to_owned()).or_insert(reference);
    }
}

/// The authorization server's errors, in the form of its own. What a client did wrong in its own words it says itself.
fn add_oauth_errors(operation: &mut Operation, in_path: bool, in_body: bool) {
    let refused = |description: &str| {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("OAuthError"))).build();
        RefOr::T(ResponseBuilder::new().description(description).content("application/json", content).build())
    };
    let errors = [
        (in_body, "408", TOO_SLOW.description),
        (in_body, "413", "The body is larger than what is read"),
        (in_body, "415", "The body is not declared as what is read here"),
        (in_path, "422", "What the path names is no name of anything"),
        (in_path || in_body, "429", "Too many in a span of time, or at one time"),
        (in_path || in_body, "500", INTERNAL.description),
        (in_path || in_body, "503", UNAVAILABLE.description),
    ];
    for (_, status, description) in errors.into_iter().filter(|(applies, ..)| *applies) {
        operation.responses.responses.entry(status.to_owned()).or_insert_with(|| refused(description));
    }
}

#[cfg(test)]
mod tests {
    use super::openapi;

    #[test]
    fn the_checked_in_document_is_the_one_that_the_handlers_describe() {
        let kept = include_str!("../../../docs/openapi.json");

        let made = openapi().to_pretty_json().unwrap();

        assert!(
            kept.trim_end() == made.trim_end(),
            "docs/openapi.json is out of date: `cargo run -p toolwright -- openapi > docs/openapi.json`"
        );
    }
}
