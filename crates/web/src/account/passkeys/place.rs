//! Where passkeys work, beside where somebody is: browsers keep them for one name of this installation, and it may have several.

use std::{convert::Infallible, sync::Arc};

use app::App;
use axum::extract::{FromRef, FromRequestParts};
use http::{request::Parts, uri::Authority};
use url::Url;

use crate::{WebSettings, account::page::Script, visitors};

/// Where passkeys work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::account) enum PasskeyPlace {
    /// At the name by which it is asked.
    Here(Url),
    /// At another name of this installation.
    Elsewhere(Url),
    /// Nowhere: it has no name by which browsers keep them.
    Nowhere,
}

/// A page of ours under another name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::account) struct PageElsewhere {
    /// Its address.
    pub(in crate::account) address: String,
    /// The name that it has there, as people type it.
    pub(in crate::account) name: String,
}

impl PasskeyPlace {
    fn of(origin: Option<&Url>, settings: &WebSettings, asked: Option<&Authority>) -> Self {
        let Some(origin) = origin else { return Self::Nowhere };
        let (Some(host), port) = (origin.host_str(), origin.port_or_known_default()) else { return Self::Nowhere };
        let is_here = asked.is_some_and(|asked| {
            let asked_port = asked.port_u16().or_else(|| settings.public_url.port_or_known_default());
            asked.host().eq_ignore_ascii_case(host) && asked_port == port
        });
        if is_here {
            return Self::Here(origin.clone());
        }
        let is_answered = origin.authority().parse().is_ok_and(|authority| visitors::is_our_host(settings, &authority));
        if is_answered { Self::Elsewhere(origin.clone()) } else { Self::Nowhere }
    }

    /// Where passkeys work, as the script compares it; absent if not here.
    pub(in crate::account) fn origin(&self) -> Option<String> {
        match self {
            Self::Here(origin) => Some(origin.origin().ascii_serialization()),
            Self::Elsewhere(_) | Self::Nowhere => None,
        }
    }

    /// The page at `path` where passkeys work; absent if that is here, or nowhere.
    pub(in crate::account) fn elsewhere(&self, path: &str) -> Option<PageElsewhere> {
        let Self::Elsewhere(origin) = self else { return None };
        let name = origin.origin().ascii_serialization();
        Some(PageElsewhere { address: format!("{name}{path}"), name })
    }

    /// What runs on a page where one uses them.
    pub(in crate::account) const fn script(&self) -> Script {
        match self {
            Self::Here(_) => Script::Own,
            Self::Elsewhere(_) | Self::Nowhere => Script::None,
        }
    }
}

impl<S> FromRequestParts<S> for PasskeyPlace
where
    S: Send + Sync,
    Arc<App>: FromRef<S>,
    Arc<WebSettings>: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let (app, settings) = (Arc::<App>::from_ref(state), Arc::<WebSettings>::from_ref(state));
        let asked = visitors::asked(&parts.headers, &parts.uri);
        Ok(Self::of(app.passkeys_origin(), &settings, asked.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::test_settings;

    fn place(public_url: &str, hosts: &[&'static str], origin: &str, asked: &str) -> PasskeyPlace {
        let hosts = hosts.iter().map(|host| Authority::from_static(host)).collect();
        let settings = WebSettings { hosts, ..test_settings(public_url) };
        PasskeyPlace::of(Some(&origin.parse().unwrap()), &settings, Some(&asked.parse().unwrap()))
    }

    #[test]
    fn an_address_of_this_machine_leads_to_its_name_if_that_is_answered() {
        let (address, name) = ("http://127.0.0.1:8080", "http://localhost:8080");

        let by_name = place(address, &["localhost"], name, "localhost:8080");
        let by_address = place(address, &["localhost"], name, "127.0.0.1:8080");
        let not_answered = place(address, &["localhost:9090"], name, "127.0.0.1:8080");

        assert_eq!(by_name.origin().as_deref(), Some(name));
        assert_eq!(by_address.origin(), None);
        let there = by_address.elsewhere("/account/passkeys").unwrap();
        assert_eq!((there.address.as_str(), there.name.as_str()), ("http://localhost:8080/account/passkeys", name));
        assert_eq!(not_answered, PasskeyPlace::Nowhere);
    }

    #[test]
    fn behind_a_proxy_the_port_is_that_of_the_public_url() {
        let url = "https://tools.example.com";

        assert!(matches!(place(url, &[], url, "Tools.example.com"), PasskeyPlace::Here(_)));
        assert!(matches!(place(url, &[], url, "tools.example.com:443"), PasskeyPlace::Here(_)));
        assert!(matches!(place(url, &["other.example.com"], url, "other.example.com"), PasskeyPlace::Elsewhere(_)));
    }
}
