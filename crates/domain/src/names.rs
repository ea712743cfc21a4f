//! Names and short texts that people choose, checked once, at the door (SEC-1, SEC-13).

/// Why a text is not the name it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a valid {what}: it must be {rule}")]
pub struct NameError {
    what: &'static str,
    rule: &'static str,
    /// What was given, made printable and cut.
    given: String,
}

impl NameError {
    /// What was given is shown escaped and cut: an error message is no place for control characters or a megabyte.
    pub(crate) fn new(what: &'static str, rule: &'static str, given: &str) -> Self {
        let given = given.chars().take(64).flat_map(char::escape_debug).collect();
        Self { what, rule, given }
    }
}

macro_rules! checked_name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $chars_max:literal, $allowed:path, $rule:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// The longest allowed, in characters.
            pub const CHARS_MAX: usize = $chars_max;

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::names::NameError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                if text.chars().take($chars_max + 1).count() <= $chars_max && $allowed(text) {
                    Ok(Self(text.into()))
                } else {
                    Err($crate::names::NameError::new($what, $rule, text))
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::names::NameError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}
pub(crate) use checked_name;

checked_name! {
    /// The public name of a server, unique over the platform: 3 to 63 of `a-z`, `0-9` and `-`, beginning and ending with a
    /// letter or a digit, as a DNS label (RFC 1123, section 2.1).
    Slug, "server slug", 63, is_slug,
    "3 to 63 of a-z, 0-9 and -, beginning and ending with a letter or a digit"
}
checked_name! {
    /// The name of a tool: 1 to 48 of `A-Z`, `a-z`, `0-9`, `_` and `-` (X-5: clients join a prefix and the name and allow 60).
    ToolName, "tool name", 48, is_tool_name,
    "1 to 48 of A-Z, a-z, 0-9, _ and -"
}
checked_name! {
    /// The name of an environment value: 1 to 64 of `A-Z`, `0-9` and `_`, beginning with a letter.
    EnvName, "environment name", 64, is_env_name,
    "1 to 64 of A-Z, 0-9 and _, beginning with a letter"
}
checked_name! {
    /// An environment value: 0 to 8192 characters, without control characters but tab and line feed.
    EnvValue, "environment value", 8192, is_plain_text,
    "0 to 8192 characters without control characters other than tab and line feed"
}
checked_name! {
    /// What a customer is called: 1 to 120 printable characters on one line.
    CustomerName, "customer name", 120, is_title,
    "1 to 120 characters on one line, without spaces at its ends"
}
checked_name! {
    /// What an API key is called: 1 to 120 printable characters on one line.
    ApiKeyName, "API key name", 120, is_title,
    "1 to 120 characters on one line, without spaces at its ends"
}
checked_name! {
    /// What a server is called: 1 to 120 printable characters on one line.
    ServerTitle, "server title", 120, is_title,
    "1 to 120 characters on one line, without spaces at its ends"
}

checked_name! {
    /// What a person is called: 1 to 120 printable characters on one line.
    PersonName, "name", 120, is_title,
    "1 to 120 characters on one line, without spaces at its ends"
}

checked_name! {
    /// The name of an issuer by which people sign in: 1 to 32 of `a-z`, `0-9` and `-`, beginning with a letter and ending with none of `-`.
    UpstreamId, "upstream id", 32, is_upstream_id,
    "1 to 32 of a-z, 0-9 and -, beginning with a letter and not ending with -"
}

checked_name! {
    /// What a person calls a passkey of theirs: 1 to 120 printable characters on one line.
    PasskeyName, "passkey name", 120, is_title,
    "1 to 120 characters on one line, without spaces at its ends"
}

checked_name! {
    /// The name of a library module, imported as `toolwright:NAME`: 1 to 32 of `a-z`, `0-9`, `_` and `-`, beginning with a letter.
    ModuleName, "module name", 32, is_lower_identifier,
    "1 to 32 of a-z, 0-9, _ and -, beginning with a letter"
}

fn is_slug(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.len() >= 3 && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

fn is_upstream_id(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.starts_with(|first: char| first.is_ascii_lowercase()) && text.bytes().all(inner) && !text.ends_with('-')
}

fn is_tool_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

fn is_env_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_uppercase())
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

pub(crate) fn is_lower_identifier(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-')
}

/// A variable of a URI template, or an argument of a prompt.
pub(crate) fn is_variable(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn is_title(text: &str) -> bool {
    !text.is_empty() && text.trim() == text && !text.chars().any(is_unseen)
}

fn is_plain_text(text: &str) -> bool {
    !text.chars().any(|character| character.is_control() && character != '\t' && character != '\n')
}

/// Control characters, and the marks that turn the direction of text or hide in it.
fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_not_a_name() {
        for text in ["", ".", "..", "a/b", "a\\b", "a:b", "a\0b", "a\nb", "../etc/passwd", "a%2fb"] {
            assert!(text.parse::<Slug>().is_err(), "slug {text:?}");
            assert!(text.parse::<ToolName>().is_err(), "tool name {text:?}");
            assert!(text.parse::<EnvName>().is_err(), "environment name {text:?}");
        }
    }

    #[test]
    fn a_name_is_counted_at_its_ends() {
        assert!("abc".parse::<Slug>().is_ok());
        assert!("ab".parse::<Slug>().is_err());
        assert!("a".repeat(63).parse::<Slug>().is_ok());
        assert!("a".repeat(64).parse::<Slug>().is_err());
        assert!("a".repeat(48).parse::<ToolName>().is_ok());
        assert!("a".repeat(49).parse::<ToolName>().is_err());
    }

    #[test]
    fn the_error_says_what_would_be_right_and_shows_no_control_character() {
        let error = "a\u{1b}[31mb".parse::<Slug>().unwrap_err().to_string();

        assert!(error.contains("3 to 63 of a-z"), "{error}");
        assert!(!error.contains('\u{1b}'), "{error}");
    }

    #[test]
    fn the_error_of_a_huge_name_is_short() {
        let error = "/".repeat(10_000_000).parse::<ToolName>().unwrap_err().to_string();

        assert!(error.len() < 300, "{}", error.len());
    }

    #[test]
    fn a_title_hides_no_marks() {
        assert!("Weather – Köln".parse::<ServerTitle>().is_ok());
        assert!("pay\u{202e}load".parse::<ServerTitle>().is_err());
        assert!(" padded".parse::<ServerTitle>().is_err());
    }
}
