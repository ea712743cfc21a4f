//! `Dockerfile`: what of it concerns the program.

use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(crate) struct Image {
    /// The image of the first stage.
    pub(crate) built_from: String,
    /// What is copied out of this folder.
    pub(crate) copied: Vec<String>,
    /// Where the program is in the last stage.
    pub(crate) program: String,
    /// Of the last stage.
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) user: Option<String>,
    pub(crate) volumes: Vec<String>,
    pub(crate) port: u16,
    pub(crate) entrypoint: Vec<String>,
    pub(crate) command: Vec<String>,
}

impl Image {
    pub(crate) fn parse(text: &str) -> Self {
        let mut image = Self::default();
        for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
            let (instruction, rest) = line.split_once(' ').unwrap();
            image.read(instruction, rest);
        }
        image
    }

    fn read(&mut self, instruction: &str, rest: &str) {
        match instruction {
            "FROM" => {
                if self.built_from.is_empty() {
                    self.built_from = rest.split(' ').next().unwrap().to_owned();
                }
                self.environment.clear();
            }
            "COPY" => self.read_copy(rest),
            "ENV" => {
                let (name, value) = rest.split_once('=').unwrap();
                self.environment.insert(name.to_owned(), value.to_owned());
            }
            "USER" => self.user = Some(rest.to_owned()),
            "VOLUME" => self.volumes.push(rest.to_owned()),
            "EXPOSE" => self.port = rest.parse().unwrap(),
            "ENTRYPOINT" => self.entrypoint = serde_json::from_str(rest).unwrap(),
            "CMD" => self.command = serde_json::from_str(rest).unwrap(),
            "RUN" | "STOPSIGNAL" | "WORKDIR" => (),
            other => panic!("the test does not know the instruction {other}"),
        }
    }

    fn read_copy(&mut self, rest: &str) {
        let words: Vec<_> = rest.split(' ').collect();
        let (target, sources) = words.split_last().unwrap();
        if sources[0].starts_with("--from=build") {
            self.program = (*target).to_owned();
        } else {
            self.copied.extend(sources.iter().map(|source| (*source).to_owned()));
        }
    }
}
