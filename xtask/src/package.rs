//! `cargo xtask package`: a Debian package for the distribution's PostgreSQL, and a plain tarball; both are tried out.

use std::env::consts::ARCH;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cluster::{Borrowed, Cluster};
use crate::console::{Console, Step, say};
use crate::extension::{self, Builder, NAME};
use crate::failure::{Failure, Outcome};
use crate::files::{files, fresh, read, remove, write};
use crate::leftovers;
use crate::place::Place;
use crate::process;
use crate::server::{self, Installation, Origin, Server, is_of_extension};
use crate::setup::{self, Needs};
use crate::user::User;

/// Makes both packages and loads the extension from each.
pub fn run(place: &Place) -> Outcome {
    let mut console = Console::new(setup::STEPS + 5, place.logs());
    let machine = setup::prepare(place, &mut console, Needs { server: true, ..Needs::default() })?;
    let user = User::find()?;
    let ground = place.ground(&user)?;
    leftovers::clear(&ground)?;
    let major = machine.major;
    let origin = Origin::distribution(major);

    let step = console.begin(&format!("private copy of PostgreSQL {major}"));
    let (server, _) = server::copy(&origin, &ground, &user, &step)?;
    step.done("");

    let manifest = place.checkout.join("Cargo.toml");
    let manifest = read(&manifest)?;
    let version = extension::version(&manifest)?;
    let output = place.build.join("package");
    let tree = output.join("tree");
    let step = console.begin("the extension, release build");
    let pg_config = setup::home_of(major).join("bin/pg_config");
    Builder::for_server(place, &machine.cargo_pgrx, &server).lay_out(&pg_config, &tree, &step)?;
    for file in files(&tree)? {
        let is_library = file.extension().is_some_and(|end| end == "so");
        if is_library {
            process::read(Command::new("strip").arg("--strip-unneeded").arg(&file))?;
        }
        process::read(Command::new("chmod").arg(if is_library { "755" } else { "644" }).arg(&file))?;
    }
    step.done("");

    let step = console.begin("packages");
    let contents = Contents { place, tree: &tree, output: &output, version: &version, major, step: &step };
    let debian = contents.debian(&manifest)?;
    let tarball = contents.tarball()?;
    step.done("");

    for package in [&debian, &tarball] {
        let name = package.file_name().unwrap_or_default().to_string_lossy();
        let step = console.begin(&format!("trying {name}"));
        let trial =
            Trial { server: &server, ground: leftovers::scratch(&ground).join("package"), version: &version };
        let said = trial.run(package, &step)?;
        step.done(&said);
    }
    remove(&tree)?;
    leftovers::clear(&ground)?;
    say!("\n{}\n{}", debian.display(), tarball.display());
    Ok(())
}

struct Contents<'a> {
    place: &'a Place,
    /// The installed files, by their paths in the system.
    tree: &'a Path,
    output: &'a Path,
    version: &'a str,
    major: u32,
    step: &'a Step,
}

impl Contents<'_> {
    fn debian(&self, manifest: &str) -> Outcome<PathBuf> {
        let package = format!("postgresql-{}-{NAME}", self.major);
        let architecture = process::read(Command::new("dpkg").arg("--print-architecture"))?.trim().to_owned();
        let libraries = self.shared_library_dependencies()?;
        let root = self.output.join("debian");
        fresh(&root)?;
        process::read(Command::new("cp").arg("-a").arg(self.tree.join("usr")).arg(&root))?;
        let documents = root.join("usr/share/doc").join(&package);
        fresh(&documents)?;
        write(&documents.join("copyright"), &self.copyright(manifest))?;
        let bytes: u64 =
            files(&root)?.iter().filter_map(|file| fs::metadata(file).ok()).map(|file| file.len()).sum();
        fresh(&root.join("DEBIAN"))?;
        let control = format!(
            "Package: {package}\nVersion: {}\nArchitecture: {architecture}\nSection: database\nPriority: optional\n\
             Maintainer: the {NAME} developers <{NAME}@localhost>\nInstalled-Size: {}\n\
             Depends: postgresql-{}{libraries}\nDescription: {}\n CREATE EXTENSION {NAME} in a database, then read dbm.score() and dbm.audit().\n",
            self.version,
            bytes.div_ceil(1024),
            self.major,
            description(manifest).unwrap_or(NAME),
        );
        write(&root.join("DEBIAN/control"), &control)?;
        process::read(Command::new("chmod").args(["-R", "u+w,go-w,a+rX"]).arg(&root))?;
        let file = self.output.join(format!("{package}_{}_{architecture}.deb", self.version));
        let mut build = Command::new("dpkg-deb");
        self.step.run("dpkg-deb", build.args(["--build", "--root-owner-group"]).arg(&root).arg(&file))?;
        remove(&root)?;
        Ok(file)
    }

    /// The packages of the libraries that ours is linked to, each behind a comma.
    fn shared_library_dependencies(&self) -> Outcome<String> {
        // The program insists on a source package's layout.
        let folder = self.output.join("dependencies");
        fresh(&folder.join("debian"))?;
        write(
            &folder.join("debian/control"),
            &format!("Source: {NAME}\n\nPackage: {NAME}\nArchitecture: any\n"),
        )?;
        let library = files(self.tree)?
            .into_iter()
            .find(|file| file.extension().is_some_and(|end| end == "so"))
            .ok_or_else(|| Failure::new("cargo-pgrx laid out no library"))?;
        let said = process::read(Command::new("dpkg-shlibdeps").arg("-O").arg(library).current_dir(&folder))?;
        remove(&folder)?;
        let dependencies =
            said.lines().find_map(|line| line.strip_prefix("shlibs:Depends=")).unwrap_or_default();
        Ok(if dependencies.is_empty() { String::new() } else { format!(", {dependencies}") })
    }

    fn copyright(&self, manifest: &str) -> String {
        let license = field(manifest, "license").unwrap_or("see the source");
        let entries = fs::read_dir(&self.place.checkout).into_iter().flatten().flatten();
        let mut licenses: Vec<PathBuf> = entries
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("LICENSE"))
            .map(|entry| entry.path())
            .collect();
        licenses.sort();
        let texts = licenses.iter().filter_map(|file| read(file).ok());
        std::iter::once(format!("License: {license}\n")).chain(texts).collect::<Vec<_>>().join("\n")
    }

    fn tarball(&self) -> Outcome<PathBuf> {
        let name = format!("{NAME}-{}-postgresql-{}-linux-{ARCH}", self.version, self.major);
        let root = self.output.join(&name);
        for folder in ["lib", "extension"] {
            fresh(&root.join(folder))?;
        }
        for file in files(self.tree)? {
            let is_library = file.extension().is_some_and(|end| end == "so");
            let target = root.join(if is_library { "lib" } else { "extension" });
            process::read(Command::new("cp").arg("-a").arg(&file).arg(target))?;
        }
        write(
            &root.join("INSTALL"),
            &format!(
                "{NAME} {} for PostgreSQL {} on Linux, {ARCH}\n\n\
                 cp lib/* \"$(pg_config --pkglibdir)\"/\n\
                 cp extension/* \"$(pg_config --sharedir)\"/extension/\n\n\
                 Then, in a database: CREATE EXTENSION {NAME};\n",
                self.version, self.major
            ),
        )?;
        let file = self.output.join(format!("{name}.tar.gz"));
        let mut tar = Command::new("tar");
        tar.args(["--create", "--gzip", "--owner=0", "--group=0", "--file"]).arg(&file).arg(&name);
        self.step.run("tar", tar.current_dir(self.output))?;
        remove(&root)?;
        Ok(file)
    }
}

/// An extension taken out of its package and loaded into a server that never saw another build of it.
struct Trial<'a> {
    server: &'a Server,
    ground: PathBuf,
    version: &'a str,
}

impl Trial<'_> {
    fn run(&self, package: &Path, step: &Step) -> Outcome<String> {
        leftovers::remove(&self.ground)?;
        fresh(&self.ground)?;
        let is_debian = package.extension().is_some_and(|end| end == "deb");
        let unpacked = self.ground.join("unpacked");
        fresh(&unpacked)?;
        let mut unpack = Command::new(if is_debian { "dpkg" } else { "tar" });
        if is_debian {
            unpack.arg("-x").arg(package).arg(&unpacked);
        } else {
            unpack.arg("xf").arg(package).arg("-C").arg(&unpacked);
        }
        step.run("unpack-package", &mut unpack)?;

        let server = self.server.copied_to(&self.ground.join("server"), step)?;
        server.remove_extension(NAME)?;
        let installation = Installation::ask(&server.pg_config())?;
        let mut taken: Vec<PathBuf> = files(&unpacked)?;
        taken.retain(|file| is_of_extension(file, NAME));
        for file in &taken {
            let target = match is_debian {
                // A Debian package names its places itself; a wrong one must not go unnoticed.
                true => server.root.join(file.strip_prefix(unpacked.join("usr")).unwrap_or(file)),
                false => installation.folder_of(file).join(file.file_name().unwrap_or_default()),
            };
            process::read(Command::new("cp").arg(file).arg(&target))?;
        }
        let cluster = Borrowed(Cluster::at(&server, &self.ground.join("cluster")));
        cluster.0.create(step, "C.UTF-8", "")?;
        let query = format!(
            "CREATE EXTENSION {NAME}; SELECT extversion FROM pg_extension WHERE extname = '{NAME}'; \
             SELECT count(*) FROM dbm.rules()"
        );
        let said = cluster.0.ask("postgres", &query)?;
        let mut lines = said.lines();
        let (version, rules) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        if version != self.version {
            return Err(Failure::new(format!("the package holds version {version}, not {}", self.version)));
        }
        drop(cluster);
        leftovers::remove(&self.ground)?;
        Ok(format!("CREATE EXTENSION works, version {version}, {rules} rules"))
    }
}

fn description(manifest: &str) -> Option<&str> {
    field(manifest, "description")
}

/// The first text value of that name in the manifest.
fn field<'a>(manifest: &'a str, name: &str) -> Option<&'a str> {
    let assigned = |line: &'a str| line.strip_prefix(name)?.trim_start().strip_prefix('=');
    manifest.lines().find_map(assigned)?.split('"').nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let manifest = "license-file = \"no\"\nlicense = \"MIT\"\ndescription=\"An extension\"\n";
        assert_eq!(field(manifest, "license"), Some("MIT"));
        assert_eq!(description(manifest), Some("An extension"));
        assert_eq!(field(manifest, "authors"), None);
    }
}
