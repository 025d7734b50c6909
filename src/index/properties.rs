//! What must hold for any set of indexes and foreign keys.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::duplicate::duplicate_indexes;
use super::health::{self, index_health};
use super::missing::{self, missing_indexes};
use super::rules::RULES;
use super::testing::*;
use super::unused::{self, Verdict, unused_indexes};
use crate::catalog::sample::{BTREE, HASH, Sample};
use crate::catalog::{ConstraintKind, IndexStatistics, Snapshot};
use crate::finding::{Finding, Verdicts};
use crate::foreign_key_cover::{Cover, cover};

const COLUMNS: [&str; 4] = ["a", "b", "c", "d"];

/// An index of table `t`, as a test draws it.
#[derive(Clone, Debug)]
struct Drawn {
    name: String,
    columns: Vec<usize>,
    is_hash: bool,
    is_backwards: bool,
    is_unique: bool,
    has_constraint: bool,
    is_partial: bool,
    is_clustered: bool,
    is_valid: bool,
    includes: Option<usize>,
    scans: i64,
    pages: u32,
    age: i64,
}

/// A table `t` with its indexes, its foreign keys to `parent`, and the unique index that `child` refers to.
#[derive(Clone, Debug)]
struct Design {
    indexes: Vec<Drawn>,
    foreign_keys: Vec<Vec<usize>>,
    referenced: Option<String>,
}

fn some_columns(most: usize) -> impl Strategy<Value = Vec<usize>> {
    (Just((0..COLUMNS.len()).collect::<Vec<_>>()).prop_shuffle(), 1..=most).prop_map(
        |(mut columns, count)| {
            columns.truncate(count);
            columns
        },
    )
}

prop_compose! {
    fn index()(
        columns in some_columns(3),
        (is_hash, is_backwards, is_unique, has_constraint) in
            (prop::bool::weighted(0.1), prop::bool::weighted(0.2), prop::bool::weighted(0.3), any::<bool>()),
        (is_partial, is_clustered, is_valid) in
            (prop::bool::weighted(0.15), prop::bool::weighted(0.1), prop::bool::weighted(0.9)),
        includes in prop::option::weighted(0.2, 0..COLUMNS.len()),
        scans in prop_oneof![Just(0), Just(0), Just(7), Just(3_000)],
        pages in prop_oneof![Just(5_u32), Just(300), Just(2_000)],
        age in prop_oneof![Just(40_i64), Just(40), Just(2)],
    ) -> Drawn {
        let is_hash = is_hash && columns.len() == 1;
        let is_unique = is_unique && !is_hash;
        // The server makes neither a constraint nor the order of CLUSTER from a broken index.
        let has_constraint = is_unique && has_constraint && !is_partial && !is_backwards;
        Drawn {
            name: String::new(),
            is_hash,
            is_backwards: is_backwards && !is_hash,
            is_unique,
            has_constraint,
            is_partial,
            is_clustered,
            is_valid: is_valid || is_clustered || has_constraint,
            includes: includes.filter(|column| !is_hash && !columns.contains(column)),
            scans,
            pages,
            age,
            columns,
        }
    }
}

prop_compose! {
    fn design()(
        mut indexes in prop::collection::vec(index(), 0..8),
        foreign_keys in prop::collection::vec(some_columns(3), 0..3),
        is_referenced in any::<bool>(),
    ) -> Design {
        let mut is_first_clustered = true;
        for (number, index) in indexes.iter_mut().enumerate() {
            index.name = format!("i{number}");
            index.is_clustered = index.is_clustered && std::mem::take(&mut is_first_clustered);
        }
        let referenced = indexes
            .iter()
            .find(|drawn| is_referenced && drawn.is_unique && !drawn.is_partial && drawn.is_valid)
            .map(|drawn| drawn.name.clone());
        Design { indexes, foreign_keys, referenced }
    }
}

impl Design {
    /// The design as a snapshot whose OIDs are given in the order of the indexes.
    fn build(&self) -> Snapshot {
        let (mut sample, t) = one_table();
        let parent = plain_table(&mut sample, "parent");
        for drawn in &self.indexes {
            self.build_index(&mut sample, t, drawn);
        }
        for (number, columns) in self.foreign_keys.iter().enumerate() {
            let names = names_of(columns);
            let key = sample.foreign_key(t, &names, parent, &names);
            sample.edit_constraint(key, |constraint| constraint.name = format!("fk{number}").into());
        }
        if let Some(name) = &self.referenced {
            let child = plain_table(&mut sample, "child");
            // Covered itself, so that it only matters as a reference.
            let cover = sample.index(child, "child_a", &["a"]);
            sample.edit_index(cover, |index| {
                index.statistics = Some(IndexStatistics { scans: 9, ..Default::default() })
            });
            let target = sample.snapshot.indexes.iter().find(|index| *index.name == **name).unwrap().oid;
            let key = sample.foreign_key(child, &["a"], t, &["a"]);
            sample.edit_constraint(key, |constraint| {
                constraint.name = "fk_child".into();
                constraint.index = target;
            });
        }
        sample.finish()
    }

    fn build_index(&self, sample: &mut Sample, t: u32, drawn: &Drawn) {
        let mut columns = names_of(&drawn.columns);
        let keys = columns.len();
        columns.extend(drawn.includes.map(|column| COLUMNS[column]));
        let index = if drawn.has_constraint {
            sample.keyed_constraint(t, &drawn.name, &columns, ConstraintKind::Unique)
        } else {
            sample.index_by(t, &drawn.name, &columns, if drawn.is_hash { HASH } else { BTREE })
        };
        sample.edit_index(index, |index| {
            index.key_count = u16::try_from(keys).unwrap();
            for key in &mut index.keys[keys..] {
                key.opclass = 0;
            }
            for key in &mut index.keys[..keys] {
                (key.descending, key.nulls_first) = (drawn.is_backwards, drawn.is_backwards);
            }
            index.is_unique = drawn.is_unique;
            index.is_clustered = drawn.is_clustered;
            index.is_valid = drawn.is_valid;
            index.predicate = drawn.is_partial.then(|| "{ P }".into());
            index.pages = drawn.pages;
            index.rows = 1_000.0 * drawn.pages as f32;
            index.statistics = Some(IndexStatistics { scans: drawn.scans, ..Default::default() });
        });
    }

    fn ask<R>(&self, question: impl FnOnce(&crate::finding::Facts<'_>) -> R) -> R {
        let snapshot = self.build();
        let mut definitions = Deparse::new(&snapshot);
        for drawn in &self.indexes {
            definitions.ages.insert(drawn.name.clone(), drawn.age);
        }
        ask_with(&definitions, question)
    }

    /// The findings of all rules of this room.
    fn findings(&self) -> Vec<(&'static str, Finding)> {
        self.ask(|facts| {
            let found = RULES.iter().flat_map(|rule| {
                let thresholds = |name: &str| rule.default_threshold(name);
                let mut verdicts = Verdicts::new(&thresholds);
                (rule.check)(facts, &mut verdicts);
                assert!(verdicts.findings.len() as u64 <= verdicts.examined * 8, "{}", rule.id);
                verdicts.findings.into_iter().map(|finding| (rule.id, finding)).collect::<Vec<_>>()
            });
            found.collect()
        })
    }

    fn examined(&self) -> Vec<(&'static str, u64)> {
        self.ask(|facts| {
            let count = |rule: &crate::finding::Rule| {
                let thresholds = |name: &str| rule.default_threshold(name);
                let mut verdicts = Verdicts::new(&thresholds);
                (rule.check)(facts, &mut verdicts);
                (rule.id, verdicts.examined)
            };
            RULES.iter().map(count).collect()
        })
    }

    /// The design after the statements, of the few forms that this room writes for a table without partitions.
    fn after(&self, sql: &str) -> Self {
        let mut changed = self.clone();
        for statement in sql.lines() {
            let statement = statement.strip_suffix(';').unwrap();
            let mut remove = |name: &str| {
                let before = changed.indexes.len();
                changed.indexes.retain(|drawn| drawn.name != name);
                assert_eq!(changed.indexes.len() + 1, before, "{statement}");
            };
            if let Some(name) = statement.strip_prefix("DROP INDEX CONCURRENTLY public.") {
                remove(name);
            } else if let Some(name) = statement.strip_prefix("ALTER TABLE public.t DROP CONSTRAINT ") {
                remove(name);
            } else if let Some(name) = statement.strip_prefix("REINDEX INDEX CONCURRENTLY public.") {
                let index = changed.indexes.iter_mut().find(|drawn| drawn.name == name).unwrap();
                (index.is_valid, index.pages, index.age) = (true, 5, 0);
            } else if let Some(rest) = statement.strip_prefix("CREATE INDEX CONCURRENTLY IF NOT EXISTS ") {
                let (name, rest) = rest.split_once(" ON public.t (").unwrap();
                let columns = rest.strip_suffix(')').unwrap().split(", ");
                changed.indexes.push(Drawn {
                    name: name.to_owned(),
                    columns: columns
                        .map(|column| COLUMNS.iter().position(|known| *known == column).unwrap())
                        .collect(),
                    is_hash: false,
                    is_backwards: false,
                    is_unique: false,
                    has_constraint: false,
                    is_partial: false,
                    is_clustered: false,
                    is_valid: true,
                    includes: None,
                    scans: 0,
                    pages: 5,
                    age: 0,
                });
            } else {
                panic!("unknown statement {statement}");
            }
        }
        changed
    }

    /// The design without these indexes.
    fn without(&self, gone: &BTreeSet<String>) -> Self {
        let mut left = self.clone();
        left.indexes.retain(|drawn| !gone.contains(&format!("public.{}", drawn.name)));
        left
    }

    /// How well each foreign key is covered: 2 in full, 1 in part, 0 not at all.
    fn covers(&self) -> Vec<u8> {
        let snapshot = self.build();
        let mut covers: Vec<(&str, u8)> = snapshot
            .constraints
            .iter()
            .filter(|constraint| constraint.kind == ConstraintKind::ForeignKey)
            .map(|constraint| {
                let grade = match cover(&snapshot, constraint) {
                    Cover::Full(_) => 2,
                    Cover::Partly { .. } => 1,
                    Cover::None { .. } => 0,
                };
                (&*constraint.name, grade)
            })
            .collect();
        covers.sort_unstable();
        covers.into_iter().map(|(_, grade)| grade).collect()
    }
}

fn every_size() -> unused::Limits {
    unused::Limits { minimum_bytes: 0, ..unused::Limits::default() }
}

fn names_of(columns: &[usize]) -> Vec<&'static str> {
    columns.iter().map(|&column| COLUMNS[column]).collect()
}

fn keys(findings: &[(&'static str, Finding)]) -> BTreeSet<(&'static str, String)> {
    findings.iter().map(|(rule, finding)| (*rule, finding.object.clone())).collect()
}

/// Everything that the functions say, without OIDs.
fn everything(design: &Design) -> String {
    design.ask(|facts| {
        let mut unused = unused_indexes(facts, &every_size());
        unused.iter_mut().for_each(|row| (row.index, row.table) = (0, 0));
        let mut duplicate = duplicate_indexes(facts, &every_size());
        duplicate.iter_mut().for_each(|row| (row.keep, row.drop, row.table) = (0, 0, 0));
        let mut missing = missing_indexes(facts, &missing::Limits::default());
        missing.iter_mut().for_each(|row| (row.table, row.foreign_keys) = (0, Vec::new()));
        let mut health = index_health(facts, &health::Limits::default());
        health.iter_mut().for_each(|row| (row.table, row.index) = (0, 0));
        format!("{unused:#?}{duplicate:#?}{missing:#?}{health:#?}")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn order_and_oids_do_not_matter(design in design(), seed in any::<prop::sample::Index>()) {
        let mut turned = design.clone();
        if !turned.indexes.is_empty() {
            let turn = seed.index(turned.indexes.len());
            turned.indexes.rotate_left(turn);
            turned.indexes.reverse();
        }
        prop_assert_eq!(everything(&design), everything(&turned));
    }

    #[test]
    fn what_is_kept_is_not_dropped(design in design()) {
        let pairs: Vec<(String, String)> = design.ask(|facts| {
            let rows = duplicate_indexes(facts, &every_size());
            rows.into_iter().map(|row| (row.drop_index, row.keep_index)).collect()
        });
        let dropped: BTreeSet<&String> = pairs.iter().map(|(drop, _)| drop).collect();
        prop_assert_eq!(dropped.len(), pairs.len());
        prop_assert!(pairs.iter().all(|(_, keep)| !dropped.contains(keep)));
    }

    #[test]
    fn following_all_advice_at_once_covers_foreign_keys_no_worse_and_keeps_what_is_used(design in design()) {
        let mut gone: BTreeSet<String> = design.ask(|facts| {
            let unused = unused_indexes(facts, &every_size());
            unused.into_iter().filter(|row| row.verdict == Verdict::Drop).map(|row| row.index_name).collect()
        });
        let duplicates = design.ask(|facts| duplicate_indexes(facts, &every_size()));
        for row in &duplicates {
            // Where the index that stays is dropped as unused, the other one is unused too.
            prop_assert!(!gone.contains(&row.keep_index) || gone.contains(&row.drop_index));
        }
        gone.extend(duplicates.into_iter().map(|row| row.drop_index));
        let fewer: BTreeSet<String> = design
            .findings()
            .into_iter()
            .filter(|(rule, _)| rule.contains("duplicate") || rule.contains("redundant") || rule.contains("unused"))
            .map(|(_, finding)| finding.object)
            .collect();
        for gone in [&gone, &fewer] {
            let before = design.covers();
            for (before, after) in before.iter().zip(design.without(gone).covers()) {
                prop_assert!(after >= *before, "dropped {gone:?}");
            }
        }
        let after = design.without(&gone);
        // Uniqueness is kept: for each unique index there is one left that is as strict on the same columns.
        for lost in design.indexes.iter().filter(|drawn| drawn.is_unique && gone.contains(&format!("public.{}", drawn.name))) {
            let is_as_strict = |other: &&Drawn| {
                other.is_unique && other.is_valid && other.columns == lost.columns && other.is_partial == lost.is_partial
            };
            prop_assert!(after.indexes.iter().any(|other| is_as_strict(&other)), "{lost:?}");
        }
    }

    #[test]
    fn a_fix_clears_its_finding_and_adds_none(design in design()) {
        let before = design.findings();
        let keys_before = keys(&before);
        prop_assert_eq!(keys_before.len(), before.len());
        for (rule, finding) in &before {
            let Some(fix) = &finding.fix else { continue };
            let fixed = design.after(fix);
            let after = keys(&fixed.findings());
            prop_assert!(!after.contains(&(*rule, finding.object.clone())), "{rule} {} stays after {fix}", finding.object);
            let added: Vec<_> = after.difference(&keys_before).collect();
            prop_assert!(added.is_empty(), "{rule} {}: {fix} adds {added:?}", finding.object);
            for ((rule, more), (_, less)) in design.examined().into_iter().zip(fixed.examined()) {
                prop_assert!(less >= more, "{rule} looks at less after {fix}");
            }
        }
    }

    #[test]
    fn no_index_is_reported_by_rules_that_contradict_each_other(design in design()) {
        let findings = design.findings();
        let mut seen = BTreeSet::new();
        for (rule, finding) in &findings {
            if rule.contains("foreign_key") || *rule == "indexing.too_many_indexes" {
                continue;
            }
            prop_assert!(seen.insert(finding.object.clone()), "{rule} {}", finding.object);
        }
    }
}
