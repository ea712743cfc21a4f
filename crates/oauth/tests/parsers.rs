//! Whatever is sent, nothing panics, and what was understood is written as it was read.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::DateTime;
use domain::{Scope, Scopes};
use oauth::{
    AccessTokenClaims, AssertionClaims, Audiences, AuthorizationRequest, AuthorizeError, AuthorizeErrorCode, BearerChallenge,
    BearerError, Challenge, ClientAuthentication, ClientDocument, ClientId, ClientMetadata, DeviceRequest, DocumentUrl,
    ErrorDescription, ExpectedClaims, Issuer, Parameters, Prompt, RedirectUri, Registration, RegistrationUpdate, ReplyTo,
    Resource, Secret, TokenForm, TokenRequest, UserCode, Verifier, asked_scopes, narrowed_scopes,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use url::{Host, Url, form_urlencoded};

/// Addresses that are taken, to be spoiled.
const ADDRESSES: [&str; 10] = [
    "https://app.test/callback",
    "https://app.test:8443/callback?a=1",
    "http://127.0.0.1:51004/callback",
    "http://127.0.0.1",
    "http://[::1]:1/callback",
    "http://localhost:3000/callback/",
    "com.example.app:/callback",
    "cursor://anysphere.cursor-mcp/oauth/callback",
    "https://as.test/mcp/demo",
    "https://app.test/client.json",
];

/// What turns one address into another one.
const SPOILERS: [&str; 28] = [
    "/",
    "//",
    "\\",
    "@",
    ":",
    "?",
    "#",
    ".",
    "..",
    "/../",
    "%2e",
    "%2F",
    "%00",
    "&",
    "=",
    "evil.test",
    "evil.test/",
    "@evil.test",
    "\t",
    "\n",
    " ",
    "\u{3002}",
    "é",
    "0x7f",
    "65536",
    "javascript:",
    "[",
    "]",
];

fn config() -> ProptestConfig {
    ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() }
}

fn issuer() -> Issuer {
    Issuer::parse("https://as.test").unwrap()
}

/// An address with a few things put in or taken out.
fn spoiled() -> impl Strategy<Value = String> {
    let change = (any::<prop::sample::Index>(), prop::sample::select(&SPOILERS[..]), 0..3_usize);
    (prop::sample::select(&ADDRESSES[..]), prop::collection::vec(change, 0..4)).prop_map(|(address, changes)| {
        let mut characters: Vec<char> = address.chars().collect();
        for (index, spoiler, taken) in changes {
            let from = index.index(characters.len() + 1);
            let to = (from + taken).min(characters.len());
            characters.splice(from..to, spoiler.chars());
        }
        characters.into_iter().collect()
    })
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![spoiled(), "\\PC{0,80}", ".{0,80}", "[ -~]{0,200}"]
}

/// JSON with the members that are read, and others, of every type.
fn metadata() -> impl Strategy<Value = Value> {
    const NAMES: [&str; 18] = [
        "client_id",
        "redirect_uris",
        "token_endpoint_auth_method",
        "grant_types",
        "response_types",
        "client_name",
        "client_uri",
        "logo_uri",
        "tos_uri",
        "policy_uri",
        "jwks",
        "jwks_uri",
        "software_id",
        "software_version",
        "client_secret",
        "scope",
        "contacts",
        "keys",
    ];
    const WORDS: [&str; 8] = [
        "none",
        "private_key_jwt",
        "client_secret_basic",
        "authorization_code",
        "refresh_token",
        "client_credentials",
        "code",
        "implicit",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text().prop_map(Value::from),
        prop::sample::select(&WORDS[..]).prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(prop::sample::select(&NAMES[..]), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())),
        ]
    });
    let right = json!({ "client_id": "https://app.test/client.json", "client_name": "App", "redirect_uris": ["https://app.test/callback"] });
    let right = right.as_object().unwrap().clone();
    prop_oneof![
        value.clone(),
        prop::collection::hash_map(prop::sample::select(&NAMES[..]), value, 0..4).prop_map(move |members| {
            let mut metadata = right.clone();
            metadata.extend(members.into_iter().map(|(name, value)| (name.to_owned(), value)));
            Value::Object(metadata)
        }),
    ]
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn nothing_that_is_sent_makes_a_parser_panic(text in text(), other in text()) {
        let issuer = issuer();
        let _ = Issuer::parse(&text);
        let _ = Resource::parse(&issuer, &text);
        let _ = Challenge::parse(&text);
        let _ = Verifier::parse(&text);
        let _ = Prompt::parse(&text);
        let _ = text.parse::<UserCode>();
        let _ = Registration::parse(text.as_bytes());
        let _ = ClientDocument::parse(&DocumentUrl::parse("https://app.test/client.json").unwrap(), text.as_bytes());
        let _ = AuthorizationRequest::parse(&issuer, &text);
        if let Ok(form) = Parameters::parse(&text) {
            let _ = TokenRequest::parse(&issuer, &form);
            let _ = TokenForm::parse(&form);
            let _ = DeviceRequest::parse(&issuer, &form);
            let _ = ClientAuthentication::parse(Some(&other), &form);
            let _ = ClientAuthentication::parse(None, &form);
        }
    }

    #[test]
    fn no_form_makes_a_parser_panic(names in prop::collection::vec((prop::sample::select(&[
        "client_id", "redirect_uri", "state", "scope", "response_type", "code_challenge", "code_challenge_method", "resource", "prompt",
        "grant_type", "code", "code_verifier", "refresh_token", "device_code", "token", "token_type_hint", "client_secret",
        "client_assertion", "client_assertion_type",
    ][..]), text()), 0..12)) {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(names).finish();
        let issuer = issuer();
        let _ = AuthorizationRequest::parse(&issuer, &query);
        let form = Parameters::parse(&query).unwrap();
        let _ = TokenRequest::parse(&issuer, &form);
        let _ = TokenForm::parse(&form);
        let _ = DeviceRequest::parse(&issuer, &form);
        let _ = ClientAuthentication::parse(None, &form);
    }

    #[test]
    fn a_client_id_is_written_as_it_was_read(text in text(), number in any::<u128>()) {
        if let Ok(client_id) = text.parse::<ClientId>() {
            prop_assert_eq!(client_id.to_string(), text);
        }
        let registered = ClientId::Registered(uuid::Uuid::from_u128(number));
        prop_assert_eq!(registered.to_string().parse::<ClientId>().unwrap(), registered);
    }

    #[test]
    fn rfc_6749_section_10_15_a_browser_goes_nowhere_but_where_the_client_said(text in spoiled(), state in text()) {
        let Ok(asked) = text.parse::<RedirectUri>() else { return Ok(()) };
        prop_assert_eq!(asked.as_str(), &text);
        let read = Url::parse(&text).unwrap();
        prop_assert!(read.scheme() != "http" || is_loopback(&read));
        prop_assert!(read.username().is_empty() && read.password().is_none() && read.fragment().is_none());
        prop_assert!(!matches!(read.scheme(), "javascript" | "data" | "file" | "blob" | "about" | "vbscript"));

        let reply_to = ReplyTo { client_id: ADDRESSES[9].parse().unwrap(), redirect_uri: Some(asked.clone()), state: Some(state.clone()) };
        let reply = reply_to.check(std::slice::from_ref(&asked)).unwrap();
        let target = Url::parse(&reply.with_code(&issuer(), &Secret::shown("c"))).unwrap();
        prop_assert_eq!((target.scheme(), target.host(), target.port(), target.path()), (read.scheme(), read.host(), read.port(), read.path()));
        prop_assert!(target.query_pairs().any(|(name, value)| name == "state" && value == state));
        prop_assert!(target.query_pairs().any(|(name, value)| name == "iss" && value == "https://as.test"));
    }

    #[test]
    fn oauth_2_1_section_2_3_1_another_address_is_not_taken_for_a_registered_one(
        registered in prop::sample::select(&ADDRESSES[..]), text in spoiled()
    ) {
        let (registered, Ok(asked)) = (registered.parse::<RedirectUri>().unwrap(), text.parse::<RedirectUri>()) else { return Ok(()) };
        if !registered.allows(&asked) {
            prop_assert_ne!(registered.as_str(), asked.as_str());
            return Ok(());
        }
        prop_assert!(asked.allows(&registered));
        if registered.as_str() != asked.as_str() {
            let [mut registered, mut asked] = [&registered, &asked].map(|uri| Url::parse(uri.as_str()).unwrap());
            prop_assert!(registered.scheme() == "http" && is_loopback(&registered));
            registered.set_port(None).unwrap();
            asked.set_port(None).unwrap();
            prop_assert_eq!(registered, asked);
        }
    }

    #[test]
    fn an_issuer_and_a_resource_are_written_in_one_way(text in text()) {
        if let Ok(issuer) = Issuer::parse(&text) {
            prop_assert!(!issuer.as_str().ends_with('/'));
            prop_assert_eq!(&Issuer::parse(issuer.as_str()).unwrap(), &issuer);
            for resource in [Resource::Management, Resource::Server("demo".parse().unwrap())] {
                prop_assert_eq!(Resource::parse(&issuer, &resource.url(&issuer)).unwrap(), resource.clone());
                prop_assert!(Url::parse(&resource.metadata_url(&issuer)).is_ok());
            }
        }
        if let Ok(resource) = Resource::parse(&issuer(), &text) {
            prop_assert_eq!(Resource::parse(&issuer(), &resource.url(&issuer())).unwrap(), resource);
        }
    }

    #[test]
    fn rfc_6749_section_2_3_1_a_secret_of_any_characters_arrives(secret in "\\PC{1,40}") {
        let client_id: ClientId = ADDRESSES[9].parse().unwrap();
        let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let header = format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(ADDRESSES[9]), encoded(&secret))));
        let shown = ClientAuthentication::parse(Some(&header), &Parameters::parse("").unwrap()).unwrap();
        prop_assert_eq!(shown, ClientAuthentication::Basic { client_id, secret: Secret::shown(&secret) });
    }

    #[test]
    fn rfc_6749_section_3_3_no_words_give_more_than_may_be_given(
        asked in prop_oneof![text(), "(mcp:tools|mcp:tools:add|mcp:tools:sub|servers:write|servers:read|openid|x){0,1}( (mcp:tools|mcp:tools:add|members:write)){0,4}"]
    ) {
        let given = Scopes::of([Scope::McpTool("add".parse().unwrap()), Scope::ServersRead]);
        if let Ok(scopes) = narrowed_scopes(Some(&asked), &given) {
            prop_assert!(given.covers(&scopes) && !scopes.is_empty());
        }
        if let Ok(scopes) = asked_scopes(Some(&asked), &Resource::Server("demo".parse().unwrap())) {
            prop_assert!(Scopes::of([Scope::McpTools]).covers(&scopes) && !scopes.is_empty());
        }
    }

    #[test]
    fn rfc_7591_section_2_metadata_that_are_taken_are_written_as_they_were_read(metadata in metadata()) {
        let body = metadata.to_string();
        let _ = RegistrationUpdate::parse(body.as_bytes(), uuid::Uuid::nil());
        let document = ClientDocument::parse(&DocumentUrl::parse(ADDRESSES[9]).unwrap(), body.as_bytes()).map(|document| document.metadata);
        let registered = Registration::parse(body.as_bytes()).map(|registration| registration.metadata);
        for metadata in [document.ok(), registered.ok()].into_iter().flatten() {
            let written = serde_json::to_value(&metadata).unwrap();
            prop_assert!(!written.to_string().contains("\\u0000"), "a database could not keep it");
            prop_assert_eq!(serde_json::from_value::<ClientMetadata>(written).unwrap(), metadata);
        }
    }

    #[test]
    fn rfc_6750_section_3_a_challenge_is_one_field_whatever_it_says(text in text()) {
        let resource = Resource::Server("demo".parse().unwrap());
        let challenge = BearerChallenge::refused(&issuer(), &resource, Scopes::of([Scope::McpTools]), BearerError::InvalidToken, &text);
        let challenge = challenge.to_string();
        prop_assert!(challenge.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        prop_assert_eq!(challenge.matches('"').count(), 8);
    }

    #[test]
    fn rfc_6749_section_5_2_an_error_is_told_in_the_characters_that_it_may_have(text in text()) {
        let error = AuthorizeError::new(AuthorizeErrorCode::InvalidRequest, &text);
        let allowed = |character: char| matches!(character, ' '..='!' | '#'..='[' | ']'..='~');
        prop_assert!(error.description.as_str().chars().all(allowed));
        prop_assert!(error.description.as_str().len() <= ErrorDescription::CHARS_MAX);
    }

    #[test]
    fn no_time_makes_a_check_panic(exp in any::<i64>(), iat in any::<i64>(), nbf in any::<Option<i64>>(), now_s in 0..10_000_000_000_i64) {
        let (issuer, client_id, now) = (issuer(), ADDRESSES[9].parse::<ClientId>().unwrap(), DateTime::from_timestamp(now_s, 0).unwrap());
        let [iss, sub] = [ADDRESSES[9]; 2].map(str::to_owned);
        let aud = Audiences::One(issuer.to_string());
        let assertion = AssertionClaims { iss, sub, aud, exp, nbf, iat: Some(iat), jti: "1".to_owned() };
        let _ = assertion.check(&client_id, &issuer, "https://as.test/oauth/token", now);

        let claims = AccessTokenClaims {
            iss: issuer.to_string(),
            sub: "u".to_owned(),
            aud: "https://as.test/mcp/demo".to_owned(),
            client_id,
            scope: Scopes::of([Scope::McpTools]),
            iat,
            exp,
            jti: "1".to_owned(),
            tw_auth: domain::AuthorizationId::new(),
        };
        let taken = claims.check(&ExpectedClaims { issuer: &issuer, audience: &claims.aud, now });
        prop_assert!(taken.is_err() || exp > now_s);
    }

    #[test]
    fn rfc_8628_section_6_1_a_code_is_typed_as_it_was_shown(bytes in any::<[u8; 16]>()) {
        let code = UserCode::from_random(bytes);
        prop_assert_eq!(code.to_string().to_lowercase().parse::<UserCode>().unwrap(), code);
    }
}
