//! Throw-away clusters: made, started, asked and removed. A cluster has no TCP port at all, only a socket in a folder
//! that nobody but its owner and root may enter; so it can neither collide with a server nor be reached by others.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::console::Step;
use crate::failure::{Attempt, Outcome};
use crate::files::{fresh, read, write};
use crate::leftovers;
use crate::process;
use crate::server::Server;
use crate::user::User;

/// The number in the socket's file name.
pub const PORT: &str = "5432";
/// The superuser of every cluster.
pub const SUPERUSER: &str = "postgres";
/// The longest path of a socket that the kernel takes.
const LONGEST_SOCKET: usize = 107;
/// What comes behind the folder in the path of a cluster's socket.
const SOCKET_NAME: &str = "/.s.PGSQL.5432";

/// What every cluster is set to: nothing it holds is worth a disk flush.
const SETTINGS: &str = "\
listen_addresses = ''
unix_socket_permissions = 0700
fsync = off
synchronous_commit = off
full_page_writes = off
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%u@%d '
";

/// A cluster in a folder of its own.
pub struct Cluster<'server> {
    server: &'server Server,
    folder: PathBuf,
}

impl<'server> Cluster<'server> {
    /// The cluster in `folder`, whether or not it exists yet.
    pub fn at(server: &'server Server, folder: &Path) -> Self {
        Cluster { server, folder: folder.to_owned() }
    }

    /// Makes the cluster anew, stopping and removing what was there, and starts it. `settings` are lines of
    /// postgresql.conf; `locale` is a locale name.
    pub fn create(&self, step: &Step, locale: &str, settings: &str) -> Outcome {
        self.remove()?;
        let new = self.folder.with_extension("new");
        fresh(&new)?;
        self.server.user.owns(&new)?;
        let mut initdb = self.server.program("initdb");
        initdb
            .args([
                "--no-sync",
                "--auth=trust",
                "--encoding=UTF8",
                "--username",
                SUPERUSER,
                "--locale",
                locale,
            ])
            .arg("-D")
            .arg(new.join("data"));
        self.run_as_owner(step, "initdb", &mut initdb)?;
        let configuration = new.join("data/postgresql.conf");
        let sample = read(&configuration)?;
        write(&configuration, &format!("{sample}\n{SETTINGS}{settings}"))?;
        short_folder(&new.join("socket"), &self.folder.join("socket"), SOCKET_NAME, &self.server.user)?;
        self.server.user.owns(&new)?;
        // Only a complete cluster ever has the name under which it is looked for.
        fs::rename(&new, &self.folder).attempting(|| format!("cannot create {}", self.folder.display()))?;
        self.start(step)
    }

    /// Starts the cluster and waits until it answers.
    pub fn start(&self, step: &Step) -> Outcome {
        // The server outlives us: it must not keep open what we inherited, such as a lock or make's job server.
        let mut pg_ctl = self.server.command(Path::new("sh"));
        pg_ctl
            .args(["-c", "exec pg_ctl \"$@\" 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-", "pg_ctl"])
            .args(["start", "--wait", "--silent", "--timeout=120", "-D"])
            .arg(self.data())
            .arg("--log")
            .arg(self.log())
            .arg("--options")
            .arg(format!("-p {PORT} -c unix_socket_directories='{}'", self.socket().display()));
        self.run_as_owner(step, "start", &mut pg_ctl)
    }

    /// Stops the cluster if it runs, and removes it with its socket.
    pub fn remove(&self) -> Outcome {
        leftovers::remove(&self.folder)
    }

    /// Whether the cluster is there and answers a query.
    pub fn answers(&self) -> bool {
        self.data().exists() && self.ask("postgres", "SELECT 1").is_ok_and(|answer| answer.trim() == "1")
    }

    /// The rows that `query` returns, unaligned and without headings.
    pub fn ask(&self, database: &str, query: &str) -> Outcome<String> {
        process::read(self.psql(database).args(["--tuples-only", "--no-align", "-c", query]))
    }

    /// psql on `database`, stopping at the first error.
    pub fn psql(&self, database: &str) -> Command {
        let mut psql = self.server.program("psql");
        psql.args(["--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1", "-d", database]);
        self.point_to_us(&mut psql);
        psql
    }

    /// Makes libpq programs find this cluster.
    pub fn point_to_us(&self, command: &mut Command) {
        command
            .env("PGHOST", self.socket())
            .env("PGPORT", PORT)
            .env("PGUSER", SUPERUSER)
            .env("PGCONNECT_TIMEOUT", "30");
    }

    /// The folder of the socket, as short as it can be.
    pub fn socket(&self) -> PathBuf {
        let folder = self.folder.join("socket");
        folder.canonicalize().unwrap_or(folder)
    }

    /// The server's log.
    pub fn log(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn run_as_owner(&self, step: &Step, name: &str, command: &mut Command) -> Outcome {
        self.server.user.takes(command);
        step.run(name, command).map(drop)
    }
}

/// Makes a folder for sockets, private to `user`, to be found as `link` (or as `found_as` once it is moved there).
/// If sockets with a name like `socket` would have too long a path there, it lies in /tmp and `link` points to it.
pub fn short_folder(link: &Path, found_as: &Path, socket: &str, user: &User) -> Outcome {
    let folder = if found_as.as_os_str().len() + socket.len() <= LONGEST_SOCKET {
        fs::create_dir(link).attempting(|| format!("cannot create {}", link.display()))?;
        link.to_owned()
    } else {
        let made = process::read(Command::new("mktemp").args(["-d", leftovers::SOCKET_FOLDER_TEMPLATE]))?;
        let folder = PathBuf::from(made.trim());
        symlink(&folder, link).attempting(|| format!("cannot create {}", link.display()))?;
        folder
    };
    fs::set_permissions(&folder, Permissions::from_mode(0o700))
        .attempting(|| format!("cannot protect {}", folder.display()))?;
    user.owns(&folder)
}

/// The end of a cluster that a test or a benchmark borrowed: it goes when this does.
pub struct Borrowed<'server>(pub Cluster<'server>);

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        if let Err(failure) = self.0.remove() {
            eprintln!("{failure}");
        }
    }
}

/// Quotes a folder for a shell line that a person will copy.
pub fn shell_word(word: &str) -> String {
    if !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+=:,@".contains(c)) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_folder_is_short_and_goes_with_its_link() {
        let base = std::env::temp_dir().join(format!("xtask-cluster-{}", std::process::id()));
        let user = User::ourselves();
        fs::create_dir_all(base.join("cluster")).unwrap();
        let link = base.join("cluster/socket");
        short_folder(&link, Path::new(&"/long".repeat(20)), SOCKET_NAME, &user).unwrap();
        let folder = link.canonicalize().unwrap();
        assert!(folder.as_os_str().len() < 40 && folder != link, "{}", folder.display());
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        leftovers::remove(&base.join("cluster")).unwrap();
        assert!(!folder.exists() && !link.exists());

        short_folder(&base.join("near"), &link, SOCKET_NAME, &user).unwrap();
        assert!(base.join("near").is_dir() && !base.join("near").is_symlink());
        fs::remove_dir_all(base).unwrap();
    }

    #[test]
    fn shell_words_survive_blanks_and_quotes() {
        assert_eq!(shell_word("/a/b-c"), "/a/b-c");
        assert_eq!(shell_word("/a b/it's"), r"'/a b/it'\''s'");
    }
}
