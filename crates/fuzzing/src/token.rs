//! A form that is posted to the token endpoint: the first line is the header Authorization, the rest the body.

use oauth::{ClientAuthentication, ClientId, Issuer, Parameters, TokenForm, TokenRequest, UserCode};

use crate::written::check_error;

pub(crate) const WORDS: &[&str] = &[
    "Basic ",
    "\n",
    "grant_type=authorization_code",
    "grant_type=refresh_token",
    "grant_type=client_credentials",
    "&code=",
    "&code_verifier=",
    "&refresh_token=",
    "&client_id=",
    "&client_assertion=",
    "&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    "&resource=",
    "&scope=",
    "%00",
    "%",
    "&",
    "=",
    "+",
    ".",
];

pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let (authorization, body) = text.split_once('\n').unwrap_or(("", text));
    let issuer = Issuer::parse("https://as.test").unwrap_or_else(|error| panic!("{error}"));
    if let Ok(code) = text.parse::<UserCode>() {
        assert_eq!(
            code.to_string().parse::<UserCode>().as_ref(),
            Ok(&code),
            "a code of people is the same when it is typed again"
        );
    }
    let form = match Parameters::parse(body) {
        Ok(form) => form,
        Err(error) => return check_error(&error.to_string()),
    };

    let authorization = Some(authorization).filter(|header| !header.is_empty());
    match ClientAuthentication::parse(authorization, &form) {
        Ok(shown) => {
            let id = shown.client_id();
            assert_eq!(id.to_string().parse::<ClientId>().as_ref(), Ok(id), "a client is the same when it is named again");
        }
        Err(error) => check_error(&error.to_string()),
    }
    match TokenRequest::parse(&issuer, &form) {
        Ok(request) => assert_eq!(form.find("grant_type"), Some(request.grant_type().as_str())),
        Err(error) => check_error(&error.to_string()),
    }
    if let Err(error) = TokenForm::parse(&form) {
        check_error(&error.to_string());
    }
}
