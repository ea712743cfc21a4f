//! Which passwords are taken: long ones that nobody tries first (NIST SP 800-63B-4, section 3.1.1.2). There are no rules about kinds of
//! characters, which make passwords worse.

use std::{collections::BTreeMap, sync::LazyLock};

use domain::EmailAddress;

/// Characters of a password, at least.
pub const PASSWORD_CHARS_MIN: usize = 12;
/// Characters of a password, at most: digesting more costs time and adds nothing.
pub const PASSWORD_CHARS_MAX: usize = 256;

/// Why a password is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordFault {
    /// It has too few characters.
    #[error(
        "use {PASSWORD_CHARS_MIN} characters at least; some words that have nothing to do with each other are easy to keep in mind"
    )]
    Short,
    /// It has too many.
    #[error("use {PASSWORD_CHARS_MAX} characters at most")]
    Long,
    /// It is among what is tried first.
    #[error("this is among the passwords that are tried first: use one that nobody would guess")]
    Common,
    /// It has the person's own address in it.
    #[error("leave your e-mail address out of your password")]
    ContainsEmail,
}

/// Words that passwords are commonly made of.
static WORDS: LazyLock<BTreeMap<char, Vec<&'static str>>> = LazyLock::new(|| {
    let mut words: BTreeMap<char, Vec<&'static str>> = BTreeMap::new();
    for word in include_str!("common_words.txt").split_whitespace() {
        words.entry(word.chars().next().unwrap_or_default()).or_default().push(word);
    }
    words
});

/// What fingers run along.
const ROWS: [&str; 8] =
    ["abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "azertyuiop", "!@#$%^&*()"];

/// Letters of the e-mail address that a password may have in it by accident.
const LOCAL_PART_CHARS_MIN: usize = 4;

/// A word, a run of keys or a year, as a part of a password.
const WORD: u32 = 2;
/// A letter that belongs to neither.
const LETTER: u32 = 3;
/// Another character that belongs to neither.
const OTHER: u32 = 1;
/// What a password adds up to that is tried first, at most: two words with three marks, or with a year and one.
const COMMON_MAX: u32 = 7;

/// Whether a password is taken for whoever has this address.
pub(super) fn check(password: &str, email: &EmailAddress) -> Result<(), PasswordFault> {
    let chars: Vec<char> = password.chars().take(PASSWORD_CHARS_MAX + 1).flat_map(char::to_lowercase).collect();
    if password.chars().take(PASSWORD_CHARS_MIN).count() < PASSWORD_CHARS_MIN {
        return Err(PasswordFault::Short);
    }
    if password.chars().take(PASSWORD_CHARS_MAX + 1).count() > PASSWORD_CHARS_MAX {
        return Err(PasswordFault::Long);
    }
    let local = email.as_str().split('@').next().unwrap_or_default();
    if local.len() >= LOCAL_PART_CHARS_MIN && chars.iter().collect::<String>().contains(local) {
        return Err(PasswordFault::ContainsEmail);
    }
    if repeats(&chars) || commonness(&chars) <= COMMON_MAX { Err(PasswordFault::Common) } else { Ok(()) }
}

/// Whether it is a few characters over and over.
fn repeats(chars: &[char]) -> bool {
    let mut distinct = chars.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let is_repeated = |unit: usize| chars.iter().zip(chars.iter().skip(unit)).all(|(one, next)| one == next);
    distinct.len() < 5 || (1..=chars.len() / 2).any(|unit| unit <= 6 && is_repeated(unit))
}

/// How far a password is from what everybody uses: the least sum over all ways to cut it into common words, runs of keys and single characters.
fn commonness(chars: &[char]) -> u32 {
    let mut least = vec![u32::MAX; chars.len() + 1];
    if let Some(first) = least.first_mut() {
        *first = 0;
    }
    for start in 0..chars.len() {
        let Some((rest, so_far)) = chars.get(start..).zip(least.get(start).copied()) else { continue };
        let single = rest.first().map_or(OTHER, |char| if char.is_alphabetic() { LETTER } else { OTHER });
        let mut reach = |length: usize, cost: u32| {
            if let Some(sum) = least.get_mut(start + length) {
                *sum = (*sum).min(so_far.saturating_add(cost));
            }
        };
        reach(1, single);
        for length in words_at(rest) {
            reach(length, WORD);
        }
        if is_year(rest) {
            reach(4, WORD);
        }
        for length in 4..=run_at(rest) {
            reach(length, WORD);
        }
    }
    least.last().copied().unwrap_or(0)
}

/// The lengths of the common words that the characters begin with, however their letters are disguised.
fn words_at(chars: &[char]) -> impl Iterator<Item = usize> {
    let begins = move |word: &str| {
        chars.len() >= word.len() && word.chars().zip(chars).all(|(letter, char)| letter == *char || disguises(letter, *char))
    };
    let firsts = chars
        .first()
        .into_iter()
        .flat_map(|first| WORDS.iter().filter(move |(letter, _)| *letter == first || disguises(**letter, *first)));
    firsts.flat_map(|(_, words)| words.iter()).filter(move |word| begins(word)).map(|word| word.len())
}

/// Whether the characters begin with a year of somebody's life.
fn is_year(chars: &[char]) -> bool {
    let digits = chars.len() >= 4 && chars.iter().take(4).all(char::is_ascii_digit);
    digits && [['1', '9'], ['2', '0']].iter().any(|century| chars.starts_with(century))
}

/// Whether `char` is commonly put in the place of `letter`.
const fn disguises(letter: char, char: char) -> bool {
    matches!(
        (letter, char),
        ('a', '@' | '4')
            | ('b', '8')
            | ('e', '3')
            | ('g', '9')
            | ('i', '1' | '!')
            | ('l', '1')
            | ('o', '0')
            | ('s', '5' | '$')
            | ('t', '7' | '+')
    )
}

/// How many of the first characters lie beside each other on a keyboard or in the alphabet, in either direction, or are the same.
fn run_at(chars: &[char]) -> usize {
    let follows = |row: &str, one: char, next: char| {
        row.chars().zip(row.chars().skip(1)).any(|(left, right)| (left, right) == (one, next) || (right, left) == (one, next))
    };
    let length = |fits: &dyn Fn(char, char) -> bool| {
        1 + chars.iter().zip(chars.iter().skip(1)).take_while(|(one, next)| fits(**one, **next)).count()
    };
    let along = ROWS.iter().map(|row| length(&|one, next| follows(row, one, next))).max().unwrap_or(1);
    along.max(length(&|one, next| one == next))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(password: &str) -> Result<(), PasswordFault> {
        check(password, &"ada.lovelace@example.com".parse().unwrap())
    }

    #[test]
    fn what_is_tried_first_is_refused() {
        for password in [
            "password1234",
            "Password123!",
            "P@ssw0rd2024!",
            "passwordpassword",
            "123456789012",
            "000000000000",
            "qwertyuiop12",
            "1q2w3e4r5t6y",
            "1qaz2wsx3edc",
            "abcdefghijkl",
            "zyxwvutsrqpo",
            "abcabcabcabc",
            "iloveyou2024",
            "Welcome2024!!",
            "SummerSummer1",
            "letmeinplease",
            "dragonmonkey!",
            "ChangeMe12345",
            "toolwright123",
            "trustno1trustno1",
            "correcthorsebatterystaple",
        ] {
            assert_eq!(judge(password), Err(PasswordFault::Common), "{password}");
        }
    }

    #[test]
    fn what_nobody_would_guess_is_taken() {
        for password in [
            "violet tractor humming gate",
            "kettle-orbit-mantle",
            "vN4#tq9!LmZ2",
            "mein Fahrrad hat 3 Räder",
            "чайник под облаками",
            &"aB3$".repeat(2).chars().chain("x9Qz7LpWm2".chars()).collect::<String>(),
        ] {
            assert_eq!(judge(password), Ok(()), "{password}");
        }
    }

    #[test]
    fn characters_are_counted_and_not_bytes() {
        assert_eq!(judge("vN4#tq9!LmZ"), Err(PasswordFault::Short));
        assert_eq!(judge("ёжик и дом"), Err(PasswordFault::Short));
        let random: String = (0..256).map(|index| char::from(b'!' + u8::try_from(index * 37 % 90).unwrap())).collect();
        assert_eq!(judge(&random), Ok(()));
        assert_eq!(judge(&format!("{random}x")), Err(PasswordFault::Long));
        assert_eq!(judge(&"x".repeat(10_000_000)), Err(PasswordFault::Long));
    }

    #[test]
    fn ones_own_address_is_no_password() {
        assert_eq!(judge("my Ada.Lovelace tractor"), Err(PasswordFault::ContainsEmail));
        assert_eq!(check("violet tractor humming", &"vio@example.com".parse().unwrap()), Ok(()), "three letters are an accident");
    }
}
