//! `docker-compose.yml`: what of it concerns the program.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(crate) struct Compose {
    pub(crate) services: BTreeMap<String, Service>,
    volumes: BTreeMap<String, Option<String>>,
    secrets: BTreeMap<String, SecretFile>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Service {
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) secrets: Vec<String>,
    #[serde(default)]
    pub(crate) ports: Vec<String>,
    volumes: Vec<String>,
    healthcheck: HealthCheck,
}

#[derive(Debug, Deserialize)]
struct HealthCheck {
    test: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct SecretFile {
    file: String,
}

impl Compose {
    /// Each volume and secret that a service names is declared.
    pub(crate) fn parse(text: &str) -> Self {
        let compose: Self = serde_saphyr::from_str(text).unwrap();
        for (name, service) in &compose.services {
            for volume in &service.volumes {
                let volume = volume.split(':').next().unwrap();
                assert!(compose.volumes.contains_key(volume), "{name} has the volume {volume}, which is not declared");
            }
            for secret in &service.secrets {
                assert!(compose.secrets.contains_key(secret), "{name} has the secret {secret}, which is not declared");
            }
        }
        compose
    }

    /// The name of a secret's file in the folder of secrets.
    pub(crate) fn secret_file(&self, name: &str) -> &str {
        self.secrets[name].file.strip_prefix("./secrets/").unwrap()
    }
}

impl Service {
    pub(crate) fn has_volume_at(&self, path: &str) -> bool {
        self.volumes.iter().any(|volume| volume.split_once(':').is_some_and(|(_, place)| place == path))
    }

    /// The command, without the word `CMD`, which says that no shell is asked.
    pub(crate) fn health_check(&self) -> &[String] {
        let (kind, command) = self.healthcheck.test.split_first().unwrap();
        assert_eq!(kind, "CMD");
        command
    }
}

/// A value with its `${NAME:?what is missing}` put in.
pub(crate) fn resolve(value: &str, variables: &BTreeMap<&str, &str>) -> Result<String, String> {
    let Some((before, rest)) = value.split_once("${") else { return Ok(value.to_owned()) };
    let (expression, after) = rest.split_once('}').unwrap();
    let (name, message) = expression.split_once(":?").unwrap();
    let found = variables.get(name).ok_or_else(|| format!("{name}: {message}"))?;
    Ok(format!("{before}{found}{}", resolve(after, variables)?))
}
