//! `cargo xtask bench`: runs `pg_test/bench/NAME/run.sh` against a fresh cluster that has the extension's files.
//!
//! A benchmark finds PGHOST, PGPORT, PGUSER and PATH set, and an empty folder in BENCH_SCRATCH; it works in its own
//! folder, makes its own databases, and what it prints is the result. `pg_test/bench/NAME/postgresql.conf`, if there,
//! is added to the cluster's settings. `pg_test/bench/NAME/needs`, if there, names what else it needs, one word a line:
//! `hypopg`, `partman`, or `tpch` and `tpcds`, whose folders it then finds in DBMASTERY_TPCH and DBMASTERY_TPCDS, of the scale
//! that SCALE says (1).

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cluster::{Borrowed, Cluster};
use crate::console::{Console, say};
use crate::extension::{Builder, Profile};
use crate::failure::{Failure, Outcome};
use crate::files::{fresh, read_if_there};
use crate::leftovers;
use crate::place::Place;
use crate::process::{self, OnInterrupt};
use crate::server::{self, Origin};
use crate::setup::{self, Needs};
use crate::tpc::{self, Set};
use crate::user::User;

/// Runs the benchmarks whose name begins with `name`, or all.
pub fn run(place: &Place, name: Option<&str>) -> Outcome {
    let benchmarks = benchmarks(&place.checkout.join("pg_test/bench"), name.unwrap_or_default())?;
    let extras = benchmarks
        .iter()
        .map(|folder| Extras::parse(&read_if_there(&folder.join("needs"))?))
        .collect::<Outcome<Vec<_>>>()?;
    let mut console = Console::new(setup::STEPS + 2 + benchmarks.len(), place.logs());
    let needs = Needs {
        server: true,
        wheel: extras.iter().any(|extras| !extras.sets.is_empty()),
        hypopg: extras.iter().any(|extras| extras.hypopg),
        partman: extras.iter().any(|extras| extras.partman),
        ..Needs::default()
    };
    let machine = setup::prepare(place, &mut console, needs)?;
    let user = User::find()?;
    let ground = place.ground(&user)?;
    leftovers::clear(&ground)?;

    let step = console.begin(&format!("private copy of PostgreSQL {}", machine.major));
    let (server, current) = server::copy(&Origin::distribution(machine.major), &ground, &user, &step)?;
    step.done(if current { "up to date" } else { "" });
    let step = console.begin("the extension, release build");
    let builder = Builder::for_server(place, &machine.cargo_pgrx, &server);
    let current = builder.install(&server, Profile::Release, &step)?;
    step.done(if current { "up to date" } else { "" });

    let scale = env::var("SCALE").unwrap_or_else(|_| "1".into());
    for (folder, extras) in benchmarks.into_iter().zip(extras) {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let step = console.begin(&format!("benchmark {name}"));
        let mut generated = Vec::new();
        for set in extras.sets {
            generated.push((set.variable(), tpc::obtain(place, set, &scale, &step)?));
        }
        let scratch = leftovers::scratch(&ground).join("bench");
        fresh(&scratch)?;
        fresh(&scratch.join("files"))?;
        let cluster = Borrowed(Cluster::at(&server, &scratch.join("cluster")));
        cluster.0.create(&step, "C.UTF-8", &read_if_there(&folder.join("postgresql.conf"))?)?;
        let mut script = Command::new("bash");
        // A person's own settings for libpq must not send the benchmark to another server.
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
            script.env_remove(name);
        }
        script
            .arg("run.sh")
            .current_dir(&folder)
            .envs(server.program("psql").get_envs().filter_map(|(name, value)| Some((name, value?))))
            .envs(generated)
            .env("BENCH_SCRATCH", scratch.join("files"));
        cluster.0.point_to_us(&mut script);
        say!("");
        let status = process::start(&mut script, OnInterrupt::End)?.wait()?;
        if !status.success() {
            return Err(Failure::new(format!("benchmark {name} failed ({status})")));
        }
        drop(cluster);
        step.done("");
    }
    leftovers::clear(&ground)
}

/// What a benchmark needs beside the server and the extension.
#[derive(Debug, Default, PartialEq, Eq)]
struct Extras {
    sets: Vec<Set>,
    hypopg: bool,
    partman: bool,
}

impl Extras {
    fn parse(text: &str) -> Outcome<Self> {
        let mut extras = Self::default();
        for word in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            match Set::ALL.into_iter().find(|set| set.name() == word) {
                Some(set) => extras.sets.push(set),
                None if word == "hypopg" => extras.hypopg = true,
                None if word == "partman" => extras.partman = true,
                None => return Err(Failure::new(format!("a benchmark needs {word}, which nobody knows"))),
            }
        }
        Ok(extras)
    }
}

/// The folders of the benchmarks whose name begins with `start`.
fn benchmarks(folder: &Path, start: &str) -> Outcome<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let (mut chosen, mut others) = (Vec::new(), Vec::new());
    for path in entries.filter(|path| path.join("run.sh").is_file()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with(start) { chosen.push(path) } else { others.push(name) }
    }
    chosen.sort();
    others.sort();
    if chosen.is_empty() {
        return Err(Failure::new(match others.as_slice() {
            [] => format!("there is no benchmark in {}", folder.display()),
            others => format!("no benchmark begins with {start}; there are: {}", others.join(", ")),
        }));
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_benchmark_needs_is_read_word_by_word() {
        assert_eq!(Extras::parse(""), Ok(Extras::default()));
        assert_eq!(
            Extras::parse("tpch\nhypopg\n"),
            Ok(Extras { sets: vec![Set::TpcH], hypopg: true, partman: false })
        );
        assert!(Extras::parse("tpcd").is_err());
    }

    #[test]
    fn an_unknown_benchmark_is_answered_with_the_known_ones() {
        let base = std::env::temp_dir().join(format!("xtask-bench-{}", std::process::id()));
        for name in ["audit", "snapshot", "notes"] {
            fs::create_dir_all(base.join(name)).unwrap();
        }
        for name in ["audit", "snapshot"] {
            fs::write(base.join(name).join("run.sh"), "").unwrap();
        }
        assert_eq!(benchmarks(&base, "").unwrap().len(), 2);
        assert_eq!(benchmarks(&base, "snap").unwrap(), [base.join("snapshot")]);
        let said = benchmarks(&base, "x").unwrap_err().to_string();
        assert!(said.ends_with("there are: audit, snapshot"), "{said}");
        fs::remove_dir_all(base).unwrap();
    }
}
