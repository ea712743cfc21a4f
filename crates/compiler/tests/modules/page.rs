//! The page about the library modules, from the catalogue.

use compiler::{LIBRARY, LibraryModule};
use domain::LibraryModules;

const INTRODUCTION: &str = "\
# Library modules

What a tool can import beside `toolwright`. Each is an npm package, or several, of an exact version, bundled into one ECMAScript module that
is part of the program. Nothing is fetched when a tool is built, and a tool's artifact holds the modules that it imports and no others.

";

const BEHIND_THE_TABLE: &str = "
*basic*: every tier has the module. *all*: the tiers whose `library_modules` is `all` (`pro` and `enterprise`, as they come). What a tool
imports is held against the tier when it is put; `grants.modules`, where it names any, bounds it further. `GET /api/v1/modules` lists them
for the caller's tier, `GET /api/v1/types/toolwright.d.ts` declares them.

The sandbox has no `eval`, no `new Function` and no `Intl`, and neither have the modules: schemas, paths and templates are interpreted, time
zones come with their own data. They run under the same fuel, memory and time as the tool itself.

The list is `crates/compiler/modules/catalogue.json`. `scripts/bundle-modules` makes the bundles, their licences and this page of it, and
`scripts/bundle-modules --check`, a part of `make test`, compares them byte by byte. To change a version, change it in `package.json` there,
run `npm install --package-lock-only --omit-lockfile-registry-resolved` in that folder, and then the script. A changed module is another
engine: artifacts are made again from their sources when they are next called.
";

/// The page, as docs/modules.md has it.
pub(crate) fn write() -> String {
    let mut page = INTRODUCTION.to_owned();
    page.push_str("| import | for | tiers | made of | KiB |\n|---|---|---|---|---|\n");
    page.extend(LIBRARY.iter().map(row));
    page.push_str(BEHIND_THE_TABLE);
    page.extend(LIBRARY.iter().map(section));
    page
}

fn row(module: &LibraryModule) -> String {
    let packages = module.packages.iter().map(|package| format!("{} {} ({})", package.name, package.version, package.license));
    let packages: Vec<String> = packages.collect();
    let class = match module.class {
        LibraryModules::Basic => "basic",
        LibraryModules::All => "all",
    };
    let kib = module.source.len().div_ceil(1024);
    format!("| [`{}`](#{}) | {} | {class} | {} | {kib} |\n", module.specifier(), module.name, module.purpose, packages.join(", "))
}

fn section(module: &LibraryModule) -> String {
    let LibraryModule { name, example, types, .. } = module;
    format!("\n## {name}\n\n```ts\n{example}\n```\n\n```ts\n{}\n```\n", types.trim_end())
}
