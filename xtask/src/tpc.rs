//! Data and queries of TPC-H and TPC-DS: made by generators that come as a Python wheel, when a test or a benchmark asks
//! for them, and kept in the cache folder. The checkout holds no more of either than the columns of the tables.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::console::Step;
use crate::failure::{Attempt, Outcome};
use crate::files::fresh;
use crate::fingerprint::{self, Fingerprint};
use crate::place::Place;
use crate::process;

/// DuckDB carries both generators and both sets of queries; later versions of it load them from elsewhere.
const WHEEL: &str = "duckdb==1.0.0";

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// Eight tables of orders and parts, 22 queries.
    TpcH,
    /// 24 tables of three sales channels, 99 queries.
    TpcDs,
}

impl Set {
    /// Both.
    pub const ALL: [Self; 2] = [Self::TpcH, Self::TpcDs];

    /// Its name among files.
    pub fn name(self) -> &'static str {
        match self {
            Self::TpcH => "tpch",
            Self::TpcDs => "tpcds",
        }
    }

    /// The environment variable that tells a test or a benchmark where the folder is.
    pub fn variable(self) -> &'static str {
        match self {
            Self::TpcH => "DBMASTERY_TPCH",
            Self::TpcDs => "DBMASTERY_TPCDS",
        }
    }
}

/// The folder with `load.sql`, which psql runs in it, and `queries/NN.sql`; made if it is not there yet. `scale` 1 is
/// about a gigabyte.
pub fn obtain(place: &Place, set: Set, scale: &str, step: &Step) -> Outcome<PathBuf> {
    let ours = place.checkout.join("xtask/tpc");
    let (script, schema) = (ours.join("generate.py"), ours.join(format!("{}.sql", set.name())));
    let folder = place.cache.join(format!("{}-{scale}", set.name()));
    let made_from = Fingerprint::new().word(WHEEL).contents(&script)?.contents(&schema)?.text();
    let marker = folder.join("complete");
    if fingerprint::is_current(&marker, &made_from) {
        return Ok(folder);
    }
    let library = library(place, step)?;
    step.note(&format!("{} data of scale {scale} are made once", set.name()));
    fresh(&folder)?;
    let copy = folder.join("schema.sql");
    fs::copy(&schema, &copy).attempting(|| format!("cannot write {}", copy.display()))?;
    let mut python = Command::new("python3");
    python.arg(&script).args([set.name(), scale]).arg(&folder).env("PYTHONPATH", library);
    step.run(&format!("generate-{}", set.name()), &mut python)?;
    fingerprint::mark(&marker, &made_from)?;
    Ok(folder)
}

/// The folder in which Python finds the generators.
fn library(place: &Place, step: &Step) -> Outcome<PathBuf> {
    // A wheel serves one version of Python.
    let python = process::read(Command::new("python3").arg("--version"))?;
    let made_from = Fingerprint::new().word(WHEEL).word(&python).text();
    let folder = place.cache.join(WHEEL.replace("==", "-"));
    let marker = folder.join("complete");
    if !fingerprint::is_current(&marker, &made_from) {
        step.note(&format!("{WHEEL} generates the data; it goes into a folder of its own"));
        fresh(&folder)?;
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--no-deps"])
            .args(["--only-binary=:all:", "--root-user-action=ignore", "--target"])
            .arg(&folder)
            .arg(WHEEL);
        step.run("generator", &mut pip)?;
        fingerprint::mark(&marker, &made_from)?;
    }
    Ok(folder)
}
