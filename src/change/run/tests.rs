//! Tests of how a plan is run.

use super::StepStatus as S;
use super::*;

const PATIENCE: Patience = Patience { lock_timeout: Duration::from_millis(200), tries: 30 };

#[test]
fn names_lead_back() {
    for status in S::ALL {
        assert_eq!(S::parse(status.name()), Some(status));
    }
    for status in PlanStatus::ALL {
        assert_eq!(PlanStatus::parse(status.name()), Some(status));
    }
    for direction in [Direction::Apply, Direction::Undo] {
        assert_eq!(Direction::parse(direction.name()), Some(direction));
    }
    assert_eq!(S::parse("asleep"), None);
}

#[test]
fn steps_go_in_order_and_back_in_reverse() {
    assert_eq!(next_to_apply(&[S::Pending, S::Pending]), Some(0));
    assert_eq!(next_to_apply(&[S::Done, S::Skipped, S::Running, S::Pending]), Some(2));
    assert_eq!(next_to_apply(&[S::Done, S::Failed, S::Pending]), Some(1));
    assert_eq!(next_to_apply(&[S::Done, S::Undone, S::Undone]), Some(1));
    assert_eq!(next_to_apply(&[S::Done, S::Skipped]), None);
    assert_eq!(next_to_undo(&[S::Done, S::Skipped, S::Running, S::Pending]), Some(2));
    assert_eq!(next_to_undo(&[S::Done, S::Skipped, S::Undone, S::Pending]), Some(0));
    assert_eq!(next_to_undo(&[S::Skipped, S::Pending]), None);
}

#[test]
fn what_was_so_before_is_not_ours() {
    for runs in [Runs::InTransaction, Runs::Alone] {
        assert_eq!(before(runs, S::Pending, 0, Some(true), false), Before::Skip);
    }
    // In a transaction the step and its record come and go together.
    assert_eq!(before(Runs::InTransaction, S::Running, 1, Some(true), false), Before::Skip);
    assert_eq!(before(Runs::Alone, S::Running, 1, Some(true), false), Before::Finish);
}

#[test]
fn leftovers_of_ours_go_and_others_stop_us() {
    assert_eq!(before(Runs::Alone, S::Running, 1, Some(false), true), Before::Clean);
    assert_eq!(before(Runs::Alone, S::Failed, 3, None, true), Before::Clean);
    assert_eq!(before(Runs::Alone, S::Pending, 0, Some(false), true), Before::InTheWay);
    assert_eq!(before(Runs::Alone, S::Running, 1, Some(false), false), Before::Run);
    assert_eq!(before(Runs::InTransaction, S::Pending, 0, None, false), Before::Run);
}

#[test]
fn people_are_asked_and_their_word_is_checked() {
    let by_hand = |status, verified| before(Runs::ByHand, status, 0, verified, false);
    assert_eq!(by_hand(S::Pending, None), Before::Ask);
    assert_eq!(by_hand(S::Pending, Some(false)), Before::Ask);
    assert_eq!(by_hand(S::Pending, Some(true)), Before::Skip);
    assert_eq!(by_hand(S::Waiting, None), Before::Ask);
    assert_eq!(by_hand(S::Waiting, Some(true)), Before::Finish);
    assert_eq!(by_hand(S::Confirmed, None), Before::Finish);
    assert_eq!(by_hand(S::Confirmed, Some(true)), Before::Finish);
    assert_eq!(by_hand(S::Confirmed, Some(false)), Before::NotConfirmed);
}

#[test]
fn the_way_back() {
    let of = |runs, status, verified, leftover| back(Phase::Expand, runs, status, true, verified, leftover);
    assert_eq!(of(Runs::InTransaction, S::Done, None, false), Back::Undo);
    assert_eq!(of(Runs::InTransaction, S::Running, Some(true), false), Back::Nothing);
    assert_eq!(of(Runs::InTransaction, S::Failed, None, false), Back::Nothing);
    assert_eq!(of(Runs::InTransaction, S::Undoing, None, false), Back::Undo);
    assert_eq!(of(Runs::Alone, S::Done, None, false), Back::Undo);
    assert_eq!(of(Runs::Alone, S::Running, Some(true), false), Back::Undo);
    assert_eq!(of(Runs::Alone, S::Failed, Some(false), true), Back::Clean);
    assert_eq!(of(Runs::Alone, S::Failed, Some(false), false), Back::Nothing);
    assert_eq!(of(Runs::Alone, S::Failed, None, false), Back::Undo);
    assert_eq!(of(Runs::ByHand, S::Done, None, false), Back::Ask);
    assert_eq!(of(Runs::ByHand, S::Confirmed, None, false), Back::Ask);
    assert_eq!(of(Runs::ByHand, S::UndoWaiting, None, false), Back::Ask);
    assert_eq!(of(Runs::ByHand, S::Waiting, None, false), Back::Nothing);
}

#[test]
fn what_is_gone_stays_gone() {
    let of = |phase, runs, has_undo| back(phase, runs, S::Done, has_undo, None, false);
    assert_eq!(of(Phase::Contract, Runs::InTransaction, false), Back::Never);
    assert_eq!(of(Phase::Contract, Runs::Alone, false), Back::Never);
    assert_eq!(of(Phase::Contract, Runs::InTransaction, true), Back::Undo);
    // VALIDATE has nothing to take back.
    assert_eq!(of(Phase::Validate, Runs::InTransaction, false), Back::Undo);
}

#[test]
fn who_queues_behind_us_does_not_wait_long() {
    let of = |runs, lock| PATIENCE.lock_timeout(runs, lock).map(|timeout| timeout.as_millis());
    assert_eq!(of(Runs::InTransaction, Some(LockMode::AccessExclusive)), Some(200));
    assert_eq!(of(Runs::InTransaction, Some(LockMode::ShareRowExclusive)), Some(200));
    assert_eq!(of(Runs::InTransaction, None), Some(200));
    assert_eq!(of(Runs::InTransaction, Some(LockMode::ShareUpdateExclusive)), Some(2000));
    assert_eq!(of(Runs::Alone, Some(LockMode::ShareUpdateExclusive)), None);
}

#[test]
fn pauses_grow_and_end() {
    let pause = |failed, random| PATIENCE.pause(failed, random).map(|pause| pause.as_millis());
    assert_eq!(pause(1, 0.5), Some(200));
    assert_eq!(pause(2, 0.5), Some(400));
    assert_eq!(pause(5, 0.5), Some(3200));
    assert_eq!(pause(29, 0.5), Some(60_000));
    assert_eq!(pause(30, 0.5), None);
    assert_eq!((pause(1, 0.0), pause(1, 1.0)), (Some(150), Some(250)));
    assert_eq!((pause(1, -7.0), pause(1, f64::INFINITY)), (Some(150), Some(250)));
    let never = Patience { lock_timeout: Duration::ZERO, tries: u32::MAX };
    assert_eq!(never.pause(u32::MAX - 1, 0.5), Some(LONGEST_PAUSE));
    assert_eq!(Patience { tries: 0, ..PATIENCE }.pause(1, 0.5), None);
    // Between attempts there is at least as much air as there was none.
    for failed in 1..30 {
        assert!(PATIENCE.pause(failed, 0.5) >= Some(PATIENCE.lock_timeout), "{failed}");
    }
}

#[test]
fn only_what_passes_is_tried_again() {
    for sqlstate in ["55P03", "40P01", "40001"] {
        assert!(is_worth_another_try(sqlstate));
    }
    for sqlstate in ["23505", "57014", "42P07", "57P01", ""] {
        assert!(!is_worth_another_try(sqlstate));
    }
}

#[test]
fn a_build_that_was_interrupted_on_the_way_back_is_removed_first() {
    let undo = [
        "DROP INDEX CONCURRENTLY IF EXISTS s.i",
        "CREATE UNIQUE INDEX CONCURRENTLY i ON s.t (a)",
        "ALTER TABLE s.t DROP CONSTRAINT c",
        "CREATE INDEX CONCURRENTLY j ON s.t (a)",
    ]
    .map(str::to_owned);
    let places: Vec<usize> = (0..=undo.len()).map(|place| goes_back_at(&undo, place)).collect();
    assert_eq!(places, [0, 0, 2, 3, 4]);
}
