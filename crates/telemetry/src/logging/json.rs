//! One JSON object a line, written field by field as the fields come: a tree of them costs a call as much as all else that the log does.

use std::{fmt, io};

use serde_json::to_writer;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::Record,
};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{
        FmtContext, FormatEvent, FormatFields, FormattedFields,
        format::Writer,
        time::{FormatTime as _, SystemTime},
    },
    registry::LookupSpan,
};

/// Writes `timestamp`, `level`, the event's fields (`message` is one of them), `target` and `spans`, outermost first, each its `name` and its fields.
/// What it keeps of a span is what stands between the braces.
#[derive(Debug, Clone, Copy)]
pub(super) struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let metadata = event.metadata();
        writer.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut writer)?;
        write!(writer, "\",\"level\":\"{}\",", metadata.level())?;
        let mut fields = Fields::new(writer.by_ref());
        event.record(&mut fields);
        if fields.end()? > 0 {
            writer.write_char(',')?;
        }
        writer.write_str("\"target\":")?;
        write_value(&mut writer, metadata.target())?;
        if let Some(spans) = context.event_scope() {
            writer.write_str(",\"spans\":[")?;
            for (number, span) in spans.from_root().enumerate() {
                writer.write_str(if number == 0 { "{" } else { ",{" })?;
                writer.write_str("\"name\":")?;
                write_value(&mut writer, span.name())?;
                if let Some(fields) = span.extensions().get::<FormattedFields<N>>().filter(|fields| !fields.is_empty()) {
                    write!(writer, ",{fields}")?;
                }
                writer.write_char('}')?;
            }
            writer.write_char(']')?;
        }
        writer.write_str("}\n")
    }
}

impl<'writer> FormatFields<'writer> for Json {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut written = Fields::new(writer);
        fields.record(&mut written);
        written.end().map(drop)
    }

    fn add_fields(&self, current: &'writer mut FormattedFields<Self>, fields: &Record<'_>) -> fmt::Result {
        if !current.fields.is_empty() && !fields.is_empty() {
            current.fields.push(',');
        }
        self.format_fields(current.as_writer(), fields)
    }
}

/// Fields with commas between them.
struct Fields<'a> {
    writer: Writer<'a>,
    count: usize,
    written: fmt::Result,
}

impl<'a> Fields<'a> {
    const fn new(writer: Writer<'a>) -> Self {
        Self { writer, count: 0, written: Ok(()) }
    }

    /// How many there were.
    fn end(self) -> Result<usize, fmt::Error> {
        self.written.map(|()| self.count)
    }

    fn write(&mut self, field: &Field, value: impl serde::Serialize) {
        self.written = self.written.and_then(|()| {
            if self.count > 0 {
                self.writer.write_char(',')?;
            }
            self.count += 1;
            // A name that is a word of the language is written with this before it.
            write_value(&mut self.writer, field.name().trim_start_matches("r#"))?;
            self.writer.write_char(':')?;
            write_value(&mut self.writer, value)
        });
    }
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.write(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.write(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.write(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.write(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.write(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.write(field, format_args!("{value:?}"));
    }
}

fn write_value(writer: &mut Writer<'_>, value: impl serde::Serialize) -> fmt::Result {
    to_writer(Bytes(writer), &value).map_err(|_| fmt::Error)
}

/// Takes text as bytes: JSON comes in whole characters.
struct Bytes<'a, 'writer>(&'a mut Writer<'writer>);

impl io::Write for Bytes<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = str::from_utf8(bytes).map_err(io::Error::other)?;
        self.0.write_str(text).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
