//! What a call holds of the way out.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use domain::EnvName;
use hyper::body::Body;
use secrecy::ExposeSecret;

use crate::{
    BoxError, FetchError, FetchRequest, FetchResponse, ResponseBody, SecretError,
    call::Call,
    exchange::{Hop, HopBody, exchange},
    fetch::fetch,
    headers,
    request_body::RequestBody,
    secrets::hmac,
    target::Target,
};

/// One call's way out. With the last clone of it everything that is in flight ends; what is read later fails with [`FetchError::Ended`].
#[derive(Clone)]
pub struct Outbound(Arc<Open>);

struct Open {
    call: Arc<Call>,
}

/// How long one request waits, where that is shorter than the node's own limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waits {
    /// For a connection: name, TCP and TLS together.
    pub connection: Option<Duration>,
    /// For the head of the answer.
    pub answer: Option<Duration>,
    /// For the next piece of its body.
    pub piece: Option<Duration>,
}

impl Outbound {
    pub(crate) fn new(call: Call) -> Self {
        Self(Arc::new(Open { call: Arc::new(call) }))
    }

    /// The names of the secrets that were granted and have a value, in order.
    #[must_use]
    pub fn secret_names(&self) -> Vec<EnvName> {
        self.call().permission.secret_names()
    }

    /// The placeholder of a secret: it stands for the value in header values, in values of the query, and between the quotes of JSON and in forms
    /// that are sent as a whole. It means something in this call alone.
    pub fn secret(&self, name: &EnvName) -> Result<String, SecretError> {
        let call = self.call();
        call.placeholders().secret(&call.permission, name)
    }

    /// The placeholder of a whole `Basic` credential, for a header value (RFC 7617). `user` has 256 bytes at most and no colon.
    pub fn basic_auth(&self, user: &str, name: &EnvName) -> Result<String, SecretError> {
        let call = self.call();
        call.placeholders().basic_auth(&call.permission, user, name)
    }

    /// HMAC of `data` with the secret as its key; `algorithm` is SHA-1, SHA-256, SHA-384 or SHA-512.
    pub fn hmac(&self, algorithm: &str, name: &EnvName, data: &[u8]) -> Result<Vec<u8>, SecretError> {
        let secret = self.call().permission.secret(name)?;
        hmac(algorithm, secret.value.expose_secret().as_bytes(), data)
    }

    /// Makes a placeholder of an earlier run of the call mean the secret again.
    pub fn restore_secret(&self, name: &EnvName, word: &str) -> Result<(), SecretError> {
        let call = self.call();
        call.placeholders().restore(&call.permission, name, None, word)
    }

    /// Makes a placeholder of [`Outbound::basic_auth`] of an earlier run of the call mean the credential again.
    pub fn restore_basic_auth(&self, user: &str, name: &EnvName, word: &str) -> Result<(), SecretError> {
        let call = self.call();
        call.placeholders().restore(&call.permission, name, Some(user), word)
    }

    /// Counts bytes of earlier runs of the call.
    pub fn count_earlier(&self, bytes: u64) {
        self.call().meter.count_earlier(bytes);
    }

    /// Lets the call go on for longer, because its clock stood still.
    pub fn put_off_deadline(&self, by: Duration) {
        self.call().deadline.put_off(by);
    }

    /// Asks a host, and follows where it leads. The answer's body is read afterwards.
    pub async fn fetch(&self, request: FetchRequest) -> Result<FetchResponse, FetchError> {
        fetch(self.call(), request).await.map_err(|error| self.masked(error))
    }

    /// Sends one request with an absolute URL and a body that may come in pieces; redirects are handed out. Secrets are put into header
    /// values and values of the query only. The body is bounded by the tier's bytes; its errors fail the request.
    pub async fn send<B>(&self, request: http::Request<B>, waits: Waits) -> Result<http::Response<ResponseBody>, FetchError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        self.send_hop(request.map(RequestBody::streamed), waits).await.map_err(|error| self.masked(error))
    }

    /// Bytes of HTTP that were sent and received, heads and chunk marks included; TLS, TCP and names are not.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.call().meter.total()
    }

    /// `text` without values of secrets, for whatever leaves the call: logs, errors, results.
    #[must_use]
    pub fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.call().permission.masker() {
            Some(masker) => masker.mask_text(text),
            None => Cow::Borrowed(text),
        }
    }

    async fn send_hop(
        &self,
        request: http::Request<RequestBody>,
        waits: Waits,
    ) -> Result<http::Response<ResponseBody>, FetchError> {
        let call = self.call();
        let (parts, body) = request.into_parts();
        let target = Target::parse(&parts.uri.to_string())?;
        let method = headers::method(parts.method.as_str())?;
        let headers = headers::from_map(&parts.headers)?;
        let _head = call.until_deadline(call.heads.acquire()).await?;
        let hop = Hop { target: &target, is_redirected: false, method, headers: &headers, body: HopBody::Streamed(body) };
        exchange(call, hop, waits).await
    }

    /// A host that leads to an address made of a secret must not bring it into an error.
    fn masked(&self, error: FetchError) -> FetchError {
        match self.call().permission.masker() {
            Some(masker) => error.masked(|text| masker.mask_text(text).into_owned()),
            None => error,
        }
    }

    fn call(&self) -> &Arc<Call> {
        &self.0.call
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Outbound").field(self.call()).finish()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.call.ended.cancel();
    }
}
