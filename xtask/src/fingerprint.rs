//! Whether anything changed since something was made: a hash over names and contents.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::failure::{Attempt, Outcome};
use crate::files::{files, write};

/// Collects what a made thing depends on.
#[derive(Default)]
pub struct Fingerprint(DefaultHasher);

impl Fingerprint {
    /// A fingerprint of nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a word: a version, a feature, another fingerprint.
    pub fn word(mut self, word: &str) -> Self {
        word.hash(&mut self.0);
        self
    }

    /// Adds the names and contents of a file, or of all files below a folder. A missing one counts as missing.
    pub fn contents(mut self, path: &Path) -> Outcome<Self> {
        for file in files(path)? {
            // Relative, so that two checkouts of the same sources agree.
            file.strip_prefix(path).unwrap_or(&file).hash(&mut self.0);
            let bytes = fs::read(&file).attempting(|| format!("cannot read {}", file.display()))?;
            bytes.hash(&mut self.0);
        }
        Ok(self)
    }

    /// Adds size and time of change of one file or folder: enough to notice that a package was upgraded.
    pub fn stamp(mut self, path: &Path) -> Self {
        let stamp = fs::metadata(path).map(|found| (found.len(), found.mtime(), found.mtime_nsec())).ok();
        stamp.hash(&mut self.0);
        self
    }

    /// The fingerprint as text.
    pub fn text(&self) -> String {
        format!("{:016x}", self.0.finish())
    }
}

/// Whether the marker file `marker` says that its thing was made from `fingerprint`.
pub fn is_current(marker: &Path, fingerprint: &str) -> bool {
    fs::read_to_string(marker).is_ok_and(|marked| marked.trim() == fingerprint)
}

/// Leaves a marker: the thing beside it is complete and was made from `fingerprint`.
pub fn mark(marker: &Path, fingerprint: &str) -> Outcome {
    write(marker, fingerprint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &Path) -> String {
        Fingerprint::new().contents(path).unwrap().text()
    }

    #[test]
    fn names_and_contents_count_but_not_the_folder_around_them() {
        let base = std::env::temp_dir().join(format!("xtask-fingerprint-{}", std::process::id()));
        let (one, other) = (base.join("one"), base.join("other"));
        for folder in [&one, &other] {
            fs::create_dir_all(folder.join("deep")).unwrap();
            fs::write(folder.join("deep/a"), "1").unwrap();
        }
        assert_eq!(of(&one), of(&other));
        fs::write(other.join("deep/a"), "2").unwrap();
        assert_ne!(of(&one), of(&other));
        fs::write(other.join("deep/a"), "1").unwrap();
        assert_eq!(of(&one), of(&other));
        fs::rename(other.join("deep/a"), other.join("deep/b")).unwrap();
        assert_ne!(of(&one), of(&other));
        assert_ne!(of(&one), of(&base.join("missing")));

        let marker = base.join("marker");
        assert!(!is_current(&marker, "x"));
        mark(&marker, "x").unwrap();
        assert!(is_current(&marker, "x") && !is_current(&marker, "y"));
        fs::remove_dir_all(base).unwrap();
    }
}
