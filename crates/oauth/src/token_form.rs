//! The form by which a token is given back (RFC 7009, section 2.1) or asked about (RFC 7662, section 2.1).

use crate::{Parameters, Secret, TokenError};

/// A token, and what it is thought to be. Who asks is read apart: see [`crate::ClientAuthentication`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenForm {
    /// The token.
    pub token: Secret,
    /// What it is thought to be: only where to look first. What it says may be wrong.
    pub hint: Option<TokenHint>,
}

/// What a token is thought to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenHint {
    /// An access token.
    AccessToken,
    /// A refresh token.
    RefreshToken,
}

impl TokenForm {
    /// Reads the form of a request. A hint that is not known is passed over (RFC 7009, section 2.1).
    pub fn parse(form: &Parameters) -> Result<Self, TokenError> {
        form.check_that_each_stands_once()?;
        let token = form.find("token").map(Secret::shown).ok_or_else(|| TokenError::missing("token"))?;
        let hint = match form.find("token_type_hint") {
            Some("access_token") => Some(TokenHint::AccessToken),
            Some("refresh_token") => Some(TokenHint::RefreshToken),
            _ => None,
        };
        Ok(Self { token, hint })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TokenErrorCode;

    fn parse(form: &str) -> Result<TokenForm, TokenErrorCode> {
        TokenForm::parse(&Parameters::parse(form).unwrap()).map_err(|error| error.code)
    }

    #[test]
    fn rfc_7009_section_2_1_a_token_with_a_hint_that_may_be_unknown() {
        for (form, hint) in [
            ("token=a", None),
            ("token=a&token_type_hint=refresh_token", Some(TokenHint::RefreshToken)),
            ("token=a&token_type_hint=access_token", Some(TokenHint::AccessToken)),
            ("token=a&token_type_hint=id_token", None),
        ] {
            assert_eq!(parse(form), Ok(TokenForm { token: Secret::shown("a"), hint }), "{form}");
        }
        for form in ["", "token=", "token=a&token=b", "token_type_hint=access_token"] {
            assert_eq!(parse(form), Err(TokenErrorCode::InvalidRequest), "{form}");
        }
    }
}
