//! Reading, writing and removing files, with words for what goes wrong.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::{Attempt, Outcome};

/// The text of a file; bytes that are no UTF-8 are replaced.
pub fn read(path: &Path) -> Outcome<String> {
    let bytes = fs::read(path).attempting(|| format!("cannot read {}", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The text of a file that need not be there.
pub fn read_if_there(path: &Path) -> Outcome<String> {
    if path.exists() { read(path) } else { Ok(String::new()) }
}

/// Writes a whole file.
pub fn write(path: &Path, text: &str) -> Outcome {
    fs::write(path, text).attempting(|| format!("cannot write {}", path.display()))
}

/// Every file at or below `path`, in a fixed order.
pub fn files(path: &Path) -> Outcome<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(if path.exists() { vec![path.to_owned()] } else { Vec::new() });
    }
    let mut found = Vec::new();
    let entries = fs::read_dir(path).attempting(|| format!("cannot read {}", path.display()))?;
    for entry in entries {
        let entry = entry.attempting(|| format!("cannot read {}", path.display()))?;
        found.extend(files(&entry.path())?);
    }
    found.sort();
    Ok(found)
}

/// Removes a file, a link or a whole folder; one that is not there is fine.
pub fn remove(path: &Path) -> Outcome {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    let removed = if found.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.attempting(|| format!("cannot remove {}", path.display()))
}

/// An empty folder at `path`, whatever was there before.
pub fn fresh(path: &Path) -> Outcome {
    remove(path)?;
    fs::create_dir_all(path).attempting(|| format!("cannot create {}", path.display()))
}
