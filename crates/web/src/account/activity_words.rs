//! What happened to an account, in words.

use app::accounts::activity::Activity;
use serde_json::Value;

use super::activity::Names;

/// How something that happened is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// As one thing among others.
    Plain,
    /// As something that did not succeed.
    Failed,
}

/// Something that happened, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Words {
    /// What.
    pub(super) what: String,
    /// What there is to say besides.
    pub(super) more: Option<String>,
    pub(super) tone: Tone,
}

impl Words {
    pub(super) fn of(activity: &Activity, names: &Names) -> Self {
        let plain = |what: &str| Self { what: what.to_owned(), more: None, tone: Tone::Plain };
        match activity.operation.as_str() {
            "refuse_sign_in" => Self { tone: Tone::Failed, ..plain(&format!("A sign-in failed, by {}", way(activity, names))) },
            "sign_up" => plain("This account was made"),
            "sign_in_upstream" if activity.thing.kind == "user" => {
                plain(&format!("This account was made, with {}", way(activity, names)))
            }
            "sign_in" | "sign_in_by_passkey" | "sign_in_upstream" => plain(&format!("Signed in by {}", way(activity, names))),
            "sign_out" => plain("Signed out here"),
            "sign_out_everywhere" => Self { more: ended(activity), ..plain("Signed out on every device") },
            "end_sign_in" => plain("Ended another sign-in"),
            "change_password" => Self { more: ended(activity), ..plain("Another password was set") },
            "add_passkey" => plain(&format!("Added the passkey {}", name(activity))),
            "rename_passkey" => plain(&format!("A passkey is called {} now", name(activity))),
            "remove_passkey" => plain(&format!("Removed the passkey {}", name(activity))),
            "connect_identity" => plain(&format!("Connected {}, to sign in with it", upstream(activity, names))),
            "disconnect_identity" => plain(&format!("Disconnected {}", upstream(activity, names))),
            "change_user" if activity.details.get("disabled") == Some(&Value::Bool(true)) => {
                plain("The account was disabled by whoever runs this installation")
            }
            "change_user" => plain("The account was enabled again by whoever runs this installation"),
            _ => Self::of_customers(activity, names).or_else(|| Self::of_clients(activity)).unwrap_or_else(|| {
                // Of a newer program.
                plain(&activity.operation.replace('_', " "))
            }),
        }
    }

    fn of_customers(activity: &Activity, names: &Names) -> Option<Self> {
        let customer = names.customer(activity.customer);
        let what = match activity.operation.as_str() {
            "accept_invitation" => format!("Joined {customer}"),
            "leave_customer" => format!("Left {customer}"),
            "change_member" => {
                format!("An owner of {customer} gave you another role: {}", detail(activity, "role").unwrap_or("?"))
            }
            "remove_member" => format!("You were removed from {customer}"),
            _ => return None,
        };
        Some(Self { what, more: None, tone: Tone::Plain })
    }

    fn of_clients(activity: &Activity) -> Option<Self> {
        let (client, thing) = (client(activity), name(activity));
        let what = match activity.operation.as_str() {
            "give_consent" => format!("Let {client} use {thing}"),
            "refuse_consent" => format!("Did not let {client} use {thing}"),
            "revoke_consent" => format!("Took back what {client} may do"),
            "change_consent" => match activity.details.get("pins_definitions") {
                Some(Value::Bool(true)) => format!("Tools of {thing} that change are held back from {client}"),
                _ => format!("Tools of {thing} that change are not held back from {client} any more"),
            },
            "accept_consent_definition" | "accept_consent_words" => format!("Accepted a change of {thing}, for {client}"),
            "make_authorization" => format!("{client} got its first tokens for {thing}"),
            "revoke_authorization" => format!("The tokens of {client} for {thing} ended"),
            "end_server_access" => format!("An owner of {thing} ended what you let {client} do there"),
            _ => return None,
        };
        Some(Self { what, more: detail(activity, "reason").map(sentence), tone: Tone::Plain })
    }
}

/// By what somebody signs in.
fn way<'a>(activity: &'a Activity, names: &'a Names) -> &'a str {
    match detail(activity, "by") {
        Some("password") => "password",
        Some("passkey") => "passkey",
        Some(upstream) => names.upstream(upstream),
        // Before the log said so.
        None => "a way that was not written down",
    }
}

fn upstream<'a>(activity: &'a Activity, names: &'a Names) -> &'a str {
    detail(activity, "upstream").map_or("an account elsewhere", |upstream| names.upstream(upstream))
}

fn client(activity: &Activity) -> String {
    let named = activity.client_name.as_deref().or(activity.client_id.as_deref());
    named.map_or_else(|| "a client".to_owned(), quoted)
}

fn name(activity: &Activity) -> String {
    activity.thing.name.as_deref().map_or_else(|| "that is gone".to_owned(), quoted)
}

/// What somebody else wrote is told from our words.
fn quoted(text: &str) -> String {
    format!("“{text}”")
}

/// How many sign-ins and authorizations ended by it.
fn ended(activity: &Activity) -> Option<String> {
    let count = |key: &str| activity.details.get(key).and_then(Value::as_u64).filter(|count| *count > 0);
    let part = |count: u64, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let parts = [
        count("sign_ins_ended").map(|count| part(count, "sign-in")),
        count("authorizations_ended").map(|count| part(count, "token")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| format!("{} ended by it.", parts.join(" and ")))
}

fn detail<'a>(activity: &'a Activity, key: &str) -> Option<&'a str> {
    activity.details.get(key).and_then(Value::as_str)
}

fn sentence(text: &str) -> String {
    super::sign_in::sentence(&text)
}

#[cfg(test)]
mod tests {
    use app::accounts::activity::{Activity, ActivityBy};
    use domain::AuditEntryId;
    use serde_json::json;

    use super::*;

    fn activity(operation: &str, details: Value) -> Activity {
        let Value::Object(details) = details else { panic!("no object") };
        Activity {
            entry_id: AuditEntryId::new(),
            made_at: chrono::DateTime::from_timestamp(0, 0).unwrap(),
            operation: operation.to_owned(),
            by: ActivityBy::Person,
            sign_in: None,
            is_current: false,
            device: None,
            address: None,
            customer: None,
            client_id: None,
            client_name: None,
            thing: app::audit::Thing { kind: "thing".to_owned(), id: None, name: None },
            details,
        }
    }

    #[test]
    fn everything_that_happens_to_an_account_has_words() {
        for operation in Activity::operations() {
            let words = Words::of(&activity(&operation, json!({})), &Names::none());
            assert_ne!(words.what, operation.replace('_', " "), "{operation} has no words");
            assert!(app::audit::operations().contains(&operation), "{operation} is none");
        }
    }

    #[test]
    fn what_others_wrote_is_quoted_and_numbers_are_told() {
        let names = Names::none();
        let mut given = activity("give_consent", json!({}));
        given.client_name = Some("Notes <b>".to_owned());
        given.thing.name = Some("https://tools.example.com/mcp/weather".to_owned());
        assert_eq!(Words::of(&given, &names).what, "Let “Notes <b>” use “https://tools.example.com/mcp/weather”");

        let changed = activity("change_password", json!({ "sign_ins_ended": 3, "authorizations_ended": 1 }));
        let words = Words::of(&changed, &names);
        assert_eq!(words.more.as_deref(), Some("3 sign-ins and 1 token ended by it."));
        let refused = Words::of(&activity("refuse_sign_in", json!({ "by": "passkey" })), &names);
        assert_eq!((refused.what.as_str(), refused.tone), ("A sign-in failed, by passkey", Tone::Failed));
    }
}
