//! The parameters of a request: a query or a form body.

use std::collections::HashSet;

use url::form_urlencoded;

/// The parameters of a request to an endpoint (RFC 6749, sections 3.1 and 3.2). One without a value counts as left out; each stands
/// once, which is [checked](Parameters::check_that_each_stands_once) apart, because who may be told of the fault depends on the endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameters(Vec<(String, String)>);

/// Why a text cannot be read as parameters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParametersError {
    /// More bytes than are read.
    #[error("the parameters have {bytes} bytes, the limit is {bytes_max}", bytes_max = Parameters::BYTES_MAX)]
    TooLong {
        /// How many there are.
        bytes: usize,
    },
    /// More parameters than are read.
    #[error("there are more than {count_max} parameters", count_max = Parameters::COUNT_MAX)]
    TooMany,
    /// A parameter stands more than once.
    #[error("the parameter `{0}` stands more than once")]
    Repeated(String),
}

impl Parameters {
    /// Bytes of a query or a form body, at most. The longest honest ones carry a signed assertion.
    pub const BYTES_MAX: usize = 16 * 1024;
    /// Parameters of a request, at most.
    pub const COUNT_MAX: usize = 64;

    /// Reads `application/x-www-form-urlencoded` text.
    pub fn parse(text: &str) -> Result<Self, ParametersError> {
        if text.len() > Self::BYTES_MAX {
            return Err(ParametersError::TooLong { bytes: text.len() });
        }
        let pairs: Vec<_> = form_urlencoded::parse(text.as_bytes())
            .take(Self::COUNT_MAX + 1)
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        if pairs.len() > Self::COUNT_MAX { Err(ParametersError::TooMany) } else { Ok(Self(pairs)) }
    }

    /// The value of `name`: the first, if it stands more than once.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, value)| own == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// All values of `name`. Only `resource` may have several (RFC 8707, section 2).
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(own, value)| own == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// Whether `name` stands more than once, be it without a value.
    #[must_use]
    pub fn repeats(&self, name: &str) -> bool {
        self.0.iter().filter(|(own, _)| own == name).count() > 1
    }

    /// Refuses a parameter that stands more than once (RFC 6749, sections 3.1 and 3.2), known or not, but for `resource`.
    pub fn check_that_each_stands_once(&self) -> Result<(), ParametersError> {
        let mut seen = HashSet::new();
        match self.0.iter().find(|(name, _)| name != "resource" && !seen.insert(name)) {
            Some((name, _)) => Err(ParametersError::Repeated(name.clone())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_6749_section_3_1_a_parameter_stands_once() {
        for (text, right) in
            [("a=1&b=2", true), ("a=1&a=1", false), ("a=&a=1", false), ("a=1&%61=2", false), ("resource=1&resource=2", true)]
        {
            assert_eq!(Parameters::parse(text).unwrap().check_that_each_stands_once().is_ok(), right, "{text}");
        }
    }

    #[test]
    fn rfc_6749_section_3_1_a_parameter_without_a_value_counts_as_left_out() {
        let parameters = Parameters::parse("state=&scope&nonce=x+%2B").unwrap();

        assert_eq!((parameters.find("state"), parameters.find("scope"), parameters.find("nonce")), (None, None, Some("x +")));
    }

    #[test]
    fn the_number_and_the_length_of_parameters_are_bounded() {
        let many = vec!["a=1"; Parameters::COUNT_MAX + 1].join("&");
        let long = format!("a={}", "x".repeat(Parameters::BYTES_MAX));

        assert_eq!(Parameters::parse(&many), Err(ParametersError::TooMany));
        assert_eq!(Parameters::parse(&long), Err(ParametersError::TooLong { bytes: long.len() }));
    }
}
