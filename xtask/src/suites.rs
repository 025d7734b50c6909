//! What PostgreSQL checks: its own regression driver, isolation tester and TAP framework over `pg_test/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Instant;

use crate::cluster::{self, Borrowed, Cluster};
use crate::console::{Console, Step, show_end};
use crate::demo;
use crate::extension::NAME;
use crate::failure::{Attempt, Failure, Outcome};
use crate::files::{self, fresh, read, read_if_there, remove, write};
use crate::leftovers;
use crate::place::Place;
use crate::process::{self, OnInterrupt};
use crate::schedule::Schedule;
use crate::server::{Server, TestPrograms};
use crate::tally::{self, Report, Tally};
use crate::tpc::{self, Set};

/// What PostgreSQL's Perl modules put behind the temporary folder to name a socket.
const TAP_SOCKET: &str = "/XXXXXXXXXX/.s.PGSQL.65535";

/// The suites of `pg_test/` against one server that has the extension.
pub struct Suites<'a> {
    /// The checkout.
    pub place: &'a Place,
    /// The server.
    pub server: &'a Server,
    /// PostgreSQL's test programs.
    pub programs: &'a TestPrograms,
    /// Only tests whose name contains this.
    pub filter: Option<&'a str>,
}

/// The scale of the data for tests: large enough for indexes to matter, loaded in seconds.
const SCALE: &str = "0.02";

/// How many steps [`Suites::run`] takes.
pub const STEPS: usize = 3;

impl Suites<'_> {
    /// Runs all three suites, or the one that the filter names.
    pub fn run(&self, console: &mut Console, report: &mut Report) {
        if let Some(named) = self.filter.filter(|filter| ["regress", "isolation", "tap"].contains(filter)) {
            let whole = Self { filter: None, ..*self };
            return whole.run_one(named, console, report);
        }
        for suite in ["regress", "isolation", "tap"] {
            self.run_one(suite, console, report);
        }
    }

    fn run_one(&self, suite: &str, console: &mut Console, report: &mut Report) {
        self.suite(suite, console, report, |step| match suite {
            "regress" => self.regress(step, "schedule"),
            "isolation" => self.isolation(step),
            _ => self.tap(step),
        });
    }

    /// Runs the files that `pg_test/smoke_schedule` lists.
    pub fn run_smoke(&self, console: &mut Console, report: &mut Report) {
        self.suite("smoke", console, report, |step| self.regress(step, "smoke_schedule"));
    }

    fn suite(
        &self,
        suite: &str,
        console: &mut Console,
        report: &mut Report,
        run: impl FnOnce(&Step) -> Outcome<Option<Tally>>,
    ) {
        let name = format!("{suite} on PostgreSQL {}", self.server.major);
        let step = console.begin(&name);
        let start = Instant::now();
        let result = run(&step);
        process::hold_if_interrupted();
        match result {
            Ok(Some(tally)) => {
                report.add(&name, tally, start.elapsed());
                step.done(&format!("{} passed, {} failed", tally.passed, tally.failed));
            }
            Ok(None) => step.done("no such test"),
            Err(failure) => {
                step.note(&failure.to_string());
                report.add(&name, Tally::one(false), start.elapsed());
                step.done("failed");
            }
        }
    }

    fn regress(&self, step: &Step, schedule: &str) -> Outcome<Option<Tally>> {
        let ground = self.prepare("regress")?;
        let text = read(&ground.join("input").join(schedule))?;
        let all = Schedule::parse(&text)?;
        if schedule == "schedule" {
            all.must_list(&names(&ground.join("input/sql"), "sql")?)?;
        }
        if all.is_empty() {
            return Err(Failure::new(format!("pg_test/{schedule} lists no test")));
        }
        let chosen = all.filtered(self.filter);
        if chosen.is_empty() {
            return Ok(None);
        }
        let file = ground.join("schedule");
        write(&file, &chosen.text())?;
        let mut command = self.server.command(&self.programs.regress);
        command.arg(format!("--schedule={}", file.display()));
        self.compare("regress", &ground, command, step).map(Some)
    }

    fn isolation(&self, step: &Step) -> Outcome<Option<Tally>> {
        let ground = self.prepare("isolation")?;
        let chosen = self.chosen(names(&ground.join("input/specs"), "spec")?);
        if chosen.is_empty() {
            return Ok(None);
        }
        let mut command = self.server.command(&self.programs.isolation);
        // A specification has no place for what is done once for all.
        command.arg(format!("--load-extension={NAME}")).args(chosen);
        self.compare("isolation", &ground, command, step).map(Some)
    }

    /// Runs a program of the pg_regress family against a cluster of its own.
    fn compare(&self, suite: &str, ground: &Path, mut command: Command, step: &Step) -> Outcome<Tally> {
        let cluster = Borrowed(Cluster::at(self.server, &ground.join("cluster")));
        let settings = read_if_there(&ground.join("input/postgresql.conf"))?;
        cluster.0.create(step, "C", &settings)?;

        let output = ground.join("output");
        fresh(&output)?;
        self.server.user.owns(&output)?;
        command
            .arg(format!("--inputdir={}", ground.join("input").display()))
            .arg(format!("--outputdir={}", output.display()))
            .arg(format!("--bindir={}", self.server.bin.display()))
            .arg(format!("--dbname={suite}_test"))
            .arg(format!("--host={}", cluster.0.socket().display()))
            .arg(format!("--port={}", cluster::PORT))
            .arg(format!("--user={}", cluster::SUPERUSER))
            .current_dir(&output);
        self.server.user.takes(&mut command);
        let (succeeded, text) = step.watch(&self.label(suite), &mut command, OnInterrupt::End)?;
        let tally = tally::of_regress(&text).believing(succeeded);
        if tally.failed > 0 {
            step.note(&text);
            let differences = read(&output.join("regression.diffs")).unwrap_or_default();
            show_end(&differences);
            fs::copy(cluster.0.log(), output.join("server.log"))
                .attempting(|| "cannot keep the server's log".into())?;
            self.keep(suite, &output, step)?;
        }
        Ok(tally)
    }

    fn tap(&self, step: &Step) -> Outcome<Option<Tally>> {
        let ground = self.prepare("tap")?;
        let chosen = self.chosen(names(&ground.join("input/t"), "pl")?);
        if chosen.is_empty() {
            return Ok(None);
        }
        for folder in ["output", "ports", "xtask"] {
            fresh(&ground.join(folder))?;
            self.server.user.owns(&ground.join(folder))?;
        }
        // Beside the tests as in the checkout, where they look for it.
        let demo = ground.join("xtask/demo");
        process::read(Command::new("cp").arg("-r").arg(self.place.checkout.join("xtask/demo")).arg(&demo))?;
        self.server.user.owns(&demo)?;
        let sockets = ground.join("socket");
        cluster::short_folder(&sockets, &sockets, TAP_SOCKET, &self.server.user)?;
        process::read(Command::new("cp").arg("-r").arg(demo::folder(self.place)).arg(ground.join("demo")))?;
        self.server.user.owns(&ground.join("demo"))?;
        let mut generated = Vec::new();
        for set in sets(self.place, self.filter)? {
            let folder = ground.join(set.name());
            let made = tpc::obtain(self.place, set, SCALE, step)?;
            process::read(Command::new("cp").arg("-r").arg(made).arg(&folder))?;
            self.server.user.owns(&folder)?;
            generated.push((set.variable(), folder));
        }
        let output = ground.join("output");
        let words = output.join("tap");
        let source = ground.join("input/t");
        let (alone, together) =
            chosen.into_iter().try_fold((vec![], vec![]), |(mut alone, mut together), test| {
                let text = read(&source.join(format!("{test}.pl")))?;
                if runs_alone(&text) {
                    alone.push(test)
                } else {
                    together.push(test)
                }
                Ok((alone, together))
            })?;
        let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
        let mut succeeded = true;
        let mut text = String::new();
        for (label, tests, jobs) in [("tap", together, cores), ("tap-alone", alone, 1)] {
            if tests.is_empty() {
                continue;
            }
            let mut prove = self.server.command(Path::new("prove"));
            prove
                .args(["--timer", "--failures", &format!("--jobs={jobs}"), "-I"])
                .arg(&self.programs.perl)
                .args(tests.iter().map(|test| format!("t/{test}.pl")))
                .current_dir(ground.join("input"))
                // What each test says goes here, for several at once would say it into each other.
                .env("PERL_TEST_HARNESS_DUMP_TAP", &words)
                // Up to 15 the modules make the other two folders from the first.
                .env("TESTDIR", &output)
                .env("TESTDATADIR", output.join("tmp_check"))
                .env("TESTLOGDIR", output.join("tmp_check/log"))
                .env("PG_REGRESS", &self.programs.regress)
                .env("PG_TEST_PORT_DIR", ground.join("ports"))
                .env("DBMASTERY_DEMO", ground.join("demo"))
                // A machine that others use as well may stand still for a while: that is no failure.
                .env("PG_TEST_TIMEOUT_DEFAULT", "600")
                .envs(generated.iter().map(|(name, folder)| (name, folder)))
                // The modules put their sockets below the temporary folder.
                .env("TMPDIR", sockets.canonicalize().unwrap_or(sockets.clone()));
            self.server.user.takes(&mut prove);
            let (passed, said) = step.watch(&self.label(label), &mut prove, OnInterrupt::End)?;
            succeeded &= passed;
            text.push_str(&said);
        }
        let tally =
            tally::of_files(&files::files(&words.join("t")).unwrap_or_default())?.believing(succeeded);
        if tally.failed > 0 {
            show_end(&text);
            self.keep("tap", &output, step)?;
        } else {
            self.store("tap", &words)?;
        }
        leftovers::remove(&ground)?;
        Ok(Some(tally))
    }

    /// A fresh scratch folder with a copy of `pg_test/` that belongs to the servers' user, who may not be able to
    /// read the checkout.
    fn prepare(&self, suite: &str) -> Outcome<PathBuf> {
        let source = self.place.checkout.join("pg_test");
        if !source.is_dir() {
            return Err(Failure::new(format!("{} is missing", source.display())));
        }
        let scratch = leftovers::scratch(self.server.ground());
        let ground = scratch.join(format!("{suite}{}", self.server.major));
        leftovers::remove(&ground)?;
        fs::create_dir_all(&ground).attempting(|| format!("cannot create {}", ground.display()))?;
        process::read(Command::new("cp").arg("-r").arg(&source).arg(ground.join("input")))?;
        self.server.user.owns(&ground)?;
        Ok(ground)
    }

    fn chosen(&self, names: Vec<String>) -> Vec<String> {
        chosen(names, self.filter)
    }

    fn label(&self, suite: &str) -> String {
        format!("{suite}-pg{}", self.server.major)
    }

    fn store(&self, suite: &str, output: &Path) -> Outcome<PathBuf> {
        let kept = self.place.work.join("results").join(self.label(suite));
        fresh(&kept)?;
        remove(&kept)?;
        process::read(Command::new("cp").arg("-r").arg(output).arg(&kept))?;
        Ok(kept)
    }

    /// Keeps what a failed suite left, where the person can read it after the servers are gone.
    fn keep(&self, suite: &str, output: &Path, step: &Step) -> Outcome {
        let kept = self.store(suite, output)?;
        let results = kept.join("results");
        step.note(&format!("results and logs are kept in {}", kept.display()));
        if results.exists() {
            let results = cluster::shell_word(&results.to_string_lossy());
            step.note(&format!("if a result is right: cp {results}/NAME.out pg_test/expected/"));
        }
        Ok(())
    }
}

/// Whether a test measures how long something takes, and so wants the machine for itself: it says so in a line of its own.
fn runs_alone(test: &str) -> bool {
    test.lines().any(|line| line.starts_with("# Runs alone: "))
}

fn chosen(mut names: Vec<String>, filter: Option<&str>) -> Vec<String> {
    names.retain(|name| filter.is_none_or(|filter| name.contains(filter)));
    names
}

/// What has to be generated for the TAP tests whose name contains `filter`: each names the variables that it reads.
pub fn sets(place: &Place, filter: Option<&str>) -> Outcome<Vec<Set>> {
    let folder = place.checkout.join("pg_test/t");
    let mut sets = Vec::new();
    for test in chosen(names(&folder, "pl")?, filter) {
        let text = read(&folder.join(format!("{test}.pl")))?;
        sets.extend(Set::ALL.into_iter().filter(|set| text.contains(set.variable())));
    }
    Ok(Set::ALL.into_iter().filter(|set| sets.contains(set)).collect())
}

/// The names, without ending, of the files in `folder` that end in `.ending`.
fn names(folder: &Path, ending: &str) -> Outcome<Vec<String>> {
    let mut files = files::files(folder)?;
    files.retain(|file| file.extension().is_some_and(|found| found == ending));
    Ok(files.iter().filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned())).collect())
}
