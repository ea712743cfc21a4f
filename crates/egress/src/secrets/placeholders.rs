//! What a guest holds instead of a secret: a word that means something in this call alone.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt::Write,
};

use aho_corasick::AhoCorasick;
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::EnvName;
use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use super::encodings::percent;
use crate::{Permission, SecretError};

/// A tool has 16 secrets at most; the rest is for users of Basic credentials.
const PLACEHOLDERS_MAX: usize = 64;
/// 128 random bits.
const RANDOM_BYTES: usize = 16;
const USER_BYTES_MAX: usize = 256;
/// Bytes of a query with secrets in it: more than any host takes.
const QUERY_BYTES_MAX: u64 = 64 * 1024;

/// The placeholders that one call was given.
#[derive(Debug, Default)]
pub(crate) struct Placeholders {
    given: Vec<Placeholder>,
    /// Finds the word of each of `given`, in this order.
    finder: Option<AhoCorasick>,
}

#[derive(Debug)]
struct Placeholder {
    word: String,
    name: EnvName,
    /// With a user it stands for a whole `Basic` credential.
    user: Option<String>,
}

/// How a body is written, which says how a value goes into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodyForm {
    Json,
    UrlEncoded,
}

/// How much there may be where placeholders stand.
#[derive(Debug, Clone, Copy)]
struct Room {
    place: &'static str,
    bytes_max: u64,
}

impl Placeholders {
    /// The word for a secret, the same one each time.
    pub(crate) fn secret(&mut self, permission: &Permission, name: &EnvName) -> Result<String, SecretError> {
        self.give(permission, name, None)
    }

    /// The word for `Basic ` and the encoded pair of `user` and the secret (RFC 7617).
    pub(crate) fn basic_auth(&mut self, permission: &Permission, user: &str, name: &EnvName) -> Result<String, SecretError> {
        if user.len() > USER_BYTES_MAX || user.chars().any(|character| character == ':' || character.is_control()) {
            return Err(SecretError::User);
        }
        self.give(permission, name, Some(user))
    }

    /// Refuses `text` if a placeholder stands in it.
    pub(crate) fn refuse_in(&self, text: &str, place: &'static str) -> Result<(), SecretError> {
        match self.find_first(text.as_bytes()) {
            Some(found) => Err(SecretError::Place { name: found.name.clone(), place }),
            None => Ok(()),
        }
    }

    /// Whether a placeholder stands in `bytes`.
    pub(crate) fn stand_in(&self, bytes: &[u8]) -> bool {
        self.find_first(bytes).is_some()
    }

    /// The header value with the values of secrets in it, `bytes_max` at most; `None` if it has no placeholder.
    pub(crate) fn fill_header(
        &self,
        permission: &Permission,
        host: &str,
        value: &[u8],
        bytes_max: u64,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, SecretError> {
        self.fill(value, Room { place: "the head", bytes_max }, |placeholder| {
            let value = value_for(permission, &placeholder.name, host)?;
            let value = match &placeholder.user {
                Some(user) => {
                    let pair = Zeroizing::new(format!("{user}:{value}"));
                    let encoded = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
                    Zeroizing::new(format!("Basic {}", encoded.as_str()))
                }
                None => Zeroizing::new(value.to_owned()),
            };
            if value.chars().any(|character| character.is_control() && character != '\t') {
                return Err(SecretError::HeaderText(placeholder.name.clone()));
            }
            Ok(value)
        })
    }

    /// The query with the values of secrets in it, percent-encoded; `None` if it has no placeholder. Names get none: a host may take any name
    /// for a matter of its own, and shows names more freely.
    pub(crate) fn fill_query(
        &self,
        permission: &Permission,
        host: &str,
        query: &str,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, SecretError> {
        for pair in query.split('&') {
            let name = pair.split_once('=').map_or(pair, |(name, _)| name);
            self.refuse_in(name, "a name in the query")?;
        }
        self.fill(query.as_bytes(), Room { place: "the query", bytes_max: QUERY_BYTES_MAX }, |placeholder| {
            if placeholder.user.is_some() {
                return Err(SecretError::Place { name: placeholder.name.clone(), place: "the query, as a Basic credential" });
            }
            Ok(Zeroizing::new(percent(value_for(permission, &placeholder.name, host)?)))
        })
    }

    /// The body with the values of secrets in it, `bytes_max` at most, written as its content type wants it; `None` if it has no placeholder.
    pub(crate) fn fill_body(
        &self,
        permission: &Permission,
        host: &str,
        content_type: Option<&[u8]>,
        body: &[u8],
        bytes_max: u64,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, SecretError> {
        let form = content_type.and_then(BodyForm::of);
        self.fill(body, Room { place: "the body", bytes_max }, |placeholder| {
            let place = |place| SecretError::Place { name: placeholder.name.clone(), place };
            if placeholder.user.is_some() {
                return Err(place("a body, as a Basic credential"));
            }
            let value = value_for(permission, &placeholder.name, host)?;
            match form {
                Some(BodyForm::Json) => Ok(in_json(value)),
                Some(BodyForm::UrlEncoded) => {
                    Ok(Zeroizing::new(url::form_urlencoded::byte_serialize(value.as_bytes()).collect::<String>()))
                }
                None => Err(place("a body that its Content-Type does not say to be JSON or a form")),
            }
        })
    }

    fn give(&mut self, permission: &Permission, name: &EnvName, user: Option<&str>) -> Result<String, SecretError> {
        permission.secret(name)?;
        let known = self.given.iter().find(|given| given.name == *name && given.user.as_deref() == user);
        if let Some(known) = known {
            return Ok(known.word.clone());
        }
        let word = new_word()?;
        self.add(Placeholder { word: word.clone(), name: name.clone(), user: user.map(str::to_owned) })?;
        Ok(word)
    }

    /// Takes a word that was given out in an earlier run of the call.
    pub(crate) fn restore(
        &mut self,
        permission: &Permission,
        name: &EnvName,
        user: Option<&str>,
        word: &str,
    ) -> Result<(), SecretError> {
        permission.secret(name)?;
        if self.given.iter().any(|given| given.word == word) {
            return Ok(());
        }
        self.add(Placeholder { word: word.to_owned(), name: name.clone(), user: user.map(str::to_owned) })
    }

    fn add(&mut self, placeholder: Placeholder) -> Result<(), SecretError> {
        if self.given.len() >= PLACEHOLDERS_MAX {
            return Err(SecretError::TooMany(PLACEHOLDERS_MAX));
        }
        self.given.push(placeholder);
        self.finder = AhoCorasick::new(self.given.iter().map(|given| &given.word)).ok();
        Ok(())
    }

    fn find_first(&self, text: &[u8]) -> Option<&Placeholder> {
        let found = self.finder.as_ref()?.find(text)?;
        self.given.get(found.pattern().as_usize())
    }

    /// The text with values in the place of placeholders. What it would have is counted first: a word of some tens of bytes may stand for 8 KiB and
    /// more, as often as there is room for the word.
    fn fill(
        &self,
        text: &[u8],
        room: Room,
        value: impl Fn(&Placeholder) -> Result<Zeroizing<String>, SecretError>,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, SecretError> {
        let Some(finder) = self.finder.as_ref().filter(|finder| finder.is_match(text)) else { return Ok(None) };
        // Each value once, however often it is put in.
        let mut values: BTreeMap<usize, Zeroizing<String>> = BTreeMap::new();
        let mut bytes = text.len() as u64;
        for found in finder.find_iter(text) {
            let place = found.pattern().as_usize();
            let Some(placeholder) = self.given.get(place) else { continue };
            let value = match values.entry(place) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(value(placeholder)?),
            };
            bytes = bytes.saturating_add(value.len() as u64).saturating_sub(found.len() as u64);
        }
        if bytes > room.bytes_max {
            return Err(SecretError::Size { place: room.place, bytes, max: room.bytes_max });
        }
        // Of the right size from the start: a buffer that grows leaves pieces of the value behind.
        let mut filled = Zeroizing::new(Vec::with_capacity(usize::try_from(bytes).unwrap_or(text.len())));
        let mut end = 0;
        for found in finder.find_iter(text) {
            filled.extend_from_slice(text.get(end..found.start()).unwrap_or_default());
            filled.extend_from_slice(values.get(&found.pattern().as_usize()).map_or(b"", |value| value.as_bytes()));
            end = found.end();
        }
        filled.extend_from_slice(text.get(end..).unwrap_or_default());
        Ok(Some(filled))
    }
}

impl BodyForm {
    fn of(content_type: &[u8]) -> Option<Self> {
        let essence = content_type.split(|byte| *byte == b';').next()?.trim_ascii().to_ascii_lowercase();
        match essence.as_slice() {
            b"application/x-www-form-urlencoded" => Some(Self::UrlEncoded),
            json if json == b"application/json" || json.ends_with(b"+json") => Some(Self::Json),
            _ => None,
        }
    }
}

fn value_for<'p>(permission: &'p Permission, name: &EnvName, host: &str) -> Result<&'p str, SecretError> {
    let secret = permission.secret(name)?;
    if secret.may_go_to(host) {
        Ok(secret.value.expose_secret())
    } else {
        Err(SecretError::Host { name: name.clone(), host: host.to_owned() })
    }
}

/// As it stands between the quotes of a JSON string.
fn in_json(value: &str) -> Zeroizing<String> {
    let mut quoted = Zeroizing::new(serde_json::Value::String(value.to_owned()).to_string());
    quoted.pop();
    quoted.remove(0);
    quoted
}

/// Lower-case letters and digits only: no encoding of URLs, forms, JSON or host names changes it.
fn new_word() -> Result<String, SecretError> {
    let mut random = [0_u8; RANDOM_BYTES];
    getrandom::fill(&mut random).map_err(|_| SecretError::Random)?;
    let mut word = "twsecret".to_owned();
    for byte in random {
        write!(word, "{byte:02x}").map_err(|_| SecretError::Random)?;
    }
    Ok(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GrantedSecret;

    fn permission(value: &str) -> Permission {
        let secret = GrantedSecret { value: value.to_owned().into(), hosts: vec!["api.a.test".parse().unwrap()] };
        Permission::new(1, Vec::new(), BTreeMap::from([("KEY".parse().unwrap(), secret)]))
    }

    fn key() -> EnvName {
        "KEY".parse().unwrap()
    }

    fn header(placeholders: &Placeholders, permission: &Permission, host: &str, value: &str) -> Result<String, SecretError> {
        let filled = placeholders.fill_header(permission, host, value.as_bytes(), 1_000)?;
        Ok(String::from_utf8(filled.map_or_else(|| value.into(), |filled| filled.to_vec())).unwrap())
    }

    #[test]
    fn a_word_is_the_same_within_a_call_and_new_in_the_next() {
        let permission = permission("s3cret");
        let (mut one, mut two) = (Placeholders::default(), Placeholders::default());

        let word = one.secret(&permission, &key()).unwrap();
        assert_eq!(one.secret(&permission, &key()).unwrap(), word);
        assert_ne!(one.basic_auth(&permission, "u", &key()).unwrap(), word);
        assert_ne!(two.secret(&permission, &key()).unwrap(), word);
        assert_eq!(header(&two, &permission, "api.a.test", &word).unwrap(), word, "another call's word means nothing");
    }

    #[test]
    fn a_word_of_an_earlier_run_means_the_same_again() {
        let permission = permission("s3cret");
        let mut earlier = Placeholders::default();
        let (word, basic) =
            (earlier.secret(&permission, &key()).unwrap(), earlier.basic_auth(&permission, "Aladdin", &key()).unwrap());
        let mut placeholders = Placeholders::default();

        for _ in 0..2 {
            placeholders.restore(&permission, &key(), None, &word).unwrap();
            placeholders.restore(&permission, &key(), Some("Aladdin"), &basic).unwrap();
        }

        assert_eq!(placeholders.given.len(), 2);
        assert_eq!(header(&placeholders, &permission, "api.a.test", &word).unwrap(), "s3cret");
        assert_eq!(header(&placeholders, &permission, "api.a.test", &basic).unwrap(), "Basic QWxhZGRpbjpzM2NyZXQ=");
        assert_eq!(placeholders.secret(&permission, &key()).unwrap(), word, "and is given out again");
        let other = "OTHER".parse().unwrap();
        assert_eq!(placeholders.restore(&permission, &other, None, "w"), Err(SecretError::Unknown(other)));
    }

    #[test]
    fn a_header_gets_the_value_for_the_granted_host_alone() {
        let permission = permission("s3cret");
        let mut placeholders = Placeholders::default();
        let word = placeholders.secret(&permission, &key()).unwrap();
        let basic = placeholders.basic_auth(&permission, "Aladdin", &key()).unwrap();

        assert_eq!(header(&placeholders, &permission, "api.a.test", &format!("Bearer {word}")).unwrap(), "Bearer s3cret");
        assert_eq!(header(&placeholders, &permission, "api.a.test", &basic).unwrap(), "Basic QWxhZGRpbjpzM2NyZXQ=");
        assert_eq!(
            header(&placeholders, &permission, "b.a.test", &word),
            Err(SecretError::Host { name: key(), host: "b.a.test".to_owned() })
        );
    }

    #[test]
    fn a_value_with_a_line_break_does_not_go_into_a_header() {
        let permission = permission("a\nb");
        let mut placeholders = Placeholders::default();
        let word = placeholders.secret(&permission, &key()).unwrap();

        assert_eq!(header(&placeholders, &permission, "api.a.test", &word), Err(SecretError::HeaderText(key())));
    }

    #[test]
    fn values_of_a_query_are_filled_and_nothing_in_them_ends_them() {
        let permission = permission("a&b=c d#e?f%+/ü\n");
        let mut placeholders = Placeholders::default();
        let word = placeholders.secret(&permission, &key()).unwrap();
        let basic = placeholders.basic_auth(&permission, "me", &key()).unwrap();
        let fill = |host: &str, query: &str| {
            let filled = placeholders.fill_query(&permission, host, query)?;
            Ok(filled.map(|filled| String::from_utf8(filled.to_vec()).unwrap()))
        };

        assert_eq!(
            fill("api.a.test", &format!("x=1&key=v-{word}=&y")),
            Ok(Some("x=1&key=v-a%26b%3Dc%20d%23e%3Ff%25%2B%2F%C3%BC%0A=&y".to_owned()))
        );
        assert_eq!(fill("api.a.test", "x=1&y"), Ok(None));
        for query in [word.clone(), format!("a{word}=1"), format!("x=1&{word}"), format!("x={basic}")] {
            assert!(matches!(fill("api.a.test", &query), Err(SecretError::Place { .. })), "{query}");
        }
        assert_eq!(fill("b.test", &format!("k={word}")), Err(SecretError::Host { name: key(), host: "b.test".to_owned() }));
    }

    #[test]
    fn a_body_is_filled_as_its_type_wants_it() {
        let permission = permission("a\"b&c d\n");
        let mut placeholders = Placeholders::default();
        let word = placeholders.secret(&permission, &key()).unwrap();
        let basic = placeholders.basic_auth(&permission, "me", &key()).unwrap();
        let fill = |content_type: Option<&str>, body: &str| {
            let content_type = content_type.map(str::as_bytes);
            let filled = placeholders.fill_body(&permission, "api.a.test", content_type, body.as_bytes(), 1_000)?;
            Ok(String::from_utf8(filled.map_or_else(|| body.into(), |filled| filled.to_vec())).unwrap())
        };

        let json = fill(Some("Application/JSON; charset=utf-8"), &format!(r#"{{"key":"{word}"}}"#)).unwrap();
        assert_eq!(json, r#"{"key":"a\"b&c d\n"}"#);
        assert_eq!(fill(Some("application/x-www-form-urlencoded"), &format!("k={word}&x=1")).unwrap(), "k=a%22b%26c+d%0A&x=1");
        assert!(matches!(fill(Some("text/plain"), &word), Err(SecretError::Place { .. })));
        assert!(matches!(fill(None, &word), Err(SecretError::Place { .. })));
        assert!(matches!(fill(Some("application/json"), &basic), Err(SecretError::Place { .. })));
        assert_eq!(fill(None, "no secret").unwrap(), "no secret");
    }

    #[test]
    fn many_short_words_do_not_become_gigabytes() {
        let permission = permission(&"\n".repeat(8_192));
        let mut placeholders = Placeholders::default();
        let word = placeholders.secret(&permission, &key()).unwrap();
        let (json, form) = (Some(b"application/json".as_slice()), Some(b"application/x-www-form-urlencoded".as_slice()));
        let many = word.repeat(100_000);
        let fill = |content_type, body: &str, max| {
            let filled = placeholders.fill_body(&permission, "api.a.test", content_type, body.as_bytes(), max)?;
            Ok(filled.map(|filled| filled.len()))
        };

        let too_large = |place, bytes, max| Err(SecretError::Size { place, bytes, max });
        assert_eq!(fill(json, &many, 32 << 20), too_large("the body", 100_000 * 2 * 8_192, 32 << 20));
        assert_eq!(fill(form, &word, 3 * 8_192 - 1), too_large("the body", 3 * 8_192, 3 * 8_192 - 1));
        assert_eq!(fill(form, &word, 3 * 8_192), Ok(Some(3 * 8_192)));
        let query = format!("k={}", word.repeat(10));
        let refused = placeholders.fill_query(&permission, "api.a.test", &query);
        assert_eq!(
            refused.map(|filled| filled.map(|filled| filled.len())),
            too_large("the query", 2 + 10 * 3 * 8_192, QUERY_BYTES_MAX)
        );
    }

    #[test]
    fn the_values_of_a_head_are_counted_before_they_are_put_in() {
        let permission = permission(&"x".repeat(8_192));
        let mut placeholders = Placeholders::default();
        let word = placeholders.secret(&permission, &key()).unwrap();
        let basic = placeholders.basic_auth(&permission, "me", &key()).unwrap();
        let fill = |value: &str, max| {
            let filled = placeholders.fill_header(&permission, "api.a.test", value.as_bytes(), max)?;
            Ok(filled.map(|filled| filled.len()))
        };

        let too_large = |bytes, max| Err(SecretError::Size { place: "the head", bytes, max });
        assert_eq!(fill(&word.repeat(800), 256 << 10), too_large(800 * 8_192, 256 << 10));
        assert_eq!(fill(&format!("Bearer {word}"), 8_198), too_large(7 + 8_192, 8_198));
        assert_eq!(fill(&format!("Bearer {word}"), 8_199), Ok(Some(8_199)));
        let encoded = 6 + (3 + 8_192_u64).div_ceil(3) * 4;
        assert_eq!(fill(&basic, encoded - 1), too_large(encoded, encoded - 1));
        assert_eq!(fill("no secret", 0), Ok(None), "what has none in it is bounded elsewhere");
    }

    #[test]
    fn a_call_gets_a_bounded_number_of_words() {
        let permission = permission("s3cret");
        let mut placeholders = Placeholders::default();
        for user in 0..PLACEHOLDERS_MAX {
            placeholders.basic_auth(&permission, &user.to_string(), &key()).unwrap();
        }

        assert_eq!(placeholders.secret(&permission, &key()), Err(SecretError::TooMany(PLACEHOLDERS_MAX)));
        assert_eq!(placeholders.basic_auth(&permission, "a:b", &key()), Err(SecretError::User));
        assert!(matches!(placeholders.secret(&permission, &"OTHER".parse().unwrap()), Err(SecretError::Unknown(_))));
    }
}
