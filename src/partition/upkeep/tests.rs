use super::super::key::{Edge, KeyKind, Position, Range};
use super::super::sample;
use super::super::set::{
    Distance, Every, NameStyle, OnMissing, Partition, Policy, RetentionAction, Set, Strategy,
};
use super::super::zone::Zone;
use super::*;

/// Boundaries at every ten, up to a thousand million.
struct Tens;

impl Cuts for Tens {
    fn at_or_before(&self, position: Position) -> Position {
        position.div_euclid(10) * 10
    }

    fn after(&self, position: Position) -> Option<Position> {
        (position < 1_000_000_000).then(|| position.div_euclid(10) * 10 + 10)
    }

    fn name(&self, range: &Range) -> String {
        format!("{:?}", range.low)
    }

    fn name_of_default(&self) -> String {
        "orders_default".to_owned()
    }

    fn text(&self, position: Position) -> String {
        position.to_string()
    }
}

const KEY: KeyKind = KeyKind::Integer { bytes: 8 };

fn policy(premake: u32) -> Policy {
    Policy {
        key: KEY,
        every: Every::Step(10),
        time_zone: "UTC".to_owned(),
        origin: 0,
        premake,
        retention: None,
        retention_action: RetentionAction::Drop,
        drop_delay: 0,
        on_missing: OnMissing::Error,
        max_create: 100,
        max_retire: 0.5,
        template: None,
        copy_privileges: false,
        name_style: NameStyle::House,
    }
}

fn set(ranges: &[(Position, Position)]) -> Set {
    sample::set_of("orders", KEY, ranges)
}

fn at(position: Position) -> Now {
    Now { position: Some(position), ..Now::default() }
}

fn retaining(position: Position, distance: Position) -> Now {
    Now { cutoff: Some(position - distance), ..at(position) }
}

fn keeping(premake: u32, distance: u64) -> Policy {
    Policy { retention: Some(Distance::Number(distance)), ..policy(premake) }
}

fn created(actions: &[Action]) -> Vec<(Position, Position)> {
    let ends = |edge: &Edge| match edge {
        Edge::At(position) => *position,
        Edge::MinValue => Position::MIN,
        _ => Position::MAX,
    };
    actions
        .iter()
        .filter_map(|action| match action {
            Action::Create { range, .. } => Some((ends(&range.low), ends(&range.high))),
            _ => None,
        })
        .collect()
}

fn retired(set: &Set, actions: &[Action]) -> Vec<Position> {
    let low = |relation| {
        let partition = set.partitions.iter().find(|partition| partition.relation == relation);
        partition.and_then(|partition| low_of(partition.range.as_ref()?)).unwrap_or(0)
    };
    actions
        .iter()
        .filter_map(|action| match action {
            Action::Retire { partition, .. } => Some(low(*partition)),
            _ => None,
        })
        .collect()
}

fn stops(actions: &[Action]) -> Vec<&str> {
    actions
        .iter()
        .filter_map(|action| match action {
            Action::Stop { reason, .. } => Some(reason.as_str()),
            _ => None,
        })
        .collect()
}

/// The set with what was to be created and without what was to be retired.
fn carried_out(mut set: Set, actions: &[Action]) -> Set {
    for action in actions {
        match action {
            Action::Create { range, .. } => {
                let mut partition = sample::partition(&set, Some(range.clone()));
                partition.relation += 10_000 + set.partitions.len() as u32 * 7;
                set.partitions.push(partition);
            }
            Action::Retire { partition, .. } | Action::Finalize { partition, .. } => {
                set.partitions.retain(|kept| kept.relation != *partition);
            }
            _ => {}
        }
    }
    set
}

#[test]
fn an_empty_set_gets_the_partition_of_now_and_those_ahead() {
    let actions = due(&set(&[]), &policy(2), &at(25), &Tens);
    assert_eq!(created(&actions), [(20, 30), (30, 40), (40, 50)]);
}

#[test]
fn a_set_of_numbers_without_a_row_begins_at_its_first_partition_or_its_origin() {
    let nothing_known = Now::default();
    assert_eq!(created(&due(&set(&[]), &policy(1), &nothing_known, &Tens)), [(0, 10), (10, 20)]);
    assert_eq!(created(&due(&set(&[(100, 110)]), &policy(1), &nothing_known, &Tens)), [(110, 120)]);
}

#[test]
fn nothing_is_due_where_enough_is_there() {
    assert_eq!(due(&set(&[(20, 30), (30, 40), (40, 50)]), &policy(2), &at(29), &Tens), []);
    // With the first value of the next partition one more is needed.
    let actions = due(&set(&[(20, 30), (30, 40), (40, 50)]), &policy(2), &at(30), &Tens);
    assert_eq!(created(&actions), [(50, 60)]);
}

#[test]
fn premake_of_none_makes_the_partition_of_now_alone() {
    assert_eq!(created(&due(&set(&[]), &policy(0), &at(5), &Tens)), [(0, 10)]);
    assert_eq!(due(&set(&[(0, 10)]), &policy(0), &at(9), &Tens), []);
}

#[test]
fn gaps_between_partitions_are_filled_after_what_is_needed_now_the_newest_first() {
    let actions = due(&set(&[(0, 10), (30, 40), (60, 70)]), &policy(1), &at(65), &Tens);
    assert_eq!(created(&actions), [(70, 80), (50, 60), (40, 50), (20, 30), (10, 20)]);
}

#[test]
fn a_gap_older_than_retention_is_left() {
    let actions = due(&set(&[(0, 10), (30, 40), (60, 70)]), &keeping(1, 40), &retaining(65, 40), &Tens);
    assert_eq!(created(&actions), [(70, 80), (50, 60), (40, 50), (20, 30)]);
    assert_eq!(retired(&set(&[(0, 10), (30, 40), (60, 70)]), &actions), [0]);
}

#[test]
fn new_partitions_meet_those_that_were_cut_otherwise() {
    // Up to 17 somebody cut by other boundaries.
    let actions = due(&set(&[(3, 17)]), &policy(2), &at(5), &Tens);
    assert_eq!(created(&actions), [(17, 20), (20, 30)]);
    // Now lies behind it, in a gap that begins between two boundaries.
    let actions = due(&set(&[(3, 17)]), &policy(1), &at(18), &Tens);
    assert_eq!(created(&actions), [(17, 20), (20, 30)]);
    // A wide partition ahead counts as one.
    assert_eq!(due(&set(&[(0, 10), (10, 75)]), &policy(1), &at(5), &Tens), []);
}

#[test]
fn a_partition_without_end_needs_none_after_it() {
    let mut endless = set(&[(0, 10)]);
    let rest = Range { low: Edge::At(10), high: Edge::MaxValue };
    let partition = sample::partition(&endless, Some(rest));
    endless.partitions.push(partition);
    assert_eq!(due(&endless, &policy(4), &at(5), &Tens), []);
    assert_eq!(due(&endless, &policy(4), &at(500), &Tens), []);
    let mut infinite = set(&[(0, 10)]);
    let rest = Range { low: Edge::At(10), high: Edge::Other("infinity".to_owned()) };
    let partition = sample::partition(&infinite, Some(rest));
    infinite.partitions.push(partition);
    assert_eq!(due(&infinite, &policy(4), &at(5), &Tens), []);
}

#[test]
fn the_end_of_the_line_ends_the_making() {
    let actions = due(&set(&[(999_999_980, 999_999_990)]), &policy(9), &at(999_999_985), &Tens);
    assert_eq!(created(&actions), [(999_999_990, 1_000_000_000)]);
}

#[test]
fn one_pass_creates_no_more_than_its_limit_and_says_so() {
    let small = Policy { max_create: 3, ..policy(5) };
    let actions = due(&set(&[]), &small, &at(5), &Tens);
    assert_eq!(created(&actions), [(0, 10), (10, 20), (20, 30)]);
    assert_eq!(
        stops(&actions),
        ["more than 3 partitions are missing, and one pass creates no more: max_create is 3"]
    );
    // The next pass goes on.
    let next = carried_out(set(&[]), &actions);
    assert_eq!(created(&due(&next, &small, &at(5), &Tens)), [(30, 40), (40, 50), (50, 60)]);
}

#[test]
fn a_row_far_ahead_and_a_clock_that_leapt_create_what_now_needs_and_no_bridge_to_it() {
    let before = set(&[(0, 10), (10, 20)]);
    let actions = due(&before, &policy(1), &at(900_000_005), &Tens);
    assert_eq!(created(&actions), [(900_000_000, 900_000_010), (900_000_010, 900_000_020)]);
    assert_eq!(
        stops(&actions),
        ["the gap from 20 to 900000000 needs more than 100 partitions and is left: max_create is 100"]
    );
    // When the clock is right again, it goes on as before.
    let after = carried_out(before, &actions);
    assert_eq!(created(&due(&after, &policy(1), &at(12), &Tens)), [(20, 30)]);
}

#[test]
fn a_clock_that_goes_back_does_nothing() {
    assert_eq!(due(&set(&[(500, 510), (510, 520)]), &policy(1), &at(505), &Tens), []);
    let back = due(&set(&[(500, 510), (510, 520)]), &keeping(1, 20), &retaining(501, 20), &Tens);
    assert_eq!(back, []);
}

#[test]
fn what_is_wholly_too_old_goes_the_oldest_first() {
    let old = set(&[(0, 10), (10, 20), (20, 30), (30, 40), (40, 50), (50, 60)]);
    let actions = due(&old, &keeping(1, 25), &retaining(45, 25), &Tens);
    assert_eq!(retired(&old, &actions), [0, 10]);
    // Its upper edge is the first value that is not in it.
    let actions = due(&old, &keeping(1, 26), &retaining(45, 26), &Tens);
    assert_eq!(retired(&old, &actions), [0]);
    assert!(matches!(actions[..], [Action::Retire { concurrently: true, .. }]), "{actions:?}");
}

#[test]
fn beside_a_default_partition_nothing_is_detached_concurrently() {
    let mut with_default = set(&[(0, 10), (10, 20), (20, 30), (30, 40)]);
    let default = sample::partition(&with_default, None);
    with_default.partitions.push(Partition { is_default: true, range: None, ..default });
    let actions = due(&with_default, &keeping(1, 10), &retaining(25, 10), &Tens);
    assert!(matches!(actions[..], [Action::Retire { concurrently: false, .. }]), "{actions:?}");
}

#[test]
fn the_last_partition_and_the_one_of_now_stay() {
    // All is too old: nobody wrote for long, and the clock of numbers does not go on by itself; here it does.
    let old = set(&[(0, 10), (10, 20)]);
    let everything = Policy { max_retire: 1.0, premake: 0, ..keeping(0, 1) };
    let actions = due(&old, &everything, &Now { cutoff: Some(500), ..at(15) }, &Tens);
    assert_eq!(retired(&old, &actions), [0]);
    let one = set(&[(0, 10)]);
    assert_eq!(
        retired(&one, &due(&one, &everything, &Now { cutoff: Some(500), ..at(700) }, &Tens)),
        [0_i64; 0]
    );
}

#[test]
fn more_than_a_share_goes_only_when_somebody_says_so() {
    let ranges: Vec<(Position, Position)> = (0..10).map(|number| (number * 10, number * 10 + 10)).collect();
    let old = set(&ranges);
    let actions = due(&old, &keeping(0, 20), &retaining(95, 20), &Tens);
    assert_eq!(retired(&old, &actions), [0_i64; 0]);
    assert_eq!(
        stops(&actions),
        [
            "7 of 10 partitions are older than retention allows, and one pass retires at most 5: max_retire is 0.5"
        ]
    );
    let leapt = Now { last_position: Some(45), ..retaining(95, 20) };
    let actions = due(&old, &keeping(0, 20), &leapt, &Tens);
    assert!(stops(&actions)[0].ends_with("it was 45, now it is 95: look at the clock first"), "{actions:?}");
    let all = Policy { max_retire: 1.0, ..keeping(0, 20) };
    assert_eq!(retired(&old, &due(&old, &all, &retaining(95, 20), &Tens)).len(), 7);
    let none = Policy { max_retire: 0.0, ..keeping(0, 20) };
    assert_eq!(retired(&old, &due(&old, &none, &retaining(95, 20), &Tens)), [0_i64; 0]);
    // Of few partitions one may always go.
    let few = set(&[(0, 10), (40, 50)]);
    let actions = due(&few, &Policy { max_retire: 0.1, ..keeping(0, 5) }, &retaining(45, 5), &Tens);
    assert_eq!(retired(&few, &actions), [0]);
}

#[test]
fn what_was_left_half_detached_comes_first_and_counts_as_gone() {
    let mut half = set(&[(0, 10), (10, 20), (20, 30)]);
    half.partitions[0].is_detach_pending = true;
    let actions = due(&half, &keeping(1, 15), &retaining(25, 15), &Tens);
    assert!(matches!(&actions[0], Action::Finalize { name, .. } if name == "orders_1"), "{actions:?}");
    assert_eq!(retired(&half, &actions), [0_i64; 0]);
    assert_eq!(created(&actions), [(30, 40)]);
}

#[test]
fn what_refuses_rows_goes_before_everything_else() {
    let mut fenced = set(&[(0, 10), (10, 20)]);
    fenced.fences = vec!["dbm_not_in_orders_3".to_owned()];
    fenced.partitions[0].is_detach_pending = true;
    let actions = due(&fenced, &policy(2), &Now { position: Some(15), ..Now::default() }, &Tens);
    let names: Vec<&str> = actions.iter().map(Action::name).collect();
    assert_eq!(names, ["drop constraint", "finalize", "create", "create"]);
    assert_eq!(left_undone(&fenced), actions[..2]);
    assert_eq!(left_undone(&set(&[(0, 10)])), []);
}

#[test]
fn a_default_partition_that_is_wanted_is_made_when_nothing_is_detached_concurrently() {
    let kept = Policy { on_missing: OnMissing::Default, ..keeping(1, 15) };
    let mut ours = set(&[(0, 10), (10, 20), (20, 30), (30, 40)]);
    let actions = due(&ours, &kept, &retaining(25, 15), &Tens);
    assert!(matches!(actions[0], Action::Retire { concurrently: true, .. }), "{actions:?}");
    assert_eq!(actions[1..], [Action::CreateDefault { name: "orders_default".to_owned() }]);
    ours.partitions[0].is_detach_pending = true;
    let actions = due(&ours, &kept, &retaining(25, 15), &Tens);
    assert!(!actions.iter().any(|action| matches!(action, Action::CreateDefault { .. })), "{actions:?}");
    assert!(
        !due(&set(&[]), &keeping(1, 15), &retaining(25, 15), &Tens)
            .iter()
            .any(|action| matches!(action, Action::CreateDefault { .. }))
    );
}

#[test]
fn a_default_partition_is_drained_between_creating_and_retiring() {
    let now = Now { has_rows_to_drain: true, ..retaining(25, 15) };
    let kept = Policy { on_missing: OnMissing::Default, ..keeping(1, 15) };
    let actions = due(&set(&[(0, 10), (10, 20), (20, 30)]), &kept, &now, &Tens);
    let names: Vec<&str> = actions.iter().map(Action::name).collect();
    assert_eq!(names, ["create", "drain", "retire", "create"]);
    let refusing = keeping(1, 15);
    assert!(!due(&set(&[]), &refusing, &now, &Tens).contains(&Action::Drain));
}

#[test]
fn tables_whose_grace_is_over_are_dropped_last() {
    let table = Detached { relation: 7, name: "public.orders_old".to_owned() };
    let now = Now { over: vec![table], ..at(25) };
    let actions = due(&set(&[(20, 30)]), &policy(1), &now, &Tens);
    let names: Vec<&str> = actions.iter().map(Action::name).collect();
    assert_eq!(names, ["create", "drop"]);
}

#[test]
fn sets_by_list_are_watched_only() {
    let mut listed = set(&[]);
    listed.strategy = Strategy::List;
    assert_eq!(due(&listed, &policy(4), &at(5), &Tens), []);
}

/// A clock that is an hour ahead of UTC.
struct Ahead;

impl Zone for Ahead {
    fn wall(&self, moment: i64) -> i64 {
        moment + 3_600_000_000
    }

    fn moment(&self, wall: i64) -> i64 {
        wall - 3_600_000_000
    }
}

#[test]
fn retention_goes_back_by_the_calendar_of_the_zone() {
    const DAY: i64 = 86_400_000_000;
    let days = |days: i64| days * DAY;
    let span = |months, days, microseconds| Distance::Time { months, days, microseconds };
    // 2000-03-30 23:30 UTC is 2000-03-31 00:30 there; a month before it was 2000-02-29 00:30.
    let moment = days(89) + 23 * DAY / 24 + DAY / 48;
    assert_eq!(moment_before(moment, span(1, 0, 0), &Ahead), Some(days(58) + 23 * DAY / 24 + DAY / 48));
    assert_eq!(moment_before(moment, span(0, 90, 0), &Ahead), Some(moment - days(90)));
    assert_eq!(moment_before(moment, span(0, 0, 5), &Ahead), Some(moment - 5));
    assert_eq!(moment_before(moment, Distance::Number(5), &Ahead), None);
    assert_eq!(moment_before(moment, span(i32::MAX, 0, 0), &Ahead), None);
    assert_eq!(number_cutoff(Some(Distance::Number(30)), Some(100)), Some(70));
    assert_eq!(number_cutoff(Some(Distance::Number(u64::MAX)), Some(100)), Some(100 - Position::MAX));
    assert_eq!(number_cutoff(Some(Distance::Number(30)), None), None);
}

/// Numbers that are the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

#[test]
fn whatever_is_there_afterwards_now_and_what_comes_have_a_place_and_nothing_overlaps() {
    for seed in 0..2_000 {
        let mut chance = Chance(seed);
        let mut ranges = Vec::new();
        let mut low = chance.below(300) as Position - 150;
        for _ in 0..chance.below(12) {
            low += if chance.below(4) == 0 { chance.below(60) as Position } else { 0 };
            let high = low + 1 + chance.below(25) as Position;
            ranges.push((low, high));
            low = high;
        }
        let here = chance.below(500) as Position - 200;
        let premake = chance.below(6) as u32;
        let policy = if chance.below(2) == 0 {
            Policy { max_retire: 1.0, ..keeping(premake, chance.below(200)) }
        } else {
            policy(premake)
        };
        let cutoff = match policy.retention {
            Some(Distance::Number(number)) => Some(here - number as Position),
            _ => None,
        };
        let now = Now { cutoff, ..at(here) };
        let mut kept = set(&ranges);
        // What is made can open a gap between it and what was there, which is filled by the next.
        for _ in 0..3 {
            let actions = due(&kept, &policy, &now, &Tens);
            kept = carried_out(kept, &actions);
        }
        assert_eq!(due(&kept, &policy, &now, &Tens), [], "seed {seed}: not idempotent");
        let mut taken: Vec<(Position, Position)> = kept
            .partitions
            .iter()
            .filter_map(|partition| partition.range.as_ref())
            .filter_map(|range| Some((low_of(range)?, high_of(range)?)))
            .collect();
        taken.sort_unstable();
        assert!(taken.windows(2).all(|pair| pair[0].1 <= pair[1].0), "seed {seed}: {taken:?} overlap");
        // The partition of now, and as many after it as are wanted, without a gap.
        let mut next = here;
        for step in 0..=premake {
            let holder = taken.iter().find(|(low, high)| *low <= next && next < *high);
            let Some((_, high)) = holder else {
                panic!("seed {seed}: no partition {step} for {next} in {taken:?}")
            };
            next = *high;
        }
        if let Some(cutoff) = cutoff {
            let last = taken.last().copied();
            let too_old = taken.iter().filter(|&&stretch| Some(stretch) != last && stretch.1 <= cutoff);
            let too_old = too_old.filter(|(low, high)| !(*low <= here && here < *high));
            assert_eq!(too_old.count(), 0, "seed {seed}: {taken:?} keep what lies before {cutoff}");
        }
    }
}
