//! What the machine must have, and how it gets it: Debian packages, and cargo-pgrx in the version of our pgrx.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::console::{Console, Step};
use crate::failure::{Failure, Outcome};
use crate::files::{self, read};
use crate::place::Place;
use crate::process;
use crate::user;

/// The PostgreSQL majors that the extension is written for.
pub const MAJORS: std::ops::RangeInclusive<u32> = 15..=18;

/// What a command needs beyond the build of the extension.
#[derive(Clone, Copy, Default)]
pub struct Needs {
    /// The distribution's PostgreSQL, to run the extension in.
    pub server: bool,
    /// What PostgreSQL's own test programs need.
    pub tests: bool,
    /// What the build of another PostgreSQL from its sources needs.
    pub sources: bool,
    /// What fetching a Python wheel needs.
    pub wheel: bool,
    /// The peer of the what-if planner, beside the distribution's PostgreSQL.
    pub hypopg: bool,
    /// The peer of upkeep, beside the distribution's PostgreSQL.
    pub partman: bool,
}

/// A machine that has everything.
pub struct Machine {
    /// The major of the distribution's PostgreSQL; meaningful if [`Needs::server`] was asked for.
    pub major: u32,
    /// The cargo-pgrx of the version we pin.
    pub cargo_pgrx: PathBuf,
}

/// A Debian package and the reason we want it.
struct Package {
    name: String,
    why: &'static str,
}

/// How many steps [`prepare`] takes.
pub const STEPS: usize = 2;

/// Makes sure that the machine has what `needs` says.
pub fn prepare(place: &Place, console: &mut Console, needs: Needs) -> Outcome<Machine> {
    let step = console.begin("packages");
    let major = if needs.server { server_major(&step)? } else { *MAJORS.end() };
    let missing = missing(wanted(needs, major))?;
    if missing.is_empty() {
        step.done("all there");
    } else {
        for package in &missing {
            step.note(&format!("{}: {}", package.name, package.why));
        }
        install(&step, &missing)?;
        step.done("");
    }

    let version = pgrx_version(&read(&place.checkout.join("Cargo.toml"))?)?;
    let step = console.begin(&format!("cargo-pgrx {version}"));
    let cargo_pgrx = match find_cargo_pgrx(place, &version) {
        Some(found) => {
            step.done("already installed");
            found
        }
        None => {
            step.note("cargo-pgrx builds the extension and writes its SQL; it must match our pgrx exactly");
            let installed = install_cargo_pgrx(place, &step, &version)?;
            step.done("");
            installed
        }
    };
    Ok(Machine { major, cargo_pgrx })
}

/// The major to use: one that is installed completely, or else the one that the distribution offers.
fn server_major(step: &Step) -> Outcome<u32> {
    if let Some(major) = MAJORS.into_iter().find(|major| is_complete(*major)) {
        return Ok(major);
    }
    require_apt()?;
    if let Some(major) = offered_major() {
        return Ok(major);
    }
    // A machine that has never asked its mirror knows no package at all.
    as_root(step, "apt-update", &["apt-get update"])?;
    offered_major().ok_or_else(|| {
        Failure::new(format!(
            "this system's package sources offer no PostgreSQL of the majors {} to {}; add a source that does, \
             such as the one that the PostgreSQL project keeps for Debian and Ubuntu, and run this again",
            MAJORS.start(),
            MAJORS.end()
        ))
    })
}

/// Whether server and development files of a major are there: Debian's server package brings pg_config and the test
/// programs, and yet no headers.
fn is_complete(major: u32) -> bool {
    is_complete_below(Path::new("/usr"), major)
}

fn is_complete_below(base: &Path, major: u32) -> bool {
    ["bin/postgres", "bin/pg_config", "lib/pgxs/src/test/regress/pg_regress"]
        .iter()
        .map(|file| format!("lib/postgresql/{major}/{file}"))
        .chain([format!("include/postgresql/{major}/server/postgres.h")])
        .all(|file| base.join(file).exists())
}

/// Where Debian and Ubuntu put a major.
pub fn home_of(major: u32) -> PathBuf {
    PathBuf::from(format!("/usr/lib/postgresql/{major}"))
}

fn offered_major() -> Option<u32> {
    let offers = |package: &str| process::read(Command::new("apt-cache").args(["depends", package])).ok();
    let default = offers("postgresql").and_then(|depends| default_major(&depends));
    default
        .filter(|major| MAJORS.contains(major))
        .or_else(|| MAJORS.into_iter().find(|major| offers(&format!("postgresql-{major}")).is_some()))
}

/// The major on which the package `postgresql` depends, from what `apt-cache depends` prints.
fn default_major(depends: &str) -> Option<u32> {
    depends.lines().find_map(|line| line.trim().strip_prefix("Depends: postgresql-")?.parse().ok())
}

fn wanted(needs: Needs, major: u32) -> Vec<Package> {
    let mut wanted = vec![
        ("build-essential".to_string(), "links the extension"),
        ("clang".into(), "reads PostgreSQL's headers for pgrx"),
        ("libclang-dev".into(), "reads PostgreSQL's headers for pgrx"),
    ];
    if needs.server && !is_complete(major) {
        wanted.push((format!("postgresql-{major}"), "the server; we run a private copy of it"));
        wanted.push((format!("postgresql-server-dev-{major}"), "the server's headers and test programs"));
    }
    if needs.tests {
        wanted.push(("libipc-run-perl".into(), "drives the servers of PostgreSQL's TAP tests"));
    }
    if needs.sources {
        wanted.push(("bison".into(), "builds another PostgreSQL from its sources"));
        wanted.push(("flex".into(), "builds another PostgreSQL from its sources"));
        // Present on every full system, absent from minimal images.
        wanted.push(("perl".into(), "builds another PostgreSQL from its sources"));
    }
    if needs.wheel {
        wanted.push(("python3-pip".into(), "fetches what comes as a Python wheel"));
    }
    if needs.hypopg {
        wanted.push((format!("postgresql-{major}-hypopg"), "what a benchmark compares with"));
    }
    if needs.partman {
        wanted.push((format!("postgresql-{major}-partman"), "what a benchmark compares with"));
    }
    wanted.into_iter().map(|(name, why)| Package { name, why }).collect()
}

/// Those of the packages that are not installed.
fn missing(mut packages: Vec<Package>) -> Outcome<Vec<Package>> {
    if !process::succeeds(Command::new("dpkg-query").arg("--version")) {
        require_apt()?;
    }
    packages.retain(|package| !is_installed(&package.name));
    Ok(packages)
}

fn is_installed(package: &str) -> bool {
    let query = ["-W", "-f", "${db:Status-Status}", package];
    process::read(Command::new("dpkg-query").args(query)).is_ok_and(|status| status == "installed")
        // A Python that somebody installed by hand brings its own pip.
        || package == "python3-pip" && has_pip()
}

fn has_pip() -> bool {
    process::succeeds(Command::new("python3").args(["-m", "pip", "--version"]))
}

fn require_apt() -> Outcome {
    if process::succeeds(Command::new("apt-get").arg("--version")) {
        return Ok(());
    }
    Err(Failure::new(
        "this command sets up Debian and Ubuntu only. Elsewhere, install PostgreSQL with its development files, \
         clang and cargo-pgrx yourself, then run: cargo xtask install --pg-config PATH",
    ))
}

/// A new server package would create a system cluster and start it. Nobody asked for one here, so this drop-in, which
/// Debian's tools read beside their own configuration, says no; it goes as soon as the packages are installed, so that
/// whoever installs PostgreSQL later gets the usual behaviour.
const NO_CLUSTER: &str = "/etc/postgresql-common/createcluster.d/dbmastery.conf";

fn install(step: &Step, packages: &[Package]) -> Outcome {
    require_apt()?;
    let names: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    let installation = format!(
        "DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -y --no-install-recommends {}",
        names.join(" ")
    );
    let (folder, _) = NO_CLUSTER.rsplit_once('/').unwrap_or_default();
    let brings_server = packages.iter().any(|package| package.name.starts_with("postgresql-"));
    let mut commands = vec!["apt-get -o DPkg::Lock::Timeout=600 update".to_string()];
    if brings_server {
        step.note("no system cluster is created: we only need the programs");
        commands.push(format!("mkdir -p {folder}"));
        commands.push(format!("echo create_main_cluster = false > {NO_CLUSTER}"));
    }
    commands.push(installation);
    if brings_server {
        commands.push(format!("rm -f {NO_CLUSTER}"));
    }
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    as_root(step, "apt", &commands)
}

/// Runs shell commands as root if that needs no question; otherwise shows them and stops.
fn as_root(step: &Step, name: &str, commands: &[&str]) -> Outcome {
    let shell = if user::is_root() {
        Command::new("sh")
    } else if process::succeeds(Command::new("sudo").args(["-n", "true"])) {
        let mut sudo = Command::new("sudo");
        sudo.args(["-n", "sh"]);
        sudo
    } else {
        let lines: Vec<String> = commands.iter().map(|command| format!("  sudo sh -c '{command}'")).collect();
        return Err(Failure::new(format!(
            "installing this takes root's rights, which we do not have without a password. Run\n\n{}\n\n\
             and then the same cargo xtask command again.",
            lines.join("\n")
        )));
    };
    let mut shell = shell;
    // The drop-in goes however the script ends.
    let script = format!("trap 'rm -f {NO_CLUSTER}' EXIT\n{}", commands.join("\n"));
    step.run_unstoppable(name, shell.args(["-eu", "-c", &script]).current_dir("/")).map(drop)
}

/// The version that our manifest pins pgrx to.
fn pgrx_version(manifest: &str) -> Outcome<String> {
    manifest
        .lines()
        .filter(|line| line.starts_with("pgrx ") || line.starts_with("pgrx="))
        .find_map(|line| Some(line.split_once("\"=")?.1.split_once('"')?.0.to_owned()))
        .ok_or_else(|| Failure::new("Cargo.toml does not pin pgrx to one version (\"=x.y.z\")"))
}

fn find_cargo_pgrx(place: &Place, version: &str) -> Option<PathBuf> {
    let on_path = env::var_os("PATH")?;
    let candidates = env::split_paths(&on_path).map(|folder| folder.join("cargo-pgrx"));
    std::iter::once(own_root(place, version).join("bin/cargo-pgrx")).chain(candidates).find(|candidate| {
        candidate.exists()
            && process::read(Command::new(candidate).args(["pgrx", "--version"]))
                .is_ok_and(|said| said.split_whitespace().last() == Some(version))
    })
}

fn own_root(place: &Place, version: &str) -> PathBuf {
    place.cache.join(format!("cargo-pgrx-{version}"))
}

/// Installs into a root of our own: another version in the person's ~/.cargo/bin stays as it is.
fn install_cargo_pgrx(place: &Place, step: &Step, version: &str) -> Outcome<PathBuf> {
    let root = own_root(place, version);
    // Kept until the end, so that an interrupted installation goes on where it stopped.
    let build = place.cache.join("cargo-pgrx-build");
    let mut cargo = Command::new("cargo");
    cargo
        .args(["install", "cargo-pgrx", "--version", version, "--locked", "--debug"])
        // The default features download PostgreSQL, which we never let it do, and need OpenSSL's development files.
        .args(["--no-default-features", "--root"])
        .arg(&root)
        .env("CARGO_TARGET_DIR", &build)
        .current_dir("/");
    step.run("cargo-pgrx", &mut cargo)?;
    files::remove(&build)?;
    Ok(root.join("bin/cargo-pgrx"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::write;

    #[test]
    fn a_server_without_headers_is_not_complete() {
        let base = env::temp_dir().join(format!("xtask-setup-{}", std::process::id()));
        let home = base.join("lib/postgresql/15");
        let programs = ["bin/postgres", "bin/pg_config", "lib/pgxs/src/test/regress/pg_regress"];
        let headers = base.join("include/postgresql/15/server/postgres.h");
        for file in programs.map(|program| home.join(program)).iter().chain([&headers]) {
            assert!(!is_complete_below(&base, 15), "without {}", file.display());
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            write(file, "").unwrap();
        }
        assert!(is_complete_below(&base, 15));
        std::fs::remove_dir_all(base).unwrap();
    }

    #[test]
    fn the_default_major_is_what_postgresql_depends_on() {
        let depends = "postgresql\n  Depends: postgresql-15\n  Suggests: postgresql-doc\n";
        assert_eq!(default_major(depends), Some(15));
        assert_eq!(default_major("postgresql\n  Depends: postgresql-client-common\n"), None);
    }

    #[test]
    fn the_pinned_version_is_read_from_the_manifest() {
        let manifest =
            "[dependencies]\npgrx-tests = \"=9.9.9\"\npgrx = { version = \"=0.18.1\", optional = true }\n";
        assert_eq!(pgrx_version(manifest), Ok("0.18.1".into()));
        assert!(pgrx_version("pgrx = { version = \"0.18\" }").is_err());
    }

    #[test]
    fn our_own_manifest_pins_pgrx() {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
        assert!(pgrx_version(&read(&manifest).unwrap()).is_ok());
    }

    #[test]
    fn a_demo_asks_for_no_test_tools() {
        let names = |needs| wanted(needs, 15).into_iter().map(|package| package.name).collect::<Vec<_>>();
        assert!(!names(Needs { server: true, ..Needs::default() }).contains(&"libipc-run-perl".to_string()));
        assert!(names(Needs { tests: true, ..Needs::default() }).contains(&"libipc-run-perl".to_string()));
        let hypopg = "postgresql-15-hypopg".to_string();
        assert!(!names(Needs { tests: true, wheel: true, ..Needs::default() }).contains(&hypopg));
        assert!(names(Needs { hypopg: true, ..Needs::default() }).contains(&hypopg));
    }
}
