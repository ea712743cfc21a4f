//! The log of executed code (SEC-15): a line for each run of a version, with whose it is, who called, and what ran. It is written as the run ends, however
//! it does, and waits for nothing.

use domain::Digest;
use store::executions::Execution;
use tracing::info;

/// Tells the log of a run that ended, of the version with this digest; nothing of a call that ended before anything ran. Its target,
/// `toolwright::executed`, lets an operator keep these lines apart.
pub(super) fn tell(row: &Execution, digest: Digest) {
    if row.started_at.is_none() {
        return;
    }
    info!(
        target: "toolwright::executed",
        call_id = %row.call,
        request_id = %row.request,
        customer_id = %row.customer,
        caller = caller(row),
        api_key_id = row.api_key.map(display),
        user_id = row.user.map(display),
        sign_in_id = row.sign_in.map(display),
        authorization_id = row.authorization.map(display),
        client_id = row.client.as_deref(),
        server_id = %row.server,
        server.slug = %row.server_slug,
        tool.name = %row.tool,
        version_id = %row.version,
        %digest,
        // A client that went away took the receipt along.
        fuel = row.receipt.as_ref().map(|receipt| receipt.fuel),
        status = row.status.as_str(),
        "code executed"
    );
}

/// What the caller showed. Whoever showed nothing is not known: the server is public.
const fn caller(row: &Execution) -> &'static str {
    match row {
        Execution { api_key: Some(_), .. } => "api_key",
        Execution { authorization: Some(_), .. } => "client",
        Execution { sign_in: Some(_), .. } => "member",
        _ => "anyone",
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        sync::{Arc, Mutex},
    };

    use chrono::DateTime;
    use domain::{ApiKeyId, AuthorizationId, CallId, CustomerId, RequestId, ServerId, SignInId, Status, UserId, VersionId};
    use tracing::{Event, Metadata, Subscriber, field::Visit, span};
    use uuid::Uuid;

    use super::*;

    type Line = BTreeMap<&'static str, String>;

    /// Keeps what is told to the log.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<Line>>>);

    struct Fields<'a>(&'a mut Line);

    impl Visit for Fields<'_> {
        fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
            self.0.insert(field.name(), format!("{value:?}").trim_matches('"').to_owned());
        }
    }

    impl Subscriber for Lines {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.target() == "toolwright::executed"
        }

        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }

        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

        fn event(&self, event: &Event<'_>) {
            let mut line = Line::new();
            event.record(&mut Fields(&mut line));
            self.0.lock().unwrap().push(line);
        }

        fn enter(&self, _: &span::Id) {}

        fn exit(&self, _: &span::Id) {}
    }

    fn told(row: &Execution) -> Vec<Line> {
        let lines = Lines::default();
        tracing::subscriber::with_default(lines.clone(), || tell(row, Digest::of(b"version")));
        lines.0.lock().unwrap().clone()
    }

    /// A call of nobody who is known, whose client went away while it ran.
    fn row() -> Execution {
        let at = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        Execution {
            call: CallId::new(),
            request: RequestId::new(),
            node: Uuid::now_v7(),
            customer: CustomerId::new(),
            api_key: None,
            authorization: None,
            user: None,
            sign_in: None,
            client: None,
            server: ServerId::new(),
            server_slug: "weather".parse().unwrap(),
            tool: "forecast".parse().unwrap(),
            version: VersionId::new(),
            status: Status::Cancelled,
            stage: None,
            progress: None,
            progress_total: None,
            queued_at: at,
            started_at: Some(at),
            completed_at: Some(at),
            receipt: None,
            error_message: None,
            contents: None,
        }
    }

    #[test]
    fn a_line_says_whose_code_ran_which_and_for_whom_whoever_called_and_however_it_ended() {
        let (key, user, sign_in, authorization) = (ApiKeyId::new(), UserId::new(), SignInId::new(), AuthorizationId::new());
        let client = "https://client.test/document".to_owned();
        let callers = [
            ("api_key", Execution { api_key: Some(key), ..row() }, vec![("api_key_id", key.to_string())]),
            (
                "client",
                Execution { authorization: Some(authorization), user: Some(user), client: Some(client.clone()), ..row() },
                vec![("authorization_id", authorization.to_string()), ("user_id", user.to_string()), ("client_id", client)],
            ),
            (
                "member",
                Execution { user: Some(user), sign_in: Some(sign_in), ..row() },
                vec![("user_id", user.to_string()), ("sign_in_id", sign_in.to_string())],
            ),
            ("anyone", row(), Vec::new()),
        ];

        for (caller, row, shown) in callers {
            let lines = told(&row);
            let [line] = lines.as_slice() else { panic!("{caller}: {lines:?}") };
            let always = [
                ("caller", caller.to_owned()),
                ("customer_id", row.customer.to_string()),
                ("server_id", row.server.to_string()),
                ("server.slug", "weather".to_owned()),
                ("tool.name", "forecast".to_owned()),
                ("version_id", row.version.to_string()),
                ("digest", Digest::of(b"version").to_string()),
                ("request_id", row.request.to_string()),
            ];
            for (name, value) in always.into_iter().chain(shown) {
                assert_eq!(line.get(name), Some(&value), "{caller}: {name} in {line:?}");
            }
        }
    }

    #[test]
    fn of_a_call_that_ended_before_anything_ran_there_is_no_line() {
        assert!(told(&Execution { started_at: None, ..row() }).is_empty());
    }
}
