//! What holds for every workload.

use proptest::prelude::*;

use super::super::candidate::Pricing;
use super::super::mock::{Mock, existing, on, query, table, workload};
use super::super::workload::{Drops, Options, WeightedQuery, Workload};
use super::{created, real_cost, run};
use crate::catalog::access::Access;

/// A workload of many queries over a few tables.
pub fn busy() -> Workload {
    let mut queries = Vec::new();
    for number in 0..20_i16 {
        let (first, second) = (1 + number % 5, 1 + (number * 3 + 1) % 7);
        let rows = [200_000.0, 1_000_000.0, 60_000.0][number as usize % 3];
        let mut access = table(1 + number as u32 % 3, rows, &[1, 2, 3, 4, 5, 6, 7])
            .equals(first, 0.003 * f64::from(1 + number % 4));
        if first != second {
            access = access.within(second, 0.05);
        }
        if number % 4 == 0 {
            access = access.ordered(&[7]);
        }
        queries.push(query(&format!("q{number:02}"), f64::from(1 + number % 6), vec![access]));
    }
    workload(queries)
}

fn any_access() -> impl Strategy<Value = Access> {
    let clause = (1..=5_i16, 0..3_u8, 1..=300_u16);
    let order = prop::option::weighted(0.3, prop::collection::vec(prop_oneof![1..=5_i16, -5..=-1_i16], 1..3));
    (1..=4_u32, prop::collection::vec(clause, 0..4), order, any::<bool>()).prop_map(
        |(relation, clauses, order, is_narrow)| {
            let rows = f64::from(relation) * 150_000.0;
            let mut access = table(relation, rows, &[1, 2, 3, 4, 5]);
            for (column, role, share) in clauses {
                let share = f64::from(share) / 1000.0;
                access = match role {
                    0 => access.equals(column, share),
                    1 => access.within(column, share),
                    _ => access.joined(column, share / 1000.0),
                };
            }
            if let Some(order) = order {
                access = access.ordered(&order);
            }
            if is_narrow { access.narrow() } else { access }
        },
    )
}

fn any_workload() -> impl Strategy<Value = Workload> {
    let one = (prop::collection::vec(any_access(), 1..3), 1..50_u32);
    let index = (1..=4_u32, prop::collection::vec(1..=5_i16, 1..3));
    (prop::collection::vec(one, 1..7), prop::collection::vec(index, 0..3)).prop_map(|(queries, indexes)| {
        let queries: Vec<WeightedQuery> = queries
            .into_iter()
            .enumerate()
            .map(|(place, (accesses, weight))| query(&format!("q{place}"), f64::from(weight), accesses))
            .collect();
        let indexes = indexes.into_iter().enumerate().map(|(place, (relation, mut columns))| {
            columns.dedup();
            existing(100 + place as u32, on(relation, &columns))
        });
        Workload { queries, existing: indexes.collect(), ..Workload::default() }
    })
}

fn budget(megabytes: Option<u64>) -> Options {
    Options { budget_bytes: megabytes.map(|size| size << 20), drops: Drops::Never, ..Options::default() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_answer_is_honest(workload in any_workload(), size in prop::option::of(1..60_u64)) {
        let options = budget(size);
        let selection = run(&workload, &options);
        let shapes = created(&selection);
        let mut mock = Mock::new(&workload);
        let bytes: u64 = shapes.iter().filter_map(|shape| mock.bytes(shape)).sum();
        prop_assert_eq!(bytes, selection.bytes);
        prop_assert!(options.affords(bytes));
        prop_assert!(selection.cost_after <= selection.cost_before);
        let real = real_cost(&workload, &shapes);
        prop_assert!((real - selection.cost_after).abs() <= 1e-6 * real.max(1.0));
        let mut cost = selection.cost_before;
        for action in &selection.actions {
            prop_assert!(action.cost_before == cost && action.cost_after < cost);
            prop_assert!(!action.helped.is_empty());
            cost = action.cost_after;
        }
        for (place, shape) in shapes.iter().enumerate() {
            let others = shapes.iter().enumerate().filter(|(other, _)| *other != place);
            prop_assert!(others.into_iter().all(|(_, other)| !other.serves(shape)));
            prop_assert!(workload.existing.iter().all(|index| !index.shape.serves(shape)));
        }
    }

    #[test]
    fn the_order_of_queries_does_not_matter(workload in any_workload(), turn in 0..6_usize) {
        let mut turned = workload.clone();
        let count = turned.queries.len();
        turned.queries.rotate_left(turn % count);
        for options in [budget(None), budget(Some(20))] {
            prop_assert_eq!(created(&run(&workload, &options)), created(&run(&turned, &options)));
        }
    }

    #[test]
    fn only_proportions_of_weights_matter(workload in any_workload()) {
        let mut heavier = workload.clone();
        for query in &mut heavier.queries {
            // A power of two, so that no sum is rounded otherwise.
            query.weight *= 16.0;
        }
        for options in [budget(None), budget(Some(20))] {
            prop_assert_eq!(created(&run(&workload, &options)), created(&run(&heavier, &options)));
        }
    }

    #[test]
    fn a_larger_budget_is_never_worse_by_much(workload in any_workload()) {
        let cost = |size| run(&workload, &budget(Some(size))).cost_after;
        let (little, much) = (cost(10), cost(100));
        prop_assert!(much <= little * 1.01, "{} {}", little, much);
    }

    #[test]
    fn an_answer_in_no_time_is_an_answer(workload in any_workload(), patience in 0..60_u64) {
        let mut mock = Mock::new(&workload);
        mock.patience = patience;
        let options = budget(Some(30));
        let selection = super::super::select(&workload, &options, &mut mock);
        prop_assert!(options.affords(selection.bytes));
        let real = real_cost(&workload, &created(&selection));
        prop_assert!((real - selection.cost_after).abs() <= 1e-6 * real.max(1.0));
        prop_assert!(selection.cost_after <= selection.cost_before);
    }
}

#[test]
fn weights_times_ten_change_nothing() {
    let workload = busy();
    let mut heavier = workload.clone();
    for query in &mut heavier.queries {
        query.weight *= 10.0;
    }
    assert_eq!(created(&run(&workload, &budget(Some(50)))), created(&run(&heavier, &budget(Some(50)))));
}
