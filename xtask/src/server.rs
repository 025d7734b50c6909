//! A private copy of a PostgreSQL installation. PostgreSQL finds its files relative to its program, so a copy works
//! wherever it lies; the extension goes into the copy, and the system's folders are never written.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::console::Step;
use crate::failure::{Attempt, Failure, Outcome};
use crate::files::files;
use crate::files::{fresh, remove};
use crate::fingerprint::{self, Fingerprint};
use crate::leftovers;
use crate::process;
use crate::setup;
use crate::user::User;

/// An installation that can be copied.
pub struct Origin {
    /// The PostgreSQL major.
    pub major: u32,
    /// The folder that the other paths are relative to.
    pub base: PathBuf,
    /// What to copy.
    pub parts: Vec<String>,
    /// The folder of the programs.
    pub bin: String,
    /// The folder of libpq, unless the system's own serves.
    pub libraries: Option<String>,
}

/// A private copy.
#[derive(Clone, Debug)]
pub struct Server {
    /// The PostgreSQL major.
    pub major: u32,
    /// The root of the copy.
    pub root: PathBuf,
    /// The folder of its programs.
    pub bin: PathBuf,
    /// The user who runs it.
    pub user: User,
    /// Changes when the copied installation does.
    pub fingerprint: String,
    libraries: Option<PathBuf>,
}

/// PostgreSQL's own test programs.
pub struct TestPrograms {
    /// Compares the output of SQL files with what is expected.
    pub regress: PathBuf,
    /// Does the same for sessions that interleave.
    pub isolation: PathBuf,
    /// Where the Perl modules `PostgreSQL::Test` are.
    pub perl: PathBuf,
}

impl Origin {
    /// The distribution's installation of a major.
    pub fn distribution(major: u32) -> Self {
        Origin {
            major,
            base: "/usr".into(),
            parts: vec![
                format!("lib/postgresql/{major}"),
                format!("share/postgresql/{major}"),
                "include/postgresql".into(),
            ],
            bin: format!("lib/postgresql/{major}/bin"),
            libraries: None,
        }
    }

    /// Changes when the installation is upgraded, gets its headers, or an extension is added to it.
    fn fingerprint(&self) -> Outcome<String> {
        let bin = self.base.join(&self.bin);
        let mut fingerprint = Fingerprint::new().word(&bin.to_string_lossy());
        for file in ["postgres", "pg_config", "psql"] {
            fingerprint = fingerprint.stamp(&bin.join(file));
        }
        let folder = |option: &str| ask(&mut Command::new(bin.join("pg_config")), option).map(PathBuf::from);
        for option in ["--pkglibdir", "--sharedir"] {
            let folder = folder(option)?;
            fingerprint = fingerprint.stamp(&folder).stamp(&folder.join("extension"));
        }
        // Debian has them in a package of their own: a copy from before it came has none.
        fingerprint = fingerprint.stamp(&folder("--includedir-server")?.join("postgres.h"));
        Ok(fingerprint.text())
    }
}

/// Copies `origin` to a folder below `ground`, unless the copy there is current.
pub fn copy(origin: &Origin, ground: &Path, user: &User, step: &Step) -> Outcome<(Server, bool)> {
    let root = ground.join(format!("pg{}", origin.major));
    let fingerprint = origin.fingerprint()?;
    let marker = root.join("copied");
    let current = fingerprint::is_current(&marker, &fingerprint);
    if !current {
        let new = ground.join(format!("pg{}.new", origin.major));
        fresh(&new)?;
        let mut cp = Command::new("cp");
        cp.args(["-a", "--parents"]).args(&origin.parts).arg(&new).current_dir(&origin.base);
        step.run(&format!("copy-pg{}", origin.major), &mut cp)?;
        fingerprint::mark(&new.join("copied"), &fingerprint)?;
        remove(&root)?;
        fs::rename(&new, &root).attempting(|| format!("cannot create {}", root.display()))?;
    }
    let server = Server {
        major: origin.major,
        bin: root.join(&origin.bin),
        libraries: origin.libraries.as_ref().map(|folder| root.join(folder)),
        user: user.clone(),
        fingerprint,
        root,
    };
    Ok((server, current))
}

impl Server {
    /// One of the server's programs, in an environment that knows nothing of the person's own PostgreSQL settings.
    pub fn program(&self, name: &str) -> Command {
        self.command(&self.bin.join(name))
    }

    /// Any program, with the server's programs first on its path and a clean environment.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        // Not inherited: PGHOST and its kin, locales, and RUST_BACKTRACE, which would make every ERROR slow.
        command
            .env_clear()
            .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", self.bin.display()))
            .env("HOME", "/nonexistent")
            .env(leftovers::MARK, "1")
            .env("LC_ALL", "C")
            .env("PGCLIENTENCODING", "UTF8")
            .current_dir(&self.root);
        if let Some(libraries) = &self.libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        command
    }

    /// A copy of this copy, for whoever wants to change its files.
    pub fn copied_to(&self, root: &Path, step: &Step) -> Outcome<Server> {
        let mut cp = Command::new("cp");
        step.run("copy-server", cp.arg("-a").arg(&self.root).arg(root))?;
        let moved = |path: &PathBuf| root.join(path.strip_prefix(&self.root).unwrap_or(path));
        Ok(Server {
            root: root.to_owned(),
            bin: moved(&self.bin),
            libraries: self.libraries.as_ref().map(moved),
            ..self.clone()
        })
    }

    /// Takes every file of an extension out of the copy: an old version's script must not stand in for one that the
    /// present build does not bring.
    pub fn remove_extension(&self, name: &str) -> Outcome {
        let installation = Installation::ask(&self.pg_config())?;
        for file in files(&installation.extensions)?.into_iter().chain(files(&installation.libraries)?) {
            if is_of_extension(&file, name) {
                remove(&file)?;
            }
        }
        remove(&self.extension_marker())
    }

    /// The folder in which the copy lies beside everything else that servers use.
    pub fn ground(&self) -> &Path {
        self.root.parent().unwrap_or(&self.root)
    }

    /// The program that tells where the files are.
    pub fn pg_config(&self) -> PathBuf {
        self.bin.join("pg_config")
    }

    /// The file that says which build of the extension is installed.
    pub fn extension_marker(&self) -> PathBuf {
        self.root.join("extension")
    }

    /// One answer of pg_config, such as `--pkglibdir`.
    pub fn config(&self, option: &str) -> Outcome<String> {
        ask(&mut self.program("pg_config"), option)
    }

    /// PostgreSQL's test programs: those of this server, or those of `other` if it carries none. They speak to a
    /// server only through SQL, so those of another major serve as well.
    pub fn test_programs(&self, other: Option<&Server>) -> Outcome<TestPrograms> {
        for server in std::iter::once(self).chain(other) {
            let makefile = PathBuf::from(server.config("--pgxs")?);
            let Some(source) = makefile.parent().and_then(Path::parent) else { continue };
            let programs = TestPrograms {
                regress: source.join("test/regress/pg_regress"),
                isolation: source.join("test/isolation/pg_isolation_regress"),
                perl: source.join("test/perl"),
            };
            if programs.regress.exists() && programs.isolation.exists() && programs.perl.exists() {
                return Ok(programs);
            }
        }
        Err(Failure::new(format!("PostgreSQL {} comes without its test programs", self.major)))
    }
}

fn ask(pg_config: &mut Command, option: &str) -> Outcome<String> {
    Ok(process::read(pg_config.arg(option))?.trim().to_owned())
}

/// Where the server behind a pg_config keeps what we install, and its major.
pub struct Installation {
    /// The PostgreSQL major.
    pub major: u32,
    /// For the shared library.
    pub libraries: PathBuf,
    /// For the control file and the SQL.
    pub extensions: PathBuf,
    /// Where the headers should be.
    pub headers: PathBuf,
}

impl Installation {
    /// Asks a pg_config that a person named.
    pub fn ask(pg_config: &Path) -> Outcome<Self> {
        let answer = |option: &str| ask(&mut Command::new(pg_config), option);
        let version = answer("--version")?;
        let major = major_of(&version)
            .filter(|major| setup::MAJORS.contains(major))
            .ok_or_else(|| Failure::new(format!("dbmastery needs PostgreSQL 15 to 18; this is {version}")))?;
        Ok(Installation {
            major,
            libraries: answer("--pkglibdir")?.into(),
            extensions: Path::new(&answer("--sharedir")?).join("extension"),
            headers: answer("--includedir-server")?.into(),
        })
    }
}

/// Whether a file's name says that it belongs to the extension `name`: its control file, a script or its library.
pub fn is_of_extension(file: &Path, name: &str) -> bool {
    let file_name = file.file_name().unwrap_or_default().to_string_lossy();
    file_name.strip_prefix(name).is_some_and(|rest| rest.starts_with('.') || rest.starts_with("--"))
}

/// The major in `PostgreSQL 15.20 (Debian …)`, also of a beta.
fn major_of(version: &str) -> Option<u32> {
    let number = version.strip_prefix("PostgreSQL ")?;
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_extensions_own_files_are_its_own() {
        for name in ["x.control", "x--1.0.sql", "x--1.0--1.1.sql", "x.so"] {
            assert!(is_of_extension(&Path::new("/a").join(name), "x"), "{name}");
        }
        assert!(!is_of_extension(Path::new("/a/xy.control"), "x"));
        assert!(!is_of_extension(Path::new("/x/y.control"), "x"));
    }

    #[test]
    fn headers_that_came_later_are_noticed() {
        let base = std::env::temp_dir().join(format!("xtask-server-{}", std::process::id()));
        fs::create_dir_all(base.join("bin")).unwrap();
        // By a shell: a file that we had open for writing could not be executed while another test forks.
        let script =
            r#"cd "$0/bin"; printf '#!/bin/sh\necho "${0%%/bin/*}/$1"\n' >pg_config; chmod 755 pg_config"#;
        process::read(Command::new("sh").args(["-c", script]).arg(&base)).unwrap();
        let origin =
            Origin { major: 15, base: base.clone(), parts: Vec::new(), bin: "bin".into(), libraries: None };
        let without = origin.fingerprint().unwrap();
        assert_eq!(origin.fingerprint().unwrap(), without);
        fs::create_dir(base.join("--includedir-server")).unwrap();
        fs::write(base.join("--includedir-server/postgres.h"), "").unwrap();
        assert_ne!(origin.fingerprint().unwrap(), without);
        fs::remove_dir_all(base).unwrap();
    }

    #[test]
    fn majors_are_read_from_releases_and_betas() {
        assert_eq!(major_of("PostgreSQL 15.20 (Debian 15.20-0+deb12u1)"), Some(15));
        assert_eq!(major_of("PostgreSQL 19beta2"), Some(19));
        assert_eq!(major_of("EDB 15"), None);
    }
}
