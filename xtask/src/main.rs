//! What the commands of the README do: `cargo xtask COMMAND`, see [`HELP`].

mod bench;
mod cluster;
mod console;
mod demo;
mod extension;
mod failure;
mod files;
mod fingerprint;
mod install;
mod interrupt;
mod leftovers;
mod matrix;
mod origin;
mod package;
mod place;
mod process;
mod prose;
mod schedule;
mod server;
mod setup;
mod suites;
mod tally;
mod test;
mod tpc;
mod user;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use console::say;
use failure::{Attempt, Failure, Outcome};
use place::Place;

const HELP: &str = "\
cargo xtask COMMAND

  demo                       build the extension, load a demo database into a throw-away cluster, and audit it
  demo --stop                end and remove that cluster
  test [FILTER]              every test, or those whose name contains FILTER; regress, isolation or tap: all of that
                             suite
       --fast                  leave out clippy and the newest PostgreSQL
       --full                  run all SQL tests on the newest PostgreSQL too, not only the smoke test
  install [--pg-config PATH] put the extension into a PostgreSQL that is already there
  package                    make a .deb for the distribution's PostgreSQL, and a tarball
  bench [NAME]               run the benchmarks whose name begins with NAME
  matrix [MAJOR...] [FILTER] all of PostgreSQL's checks on 15, 16, 17 and 18, or those whose name contains FILTER
  docs                       write the generated pages of docs/ anew

What is missing is installed first (packages by apt, cargo-pgrx by cargo). Everything else stays below target/, except
servers of other majors and cargo-pgrx, which are kept in the person's cache folder.";

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
enum Task {
    Help,
    Demo,
    StopDemo,
    Test(test::Choice),
    Install { pg_config: Option<PathBuf> },
    Package,
    Bench { name: Option<String> },
    Matrix { majors: Vec<u32>, filter: Option<String> },
    Docs,
}

fn main() -> ExitCode {
    let result = parse(std::env::args().skip(1).collect()).and_then(carry_out);
    // Whoever was interrupted has the interruption's exit code.
    process::hold_if_interrupted();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.is_told() {
                say!("\n{failure}");
            }
            ExitCode::FAILURE
        }
    }
}

fn parse(arguments: Vec<String>) -> Outcome<Task> {
    let mut arguments = arguments.into_iter();
    let command = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let unknown = |argument: &str| Failure::new(format!("{command} does not know {argument}\n\n{HELP}"));
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    match (command.as_str(), rest.as_slice()) {
        ("" | "help" | "--help" | "-h", _) | (_, ["--help" | "-h", ..]) => Ok(Task::Help),
        ("demo", []) => Ok(Task::Demo),
        ("demo", ["--stop"]) => Ok(Task::StopDemo),
        ("test", options) => {
            let mut choice = test::Choice::default();
            for option in options {
                match *option {
                    "--fast" => choice.fast = true,
                    "--full" => choice.full = true,
                    option if option.starts_with('-') || choice.filter.is_some() => {
                        return Err(unknown(option));
                    }
                    filter => choice.filter = Some(filter.to_owned()),
                }
            }
            Ok(Task::Test(choice))
        }
        ("install", []) => Ok(Task::Install { pg_config: None }),
        ("install", ["--pg-config", path]) => Ok(Task::Install { pg_config: Some(path.into()) }),
        ("install", [option]) if option.starts_with("--pg-config=") => {
            Ok(Task::Install { pg_config: option.split_once('=').map(|(_, path)| path.into()) })
        }
        ("package", []) => Ok(Task::Package),
        ("bench", []) => Ok(Task::Bench { name: None }),
        ("bench", [name]) if !name.starts_with('-') => Ok(Task::Bench { name: Some((*name).to_owned()) }),
        ("matrix", rest) => {
            let major = |text: &&str| {
                text.parse().ok().filter(|major| setup::MAJORS.contains(major)).ok_or_else(|| unknown(text))
            };
            let (majors, filter) = match rest {
                [majors @ .., filter] if filter.starts_with(char::is_alphabetic) => (majors, Some(*filter)),
                majors => (majors, None),
            };
            let majors = majors.iter().map(major).collect::<Outcome<_>>()?;
            Ok(Task::Matrix { majors, filter: filter.map(str::to_owned) })
        }
        ("docs", []) => Ok(Task::Docs),
        ("demo" | "install" | "package" | "bench" | "docs", rest) => Err(unknown(&rest.join(" "))),
        _ => Err(Failure::new(format!("there is no command {command}\n\n{HELP}"))),
    }
}

fn carry_out(task: Task) -> Outcome {
    if task == Task::Help {
        say!("{HELP}");
        return Ok(());
    }
    user::relax_umask()?;
    let place = Place::find()?;
    let _lock = place.lock()?;
    interrupt::watch(&place)?;
    if let Some(ground) = place.existing_ground() {
        leftovers::clear(&ground)?;
    }
    match task {
        Task::Help => Ok(()),
        Task::Demo => demo::run(&place),
        Task::StopDemo => demo::stop(&place),
        Task::Test(choice) => test::run(&place, &choice),
        Task::Install { pg_config } => install::run(&place, pg_config.as_deref()),
        Task::Package => package::run(&place),
        Task::Bench { name } => bench::run(&place, name.as_deref()),
        Task::Matrix { majors, filter } => matrix::run(&place, &majors, filter.as_deref()),
        Task::Docs => docs(&place),
    }
}

/// The pages of docs/ that are made from the code are written by the tests that compare them with it.
fn docs(place: &Place) -> Outcome {
    let mut cargo = Command::new("cargo");
    cargo
        .args(["test", "--no-default-features", "docs"])
        .env("UPDATE_DOCS", "1")
        .current_dir(&place.checkout);
    let status = cargo.status().attempting(|| "cannot start cargo".into())?;
    if status.success() { Ok(()) } else { Err(Failure::new("the pages could not be written")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Outcome<Task> {
        parse(line.split_whitespace().map(str::to_owned).collect())
    }

    #[test]
    fn every_command_of_the_help_is_understood() {
        assert_eq!(parsed(""), Ok(Task::Help));
        assert_eq!(parsed("test --help"), Ok(Task::Help));
        assert_eq!(parsed("demo"), Ok(Task::Demo));
        assert_eq!(parsed("demo --stop"), Ok(Task::StopDemo));
        let choice =
            |fast, full, filter: Option<&str>| test::Choice { fast, full, filter: filter.map(Into::into) };
        assert_eq!(parsed("test"), Ok(Task::Test(choice(false, false, None))));
        assert_eq!(parsed("test --fast score"), Ok(Task::Test(choice(true, false, Some("score")))));
        assert_eq!(parsed("test --full"), Ok(Task::Test(choice(false, true, None))));
        let install = |path: &str| Ok(Task::Install { pg_config: Some(path.into()) });
        assert_eq!(parsed("install --pg-config /x/pg_config"), install("/x/pg_config"));
        assert_eq!(parsed("install --pg-config=/x/pg_config"), install("/x/pg_config"));
        assert_eq!(parsed("bench audit"), Ok(Task::Bench { name: Some("audit".into()) }));
        let matrix = |majors: &[u32], filter: Option<&str>| {
            Ok(Task::Matrix { majors: majors.into(), filter: filter.map(Into::into) })
        };
        assert_eq!(parsed("matrix"), matrix(&[], None));
        assert_eq!(parsed("matrix 16 18"), matrix(&[16, 18], None));
        assert_eq!(parsed("matrix 17 score"), matrix(&[17], Some("score")));
        assert_eq!(parsed("docs"), Ok(Task::Docs));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (line, named) in [
            ("tests", "no command tests"),
            ("demo --start", "does not know --start"),
            ("test --slow", "does not know --slow"),
            ("test one two", "does not know two"),
            ("matrix 14", "does not know 14"),
            ("matrix score 16", "does not know score"),
            ("matrix --full", "does not know --full"),
            ("package now", "does not know now"),
        ] {
            let said = parsed(line).unwrap_err().to_string();
            assert!(said.contains(named), "{line}: {said}");
        }
    }
}
