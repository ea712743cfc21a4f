//! The layers, the refusals, and what is told of them.

use std::{os::unix::fs::PermissionsExt as _, path::Path};

use app::accounts::SignUpPolicy;
use compiler::Confinement;
use secrecy::ExposeSecret as _;

use super::{keys::KeyError, *};

const ADMIN_KEY: &str = "f3a9c07be51d2846f3b1908d7ce2a645";
const CACHE_KEY: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
const MASTER_KEY: &str = "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9";
const NEXT_MASTER_KEY: &str = "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b";

fn surroundings(environment: &[(&str, &str)]) -> Surroundings {
    let pairs = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Surroundings { environment: pairs.collect(), root: true }
}

fn file(folder: &Path, text: &str) -> Flags {
    let path = folder.join("settings.toml");
    std::fs::write(&path, text).unwrap();
    Flags { file: Some(path), ..Flags::default() }
}

fn load(flags: &Flags, environment: &[(&str, &str)]) -> Result<(Configuration, Vec<Effective>), String> {
    Configuration::load(flags, &surroundings(environment)).map_err(|error| error.to_string())
}

fn problems(environment: &[(&str, &str)]) -> String {
    load(&Flags::default(), environment).map(drop).unwrap_err()
}

fn production() -> Vec<(&'static str, &'static str)> {
    vec![
        ("TOOLWRIGHT_PROFILE", "production"),
        ("TOOLWRIGHT_PUBLIC_URL", "https://tools.example.com"),
        ("TOOLWRIGHT_ADMIN_KEY", ADMIN_KEY),
        ("TOOLWRIGHT_CACHE_KEY", CACHE_KEY),
        ("TOOLWRIGHT_MASTER_KEY", MASTER_KEY),
        ("DATABASE_URL", "postgres://app:hush@db.example.com/app"),
    ]
}

#[test]
fn nothing_set_is_the_local_profile_on_loopback() {
    let (configuration, effective) = load(&Flags::default(), &[]).unwrap();

    assert_eq!(configuration.profile, Profile::Local);
    assert_eq!(configuration.http.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(configuration.http.metrics, MetricsReaders::Anyone);
    assert_eq!(configuration.data_dir, Path::new("/var/lib/toolwright"));
    assert_eq!(configuration.sandbox.cache_dir, Path::new("/var/lib/toolwright/cache"));
    assert!(configuration.database.url.is_none());
    assert_eq!(configuration.builds.confinement, Confinement::WherePossible);
    assert!(effective.iter().all(|effective| effective.origin == Origin::Default), "{effective:?}");
}

#[test]
fn a_flag_beats_the_environment_which_beats_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[http]\nlisten = \"127.0.0.1:1\"\nstreams_max = 10\nidle_timeout_s = 11\n";
    let mut flags = file(folder.path(), text);
    flags.set(&http::LISTEN, Some("127.0.0.1:3".to_owned()));

    let environment = [("TOOLWRIGHT_LISTEN", "127.0.0.1:2"), ("TOOLWRIGHT_STREAMS_MAX", "20")];
    let (configuration, effective) = load(&flags, &environment).unwrap();

    assert_eq!(configuration.http.listen.port(), 3);
    assert_eq!(configuration.http.streams_max, 20);
    assert_eq!(configuration.http.idle_timeout.as_secs(), 11);
    let origin = |key: &str| effective.iter().find(|effective| effective.setting.key == key).unwrap().origin.clone();
    assert_eq!(origin("http.listen"), Origin::Flag);
    assert_eq!(origin("http.streams_max"), Origin::Environment("TOOLWRIGHT_STREAMS_MAX".into()));
    assert_eq!(origin("http.idle_timeout_s"), Origin::File(folder.path().join("settings.toml")));
    assert_eq!(origin("http.header_timeout_ms"), Origin::Default);
}

#[test]
fn a_users_data_is_in_the_xdg_data_home() {
    let data_dir = |environment: &[(&str, &str)]| {
        let surroundings = Surroundings { root: false, ..surroundings(environment) };
        Configuration::load(&Flags::default(), &surroundings).map(|(configuration, _)| configuration.data_dir)
    };

    assert_eq!(data_dir(&[("HOME", "/home/eve")]).unwrap(), Path::new("/home/eve/.local/share/toolwright"));
    assert_eq!(data_dir(&[("HOME", "/home/eve"), ("XDG_DATA_HOME", "/data")]).unwrap(), Path::new("/data/toolwright"));
    assert_eq!(
        data_dir(&[("HOME", "/home/eve"), ("XDG_DATA_HOME", "not/absolute")]).unwrap(),
        Path::new("/home/eve/.local/share/toolwright")
    );
    assert!(data_dir(&[]).unwrap_err().to_string().contains("TOOLWRIGHT_DATA_DIR"));
}

#[test]
fn an_unknown_name_is_refused_with_the_nearest_known_one() {
    let folder = tempfile::tempdir().unwrap();
    let flags = file(folder.path(), "[http]\nlissten = \"127.0.0.1:1\"\n[htp]\nx = 1\n[database]\nurls = [1]\n");

    let error =
        load(&flags, &[("TOOLWRIGHT_LISTN", "127.0.0.1:1"), ("TOOLWRIGHT_ZEBRA", "1"), ("OTHER", "1")]).map(drop).unwrap_err();

    assert!(error.contains("TOOLWRIGHT_LISTN is not a setting: did you mean `TOOLWRIGHT_LISTEN`?"), "{error}");
    assert!(error.contains("`http.lissten` in"), "{error}");
    assert!(error.contains("did you mean `http.listen`?"), "{error}");
    assert!(error.contains("`htp.x` in"), "{error}");
    assert!(error.contains("`database.urls` in"), "{error}");
    assert!(error.contains("TOOLWRIGHT_ZEBRA is not a setting: `toolwright --help` lists them all"), "{error}");
    assert!(!error.contains("OTHER"), "{error}");
}

#[test]
fn a_value_of_another_form_is_refused_with_what_would_be_right() {
    for (name, value, right) in [
        ("TOOLWRIGHT_LISTEN", "8080", "an address and a port, such as 127.0.0.1:8080"),
        ("TOOLWRIGHT_PROFILE", "prod", "`local` or `production`"),
        ("TOOLWRIGHT_PUBLIC_URL", "tools.example.com", "without a path, such as https://tools.example.com"),
        ("TOOLWRIGHT_PUBLIC_URL", "https://tools.example.com/base", "without a path"),
        ("TOOLWRIGHT_PUBLIC_URL", "https://user@tools.example.com", "without a path"),
        ("TOOLWRIGHT_STREAMS_MAX", "many", "a whole number"),
        ("TOOLWRIGHT_STREAMS_MAX", "-1", "a whole number"),
        ("TOOLWRIGHT_STREAMS_MAX", "0", "from 1 to 10000"),
        ("TOOLWRIGHT_START_TIMEOUT_S", "0", "from 1 to 3600"),
        ("TOOLWRIGHT_LOG", "info,=wat=", "`info,sandbox=debug`"),
        ("TOOLWRIGHT_LOG_FORMAT", "xml", "`auto`, `json` or `human`"),
        ("TOOLWRIGHT_ORIGINS", "https://a.example.com, nowhere", "origins separated by commas"),
        ("TOOLWRIGHT_HOSTS", "a b", "hosts separated by commas"),
        ("TOOLWRIGHT_TRUSTED_PROXIES", "10.0.0.0/33", "addresses or networks separated by commas"),
        ("TOOLWRIGHT_SIGN_UP", "maybe", "`open` or `closed`"),
        ("TOOLWRIGHT_SIGN_IN_IDLE_S", "60", "from 900 to"),
        ("TOOLWRIGHT_METRICS", "everyone", "`anyone` or `admin`"),
        ("DATABASE_URL", "mysql://db.example.com/app", "begins with postgres://"),
        ("TOOLWRIGHT_CACHE_KEY", "abc", "64 hexadecimal digits"),
        ("TOOLWRIGHT_CACHE_KEY", &"00".repeat(32), "is not random enough"),
        ("TOOLWRIGHT_CACHE_KEY", &"0123456789abcdef".repeat(4), "is not random enough"),
        ("TOOLWRIGHT_MASTER_KEY", "abc", "64 hexadecimal digits"),
        ("TOOLWRIGHT_EGRESS_NAMESERVERS", "192.0.2.53", "addresses and ports separated by commas"),
        ("TOOLWRIGHT_EGRESS_ALLOW_PRIVATE", "*.localhost:80", "hosts and ports separated by commas"),
        ("TOOLWRIGHT_EGRESS_BREAKER_TRIALS", "0", "from 1 to 1000"),
        ("TOOLWRIGHT_EGRESS_BREAKER_WAIT_MS_MIN", "60001", "more than `egress.breaker_wait_ms_max`, which is 60000"),
        ("TOOLWRIGHT_MASTER_KEY", &"00".repeat(32), "is not random enough"),
        ("TOOLWRIGHT_MASTER_KEY", &format!("{MASTER_KEY},{MASTER_KEY}"), "the same master key is there twice"),
        ("TOOLWRIGHT_MASTER_KEY", &format!("{MASTER_KEY}, more"), "64 hexadecimal digits"),
        ("TOOLWRIGHT_BUILD_MEMORY_BYTES_MAX", &(compiler::WorkersConfig::DATA_BYTES_MIN - 1).to_string(), "536870912"),
    ] {
        let error = problems(&[(name, value)]);

        assert!(error.contains(right), "{name}={value}: {error}");
        assert!(error.contains(name), "{name}={value}: {error}");
    }
}

#[test]
fn an_empty_variable_counts_as_none() {
    let (configuration, _) = load(&Flags::default(), &[("TOOLWRIGHT_LISTEN", "")]).unwrap();

    assert_eq!(configuration.http.listen.port(), 8080);
}

#[test]
fn an_empty_secret_is_refused_because_it_was_meant_to_be_one() {
    for name in ["TOOLWRIGHT_ADMIN_KEY", "TOOLWRIGHT_CACHE_KEY", "TOOLWRIGHT_MASTER_KEY", "DATABASE_URL"] {
        let error = problems(&[(name, "")]);

        assert!(error.contains(&format!("{name} is set and empty")), "{error}");
    }
}

#[test]
fn production_says_all_that_is_missing_at_once() {
    let error = problems(&[("TOOLWRIGHT_PROFILE", "production")]);

    for name in
        ["TOOLWRIGHT_PUBLIC_URL", "TOOLWRIGHT_ADMIN_KEY", "TOOLWRIGHT_CACHE_KEY", "TOOLWRIGHT_MASTER_KEY", "DATABASE_URL_FILE"]
    {
        assert!(error.contains(name), "{name} is not in: {error}");
    }
    assert_eq!(error.matches("\n  - ").count(), 5, "{error}");
}

#[test]
fn production_starts_when_it_is_told_everything() {
    let (configuration, _) = load(&Flags::default(), &production()).unwrap();

    assert_eq!(configuration.profile, Profile::Production);
    assert_eq!(configuration.http.metrics, MetricsReaders::Admin);
    assert_eq!(configuration.builds.confinement, Confinement::Required);
    let keys = configuration.keys.load().unwrap();
    assert_eq!(keys.admin.expose_secret(), ADMIN_KEY);
    assert!(keys.made.is_empty());
}

#[test]
fn production_refuses_a_weak_admin_key_and_an_open_public_url() {
    for key in ["changeme", "API_KEY_SECURITY", "short", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"] {
        let mut environment = production();
        environment.retain(|(name, _)| *name != "TOOLWRIGHT_ADMIN_KEY");
        environment.push(("TOOLWRIGHT_ADMIN_KEY", key));

        let error = problems(&environment);

        assert!(error.contains("keys.admin_key"), "{key}: {error}");
        assert!(!error.contains(&format!("`{key}`")), "{error}");
    }
    let mut environment = production();
    environment.retain(|(name, _)| *name != "TOOLWRIGHT_PUBLIC_URL");
    environment.push(("TOOLWRIGHT_PUBLIC_URL", "http://tools.example.com"));
    assert!(problems(&environment).contains("must be https"));
}

#[test]
fn a_public_url_is_a_host_and_nothing_below_it() {
    for url in ["https://example.com/tools", "https://example.com/?a=1", "https://example.com/#top", "ftp://example.com"] {
        let error = problems(&[("TOOLWRIGHT_PUBLIC_URL", url)]);

        assert!(error.contains("`http.public_url`") && error.contains("at the root of their host"), "{url}: {error}");
    }
    for url in ["https://example.com", "https://example.com/", "https://example.com:8443"] {
        assert!(load(&Flags::default(), &[("TOOLWRIGHT_PUBLIC_URL", url)]).is_ok(), "{url}");
    }
}

#[test]
fn a_weak_admin_key_is_refused_in_the_local_profile_as_well() {
    assert!(problems(&[("TOOLWRIGHT_ADMIN_KEY", "changeme")]).contains("well-known"));
}

#[test]
fn a_key_and_its_file_are_one_too_many() {
    let error = problems(&[("TOOLWRIGHT_ADMIN_KEY", ADMIN_KEY), ("TOOLWRIGHT_ADMIN_KEY_FILE", "/run/secrets/admin")]);

    assert!(error.contains("TOOLWRIGHT_ADMIN_KEY and TOOLWRIGHT_ADMIN_KEY_FILE are both set"), "{error}");
}

#[test]
fn secrets_are_not_shown() {
    let (configuration, effective) = load(&Flags::default(), &production()).unwrap();

    let shown: Vec<_> = effective.iter().map(|effective| format!("{} {}", effective.setting.key, effective.value)).collect();

    for text in [shown.join("\n"), format!("{effective:?}"), format!("{configuration:?}")] {
        for secret in [ADMIN_KEY, CACHE_KEY, MASTER_KEY, "hush"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[test]
fn the_local_profile_makes_its_keys_once_and_for_their_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().to_str().unwrap();
    let load = || load(&Flags::default(), &[("TOOLWRIGHT_DATA_DIR", data_dir)]).unwrap().0.keys.load();

    let first = load().unwrap();
    let second = load().unwrap();

    let made = ["keys/admin-key", "keys/cache-key", "keys/master-key"].map(|name| folder.path().join(name));
    assert_eq!(first.made, made);
    assert!(second.made.is_empty());
    assert_eq!(first.admin.expose_secret(), second.admin.expose_secret());
    assert_eq!(first.cache.as_bytes(), second.cache.as_bytes());
    assert_ne!(first.admin.expose_secret(), CACHE_KEY);
    for path in &first.made {
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(first.master.ids().collect::<Vec<_>>(), second.master.ids().collect::<Vec<_>>());
    assert_eq!(std::fs::read_dir(folder.path().join("keys")).unwrap().count(), 3, "nothing half-written is left");
}

#[test]
fn a_key_file_of_our_own_that_others_can_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let keys = load(&Flags::default(), &[("TOOLWRIGHT_DATA_DIR", folder.path().to_str().unwrap())]).unwrap().0.keys;
    keys.load().unwrap();
    std::fs::set_permissions(folder.path().join("keys/admin-key"), std::fs::Permissions::from_mode(0o644)).unwrap();

    let error = keys.load().map(drop).unwrap_err().to_string();

    assert!(error.contains("chmod 600"), "{error}");
}

#[test]
fn a_key_can_be_in_a_file_that_somebody_else_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin");
    std::fs::write(&path, format!("{ADMIN_KEY}\n")).unwrap();
    let keys = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let environment = [("TOOLWRIGHT_ADMIN_KEY_FILE", path.to_str().unwrap()), ("TOOLWRIGHT_CACHE_KEY", CACHE_KEY)];
        load(&Flags::default(), &environment).unwrap().0.keys.load()
    };

    assert_eq!(keys(&format!("{ADMIN_KEY}\n")).unwrap().admin.expose_secret(), ADMIN_KEY);
    assert!(matches!(keys("changeme"), Err(KeyError::Admin { .. })));
}

#[test]
fn master_keys_stand_in_their_order_in_the_setting_and_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("masters");
    std::fs::write(&path, format!("{NEXT_MASTER_KEY}\n{MASTER_KEY}\n")).unwrap();
    let ids = |environment: &[(&str, &str)]| {
        let keys = load(&Flags::default(), environment).unwrap().0.keys;
        keys.find_master().unwrap().unwrap().ids().map(str::to_owned).collect::<Vec<_>>()
    };

    let both = format!("{NEXT_MASTER_KEY},{MASTER_KEY}");
    let given = ids(&[("TOOLWRIGHT_MASTER_KEY", &both)]);
    let in_file = ids(&[("TOOLWRIGHT_MASTER_KEY_FILE", path.to_str().unwrap())]);
    let old = ids(&[("TOOLWRIGHT_MASTER_KEY", MASTER_KEY)]);

    assert_eq!((given.len(), &given), (2, &in_file));
    assert_eq!(given[1..], old);
    std::fs::write(&path, "").unwrap();
    let keys = load(&Flags::default(), &[("TOOLWRIGHT_MASTER_KEY_FILE", path.to_str().unwrap())]).unwrap().0.keys;
    assert!(matches!(keys.check(), Err(KeyError::Master { .. })));
}

#[test]
fn the_way_out_knows_its_own_address_its_exceptions_and_more_authorities() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let environment = [
        ("TOOLWRIGHT_EGRESS_CA_FILE", path.to_str().unwrap()),
        ("TOOLWRIGHT_EGRESS_ALLOW_PRIVATE", "upstream.localhost:9000, printer.example.com:631"),
        ("TOOLWRIGHT_EGRESS_OWN_ADDRESSES", "203.0.113.7:443"),
        ("TOOLWRIGHT_EGRESS_BREAKER_FAILURES_MAX", "9"),
    ];
    let egress = load(&Flags::default(), &environment).unwrap().0.egress;

    assert!(egress.check().unwrap_err().to_string().contains("TOOLWRIGHT_EGRESS_CA_FILE"));
    std::fs::write(&path, "PEM").unwrap();
    let config = egress.load("127.0.0.1:8080".parse().unwrap()).unwrap();

    assert_eq!(config.extra_ca_pem, b"PEM");
    assert_eq!(config.own_addresses, ["203.0.113.7:443".parse().unwrap(), "127.0.0.1:8080".parse().unwrap()]);
    assert_eq!(config.allow_private, ["upstream.localhost:9000".parse().unwrap(), "printer.example.com:631".parse().unwrap()]);
    assert_eq!(config.breaker.failures_max, 9);
    assert!(
        load(&Flags::default(), &[]).unwrap().0.egress.load("127.0.0.1:1".parse().unwrap()).unwrap().allow_private.is_empty()
    );
}

#[test]
fn the_database_url_can_be_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("url");
    let mut environment = production();
    environment.retain(|(name, _)| *name != "DATABASE_URL");
    environment.push(("DATABASE_URL_FILE", path.to_str().unwrap()));
    let database = load(&Flags::default(), &environment).unwrap().0.database;

    assert!(matches!(database.check(), Err(UrlFileError::Read { .. })));
    std::fs::write(&path, "mysql://db.example.com/hush").unwrap();
    let error = database.check().unwrap_err().to_string();
    assert!(error.contains("postgres://") && !error.contains("hush"), "{error}");
    std::fs::write(&path, "postgres://app:hush@db.example.com/app\n").unwrap();
    assert_eq!(database.url.unwrap().load().unwrap().expose_secret(), "postgres://app:hush@db.example.com/app");

    environment.push(("DATABASE_URL", "postgres://app@db.example.com/app"));
    assert!(problems(&environment).contains("DATABASE_URL and DATABASE_URL_FILE are both set"));
}

#[test]
fn checking_makes_no_key() {
    let folder = tempfile::tempdir().unwrap();
    let keys = load(&Flags::default(), &[("TOOLWRIGHT_DATA_DIR", folder.path().to_str().unwrap())]).unwrap().0.keys;

    keys.check().unwrap();

    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_file_that_is_named_must_be_there_and_be_toml() {
    let folder = tempfile::tempdir().unwrap();
    let missing = Flags { file: Some(folder.path().join("missing.toml")), ..Flags::default() };

    assert!(load(&missing, &[]).map(drop).unwrap_err().contains("cannot read the configuration file"));
    assert!(load(&file(folder.path(), "listen"), &[]).map(drop).unwrap_err().contains("is not TOML"));
}

#[test]
fn every_setting_has_names_of_its_own() {
    let settings = Configuration::defaults();

    let keys: std::collections::BTreeSet<_> = settings.iter().map(|effective| &effective.setting.key).collect();
    let variables: std::collections::BTreeSet<_> = settings.iter().map(|effective| &effective.setting.variable).collect();

    assert_eq!(keys.len(), settings.len());
    assert_eq!(variables.len(), settings.len());
}

const ACME: &str =
    "[[upstream]]\nid = \"acme\"\nissuer = \"https://id.example.com\"\nclient_id = \"tw\"\nclient_secret = \"hush\"\n";

#[test]
fn issuers_are_rows_of_the_file_or_stand_in_the_environment_and_their_secret_is_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), "from a file\n").unwrap();
    let secret_file = folder.path().join("secret").display().to_string();
    let environment = [
        ("TOOLWRIGHT_UPSTREAM_ACME_TITLE", "Acme Ltd"),
        ("TOOLWRIGHT_UPSTREAM_BIG_CORP_ISSUER", "https://login.example.org/one/"),
        ("TOOLWRIGHT_UPSTREAM_BIG_CORP_CLIENT_ID", "tw2"),
        ("TOOLWRIGHT_UPSTREAM_BIG_CORP_CLIENT_SECRET_FILE", secret_file.as_str()),
        ("TOOLWRIGHT_UPSTREAM_BIG_CORP_SCOPES", "openid email"),
        ("TOOLWRIGHT_UPSTREAM_BIG_CORP_EMAIL_DOMAINS", "example.org, example.net"),
        ("TOOLWRIGHT_UPSTREAM_BIG_CORP_SIGN_UP", "closed"),
    ];

    let (configuration, effective) = load(&file(folder.path(), ACME), &environment).unwrap();

    let [acme, corp] = configuration.upstreams.as_slice() else { panic!("{:?}", configuration.upstreams) };
    assert_eq!(
        (acme.id.as_str(), acme.title.as_str(), acme.scopes.join(" ").as_str()),
        ("acme", "Acme Ltd", "openid email profile")
    );
    assert_eq!((acme.sign_up, corp.sign_up), (SignUpPolicy::Open, SignUpPolicy::Closed));
    assert_eq!((corp.id.as_str(), corp.issuer.as_str()), ("big-corp", "https://login.example.org/one/"));
    assert_eq!(
        (corp.client_secret.expose_secret(), corp.email_domains.join(" ").as_str()),
        ("from a file", "example.org example.net")
    );
    let shown: Vec<_> = effective.iter().map(|effective| format!("{} {}", effective.setting.key, effective.value)).collect();
    assert!(shown.contains(&"upstream.acme.client_secret (hidden)".to_owned()), "{shown:?}");
    assert!(!format!("{effective:?} {configuration:?}").contains("hush"));
}

#[test]
fn what_is_wrong_with_a_row_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let told = |text: &str, environment: &[(&str, &str)]| load(&file(folder.path(), text), environment).map(drop).unwrap_err();
    let row = |change: &str| format!("{ACME}{change}");

    for (text, wanted) in [
        ("[[upstream]]\nid = \"acme\"\n".to_owned(), "TOOLWRIGHT_UPSTREAM_ACME_ISSUER is not set"),
        ("[[upstream]]\nissuer = \"https://id.example.com\"\n".to_owned(), "has no `id`"),
        (row("tilte = \"x\"\n"), "did you mean `upstream.acme.title`"),
        (row(ACME), "two [[upstream]] have the id `acme`"),
        (row(&ACME.replace("\"acme\"", "\"more\"")), "the upstreams `acme` and `more` have the same issuer"),
        (ACME.replace("\"acme\"", "\"A c\""), "the id of an [[upstream]]"),
        (ACME.replace("https:", "http:"), "it must be an https URL"),
        (ACME.replace("id.example.com", "127.0.0.1"), "it must be an https URL"),
        (ACME.replace("https://id.example.com", "http://id.localhost:9000"), "name id.localhost:9000 in `egress.allow_private`"),
        (ACME.replace("client_secret = \"hush\"\n", ""), "neither TOOLWRIGHT_UPSTREAM_ACME_CLIENT_SECRET nor"),
        (row("client_secret_file = \"/nowhere\"\n"), "are both set"),
        (row("email_domains = \"*.example.com\"\n"), "domains separated by commas"),
        (row("scopes = \"\"\n"), "words separated by spaces"),
        (row("sign_up = \"maybe\"\n"), "`open` or `closed`"),
    ] {
        let error = told(&text, &[]);
        assert!(error.contains(wanted) && !error.contains("hush"), "{text}: {error}");
    }
    let unknown = told(ACME, &[("TOOLWRIGHT_UPSTREAM_ACME_TILTE", "x")]);
    assert!(unknown.contains("did you mean `TOOLWRIGHT_UPSTREAM_ACME_TITLE`"), "{unknown}");
    let local = ACME.replace("https://id.example.com", "http://id.localhost:9000");
    let allowed = [("TOOLWRIGHT_EGRESS_ALLOW_PRIVATE", "id.localhost:9000")];
    assert!(load(&file(folder.path(), &local), &allowed).is_ok());
    let in_production = production().into_iter().chain(allowed).collect::<Vec<_>>();
    assert!(told(&local, &in_production).contains("in production it must be https"));
}
