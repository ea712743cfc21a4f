// Makes the library modules of catalogue.json and the packages in node_modules: for each `NAME/module.js` and `NAME/LICENSE`, and `library.rs`,
// which brings all of it into the program. Run by scripts/bundle-modules, which installs the packages.
//
//   node bundle.mjs PACKAGES [--check]
//
// PACKAGES is the folder with node_modules. With --check, nothing is written: what is there is compared, byte by byte.
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const [packages, flag] = process.argv.slice(2);
const load = createRequire(join(packages, "package.json"));
const esbuild = load("esbuild");

/** Licences that ask for no more than their text. */
const PERMISSIVE = ["0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "Unlicense", "Zlib"];

/** Years whose time zone rules go into `dates`. */
const ZONE_YEARS = [1970, 2050];

/** What the sandbox does not have, or must not have. */
const FORBIDDEN = [
  [/\beval\s*\(/, "eval("],
  [/\bnew\s+Function\b/, "new Function"],
  [/\bimport\s*\(/, "import("],
  [/^import\b|;import\b/m, "an import"],
];

const zones = {
  name: "zones",
  setup(build) {
    build.onResolve({ filter: /^toolwright-data:zones$/ }, ({ path }) => ({ path, namespace: "data" }));
    build.onLoad({ filter: /.*/, namespace: "data" }, () => {
      const moment = load("moment-timezone/moment-timezone-utils.js");
      const { version, zones, links } = load("moment-timezone/data/packed/latest.json");
      const unpack = (packed) => {
        const zone = moment.tz.unpack(packed);
        // A rule without an end is written as null.
        return { ...zone, untils: zone.untils.map((until) => (Number.isFinite(until) ? until : null)) };
      };
      const kept = moment.tz.filterLinkPack({ version, zones: zones.map(unpack), links }, ...ZONE_YEARS);
      return { contents: JSON.stringify(kept), loader: "json" };
    });
  },
};

const written = new Map();
const catalogue = JSON.parse(readFileSync(join(here, "catalogue.json"), "utf8"));
const modules = [];
for (const entry of catalogue) {
  const { code, names } = await bundle(entry.name);
  const used = names.map(describe);
  const own = used.findIndex(({ name }) => name === entry.package);
  if (own < 0) throw new Error(`${entry.name} is not made of ${entry.package}`);
  used.unshift(...used.splice(own, 1));
  written.set(`${entry.name}/module.js`, code);
  written.set(`${entry.name}/LICENSE`, used.map(licenceText).join(`\n${"-".repeat(80)}\n\n`));
  modules.push({ ...entry, used });
}
written.set("library.rs", rust(modules));
finish();

async function bundle(name) {
  const result = await esbuild.build({
    entryPoints: [join(here, name, "entry.js")],
    nodePaths: [join(packages, "node_modules")],
    absWorkingDir: packages,
    bundle: true,
    write: false,
    metafile: true,
    format: "esm",
    platform: "neutral",
    // A module comes before a script, and what is for browsers before what is for Node.
    mainFields: ["module", "browser", "main"],
    conditions: ["import", "browser", "default"],
    target: "es2023",
    minify: true,
    legalComments: "none",
    charset: "ascii",
    logLevel: "error",
    plugins: [zones],
  });
  const code = result.outputFiles[0].text;
  for (const [pattern, what] of FORBIDDEN) {
    if (pattern.test(code)) throw new Error(`${name} has ${what}: ${pattern.exec(code).index}`);
  }
  return { code, names: packagesOf(Object.keys(result.metafile.inputs)) };
}

/** The packages that paths of files name, `node_modules` within `node_modules` included. */
function packagesOf(paths) {
  const names = paths.flatMap((path) => {
    const inner = path.split("node_modules/").at(-1);
    if (!path.includes("node_modules/")) return [];
    const parts = inner.split("/");
    return [path.slice(0, path.length - inner.length) + parts.slice(0, inner.startsWith("@") ? 2 : 1).join("/")];
  });
  if (paths.includes("data:toolwright-data:zones")) names.push("node_modules/moment-timezone");
  return [...new Set(names)].sort();
}

function describe(folder) {
  const path = join(packages, folder);
  const { name, version, license, author } = JSON.parse(readFileSync(join(path, "package.json"), "utf8"));
  if (!PERMISSIVE.includes(license)) throw new Error(`${name} ${version} has the licence ${license}`);
  const file = readdirSync(path).find((file) => /^licen[cs]e(\.|$)/i.test(file));
  const text = file === undefined ? undefined : readFileSync(join(path, file), "utf8").replaceAll("\r\n", "\n").trim();
  return { name, version, license, author: typeof author === "object" ? author.name : author, text };
}

function licenceText({ name, version, license, author, text }) {
  const standard = () => readFileSync(join(here, "licences", `${license}.txt`), "utf8").trim();
  const whose = text ?? `The package has no text of its licence. Its author: ${author ?? "not named"}.\n\n${standard()}`;
  return `${name} ${version}: ${license}\n\n${whose}\n`;
}

function rust(modules) {
  const quote = (text) => JSON.stringify(text);
  const one = ({ name, tiers, purpose, example, used }) => `    LibraryModule {
        name: ${quote(name)},
        class: LibraryModules::${tiers === "all" ? "All" : "Basic"},
        purpose: ${quote(purpose)},
        example: ${quote(example)},
        packages: &[
${used.map(({ name, version, license }) => `            LibraryPackage { name: ${quote(name)}, version: ${quote(version)}, license: ${quote(license)} },`).join("\n")}
        ],
        types: include_str!("${name}/types.d.ts"),
        licenses: include_str!("${name}/LICENSE"),
        source: include_str!("${name}/module.js"),
    },`;
  return `//! The library modules. Written by scripts/bundle-modules from catalogue.json; not by hand.

use domain::LibraryModules;

use super::{LibraryModule, LibraryPackage};

/// Every module there is, by name.
#[rustfmt::skip]
pub const LIBRARY: &[LibraryModule] = &[
${modules.map(one).join("\n")}
];

/// The types of the tool API and of every module, as a TypeScript declaration file: for editors, and for models that write tools.
#[rustfmt::skip]
pub const TYPES: &str = concat!(
    include_str!("../toolwright.d.ts"),
${modules.map(({ name }) => `    "\\n", include_str!("${name}/types.d.ts"),`).join("\n")}
);
`;
}

function finish() {
  const differing = [];
  for (const [path, text] of written) {
    const target = join(here, path);
    if (flag === "--check") {
      let there;
      try {
        there = readFileSync(target, "utf8");
      } catch {
        there = undefined;
      }
      if (there !== text) differing.push(relative(here, target).split(sep).join("/"));
    } else {
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, text);
    }
  }
  if (differing.length > 0) {
    console.error(`bundle-modules: not what the packages give: ${differing.join(", ")}`);
    process.exit(1);
  }
}
