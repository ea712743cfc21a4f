//! Who authenticators make keys for, and sign for.

use url::{Host, Url};
use webauthn_rs::{Webauthn, WebauthnBuilder};

use super::ceremony::WAIT;

/// This installation, as authenticators know it.
pub(crate) struct RelyingParty(Webauthn);

/// What a browser shows beside the name of the host.
const NAME: &str = "Toolwright";

impl RelyingParty {
    /// The installation at `public_url`: the origin is exactly that one, and the RP id its host. None where browsers have no passkeys: for a host
    /// without a name (section 5.1.2 wants a domain), and where others may listen (Secure Contexts, section 3.1).
    pub(crate) fn of(public_url: &str) -> Option<Self> {
        let origin = Url::parse(public_url).ok()?;
        let Some(Host::Domain(host)) = origin.host() else { return None };
        let is_here = host == "localhost" || host.ends_with(".localhost");
        if origin.scheme() != "https" && !(origin.scheme() == "http" && is_here) {
            return None;
        }
        let built = WebauthnBuilder::new(host, &origin).map(|builder| builder.rp_name(NAME).timeout(WAIT));
        built.and_then(WebauthnBuilder::build).ok().map(Self)
    }

    pub(super) const fn rules(&self) -> &Webauthn {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passkeys_need_a_name_and_that_nobody_listens() {
        for url in ["https://tools.example.com", "https://tools.example.com:8443", "http://localhost:8080", "http://a.localhost"]
        {
            assert!(RelyingParty::of(url).is_some(), "{url}");
        }
        for url in
            ["http://127.0.0.1:8080", "https://192.0.2.1", "https://[::1]", "http://tools.example.com", "ftp://localhost", ""]
        {
            assert!(RelyingParty::of(url).is_none(), "{url}");
        }
    }
}
