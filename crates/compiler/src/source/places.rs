//! Where a byte of the source lies, as a person counts.

use domain::Diagnostic;
use oxc_diagnostics::OxcDiagnostic;
use oxc_span::Span;

use super::DIAGNOSTICS_MAX;

/// A message can repeat a name, and a name can be as long as the source.
const MESSAGE_CHARS_MAX: usize = 500;

/// The lines of a source.
pub(super) struct Places<'s> {
    source: &'s str,
}

impl<'s> Places<'s> {
    pub(super) fn new(source: &'s str) -> Self {
        Self { source }
    }

    /// A fault at the first byte of `span`.
    pub(super) fn diagnostic(&self, message: impl Into<String>, span: Span) -> Diagnostic {
        self.at(message.into(), span.start)
    }

    /// The first of `faults`, [`DIAGNOSTICS_MAX`] at most.
    pub(super) fn diagnostics(&self, faults: &[OxcDiagnostic]) -> Vec<Diagnostic> {
        faults.iter().take(DIAGNOSTICS_MAX).map(|fault| self.translate(fault)).collect()
    }

    fn translate(&self, fault: &OxcDiagnostic) -> Diagnostic {
        let message = match &fault.help {
            Some(help) => format!("{}: {help}", fault.message),
            None => fault.message.to_string(),
        };
        let message: String = message.chars().take(MESSAGE_CHARS_MAX).collect();
        match fault.labels.first() {
            Some(label) => self.at(message, label.offset()),
            None => Diagnostic::without_place(message),
        }
    }

    fn at(&self, message: String, offset: u32) -> Diagnostic {
        let before = self.source.get(..offset as usize).unwrap_or(self.source);
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before.get(start..).unwrap_or_default().chars().count() + 1;
        Diagnostic::at(message, self.source, count(line), count(column))
    }
}

/// A source has a million bytes at most, so that every count of it fits.
fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_counted_in_lines_and_characters_from_one() {
        let places = Places::new("a\r\n€b\n");

        let found = |offset| {
            let fault = places.diagnostic("here", Span::empty(offset));
            (fault.line, fault.column)
        };

        assert_eq!(found(0), (Some(1), Some(1)));
        assert_eq!(found(3), (Some(2), Some(1)));
        assert_eq!(found(6), (Some(2), Some(2)));
        assert_eq!(found(8), (Some(3), Some(1)));
        assert_eq!(found(99), (Some(3), Some(1)));
    }
}
