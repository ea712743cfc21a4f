//! What a container would be given: no container engine is asked, so the files are held against each other and against the program.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::program::{CACHE_KEY, Home, cache_directory, free_address};

#[path = "packaging/compose.rs"]
mod compose;
#[path = "packaging/image.rs"]
mod image;

use compose::{Compose, Service};
use image::Image;

const PUBLIC_URL: &str = "https://tools.example.com";

/// The three files, and what `packaging/make-secrets` drew.
struct Packaging {
    compose: Compose,
    image: Image,
    secrets: tempfile::TempDir,
}

impl Packaging {
    fn read() -> Self {
        let secrets = tempfile::tempdir().unwrap();
        let made = Command::new(root().join("packaging/make-secrets")).arg(secrets.path()).output().unwrap();
        assert!(made.status.success(), "{}", text(&made));
        let compose = Compose::parse(&fs::read_to_string(root().join("docker-compose.yml")).unwrap());
        let image = Image::parse(&fs::read_to_string(root().join("Dockerfile")).unwrap());
        Self { compose, image, secrets }
    }

    fn program(&self) -> &Service {
        &self.compose.services["toolwright"]
    }

    fn postgres(&self) -> &Service {
        &self.compose.services["postgres"]
    }

    fn secret(&self, name: &str) -> String {
        fs::read_to_string(self.secrets.path().join(name)).unwrap().trim_end().to_owned()
    }

    /// The variables that the program finds in its container: the image's, then the composition's. Paths of the container become
    /// paths of here: a secret is where `make-secrets` wrote it, and only if the service is given it.
    fn environment(&self, home: &Home) -> BTreeMap<String, String> {
        let mut environment = self.image.environment.clone();
        environment.extend(self.program().environment.clone());
        for value in environment.values_mut() {
            *value = compose::resolve(value, &BTreeMap::from([("TOOLWRIGHT_PUBLIC_URL", PUBLIC_URL)])).unwrap();
            if let Some(name) = value.strip_prefix("/run/secrets/") {
                assert!(self.program().secrets.iter().any(|given| given == name), "the service is not given the secret {name}");
                *value = self.secrets.path().join(self.compose.secret_file(name)).to_str().unwrap().to_owned();
            }
        }
        let data = environment.insert("TOOLWRIGHT_DATA_DIR".to_owned(), home.path().to_str().unwrap().to_owned());
        assert!(self.program().has_volume_at(data.as_deref().unwrap()), "the data directory is no volume: {data:?}");
        environment
    }
}

#[test]
fn check_config_takes_what_the_composition_gives() {
    let (home, packaging) = (Home::new(), Packaging::read());

    let checked = check_config(&packaging.environment(&home));

    assert!(checked.status.success(), "{}", text(&checked));
    for (setting, value) in [("profile", "production"), ("http.public_url", PUBLIC_URL)] {
        let line = text(&checked).lines().find(|line| line.trim_start().starts_with(setting)).map(str::to_owned);
        assert!(line.as_ref().is_some_and(|line| line.contains(value)), "{setting}: {line:?}\n{}", text(&checked));
    }
    for name in &packaging.program().secrets {
        assert!(!text(&checked).contains(&packaging.secret(name)), "{name} is shown");
    }
}

#[test]
fn nothing_that_the_composition_gives_can_be_left_out() {
    let (home, packaging) = (Home::new(), Packaging::read());
    let environment = packaging.environment(&home);
    let needed = packaging
        .program()
        .environment
        .keys()
        .filter(|name| !matches!(name.as_str(), "TOOLWRIGHT_PROFILE" | "TOOLWRIGHT_LISTEN"));

    for name in needed {
        let mut less = environment.clone();
        less.remove(name);
        let refused = check_config(&less);
        assert!(!refused.status.success(), "production starts without {name}");
        assert!(text(&refused).contains(name.trim_end_matches("_FILE")), "{name}: {}", text(&refused));
    }
}

#[test]
fn the_composition_asks_for_the_public_address_and_says_what_it_is() {
    let compose = Packaging::read().compose;

    let refused = compose::resolve(&compose.services["toolwright"].environment["TOOLWRIGHT_PUBLIC_URL"], &BTreeMap::new());

    assert!(refused.unwrap_err().contains("https://"));
}

#[test]
fn the_database_is_the_one_of_the_composition() {
    let packaging = Packaging::read();
    let url: url::Url = packaging.secret("database_url").parse().unwrap();
    let environment = &packaging.postgres().environment;

    assert_eq!(url.host_str(), Some("postgres"), "the name of the service");
    assert_eq!(url.username(), environment["POSTGRES_USER"]);
    assert_eq!(url.path().trim_start_matches('/'), environment["POSTGRES_DB"]);
    assert_eq!(url.password(), Some(packaging.secret("postgres_password").as_str()));
    assert_eq!(environment["POSTGRES_PASSWORD_FILE"], "/run/secrets/postgres_password");
    assert!(packaging.postgres().secrets.contains(&"postgres_password".to_owned()));
    assert!(packaging.postgres().has_volume_at("/var/lib/postgresql/data"));
    assert!(packaging.postgres().ports.is_empty(), "the database is not reachable from outside");
}

#[test]
fn keys_are_drawn_once_and_each_differs() {
    let packaging = Packaging::read();
    let drawn: Vec<_> = ["postgres_password", "admin_key", "cache_key", "master_key"].map(|name| packaging.secret(name)).to_vec();

    let again = Command::new(root().join("packaging/make-secrets")).arg(packaging.secrets.path()).output().unwrap();

    assert!(again.status.success(), "{}", text(&again));
    assert_eq!(drawn, ["postgres_password", "admin_key", "cache_key", "master_key"].map(|name| packaging.secret(name)));
    assert_eq!(drawn.iter().collect::<std::collections::BTreeSet<_>>().len(), drawn.len());
    assert!(drawn.iter().all(|key| key.len() >= 48 && key.bytes().all(|byte| byte.is_ascii_hexdigit())), "{drawn:?}");
}

#[test]
fn the_image_is_made_of_what_is_here_and_fits_the_composition() {
    let Packaging { compose, image, .. } = Packaging::read();
    let service = &compose.services["toolwright"];

    for source in &image.copied {
        assert!(root().join(source).exists(), "the Dockerfile copies {source}, which is not here");
    }
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let rust = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap().trim_matches('"');
    assert!(image.built_from.starts_with(&format!("rust:{rust}-")), "{} builds with another Rust than {rust}", image.built_from);
    assert_eq!(image.entrypoint, std::slice::from_ref(&image.program));
    let known = Command::new(env!("CARGO_BIN_EXE_toolwright")).args(&image.command).arg("--help").output().unwrap();
    assert!(known.status.success(), "{}", text(&known));
    assert_ne!(image.user.as_deref(), Some("root"));
    assert!(image.user.is_some());
    assert!(image.volumes.contains(&image.environment["TOOLWRIGHT_DATA_DIR"]));
    let port = format!(":{}", image.port);
    assert!(image.environment["TOOLWRIGHT_LISTEN"].ends_with(&port));
    assert!(service.environment["TOOLWRIGHT_LISTEN"].ends_with(&port));
    assert!(
        service.ports.iter().all(|published| published.starts_with("127.0.0.1:") && published.ends_with(&port)),
        "{:?}",
        service.ports
    );
}

/// The program as the container starts it: same variables, same arguments, same check of its health. Only the address, the folder
/// and the database, which is another program's as is its master key, are of here.
#[tokio::test]
async fn the_program_starts_on_it_and_its_health_check_passes() {
    let (home, packaging) = (Home::new(), Packaging::read());
    let database = Home::new();
    let _owner = database.serve().await;
    let url = format!("postgres:///postgres?host={}/postgres/run&user=app", database.path().display());
    fs::write(packaging.secrets.path().join("database_url"), url).unwrap();
    // A database opens only to the master key that it was made with.
    fs::copy(database.path().join("keys/master-key"), packaging.secrets.path().join("master_key")).unwrap();

    let environment = packaging.environment(&home);
    let program = home
        .serve_with(|command| {
            let listen = command.get_envs().find(|(name, _)| *name == "TOOLWRIGHT_LISTEN").unwrap().1.unwrap().to_owned();
            command.env_clear().envs(&environment).env("TOOLWRIGHT_CACHE_DIR", cache_directory());
            command.env("TOOLWRIGHT_CACHE_KEY", CACHE_KEY).env_remove("TOOLWRIGHT_CACHE_KEY_FILE");
            command.env("TOOLWRIGHT_LISTEN", listen);
        })
        .await;

    let check = packaging.program().health_check();
    let port = format!("/{}", packaging.image.port);
    let here: Vec<_> = check.iter().map(|word| word.replace(&port, &format!("/{}", program.address.port()))).collect();
    assert_ne!(here, check, "the check asks the container's port");
    let healthy = Command::new(&here[0]).args(&here[1..]).output().unwrap();
    assert!(healthy.status.success(), "{}", text(&healthy));
    let nobody = format!("/{}", free_address().port());
    let away = Command::new(&check[0]).args(check[1..].iter().map(|word| word.replace(&port, &nobody))).output().unwrap();
    assert!(!away.status.success(), "the check passes where nobody listens");
}

fn check_config(environment: &BTreeMap<String, String>) -> Output {
    Command::new(env!("CARGO_BIN_EXE_toolwright")).arg("check-config").env_clear().envs(environment).output().unwrap()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
