//! Who runs the servers: PostgreSQL refuses root, so root hands them to an unprivileged user.

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::failure::{Attempt, Failure, Outcome};
use crate::process;

/// The user that Debian's packages create for servers.
const SERVER_USER: &str = "postgres";

/// The operating system user that servers and test programs run as.
#[derive(Clone, Debug)]
pub struct User {
    /// Nothing when we run them as ourselves.
    other: Option<(u32, u32)>,
}

impl User {
    /// Ourselves, or an unprivileged user if we are root. Fails if we are root and that user does not exist yet.
    pub fn find() -> Outcome<Self> {
        if !is_root() {
            return Ok(User { other: None });
        }
        let id = |option: &str| -> Outcome<u32> {
            let text = process::read(Command::new("id").args([option, SERVER_USER]))?;
            text.trim().parse().attempting(|| format!("cannot read the id of user {SERVER_USER}"))
        };
        Ok(User { other: Some((id("-u")?, id("-g")?)) })
    }

    /// Whoever we are.
    #[cfg(test)]
    pub fn ourselves() -> Self {
        User { other: None }
    }

    /// Makes `command` run as this user.
    pub fn takes(&self, command: &mut Command) {
        if let Some((user, group)) = self.other {
            command.uid(user).gid(group);
        }
    }

    /// Gives a file or folder, and all below it, to this user.
    pub fn owns(&self, path: &Path) -> Outcome {
        let Some((user, group)) = self.other else { return Ok(()) };
        give(path, user, group).attempting(|| format!("cannot hand over {}", path.display()))
    }

    /// Whether this user may enter the folder: every folder above it counts, and access lists too.
    pub fn can_enter(&self, folder: &Path) -> bool {
        let mut test = Command::new("sh");
        test.args(["-c", "cd \"$0\""]).arg(folder).current_dir("/");
        self.takes(&mut test);
        process::succeeds(&mut test)
    }
}

fn give(path: &Path, user: u32, group: u32) -> std::io::Result<()> {
    std::os::unix::fs::lchown(path, Some(user), Some(group))?;
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            give(&entry?.path(), user, group)?;
        }
    }
    Ok(())
}

/// If we are root with a strict umask, starts this program anew with the usual one: the servers' user has to read what
/// root makes. (A person's own servers run as that person, and keep to the umask.)
pub fn relax_umask() -> Outcome {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    if !is_root() || umask(&status).is_none_or(|mask| mask & 0o055 == 0) {
        return Ok(());
    }
    let program = env::current_exe().attempting(|| "cannot find this program".into())?;
    let error = Command::new("sh")
        .args(["-c", "umask 022; exec \"$0\" \"$@\""])
        .arg(program)
        .args(env::args_os().skip(1))
        .exec();
    Err(error).attempting(|| "cannot start anew".into())
}

/// The umask in /proc/self/status.
fn umask(status: &str) -> Option<u32> {
    let mask = status.lines().find_map(|line| line.strip_prefix("Umask:"))?;
    u32::from_str_radix(mask.trim(), 8).ok()
}

/// Whether we are root.
pub fn is_root() -> bool {
    our_id() == Some(0)
}

fn our_id() -> Option<u32> {
    fs::metadata("/proc/self").ok().map(|found| found.uid())
}

/// Creates a folder that is ours alone to change, or accepts one that already is.
/// Whoever may write beside it could have put a folder of that name there first: such a one is refused.
pub fn own_folder(path: &Path) -> Outcome {
    if fs::create_dir(path).is_ok() {
        return let_all_enter(path);
    }
    let found = fs::symlink_metadata(path).attempting(|| format!("cannot create {}", path.display()))?;
    if found.is_dir() && Some(found.uid()) == our_id() && found.mode() & 0o022 == 0 {
        Ok(())
    } else {
        Err(Failure::new(format!("{} belongs to somebody else; remove it first", path.display())))
    }
}

/// Opens a folder to all readers, however strict the mask of the person's shell.
pub fn let_all_enter(folder: &Path) -> Outcome {
    fs::set_permissions(folder, Permissions::from_mode(0o755))
        .attempting(|| format!("cannot open {} to readers", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_umask_is_octal() {
        assert_eq!(umask("Name:\tx\nUmask:\t0077\nState:\tR\n"), Some(0o077));
        assert_eq!(umask("Name:\tx\n"), None);
    }
}
