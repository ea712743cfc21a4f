//! What a source may import, and what it may not use.

use std::collections::BTreeSet;

use domain::{Diagnostic, ModuleName};
use oxc_ast::ast::{
    Decorator, ExportAllDeclaration, ExportFromDeclaration, Expression, ImportDeclaration, ImportDeclarationSpecifier,
    ImportExpression, ImportOrExportKind, Program, StringLiteral, TSExportAssignment, TSExternalModuleReference,
};
use oxc_ast_visit::{Visit, walk};
use oxc_span::{GetSpan, Span};

use super::{DIAGNOSTICS_MAX, places::Places};
use crate::modules::{self, ModuleBounds};

/// The module that is part of the engine.
const IMPORTABLE: &str = "toolwright";

/// A module's name can be as long as the source: this much of it is shown.
const NAME_CHARS_MAX: usize = 100;

/// The library modules that `program` imports; or the imports that cannot be met, and its decorators, in the order of the source.
pub(super) fn check(
    program: &Program<'_>,
    places: &Places<'_>,
    bounds: &ModuleBounds,
) -> Result<BTreeSet<ModuleName>, Vec<Diagnostic>> {
    let mut imports = Imports { places, bounds, modules: BTreeSet::new(), faults: Vec::new() };
    imports.visit_program(program);
    if imports.faults.is_empty() { Ok(imports.modules) } else { Err(imports.faults) }
}

struct Imports<'p, 's> {
    places: &'p Places<'s>,
    bounds: &'p ModuleBounds,
    modules: BTreeSet<ModuleName>,
    faults: Vec<Diagnostic>,
}

impl Imports<'_, '_> {
    fn check(&mut self, module: &StringLiteral<'_>) {
        if module.value == IMPORTABLE {
            return;
        }
        let Some(name) = module.value.strip_prefix(modules::SCHEME) else {
            let name: String = module.value.chars().take(NAME_CHARS_MAX).collect();
            return self.refuse(format!("cannot import `{name}`: {}", importable()), module.span);
        };
        match self.bounds.admit(name) {
            Ok(module) => self.modules.extend(module.checked_name()),
            Err(refusal) => self.refuse(format!("cannot import this: {refusal}"), module.span),
        }
    }

    fn refuse(&mut self, message: String, span: Span) {
        if self.faults.len() < DIAGNOSTICS_MAX {
            self.faults.push(self.places.diagnostic(message, span));
        }
    }
}

impl<'a> Visit<'a> for Imports<'_, '_> {
    fn visit_import_declaration(&mut self, import: &ImportDeclaration<'a>) {
        if import.import_kind == ImportOrExportKind::Value && !names_only_types(import) {
            self.check(&import.source);
        }
    }

    fn visit_export_from_declaration(&mut self, export: &ExportFromDeclaration<'a>) {
        if export.export_kind == ImportOrExportKind::Value {
            self.check(&export.source);
        }
    }

    fn visit_export_all_declaration(&mut self, export: &ExportAllDeclaration<'a>) {
        if export.export_kind == ImportOrExportKind::Value {
            self.check(&export.source);
        }
    }

    fn visit_import_expression(&mut self, import: &ImportExpression<'a>) {
        match &import.source {
            Expression::StringLiteral(module) => self.check(module),
            other => {
                let message = format!("`import()` takes a text: {}", importable());
                self.refuse(message, other.span());
            }
        }
        walk::walk_import_expression(self, import);
    }

    fn visit_ts_external_module_reference(&mut self, module: &TSExternalModuleReference<'a>) {
        self.refuse(
            format!("`import ... = require()` does not exist in modules: write `import ... from \"{IMPORTABLE}\"`"),
            module.span,
        );
    }

    fn visit_ts_export_assignment(&mut self, export: &TSExportAssignment<'a>) {
        self.refuse("`export =` does not exist in modules: write `export default`".to_owned(), export.span);
        walk::walk_ts_export_assignment(self, export);
    }

    fn visit_decorator(&mut self, decorator: &Decorator<'a>) {
        self.refuse("decorators are not supported: call the function on the class instead".to_owned(), decorator.span);
        walk::walk_decorator(self, decorator);
    }
}

/// What there is to import.
fn importable() -> String {
    format!("only \"{IMPORTABLE}\" and \"{}NAME\" can be imported, where NAME is one of {}", modules::SCHEME, modules::list_all())
}

/// `import { type A, type B } from "x"` is gone when the types are.
fn names_only_types(import: &ImportDeclaration<'_>) -> bool {
    import.specifiers.as_ref().is_some_and(|specifiers| {
        !specifiers.is_empty()
            && specifiers.iter().all(|specifier| {
                matches!(specifier, ImportDeclarationSpecifier::ImportSpecifier(named) if named.import_kind == ImportOrExportKind::Type)
            })
    })
}

#[cfg(test)]
mod tests {
    use domain::{Diagnostic, Language, LibraryModules};

    use super::super::translate;
    use crate::ModuleBounds;

    #[test]
    fn the_engines_own_module_can_be_imported() {
        for source in [
            "import { tool } from \"toolwright\"; tool({});",
            "import * as all from 'toolwright'; all.tool({});",
            "export { tool } from 'toolwright';",
            "export * from 'toolwright';",
            "await import('toolwright');",
        ] {
            assert!(translate(Language::TypeScript, source, &ModuleBounds::none()).is_ok(), "{source}");
        }
    }

    #[test]
    fn another_module_is_refused_at_its_place_in_every_form() {
        for (source, column) in [
            ("import fs from \"node:fs\"; fs;", 16),
            ("import \"node:fs\";", 8),
            ("import { a } from './toolwright'; a;", 19),
            ("export * from 'node:fs';", 15),
            ("export { a } from 'toolwright/inner';", 19),
            ("export default async () => await import('zod');", 41),
            ("import x from 'data:text/javascript,1'; x;", 15),
        ] {
            let faults = faults(source);

            assert_eq!(faults.len(), 1, "{source}: {faults:?}");
            assert_eq!((faults[0].line, faults[0].column), (Some(1), Some(column)), "{source}");
            assert!(faults[0].message.contains("only \"toolwright\" and \"toolwright:NAME\" can be imported"), "{faults:?}");
        }
    }

    #[test]
    fn an_import_whose_name_is_computed_is_refused() {
        assert!(faults("export default (name: string) => import(name);")[0].message.contains("`import()` takes a text"));
    }

    #[test]
    fn the_forms_of_commonjs_are_refused() {
        assert!(faults("import fs = require('fs');\nfs;")[0].message.contains("does not exist in modules"));
        assert!(faults("const a = 1;\nexport = a;")[0].message.contains("write `export default`"));
    }

    #[test]
    fn an_import_of_types_is_erased() {
        for source in ["import type { Z } from 'zod';", "import { type Z, type Y } from 'zod';", "export type { Z } from 'zod';"]
        {
            let script = translate(Language::TypeScript, source, &ModuleBounds::none()).unwrap();

            assert!(!script.code.contains("zod"), "{source}: {}", script.code);
        }
    }

    #[test]
    fn a_library_module_counts_where_its_import_is_still_there_when_types_are_erased() {
        let modules = |source| translate(Language::TypeScript, source, &ModuleBounds::none()).unwrap().modules;

        assert_eq!(modules("import { parse } from 'toolwright:csv'; parse('a');").len(), 1);
        assert!(modules("import { parse } from 'toolwright:csv'; export default null as ReturnType<typeof parse>;").is_empty());
        assert!(modules("import { parse } from 'toolwright:csv';").is_empty());
        let basic = ModuleBounds { library: LibraryModules::Basic, ..ModuleBounds::none() };
        let of_a_small_tier = |source| translate(Language::TypeScript, source, &basic);
        assert!(of_a_small_tier("import { parse } from 'toolwright:html';").is_ok());
        let used = of_a_small_tier("\nimport { parse } from 'toolwright:html'; parse('a');").unwrap_err();
        assert_eq!((used[0].line, used[0].column), (Some(2), Some(23)), "{used:?}");
    }

    #[test]
    fn a_function_named_require_is_like_any_other() {
        assert!(
            translate(
                Language::TypeScript,
                "const require = (a: string) => a; export default require('fs');",
                &ModuleBounds::none()
            )
            .is_ok()
        );
    }

    fn faults(source: &str) -> Vec<Diagnostic> {
        translate(Language::TypeScript, source, &ModuleBounds::none()).unwrap_err()
    }
}
