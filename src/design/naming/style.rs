//! What all naming rules share: learn the style that prevails, tell it once, and find the names that break it.

use rustc_hash::FxHashMap;
use serde_json::{Map, Value};

use crate::catalog::{Column, Relation, Snapshot};
use crate::change::names::Habit;
use crate::change::names::census::{
    Census, Convention, MAJORITY_SHARE, MINIMUM_NAMES, Prevailing, Style, UNSTYLED,
};
use crate::design::designed::{designed_tables_with_columns, is_migration_book};
use crate::design::prevalence::DATABASE;
use crate::finding::{Facts, Finding, Severity, Threshold, Verdicts};

/// When a style is the database's own.
pub const MAJORITY: Threshold = Threshold {
    name: "majority_share",
    default: MAJORITY_SHARE,
    range: (0.5, 1.0),
    meaning: "share of the names, 0.5 to 1, that makes a style the database's own, by which the others are judged \
              (0.6: a clear majority, that a handful of exceptions does not hide)",
};

/// When there is enough to learn from.
pub const MINIMUM: Threshold = Threshold {
    name: "minimum_names",
    default: MINIMUM_NAMES,
    range: (1.0, 1e6),
    meaning: "number of names below which the project's own convention holds \
              (5: the fewest of which 0.6 is more than half by a whole name)",
};

/// The thresholds of every rule that learns.
pub const THRESHOLDS: &[Threshold] = &[MAJORITY, MINIMUM];

/// The columns of designed tables, each with its table; one that is inherited is the parent's.
pub fn own_columns<'a>(facts: &Facts<'a>) -> impl Iterator<Item = (&'a Relation, &'a Column)> {
    designed_tables_with_columns(facts).flat_map(|(table, columns)| {
        columns.iter().filter(|column| !column.is_inherited).map(move |column| (table, column))
    })
}

/// A name and the style it follows.
pub struct Named<'a, T> {
    /// The style.
    pub style: Style,
    /// The bare name.
    pub name: &'a str,
    /// What bears it.
    pub subject: T,
}

/// Learns from these names, says so if the lesson is not the project's convention, and reports what breaks it.
///
/// `examined` is how many objects were looked at, those included whose names show no style. A name that several
/// objects of a schema share was chosen once, and is reported once.
pub fn judge<'a, T>(
    verdicts: &mut Verdicts<'_>,
    kind: &Kind,
    examined: u64,
    names: &[Named<'a, T>],
    outlier: impl Fn(&Named<'a, T>, &Lesson) -> Option<Finding>,
) {
    let census = names.iter().map(|named| (named.style, named.name)).collect();
    let habit = learn(verdicts, &kind.convention, census);
    let lesson = tell(verdicts, kind, examined, &habit);
    let mut places: FxHashMap<(String, &str), usize> = FxHashMap::default();
    let mut shared: Vec<Vec<Finding>> = Vec::new();
    for named in names.iter().filter(|named| lesson.is_broken_by(named.style)) {
        if let Some(finding) = outlier(named, &lesson) {
            let finding = lesson.evidence(finding, named.style);
            let place = *places.entry((finding.schema.clone(), named.name)).or_insert(shared.len());
            match shared.get_mut(place) {
                Some(findings) => findings.push(finding),
                None => shared.push(vec![finding]),
            }
        }
    }
    for findings in shared {
        verdicts.findings.extend(told_once(findings));
    }
}

/// The first of the findings by object, with the objects of the others.
fn told_once(mut findings: Vec<Finding>) -> Option<Finding> {
    findings.sort_unstable_by(|left, right| left.object.cmp(&right.object));
    let mut rest = findings.into_iter();
    let mut first = rest.next()?;
    let others: Vec<String> = rest.map(|finding| finding.object).collect();
    if !others.is_empty() {
        let verb = if others.len() == 1 { "has" } else { "have" };
        first.message.push_str(&format!("; {} more {verb} that name", others.len()));
        first = first.evidence("others", others);
    }
    Some(first)
}

/// The names of what belongs to tables: counted all, and to be judged where people designed the table.
pub struct Gathered<'a, T> {
    /// How many tables people designed.
    pub examined: u64,
    /// All names.
    pub census: Census<'a>,
    /// What can be renamed, and in which style its name is.
    pub candidates: Vec<(&'a T, Style)>,
}

/// Gathers what `of_table` lists of each table, by its name.
pub fn gather<'a, T, Listed: Iterator<Item = (&'a T, Style)>>(
    facts: &Facts<'a>,
    of_table: impl Fn(&'a Snapshot, &'a Relation) -> Listed,
    name: impl Fn(&'a T) -> &'a str,
) -> Gathered<'a, T> {
    let mut gathered = Gathered { examined: 0, census: Census::default(), candidates: Vec::new() };
    for table in facts.snapshot.judged_tables() {
        (facts.interrupt)();
        let is_designed = !is_migration_book(table);
        gathered.examined += u64::from(is_designed);
        for (named, style) in of_table(facts.snapshot, table) {
            gathered.census.count(style, name(named));
            if is_designed {
                gathered.candidates.push((named, style));
            }
        }
    }
    gathered
}

/// What the counted names show, by the thresholds in force.
pub fn learn<'a>(verdicts: &Verdicts<'_>, convention: &Convention, census: Census<'a>) -> Habit<'a> {
    Habit::of(census, convention, verdicts.threshold(MAJORITY.name), verdicts.threshold(MINIMUM.name))
}

/// What is named, in the plural, and what is asked of it.
pub struct Kind {
    /// `index names`.
    pub what: &'static str,
    /// What is asked.
    pub convention: Convention,
}

/// What was learned of one kind of name.
pub struct Lesson {
    /// What prevails.
    pub prevailing: Prevailing,
    /// The style that names are judged by.
    pub expected: Style,
    convention: Convention,
    followers: u64,
    total: u64,
}

impl Lesson {
    /// Whether a name in this style breaks what prevails.
    pub fn is_broken_by(&self, style: Style) -> bool {
        self.prevailing.is_outlier(style, &self.convention)
    }

    /// "which 93 of 120 … follow", or that it is the project's convention.
    pub fn reason(&self) -> String {
        if self.followers * 2 > self.total {
            format!("as {} of {} are", self.followers, self.total)
        } else {
            "which is the convention".to_owned()
        }
    }

    /// The finding with what was learned as evidence.
    pub fn evidence(&self, finding: Finding, style: Style) -> Finding {
        finding
            .evidence("style", style)
            .evidence("expected_style", self.expected)
            .evidence("names_in_expected_style", self.followers)
            .evidence("names_judged", self.total)
    }
}

/// Counts what was looked at and tells the one decision where there is something to tell.
pub fn tell(verdicts: &mut Verdicts<'_>, kind: &Kind, examined: u64, habit: &Habit<'_>) -> Lesson {
    let house = kind.convention.house;
    let recommended = house.first().copied().unwrap_or(UNSTYLED);
    let total = habit.census.total();
    let followers = |style: Style| habit.census.names(style);
    let in_house = house.iter().map(|style| followers(style)).sum();
    let is_tool_made = |style: Style| kind.convention.tolerated.contains(&style);
    let (expected, count) = match habit.prevailing {
        Prevailing::Learned(style) if !is_tool_made(style) => (style, followers(style)),
        _ => (recommended, in_house),
    };
    // A decision that was not taken is one thing to repair, and repairing it part-way, which brings single names
    // back to light, must not look worse than leaving it.
    verdicts.examine(if habit.prevailing == Prevailing::Mixed { 1 } else { examined });
    let what = kind.what;
    let told = match habit.prevailing {
        Prevailing::House => None,
        Prevailing::Learned(style) if is_tool_made(style) => Some(format!(
            "{} of {total} {what} are what a tool writes when nobody chooses ({style}), so that dbmastery judges none \
             by its form; errors and logs show the name alone: choose it for new ones",
            followers(style)
        )),
        Prevailing::Learned(style) => Some(format!(
            "{} of {total} {what} follow the style {style} rather than {recommended}; dbmastery judges {what} by it \
             from now on, so keep to it",
            followers(style)
        )),
        Prevailing::Mixed => Some(format!(
            "{what} follow no one convention: {}; choose one ({recommended} where in doubt) and keep to it",
            shares(habit)
        )),
    };
    if let Some(message) = told {
        let finding = Finding::new(DATABASE, "", message).severity(Severity::Info);
        verdicts.find(Finding { evidence: counts(habit), ..finding });
    }
    Lesson { prevailing: habit.prevailing, expected, convention: kind.convention, followers: count, total }
}

/// `12 idx_{table}_{columns} (for example idx_orders_state), 9 …`.
fn shares(habit: &Habit<'_>) -> String {
    let share = |vote: &&crate::change::names::census::Vote<'_>| {
        let example = vote.examples.first().copied().unwrap_or_default();
        format!("{} {} (for example {example})", vote.names, vote.style)
    };
    habit.census.ranking().iter().take(4).map(share).collect::<Vec<_>>().join(", ")
}

/// The whole count as evidence.
fn counts(habit: &Habit<'_>) -> Map<String, Value> {
    let styles = habit.census.ranking().into_iter().map(|vote| {
        let mut style = Map::new();
        style.insert("names".to_owned(), vote.names.into());
        style.insert("examples".to_owned(), vote.examples.clone().into());
        (vote.style.to_owned(), Value::Object(style))
    });
    let mut evidence = Map::new();
    evidence.insert("styles".to_owned(), Value::Object(styles.collect()));
    evidence.insert(
        "prevailing_style".to_owned(),
        match habit.prevailing {
            Prevailing::Learned(style) => style.into(),
            Prevailing::House | Prevailing::Mixed => Value::Null,
        },
    );
    evidence
}
