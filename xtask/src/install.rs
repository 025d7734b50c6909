//! `cargo xtask install`: puts the extension into a PostgreSQL that somebody already runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::console::{Console, Step, say};
use crate::extension::{Builder, NAME};
use crate::failure::{Attempt, Failure, Outcome};
use crate::files::files;
use crate::place::Place;
use crate::process;
use crate::server::{self, Installation, Origin};
use crate::setup::{self, Needs};
use crate::user::{self, User};

/// Builds for the PostgreSQL behind `pg_config`, or the first one found, and copies the files into it.
pub fn run(place: &Place, pg_config: Option<&Path>) -> Outcome {
    let pg_config = find_pg_config(pg_config)?;
    let installation = Installation::ask(&pg_config)?;
    let major = installation.major;
    if !installation.headers.join("postgres.h").exists() {
        return Err(Failure::new(format!(
            "PostgreSQL {major} lacks its development files ({} has no postgres.h); \
             on Debian and Ubuntu: sudo apt-get install postgresql-server-dev-{major}",
            installation.headers.display()
        )));
    }
    let mut console = Console::new(setup::STEPS + 2, place.logs());
    let machine = setup::prepare(place, &mut console, Needs::default())?;

    let step = console.begin(&format!("the extension for PostgreSQL {major} of {}", pg_config.display()));
    let folder = place.work.join("install");
    let builder = if pg_config == setup::home_of(major).join("bin/pg_config") {
        // The demo and the tests build for a copy of this very server; what they compiled serves here too.
        let user = User::find()?;
        let (server, _) = server::copy(&Origin::distribution(major), &place.ground(&user)?, &user, &step)?;
        Builder::for_server(place, &machine.cargo_pgrx, &server)
    } else {
        Builder::for_installation(place, &machine.cargo_pgrx, major, &pg_config)
    };
    builder.lay_out(&pg_config, &folder, &step)?;
    step.done("");

    let step = console.begin("copying");
    for file in files(&folder)? {
        let target = installation.folder_of(&file);
        copy(&file, target, &step)?;
    }
    step.done("");
    say!("\nIn the database that you want to look at, as a superuser:\n\n  CREATE EXTENSION {NAME};\n");
    say!(
        "Nothing needs to be preloaded, and the server needs no restart. If an older version is there already:\n"
    );
    say!("  ALTER EXTENSION {NAME} UPDATE;");
    Ok(())
}

impl Installation {
    /// Where a file of the extension belongs.
    pub fn folder_of(&self, file: &Path) -> &Path {
        if file.extension().is_some_and(|end| end == "so") { &self.libraries } else { &self.extensions }
    }
}

fn find_pg_config(named: Option<&Path>) -> Outcome<PathBuf> {
    if let Some(named) = named {
        return named.canonicalize().attempting(|| format!("cannot find {}", named.display()));
    }
    // Debian's wrapper of this name answers for the newest server; the folder of a major is more exact.
    let of_majors = setup::MAJORS.rev().map(|major| setup::home_of(major).join("bin/pg_config"));
    let on_path = process::read(Command::new("sh").args(["-c", "command -v pg_config"])).ok();
    let candidates = of_majors.chain(on_path.map(|path| PathBuf::from(path.trim())));
    let found: Vec<PathBuf> = candidates.filter(|path| path.exists()).collect();
    match found.as_slice() {
        [] => Err(Failure::new("there is no pg_config here; name one with --pg-config PATH")),
        [only] => Ok(only.clone()),
        [first, ..] => {
            say!("several PostgreSQL found; using {} (choose with --pg-config PATH)", first.display());
            Ok(first.clone())
        }
    }
}

/// Copies as ourselves if we may, else with sudo. The new file replaces the old by its name only, so that sessions
/// which have the old library open go on with it.
fn copy(file: &Path, folder: &Path, step: &Step) -> Outcome {
    let name = file.file_name().unwrap_or_default();
    let target = folder.join(name);
    step.note(&target.display().to_string());
    let may_write = user::is_root() || is_writable(folder);
    // install(1) removes an existing target before it writes.
    let mut install = if may_write { Command::new("install") } else { Command::new("sudo") };
    if !may_write {
        install.arg("install");
    }
    let mode = if file.extension().is_some_and(|end| end == "so") { "755" } else { "644" };
    install.args(["-D", "-m", mode]).arg(file).arg(&target);
    // In our own process group, so that sudo may ask for a password.
    let status = install.status().attempting(|| "cannot copy".into())?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::new(format!(
            "cannot write {}; copy {} there yourself",
            target.display(),
            file.display()
        )))
    }
}

fn is_writable(folder: &Path) -> bool {
    let probe = folder.join(format!(".{NAME}-{}", std::process::id()));
    let created = fs::create_dir_all(folder).and_then(|()| fs::write(&probe, "")).is_ok();
    // Nothing to remove where nothing could be created.
    let _ = fs::remove_file(&probe);
    created
}
