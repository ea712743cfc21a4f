//! A customer's source to JavaScript: types are stripped, not checked; what TypeScript adds at run time (enums, namespaces, parameter
//! properties) is rewritten; imports are held against what may be imported.

mod imports;
mod places;

use std::{collections::BTreeSet, path::Path};

use domain::{Diagnostic, Language, ModuleName};
use oxc_allocator::Allocator;
use oxc_ast::ast::Program;
use oxc_codegen::{Codegen, CodegenOptions, CommentOptions};
use oxc_diagnostics::OxcDiagnostic;
use oxc_parser::{ParseOptions, Parser};
use oxc_semantic::{Scoping, SemanticBuilder};
use oxc_span::SourceType;
use oxc_transformer::{TransformOptions, Transformer};

use crate::ModuleBounds;
use places::Places;

/// A list longer than this is not read; the first ones are usually the cause of the rest.
pub(crate) const DIAGNOSTICS_MAX: usize = 20;

/// JavaScript that stands for a customer's source.
#[derive(Debug)]
pub(crate) struct Script {
    /// An ECMAScript module.
    pub(crate) code: String,
    /// Where each part of `code` comes from: the `mappings` of a source map (ECMA-426) with the customer's text as its only source.
    pub(crate) mappings: String,
    /// The library modules that it imports.
    pub(crate) modules: BTreeSet<ModuleName>,
}

/// Translates `source`. The parser and all that walks its tree recurse as deep as the source is nested: call this on a thread with a
/// large stack, in a process that may die.
pub(crate) fn translate(language: Language, source: &str, bounds: &ModuleBounds) -> Result<Script, Vec<Diagnostic>> {
    let allocator = Allocator::default();
    let places = Places::new(source);
    let options = ParseOptions { parse_regular_expression: true, ..ParseOptions::default() };
    let parsed = Parser::new(&allocator, source, source_type(language)).with_options(options).parse();
    if parsed.panicked || !parsed.diagnostics.is_empty() {
        return Err(places.diagnostics(&parsed.diagnostics));
    }
    let mut program = parsed.program;
    imports::check(&program, &places, &ModuleBounds::none())?;
    let scoping = analyse(&program).map_err(|faults| places.diagnostics(&faults))?;
    strip_types(&allocator, language, scoping, &mut program).map_err(|faults| places.diagnostics(&faults))?;
    // What was imported for its types, or never used, went with the types: it is none of the tool's modules, and needs no tier.
    let modules = imports::check(&program, &places, bounds)?;
    Ok(print(language, &program, modules))
}

const fn source_type(language: Language) -> SourceType {
    match language {
        // Without imports and exports, it would be taken for a script.
        Language::TypeScript => SourceType::ts().with_module(true),
        // A component is no text: nothing gives one to this function, and if something did, the parser would say so.
        Language::JavaScript | Language::Component => SourceType::mjs(),
    }
}

/// The early errors that the parser leaves to others (a name declared twice, `break` outside a loop...), and the scopes.
fn analyse(program: &Program<'_>) -> Result<Scoping, Vec<OxcDiagnostic>> {
    let analysed = SemanticBuilder::new_compiler().with_enum_eval(true).build(program);
    if analysed.diagnostics.is_empty() { Ok(analysed.semantic.into_scoping()) } else { Err(analysed.diagnostics.into()) }
}

/// The transformer warns of what it leaves out (`import x = require()`, some namespaces): the tool would not do what its author
/// wrote, so that a warning counts as an error.
fn strip_types<'a>(
    allocator: &'a Allocator,
    language: Language,
    scoping: Scoping,
    program: &mut Program<'a>,
) -> Result<(), Vec<OxcDiagnostic>> {
    let options = TransformOptions::default();
    let path = Path::new(language.file_name());
    let transformed = Transformer::new(allocator, path, &options).build_with_scoping(scoping, program);
    if transformed.diagnostics.is_empty() { Ok(()) } else { Err(transformed.diagnostics.into()) }
}

fn print(language: Language, program: &Program<'_>, modules: BTreeSet<ModuleName>) -> Script {
    let options = CodegenOptions {
        source_map_path: Some(language.file_name().into()),
        comments: CommentOptions::disabled(),
        // Blocks nested ten thousand deep would be a hundred million blanks.
        indent_width: 0,
        ..CodegenOptions::default()
    };
    let printed = Codegen::new().with_options(options).build(program);
    let mappings = printed.map.map(|map| map.to_json().mappings).unwrap_or_default();
    Script { code: printed.code, mappings, modules }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_stripped() {
        let script = typescript("const a: number = 1 as unknown as number;\nexport default a satisfies number;\n").unwrap();

        assert_eq!(script.code, "const a = 1;\nexport default a;\n");
        assert!(!script.mappings.is_empty());
    }

    #[test]
    fn what_typescript_adds_at_run_time_is_rewritten() {
        let script = typescript(
            "enum Colour { Red = 'red', Blue = 'blue' }\nnamespace geo { export const zero = 0; }\n\
             class Point { constructor(private readonly x: number, y?: number) {} }\n\
             export default [Colour.Red, geo.zero, Point, (globalThis as any)!];\n",
        )
        .unwrap();

        for gone in ["enum", "namespace", "private", "readonly", "number", " as "] {
            assert!(!script.code.contains(gone), "{gone} is left in\n{}", script.code);
        }
        assert!(script.code.contains("this.x = x"), "{}", script.code);
    }

    #[test]
    fn a_syntax_error_names_its_place_in_characters() {
        let faults = typescript("const a = 1;\nconst é = \"€€€\" oops;\n").unwrap_err();

        assert_eq!(faults.len(), 1, "{faults:?}");
        assert_eq!((faults[0].line, faults[0].column), (Some(2), Some(16)));
        assert_eq!(faults[0].source_line.as_deref(), Some("const é = \"€€€\" oops;"));
    }

    #[test]
    fn errors_that_only_the_whole_program_shows_are_found() {
        let faults = typescript("let twice = 1;\nlet twice = 2;\nfor (;;) {}\ncontinue;\n").unwrap_err();

        assert!(faults.iter().any(|fault| fault.message.contains("twice")), "{faults:?}");
        assert!(faults.iter().any(|fault| fault.line == Some(4)), "{faults:?}");
    }

    #[test]
    fn a_wrong_regular_expression_is_shown_at_its_place() {
        let faults = typescript("const a = 1;\nconst b = /(?<a>.)(?<a>.)/u;\n").unwrap_err();

        assert_eq!(faults[0].line, Some(2), "{faults:?}");
    }

    #[test]
    fn typescript_in_a_javascript_source_is_an_error() {
        let faults = translate(Language::JavaScript, "const a: number = 1;", &ModuleBounds::none()).unwrap_err();

        assert_eq!((faults[0].line, faults[0].column), (Some(1), Some(7)), "{faults:?}");
    }

    #[test]
    fn decorators_are_refused_in_words() {
        let faults = typescript("function log(a: any) {}\n@log class A {}\n").unwrap_err();

        assert_eq!(faults[0].line, Some(2));
        assert!(faults[0].message.contains("decorators are not supported"), "{faults:?}");
    }

    #[test]
    fn what_the_transformer_would_leave_out_is_refused() {
        let faults = typescript("const a = 1;\nnamespace counter { export let count = 0; }\ncounter;\n").unwrap_err();

        assert_eq!(faults[0].line, Some(2), "{faults:?}");
    }

    #[test]
    fn a_source_is_a_module_even_if_nothing_in_it_says_so() {
        let faults = typescript("const a = { b: 1 };\nwith (a) b;\n").unwrap_err();

        assert_eq!(faults[0].line, Some(2), "{faults:?}");
    }

    #[test]
    fn the_list_of_errors_is_bounded() {
        let many = (0..500).map(|index| format!("import \"module-{index}\";\n")).collect::<Vec<_>>().concat();

        let faults = typescript(&many).unwrap_err();

        assert_eq!(faults.len(), DIAGNOSTICS_MAX);
    }

    #[test]
    fn a_message_is_bounded_whatever_it_repeats() {
        let name = "x".repeat(100_000);

        let faults = typescript(&format!("let {name} = 1;\nlet {name} = 2;\n")).unwrap_err();

        assert!(faults[0].message.len() <= 500, "{}", faults[0].message.len());
    }

    #[test]
    fn any_bytes_that_are_text_get_an_answer() {
        for source in
            ["", "\u{feff}", "\0", "`${", "/", "\"\\u{110000}\"", "<!--", "#!", "\u{2028}", "@", "class {", "(((((", "a?.`b`"]
        {
            let _ = typescript(source);
            let _ = translate(Language::JavaScript, source, &ModuleBounds::none());
        }
    }

    fn typescript(source: &str) -> Result<Script, Vec<Diagnostic>> {
        translate(Language::TypeScript, source, &ModuleBounds::none())
    }
}
