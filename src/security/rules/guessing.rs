//! Passwords that are guessed at once. The server's own check is asked, guess by guess, with a bound on what that takes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::passwords::with_password;
use crate::catalog::security::Password;
use crate::catalog::{Oid, Role};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Threshold, Verdicts};
use crate::text::quote_identifier;

/// The thousand most usual passwords, the most usual first: the head of the list of Django's `CommonPasswordValidator`, made by
/// Royce Williams of passwords that leaked; beside it is their licence.
const COMMON: &str = include_str!("common_passwords.txt");

/// What servers are set up with, and examples show: few of them are usual elsewhere.
const OF_SERVERS: [&str; 10] = [
    "postgres",
    "password",
    "123456",
    "changeme",
    "secret",
    "admin",
    "Password1",
    "12345678",
    "qwerty",
    "test",
];

/// More rounds than this are somebody's own doing, and one guess would keep a cancel waiting.
const MOST_ROUNDS: u32 = 100_000;

/// `security.password_guessable`: the role's own name, or a word that everybody tries.
pub const PASSWORD_GUESSABLE: Rule = Rule {
    id: "security.password_guessable",
    dimension: Dimension::Security,
    severity: Severity::Critical,
    title: "Password that is guessed at once",
    why: "The role's own name is the first word that anybody tries, and the thousand most usual passwords follow. Whoever reaches the server \
          is in. Tried are the name and what is made of it, what servers are set up with, and those thousand: with MD5 all of them, with SCRAM \
          as many as the threshold allows, first the name for every role, then one guess more for each in turn.",
    thresholds: &[Threshold {
        name: "rounds",
        default: 250_000.0,
        range: (0.0, 1e12),
        meaning: "rounds of hashing that guessing may take in one audit: a SCRAM password takes 4096 a guess unless scram_iterations says \
                  otherwise, one of MD5 a single one; a million take two to three seconds. Roles whose own name was not reached are unknown; \
                  1000 SCRAM guesses of one role take 4.2 million",
    }],
    reference: "https://www.postgresql.org/docs/current/auth-password.html",
    check: guessable,
};

/// A role whose password is to be guessed.
struct Target<'a> {
    role: &'a Role,
    /// What one guess takes.
    rounds: u64,
    /// Guesses of its own, and of what they are.
    own: Vec<(String, &'static str)>,
    /// How many guesses were made.
    tried: usize,
    found: Option<&'static str>,
}

impl<'a> Target<'a> {
    fn new(role: &'a Role, rounds: u64, database: &str) -> Self {
        let own = own_guesses(&role.name, database);
        Self { role, rounds, own, tried: 0, found: None }
    }

    fn guess<'g>(&'g self, common: &[&'g str], turn: usize) -> Option<(&'g str, &'static str)> {
        match self.own.get(turn) {
            Some((word, what)) => Some((word, what)),
            None => common
                .get(turn - self.own.len())
                .map(|&word| (word, "one of the thousand words that everybody tries")),
        }
    }
}

/// What is made of the names of role and database, the likeliest first, and what servers are set up with; each once.
fn own_guesses(name: &str, database: &str) -> Vec<(String, &'static str)> {
    let mut first = name.chars();
    let capitalised: String = first.next().into_iter().flat_map(char::to_uppercase).chain(first).collect();
    let of_name = [
        name.to_lowercase(),
        format!("{name}123"),
        format!("{name}1"),
        capitalised,
        name.chars().rev().collect(),
        format!("{name}{name}"),
        format!("{name}1234"),
        format!("{name}@123"),
        format!("{name}_password"),
    ];
    let of_database = [database.to_owned(), format!("{database}123")];
    let mut guesses = vec![(name.to_owned(), "its name")];
    let others = of_name
        .into_iter()
        .map(|word| (word, "made of its name"))
        .chain(of_database.into_iter().map(|word| (word, "made of the name of the database")))
        .chain(
            OF_SERVERS
                .into_iter()
                .map(|word| (word.to_owned(), "one of the words that servers are set up with")),
        );
    for (word, what) in others {
        if !word.is_empty() && !guesses.iter().any(|(known, _)| *known == word) {
            guesses.push((word, what));
        }
    }
    guesses
}

/// Guesses for the role of which least work was done so far, until one fits, all are made, or there is no work left: each has its name
/// tried first, and what is tried in no time is tried to the end.
fn guess(
    targets: &mut [Target<'_>],
    common: &[&str],
    work: u64,
    opens: &dyn Fn(Oid, &str) -> bool,
    interrupt: &dyn Fn(),
) {
    let mut left = work;
    let mut queue: BinaryHeap<Reverse<(u64, usize)>> =
        (0..targets.len()).map(|place| Reverse((0, place))).collect();
    while let Some(Reverse((spent, place))) = queue.pop() {
        interrupt();
        let Some(target) = targets.get_mut(place) else { continue };
        let Some((word, what)) = target.guess(common, target.tried) else { continue };
        let Some(rest) = left.checked_sub(target.rounds) else { continue };
        left = rest;
        let is_it = opens(target.role.oid, word);
        target.tried += 1;
        if is_it {
            target.found = Some(what);
        } else {
            queue.push(Reverse((spent + target.rounds, place)));
        }
    }
}

fn guessable(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let Some(passwords) = &snapshot.security.passwords else {
        with_password(facts, verdicts);
        return;
    };
    let mut roles: Vec<(&Role, Password)> = snapshot
        .roles
        .iter()
        .filter(|role| role.logs_in)
        .filter_map(|role| Some((role, *passwords.get(&role.oid)?)))
        .collect();
    roles.sort_by(|left, right| {
        (!left.0.is_superuser, &left.0.name).cmp(&(!right.0.is_superuser, &right.0.name))
    });
    verdicts.examine((snapshot.roles.len() - roles.len()) as u64);
    let mut targets = Vec::new();
    for (role, password) in roles {
        let name = || quote_identifier(&role.name);
        let target = |rounds| Target::new(role, rounds, &snapshot.server.database);
        match password {
            Password::Md5 => targets.push(target(1)),
            Password::Scram(rounds) if rounds <= MOST_ROUNDS => {
                targets.push(target(u64::from(rounds.max(1))))
            }
            Password::Scram(rounds) => verdicts.unknown(
                name(),
                "",
                format!(
                    "the password of role {} takes {rounds} rounds to try: too long for an audit",
                    name()
                ),
            ),
            Password::Other => verdicts.unknown(
                name(),
                "",
                format!("the password of role {} is kept in an unknown form", name()),
            ),
        }
    }
    let common: Vec<&str> = COMMON.lines().filter(|word| !OF_SERVERS.contains(word)).collect();
    let opens = |role: Oid, word: &str| facts.definitions.password_is(role, word) == Some(true);
    guess(&mut targets, &common, verdicts.threshold("rounds") as u64, &opens, facts.interrupt);
    let late = targets.iter().filter(|target| target.tried == 0).count() as u64;
    verdicts.examine(targets.len() as u64 - late);
    if late > 0 {
        verdicts.unknown_all(
            late,
            "guessing took as many rounds as the threshold rounds allows: raise it in dbm.rule_setting",
        );
    }
    for target in &targets {
        if let Some(what) = target.found {
            verdicts.find(describe(target.role, what));
        }
    }
}

fn describe(role: &Role, what: &str) -> Finding {
    let name = quote_identifier(&role.name);
    let kind = if role.is_superuser { "superuser" } else { "role" };
    let message = format!("the password of {kind} {name} is {what}: whoever reaches the server is in");
    Finding::new(name.clone(), "", message)
        .evidence(
            "then",
            format!("give it another one: \\password {name}; the fix shuts the role out until then"),
        )
        .fix(format!("ALTER ROLE {name} NOLOGIN;"), format!("ALTER ROLE {name} LOGIN;"))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::super::passwords::tests::sample;
    use super::*;
    use crate::catalog::sample::run;

    #[test]
    fn the_own_name_is_guessed_and_what_takes_too_long_is_unknown() {
        let (found, unknown, examined) = run(
            &PASSWORD_GUESSABLE,
            &sample(&[(20_000, Password::Scram(4096)), (20_001, Password::Scram(10_000_000))]).finish(),
        );
        assert_eq!((found.len(), unknown.len(), examined), (1, 1, 2));
        assert_eq!(
            found[0].message,
            "the password of role guessed is its name: whoever reaches the server is in"
        );
    }

    #[test]
    fn the_list_is_a_thousand_words_each_once() {
        let mut words: Vec<&str> = COMMON.lines().collect();
        assert_eq!((words.len(), words[0]), (1000, "123456"));
        // Those that the test of the running server has.
        assert_eq!(
            [words[19], words[898], words[899], words[999]],
            ["dragon", "morgan1", "vfrcbv", "satan666"]
        );
        assert!(words.iter().all(|word| !word.is_empty() && word.trim() == *word));
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), 1000);
    }

    #[test]
    fn own_guesses_are_made_of_the_names_and_none_twice() {
        let guesses: Vec<String> = own_guesses("app", "shop").into_iter().map(|(word, _)| word).collect();
        assert_eq!(
            guesses[..11],
            [
                "app",
                "app123",
                "app1",
                "App",
                "ppa",
                "appapp",
                "app1234",
                "app@123",
                "app_password",
                "shop",
                "shop123"
            ]
        );
        let of_postgres = own_guesses("postgres", "postgres");
        assert_eq!(of_postgres.iter().filter(|(word, _)| word == "postgres").count(), 1);
        assert_eq!(own_guesses("Ürs", "").iter().filter(|(word, _)| word.is_empty()).count(), 0);
    }

    /// What is asked for, in order, of roles whose guesses take that many rounds.
    fn asked(rounds: &[u64], work: u64, password: &str) -> (Vec<(Oid, String)>, Vec<Option<&'static str>>) {
        let roles: Vec<Role> = (1..)
            .zip(rounds)
            .map(|(oid, _)| Role { oid, name: format!("r{oid}").into(), ..Role::default() })
            .collect();
        let mut targets: Vec<Target<'_>> =
            roles.iter().zip(rounds).map(|(role, &rounds)| Target::new(role, rounds, "d")).collect();
        let common: Vec<&str> = COMMON.lines().collect();
        let calls = RefCell::new(Vec::new());
        let opens = |role: Oid, word: &str| {
            calls.borrow_mut().push((role, word.to_owned()));
            word == password
        };
        guess(&mut targets, &common, work, &opens, &|| {});
        (calls.into_inner(), targets.iter().map(|target| target.found).collect())
    }

    #[test]
    fn every_role_gets_its_turn_and_work_is_bounded() {
        let (calls, found) = asked(&[4096, 4096, 4096], 5 * 4096 + 4095, "nobody has it");
        let calls: Vec<(Oid, &str)> = calls.iter().map(|(role, word)| (*role, &**word)).collect();
        assert_eq!(calls, [(1, "r1"), (2, "r2"), (3, "r3"), (1, "r1123"), (2, "r2123")]);
        assert_eq!(found, [None; 3]);
        assert!(asked(&[4096], 4095, "r1").0.is_empty());
        // What takes little is tried to the end before the second guess of what takes much.
        let (calls, _) = asked(&[4096, 1], 4 * 4096, "nobody has it");
        assert_eq!(calls.iter().filter(|(role, _)| *role == 2).count(), calls.len() - 3);
        assert_eq!(calls[2].0, 2);
    }

    #[test]
    fn all_thousand_are_tried_where_work_allows_it() {
        let last = COMMON.lines().last().unwrap();
        let (calls, found) = asked(&[1, 1], 1_000_000, last);
        assert_eq!(found, [Some("one of the thousand words that everybody tries"); 2]);
        assert!(calls.len() > 2_000);
        // A role whose password was found is asked no more.
        assert_eq!(asked(&[1], 1_000_000, "r1").0.len(), 1);
    }
}
