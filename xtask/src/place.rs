//! Where things are: the checkout, what we build beside it, and what outlives it.

use std::env;
use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::console::say;
use crate::failure::{Attempt, Failure, Outcome};
use crate::fingerprint::Fingerprint;
use crate::leftovers;
use crate::user::{self, User};

/// The folders of one checkout.
#[derive(Clone, Debug)]
pub struct Place {
    /// The root of the checkout.
    pub checkout: PathBuf,
    /// What is the builder's alone: logs, the lock, the configuration of cargo-pgrx.
    pub work: PathBuf,
    /// Where cargo builds; one folder below it for each PostgreSQL major.
    pub build: PathBuf,
    /// What is worth keeping when `target/` goes and is shared by all checkouts.
    pub cache: PathBuf,
    /// The name under which the servers' folder is found, see [`Place::ground`].
    ground: PathBuf,
}

impl Place {
    /// Finds the checkout that this program was started for.
    pub fn find() -> Outcome<Self> {
        // cargo sets the variable when it runs us; the compile-time value serves a binary that was started by hand.
        let package = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let checkout = Path::new(&package)
            .parent()
            .ok_or_else(|| Failure::new("cannot find the checkout"))?
            .canonicalize()
            .attempting(|| "cannot find the checkout".into())?;
        let cache = env::var_os("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .filter(|folder| folder.is_absolute())
            .or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".cache")))
            .ok_or_else(|| Failure::new("neither XDG_CACHE_HOME nor HOME is set"))?
            .join("dbmastery");
        let target = checkout.join("target");
        let build = match env::var_os("CARGO_TARGET_DIR") {
            Some(folder) => checkout.join(folder),
            None => target.clone(),
        };
        let work = target.join("xtask");
        for folder in [&work, &cache] {
            fs::create_dir_all(folder).attempting(|| format!("cannot create {}", folder.display()))?;
        }
        Ok(Place { work, build, cache, ground: target.join("dbmastery"), checkout })
    }

    /// Where full outputs of programs go.
    pub fn logs(&self) -> PathBuf {
        self.work.join("log")
    }

    /// The servers' folder if it is there already.
    pub fn existing_ground(&self) -> Option<PathBuf> {
        self.ground.canonicalize().ok()
    }

    /// The servers' folder: `target/dbmastery`. If the servers' user cannot enter the checkout, as below root's
    /// home, the folder lies in /var/tmp and `target/dbmastery` points to it.
    pub fn ground(&self, user: &User) -> Outcome<PathBuf> {
        if let Some(found) = self.existing_ground().filter(|found| user.can_enter(found)) {
            return Ok(found);
        }
        if fs::symlink_metadata(&self.ground).is_err() {
            fs::create_dir_all(&self.ground)
                .attempting(|| format!("cannot create {}", self.ground.display()))?;
            user::let_all_enter(&self.ground)?;
            if user.can_enter(&self.ground) {
                return Ok(self.ground.clone());
            }
        }
        let elsewhere = Path::new("/var/tmp")
            .join(format!("dbmastery-{}", Fingerprint::new().word(&self.checkout.to_string_lossy()).text()));
        user::own_folder(&elsewhere)?;
        // With a demo in it, if the checkout was moved to where the user cannot follow.
        leftovers::remove(&self.ground)?;
        symlink(&elsewhere, &self.ground)
            .attempting(|| format!("cannot create {}", self.ground.display()))?;
        Ok(elsewhere)
    }

    /// Takes the checkout for ourselves, waiting for another command if one is at work.
    /// The lock goes with the process, however that ends.
    pub fn lock(&self) -> Outcome<File> {
        let path = self.work.join("lock");
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .attempting(|| format!("cannot open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = fs::read_to_string(&path).unwrap_or_default();
                say!("waiting for another cargo xtask in this checkout (process {})", holder.trim());
                file.lock().attempting(|| format!("cannot lock {}", path.display()))?;
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).attempting(|| "cannot lock the checkout".into());
            }
        }
        file.set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .attempting(|| format!("cannot write {}", path.display()))?;
        Ok(file)
    }
}
