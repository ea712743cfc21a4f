use serde_json::json;

use super::*;

fn read(value: Value) -> Result<ClientMetadata, ClientMetadataError> {
    ClientMetadata::from_wire(serde_json::from_value(value).unwrap())
}

/// Metadata that are right, with `name` saying `value`.
fn with(name: &str, value: Value) -> Value {
    let mut metadata = json!({ "redirect_uris": ["https://app.test/callback"] });
    metadata[name] = value;
    metadata
}

#[test]
fn rfc_7591_section_2_what_is_left_out_has_a_default() {
    let metadata = read(with("client_name", json!("App"))).unwrap();

    assert_eq!(
        serde_json::to_value(&metadata).unwrap(),
        json!({
            "redirect_uris": ["https://app.test/callback"],
            "token_endpoint_auth_method": "client_secret_basic",
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "client_name": "App",
        })
    );
    assert_eq!(serde_json::from_value::<ClientMetadata>(serde_json::to_value(&metadata).unwrap()).unwrap(), metadata);
}

#[test]
fn rfc_7591_section_2_unknown_members_are_passed_over_and_null_is_left_out() {
    assert!(read(with("software_statement", json!("eyJ"))).is_ok());
    assert_eq!(read(with("client_name", Value::Null)).unwrap().name, None);
}

#[test]
fn rfc_7591_section_2_redirect_uris_are_checked_and_bounded() {
    for (uris, error) in [
        (json!([]), ClientMetadataError::NoRedirectUri),
        (Value::Null, ClientMetadataError::NoRedirectUri),
        (json!(vec!["https://app.test/"; ClientMetadata::REDIRECT_URIS_MAX + 1]), ClientMetadataError::TooManyRedirectUris),
    ] {
        assert_eq!(read(with("redirect_uris", uris)), Err(error));
    }
    for uri in ["javascript:alert(1)", "http://app.test/", "https://app.test/#a", "https://me@app.test/", "data:text/html,x", "*"]
    {
        let metadata = with("redirect_uris", json!(["https://app.test/callback", uri]));
        assert!(matches!(read(metadata), Err(ClientMetadataError::RedirectUri(_))), "{uri}");
    }
}

#[test]
fn rfc_7591_section_2_a_client_without_codes_needs_no_address() {
    let metadata = read(json!({ "grant_types": ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"] })).unwrap();

    assert!(
        metadata.redirect_uris.is_empty()
            && metadata.allows(GrantType::DeviceCode)
            && !metadata.allows(GrantType::AuthorizationCode)
    );
}

#[test]
fn rfc_7591_section_3_2_1_what_is_not_served_is_replaced_or_refused() {
    let secret_in_body = read(with("token_endpoint_auth_method", json!("client_secret_post"))).unwrap();
    let implicit_too = read(with("grant_types", json!(["implicit", "authorization_code", "password"]))).unwrap();

    assert_eq!(secret_in_body.auth_method, AuthMethod::ClientSecretBasic);
    assert_eq!(implicit_too.grant_types, [GrantType::AuthorizationCode]);
    for (name, value, error) in [
        ("token_endpoint_auth_method", json!("tls_client_auth"), ClientMetadataError::AuthMethod),
        ("token_endpoint_auth_method", json!("client_secret_jwt"), ClientMetadataError::AuthMethod),
        ("grant_types", json!(["implicit"]), ClientMetadataError::GrantTypes),
        ("grant_types", json!(["refresh_token"]), ClientMetadataError::GrantTypes),
        ("grant_types", json!([]), ClientMetadataError::GrantTypes),
        ("response_types", json!(["token"]), ClientMetadataError::ResponseTypes),
        ("response_types", json!(["code id_token"]), ClientMetadataError::ResponseTypes),
        ("software_id", json!("x".repeat(200)), ClientMetadataError::Software),
        ("software_version", json!("1\u{0}"), ClientMetadataError::Software),
    ] {
        assert_eq!(read(with(name, value.clone())), Err(error), "{name} {value}");
    }
}

#[test]
fn rfc_6749_section_4_4_a_public_client_does_not_act_for_itself() {
    let metadata = json!({ "token_endpoint_auth_method": "none", "grant_types": ["client_credentials"] });

    assert_eq!(read(metadata), Err(ClientMetadataError::PublicClientCredentials));
}

#[test]
fn rfc_7591_section_5_pages_that_are_not_https_are_left_out() {
    for uri in [
        json!("javascript:alert(1)"),
        json!("data:image/png;base64,AA"),
        json!("http://app.test/"),
        json!("https://me@app.test/"),
        json!(7),
    ] {
        assert_eq!(read(with("logo_uri", uri.clone())).unwrap().pages.logo_uri, None, "{uri}");
    }
    let logo_uri = read(with("logo_uri", json!("https://app.test/logo.png"))).unwrap().pages.logo_uri;
    assert_eq!(logo_uri.unwrap().as_str(), "https://app.test/logo.png");
}

#[test]
fn rfc_7591_section_2_keys_are_there_or_at_an_address_and_not_both() {
    let keys = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }] });
    let metadata = |jwks: Value, jwks_uri: Value| {
        let mut metadata = with("token_endpoint_auth_method", json!("private_key_jwt"));
        metadata["jwks"] = jwks;
        metadata["jwks_uri"] = jwks_uri;
        metadata
    };

    assert!(matches!(read(metadata(keys.clone(), Value::Null)).unwrap().keys, Some(ClientKeys::Inline(_))));
    assert!(matches!(read(metadata(Value::Null, json!("https://app.test/keys"))).unwrap().keys, Some(ClientKeys::At(_))));
    for wrong in [
        metadata(Value::Null, Value::Null),
        metadata(keys.clone(), json!("https://app.test/keys")),
        metadata(Value::Null, json!("http://app.test/keys")),
    ] {
        assert_eq!(read(wrong), Err(ClientMetadataError::KeyPlaces));
    }
    let read_back = serde_json::to_value(read(metadata(keys.clone(), Value::Null)).unwrap()).unwrap();
    assert_eq!(read_back["jwks"], keys);
    assert!(matches!(read(metadata(json!({}), Value::Null)), Err(ClientMetadataError::Keys(_))));
}

#[test]
fn a_client_that_is_only_on_the_machine_itself_is_known_as_such() {
    for (uris, only_there) in [
        (json!(["http://127.0.0.1/cb", "com.example.app:/cb"]), true),
        (json!(["http://127.0.0.1/cb", "https://app.test/cb"]), false),
    ] {
        assert_eq!(read(json!({ "redirect_uris": uris })).unwrap().is_only_on_the_machine_itself(), only_there);
    }
}

#[test]
fn rfc_6749_section_4_4_a_client_that_acts_for_itself_proves_itself_and_gets_no_codes() {
    let key = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    let by_secret = ClientMetadata::of_machine("Nightly", MachineKeys::default()).unwrap();
    let by_keys =
        ClientMetadata::of_machine("Nightly", MachineKeys { jwks: Some(json!({ "keys": [key] })), jwks_uri: None }).unwrap();

    assert_eq!((by_secret.auth_method, by_keys.auth_method), (AuthMethod::ClientSecretBasic, AuthMethod::PrivateKeyJwt));
    for metadata in [by_secret, by_keys] {
        assert_eq!(
            (metadata.grant_types.as_slice(), metadata.redirect_uris.as_slice()),
            (&[GrantType::ClientCredentials][..], &[][..])
        );
        assert_eq!(serde_json::from_value::<ClientMetadata>(serde_json::to_value(&metadata).unwrap()).unwrap(), metadata);
    }
    let both = MachineKeys { jwks: Some(json!({ "keys": [key] })), jwks_uri: Some("https://app.test/keys".to_owned()) };
    assert_eq!(ClientMetadata::of_machine("Nightly", both), Err(ClientMetadataError::KeyPlaces));
    for name in ["", " Nightly", "Night\u{202e}ly", &"n".repeat(101)] {
        assert_eq!(ClientMetadata::of_machine(name, MachineKeys::default()), Err(ClientMetadataError::Name), "{name}");
    }
}
