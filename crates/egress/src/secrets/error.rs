//! Why a secret cannot be used.

use domain::EnvName;

/// Why a secret cannot be used so. Never holds a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// There is none of that name for this tool.
    #[error(
        "the tool has no secret `{0}`: it must be in the `secrets` that the tool asks for, and must have a value, which its owner sets by \
         PUT /api/v1/servers/{{server}}/env/{0} with {{\"value\": \"...\", \"secret\": true}}"
    )]
    Unknown(EnvName),
    /// It is its caller's to bring, who did not, and its owner has set none.
    #[error(
        "the tool takes the secret `{0}` from whoever calls it, with the header X-Env-{0} of the request: this request has none"
    )]
    NotBrought(EnvName),
    /// The host may not receive it.
    #[error("the secret `{name}` may not be sent to `{host}`: the tool's grant for it does not name that host")]
    Host {
        /// Which secret.
        name: EnvName,
        /// Which host.
        host: String,
    },
    /// It stands where no secret is put in.
    #[error(
        "the secret `{name}` stands in {place}: secrets go into header values, values in the query, JSON bodies and form bodies \
         only"
    )]
    Place {
        /// Which secret.
        name: EnvName,
        /// Where it stands.
        place: &'static str,
    },
    /// Its value is no header value.
    #[error("the secret `{0}` has a line break or a control character and cannot go into a header")]
    HeaderText(EnvName),
    /// The hash is none that is offered.
    #[error("`{0}` is no hash algorithm: SHA-1, SHA-256, SHA-384 and SHA-512 are")]
    Algorithm(String),
    /// The user of a Basic credential cannot be told from the password (RFC 7617, section 2).
    #[error("a user name must not hold a colon or a control character, and must not be longer than 256 bytes")]
    User,
    /// One call asks for ever more placeholders.
    #[error("a call can use {0} different secrets and users at most")]
    TooMany(usize),
    /// Placeholders are short, and what takes their place may be a thousand times as long.
    #[error("{place} has {bytes} bytes with the values of its secrets in it; {max} are allowed")]
    Size {
        /// Where they stand.
        place: &'static str,
        /// How many there would be.
        bytes: u64,
        /// How many there may be.
        max: u64,
    },
    /// The system gives no random numbers.
    #[error("no placeholder can be made: try again")]
    Random,
}
