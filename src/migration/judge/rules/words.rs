//! Words and lookups that many rules share.

use super::pieces::alter_table;
use crate::catalog::LockMode;
use crate::catalog::ddl::{
    AddColumn, AddConstraint, Alteration, ConstraintType, Dependent, Kind, RecentUse, Touched, TouchedKind,
};
use crate::migration::judge::rule::{Asked, Effect, Found};

/// The sub-command, of ALTER TABLE.
pub fn alteration<'a>(asked: &Asked<'a>) -> Option<&'a Alteration> {
    match &asked.action.kind {
        Kind::Alter(alteration) => Some(alteration),
        _ => None,
    }
}

/// The target, if it holds rows of its own or in partitions.
pub fn stored<'a>(asked: &Asked<'a>) -> Option<&'a Touched> {
    asked.target().filter(|target| {
        use TouchedKind as K;
        matches!(target.kind, K::Table | K::PartitionedTable | K::MaterializedView)
    })
}

/// A column that is really added to a table with rows.
pub fn new_column<'a>(asked: &Asked<'a>) -> Option<(&'a Touched, &'a AddColumn)> {
    match alteration(asked)? {
        Alteration::AddColumn(column) if !column.is_there => Some((stored(asked)?, column)),
        _ => None,
    }
}

/// A constraint of that type that is really added to a table with rows.
pub fn new_constraint<'a>(
    asked: &Asked<'a>,
    constraint_type: ConstraintType,
) -> Option<(&'a Touched, &'a AddConstraint)> {
    match alteration(asked)? {
        Alteration::AddConstraint(added)
            if added.constraint_type == constraint_type && !added.is_there && !added.is_not_enforced =>
        {
            Some((stored(asked)?, added))
        }
        _ => None,
    }
}

/// The sub-command as it stands alone.
pub fn whole(asked: &Asked<'_>) -> String {
    let is_alter = matches!(asked.action.kind, Kind::Alter(_));
    if is_alter && !asked.action.text.is_empty() && asked.target().is_none_or(is_table) {
        alter_table(&asked.target_name(), &asked.action.text)
    } else if asked.statement.text.is_empty() {
        asked.action.text.clone()
    } else {
        asked.statement.text.clone()
    }
}

fn is_table(target: &Touched) -> bool {
    matches!(target.kind, TouchedKind::Table | TouchedKind::PartitionedTable)
}

/// Who waits for a lock of that mode.
pub fn who_waits(mode: LockMode) -> &'static str {
    if mode.blocks_reads() {
        "readers and writers wait"
    } else if mode.blocks_writes() {
        "writers wait"
    } else {
        "readers and writers go on"
    }
}

/// `under ACCESS EXCLUSIVE: readers and writers wait`, by the target's lock.
pub fn under(asked: &Asked<'_>) -> String {
    under_mode(asked.action.lock_mode().unwrap_or(LockMode::AccessExclusive))
}

/// The same of a mode.
pub fn under_mode(mode: LockMode) -> String {
    format!("under {}: {}", mode.name(), who_waits(mode))
}

/// `ACCESS EXCLUSIVE`, the target's lock.
pub fn lock_name(asked: &Asked<'_>) -> &'static str {
    asked.action.lock_mode().unwrap_or(LockMode::AccessExclusive).name()
}

/// A lock that is held for a moment once it is granted: what helps is not to wait for it long.
pub fn moment(asked: &Asked<'_>, message: String) -> Found {
    let found = Found::new(Effect::Lock, message);
    let statement = whole(asked);
    if asked.session.timeouts.lock > 0 || statement.is_empty() {
        return found.note(
            "it is quick once the lock is granted; while it waits for the lock, others queue behind it",
        );
    }
    found.safe("SET lock_timeout = '2s'").safe(statement).note(
        "it is quick once the lock is granted; with a lock_timeout nobody queues behind it for long: try again \
         where it runs out",
    )
}

/// `a, b and 3 more`
pub fn few(names: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown = &names[..names.len().min(SHOWN)];
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// `view public.av, function public.f()`
pub fn dependents(all: &[Dependent]) -> String {
    few(&all.iter().map(|dependent| format!("{} {}", dependent.kind, dependent.name)).collect::<Vec<_>>())
}

/// Who used lately what goes away; empty where nobody is known to.
pub fn uses(recent: &[RecentUse]) -> String {
    let Some(first) = recent.iter().max_by_key(|used| used.calls) else { return String::new() };
    let more = match recent.len() - 1 {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    format!("statements that ran lately use it: \"{}\" ({} calls){more}", first.query.trim(), first.calls)
}

/// Notes, those that are not empty, as one.
pub fn notes(parts: &[String]) -> String {
    parts.iter().filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>().join("; ")
}

/// The largest of the relations that are locked and that somebody else can see.
pub fn largest_locked<'a>(asked: &Asked<'a>) -> Option<&'a Touched> {
    let seen = asked.action.locks.iter().map(|lock| &lock.relation).filter(|relation| !relation.is_private());
    seen.max_by_key(|relation| relation.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_is_cut() {
        let names: Vec<String> = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        assert_eq!(few(&names[..2]), "a, b");
        assert_eq!(few(&names), "a, b, c and 1 more");
    }

    #[test]
    fn the_most_frequent_use_is_shown() {
        let recent = [("SELECT 1", 3), ("SELECT note FROM acct", 40)]
            .map(|(query, calls)| RecentUse { query: query.into(), calls });
        assert_eq!(
            uses(&recent),
            "statements that ran lately use it: \"SELECT note FROM acct\" (40 calls), and 1 more"
        );
        assert_eq!(uses(&[]), "");
    }

    #[test]
    fn who_waits_follows_from_the_mode() {
        assert_eq!(under_mode(LockMode::Share), "under SHARE: writers wait");
        assert_eq!(
            under_mode(LockMode::ShareUpdateExclusive),
            "under SHARE UPDATE EXCLUSIVE: readers and writers go on"
        );
    }
}
