//! Child processes: each in a process group of its own, so that an interruption reaches all it started.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{Attempt, Failure, Outcome};

/// How a child is treated when the person interrupts us.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum OnInterrupt {
    /// It is told to end at once.
    End,
    /// It is waited for: a package manager stopped half-way leaves the machine half-configured.
    WaitFor,
}

static RUNNING: Mutex<BTreeMap<u32, OnInterrupt>> = Mutex::new(BTreeMap::new());
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// A running child, forgotten once it has been waited for.
pub struct Running {
    child: Child,
}

impl Running {
    /// Waits for the child and says how it ended.
    pub fn wait(mut self) -> Outcome<ExitStatus> {
        let status = self.child.wait().attempting(|| "cannot wait for a child".into());
        running().remove(&self.child.id());
        hold_if_interrupted();
        status
    }
}

fn running() -> std::sync::MutexGuard<'static, BTreeMap<u32, OnInterrupt>> {
    RUNNING.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The interrupting thread ends the program; until then nobody else may start, report or end anything.
pub fn hold_if_interrupted() {
    while INTERRUPTED.load(Ordering::SeqCst) {
        thread::park();
    }
}

/// Starts `command` in a process group of its own, without standard input.
pub fn start(command: &mut Command, on_interrupt: OnInterrupt) -> Outcome<Running> {
    let mut running = running();
    if INTERRUPTED.load(Ordering::SeqCst) {
        drop(running);
        hold_if_interrupted();
        return Err(Failure::new("interrupted"));
    }
    let child = command
        .process_group(0)
        .stdin(Stdio::null())
        .spawn()
        .attempting(|| format!("cannot start {}", name(command)))?;
    running.insert(child.id(), on_interrupt);
    Ok(Running { child })
}

/// Runs `command` to its end and returns what it wrote to standard output; fails if it fails.
pub fn read(command: &mut Command) -> Outcome<String> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = start(command, OnInterrupt::End)?;
    let (stdout, stderr) = (running.child.stdout.take(), running.child.stderr.take());
    let errors = thread::spawn(move || slurp(stderr));
    let text = slurp(stdout);
    let errors = errors.join().unwrap_or_default();
    let status = running.wait()?;
    if status.success() {
        Ok(text)
    } else {
        Err(Failure::new(format!("{} failed ({status}): {}", name(command), errors.trim())))
    }
}

/// Whether `command` ends well; what it prints is thrown away.
pub fn succeeds(command: &mut Command) -> bool {
    read(command).is_ok()
}

fn slurp(stream: Option<impl std::io::Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        // What was read before an error is still worth showing.
        let _ = stream.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The last part of the program's path, for messages.
fn name(command: &Command) -> String {
    Path::new(command.get_program())
        .file_name()
        .unwrap_or(OsStr::new("the command"))
        .to_string_lossy()
        .into_owned()
}

/// Ends every child that may be ended and waits for the others; called once, by the interrupting thread.
pub fn end_all() {
    INTERRUPTED.store(true, Ordering::SeqCst);
    let children = running().clone();
    let (patient, hasty): (Vec<_>, Vec<_>) =
        children.into_iter().partition(|(_, treatment)| *treatment == OnInterrupt::WaitFor);
    for (signal, patience) in [("TERM", 5), ("KILL", 5)] {
        for (group, _) in hasty.iter().filter(|(group, _)| group_is_alive(*group)) {
            send(signal, &format!("-{group}"));
        }
        wait_until(Duration::from_secs(patience), || hasty.iter().all(|(group, _)| !group_is_alive(*group)));
    }
    wait_until(Duration::from_secs(1800), || patient.iter().all(|(group, _)| !group_is_alive(*group)));
}

/// Sends `signal` (a name without SIG) to a process, or to a group if `target` starts with a minus sign.
pub fn send(signal: &str, target: &str) {
    // The shell's own kill is always there; the program of that name is not part of a minimal system.
    let _ = Command::new("sh")
        .args(["-c", &format!("kill -s {signal} -- {target}")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

/// Whether any member of the process group still runs (a zombie does not).
fn group_is_alive(group: u32) -> bool {
    all().into_iter().any(|pid| process_group_if_running(pid) == Some(group))
}

/// The ids of all processes on this machine.
pub fn all() -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn process_group_if_running(pid: u32) -> Option<u32> {
    parse_stat(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The process group in a line of `/proc/PID/stat`, or nothing for a zombie.
fn parse_stat(stat: &str) -> Option<u32> {
    // The program's name stands in parentheses and may itself contain both blanks and parentheses.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?;
    let group = fields.nth(1)?;
    if state == "Z" { None } else { group.parse().ok() }
}

/// Polls until `done` holds or `limit` has passed; says whether it holds.
pub fn wait_until(limit: Duration, done: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    loop {
        if done() {
            return true;
        }
        if start.elapsed() > limit {
            return false;
        }
        thread::sleep(Duration::from_millis(50));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_is_read_behind_a_hostile_program_name() {
        assert_eq!(parse_stat("41 (a) b (c)) S 7 40 40 0 -1"), Some(40));
        assert_eq!(parse_stat("41 (x) Z 7 40 40 0 -1"), None);
        assert_eq!(parse_stat("nonsense"), None);
    }

    #[test]
    fn a_failing_command_reports_what_it_said() {
        let failure = read(Command::new("sh").args(["-c", "echo no such thing >&2; exit 3"])).unwrap_err();
        assert!(failure.to_string().contains("no such thing"), "{failure}");
        assert_eq!(read(Command::new("sh").args(["-c", "echo yes"])), Ok("yes\n".into()));
    }

    #[test]
    fn a_started_child_leads_its_own_group() {
        let running = start(Command::new("sleep").arg("60"), OnInterrupt::End).unwrap();
        let group = running.child.id();
        assert!(group_is_alive(group));
        send("TERM", &format!("-{group}"));
        assert!(!running.wait().unwrap().success());
        assert!(!group_is_alive(group));
    }
}
