//! Where the answer to an authorization request goes. An address to send a browser to can be made of a [`CheckedReply`] alone, and that of
//! a client's registered addresses alone: so nobody can make this server redirect elsewhere.

use crate::{AuthorizeError, ClientId, Issuer, PageFault, RedirectUri, Secret};

/// Who asks, and where the answer is to go: not checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyTo {
    /// The client that the request names.
    pub client_id: ClientId,
    /// The address that it names. It may be left out by a client that has registered one alone (RFC 6749, section 3.1.2.3).
    pub redirect_uri: Option<RedirectUri>,
    /// What comes back to the client as it is.
    pub state: Option<String>,
}

/// Where the answer may go: one of the client's own addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedReply {
    redirect_uri: RedirectUri,
    state: Option<String>,
}

impl ReplyTo {
    /// Checks the address against those that the client has registered. A fault of this is shown on a page and never sent on.
    pub fn check(&self, registered: &[RedirectUri]) -> Result<CheckedReply, PageFault> {
        let redirect_uri = match (&self.redirect_uri, registered) {
            (Some(asked), _) if registered.iter().any(|own| own.allows(asked)) => asked,
            (Some(_), _) => return Err(PageFault::RedirectUriNotRegistered),
            // Without a port a loopback address leads nowhere in particular, so there it must be said.
            (None, [only]) if !only.is_loopback() => only,
            (None, _) => return Err(PageFault::RedirectUriMissing),
        };
        Ok(CheckedReply { redirect_uri: redirect_uri.clone(), state: self.state.clone() })
    }
}

impl CheckedReply {
    /// The address itself, as it is kept with the code.
    #[must_use]
    pub fn redirect_uri(&self) -> &RedirectUri {
        &self.redirect_uri
    }

    /// Where the browser goes with a code (RFC 6749, section 4.1.2), `iss` included (RFC 9207, section 2).
    #[must_use]
    pub fn with_code(&self, issuer: &Issuer, code: &Secret) -> String {
        self.address(issuer, &[("code", code.reveal())])
    }

    /// Where the browser goes with an error (RFC 6749, section 4.1.2.1), `iss` included (RFC 9207, section 2).
    #[must_use]
    pub fn with_error(&self, issuer: &Issuer, error: &AuthorizeError) -> String {
        self.address(issuer, &[("error", error.code.as_str()), ("error_description", error.description.as_str())])
    }

    fn address(&self, issuer: &Issuer, parameters: &[(&str, &str)]) -> String {
        let mut parameters = parameters.to_vec();
        parameters.extend(self.state.as_deref().map(|state| ("state", state)));
        parameters.push(("iss", issuer.as_str()));
        self.redirect_uri.with(&parameters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AuthorizeErrorCode, ErrorDescription};

    const CALLBACK: &str = "https://app.test/callback";

    fn reply_to(redirect_uri: Option<&str>) -> ReplyTo {
        ReplyTo {
            client_id: "https://app.test/client.json".parse().unwrap(),
            redirect_uri: redirect_uri.map(|text| text.parse().unwrap()),
            state: Some("a b&c".to_owned()),
        }
    }

    fn registered(texts: &[&str]) -> Vec<RedirectUri> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn rfc_9207_section_2_every_answer_names_the_issuer() {
        let issuer = Issuer::parse("https://as.test").unwrap();
        let reply = reply_to(Some(CALLBACK)).check(&registered(&[CALLBACK])).unwrap();
        let denied =
            AuthorizeError { code: AuthorizeErrorCode::AccessDenied, description: ErrorDescription::new("the user said no") };

        assert_eq!(
            reply.with_code(&issuer, &Secret::shown("abc")),
            "https://app.test/callback?code=abc&state=a+b%26c&iss=https%3A%2F%2Fas.test"
        );
        assert_eq!(
            reply.with_error(&issuer, &denied),
            "https://app.test/callback?error=access_denied&error_description=the+user+said+no&state=a+b%26c&iss=https%3A%2F%2Fas.test"
        );
    }

    #[test]
    fn rfc_6749_section_10_15_no_address_but_a_registered_one_is_answered() {
        for asked in ["https://evil.test/callback", "https://app.test/callback/x", "http://127.0.0.1:1/callback"] {
            assert_eq!(
                reply_to(Some(asked)).check(&registered(&[CALLBACK])),
                Err(PageFault::RedirectUriNotRegistered),
                "{asked}"
            );
        }
        assert_eq!(reply_to(Some(CALLBACK)).check(&[]), Err(PageFault::RedirectUriNotRegistered));
    }

    #[test]
    fn rfc_6749_section_3_1_2_3_the_address_may_be_left_out_when_there_is_one_alone() {
        assert_eq!(reply_to(None).check(&registered(&[CALLBACK])).unwrap().redirect_uri().as_str(), CALLBACK);
        for several in [&[][..], &[CALLBACK, "https://app.test/other"], &["http://127.0.0.1/callback"]] {
            assert_eq!(reply_to(None).check(&registered(several)), Err(PageFault::RedirectUriMissing), "{several:?}");
        }
    }

    #[test]
    fn rfc_8252_section_7_3_the_port_that_was_asked_for_is_answered() {
        let reply = reply_to(Some("http://127.0.0.1:51004/cb")).check(&registered(&[CALLBACK, "http://127.0.0.1/cb"])).unwrap();

        assert_eq!(reply.redirect_uri().as_str(), "http://127.0.0.1:51004/cb");
    }
}
