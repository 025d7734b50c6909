//! What a person sees while we work: numbered steps, the time they take, and the last line of whatever runs.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{Attempt, Failure, Outcome};
use crate::process::{self, OnInterrupt};

/// Prints a line. A terminal that went away is no reason to stop before everything is tidied up.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}
pub(crate) use say;

/// How many of its last lines a failed command shows.
const SHOWN_OF_A_FAILURE: usize = 60;
/// How many lines a failed test program shows of its output.
const SHOWN_OF_A_TEST: usize = 200;
/// How often a step that is not watched on a terminal says that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// The numbered steps of one command.
pub struct Console {
    total: usize,
    begun: usize,
    logs: PathBuf,
}

/// One step, from its announcement to its end.
pub struct Step {
    heading: String,
    start: Instant,
    logs: PathBuf,
}

impl Console {
    /// A command of `total` steps, whose programs write their full output below `logs`.
    pub fn new(total: usize, logs: PathBuf) -> Self {
        Console { total, begun: 0, logs }
    }

    /// Announces the next step.
    pub fn begin(&mut self, what: &str) -> Step {
        self.begun += 1;
        let heading = format!("[{}/{}] {what}", self.begun, self.total);
        if !is_terminal() {
            say!("{heading}");
        }
        Step { heading, start: Instant::now(), logs: self.logs.clone() }
    }
}

impl Step {
    /// Ends the step with a remark such as `up to date`, or with the time it took if the remark is empty.
    pub fn done(self, remark: &str) {
        let took = duration(self.start.elapsed());
        let remark = if remark.is_empty() { took } else { format!("{remark} ({took})") };
        if is_terminal() {
            say!("\r\x1b[K{}: {remark}", self.heading);
        } else {
            say!("      {remark}");
        }
    }

    /// Says something that belongs to the step and stays on the screen.
    pub fn note(&self, text: &str) {
        let clear = if is_terminal() { "\r\x1b[K" } else { "" };
        say!("{clear}      {text}");
    }

    /// Runs `command` under this step and returns all it printed; its output goes to `NAME.log` as well.
    /// A failure shows the end of that output.
    pub fn run(&self, name: &str, command: &mut Command) -> Outcome<String> {
        self.run_treated(name, command, OnInterrupt::End)
    }

    /// As [`Step::run`], for a command that must not be stopped half-way.
    pub fn run_unstoppable(&self, name: &str, command: &mut Command) -> Outcome<String> {
        self.run_treated(name, command, OnInterrupt::WaitFor)
    }

    fn run_treated(&self, name: &str, command: &mut Command, treatment: OnInterrupt) -> Outcome<String> {
        let (succeeded, output) = self.watch(name, command, treatment)?;
        if succeeded {
            return Ok(output);
        }
        let shown = end_of(&output, SHOWN_OF_A_FAILURE);
        Err(Failure::new(format!(
            "{shown}\n{}: failed; the whole output is in {}",
            self.heading,
            self.log(name).display()
        )))
    }

    /// Runs `command` to its end, showing its last line; says whether it succeeded, and all it printed.
    pub fn watch(
        &self,
        name: &str,
        command: &mut Command,
        treatment: OnInterrupt,
    ) -> Outcome<(bool, String)> {
        fs::create_dir_all(&self.logs).attempting(|| format!("cannot create {}", self.logs.display()))?;
        let path = self.log(name);
        let mut log = File::create(&path).attempting(|| format!("cannot write {}", path.display()))?;
        let (reader, writer) = std::io::pipe().attempting(|| "cannot create a pipe".into())?;
        let errors = writer.try_clone().attempting(|| "cannot create a pipe".into())?;
        let running = process::start(command.stdout(writer).stderr(errors), treatment)?;
        // The command holds the writing ends too; as long as it does, reading would never end.
        command.stdout(Stdio::null()).stderr(Stdio::null());

        let ticker = Ticker::start(self.heading.clone(), self.start);
        let mut output = String::new();
        let mut lines = BufReader::new(reader);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).attempting(|| format!("cannot read from {name}"))? > 0 {
            let text = String::from_utf8_lossy(&line);
            log.write_all(text.as_bytes()).attempting(|| format!("cannot write {}", path.display()))?;
            ticker.show(text.trim());
            output.push_str(&text);
            line.clear();
        }
        let status = running.wait()?;
        Ok((status.success(), output))
    }

    fn log(&self, name: &str) -> PathBuf {
        self.logs.join(format!("{name}.log"))
    }
}

/// Keeps the line of a running step fresh from a thread of its own.
struct Ticker {
    last: Arc<Mutex<String>>,
    /// Dropped first, which ends the thread.
    stop: Option<mpsc::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Ticker {
    fn start(heading: String, start: Instant) -> Self {
        let last = Arc::new(Mutex::new(String::new()));
        let (stop, stopped) = mpsc::channel();
        let seen = Arc::clone(&last);
        let thread = thread::spawn(move || {
            let pause = if is_terminal() { Duration::from_millis(500) } else { HEARTBEAT };
            let width = width();
            while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                let last = seen.lock().map(|last| last.clone()).unwrap_or_default();
                let took = duration(start.elapsed());
                if is_terminal() {
                    let line = clip(&format!("{heading} ({took}) {last}"), width);
                    let mut screen = std::io::stdout();
                    let _ = write!(screen, "\r\x1b[K{line}").and_then(|()| screen.flush());
                } else {
                    say!("      still running ({took}): {}", clip(&last, 100));
                }
            }
        });
        Ticker { last, stop: Some(stop), thread: Some(thread) }
    }

    fn show(&self, line: &str) {
        if let (false, Ok(mut last)) = (line.is_empty(), self.last.lock()) {
            line.clone_into(&mut last);
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Shows the end of a long text: the output of a failed test program, or the differences it found.
pub fn show_end(text: &str) {
    say!("{}", end_of(text, SHOWN_OF_A_TEST));
}

fn end_of(text: &str, shown: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let left_out = lines.len().saturating_sub(shown);
    let remark = if left_out > 0 { format!("({left_out} lines left out)\n") } else { String::new() };
    format!("{remark}{}", lines[left_out..].join("\n"))
}

/// Whether a person watches.
pub fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// The width of the terminal, or a readable default where there is none.
pub fn width() -> usize {
    const DEFAULT: usize = 120;
    if !is_terminal() {
        return DEFAULT;
    }
    let size = Command::new("stty").arg("size").stdin(Stdio::inherit()).stderr(Stdio::null()).output();
    size.ok().and_then(|size| parse_width(&String::from_utf8_lossy(&size.stdout))).unwrap_or(DEFAULT)
}

/// The columns in what `stty size` prints; a terminal that does not know its width says 0.
fn parse_width(size: &str) -> Option<usize> {
    size.split_whitespace().nth(1)?.parse().ok().filter(|columns| *columns > 0)
}

/// At most `width` characters of a line, without colours and control characters.
fn clip(line: &str, width: usize) -> String {
    let mut plain = String::new();
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        if character == '\x1b' {
            // A colour is ESC [ … and ends with a letter.
            characters.by_ref().find(char::is_ascii_alphabetic);
        } else if !character.is_control() {
            plain.push(character);
        }
    }
    plain.chars().take(width.saturating_sub(1)).collect()
}

/// A duration as a person says it: `4.2 s`, `3 min 07 s`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 60 {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        assert_eq!(duration(Duration::from_millis(4230)), "4.2 s");
        assert_eq!(duration(Duration::from_secs(187)), "3 min 07 s");
    }

    #[test]
    fn lines_are_clipped_to_the_terminal() {
        assert_eq!(clip("\x1b[32m\x1b[1mCompiling\x1b[0m pgrx\t", 14), "Compiling pgr");
        assert_eq!(clip("éééé", 3), "éé");
    }

    #[test]
    fn the_end_of_a_long_text_says_what_it_leaves_out() {
        assert_eq!(end_of("a\nb\nc\n", 2), "(1 lines left out)\nb\nc");
        assert_eq!(end_of("a\nb\n", 2), "a\nb");
    }

    #[test]
    fn the_width_is_the_second_number() {
        assert_eq!(parse_width("24 80\n"), Some(80));
        assert_eq!(parse_width("0 0\n"), None);
        assert_eq!(parse_width(""), None);
    }
}
