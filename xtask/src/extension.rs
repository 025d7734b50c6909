//! The extension, built by cargo-pgrx and put into a server or into a folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::console::Step;
use crate::failure::{Failure, Outcome};
use crate::files::fresh;
use crate::fingerprint::{self, Fingerprint};
use crate::place::Place;
use crate::process;
use crate::server::Server;

/// The name of the extension and of its library.
pub const NAME: &str = "dbmastery";

/// What the extension is made from.
const SOURCES: [&str; 6] =
    ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", "dbmastery.control", "src", "sql"];

/// How the extension is compiled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Profile {
    /// As users run it.
    Release,
    /// With the checks that only a development build makes; compiles faster.
    Dev,
}

/// cargo-pgrx, set up for one server. The person's own cargo-pgrx configuration is not touched.
pub struct Builder<'a> {
    place: &'a Place,
    cargo_pgrx: &'a Path,
    major: u32,
    pg_config: PathBuf,
    /// Tells builds against different installations of one major apart.
    name: String,
}

impl<'a> Builder<'a> {
    /// A builder for a private copy.
    pub fn for_server(place: &'a Place, cargo_pgrx: &'a Path, server: &Server) -> Self {
        let name = format!("pg{}", server.major);
        Builder { place, cargo_pgrx, major: server.major, pg_config: server.pg_config(), name }
    }

    /// A builder for an installation of which only the pg_config is known.
    pub fn for_installation(place: &'a Place, cargo_pgrx: &'a Path, major: u32, pg_config: &Path) -> Self {
        let fingerprint = Fingerprint::new().word(&pg_config.to_string_lossy()).text();
        let name = format!("pg{major}-{fingerprint}");
        Builder { place, cargo_pgrx, major, pg_config: pg_config.to_owned(), name }
    }

    /// The cargo feature that stands for the server's major.
    pub fn feature(&self) -> String {
        format!("pg{}", self.major)
    }

    /// Prepares the environment of any cargo command that compiles for this server.
    pub fn equip(&self, command: &mut Command) {
        command
            .current_dir(&self.place.checkout)
            .env("CARGO_TARGET_DIR", self.place.build.join(&self.name))
            .env("PGRX_HOME", self.home())
            // Without this, cargo-pgrx builds with linker flags of its own, and so every dependency a second time.
            .env("CARGO_PGRX_DISABLE_GC_SECTIONS_WORKAROUND", "1");
    }

    /// Tells cargo-pgrx where the server is.
    pub fn configure(&self, step: &Step) -> Outcome {
        let marker = self.home().join("configured");
        let fingerprint =
            Fingerprint::new().word(&self.pg_config.to_string_lossy()).stamp(self.cargo_pgrx).text();
        if fingerprint::is_current(&marker, &fingerprint) {
            return Ok(());
        }
        fresh(&self.home())?;
        let mut init = self.pgrx("init");
        init.arg(format!("--{}", self.feature())).arg(&self.pg_config).arg("--no-run");
        step.run(&format!("pgrx-init-{}", self.name), &mut init)?;
        fingerprint::mark(&marker, &fingerprint)
    }

    /// Installs the extension into `server` unless what is there is current; says whether it was.
    pub fn install(&self, server: &Server, profile: Profile, step: &Step) -> Outcome<bool> {
        let marker = server.extension_marker();
        let fingerprint = self.fingerprint(&server.fingerprint, profile)?;
        if fingerprint::is_current(&marker, &fingerprint) {
            return Ok(true);
        }
        self.configure(step)?;
        server.remove_extension(NAME)?;
        let mut install = self.pgrx("install");
        self.select(&mut install, profile);
        step.run(&format!("build-{}", self.name), install.arg("--pg-config").arg(&self.pg_config))?;
        fingerprint::mark(&marker, &fingerprint)?;
        Ok(false)
    }

    /// Lays the release build out below `folder`, by the paths that it has in the installation of `pg_config`.
    pub fn lay_out(&self, pg_config: &Path, folder: &Path, step: &Step) -> Outcome {
        self.configure(step)?;
        fresh(folder)?;
        let mut package = self.pgrx("package");
        // Packages are release builds unless told otherwise.
        package.args(["--no-default-features", "--features", &self.feature()]);
        package.arg("--pg-config").arg(pg_config).arg("--out-dir").arg(folder);
        step.run(&format!("package-{}", self.name), &mut package).map(drop)
    }

    fn select(&self, command: &mut Command, profile: Profile) {
        command.args(["--no-default-features", "--features", &self.feature()]);
        if profile == Profile::Release {
            command.arg("--release");
        }
    }

    fn pgrx(&self, subcommand: &str) -> Command {
        let mut command = Command::new(self.cargo_pgrx);
        command.args(["pgrx", subcommand]);
        self.equip(&mut command);
        command
    }

    fn home(&self) -> PathBuf {
        self.place.work.join("pgrx").join(&self.name)
    }

    fn fingerprint(&self, server: &str, profile: Profile) -> Outcome<String> {
        let compiler = process::read(Command::new("rustc").arg("-vV").current_dir(&self.place.checkout))?;
        let mut fingerprint = Fingerprint::new()
            .word(server)
            .word(&compiler)
            .word(&format!("{profile:?}"))
            .stamp(self.cargo_pgrx);
        for source in SOURCES {
            fingerprint = fingerprint.word(source).contents(&self.place.checkout.join(source))?;
        }
        Ok(fingerprint.text())
    }
}

/// The extension's version: the one in our manifest, as cargo-pgrx writes it into the control file.
pub fn version(manifest: &str) -> Outcome<String> {
    manifest
        .lines()
        .skip_while(|line| line.trim() != "[package]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .find_map(|line| line.strip_prefix("version")?.split('"').nth(1).map(str::to_owned))
        .ok_or_else(|| Failure::new("Cargo.toml has no package version"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_packages_own() {
        let manifest = "[workspace.package]\nversion = \"9\"\n[package]\nname = \"x\"\nversion = \"0.1.0\"\n\
                        [dependencies]\nversion = \"1\"\n";
        assert_eq!(version(manifest), Ok("0.1.0".into()));
        assert!(version("[package]\nname = \"x\"\n[dependencies]\nversion = \"1\"\n").is_err());
    }
}
