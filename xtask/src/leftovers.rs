//! Nothing stays behind: finds and ends what a killed command left running, and removes its folders.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::failure::Outcome;
use crate::files;
use crate::process;

/// Where sockets go whose usual path would be too long; the name tells which folders are ours to remove.
pub const SOCKET_FOLDER_TEMPLATE: &str = "/tmp/dbmastery-XXXXXXXX";
const SOCKET_FOLDER_START: &str = "/tmp/dbmastery-";

/// The environment variable that marks the programs we start beside a server.
pub const MARK: &str = "DBMASTERY_XTASK";

/// The folder for everything that ends with its command.
pub fn scratch(ground: &Path) -> PathBuf {
    ground.join("scratch")
}

/// The folder of the demo's cluster, which outlives its command.
pub fn demo(ground: &Path) -> PathBuf {
    ground.join("demo")
}

/// The file that says that the demo's cluster is complete.
pub fn demo_marker(ground: &Path) -> PathBuf {
    demo(ground).join("ready")
}

/// Ends and removes all that an interrupted command may have left below `ground`.
pub fn clear(ground: &Path) -> Outcome {
    remove(&scratch(ground))?;
    if !demo_marker(ground).exists() {
        remove(&demo(ground))?;
    }
    let Ok(entries) = fs::read_dir(ground) else { return Ok(()) };
    for entry in entries.flatten().filter(|entry| entry.path().extension().is_some_and(|end| end == "new")) {
        remove(&entry.path())?;
    }
    Ok(())
}

/// Ends every process that works in `folder`, and removes the folder with the sockets it points to.
pub fn remove(folder: &Path) -> Outcome {
    if fs::symlink_metadata(folder).is_err() {
        return Ok(());
    }
    end_processes_in(folder);
    for link in links_named_socket(folder) {
        if let Some(target) = fs::read_link(&link).ok().filter(|target| is_our_socket_folder(target)) {
            files::remove(&target)?;
        }
    }
    files::remove(folder)
}

fn is_our_socket_folder(path: &Path) -> bool {
    path.to_str().is_some_and(|path| {
        path.strip_prefix(SOCKET_FOLDER_START).is_some_and(|rest| !rest.is_empty() && !rest.contains('/'))
    })
}

fn links_named_socket(folder: &Path) -> Vec<PathBuf> {
    let children =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path().join("socket"));
    std::iter::once(folder.join("socket")).chain(children).filter(|path| path.is_symlink()).collect()
}

/// A server works in its data folder, and so do all of its processes. Of the others, only those that carry our mark
/// are ours: a person's shell may stand in the folder too.
fn end_processes_in(folder: &Path) {
    let Ok(folder) = folder.canonicalize() else { return };
    let ours = || -> Vec<u32> {
        process::all()
            .into_iter()
            .filter(|pid| works_in(*pid, &folder) && (is_server(*pid) || is_marked(*pid)))
            .collect()
    };
    // First those who could start another server, then the servers: a quit postmaster takes its children along and
    // returns its shared memory, which a kill would leave in the kernel.
    for pid in ours() {
        if !is_server(pid) || !has_postmaster(pid) {
            process::send("KILL", &pid.to_string());
        } else if is_postmaster(pid) {
            process::send("QUIT", &pid.to_string());
        }
    }
    if !process::wait_until(Duration::from_secs(20), || ours().is_empty()) {
        for pid in ours() {
            process::send("KILL", &pid.to_string());
        }
        process::wait_until(Duration::from_secs(10), || ours().is_empty());
    }
}

fn works_in(pid: u32, folder: &Path) -> bool {
    fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(folder))
}

fn is_server(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "postgres")
}

fn is_marked(pid: u32) -> bool {
    fs::read(format!("/proc/{pid}/environ"))
        .is_ok_and(|variables| variables.split(|byte| *byte == 0).any(|one| one.starts_with(MARK.as_bytes())))
}

/// initdb runs the server without a postmaster.
fn has_postmaster(pid: u32) -> bool {
    postmaster_beside(pid).is_some()
}

fn is_postmaster(pid: u32) -> bool {
    postmaster_beside(pid) == Some(pid)
}

fn postmaster_beside(pid: u32) -> Option<u32> {
    let file = fs::read_to_string(format!("/proc/{pid}/cwd/postmaster.pid")).ok()?;
    file.lines().next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn only_our_own_socket_folders_are_removed() {
        assert!(is_our_socket_folder(Path::new("/tmp/dbmastery-a1b2c3d4")));
        assert!(!is_our_socket_folder(Path::new("/tmp/dbmastery-")));
        assert!(!is_our_socket_folder(Path::new("/tmp/dbmastery-x/../../etc")));
        assert!(!is_our_socket_folder(Path::new("/var/run/postgresql")));
    }

    #[test]
    fn our_programs_in_the_folder_are_ended_and_nobody_else() {
        let base = std::env::temp_dir().join(format!("xtask-leftovers-{}", std::process::id()));
        let (scratch, beside) = (base.join("scratch"), base.join("scratch-beside"));
        let [mut ours, mut unmarked, mut elsewhere] =
            [(&scratch, MARK), (&scratch, "OTHER"), (&beside, MARK)].map(|(folder, mark)| {
                fs::create_dir_all(folder).unwrap();
                Command::new("sleep").arg("60").env(mark, "1").current_dir(folder).spawn().unwrap()
            });
        // The kernel shows a new program's environment a moment after it has started it.
        assert!(process::wait_until(Duration::from_secs(10), || is_marked(ours.id())));
        clear(&base).unwrap();
        assert!(!scratch.exists() && beside.exists());
        assert!(ours.wait().is_ok_and(|status| !status.success()));
        for bystander in [&mut unmarked, &mut elsewhere] {
            assert!(bystander.try_wait().unwrap().is_none());
            bystander.kill().unwrap();
            bystander.wait().unwrap();
        }
        fs::remove_dir_all(base).unwrap();
    }
}
