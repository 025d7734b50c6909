//! `cargo xtask test`: every test there is.

use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::console::{Console, say, show_end};
use crate::extension::{Builder, Profile};
use crate::failure::{Failure, Outcome};
use crate::leftovers;
use crate::origin;
use crate::place::Place;
use crate::process::{self, OnInterrupt};
use crate::server::{self, Origin, Server};
use crate::setup::{self, Machine, Needs};
use crate::suites::{self, Suites};
use crate::tally::{self, Report, Tally};
use crate::user::User;

/// What to leave out or add.
#[derive(Default, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Leaves out clippy and the newest PostgreSQL.
    pub fast: bool,
    /// Runs every SQL test on the newest PostgreSQL too, not only the smoke test.
    pub full: bool,
    /// Runs only tests whose name contains this; implies `fast` and leaves out the formatting check.
    pub filter: Option<String>,
}

/// How much of PostgreSQL's checks to run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Every one.
    All,
    /// The files that `pg_test/smoke_schedule` lists.
    Smoke,
}

impl Choice {
    fn is_quick(&self) -> bool {
        self.fast || self.filter.is_some()
    }

    fn steps(&self) -> usize {
        let formatting = usize::from(self.filter.is_none());
        let newest = 3 + if self.full { suites::STEPS } else { 1 };
        let (lints, newest) = if self.is_quick() { (0, 0) } else { (2, newest) };
        setup::STEPS + formatting + 1 + lints + SERVER_STEPS + suites::STEPS + newest
    }
}

/// Runs the tests; fails if one fails or none ran.
pub fn run(place: &Place, choice: &Choice) -> Outcome {
    let quick = choice.is_quick();
    let mut console = Console::new(choice.steps(), place.logs());
    let wheel = !quick || !suites::sets(place, choice.filter.as_deref())?.is_empty();
    let needs = Needs { server: true, tests: true, sources: !quick, wheel, ..Needs::default() };
    let machine = setup::prepare(place, &mut console, needs)?;
    let mut run = Run::new(place, machine, console)?;
    run.without_server(choice);
    let major = run.machine.major;
    match run.on_distribution(choice) {
        Ok(server) if !quick => {
            run.clippy_with_server(&server);
            let newest = *setup::MAJORS.end();
            let result = run.on_newest(choice, newest, &server);
            run.must(&format!("PostgreSQL {newest}"), result);
        }
        result => run.must(&format!("PostgreSQL {major}"), result.map(drop)),
    }
    run.finish()
}

/// What the steps of a test run share.
pub struct Run<'a> {
    /// The machine, made ready.
    pub machine: Machine,
    /// The user who runs the servers.
    pub user: User,
    /// The servers' folder.
    pub ground: PathBuf,
    /// Where the steps are announced.
    pub console: Console,
    place: &'a Place,
    report: Report,
}

/// A cargo subcommand and the toolchain component that brings it.
const RUSTFMT: (&str, &str) = ("fmt", "rustfmt");
const CLIPPY: (&str, &str) = ("clippy", "clippy");

/// How many steps [`Run::server`] takes.
pub const SERVER_STEPS: usize = 2;

impl<'a> Run<'a> {
    /// A run without results yet, on ground without leftovers.
    pub fn new(place: &'a Place, machine: Machine, console: Console) -> Outcome<Self> {
        let user = User::find()?;
        let ground = place.ground(&user)?;
        leftovers::clear(&ground)?;
        Ok(Run { machine, user, ground, console, place, report: Report::default() })
    }

    /// Makes a private copy with the extension in it. Takes [`SERVER_STEPS`] steps.
    pub fn server(&mut self, origin: &Origin, profile: Profile) -> Outcome<Server> {
        let step = self.console.begin(&format!("private copy of PostgreSQL {}", origin.major));
        let (server, current) = server::copy(origin, &self.ground, &self.user, &step)?;
        step.done(if current { "up to date" } else { "" });
        let step = self.console.begin(&format!("the extension for PostgreSQL {}", origin.major));
        let builder = Builder::for_server(self.place, &self.machine.cargo_pgrx, &server);
        let current = builder.install(&server, profile, &step)?;
        step.done(if current { "up to date" } else { "" });
        Ok(server)
    }

    /// Runs PostgreSQL's checks on `server`, with its own test programs or those of `other`.
    pub fn suites(
        &mut self,
        server: &Server,
        other: Option<&Server>,
        extent: Extent,
        filter: Option<&str>,
    ) -> Outcome {
        let programs = server.test_programs(other)?;
        let suites = Suites { place: self.place, server, programs: &programs, filter };
        match extent {
            Extent::All => suites.run(&mut self.console, &mut self.report),
            Extent::Smoke => suites.run_smoke(&mut self.console, &mut self.report),
        }
        Ok(())
    }

    /// Notes what kept a suite from running at all: it counts as a failed test, and the others go on.
    pub fn must(&mut self, what: &str, result: Outcome) {
        process::hold_if_interrupted();
        if let Err(failure) = result {
            say!("\n{failure}");
            self.report.add(what, Tally::one(false), Duration::ZERO);
        }
    }

    /// Clears the ground and prints the report, its sum on the last line; fails if a test failed or none ran.
    pub fn finish(self) -> Outcome {
        leftovers::clear(&self.ground)?;
        let total = self.report.total();
        if total.passed + total.failed == 0 {
            return Err(Failure::new("no test ran"));
        }
        self.report.print();
        if total.failed > 0 { Err(Failure::told()) } else { Ok(()) }
    }

    fn without_server(&mut self, choice: &Choice) {
        if choice.filter.is_none() {
            let format = self.cargo(&["fmt", "--all", "--check"]);
            self.lint("formatting", RUSTFMT, format);
        }
        if !choice.is_quick() {
            let flags =
                ["clippy", "--workspace", "--all-targets", "--no-default-features", "--", "-D", "warnings"];
            let clippy = self.cargo(&flags);
            self.lint("clippy, pure part", CLIPPY, clippy);
        }
        let mut test = self.cargo(&["test", "--workspace", "--no-default-features"]);
        test.args(choice.filter.as_deref());
        self.suite("unit tests", test, |output, succeeded| tally::of_cargo(output).believing(succeeded));
    }

    fn on_distribution(&mut self, choice: &Choice) -> Outcome<Server> {
        // Somebody who names a test wants its answer soon.
        let profile = if choice.filter.is_some() { Profile::Dev } else { Profile::Release };
        let server = self.server(&Origin::distribution(self.machine.major), profile)?;
        self.suites(&server, None, Extent::All, choice.filter.as_deref())?;
        Ok(server)
    }

    fn on_newest(&mut self, choice: &Choice, newest: u32, tested: &Server) -> Outcome {
        if newest == tested.major {
            self.console.begin(&format!("PostgreSQL {newest}")).done("is the one just tested");
            return Ok(());
        }
        let step = self.console.begin(&format!("PostgreSQL {newest}, built with assertions (once)"));
        let origin = origin::obtain(self.place, newest, &step)?;
        step.done("");
        // The development build, so that its checks meet the server's assertions; it also compiles faster.
        let server = self.server(&origin, Profile::Dev)?;
        let extent = if choice.full { Extent::All } else { Extent::Smoke };
        self.suites(&server, Some(tested), extent, None)
    }

    fn clippy_with_server(&mut self, server: &Server) {
        let builder = Builder::for_server(self.place, &self.machine.cargo_pgrx, server);
        let feature = builder.feature();
        let mut clippy =
            self.cargo(&["clippy", "--package", "dbmastery", "--all-targets", "--no-default-features"]);
        clippy.args(["--features", &feature, "--", "-D", "warnings"]);
        builder.equip(&mut clippy);
        self.lint(&format!("clippy, {feature}"), CLIPPY, clippy);
    }

    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("cargo");
        command.args(arguments).current_dir(&self.place.checkout);
        command
    }

    /// Runs a check that either holds or does not. Minimal toolchains come without the programs for it: a person may
    /// do without, continuous integration may not.
    fn lint(&mut self, suite: &str, (subcommand, component): (&str, &str), command: Command) {
        let is_there = process::succeeds(self.cargo(&[subcommand]).arg("--version"));
        if is_there || env::var_os("CI").is_some() {
            self.suite(suite, command, |_, succeeded| Tally::one(succeeded));
            return;
        }
        self.report.add(suite, Tally { skipped: 1, ..Tally::default() }, Duration::ZERO);
        self.console.begin(suite).done(&format!("left out; to have it: rustup component add {component}"));
    }

    fn suite(&mut self, suite: &str, mut command: Command, count: impl FnOnce(&str, bool) -> Tally) {
        let step = self.console.begin(suite);
        let start = Instant::now();
        let log = suite.replace([',', ' '], "-").replace("--", "-");
        let tally = match step.watch(&log, &mut command, OnInterrupt::End) {
            Ok((succeeded, output)) => {
                if !succeeded {
                    show_end(&output);
                }
                count(&output, succeeded)
            }
            Err(failure) => {
                step.note(&failure.to_string());
                Tally::one(false)
            }
        };
        process::hold_if_interrupted();
        self.report.add(suite, tally, start.elapsed());
        step.done(&format!("{} passed, {} failed", tally.passed, tally.failed));
    }
}
