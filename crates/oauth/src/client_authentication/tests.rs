use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;

const APP: &str = "https://app.test/client.json";
const NOW_S: i64 = 1_800_000_000;
const TOKEN_ENDPOINT: &str = "https://as.test/oauth/token";

fn parse(header: Option<&str>, form: &str) -> Result<ClientAuthentication, TokenErrorCode> {
    ClientAuthentication::parse(header, &Parameters::parse(form).unwrap()).map_err(|error| error.code)
}

fn basic_header(credentials: &str) -> String {
    format!("Basic {}", STANDARD.encode(credentials))
}

fn app() -> ClientId {
    APP.parse().unwrap()
}

#[test]
fn rfc_6749_section_2_3_1_id_and_secret_are_form_encoded() {
    let encoded = "https%3A%2F%2Fapp.test%2Fclient.json";

    for (credentials, secret) in [("a%3Ab%26c%3D+d%25", "a:b&c= d%"), ("plain", "plain"), ("a=b&c", "a=b&c"), ("a:b", "a:b")] {
        let shown = parse(Some(&basic_header(&format!("{encoded}:{credentials}"))), "").unwrap();
        assert_eq!(shown, ClientAuthentication::Basic { client_id: app(), secret: Secret::shown(secret) }, "{credentials}");
    }
}

#[test]
fn rfc_7617_section_2_the_name_of_the_scheme_has_any_case() {
    let header = basic_header("https%3A%2F%2Fapp.test%2Fclient.json:s").replace("Basic", "bASIC");

    assert!(parse(Some(&header), "").is_ok());
}

#[test]
fn rfc_6749_section_5_2_a_header_that_cannot_be_read_is_an_invalid_client() {
    for header in [
        "Basic",
        "Basic !",
        "Bearer abc",
        "",
        &basic_header("no colon"),
        &basic_header("https%3A%2F%2Fapp.test%2Fclient.json:"),
        &basic_header("unknown:secret"),
        &format!("Basic {}", STANDARD.encode([0xff, b':', 0xff])),
    ] {
        assert_eq!(parse(Some(header), ""), Err(TokenErrorCode::InvalidClient), "{header}");
    }
}

#[test]
fn rfc_6749_section_2_3_a_client_proves_itself_in_one_way() {
    let header = basic_header("https%3A%2F%2Fapp.test%2Fclient.json:s");

    assert_eq!(
        parse(Some(&header), &format!("client_assertion=a.b.c&client_assertion_type={ASSERTION_TYPE}")),
        Err(TokenErrorCode::InvalidRequest)
    );
    assert!(parse(Some(&header), &format!("client_id={APP}")).is_ok());
    assert_eq!(parse(Some(&header), "client_id=https://evil.test/client.json"), Err(TokenErrorCode::InvalidRequest));
    assert_eq!(parse(None, &format!("client_id={APP}&client_id={APP}")), Err(TokenErrorCode::InvalidRequest));
}

#[test]
fn rfc_6749_section_2_3_1_a_secret_in_the_body_is_not_taken_and_an_empty_one_is_none() {
    assert_eq!(parse(None, &format!("client_id={APP}&client_secret=s")), Err(TokenErrorCode::InvalidClient));
    assert_eq!(parse(None, &format!("client_id={APP}&client_secret=")), Ok(ClientAuthentication::Public { client_id: app() }));
}

#[test]
fn rfc_6749_section_3_2_1_a_public_client_says_its_name() {
    assert_eq!(parse(None, &format!("client_id={APP}")), Ok(ClientAuthentication::Public { client_id: app() }));
    for form in ["", "client_id=", "client_id=demo"] {
        assert_eq!(parse(None, form), Err(TokenErrorCode::InvalidClient), "{form}");
    }
}

#[test]
fn rfc_7521_section_4_2_an_assertion_names_its_client_if_the_form_does_not() {
    let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"sub":"{APP}"}}"#));
    let assertion = format!("x.{claims}.x");
    let form = format!("client_assertion={assertion}&client_assertion_type={ASSERTION_TYPE}");
    let shown = ClientAuthentication::Assertion { client_id: app(), assertion: Secret::shown(&assertion) };

    assert_eq!(parse(None, &form), Ok(shown.clone()));
    assert_eq!(parse(None, &format!("{form}&client_id={APP}")), Ok(shown));
    for wrong in ["a", "a.b.c", "a..c", &format!("x.{}.x", URL_SAFE_NO_PAD.encode("{}"))] {
        let form = format!("client_assertion={wrong}&client_assertion_type={ASSERTION_TYPE}");
        assert_eq!(parse(None, &form), Err(TokenErrorCode::InvalidClient), "{wrong}");
    }
    assert_eq!(parse(None, &format!("client_assertion={assertion}")), Err(TokenErrorCode::InvalidRequest));
}

fn claims() -> AssertionClaims {
    AssertionClaims {
        iss: APP.to_owned(),
        sub: APP.to_owned(),
        aud: Audiences::One("https://as.test".to_owned()),
        exp: NOW_S + 60,
        nbf: None,
        iat: Some(NOW_S),
        jti: "1".to_owned(),
    }
}

fn check(claims: &AssertionClaims) -> Result<(), AssertionError> {
    let issuer = Issuer::parse("https://as.test").unwrap();
    claims.check(&app(), &issuer, TOKEN_ENDPOINT, DateTime::from_timestamp(NOW_S, 0).unwrap())
}

#[test]
fn rfc_7523_section_3_an_assertion_is_of_the_client_about_itself() {
    assert_eq!(check(&claims()), Ok(()));
    for other in ["https://evil.test/client.json", ""] {
        assert_eq!(check(&AssertionClaims { iss: other.to_owned(), ..claims() }), Err(AssertionError::Client));
        assert_eq!(check(&AssertionClaims { sub: other.to_owned(), ..claims() }), Err(AssertionError::Client));
    }
}

#[test]
fn rfc_7523_section_3_an_assertion_is_said_to_this_server_alone() {
    let several = |texts: &[&str]| Audiences::Several(texts.iter().map(|text| (*text).to_owned()).collect());

    for (aud, taken) in [
        (Audiences::One(TOKEN_ENDPOINT.to_owned()), true),
        (several(&["https://as.test", TOKEN_ENDPOINT]), true),
        (Audiences::One("https://as.test/".to_owned()), false),
        (Audiences::One("https://evil.test".to_owned()), false),
        (several(&["https://as.test", "https://evil.test"]), false),
        (several(&[]), false),
    ] {
        let result = if taken { Ok(()) } else { Err(AssertionError::Audience) };
        assert_eq!(check(&AssertionClaims { aud: aud.clone(), ..claims() }), result, "{aud:?}");
    }
}

#[test]
fn rfc_7523_section_3_an_assertion_is_taken_in_its_time_which_is_short() {
    for (exp, nbf, iat, result) in [
        (NOW_S - SKEW_S, None, None, Err(AssertionError::Expired)),
        (NOW_S - SKEW_S + 1, None, None, Ok(())),
        (NOW_S + LIFETIME_MAX_S + SKEW_S, None, None, Ok(())),
        (NOW_S + LIFETIME_MAX_S + SKEW_S + 1, None, None, Err(AssertionError::TooLong)),
        (i64::MAX, None, None, Err(AssertionError::TooLong)),
        (i64::MIN, None, None, Err(AssertionError::Expired)),
        (NOW_S + 60, Some(NOW_S + SKEW_S + 1), None, Err(AssertionError::TooEarly)),
        (NOW_S + 60, None, Some(NOW_S + SKEW_S + 1), Err(AssertionError::TooEarly)),
        (NOW_S + 60, Some(NOW_S + SKEW_S), Some(NOW_S - 3600), Ok(())),
    ] {
        assert_eq!(check(&AssertionClaims { exp, nbf, iat, ..claims() }), result, "{exp} {nbf:?} {iat:?}");
    }
}

#[test]
fn rfc_7523_section_3_an_assertion_has_a_name_that_is_remembered_as_long_as_it_could_come_again() {
    for jti in [String::new(), "j".repeat(JTI_BYTES_MAX + 1), "\0".to_owned()] {
        assert_eq!(check(&AssertionClaims { jti, ..claims() }), Err(AssertionError::Id));
    }
    let now = DateTime::from_timestamp(NOW_S, 0).unwrap();
    let last = AssertionClaims { exp: NOW_S + LIFETIME_MAX_S + SKEW_S, ..claims() };
    let issuer = Issuer::parse("https://as.test").unwrap();
    assert_eq!(last.check(&app(), &issuer, TOKEN_ENDPOINT, AssertionClaims::remembered_until(now)), Err(AssertionError::Expired));
}
