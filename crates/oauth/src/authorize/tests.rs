use super::*;

const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const CLIENT: &str = "https%3A%2F%2Fapp.test%2Fclient.json";

fn issuer() -> Issuer {
    Issuer::parse("https://as.test").unwrap()
}

fn right() -> Vec<String> {
    [
        "response_type=code",
        &format!("client_id={CLIENT}"),
        "redirect_uri=https%3A%2F%2Fapp.test%2Fcallback",
        &format!("code_challenge={CHALLENGE}"),
        "code_challenge_method=S256",
        "state=xyz",
        "scope=mcp%3Atools",
        "resource=https%3A%2F%2Fas.test%2Fmcp%2Fdemo",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// The right request with `name` left out.
fn without(name: &str) -> Vec<String> {
    right().into_iter().filter(|pair| !pair.starts_with(&format!("{name}="))).collect()
}

/// The right request with `name` saying `value`.
fn with(name: &str, value: &str) -> Vec<String> {
    let mut pairs = without(name);
    pairs.push(format!("{name}={value}"));
    pairs
}

fn parse(pairs: &[String]) -> Result<AuthorizationRequest, AuthorizeFault> {
    AuthorizationRequest::parse(&issuer(), &pairs.join("&"))
}

/// Which error the client is told, and with which state.
fn told(pairs: &[String]) -> (&'static str, Option<String>) {
    match parse(pairs) {
        Err(AuthorizeFault::Reply { reply_to, error }) => (error.code.as_str(), reply_to.state),
        other => panic!("the client is not told: {other:?}"),
    }
}

fn shown(pairs: &[String]) -> PageFault {
    match parse(pairs) {
        Err(AuthorizeFault::Page(fault)) => fault,
        other => panic!("it is not shown on a page: {other:?}"),
    }
}

#[test]
fn rfc_6749_section_4_1_1_a_request_is_read() {
    let request = parse(&right()).unwrap();

    assert_eq!(request.reply_to.client_id.to_string(), "https://app.test/client.json");
    assert_eq!(request.reply_to.redirect_uri.unwrap().as_str(), "https://app.test/callback");
    assert_eq!(request.reply_to.state.as_deref(), Some("xyz"));
    assert_eq!(request.scope.as_deref(), Some("mcp:tools"));
    assert_eq!(request.resource, Some(Resource::Server("demo".parse().unwrap())));
    assert_eq!(request.prompt, Prompt::AsNeeded);
}

#[test]
fn rfc_6749_section_3_1_unknown_parameters_are_passed_over() {
    assert!(parse(&with("login_hint", "me%40app.test")).is_ok());
}

#[test]
fn rfc_6749_section_4_1_2_1_a_fault_of_client_or_address_is_never_sent_on() {
    assert_eq!(shown(&without("client_id")), PageFault::ClientMissing);
    assert!(matches!(shown(&with("client_id", "demo")), PageFault::Client(_)));
    assert!(matches!(shown(&with("redirect_uri", "javascript%3Aalert(1)")), PageFault::RedirectUri(_)));
    for name in ["client_id", "redirect_uri"] {
        let mut pairs = right();
        pairs.push(format!("{name}=https%3A%2F%2Fevil.test%2Fx"));
        assert_eq!(shown(&pairs), PageFault::Parameters(ParametersError::Repeated(name.to_owned())));
    }
}

#[test]
fn rfc_6749_section_4_1_2_1_other_faults_are_told_with_the_state() {
    for (pairs, code) in [
        (without("response_type"), "invalid_request"),
        (with("response_type", "token"), "unsupported_response_type"),
        (with("response_type", "code%20id_token"), "unsupported_response_type"),
        (with("response_mode", "fragment"), "invalid_request"),
        (with("response_mode", "form_post"), "invalid_request"),
        (with("request", "eyJ"), "request_not_supported"),
        (with("request_uri", "urn%3Ax"), "request_uri_not_supported"),
        (with("prompt", "none%20login"), "invalid_request"),
    ] {
        assert_eq!(told(&pairs), (code, Some("xyz".to_owned())), "{pairs:?}");
    }
}

#[test]
fn rfc_6749_section_3_1_a_repeated_parameter_is_told_and_a_repeated_state_is_not_sent_back() {
    for name in ["scope", "code_challenge", "response_type", "anything"] {
        let mut pairs = right();
        pairs.extend([format!("{name}=a"), format!("{name}=a")]);
        assert_eq!(told(&pairs), ("invalid_request", Some("xyz".to_owned())), "{name}");
    }
    let mut pairs = right();
    pairs.push("state=abc".to_owned());
    assert_eq!(told(&pairs), ("invalid_request", None));
}

#[test]
fn rfc_7636_section_4_4_1_pkce_is_required_and_plain_is_refused() {
    for pairs in [
        without("code_challenge"),
        without("code_challenge_method"),
        with("code_challenge_method", "plain"),
        with("code_challenge_method", "s256"),
        with("code_challenge", "short"),
    ] {
        assert_eq!(told(&pairs).0, "invalid_request", "{pairs:?}");
    }
}

#[test]
fn rfc_8707_section_2_a_request_names_one_resource_of_ours() {
    for resource in ["https%3A%2F%2Fevil.test%2Fmcp%2Fdemo", "demo", "https%3A%2F%2Fas.test%2Fmcp%2Fdemo%23a"] {
        assert_eq!(told(&with("resource", resource)).0, "invalid_target", "{resource}");
    }
    let mut several = right();
    several.push("resource=https%3A%2F%2Fas.test%2Fmcp%2Fother".to_owned());
    assert_eq!(told(&several).0, "invalid_target");
    assert_eq!(parse(&without("resource")).unwrap().resource, None);
}

#[test]
fn response_mode_query_is_what_is_done_anyway() {
    assert!(parse(&with("response_mode", "query")).is_ok());
}
