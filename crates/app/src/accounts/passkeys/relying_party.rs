//! Who authenticators make keys for, and sign for.

use url::{Host, Url};
use webauthn_rs::{Webauthn, WebauthnBuilder};

use super::ceremony::WAIT;

/// This installation, as authenticators know it.
pub(crate) struct RelyingParty {
    rules: Webauthn,
    origin: Url,
    id: String,
}

/// What a browser shows beside the name of the host.
const NAME: &str = "Toolwright";
/// What browsers call this machine. It needs no https, since nobody listens in between (Secure Contexts, section 3.1).
const THIS_MACHINE: &str = "localhost";

impl RelyingParty {
    /// The installation at `public_url`: the origin is exactly that one, and the RP id its host. An address of loopback has no name (section 5.1.2 wants
    /// a domain), and is reached by that of this machine as well. None where browsers have no passkeys: for any other host without a name, and where
    /// others may listen.
    pub(crate) fn of(public_url: &str) -> Option<Self> {
        let mut origin = Url::parse(public_url).ok()?;
        if is_loopback(&origin) {
            origin.set_host(Some(THIS_MACHINE)).ok()?;
        }
        let Some(Host::Domain(host)) = origin.host() else { return None };
        let is_here = host == THIS_MACHINE || host.ends_with(".localhost");
        if origin.scheme() != "https" && !(origin.scheme() == "http" && is_here) {
            return None;
        }
        let id = host.to_owned();
        let built = WebauthnBuilder::new(&id, &origin).map(|builder| builder.rp_name(NAME).timeout(WAIT));
        let rules = built.and_then(WebauthnBuilder::build).ok()?;
        Some(Self { rules, origin, id })
    }

    pub(super) const fn rules(&self) -> &Webauthn {
        &self.rules
    }

    /// Where browsers have these passkeys.
    pub(crate) const fn origin(&self) -> &Url {
        &self.origin
    }

    /// The host that passkeys are for.
    pub(in crate::accounts) fn id(&self) -> &str {
        &self.id
    }
}

/// Behind TLS a certificate is for one of the two, and nobody knows for which.
fn is_loopback(origin: &Url) -> bool {
    let is_loopback = match origin.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        _ => false,
    };
    origin.scheme() == "http" && is_loopback
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passkeys_need_a_name_and_that_nobody_listens() {
        for url in ["https://tools.example.com", "https://tools.example.com:8443", "http://localhost:8080", "http://a.localhost"]
        {
            let made = RelyingParty::of(url).unwrap();
            assert_eq!(made.origin().origin().ascii_serialization(), url);
            assert_eq!(Some(made.id()), made.origin().host_str());
        }
        for url in [
            "https://192.0.2.1",
            "https://[::1]",
            "https://127.0.0.1",
            "http://192.0.2.1",
            "http://tools.example.com",
            "ftp://localhost",
            "",
        ] {
            assert!(RelyingParty::of(url).is_none(), "{url}");
        }
    }

    #[test]
    fn an_address_of_this_machine_has_them_by_its_name() {
        for url in ["http://127.0.0.1:8080", "http://[::1]:8080"] {
            let made = RelyingParty::of(url).unwrap();
            assert_eq!((made.origin().as_str(), made.id()), ("http://localhost:8080/", "localhost"), "{url}");
        }
    }
}
