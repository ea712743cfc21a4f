//! The library modules. Written by scripts/bundle-modules from catalogue.json; not by hand.

use domain::LibraryModules;

use super::{LibraryModule, LibraryPackage};

/// Every module there is, by name.
#[rustfmt::skip]
pub const LIBRARY: &[LibraryModule] = &[
    LibraryModule {
        name: "csv",
        class: LibraryModules::Basic,
        purpose: "Comma-separated values: read with quotes and guessed delimiters, and written",
        example: "import { parse, stringify } from \"toolwright:csv\";\nconst rows = parse(\"name,age\\nAda,36\\n\"); // [{ name: \"Ada\", age: \"36\" }]\nconst text = stringify([{ name: \"Ada\", age: 36 }]);",
        packages: &[
            LibraryPackage { name: "papaparse", version: "5.7.1", license: "MIT" },
        ],
        types: include_str!("csv/types.d.ts"),
        licenses: include_str!("csv/LICENSE"),
        source: include_str!("csv/module.js"),
    },
    LibraryModule {
        name: "dates",
        class: LibraryModules::Basic,
        purpose: "Dates, durations and time zones (tzdata for 1970 to 2050)",
        example: "import moment from \"toolwright:dates\";\nconst there = moment.tz(\"2026-03-29 01:30\", \"Europe/Oslo\").add(1, \"hour\").format(); // 2026-03-29T03:30:00+02:00",
        packages: &[
            LibraryPackage { name: "moment-timezone", version: "0.6.6", license: "MIT" },
            LibraryPackage { name: "moment", version: "2.31.0", license: "MIT" },
        ],
        types: include_str!("dates/types.d.ts"),
        licenses: include_str!("dates/LICENSE"),
        source: include_str!("dates/module.js"),
    },
    LibraryModule {
        name: "decimal",
        class: LibraryModules::Basic,
        purpose: "Decimal numbers of any size, for money and measures",
        example: "import { Decimal } from \"toolwright:decimal\";\nconst sum = new Decimal(\"0.1\").plus(\"0.2\").toString(); // 0.3",
        packages: &[
            LibraryPackage { name: "decimal.js", version: "10.6.0", license: "MIT" },
        ],
        types: include_str!("decimal/types.d.ts"),
        licenses: include_str!("decimal/LICENSE"),
        source: include_str!("decimal/module.js"),
    },
    LibraryModule {
        name: "diff",
        class: LibraryModules::All,
        purpose: "Differences of texts, unified diffs and patches",
        example: "import { unified } from \"toolwright:diff\";\nconst patch = unified(\"one\\ntwo\\n\", \"one\\nthree\\n\");",
        packages: &[
            LibraryPackage { name: "diff", version: "9.0.0", license: "BSD-3-Clause" },
        ],
        types: include_str!("diff/types.d.ts"),
        licenses: include_str!("diff/LICENSE"),
        source: include_str!("diff/module.js"),
    },
    LibraryModule {
        name: "html",
        class: LibraryModules::All,
        purpose: "HTML: found by CSS selectors, read as text or Markdown",
        example: "import { select, toMarkdown } from \"toolwright:html\";\nconst links = select(page, \"main a[href]\").map((link) => link.attribute(\"href\"));\nconst text = toMarkdown(page, { baseUrl: \"https://example.com/\" });",
        packages: &[
            LibraryPackage { name: "htmlparser2", version: "12.0.0", license: "MIT" },
            LibraryPackage { name: "boolbase", version: "2.0.0", license: "ISC" },
            LibraryPackage { name: "css-select", version: "7.0.0", license: "BSD-2-Clause" },
            LibraryPackage { name: "css-what", version: "8.0.0", license: "BSD-2-Clause" },
            LibraryPackage { name: "dom-serializer", version: "3.1.1", license: "MIT" },
            LibraryPackage { name: "domelementtype", version: "3.0.0", license: "BSD-2-Clause" },
            LibraryPackage { name: "domhandler", version: "6.0.1", license: "BSD-2-Clause" },
            LibraryPackage { name: "domutils", version: "4.0.2", license: "BSD-2-Clause" },
            LibraryPackage { name: "entities", version: "8.1.0", license: "BSD-2-Clause" },
            LibraryPackage { name: "nth-check", version: "3.0.1", license: "BSD-2-Clause" },
        ],
        types: include_str!("html/types.d.ts"),
        licenses: include_str!("html/LICENSE"),
        source: include_str!("html/module.js"),
    },
    LibraryModule {
        name: "json-path",
        class: LibraryModules::Basic,
        purpose: "JSONPath (RFC 9535), JSON Pointer (RFC 6901) and JSON Patch (RFC 6902)",
        example: "import { select } from \"toolwright:json-path\";\nconst ids = select(\"$.orders[?@.total > 100].id\", { orders: [{ id: 7, total: 120 }] }); // [7]",
        packages: &[
            LibraryPackage { name: "json-p3", version: "2.3.1", license: "MIT" },
        ],
        types: include_str!("json-path/types.d.ts"),
        licenses: include_str!("json-path/LICENSE"),
        source: include_str!("json-path/module.js"),
    },
    LibraryModule {
        name: "json-schema",
        class: LibraryModules::All,
        purpose: "JSON Schema: whether a value is of a schema, and where it is not",
        example: "import { validate } from \"toolwright:json-schema\";\nconst { valid, errors } = validate({ type: \"object\", required: [\"id\"] }, {});",
        packages: &[
            LibraryPackage { name: "@cfworker/json-schema", version: "4.1.6", license: "MIT" },
        ],
        types: include_str!("json-schema/types.d.ts"),
        licenses: include_str!("json-schema/LICENSE"),
        source: include_str!("json-schema/module.js"),
    },
    LibraryModule {
        name: "jwt",
        class: LibraryModules::Basic,
        purpose: "JSON Web Tokens: what they say, unverified",
        example: "import { decode } from \"toolwright:jwt\";\nconst { header, payload } = decode(token);",
        packages: &[
            LibraryPackage { name: "jwt-decode", version: "4.0.0", license: "MIT" },
        ],
        types: include_str!("jwt/types.d.ts"),
        licenses: include_str!("jwt/LICENSE"),
        source: include_str!("jwt/module.js"),
    },
    LibraryModule {
        name: "markdown",
        class: LibraryModules::Basic,
        purpose: "Markdown as HTML that runs no code, or as tokens",
        example: "import { toHtml } from \"toolwright:markdown\";\nconst html = toHtml(\"# Title\\n\\nSome *text*.\");",
        packages: &[
            LibraryPackage { name: "marked", version: "18.2.1", license: "MIT" },
        ],
        types: include_str!("markdown/types.d.ts"),
        licenses: include_str!("markdown/LICENSE"),
        source: include_str!("markdown/module.js"),
    },
    LibraryModule {
        name: "template",
        class: LibraryModules::Basic,
        purpose: "Texts from Mustache templates",
        example: "import { render } from \"toolwright:template\";\nconst text = render(\"Hello {{name}}\", { name: \"Ada\" });",
        packages: &[
            LibraryPackage { name: "mustache", version: "4.2.0", license: "MIT" },
        ],
        types: include_str!("template/types.d.ts"),
        licenses: include_str!("template/LICENSE"),
        source: include_str!("template/module.js"),
    },
    LibraryModule {
        name: "toml",
        class: LibraryModules::All,
        purpose: "TOML, read and written",
        example: "import { parse } from \"toolwright:toml\";\nconst { server } = parse(\"[server]\\nport = 8080\\n\");",
        packages: &[
            LibraryPackage { name: "smol-toml", version: "1.9.1", license: "BSD-3-Clause" },
        ],
        types: include_str!("toml/types.d.ts"),
        licenses: include_str!("toml/LICENSE"),
        source: include_str!("toml/module.js"),
    },
    LibraryModule {
        name: "xml",
        class: LibraryModules::All,
        purpose: "XML as plain objects, read and written",
        example: "import { parse } from \"toolwright:xml\";\nconst { rss } = parse(feed, { arrays: [\"item\"] });",
        packages: &[
            LibraryPackage { name: "fast-xml-parser", version: "5.12.1", license: "MIT" },
            LibraryPackage { name: "@nodable/entities", version: "3.1.0", license: "MIT" },
            LibraryPackage { name: "anynum", version: "1.0.1", license: "MIT" },
            LibraryPackage { name: "fast-xml-builder", version: "1.3.2", license: "MIT" },
            LibraryPackage { name: "is-unsafe", version: "2.0.3", license: "MIT" },
            LibraryPackage { name: "path-expression-matcher", version: "1.6.2", license: "MIT" },
            LibraryPackage { name: "strnum", version: "2.5.1", license: "MIT" },
            LibraryPackage { name: "xml-naming", version: "0.3.0", license: "MIT" },
        ],
        types: include_str!("xml/types.d.ts"),
        licenses: include_str!("xml/LICENSE"),
        source: include_str!("xml/module.js"),
    },
    LibraryModule {
        name: "yaml",
        class: LibraryModules::Basic,
        purpose: "YAML 1.2, read and written",
        example: "import { parse, stringify } from \"toolwright:yaml\";\nconst value = parse(\"a: 1\\nb: [x, y]\\n\");",
        packages: &[
            LibraryPackage { name: "js-yaml", version: "5.5.0", license: "MIT" },
        ],
        types: include_str!("yaml/types.d.ts"),
        licenses: include_str!("yaml/LICENSE"),
        source: include_str!("yaml/module.js"),
    },
    LibraryModule {
        name: "zip",
        class: LibraryModules::All,
        purpose: "ZIP archives, gzip and deflate",
        example: "import { unzip } from \"toolwright:zip\";\nconst files = unzip(bytes, { names: [\"data.csv\"] });\nconst text = new TextDecoder().decode(files[\"data.csv\"]);",
        packages: &[
            LibraryPackage { name: "fflate", version: "0.8.3", license: "MIT" },
        ],
        types: include_str!("zip/types.d.ts"),
        licenses: include_str!("zip/LICENSE"),
        source: include_str!("zip/module.js"),
    },
];

/// The types of the tool API and of every module, as a TypeScript declaration file: for editors, and for models that write tools.
#[rustfmt::skip]
pub const TYPES: &str = concat!(
    include_str!("../toolwright.d.ts"),
    "\n", include_str!("csv/types.d.ts"),
    "\n", include_str!("dates/types.d.ts"),
    "\n", include_str!("decimal/types.d.ts"),
    "\n", include_str!("diff/types.d.ts"),
    "\n", include_str!("html/types.d.ts"),
    "\n", include_str!("json-path/types.d.ts"),
    "\n", include_str!("json-schema/types.d.ts"),
    "\n", include_str!("jwt/types.d.ts"),
    "\n", include_str!("markdown/types.d.ts"),
    "\n", include_str!("template/types.d.ts"),
    "\n", include_str!("toml/types.d.ts"),
    "\n", include_str!("xml/types.d.ts"),
    "\n", include_str!("yaml/types.d.ts"),
    "\n", include_str!("zip/types.d.ts"),
);
