//! What a client wants its user to be asked.

/// `prompt` of an authorization request (OpenID Connect Core, section 3.1.2.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Prompt {
    /// Whatever is needed is asked.
    #[default]
    AsNeeded,
    /// `none`: nothing is shown; what is missing is an error.
    Never,
    /// `login` (or `select_account`): the user signs in again, though a sign-in is there. Consent is asked as needed.
    SignIn,
    /// `consent`: the user is asked again, though the client has been let in before.
    Consent,
    /// Both.
    SignInAndConsent,
}

/// Why a text is no `prompt`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`prompt` may have `none` only alone")]
pub struct PromptError;

impl Prompt {
    /// Reads a list with spaces between; words that are not known are passed over.
    pub fn parse(text: &str) -> Result<Self, PromptError> {
        let has = |wanted: &str| text.split(' ').any(|word| word == wanted);
        let words = text.split(' ').filter(|word| !word.is_empty()).count();
        match (has("none"), has("login") || has("select_account"), has("consent")) {
            (true, _, _) if words > 1 => Err(PromptError),
            (true, _, _) => Ok(Self::Never),
            (false, false, false) => Ok(Self::AsNeeded),
            (false, true, false) => Ok(Self::SignIn),
            (false, false, true) => Ok(Self::Consent),
            (false, true, true) => Ok(Self::SignInAndConsent),
        }
    }

    /// Whether the user signs in, though a sign-in is there.
    #[must_use]
    pub fn asks_to_sign_in(self) -> bool {
        matches!(self, Self::SignIn | Self::SignInAndConsent)
    }

    /// Whether the user is asked, though the client has been let in before.
    #[must_use]
    pub fn asks_for_consent(self) -> bool {
        matches!(self, Self::Consent | Self::SignInAndConsent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openid_connect_core_section_3_1_2_1_none_stands_alone() {
        for (text, prompt) in [
            ("none", Ok(Prompt::Never)),
            ("none login", Err(PromptError)),
            ("login none", Err(PromptError)),
            ("none none", Err(PromptError)),
            ("login", Ok(Prompt::SignIn)),
            ("select_account", Ok(Prompt::SignIn)),
            ("consent", Ok(Prompt::Consent)),
            ("consent login", Ok(Prompt::SignInAndConsent)),
            ("create", Ok(Prompt::AsNeeded)),
            ("", Ok(Prompt::AsNeeded)),
        ] {
            assert_eq!(Prompt::parse(text), prompt, "{text}");
        }
    }
}
