//! E-mail addresses, by which people sign in.

use crate::names::checked_name;

checked_name! {
    /// An e-mail address as people have them: `name@host.domain`, 254 characters at most (RFC 5321, section 4.5.3.1), without quoting and
    /// comments, in lower case, so that one person has one account.
    EmailAddress, "e-mail address", 254, is_email,
    "as in name@example.com, 254 characters at most"
}

impl EmailAddress {
    /// The address in `text`, however it was typed: without spaces around it, in lower case.
    pub fn of(text: &str) -> Result<Self, crate::NameError> {
        text.trim().to_lowercase().parse()
    }
}

fn is_email(text: &str) -> bool {
    let Some((local, host)) = text.rsplit_once('@') else { return false };
    let is_local = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte);
    let is_label = |label: &str| {
        let inner = label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        (1..=63).contains(&label.len()) && inner && !label.starts_with('-') && !label.ends_with('-')
    };
    (1..=64).contains(&local.len())
        && local.bytes().all(is_local)
        && local.split('.').all(|atom| !atom.is_empty())
        && host.contains('.')
        && host.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_people_have_them_are_taken_in_lower_case() {
        for (given, kept) in [(" Ada@Example.COM ", "ada@example.com"), ("a.b+c@x-y.example.org", "a.b+c@x-y.example.org")] {
            assert_eq!(EmailAddress::of(given).unwrap().as_str(), kept);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@example.com", "a".repeat(65));
        for given in [
            "",
            "a",
            "@example.com",
            "a@",
            "a@b",
            "a b@example.com",
            "a@@example.com",
            "a..b@example.com",
            "a@-x.com",
            "a@x..com",
            "\"a\"@x.com",
            "a\n@x.com",
            &long,
        ] {
            assert!(EmailAddress::of(given).is_err(), "{given:?}");
        }
    }
}
