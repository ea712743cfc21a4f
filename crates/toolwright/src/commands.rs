//! The command line.

mod audit;
mod check_config;
mod keys;
mod migrate;
mod openapi;
mod secrets;
mod serve;

use std::{
    error::Error,
    fmt::Write as _,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::configuration::{self, Configuration, Flags, Shown};

/// What goes wrong in a command; its text is one sentence that says what to do, its sources say why.
type CommandError = Box<dyn Error + Send + Sync>;

/// Hosts tools for language models as WebAssembly.
///
/// A tool is written in TypeScript or JavaScript, compiled within milliseconds, run in a sandbox with hard limits, and served to any MCP client
/// at `/mcp/{server}`. `toolwright serve` without any setting is a whole installation for one machine: it runs a database of its own, makes its
/// keys, deploys an example server, and prints a call to paste.
#[derive(Debug, Parser)]
#[command(name = "toolwright", version, max_term_width = 120)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Starts the platform and serves until SIGTERM, SIGINT or SIGHUP; a second signal ends it at once.
    Serve {
        /// In profile production: bring the database to this program's schema first. Profile local always does.
        #[arg(long)]
        migrate: bool,
    },
    /// Brings the database to this program's schema, and ends.
    Migrate,
    /// Checks the configuration and prints every setting, its value (secrets hidden) and where it came from.
    CheckConfig,
    /// Puts new keys under the secrets of customers.
    Secrets {
        #[command(subcommand)]
        command: secrets::SecretsCommand,
    },
    /// Signing keys of access tokens: rotates, lists and retires them.
    Keys {
        #[command(subcommand)]
        command: keys::KeysCommand,
    },
    /// The audit log: deletes its oldest entries.
    Audit {
        #[command(subcommand)]
        command: audit::AuditCommand,
    },
    /// Prints the OpenAPI document of the REST API.
    Openapi,
    /// Compiles sources that it is sent on its standard input; started by `serve`.
    #[command(hide = true)]
    CompileWorker,
    /// Limits itself and becomes another program; used by `serve` to start children.
    #[command(hide = true)]
    ExecChild,
}

#[derive(Debug, Args)]
struct Options {
    /// File to read settings from [default: toolwright.toml, if it is there]
    #[arg(long, short, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// `local` or `production`
    #[arg(long, value_name = "NAME", global = true)]
    profile: Option<String>,
    /// Folder that everything is kept in
    #[arg(long, value_name = "FOLDER", global = true)]
    data_dir: Option<String>,
    /// Address and port to listen on
    #[arg(long, value_name = "ADDRESS", global = true)]
    listen: Option<String>,
    /// Where clients reach it
    #[arg(long, value_name = "URL", global = true)]
    public_url: Option<String>,
}

impl Options {
    fn into_flags(self) -> Flags {
        let mut flags = Flags { file: self.config, ..Flags::default() };
        flags.set(&configuration::PROFILE, self.profile);
        flags.set(&configuration::DATA_DIR, self.data_dir);
        flags.set(&configuration::LISTEN, self.listen);
        flags.set(&configuration::PUBLIC_URL, self.public_url);
        flags
    }
}

/// Does what the command line says.
pub(crate) fn run() -> ExitCode {
    // The text on settings is made from the settings themselves, so that none is missing.
    let settings = settings_text();
    let command = CommandLine::command().after_long_help(settings.clone());
    let command = command.mut_subcommands(|command| command.after_long_help(settings.clone()));
    let line = match CommandLine::from_arg_matches(&command.get_matches()) {
        Ok(line) => line,
        Err(error) => error.exit(),
    };
    let flags = line.options.into_flags();
    let result = match line.command {
        Command::Serve { migrate } => serve::run(&flags, migrate),
        Command::Migrate => migrate::run(&flags),
        Command::CheckConfig => check_config::run(&flags),
        Command::Secrets { command } => secrets::run(&flags, command),
        Command::Keys { command } => keys::run(&flags, command),
        Command::Audit { command } => audit::run(&flags, &command),
        Command::Openapi => openapi::run(),
        // Both are taken out of the command line before it is parsed.
        Command::CompileWorker | Command::ExecChild => Ok(()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&*error),
    }
}

/// Writes what went wrong, with its causes, to stderr.
pub(crate) fn report(error: &dyn Error) -> ExitCode {
    let mut text = format!("toolwright: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        let reason = error.to_string();
        // Some libraries repeat their source's text in their own.
        if !text.ends_with(&reason) {
            text.push_str(": ");
            text.push_str(&reason);
        }
        cause = error.source();
    }
    // A closed stderr leaves nobody to tell.
    let _ = writeln!(io::stderr(), "{text}");
    ExitCode::FAILURE
}

fn settings_text() -> String {
    let mut text = String::from(
        "Settings: a file in TOML (--config, TOOLWRIGHT_CONFIG, or ./toolwright.toml) < the environment < the options above.\n\
         `http.listen` is `listen` in the section [http] of the file. Unknown names are refused.\n",
    );
    for effective in Configuration::defaults() {
        let setting = effective.setting;
        let default = match effective.value {
            Shown::Value(value) => format!(" [default: {value}]"),
            Shown::Hidden | Shown::Unset => String::new(),
        };
        // Writing to a string does not fail.
        let _ = write!(text, "\n  {}  ({})\n      {}{default}", setting.variable, setting.key, setting.about);
    }
    text.push_str(
        "\n\nExamples:\n  toolwright serve\n  toolwright serve --listen 127.0.0.1:9000 --data-dir ./data\n  \
         TOOLWRIGHT_PROFILE=production toolwright check-config",
    );
    text
}
