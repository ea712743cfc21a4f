//! A source: TypeScript if the first byte is even, JavaScript if it is odd.

use domain::{Diagnostic, Language, LibraryModules};

use compiler::{ModuleBounds, front};

pub(crate) const WORDS: &[&str] = &[
    "import ",
    "export default ",
    " from \"toolwright\"",
    "toolwright:",
    "import(",
    "enum ",
    "namespace ",
    "declare ",
    "class ",
    "private ",
    "async ",
    "await ",
    "function*",
    "yield ",
    " as ",
    " satisfies ",
    "<T,>",
    "=>",
    "${",
    "`",
    "/*",
    "*/",
    "//",
    "<!--",
    "#!",
    "\\u{",
    "\u{2028}",
    "(?<a>",
    "/u",
    "?.",
    "??=",
    "...",
    "using ",
    "@",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
];

/// What a build tells of a source that is refused.
const DIAGNOSTICS_MAX: usize = 20;
/// Bytes of one diagnostic's message.
const MESSAGE_BYTES_MAX: usize = 2_000;
/// Code may be longer than its source: decorators of the transformer, names written out. An enum of one letter becomes a function.
const GROWTH_MAX: usize = 64;
const GROWTH_BASE: usize = 4_096;

pub(crate) fn check(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let language = if first % 2 == 0 { Language::TypeScript } else { Language::JavaScript };
    let Ok(source) = str::from_utf8(rest) else { return };
    let translation = match front::translate(language, source, &ModuleBounds::none()) {
        Ok(translation) => translation,
        Err(diagnostics) => return check_refusal(source, &diagnostics),
    };

    assert!(translation.code.len() <= GROWTH_BASE + GROWTH_MAX * source.len(), "{} bytes", translation.code.len());
    assert!(translation.modules.iter().all(|name| compiler::modules::find(name.as_str()).is_some()));
    let again = front::translate(Language::JavaScript, &translation.code, &ModuleBounds::none())
        .unwrap_or_else(|diagnostics| panic!("it is no JavaScript: {diagnostics:?}: {}", translation.code));
    assert_eq!(again.modules, translation.modules, "it imports others: {}", translation.code);
    let basic = ModuleBounds { library: LibraryModules::Basic, ..ModuleBounds::none() };
    if let Err(diagnostics) = front::translate(language, source, &basic) {
        check_refusal(source, &diagnostics);
        assert!(!translation.modules.is_empty(), "fewer modules refuse a source that imports none: {diagnostics:?}");
    }
}

fn check_refusal(source: &str, diagnostics: &[Diagnostic]) {
    assert!((1..=DIAGNOSTICS_MAX).contains(&diagnostics.len()), "{} diagnostics", diagnostics.len());
    // Lines end as ECMAScript has them: at least at each LF, at most at each of these.
    let lines_max = source.split(['\n', '\r', '\u{2028}', '\u{2029}']).count();
    for diagnostic in diagnostics {
        let bytes = diagnostic.message.len();
        assert!((1..=MESSAGE_BYTES_MAX).contains(&bytes), "a message of {bytes} bytes");
        assert_eq!(diagnostic.line.is_some(), diagnostic.column.is_some(), "{diagnostic:?}");
        assert!(diagnostic.line.is_none_or(|line| (1..=lines_max).contains(&(line as usize))), "{diagnostic:?}");
        assert!(diagnostic.column.is_none_or(|column| column >= 1), "{diagnostic:?}");
        let shown = diagnostic.source_line.as_ref().map_or(0, |line| line.chars().count());
        assert!(shown <= Diagnostic::SOURCE_LINE_CHARS_MAX + 3, "a line of {shown} characters");
    }
}
