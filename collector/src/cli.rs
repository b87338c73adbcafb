//! The command line: what `misar` is asked, and how it answers. What commands do to a folder is
//! `control`'s, what a server does is `server`'s.
//!
//! Standard output holds what was asked for and nothing else, with `--json` one object; warnings,
//! progress and errors go to standard error. The exit code is 0 when all is well, 1 when something
//! is not, 2 when the command or a setting makes no sense.

mod backup;
mod classify;
mod contacts;
mod doctor;
mod environment;
mod instrument;
mod keys;
mod link;
mod log;
pub(crate) mod output;
mod privacy;
mod progress;
mod rebuild;
mod relay_list;
mod seed;
mod segments;
pub mod serve;
mod settings;
mod size;
mod tokens;
mod workspaces;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory, Parser, Subcommand};
use serde::de::DeserializeOwned;

use crate::control::{self, calls::Call};
use crate::upkeep::Progress;
use store::clock::SystemClock;

use output::Output;

/// Records what people do with e-mails and web pages, and says what came of it.
///
/// `misar serve` is the server. The other commands work on its data folder, whether or not a server
/// is running on it, save that `segments`, and `contacts` but for `erase`, ask the running one, and
/// `seed` wants none.
#[derive(Debug, Parser)]
#[command(
    name = "misar",
    version,
    arg_required_else_help = true,
    after_help = "\
Two commands to begin with:
  misar keys create --scope send,read --label shop
  misar serve

Every setting NAME of `misar serve` can also be given as the environment variable MISAR_NAME; a flag \
goes before it."
)]
struct Cli {
    /// The data folder; made by the first command that needs it
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "MISAR_DATA",
        default_value = "misar-data"
    )]
    data: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    /// Makes, lists and revokes API keys
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Makes and lists workspaces: tenants with their own events, contacts and keys
    #[command(subcommand)]
    Workspaces(workspaces::Workspaces),
    /// Lists, shows, changes, imports, exports and erases contacts
    #[command(subcommand)]
    Contacts(contacts::Contacts),
    /// Groups of contacts by what they did and are: makes, lists and explains them
    #[command(subcommand)]
    Segments(segments::Segments),
    /// Makes and lists the keys of the tokens in mails: pixels, links, unsubscribe links
    #[command(subcommand)]
    Tokens(tokens::Tokens),
    /// Checks the log of events, and takes a damaged part out of it
    #[command(subcommand)]
    Log(log::Log),
    Instrument(instrument::Instrument),
    /// Shows and changes how orders are credited to messages, what events weigh in scores, and the days of segments
    #[command(subcommand)]
    Settings(settings::Settings),
    /// Takes out of what was recorded before what is not to be kept any more
    #[command(subcommand)]
    Privacy(privacy::PrivacyCommand),
    Rebuild(rebuild::Rebuild),
    Backup(backup::Backup),
    Restore(backup::Restore),
    Doctor(doctor::Doctor),
    Link(link::Link),
    Seed(seed::Fill),
    Classify(classify::Classify),
    /// Takes and shows the list of Apple's relay addresses
    #[command(subcommand)]
    RelayList(relay_list::RelayList),
}

/// Why a command did not end well.
#[derive(Debug)]
enum Failure {
    /// A setting makes no sense.
    Usage(String),
    /// A sentence.
    Failed(String),
    /// The command has said what is wrong itself.
    Told,
    /// So it has, and it is worse: see `misar doctor`.
    ToldBadly,
    /// Nobody reads the answer any more.
    Unread,
}

impl From<String> for Failure {
    fn from(sentence: String) -> Self {
        Self::Failed(sentence)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            Self::Unread
        } else {
            Self::Failed(format!("the answer could not be written: {error}"))
        }
    }
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    store::files::close_umask();
    // Ends the process itself where there is nothing to run: help, version, usage errors.
    let cli = Cli::parse();
    let failure = match run(cli) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(failure) => failure,
    };
    match failure {
        Failure::Usage(sentence) => {
            output::tell(&format!("error: {sentence}"));
            ExitCode::from(2)
        }
        Failure::Failed(sentence) => {
            output::tell(&format!("error: {sentence}"));
            ExitCode::FAILURE
        }
        Failure::ToldBadly => ExitCode::from(2),
        Failure::Told | Failure::Unread => ExitCode::FAILURE,
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    environment::check(&Cli::command(), std::env::vars_os().map(|(name, _)| name))
        .map_err(Failure::Usage)?;
    let mut output = Output::standard();
    let folder = Folder(cli.data);
    match cli.command {
        Command::Serve(serve) => serve::run(serve, folder.0).map_err(Failure::Failed),
        Command::Keys(command) => keys::run(command, &folder, &mut output),
        Command::Workspaces(command) => workspaces::run(command, &folder, &mut output),
        Command::Contacts(command) => contacts::run(command, &folder, &mut output),
        Command::Segments(command) => segments::run(command, &folder, &mut output),
        Command::Tokens(command) => tokens::run(command, &folder, &mut output),
        Command::Log(command) => log::run(command, &folder, &mut output),
        Command::Settings(command) => settings::run(command, &folder, &mut output),
        Command::Instrument(command) => instrument::run(&command, &folder, &mut output),
        Command::Link(command) => link::run(&command, &folder, &mut output),
        Command::Seed(command) => seed::run(&command, &folder, &mut output),
        Command::Classify(command) => classify::run(&command, &folder, &mut output),
        Command::RelayList(command) => relay_list::run(command, &folder, &mut output),
        Command::Privacy(command) => privacy::run(command, &folder, &mut output),
        Command::Rebuild(command) => rebuild::run(&command, &folder, &mut output),
        Command::Backup(command) => backup::run(&command, &folder, &mut output),
        Command::Restore(command) => backup::run_restore(&command, &mut output),
        Command::Doctor(command) => doctor::run(&command, &folder, &mut output),
    }
}

/// The data folder that a command is about.
struct Folder(PathBuf);

impl Folder {
    /// Has a call answered, by the server that has the folder open or else on the folder itself.
    fn ask<T: DeserializeOwned>(&self, call: &Call<T>) -> Result<T, Failure> {
        self.ask_long(call, &mut |_| {})
    }

    /// The same of a call that takes long.
    fn ask_long<T: DeserializeOwned>(
        &self,
        call: &Call<T>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<T, Failure> {
        output::log_warnings();
        Ok(control::call(
            &self.0,
            call,
            Arc::new(SystemClock),
            progress,
        )?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_put_together_soundly() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_data_folder_can_stand_before_and_behind_the_command() {
        for line in [
            ["misar", "--data", "d", "keys", "list"],
            ["misar", "keys", "--data", "d", "list"],
            ["misar", "keys", "list", "--data", "d"],
        ] {
            let cli = Cli::try_parse_from(line).unwrap();
            assert_eq!(cli.data, PathBuf::from("d"), "{line:?}");
        }
    }

    #[test]
    fn every_command_has_an_example_in_its_help() {
        fn check(command: &clap::Command) {
            let nested: Vec<_> = command.get_subcommands().collect();
            if nested.is_empty() {
                let help = command.clone().render_long_help().to_string();
                assert!(help.contains("Example"), "{help}");
            }
            nested.into_iter().for_each(check);
        }
        check(&Cli::command());
    }
}
