//! Clients that prove to be themselves by a statement that they signed (`private_key_jwt`, RFC 7523). Each statement is taken once, whichever node
//! it is shown to.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::Digest;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use oauth::{AssertionClaims, ClientKeys, Endpoint, KeyMaterial, Secret, TokenErrorCode, VerificationKey, VerificationKeys};
use serde::Deserialize;

use super::Client;
use crate::{
    App, AppError,
    limits::{RateExceeded, Rates},
    tokens::TokenFault,
};

/// How often each client signs.
#[derive(Debug)]
pub(crate) struct AssertionRates(Rates<Digest>);

/// Of the header nothing else is believed: a key that the statement itself brings along proves nothing.
#[derive(Deserialize)]
struct AssertionHeader {
    alg: String,
    kid: Option<String>,
    /// What must be understood, and is not (RFC 7515, section 4.1.11).
    crit: Option<serde_json::Value>,
}

impl AssertionRates {
    /// Statements of one client in a minute, on one node: each is a row for minutes, and a token that it gets is good for longer.
    const PER_MINUTE_MAX: u32 = 120;

    pub(crate) fn new() -> Self {
        Self(Rates::per(Duration::from_mins(1)))
    }
}

/// Checks a client's statement: the signature by one of its keys, what it says, and that it was not shown before.
pub(super) async fn check(app: &App, client: &Client, assertion: &Secret) -> Result<(), TokenFault> {
    let refused = |description: &str| TokenFault::new(TokenErrorCode::InvalidClient, description);
    let text = assertion.reveal();
    let header = header_of(text).ok_or_else(|| refused("`client_assertion` is no signed JWT"))?;
    let keys = match &client.metadata.keys {
        Some(ClientKeys::Inline(keys)) => Arc::new(keys.clone()),
        Some(ClientKeys::At(url)) => crate::client_documents::fetch_keys(app, url).await?,
        None => return Err(refused("the client has no keys")),
    };
    let claims = verify(text, &header, &keys).ok_or_else(|| refused("no key of the client signed `client_assertion`"))?;
    let now = app.clock.now();
    claims.check(&client.id, &app.issuer, &Endpoint::Token.url(&app.issuer), now).map_err(|error| refused(&error.to_string()))?;
    let id = client.id.to_string();
    // Only what the client signed itself is counted: nobody else can use up what it has.
    app.assertion_rates.0.take(Digest::of(id.as_bytes()), AssertionRates::PER_MINUTE_MAX).map(drop).map_err(
        |RateExceeded { retry_after_s }| {
            let message = "the client signs too many statements: its tokens are good for longer".to_owned();
            TokenFault::App(AppError::Later { message, retry_after_s })
        },
    )?;
    // Whose it is belongs to it: two clients may choose the same id.
    let once = Digest::of_parts([id.as_bytes(), claims.jti.as_bytes()]);
    let until = AssertionClaims::remembered_until(now);
    if store::clients::use_assertion(&mut *app.pool.acquire().await?, &once, until).await? {
        Ok(())
    } else {
        Err(refused("`client_assertion` was shown before"))
    }
}

fn header_of(assertion: &str) -> Option<AssertionHeader> {
    let header = URL_SAFE_NO_PAD.decode(assertion.split('.').next()?).ok()?;
    let header: AssertionHeader = serde_json::from_slice(&header).ok()?;
    (header.crit.is_none() && VerificationKey::ALGORITHMS.contains(&header.alg.as_str())).then_some(header)
}

fn verify(assertion: &str, header: &AssertionHeader, keys: &VerificationKeys) -> Option<AssertionClaims> {
    let algorithm: Algorithm = header.alg.parse().ok()?;
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    // Times and audience are compared by `oauth`, against a clock that is passed in.
    (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
    keys.matching(&header.alg, header.kid.as_deref()).find_map(|key| {
        let key = decoding_key(&key.material)?;
        jsonwebtoken::decode::<AssertionClaims>(assertion, &key, &validation).ok().map(|decoded| decoded.claims)
    })
}

fn decoding_key(material: &KeyMaterial) -> Option<DecodingKey> {
    match material {
        KeyMaterial::P256 { x, y } => DecodingKey::from_ec_components(x, y),
        KeyMaterial::Ed25519 { x } => DecodingKey::from_ed_components(x),
        KeyMaterial::Rsa { n, e } => DecodingKey::from_rsa_components(n, e),
    }
    .ok()
}
