//! The launcher: sends a worker into each database where something is due, and sleeps.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use crate::pg::background::board::{self, Board};
use crate::pg::background::{self, Errand, Handle};
use crate::pg::random;
use crate::pg::{claim, moment, settings};
use crate::worker::databases::Wanted;
use crate::worker::roster::{Found, Now, Roster};

/// How often to look whether somebody needs alone the database in which a worker is: DROP DATABASE waits five seconds.
const WATCH: Duration = Duration::from_millis(500);

/// How long to wait after an error of the launcher's own, or without the role as which workers connect.
const PAUSE: Duration = Duration::from_secs(60);

/// A worker in a database.
struct Guest {
    database: u32,
    seat: usize,
    handle: Handle,
    /// How often workers had reported from there when it was sent.
    reports: u32,
    /// How often it had been called for.
    calls: u32,
    /// Whether it was told to end.
    is_ending: bool,
}

struct Launcher {
    board: &'static Board,
    /// Where its workers find the board.
    handle: u32,
    /// The one database of a launcher that was started there.
    only: Option<u32>,
    birth: Instant,
    roster: Roster,
    guests: Vec<Guest>,
    names: HashMap<u32, Box<str>>,
    /// How often somebody had called when it last looked who: for anybody, and for each database.
    calls: u32,
    database_calls: HashMap<u32, u32>,
    /// When it looks for databases next, by its own clock.
    discovery: Duration,
    /// Until then it sends nobody.
    pause: Duration,
    /// What it has complained of, each once until the settings are read anew.
    complaints: HashSet<String>,
}

/// Lives until the server ends, or until it is told to end. `payload`: the only database to look after; 0 for all.
pub fn run(payload: &str) {
    let only = payload.trim().parse().ok().filter(|&database| database != 0);
    let (handle, board) = board::make();
    if let Some(database) = only
        && !board::claim_launcher(database, handle)
    {
        return;
    }
    board.enter();
    let mut launcher = Launcher {
        board,
        handle,
        only,
        birth: Instant::now(),
        roster: Roster::default(),
        guests: Vec::new(),
        names: HashMap::new(),
        calls: board.calls(),
        database_calls: HashMap::new(),
        discovery: Duration::ZERO,
        pause: Duration::ZERO,
        complaints: HashSet::new(),
    };
    while !board.is_over() {
        let rest = launcher.turn();
        if background::nap(rest) {
            launcher.complaints.clear();
            launcher.discovery = Duration::ZERO;
            launcher.pause = Duration::ZERO;
        }
    }
    for guest in &launcher.guests {
        guest.handle.end();
    }
    board.leave();
}

impl Launcher {
    fn now(&self) -> Now {
        Now { moment: moment::now(), age: self.birth.elapsed() }
    }

    /// Says it once.
    fn complain(&mut self, what: String) {
        if !self.complaints.contains(&what) {
            pgrx::warning!("dbmastery: {what}");
            self.complaints.insert(what);
        }
    }

    /// Does what there is to do, and returns how long there is nothing, unless somebody comes.
    fn turn(&mut self) -> Duration {
        self.see_off();
        let calls = self.board.calls();
        if calls != self.calls || self.now().age >= self.discovery {
            self.calls = calls;
            self.discover();
        }
        self.make_way();
        self.send();
        let now = self.now();
        let mut rest = self.discovery.saturating_sub(now.age);
        if self.guests.len() < settings::max_workers() {
            let pause = self.pause.saturating_sub(now.age);
            rest = rest.min(self.roster.rest(now, settings::discovery_interval()).max(pause));
        }
        if self.guests.is_empty() { rest } else { rest.min(WATCH) }
    }

    /// Takes note of the workers that are gone.
    fn see_off(&mut self) {
        let now = self.now();
        for guest in self.guests.extract_if(.., |guest| guest.handle.is_over()) {
            let Guest { database, seat, handle, reports, calls, .. } = guest;
            handle.free();
            self.board.go(seat);
            let Some(word) = self.board.word(seat) else { continue };
            let report = (word.reports != reports).then(|| (Found::of_code(word.found), word.due));
            let is_called = word.calls != calls;
            self.database_calls.insert(database, word.calls);
            self.roster.ended(database, report, is_called, now);
            if report.is_none()
                && let Some(entry) = self.roster.position(database).map(|place| self.roster.entries[place])
            {
                self.board.note(seat, entry.found.code(), entry.due);
            }
        }
    }

    /// Looks which databases there are, and who was called for.
    fn discover(&mut self) {
        let interval = settings::discovery_interval();
        self.discovery = self.now().age + interval;
        let databases = match background::databases() {
            Ok(databases) => databases,
            Err(failure) => {
                self.complain(format!("the databases cannot be read: {}", failure.text()));
                self.discovery = self.now().age + interval.min(PAUSE);
                return;
            }
        };
        let wanted = Wanted::parse(&settings::databases());
        let names: Vec<&str> = databases.iter().map(|database| &*database.name).collect();
        let missing: Vec<String> = wanted.missing(&names).into_iter().map(str::to_owned).collect();
        if self.only.is_none() {
            for name in missing {
                self.complain(format!(
                    "there is no database \"{name}\" to work in, which dbm.databases names"
                ));
            }
        }
        let there: Vec<u32> = databases
            .iter()
            .filter(|database| match self.only {
                Some(only) => database.number == only,
                None => wanted.includes(&database.name),
            })
            .map(|database| database.number)
            .collect();
        if self.only.is_some() && there.is_empty() {
            // It was dropped.
            self.board.end();
        }
        self.names = databases.into_iter().map(|database| (database.number, database.name)).collect();
        let now = self.now();
        self.roster.discover(&there, now);
        for word in self.board.words() {
            if self.roster.position(word.database).is_none() {
                if let Some(seat) = self.board.seat(word.database) {
                    self.board.free(seat);
                }
                self.database_calls.remove(&word.database);
            } else if self.database_calls.insert(word.database, word.calls) != Some(word.calls) {
                self.roster.called(word.database, now);
            }
        }
    }

    /// Ends the workers in databases that somebody needs alone.
    fn make_way(&mut self) {
        for guest in self.guests.iter_mut().filter(|guest| !guest.is_ending) {
            if claim::is_database_needed(guest.database) {
                guest.is_ending = true;
                guest.handle.end();
                let name = self.names.get(&guest.database).map_or("", |name| name);
                pgrx::log!("dbmastery: jobs in {name} make way: somebody needs the database alone");
            }
        }
    }

    /// Sends workers where something is due, as many as there may be.
    fn send(&mut self) {
        let now = self.now();
        if now.age < self.pause || self.guests.len() >= settings::max_workers() {
            return;
        }
        let ready = self.roster.ready(now, settings::discovery_interval());
        if ready.is_empty() {
            return;
        }
        let Some(login) = self.login() else {
            self.pause = now.age + PAUSE;
            return;
        };
        for database in ready {
            if self.guests.len() >= settings::max_workers() {
                return;
            }
            if claim::is_database_needed(database) {
                self.roster.put_off(database, now);
                continue;
            }
            let Some(seat) = self.board.seat(database) else {
                self.roster.put_off(database, now);
                self.complain("there are more databases than it can look after at once".to_owned());
                continue;
            };
            let Some(word) = self.board.word(seat) else { continue };
            let payload = format!("{} {seat}", self.handle);
            let name = self.names.get(&database).map_or("", |name| name);
            let name = format!("jobs in {name}");
            match background::send(database, &Errand { kind: "jobs", payload: &payload, login, name: &name })
            {
                Ok(handle) => {
                    self.roster.began(database, now);
                    self.database_calls.insert(database, word.calls);
                    self.guests.push(Guest {
                        database,
                        seat,
                        handle,
                        reports: word.reports,
                        calls: word.calls,
                        is_ending: false,
                    });
                }
                Err(_) => {
                    let wait = self.roster.refused(now, random::share());
                    pgrx::warning!(
                        "dbmastery: no background worker is left for its jobs; it asks again in {} s",
                        wait.as_secs()
                    );
                    return;
                }
            }
        }
    }

    /// In whose name workers begin; `None` where that role does not exist.
    fn login(&mut self) -> Option<background::Login> {
        let Some(name) = settings::worker_role() else { return Some(background::Login::default()) };
        match background::role(&name) {
            Ok(Some(role)) => return Some(role),
            Ok(None) => {
                self.complain(format!(
                    "no jobs are run: the role \"{name}\" does not exist, which dbm.worker_role names"
                ));
            }
            Err(failure) => self.complain(format!("no jobs are run: {}", failure.text())),
        }
        None
    }
}
