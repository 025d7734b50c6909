use super::candidate::Candidate;
use super::mock::{Mock, existing, on, query, table, workload};
use super::workload::{Drops, Options, Workload, WriteRates};
use super::{Deed, DropReason, Selection, select};

mod candidates;
mod properties;

const MEGABYTE: u64 = 1 << 20;

fn run(workload: &Workload, options: &Options) -> Selection {
    select(workload, options, &mut Mock::new(workload))
}

fn created(selection: &Selection) -> Vec<Candidate> {
    let shape = |action: &super::Action| match &action.deed {
        Deed::Create(shape) => Some(shape.clone()),
        Deed::Drop(..) => None,
    };
    selection.actions.iter().filter_map(shape).collect()
}

fn dropped(selection: &Selection) -> Vec<(String, DropReason)> {
    let index = |action: &super::Action| match &action.deed {
        Deed::Create(_) => None,
        Deed::Drop(index, reason) => Some((index.name.clone(), reason.clone())),
    };
    selection.actions.iter().filter_map(index).collect()
}

fn with_budget(megabytes: u64) -> Options {
    Options { budget_bytes: Some(megabytes * MEGABYTE), ..Options::default() }
}

#[test]
fn a_lookup_gets_its_index() {
    let lookup = table(1, 100_000.0, &[1, 2]).equals(2, 0.0001);
    let workload = workload(vec![query("a", 10.0, vec![lookup])]);
    let selection = run(&workload, &Options::default());
    assert_eq!(created(&selection), [on(1, &[2])]);
    assert_eq!((selection.cost_before, selection.cost_after), (22_500.0, 140.0));
    let action = &selection.actions[0];
    assert_eq!((action.cost_before, action.cost_after), (22_500.0, 140.0));
    assert_eq!(action.helped.len(), 1);
    assert_eq!((action.helped[0].cost_before, action.helped[0].cost_after), (2250.0, 14.0));
    assert!(action.benefit_share > 0.99 && selection.is_complete && selection.regressions.is_empty());
}

#[test]
fn nothing_is_recommended_where_nothing_helps() {
    let whole = table(1, 100_000.0, &[1, 2]);
    let small = table(2, 500.0, &[1]).equals(1, 0.001);
    let wide = table(3, 100_000.0, &[1]).within(1, 0.9);
    let workload = workload(vec![query("a", 1.0, vec![whole, small, wide])]);
    let selection = run(&workload, &Options::default());
    assert!(selection.actions.is_empty() && selection.is_complete);
    assert_eq!(selection.cost_before, selection.cost_after);
    assert!(run(&Workload::default(), &Options::default()).actions.is_empty());
}

#[test]
fn equality_comes_before_a_range_and_before_an_order() {
    let ranged = table(1, 1_000_000.0, &[1, 2]).within(1, 0.01).equals(2, 0.01);
    let sorted = table(2, 1_000_000.0, &[1, 2]).equals(1, 0.005).ordered(&[-2]);
    let workload = workload(vec![query("a", 1.0, vec![ranged]), query("b", 1.0, vec![sorted])]);
    let selection = run(&workload, &Options::default());
    let mut shapes = created(&selection);
    shapes.sort();
    // A column alone in descending order is the ascending one read backwards.
    assert_eq!(shapes, [on(1, &[2, 1]), on(2, &[1, 2])]);
}

#[test]
fn a_mixed_order_is_kept_exactly() {
    let sorted = table(1, 1_000_000.0, &[1, 2]).ordered(&[-1, 2]);
    let sorted = crate::catalog::access::Access { rows_after: 1_000_000.0, ..sorted };
    let mut cheap = sorted.clone();
    cheap.columns.truncate(2);
    let cheap = cheap.narrow();
    let workload = workload(vec![query("a", 1.0, vec![cheap])]);
    assert_eq!(created(&run(&workload, &Options::default())), [on(1, &[1, -2])]);
}

#[test]
fn what_exists_is_not_recommended() {
    let lookup = table(1, 100_000.0, &[1, 2]).equals(2, 0.0001);
    for shape in [on(1, &[2]), on(1, &[-2]), on(1, &[2, 1])] {
        let mut workload = workload(vec![query("a", 10.0, vec![lookup.clone()])]);
        workload.existing = vec![existing(70, shape)];
        let selection = run(&workload, &Options::default());
        assert!(selection.actions.is_empty(), "{:?}", selection.actions);
    }
}

#[test]
fn an_index_is_extended_instead_of_getting_a_twin() {
    let lookup = table(1, 1_000_000.0, &[1, 2]).equals(1, 0.01).equals(2, 0.01);
    let mut workload = workload(vec![query("a", 10.0, vec![lookup])]);
    workload.existing = vec![existing(70, on(1, &[1]))];
    let selection = run(&workload, &Options::default());
    let shapes = created(&selection);
    assert_eq!(shapes.len(), 1);
    assert_eq!(shapes[0].keys.len(), 2);
    match shapes[0].serves(&on(1, &[1])) {
        true => {
            assert_eq!(selection.actions[0].replaces, ["public.i70"]);
            assert_eq!(dropped(&selection), [("public.i70".to_owned(), DropReason::Replaced(vec![0]))]);
        }
        false => {
            assert!(selection.actions[0].replaces.is_empty());
            assert_eq!(dropped(&selection), [("public.i70".to_owned(), DropReason::TakenOver)]);
        }
    }
}

#[test]
fn two_queries_share_one_wider_index() {
    let first = table(1, 1_000_000.0, &[1, 2, 3]).equals(1, 0.001);
    let second = table(1, 1_000_000.0, &[1, 2, 3]).equals(1, 0.001).within(2, 0.01);
    let workload = workload(vec![query("a", 1.0, vec![first]), query("b", 1.0, vec![second])]);
    let selection = run(&workload, &Options::default());
    assert_eq!(created(&selection), [on(1, &[1, 2])]);
    // The narrower one must not stand beside it.
    assert_eq!(selection.actions[0].helped.len(), 2);
}

#[test]
fn a_join_gets_an_index_for_its_inner_side() {
    let inner = table(1, 1_000_000.0, &[1, 2]).joined(1, 0.000_01).equals(2, 0.1);
    let outer = table(2, 100_000.0, &[1]).equals(1, 0.0005);
    let workload = workload(vec![query("a", 1.0, vec![inner, outer])]);
    let shapes = created(&run(&workload, &Options::default()));
    assert!(shapes.iter().any(|shape| shape.relation == 1 && shape.has_key(&on(1, &[1]).keys[0].key)));
    assert!(shapes.contains(&on(2, &[1])));
}

#[test]
fn a_covering_index_includes_what_is_read() {
    let narrow = table(1, 1_000_000.0, &[1, 2, 3]).equals(1, 0.02).narrow();
    let workload = workload(vec![query("a", 1.0, vec![narrow])]);
    let shapes = created(&run(&workload, &Options::default()));
    assert_eq!(shapes.len(), 1);
    assert!([1, 2, 3].iter().all(|&column| shapes[0].holds(column)), "{shapes:?}");
    let none = Options { max_included: 0, max_columns: 1, ..Options::default() };
    assert_eq!(created(&run(&workload, &none)), [on(1, &[1])]);
}

#[test]
fn a_rare_state_gets_a_partial_index() {
    let open = table(1, 1_000_000.0, &[1, 2]).equals(2, 0.001).fixed().ordered(&[1]);
    let workload = workload(vec![query("a", 1.0, vec![open])]);
    let shapes = created(&run(&workload, &with_budget(10)));
    let expected = Candidate { predicate: Some("(c2 Equality)".into()), ..on(1, &[1]) };
    assert_eq!(shapes, [expected]);
    let never = Options { partial: false, ..with_budget(100) };
    assert!(created(&run(&workload, &never)).iter().all(|shape| shape.predicate.is_none()));
}

/// One small index that saves much for its size stands in the way of a large one that saves more: both together do
/// not fit.
#[test]
fn a_greedy_choice_is_taken_back() {
    // 19.1 MB each for one column on a million rows.
    let large = table(1, 1_000_000.0, &[1]).equals(1, 0.0001);
    let small = table(2, 500_000.0, &[1]).equals(1, 0.0001);
    let workload = workload(vec![
        query("large", 1.6, vec![large]),
        // Half the size, and more than half the gain.
        query("small", 2.0, vec![small]),
    ]);
    let selection = run(&workload, &with_budget(20));
    assert_eq!(created(&selection), [on(1, &[1])]);
}

/// Three indexes fill the budget; two others together save more, and each alone saves less for its size.
#[test]
fn several_make_way_for_others() {
    let mut queries = Vec::new();
    for relation in 1..=3 {
        let rows = 350_000.0;
        queries.push(query(
            &format!("small {relation}"),
            1.0,
            vec![table(relation, rows, &[1]).equals(1, 0.0001)],
        ));
    }
    for relation in 4..=5 {
        let rows = 520_000.0;
        queries.push(query(
            &format!("large {relation}"),
            1.03,
            vec![table(relation, rows, &[1]).equals(1, 0.0001)],
        ));
    }
    let workload = workload(queries);
    let selection = run(&workload, &with_budget(20));
    let exhaustive = exhaustive(&workload, 20 * MEGABYTE, 5);
    assert!(selection.cost_after <= exhaustive * 1.000_001, "{} {exhaustive}", selection.cost_after);
}

#[test]
fn the_budget_holds_for_sizes_from_a_closer_look() {
    use super::candidate::Pricing;
    let queries = (1..=8).map(|relation| {
        let lookup = table(relation, 100_000.0 * f64::from(relation), &[1]).equals(1, 0.0001);
        query(&relation.to_string(), 1.0, vec![lookup])
    });
    let workload = workload(queries.collect());
    // Eighteen of twenty megabytes of the first look are twenty of the second.
    for growth in [1.05, 1.2, 2.0] {
        let mut mock = Mock::new(&workload);
        mock.growth = growth;
        for patience in [u64::MAX, 20] {
            (mock.calls, mock.patience) = (0, patience);
            let selection = select(&workload, &with_budget(20), &mut mock);
            let shapes = created(&selection);
            let bytes: u64 = shapes.iter().filter_map(|shape| mock.bytes_closely(shape)).sum();
            assert_eq!(bytes, selection.bytes);
            assert!(bytes <= 20 * MEGABYTE, "{growth}: {bytes}");
            assert!(bytes > 14 * MEGABYTE || patience == 20, "{growth}: only {bytes}");
        }
    }
}

/// The least cost of any set of single-column indexes on the first column of tables 1 to `tables`.
fn exhaustive(workload: &Workload, budget: u64, tables: u32) -> f64 {
    use super::candidate::Pricing;
    let mut mock = Mock::new(workload);
    let all: Vec<Candidate> = (1..=tables).map(|relation| on(relation, &[1])).collect();
    let mut least = f64::INFINITY;
    for bits in 0..1_u32 << tables {
        let set: Vec<&Candidate> =
            all.iter().enumerate().filter(|(place, _)| bits & 1 << place != 0).map(|(_, one)| one).collect();
        if set.iter().map(|shape| mock.bytes(shape).unwrap()).sum::<u64>() <= budget {
            let costs = workload.queries.iter().enumerate();
            least =
                least.min(costs.map(|(place, query)| query.weight * mock.price(place, &set, &[]).cost).sum());
        }
    }
    least
}

#[test]
fn a_count_is_kept() {
    let queries = (1..=5)
        .map(|relation| {
            let lookup = table(relation, 100_000.0 * f64::from(relation), &[1]).equals(1, 0.0001);
            query(&relation.to_string(), 1.0, vec![lookup])
        })
        .collect();
    let options = Options { max_indexes: Some(2), ..Options::default() };
    assert_eq!(created(&run(&workload(queries), &options)), [on(5, &[1]), on(4, &[1])]);
}

#[test]
fn writes_are_weighed_against_reads() {
    let lookup = table(1, 100_000.0, &[1, 2]).equals(2, 0.0001);
    let mut workload = workload(vec![query("a", 1.0, vec![lookup])]);
    let write = |inserts| vec![WriteRates { relation: 1, inserts, ..WriteRates::default() }];
    workload.writes = write(100.0);
    let selection = run(&workload, &Options::default());
    assert_eq!(created(&selection), [on(1, &[2])]);
    assert!(selection.writes_before == 0.0 && (100.0..110.0).contains(&selection.writes_after));
    workload.writes = write(10_000.0);
    assert!(run(&workload, &Options::default()).actions.is_empty());
    workload.writes = vec![WriteRates {
        relation: 1,
        hot_updates: 10_000.0,
        hot_updates_of: vec![(2, 10_000.0)],
        ..WriteRates::default()
    }];
    assert!(run(&workload, &Options::default()).actions.is_empty());
}

#[test]
fn what_is_superfluous_is_dropped_and_what_is_kept_stays() {
    let lookup = table(1, 100_000.0, &[1, 2]).equals(2, 0.0001);
    let mut workload = workload(vec![query("a", 10.0, vec![lookup])]);
    let (twin, unused, unique, kept) = (
        existing(72, on(1, &[2])),
        existing(73, on(1, &[1])),
        super::candidate::ExistingIndex { is_unique: true, ..existing(74, on(1, &[2])) },
        super::candidate::ExistingIndex {
            kept_by: Some("replica identity".into()),
            ..existing(75, on(1, &[2]))
        },
    );
    workload.existing = vec![existing(71, on(1, &[2, 1])), twin, unused, unique, kept];
    let with = |drops| run(&workload, &Options { drops, ..Options::default() });
    assert!(with(Drops::Never).actions.is_empty());
    let names = |selection: &Selection| -> Vec<String> {
        dropped(selection).into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(names(&with(Drops::Superseded)), ["public.i71", "public.i72"]);
    assert_eq!(names(&with(Drops::Unneeded)), ["public.i71", "public.i72", "public.i73"]);
}

#[test]
fn an_index_that_serves_stays() {
    let lookup = table(1, 100_000.0, &[1, 2]).equals(2, 0.0001);
    let mut workload = workload(vec![query("a", 10.0, vec![lookup])]);
    workload.existing = vec![existing(71, on(1, &[2])), existing(72, on(1, &[2]))];
    // Of two equal ones just one goes.
    let selection = run(&workload, &Options { drops: Drops::Unneeded, ..Options::default() });
    assert_eq!(dropped(&selection).len(), 1);
    assert_eq!(selection.cost_before, selection.cost_after);
}

#[test]
fn time_over_at_once_still_gives_an_answer() {
    let queries: Vec<_> = (1..=6)
        .map(|relation| {
            let lookup = table(relation, 100_000.0, &[1, 2]).equals(1, 0.0001).equals(2, 0.1);
            query(&relation.to_string(), f64::from(relation), vec![lookup])
        })
        .collect();
    let workload = workload(queries);
    for patience in [0, 1, 7, 9, 12, 20, 40] {
        let mut mock = Mock::new(&workload);
        mock.patience = patience;
        let selection = select(&workload, &Options::default(), &mut mock);
        assert!(!created(&selection).is_empty(), "{patience}");
        assert!(selection.cost_after < selection.cost_before);
        assert_eq!(selection.is_complete, mock.calls < patience);
        let real: f64 = real_cost(&workload, &created(&selection));
        assert!((real - selection.cost_after).abs() < 1e-6 * real, "{patience}");
    }
}

fn real_cost(workload: &Workload, set: &[Candidate]) -> f64 {
    use super::candidate::Pricing;
    let mut mock = Mock::new(workload);
    let set: Vec<&Candidate> = set.iter().collect();
    let queries = workload.queries.iter().enumerate();
    queries.map(|(place, query)| query.weight * mock.price(place, &set, &[]).cost).sum()
}

#[test]
fn nothing_is_asked_twice() {
    let workload = properties::busy();
    let mut mock = Mock::new(&workload);
    let selection = select(&workload, &with_budget(60), &mut mock);
    assert_eq!(selection.calls, mock.calls);
    let mut asked = mock.asked.clone();
    for (_, candidates, hidden) in &mut asked {
        candidates.sort();
        hidden.sort_unstable();
    }
    let count = asked.len();
    asked.sort();
    asked.dedup();
    assert_eq!(asked.len(), count);
    assert!(count < 900, "{count} calls");
}

#[test]
fn one_query_gets_few_indexes_and_alternatives() {
    use super::one::{best_for_query, options};
    let access = table(1, 1_000_000.0, &[1, 2, 3]).equals(1, 0.001).equals(2, 0.002).within(3, 0.1);
    let workload = workload(vec![query("a", 1.0, vec![access])]);
    let mut mock = Mock::new(&workload);
    let answer = best_for_query(&workload, &options(), &mut mock);
    assert_eq!(created(&answer.selection).len(), 1);
    assert_eq!(answer.alone.len(), 1);
    assert_eq!(answer.alone[0].cost_after, answer.selection.cost_after);
    assert!(!answer.alternatives.is_empty() && answer.alternatives.len() <= 3);
    for other in &answer.alternatives {
        assert!(other.bytes < answer.alone[0].bytes || other.cost_after >= answer.alone[0].cost_after);
        assert!(other.index != answer.alone[0].index);
    }
    assert!(mock.calls < 60, "{} calls", mock.calls);
}
