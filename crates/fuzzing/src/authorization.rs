//! The query that a browser brings to the authorization endpoint.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth::{AuthorizationRequest, AuthorizeFault, Issuer, Prompt, RedirectUri};
use url::{Url, form_urlencoded};

use crate::written::check_error;

pub(crate) const WORDS: &[&str] = &[
    "&client_id=",
    "&redirect_uri=",
    "&response_type=code",
    "&state=",
    "&scope=",
    "&resource=",
    "&prompt=none",
    "&code_challenge=",
    "&code_challenge_method=S256",
    "&response_mode=query",
    "http://127.0.0.1:0/",
    "https%3A%2F%2F",
    "javascript:",
    "%0d%0a",
    "//",
    "\\",
    "@",
    "#",
    "[::1]",
    "localhost",
    "vscode:/",
    "com.a:/",
    "%",
];

pub(crate) fn check(bytes: &[u8]) {
    let Ok(query) = str::from_utf8(bytes) else { return };
    let issuer = Issuer::parse("https://as.test").unwrap_or_else(|error| panic!("{error}"));
    if let Ok(uri) = query.parse::<RedirectUri>() {
        check_address(&uri);
    }

    match AuthorizationRequest::parse(&issuer, query) {
        Ok(request) => {
            let written = write(&issuer, &request);
            let again = AuthorizationRequest::parse(&issuer, &written);
            assert_eq!(again.as_ref(), Ok(&request), "it is another one when it is read again: {written}");
            request.reply_to.redirect_uri.iter().for_each(check_address);
        }
        Err(fault) => {
            check_error(&fault.to_string());
            if let AuthorizeFault::Reply { reply_to, error } = fault {
                assert!(!error.description.to_string().contains(char::is_control), "{error}");
                reply_to.redirect_uri.iter().for_each(check_address);
            }
        }
    }
}

/// Where a browser may be sent, whoever says so.
fn check_address(uri: &RedirectUri) {
    let url = Url::parse(uri.as_str()).unwrap_or_else(|error| panic!("no address: {error}: {uri}"));
    let scheme = url.scheme();
    assert!(!["javascript", "data", "file", "blob", "about", "vbscript", "view-source", "ws", "ftp"].contains(&scheme), "{uri}");
    assert!(scheme != "http" || uri.is_loopback(), "not on the machine itself: {uri}");
    assert!(url.username().is_empty() && url.password().is_none(), "a user: {uri}");
    assert!(url.fragment().is_none(), "a fragment: {uri}");
    assert!(uri.as_str().bytes().all(|byte| byte.is_ascii_graphic()), "{uri}");
    assert!(uri.allows(uri), "it is not itself: {uri}");
    if scheme == "https" || scheme == "http" {
        let host = url.host_str().unwrap_or_default();
        assert!(uri.shown().to_ascii_lowercase().starts_with(host), "a browser goes to {host} and a person sees {}", uri.shown());
    }
}

fn write(issuer: &Issuer, request: &AuthorizationRequest) -> String {
    let AuthorizationRequest { reply_to, challenge, scope, resource, prompt } = request;
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("response_type", "code").append_pair("code_challenge_method", "S256");
    query
        .append_pair("client_id", &reply_to.client_id.to_string())
        .append_pair("code_challenge", &URL_SAFE_NO_PAD.encode(challenge.as_bytes()));
    let texts = [
        ("redirect_uri", reply_to.redirect_uri.as_ref().map(ToString::to_string)),
        ("state", reply_to.state.clone()),
        ("scope", scope.clone()),
        ("resource", resource.as_ref().map(|resource| resource.url(issuer))),
        ("prompt", Some(word(*prompt).to_owned())),
    ];
    for (name, text) in texts.into_iter().filter_map(|(name, text)| text.map(|text| (name, text))) {
        query.append_pair(name, &text);
    }
    query.finish()
}

const fn word(prompt: Prompt) -> &'static str {
    match prompt {
        Prompt::AsNeeded => "",
        Prompt::Never => "none",
        Prompt::SignIn => "login",
        Prompt::Consent => "consent",
        Prompt::SignInAndConsent => "login consent",
    }
}
