//! `cargo xtask demo`: from a clone to an audited database.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cluster::{self, Cluster};
use crate::console::{self, Console, Step, say};
use crate::extension::{Builder, Profile};
use crate::failure::{Failure, Outcome};
use crate::files::files;
use crate::fingerprint::{self, Fingerprint};
use crate::leftovers;
use crate::place::Place;
use crate::process;
use crate::prose;
use crate::server::{self, Origin, Server};
use crate::setup::{self, Needs};
use crate::user::User;

/// The database that the demo audits.
const DATABASE: &str = "shop";
/// How many rows of the audit are shown.
const SHOWN: usize = 15;
/// Settings of a server that counts what clients ask.
const COUNTED: &str = "shared_preload_libraries = 'pg_stat_statements'\n";
/// How many of the slowest queries are shown.
const SLOWEST: usize = 4;
/// Characters of a query that are shown.
const QUERY_SHOWN: usize = 160;
/// How far texts stand behind the word that they explain.
const INDENT: usize = 10;
/// Lines that are longer are hard to read, however wide the terminal is.
const READABLE: usize = 120;

/// Builds what is missing, and shows what the extension says about the demo database.
pub fn run(place: &Place) -> Outcome {
    let mut console = Console::new(setup::STEPS + 5, place.logs());
    let machine = setup::prepare(place, &mut console, Needs { server: true, ..Needs::default() })?;
    let user = User::find()?;
    let ground = place.ground(&user)?;

    let step = console.begin(&format!("private copy of PostgreSQL {}", machine.major));
    let (server, current) = server::copy(&Origin::distribution(machine.major), &ground, &user, &step)?;
    step.done(if current { "up to date" } else { "" });

    let step = console.begin("the extension, release build (a first build takes minutes)");
    let builder = Builder::for_server(place, &machine.cargo_pgrx, &server);
    let current = builder.install(&server, Profile::Release, &step)?;
    step.done(if current { "up to date" } else { "" });

    let files = sql_files(place)?;
    let cluster = Cluster::at(&server, &leftovers::demo(&ground));
    let made_from = MadeFrom::now(&server, &files)?;
    let before = MadeFrom::read(&leftovers::demo_marker(&ground));
    let usable = before.as_ref().is_some_and(|before| before.data == made_from.data) && cluster.answers();

    let step = console.begin("throw-away cluster");
    if usable {
        step.done("runs already");
    } else {
        let counts = has_statistics(&server);
        cluster.create(&step, "C.UTF-8", if counts { COUNTED } else { "" })?;
        if counts {
            // Before the load, so that it can begin to count afterwards; in template1, so that the database has it.
            cluster.ask("template1", "CREATE EXTENSION pg_stat_statements")?;
        }
        step.done("");
    }
    let step = console.begin(&format!("database {DATABASE}"));
    if usable {
        step.done("loaded already");
    } else {
        load(&cluster, &files, &step)?;
        step.done("");
    }
    let step = console.begin("CREATE EXTENSION dbmastery");
    if usable && before.is_some_and(|before| before.extension == made_from.extension) {
        step.done("created already");
    } else {
        // Also when only the extension changed: the data stay, the functions are new.
        let mut create = cluster.psql(DATABASE);
        create.args(["--single-transaction", "-c", "DROP EXTENSION IF EXISTS dbmastery CASCADE"]);
        step.run("create-extension", create.args(["-c", "CREATE EXTENSION dbmastery"]))?;
        made_from.write(&leftovers::demo_marker(&ground))?;
        step.done("");
    }
    show(&cluster)?;
    say!("\nLook around yourself:\n\n  {}\n", psql_line(&server, &cluster));
    say!("End and remove the demo with: cargo xtask demo --stop");
    Ok(())
}

/// Ends the demo and removes its data.
pub fn stop(place: &Place) -> Outcome {
    let demo = place.existing_ground().map(|ground| leftovers::demo(&ground));
    match demo.filter(|demo| demo.exists()) {
        Some(demo) => {
            leftovers::remove(&demo)?;
            say!("the demo is ended and removed");
        }
        None => say!("there is no demo to end"),
    }
    Ok(())
}

/// What a loaded demo was made from.
#[derive(PartialEq, Eq, Debug)]
struct MadeFrom {
    data: String,
    extension: String,
}

impl MadeFrom {
    fn now(server: &Server, files: &[PathBuf]) -> Outcome<Self> {
        let mut data = Fingerprint::new().word(&server.fingerprint);
        for file in files {
            data = data.word(&file.to_string_lossy()).contents(file)?;
        }
        let extension = Fingerprint::new().contents(&server.extension_marker())?;
        Ok(MadeFrom { data: data.text(), extension: extension.text() })
    }

    fn read(marker: &Path) -> Option<Self> {
        Self::parse(&fs::read_to_string(marker).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let (data, extension) = text.split_once(' ')?;
        Some(MadeFrom { data: data.into(), extension: extension.into() })
    }

    fn write(&self, marker: &Path) -> Outcome {
        fingerprint::mark(marker, &format!("{} {}", self.data, self.extension))
    }
}

/// The folder of the demo database.
pub fn folder(place: &Place) -> PathBuf {
    place.checkout.join("xtask/demo")
}

/// The files of the demo database, in the order in which they are run.
fn sql_files(place: &Place) -> Outcome<Vec<PathBuf>> {
    let mut found = files(&folder(place))?;
    found.retain(|file| file.extension().is_some_and(|end| end == "sql"));
    if found.is_empty() {
        return Err(Failure::new(format!("there is no demo database in {}", folder(place).display())));
    }
    Ok(found)
}

/// Whether the server can count queries: pg_stat_statements is in the distribution's package of the server, but may not
/// be in another's.
fn has_statistics(server: &Server) -> bool {
    let folder = process::read(server.program("pg_config").arg("--pkglibdir"));
    folder.is_ok_and(|folder| Path::new(folder.trim()).join("pg_stat_statements.so").exists())
}

fn load(cluster: &Cluster, files: &[PathBuf], step: &Step) -> Outcome {
    process::read(cluster.psql("postgres").args(["-c", &format!("CREATE DATABASE {DATABASE}")]))?;
    for file in files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        step.note(&name);
        let mut psql = cluster.psql(DATABASE);
        // Files may include one another by relative names.
        psql.current_dir(file.parent().unwrap_or(Path::new("/")));
        step.run(&format!("demo-{name}"), psql.arg("-f").arg(file))?;
    }
    Ok(())
}

fn show(cluster: &Cluster) -> Outcome {
    let width = console::width().min(READABLE);
    say!("\ndbm.score():\n");
    let mut score = cluster.psql(DATABASE);
    score.args(["-P", "pager=off", "-P", "linestyle=unicode", "-P", "footer=off"]);
    score.args(["-c", "SELECT dimension, weight, score, coverage, findings, verdict FROM dbm.score()"]);
    say!("{}", process::read(&mut score)?.trim_end());
    say!("\nThe best next fix of each dimension:\n");
    let best = "SELECT dimension, best_next_fix FROM dbm.score() WHERE best_next_fix <> '' AND dimension <> 'overall'";
    for [dimension, fix] in rows(cluster, best)? {
        say!("{dimension}\n{}", prose::wrap(&fix, width, INDENT));
    }
    let audit = rows(cluster, "SELECT severity, rule, object, message, status FROM dbm.audit()")?;
    let shown = audit.len().min(SHOWN);
    say!(
        "\ndbm.audit(), the first {shown} of {} rows; each also has its evidence, fix and undo:\n",
        audit.len()
    );
    for [severity, rule, object, message, status] in audit.into_iter().take(SHOWN) {
        let status = if status == "finding" { String::new() } else { format!(" ({status})") };
        say!("{severity:INDENT$}{rule}: {object}{status}");
        say!("{}", prose::wrap(&message, width, INDENT));
    }
    show_queries(cluster, width)
}

/// What the server's own counting of queries leads to; nothing where it does not count.
fn show_queries(cluster: &Cluster, width: usize) -> Outcome {
    if cluster.ask(DATABASE, "SELECT count(*) FROM pg_extension WHERE extname = 'pg_stat_statements'")?.trim()
        == "0"
    {
        return Ok(());
    }
    say!("\ndbm.slow_queries(), the first {SLOWEST}; dbm.advise(query) says what to do about each:\n");
    let slowest = format!(
        "SELECT round(share * 100), calls, left(text, {QUERY_SHOWN}) || CASE WHEN length(text) > {QUERY_SHOWN} THEN ' ...' ELSE '' END, array_to_string(rules, ', ')
           FROM dbm.slow_queries({SLOWEST}), regexp_replace(query, '\\s+', ' ', 'g') AS text"
    );
    for [share, calls, query, rules] in rows(cluster, &slowest)? {
        say!(
            "{:INDENT$}{calls} calls: {}",
            format!("{share} %"),
            if rules.is_empty() { "no advice" } else { &rules }
        );
        say!("{}", prose::wrap(&query, width, INDENT));
    }
    say!("\ndbm.advise_workload(), the indexes that help all of them together:\n");
    let advised = "SELECT to_char(benefit_share * 100, 'FM990.0'), pg_size_pretty(estimated_bytes), queries, split_part(sql, E'\\n', 1)
                     FROM dbm.advise_workload() WHERE action = 'create'";
    for [share, size, queries, sql] in rows(cluster, advised)? {
        let helped = if queries == "1" { "1 query" } else { &format!("{queries} queries") };
        say!("{:INDENT$}of the cost saved, {size}, helps {helped}", format!("{share} %"));
        say!("{}", prose::wrap(&sql, width, INDENT));
    }
    Ok(())
}

/// The rows of a query with `N` columns, whatever blanks, bars and line ends its values contain.
fn rows<const N: usize>(cluster: &Cluster, query: &str) -> Outcome<Vec<[String; N]>> {
    let mut psql = cluster.psql(DATABASE);
    psql.args([
        "--tuples-only",
        "--no-align",
        "--field-separator=\x1f",
        "--record-separator=\x1e",
        "-c",
        query,
    ]);
    split(&process::read(&mut psql)?)
}

fn split<const N: usize>(text: &str) -> Outcome<Vec<[String; N]>> {
    let records = text.trim_end_matches(['\n', '\x1e']).split('\x1e').filter(|record| !record.is_empty());
    let row = |record: &str| {
        let fields: Vec<String> = record.split('\x1f').map(str::to_owned).collect();
        fields.try_into().map_err(|_| Failure::new(format!("a row has not {N} columns: {record}")))
    };
    records.map(row).collect()
}

/// The line that opens psql on the demo, as root and as the person who started it.
fn psql_line(server: &Server, cluster: &Cluster) -> String {
    let found = process::succeeds(Command::new("psql").arg("--version"));
    let psql = if found { PathBuf::from("psql") } else { server.bin.join("psql") };
    format!(
        "{} -h {} -p {} -U {} {DATABASE}",
        cluster::shell_word(&psql.to_string_lossy()),
        cluster::shell_word(&cluster.socket().to_string_lossy()),
        cluster::PORT,
        cluster::SUPERUSER
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_split_at_their_separators_only() {
        let text = "a|b\x1fc\nd\x1ee\x1f\x1e\n";
        assert_eq!(split(text), Ok(vec![["a|b".into(), "c\nd".into()], ["e".into(), "".into()]]));
        assert!(split::<3>(text).is_err());
        assert_eq!(split::<2>("\n"), Ok(Vec::new()));
    }

    #[test]
    fn the_marker_reads_back() {
        let made = MadeFrom { data: "1a".into(), extension: "2b".into() };
        assert_eq!(MadeFrom::parse("1a 2b"), Some(made));
        assert_eq!(MadeFrom::parse(""), None);
    }
}
