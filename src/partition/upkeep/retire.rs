//! Which partitions are too old, and whether so many may go at once.

use super::super::key::Position;
use super::super::set::{Policy, Set};
use super::Action;
use super::decide::{Cuts, Now, high_of, low_of};

/// Adds what is too old, the oldest first; or why nothing goes.
pub fn add(actions: &mut Vec<Action>, set: &Set, policy: &Policy, now: &Now, cuts: &dyn Cuts) {
    let (Some(cutoff), Some(here)) = (now.cutoff, now.position) else { return };
    let mut ranged: Vec<_> = set
        .partitions
        .iter()
        .filter(|partition| !partition.is_detach_pending && !partition.is_default)
        .filter_map(|partition| {
            let range = partition.range.as_ref()?;
            Some((low_of(range)?, high_of(range)?, partition))
        })
        .collect();
    ranged.sort_by_key(|&(low, high, _)| (low, high));
    let total = ranged.len();
    // The last stays, whatever the clock says: new rows need a place.
    ranged.pop();
    ranged.retain(|&(low, high, _)| high <= cutoff && !(low <= here && here < high));
    let count = ranged.len();
    if count == 0 {
        return;
    }
    let most =
        ((total as f64 * policy.max_retire).floor() as usize).max(usize::from(policy.max_retire > 0.0));
    if count > most {
        let mut reason = format!(
            "{count} of {total} partitions are older than retention allows, and one pass retires at most {most}: max_retire is {}",
            policy.max_retire
        );
        if let Some(before) = now.last_position.filter(|&before| has_jumped(before, here, cuts)) {
            reason.push_str(&format!(
                "; when something was last done it was {}, now it is {}: look at the clock first",
                cuts.text(before),
                cuts.text(here)
            ));
        }
        actions.push(Action::Stop { what: "retire", reason });
        return;
    }
    let concurrently = !set.partitions.iter().any(|partition| partition.is_default);
    actions.extend(ranged.into_iter().map(|(_, _, partition)| Action::Retire {
        partition: partition.relation,
        name: partition.name.clone(),
        concurrently,
    }));
}

/// Whether the line went on by more than two partitions.
fn has_jumped(before: Position, here: Position, cuts: &dyn Cuts) -> bool {
    let second = cuts.after(before).and_then(|next| cuts.after(next));
    second.is_some_and(|second| here > second)
}
