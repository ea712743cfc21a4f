//! The code that a person reads on a device and enters in a browser (RFC 8628, section 6.1).

use std::{fmt, str::FromStr};

/// Eight letters that cannot be mistaken for each other and spell no words: 20^8, about 2^34.5 codes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UserCode(String);

/// Why a text is no such code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a code has eight letters, like `WDJB-MJHT`")]
pub struct UserCodeError;

const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const LENGTH: usize = 8;

impl UserCode {
    /// A code from 128 random bits: far more than it needs, so that all codes are equally likely.
    #[must_use]
    pub fn from_random(bytes: [u8; 16]) -> Self {
        let mut rest = u128::from_be_bytes(bytes);
        let letters = std::iter::repeat_with(|| {
            let index = usize::try_from(rest % 20).unwrap_or_default();
            rest /= 20;
            LETTERS.get(index).copied().map_or('B', char::from)
        });
        Self(letters.take(LENGTH).collect())
    }

    /// The letters without the hyphen, to be kept and found.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserCode {
    /// As it is shown: `WDJB-MJHT`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.split_at_checked(LENGTH / 2) {
            Some((first, second)) => write!(out, "{first}-{second}"),
            None => out.write_str(&self.0),
        }
    }
}

impl FromStr for UserCode {
    type Err = UserCodeError;

    /// Reads what a person typed: in any case, with hyphens and spaces anywhere.
    fn from_str(text: &str) -> Result<Self, UserCodeError> {
        if text.len() > 64 {
            return Err(UserCodeError);
        }
        let typed = text.chars().filter(|character| !matches!(character, '-' | ' ' | '\u{2010}'..='\u{2015}'));
        let letters: String = typed.map(|character| character.to_ascii_uppercase()).collect();
        let right = letters.len() == LENGTH && letters.bytes().all(|letter| LETTERS.contains(&letter));
        if right { Ok(Self(letters)) } else { Err(UserCodeError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_8628_section_6_1_a_code_is_read_as_people_type_it() {
        for text in ["WDJB-MJHT", "wdjbmjht", " wd jb – mj ht ", "WDJBMJHT"] {
            assert_eq!(text.parse::<UserCode>().unwrap().to_string(), "WDJB-MJHT", "{text}");
        }
        for text in ["", "WDJB-MJH", "WDJB-MJHTB", "WDJB-MJHA", "WDJB-MJH1", "WDJB_MJHT", &"-".repeat(1000)] {
            assert_eq!(text.parse::<UserCode>(), Err(UserCodeError), "{text}");
        }
    }

    #[test]
    fn rfc_8628_section_6_1_all_letters_are_used() {
        let code = |number: u128| UserCode::from_random(number.to_be_bytes());

        assert_eq!(code(0).to_string(), "BBBB-BBBB");
        assert_eq!(code(20_u128.pow(8) - 1).to_string(), "ZZZZ-ZZZZ");
        assert_ne!(code(1), code(20));
        assert_eq!(code(u128::MAX).as_str().parse::<UserCode>().unwrap(), code(u128::MAX));
    }
}
