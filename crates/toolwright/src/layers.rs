//! The layers of the house (ARCHITECTURE.md), read off the manifests and the sources. `deny.toml` says some of this again, for whoever runs
//! `make lint`; this runs with every test.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Rooms, and the rooms that each may stand on. A room that is not named here has no place yet.
const ROOMS: [(&str, &[&str]); 16] = [
    ("domain", &[]),
    ("child", &[]),
    ("egress", &["domain"]),
    ("oauth", &["domain"]),
    ("telemetry", &["domain"]),
    ("store", &["child", "domain"]),
    ("sandbox", &["domain", "egress"]),
    ("compiler", &["child", "domain", "egress", "sandbox"]),
    ("app", &["compiler", "domain", "egress", "oauth", "sandbox", "store", "telemetry"]),
    ("web", &["app", "domain", "oauth", "telemetry"]),
    ("toolwright", &["app", "child", "compiler", "domain", "egress", "oauth", "sandbox", "store", "telemetry", "web"]),
    // Not part of the program.
    ("testkit", &["app", "child", "compiler", "domain", "egress", "sandbox", "store", "telemetry", "web"]),
    ("abuse", &["bench"]),
    ("bench", &["child", "compiler", "domain", "egress", "sandbox"]),
    ("fuzzing", &["compiler", "domain", "oauth", "web"]),
    ("cli", &["domain"]),
];

/// Crates from outside, and the rooms that may name them.
const OUTSIDE: [(&str, &[&str]); 15] = [
    ("sqlx", &["store", "testkit"]),
    ("object_store", &["store"]),
    ("wasmtime", &["compiler", "sandbox"]),
    ("oxc_parser", &["compiler"]),
    ("axum", &["bench", "testkit", "toolwright", "web"]),
    ("hickory-resolver", &["egress"]),
    // The interface of `wasi:http` that `sandbox` fills in has an error of hyper's in it.
    ("hyper", &["bench", "egress", "sandbox", "toolwright"]),
    ("rmcp", &["web"]),
    ("prometheus-client", &["telemetry"]),
    ("tracing-appender", &["telemetry"]),
    ("tracing-subscriber", &["telemetry"]),
    ("clap", &["abuse", "bench", "toolwright"]),
    ("rustls", &["egress", "testkit"]),
    ("tokio-rustls", &["egress", "testkit"]),
    ("webpki-roots", &["egress"]),
];

/// Clients: nothing opens an outbound connection but `egress`, by its own connector, and the database's own.
const CLIENTS: [&str; 5] = ["curl", "hyper-tls", "isahc", "reqwest", "ureq"];

/// What is worked out once and never changes is no state: a digest of parts of the program, the migrations and the words in it.
const CONSTANTS: [(&str, &str); 4] = [
    ("app/src/accounts/password_rules.rs", "WORDS: LazyLock<BTreeMap<char, Vec<&'static str>>>"),
    ("compiler/src/engine.rs", "DIGEST: OnceLock<Digest>"),
    ("store/src/migrate.rs", "MIGRATIONS: Migrator"),
    ("toolwright/src/main.rs", "ALLOCATOR: tikv_jemallocator::Jemalloc"),
];

/// The clock itself, and those who need no other: what a guest's snapshot sees in its worker, the age of files, and when the process started.
const CLOCKS: [&str; 5] = [
    "domain/src/clock.rs",
    "compiler/src/snapshot/host.rs",
    "compiler/src/workers/handover.rs",
    "sandbox/src/disk.rs",
    "toolwright/src/node.rs",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The rooms by name, each with the crates that its program (not its tests) stands on.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let folders = fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path());
    let manifests = folders.map(|folder| folder.join("Cargo.toml")).filter(|path| path.exists());
    let rooms = manifests.map(|path| {
        let manifest: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
        let name = manifest["package"]["name"].as_str().unwrap().to_owned();
        let folder = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
        assert_eq!(name, folder, "a room is named as its folder");
        let sections = ["dependencies", "build-dependencies"].into_iter().filter_map(|section| manifest.get(section));
        let names = sections.flat_map(|section| section.as_table().unwrap()).map(|(name, dependency)| {
            // A crate that is renamed is the crate that it was.
            dependency.get("package").and_then(toml::Value::as_str).unwrap_or(name).to_owned()
        });
        (name, names.collect())
    });
    rooms.collect()
}

/// The sources of one room, by path.
fn sources(room: &str) -> Vec<(PathBuf, String)> {
    let mut folders = vec![root().join("crates").join(room).join("src")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    found
}

/// Lines of code that hold `word`, but for comments and for this file, which names them all.
fn uses(room: &str, word: &str) -> Vec<String> {
    let files = sources(room).into_iter().filter(|(path, _)| !path.ends_with("toolwright/src/layers.rs"));
    let lines = files.flat_map(|(path, text)| {
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//") && line.contains(word));
        code.map(|line| format!("{}: {}", path.display(), line.trim())).collect::<Vec<_>>()
    });
    lines.collect()
}

fn declares_a_global(line: &str) -> bool {
    let visible = line.trim_start_matches("pub ").trim_start_matches("pub(crate) ").trim_start_matches("pub(super) ");
    visible.starts_with("static ") || ["thread_local!", "lazy_static!"].iter().any(|word| line.contains(word))
}

/// The lines of the program's code: without comments, without tests, without this file.
fn program_lines() -> Vec<(PathBuf, String)> {
    let rooms = dependencies();
    let files = rooms
        .keys()
        .filter(|room| !["abuse", "bench", "fuzzing", "testkit"].contains(&room.as_str()))
        .flat_map(|room| sources(room));
    let files = files.filter(|(path, _)| {
        !path.ends_with("toolwright/src/layers.rs")
            && path.components().all(|part| part.as_os_str() != "tests")
            && !path.ends_with("tests.rs")
    });
    let lines = files.flat_map(|(path, text)| {
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let code = code.lines().map(str::trim).filter(|line| !line.starts_with("//"));
        code.map(|line| (path.clone(), line.to_owned())).collect::<Vec<_>>()
    });
    lines.collect()
}

#[test]
fn a_room_stands_only_on_rooms_below_it() {
    let rooms = dependencies();
    let allowed: BTreeMap<_, _> = ROOMS.into_iter().collect();

    for (room, dependencies) in &rooms {
        let below =
            allowed.get(room.as_str()).unwrap_or_else(|| panic!("`{room}` has no place in the house: name it in {}", file!()));
        let wrong: Vec<_> =
            dependencies.iter().filter(|name| rooms.contains_key(*name) && !below.contains(&name.as_str())).collect();
        assert!(wrong.is_empty(), "`{room}` must not stand on {wrong:?}");
    }
}

#[test]
fn a_crate_from_outside_is_named_only_where_it_belongs() {
    for (room, dependencies) in dependencies() {
        for (name, rooms) in OUTSIDE {
            assert!(
                !dependencies.contains(name) || rooms.contains(&room.as_str()),
                "`{room}` must not stand on `{name}`: only {rooms:?} do"
            );
        }
        // The benchmark measures `fetch` against one of them, and the abuse suite is a client.
        for name in CLIENTS.into_iter().filter(|_| !["abuse", "bench"].contains(&room.as_str())) {
            assert!(!dependencies.contains(name), "`{room}` must not stand on `{name}`: only `egress` connects to the outside");
        }
    }
}

#[test]
fn the_mcp_library_stands_behind_one_module() {
    let outside: Vec<_> = uses("web", "rmcp::").into_iter().filter(|line| !line.contains("/src/mcp")).collect();

    assert!(outside.is_empty(), "{outside:?}");
}

#[test]
fn only_one_room_connects_to_the_outside() {
    for (path, line) in program_lines() {
        let connects =
            ["TcpStream::connect", "TcpSocket::new", "UdpSocket::bind", "lookup_host"].iter().any(|word| line.contains(word));
        assert!(!connects || path.ends_with("egress/src/connector.rs"), "{}: `{line}`: the way out is `egress`", path.display());
    }
}

#[test]
fn the_domain_and_the_rules_of_oauth_never_wait() {
    for (room, word) in ["domain", "oauth"]
        .iter()
        .flat_map(|room| [".await", "async ", "std::fs", "std::net", "std::process"].map(|word| (room, word)))
    {
        let found = uses(room, word);
        assert!(found.is_empty(), "`{word}`: {found:?}");
    }
}

#[test]
fn the_rules_of_oauth_are_told_the_time_and_given_chance() {
    for word in ["getrandom", "now_v7", "Utc::now", "SystemTime", "Instant"] {
        let found = uses("oauth", word);
        assert!(found.is_empty(), "`{word}`: {found:?}");
    }
}

#[test]
fn the_only_unsafe_code_loads_native_code_and_shortens_slices() {
    let rooms = dependencies();
    let found: Vec<_> = rooms.keys().flat_map(|room| uses(room, "unsafe {").into_iter().chain(uses(room, "pre_exec"))).collect();

    let places = ["sandbox/src/native.rs", "sandbox/src/slice.rs"];
    assert_eq!(found.len(), places.len(), "{found:?}");
    assert!(places.iter().all(|place| found.iter().any(|line| line.contains(place))), "{found:?}");
}

#[test]
fn the_environment_is_read_in_one_place() {
    let words =
        ["env::var", "env::set_var", "env::remove_var", "env::temp_dir", "env::home_dir", "env::current_dir", "option_env!"];
    for room in dependencies().keys().filter(|room| !["abuse", "bench", "fuzzing", "testkit"].contains(&room.as_str())) {
        for word in words {
            let found: Vec<_> = uses(room, word).into_iter().filter(|line| !line.contains("src/configuration.rs")).collect();
            assert!(found.is_empty(), "`{word}`: {found:?}");
        }
    }
}

#[test]
fn there_is_no_global_state() {
    let declarations: Vec<_> = program_lines().into_iter().filter(|(_, line)| declares_a_global(line)).collect();

    assert_eq!(declarations.len(), CONSTANTS.len(), "{declarations:?}");
    for (path, line) in declarations {
        let known = CONSTANTS.iter().any(|(file, name)| path.ends_with(file) && line.contains(name));
        assert!(known, "{}: `{line}`: what lives as long as the program hangs on `App`", path.display());
    }
}

#[test]
fn the_time_is_told_by_the_clock() {
    for (path, line) in program_lines() {
        let asks = line.contains("SystemTime::now") || line.contains("Utc::now");
        let known = CLOCKS.iter().any(|file| path.ends_with(file));
        assert!(!asks || known, "{}: `{line}`: take a `domain::Clock`", path.display());
    }
}

#[test]
fn every_channel_has_a_bound() {
    for (path, line) in program_lines() {
        let unbounded = ["unbounded_channel", "mpsc::channel()", "unbounded()"].iter().any(|word| line.contains(word));
        // There a record needs a permit before it is sent: the permits are the bound.
        assert!(!unbounded || path.ends_with("app/src/records.rs"), "{}: `{line}`", path.display());
    }
}

#[test]
fn customers_code_is_compiled_by_the_worker_alone() {
    let worker: Vec<_> = uses("toolwright", "run_worker").into_iter().filter(|line| !line.contains("src/main.rs")).collect();
    let compiling: Vec<_> =
        ["app", "web", "toolwright", "store"].iter().flat_map(|room| uses(room, "precompile_module")).collect();

    assert!(worker.is_empty(), "{worker:?}");
    assert!(compiling.is_empty(), "{compiling:?}");
    let reading: Vec<_> = ["app", "web", "toolwright"].iter().flat_map(|room| uses(room, "front::")).collect();
    assert!(reading.is_empty(), "{reading:?}");
}
