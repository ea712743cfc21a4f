//! A moment, for people and for programs.

use askama::{Template, filters::HtmlSafe};
use chrono::{DateTime, SecondsFormat, Utc};

/// A moment as pages show it: a template of its own, shown as `{{ since }}`.
#[derive(Debug, Template)]
#[template(source = r#"<time datetime="{{ machine }}">{{ people }}</time>"#, ext = "html")]
pub(crate) struct Moment {
    machine: String,
    people: String,
}

// It is escaped by its own template.
impl HtmlSafe for Moment {}

impl From<DateTime<Utc>> for Moment {
    fn from(moment: DateTime<Utc>) -> Self {
        Self {
            machine: moment.to_rfc3339_opts(SecondsFormat::Secs, true),
            people: moment.format("%-d %B %Y, %H:%M UTC").to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_the_day_and_programs_the_second() {
        let moment = Moment::from(DateTime::from_timestamp(1_784_000_005, 0).unwrap());

        assert_eq!(moment.to_string(), r#"<time datetime="2026-07-14T03:33:25Z">14 July 2026, 03:33 UTC</time>"#);
    }
}
