//! The fields of a form, as a page shows them: with what was typed, and what is wrong with it beside them.

use askama::{Template, filters::HtmlSafe};

/// A field: a template of its own, which the page's template shows as `{{ email }}`.
#[derive(Debug, Template)]
#[template(path = "field.html")]
pub(crate) struct Field {
    name: &'static str,
    label: &'static str,
    kind: FieldKind,
    /// What was typed before; never of a password.
    value: String,
    hint: Option<&'static str>,
    error: Option<String>,
}

/// What is typed into a field: browsers and password managers fill it in accordingly (HTML, section 4.10.18.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldKind {
    /// The e-mail address that somebody signs in with.
    Email,
    /// What a person is called.
    PersonName,
    /// The password that an account has.
    CurrentPassword,
    /// The password that it is to have.
    NewPassword,
}

/// What is wrong with a form as a whole: a template of its own, above the fields.
#[derive(Debug, Default, Template)]
#[template(path = "faults.html")]
pub(crate) struct Faults {
    items: Vec<Fault>,
}

/// One thing that is wrong with a form.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    /// The field; none if it is not about one.
    pub(crate) field: Option<&'static str>,
    /// What is wrong and what would be right.
    pub(crate) message: String,
}

// Both escape what they show themselves.
impl HtmlSafe for Field {}
impl HtmlSafe for Faults {}

impl Field {
    /// An empty field.
    pub(crate) const fn new(name: &'static str, label: &'static str, kind: FieldKind) -> Self {
        Self { name, label, kind, value: String::new(), hint: None, error: None }
    }

    /// The same with what is asked for, in a sentence.
    #[must_use]
    pub(crate) const fn with_hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }

    /// The same with what was typed.
    #[must_use]
    pub(crate) fn with_value(self, value: &str) -> Self {
        Self { value: value.to_owned(), ..self }
    }

    /// The same with what is wrong with it.
    #[must_use]
    pub(crate) fn judged(mut self, faults: &Faults) -> Self {
        self.error = faults.items.iter().find(|fault| fault.field == Some(self.name)).map(|fault| fault.message.clone());
        self
    }
}

impl FieldKind {
    const fn input_type(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::PersonName => "text",
            Self::CurrentPassword | Self::NewPassword => "password",
        }
    }

    const fn autocomplete(self) -> &'static str {
        match self {
            Self::Email => "username",
            Self::PersonName => "name",
            Self::CurrentPassword => "current-password",
            Self::NewPassword => "new-password",
        }
    }

    /// Passwords have none here: browsers cut what is pasted without a word, and nobody would know their own.
    const fn chars_max(self) -> Option<u32> {
        match self {
            Self::Email => Some(254),
            Self::PersonName => Some(120),
            Self::CurrentPassword | Self::NewPassword => None,
        }
    }

    const fn is_secret(self) -> bool {
        matches!(self, Self::CurrentPassword | Self::NewPassword)
    }

    const fn is_name_of_person(self) -> bool {
        matches!(self, Self::PersonName)
    }
}

impl Faults {
    /// Something that is wrong with the field `field`.
    pub(crate) fn of_field(field: &'static str, message: impl Into<String>) -> Self {
        Self { items: vec![Fault { field: Some(field), message: message.into() }] }
    }

    /// Something that is wrong with no field alone.
    pub(crate) fn general(message: impl Into<String>) -> Self {
        Self { items: vec![Fault { field: None, message: message.into() }] }
    }

    /// These, and those of another.
    #[must_use]
    pub(crate) fn and(mut self, others: Self) -> Self {
        self.items.extend(others.items);
        self
    }

    /// Whether nothing is wrong.
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_comes_back_escaped_and_a_password_never() {
        let faults = Faults::of_field("email", "no <address>");
        let email = Field::new("email", "E-mail", FieldKind::Email).with_value("\"><script>").judged(&faults).to_string();
        let password = Field::new("password", "Password", FieldKind::NewPassword).with_value("secret").to_string();

        assert!(!email.contains("<script>") && email.contains("aria-invalid=\"true\""), "{email}");
        assert!(email.contains("no &#60;address&#62;"), "{email}");
        assert!(!password.contains("secret"), "{password}");
    }
}
