//! The page on which a person decides whether to let a client in: who asks, for what, and where the answer goes. What the client says of
//! itself is shown as its own words, beside what is known of it.

use app::tokens::authorize::{Offer, Offered};
use askama::Template;
use domain::{CustomerId, MemberRole, Scope, Scopes};
use oauth::{ClientId, RedirectUri};

use crate::{
    account::{csrf::CsrfToken, fields::Faults, form::PostedForm, page::Frame},
    consent_words::in_words,
};

/// The page.
#[derive(Template)]
#[template(path = "consent.html")]
pub(super) struct ConsentPage {
    pub(super) frame: Frame,
    pub(super) lead: &'static str,
    pub(super) faults: Faults,
    pub(super) client_name: String,
    pub(super) client_origin: String,
    pub(super) redirect_shown: String,
    pub(super) warnings: Vec<Warning>,
    pub(super) server: Option<ServerShown>,
    pub(super) email: String,
    /// Where to go to be somebody else.
    pub(super) switch: String,
    pub(super) customers: Vec<CustomerChoice>,
    /// Whether there is more than one scope, so that some of them can be left out.
    pub(super) is_choice: bool,
    pub(super) scopes: Vec<ScopeChoice>,
    pub(super) hold_back: Option<HoldBack>,
    pub(super) csrf: CsrfToken,
    /// The request, sealed.
    pub(super) request: String,
}

/// The server that the client wants to use.
pub(super) struct ServerShown {
    pub(super) title: String,
    pub(super) path: String,
}

/// A customer that the client may act for.
pub(super) struct CustomerChoice {
    pub(super) id: CustomerId,
    pub(super) name: String,
    pub(super) role: MemberRole,
    pub(super) is_chosen: bool,
}

/// Something that the client asks for.
pub(super) struct ScopeChoice {
    pub(super) field: String,
    pub(super) words: String,
    pub(super) detail: Option<String>,
    pub(super) is_ticked: bool,
}

/// Whether what changes on a server afterwards is held back (SEC-18); there is no such choice where a client looks after servers.
pub(super) struct HoldBack {
    pub(super) is_ticked: bool,
}

/// Something that a person should know before they go on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Warning {
    pub(super) head: &'static str,
    pub(super) text: String,
}

/// The name of the field of a scope's tick box.
pub(super) fn field_of(scope: &Scope) -> String {
    format!("scope {scope}")
}

/// The name of the field of the tick box for holding back what changes.
const HOLD_BACK: &str = "hold_back";

/// The tick box for holding back what changes: as it is proposed, or as it was left in a form that comes back.
pub(super) fn hold_back(offer: &Offer, form: Option<&PostedForm>) -> Option<HoldBack> {
    match offer.subject {
        Offered::Server { .. } => Some(HoldBack { is_ticked: form.map_or(offer.pins_definitions, holds_back) }),
        Offered::Management { .. } => None,
    }
}

/// Whether that box is ticked.
pub(super) fn holds_back(form: &PostedForm) -> bool {
    !form.text(HOLD_BACK).is_empty()
}

/// What the scopes are in plain words, each with its tick box.
pub(super) fn choices(asked: &Scopes, is_ticked: impl Fn(&Scope) -> bool) -> Vec<ScopeChoice> {
    let choice = |scope: &Scope| {
        let (words, detail) = in_words(scope);
        ScopeChoice { field: field_of(scope), words, detail: detail.map(str::to_owned), is_ticked: is_ticked(scope) }
    };
    asked.iter().map(choice).collect()
}

/// What a person should know of this client and of where it sends them.
pub(super) fn warnings(client: &ClientId, redirect_uri: &RedirectUri) -> Vec<Warning> {
    let shown = redirect_uri.shown();
    let place = if redirect_uri.is_loopback() {
        Some(Warning {
            head: "This app runs on your own computer.",
            text: "Any program there could pretend to be it. Go on only if you have just started it yourself.".to_owned(),
        })
    } else if redirect_uri.is_private_use() {
        Some(Warning {
            head: "This app is installed on this device.",
            text: format!("Any app here could have claimed `{shown}`. Go on only if you have just used it yourself."),
        })
    } else {
        match client {
            ClientId::Document(url) if url.host() != shown => Some(Warning {
                head: "It sends you to another site.",
                text: format!("The app comes from {}, and its answer goes to {shown}. Go on only if you know both.", url.host()),
            }),
            _ => None,
        }
    };
    place.into_iter().collect()
}

/// The origin that the form of the page may end at, for the browser's policy (Content Security Policy Level 3, section 6.4.1).
pub(super) fn form_origin(redirect_uri: &RedirectUri) -> String {
    let text = redirect_uri.as_str();
    let scheme = text.split(':').next().unwrap_or_default();
    // A source of the policy names no address of IPv6 and no mark that would end it, so there any place of that scheme has to do.
    let is_nameable = redirect_uri.shown().bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:".contains(&byte));
    if redirect_uri.is_private_use() || !is_nameable {
        format!("{scheme}:")
    } else {
        format!("{scheme}://{}", redirect_uri.shown())
    }
}

#[cfg(test)]
mod tests {
    use oauth::DocumentUrl;

    use super::*;

    fn document(url: &str) -> ClientId {
        ClientId::Document(DocumentUrl::parse(url).unwrap())
    }

    fn registered() -> ClientId {
        ClientId::Registered(domain::ClientKey::new().as_uuid())
    }

    fn heads(client: &ClientId, redirect_uri: &str) -> Vec<&'static str> {
        warnings(client, &redirect_uri.parse().unwrap()).into_iter().map(|warning| warning.head).collect()
    }

    #[test]
    fn whoever_lives_on_the_machine_alone_is_warned_of() {
        let local = ["This app runs on your own computer."];

        assert_eq!(heads(&document("https://app.test/client.json"), "http://127.0.0.1:33418/callback"), local);
        assert_eq!(heads(&registered(), "http://localhost/callback"), local);
        assert_eq!(heads(&registered(), "http://[::1]:9/callback"), local);
        assert_eq!(heads(&registered(), "com.example.app:/callback"), ["This app is installed on this device."]);
    }

    #[test]
    fn an_answer_that_goes_elsewhere_is_warned_of() {
        let client = document("https://app.test/client.json");

        assert_eq!(heads(&client, "https://app.test/callback"), [] as [&str; 0]);
        assert_eq!(heads(&client, "https://app.test:8443/callback"), ["It sends you to another site."]);
        assert_eq!(heads(&client, "https://app.test.evil.test/callback"), ["It sends you to another site."]);
    }

    #[test]
    fn a_form_may_end_where_the_answer_goes() {
        for (redirect_uri, origin) in [
            ("https://app.test/callback?a=b", "https://app.test"),
            ("https://app.test:8443/callback", "https://app.test:8443"),
            ("http://127.0.0.1:33418/callback", "http://127.0.0.1:33418"),
            ("http://[::1]:33418/callback", "http:"),
            ("com.example.app:/callback", "com.example.app:"),
            ("https://a.test;frame-ancestors/callback", "https:"),
        ] {
            assert_eq!(form_origin(&redirect_uri.parse().unwrap()), origin, "{redirect_uri}");
        }
    }

    #[test]
    fn every_scope_has_words() {
        let asked: Scopes = "mcp:tools mcp:tools:add servers:read servers:write executions:read members:write".parse().unwrap();

        let choices = choices(&asked, |scope| *scope == Scope::McpTools);

        assert!(choices.iter().all(|choice| !choice.words.contains(':')));
        assert_eq!(choices.iter().filter(|choice| choice.is_ticked).count(), 1);
        assert_eq!(choices[1].field, "scope mcp:tools:add");
    }
}
