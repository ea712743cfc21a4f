//! Logs: one JSON object a line, or a form for people on a terminal.

mod batches;
mod json;

use std::{
    io::IsTerminal as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tracing::Subscriber;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    EnvFilter, Layer as _, filter::ParseError, fmt::MakeWriter, layer::SubscriberExt as _, registry::LookupSpan,
};

use self::{batches::Batches, json::Json};

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line: `timestamp` (UTC, RFC 3339), `level`, `target`, `message`, the event's fields, and `spans`, outermost first,
    /// with theirs.
    Json,
    /// For people: one line, coloured on a terminal.
    Human,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// How a line looks.
    pub format: LogFormat,
    /// What is logged, in the form of `RUST_LOG`: `info`, `info,sandbox=debug`...
    pub filter: String,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter has another form.
    #[error("`{filter}` is not a log filter: it must look like `info` or `info,sandbox=debug`")]
    Filter {
        /// What was given.
        filter: String,
        /// What the parser says.
        source: ParseError,
    },
    /// The process logs already.
    #[error("logging was set up before")]
    Twice,
}

/// Lines that may wait to be written: of the longest that there usually are, some 16 MiB.
const WAITING_LINES_MAX: usize = 16_384;

/// A running log. While this lives its lines are written; dropping it waits a second at most for those that are not yet.
#[derive(Debug)]
#[must_use = "the log ends with it"]
pub struct Logging {
    lost: LostLines,
    _writer: WorkerGuard,
}

/// The count of lines that were lost: nobody read the log for too long, or its place was full or closed. Clones count the same ones.
#[derive(Debug, Clone)]
pub struct LostLines {
    given_up: ErrorCounter,
    unwritten: Arc<AtomicU64>,
}

impl Logging {
    /// The count of lines that were lost.
    #[must_use]
    pub fn lost(&self) -> LostLines {
        self.lost.clone()
    }
}

impl LostLines {
    /// How many there are by now.
    #[must_use]
    pub fn count(&self) -> u64 {
        u64::try_from(self.given_up.dropped_lines()).unwrap_or(u64::MAX).saturating_add(self.unwritten.load(Ordering::Relaxed))
    }
}

/// Sends the process's events to stderr, until the guard is dropped. The process's only global, because the `tracing` macros have no other place to
/// find it.
///
/// A thread of its own writes: whoever logs waits neither for a disk nor for whatever reads a pipe. If that stands still, some 16 000 lines are kept
/// for it and more are lost, and counted ([`LostLines`]).
pub fn start(settings: &LogSettings) -> Result<Logging, LogError> {
    let colour = Colour::of(settings.format, std::io::stderr().is_terminal());
    let unwritten = Arc::<AtomicU64>::default();
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(WAITING_LINES_MAX)
        .thread_name("log")
        .finish(Batches::new(std::io::stderr(), Arc::clone(&unwritten)));
    let lost = LostLines { given_up: writer.error_counter(), unwritten };
    tracing::subscriber::set_global_default(subscriber(settings, writer, colour)?).map_err(|_| LogError::Twice)?;
    Ok(Logging { lost, _writer: guard })
}

/// Checks a filter without using it.
pub fn check_filter(filter: &str) -> Result<(), LogError> {
    parse_filter(filter).map(drop)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Colour {
    Plain,
    Ansi,
}

impl Colour {
    fn of(format: LogFormat, terminal: bool) -> Self {
        if format == LogFormat::Human && terminal { Self::Ansi } else { Self::Plain }
    }
}

fn subscriber<W>(
    settings: &LogSettings,
    writer: W,
    colour: Colour,
) -> Result<impl Subscriber + for<'span> LookupSpan<'span> + Send + Sync + 'static, LogError>
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(colour == Colour::Ansi);
    let lines = match settings.format {
        LogFormat::Json => lines.event_format(Json).fmt_fields(Json).boxed(),
        LogFormat::Human => lines.compact().boxed(),
    };
    Ok(tracing_subscriber::registry().with(parse_filter(&settings.filter)?).with(lines))
}

fn parse_filter(filter: &str) -> Result<EnvFilter, LogError> {
    EnvFilter::builder().parse(filter).map_err(|source| LogError::Filter { filter: filter.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        sync::{Arc, Mutex, PoisonError},
    };

    use serde_json::{Value, json};
    use tracing::{Instrument as _, info, info_span};

    use super::*;

    /// Keeps what is written.
    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Page {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }

        fn lines(&self) -> Vec<Value> {
            self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        }
    }

    fn start_on(page: &Page, format: LogFormat, filter: &str) -> tracing::subscriber::DefaultGuard {
        let page = page.clone();
        let settings = LogSettings { format, filter: filter.to_owned() };
        let subscriber = subscriber(&settings, move || page.clone(), Colour::Plain).unwrap();
        tracing::subscriber::set_default(subscriber)
    }

    fn request_id(line: &Value) -> Option<&str> {
        line["spans"].as_array()?.iter().find_map(|span| span["request_id"].as_str())
    }

    #[test]
    fn a_line_is_json_and_has_the_request_id_of_its_span() {
        let page = Page::default();
        let _guard = start_on(&page, LogFormat::Json, "info");

        info_span!("request", request_id = "0193-abc").in_scope(|| info!(tool.name = "forecast", "called tool `forecast`"));

        let lines = page.lines();
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["message"], "called tool `forecast`");
        assert_eq!(lines[0]["tool.name"], "forecast");
        assert_eq!(lines[0]["level"], "INFO");
        assert_eq!(request_id(&lines[0]), Some("0193-abc"));
        assert!(lines[0]["timestamp"].as_str().unwrap().ends_with('Z'), "{}", lines[0]);
    }

    #[tokio::test]
    async fn the_context_follows_each_of_two_interleaved_tasks_and_ends_with_them() {
        let page = Page::default();
        let _guard = start_on(&page, LogFormat::Json, "info");
        let steps = |id: &'static str| {
            async move {
                for step in 0..3 {
                    info!(id, step, "step");
                    tokio::task::yield_now().await;
                }
            }
            .instrument(info_span!("request", request_id = id))
        };

        tokio::join!(steps("one"), steps("two"));
        info!("after");

        let lines = page.lines();
        assert_eq!(lines.len(), 7);
        assert_ne!(lines[0]["id"], lines[1]["id"], "the tasks must interleave");
        assert!(lines[..6].iter().all(|line| request_id(line) == line["id"].as_str()), "{lines:?}");
        assert_eq!(request_id(&lines[6]), None);
    }

    #[test]
    fn the_filter_holds_back_what_it_names() {
        let page = Page::default();
        let _guard = start_on(&page, LogFormat::Human, "info,noisy=warn");

        info!(target: "noisy", "held back");
        info!(target: "quiet", "let through");

        assert!(page.text().contains("let through"), "{}", page.text());
        assert!(!page.text().contains("held back"), "{}", page.text());
    }

    #[test]
    fn a_line_feed_in_a_value_does_not_begin_a_line() {
        let page = Page::default();
        let _guard = start_on(&page, LogFormat::Json, "info");

        info!(name = "a\n{\"level\":\"ERROR\"}", "said\nmore");

        assert_eq!(page.lines().len(), 1);
    }

    #[test]
    fn fields_have_their_types_and_spans_all_that_was_recorded_of_them() {
        let page = Page::default();
        let _guard = start_on(&page, LogFormat::Json, "info");

        let outer = info_span!("outer", method = "POST", later = tracing::field::Empty, latest = tracing::field::Empty);
        outer.record("later", 1);
        outer.record("latest", "\"2\"\u{7}");
        let none: Option<&str> = None;
        outer.in_scope(|| {
            info_span!("inner").in_scope(|| {
                info!(whole = -1, parts = 0.5, large = u64::MAX, not_a_number = f64::NAN, yes = true, none, r#type = %"é", list = ?[1, 2]);
            });
        });
        info!(target: "bare", "\u{1b}[31m");

        let mut lines = page.lines();
        for line in &mut lines {
            assert!(line.as_object_mut().unwrap().remove("timestamp").is_some());
        }
        let spans = json!([{"name": "outer", "method": "POST", "later": 1, "latest": "\"2\"\u{7}"}, {"name": "inner"}]);
        let first = json!({
            "level": "INFO", "target": "telemetry::logging::tests", "whole": -1, "parts": 0.5, "large": u64::MAX, "not_a_number": null,
            "yes": true, "type": "é", "list": "[1, 2]", "spans": spans
        });
        assert_eq!(lines, [first, json!({"level": "INFO", "target": "bare", "message": "\u{1b}[31m"})]);
    }

    #[test]
    fn a_filter_of_another_form_is_refused_with_what_would_be_right() {
        let error = check_filter("info,=wat=").unwrap_err().to_string();

        assert!(error.contains("`info,sandbox=debug`"), "{error}");
    }
}
