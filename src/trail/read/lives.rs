//! Which changes that found a row by one key are of the row that another key tells: where columns tell rows apart that did
//! not before, `{"id": 7}` may have been one row and then another, of which one became `{"tenant": 2, "id": 7}`.

use super::lineage::ColumnId;

/// What a change did to the row that its key tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// It came.
    Began,
    /// It stayed.
    Went,
    /// It was gone afterwards.
    Ended,
}

/// A change, as far as it tells the values of the other key: before it and after it.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// What it did.
    pub deed: Deed,
    /// Values before.
    pub before: Vec<(ColumnId, String)>,
    /// Values after.
    pub after: Vec<(ColumnId, String)>,
}

/// Which of these changes, the first first, are of the row that has those values: the places of those. `stays`: whether that
/// row was there after the last of them.
pub fn of_row(changes: &[Told], values: &[(ColumnId, String)], stays: bool) -> Vec<usize> {
    let mut own = Vec::new();
    let mut life: Vec<usize> = Vec::new();
    let mut row = Known::new(values);
    for (place, change) in changes.iter().enumerate() {
        if change.deed == Deed::Began && !life.is_empty() {
            row.close(&mut life, &mut own, false);
        }
        life.push(place);
        row.see(&change.before);
        row.see(&change.after);
        if change.deed == Deed::Ended {
            row.close(&mut life, &mut own, false);
        }
    }
    row.close(&mut life, &mut own, stays);
    own
}

/// What is known of a row while its life is read.
struct Known<'a> {
    wanted: &'a [(ColumnId, String)],
    now: Vec<Option<String>>,
    was_it: bool,
}

impl<'a> Known<'a> {
    fn new(wanted: &'a [(ColumnId, String)]) -> Self {
        Self { wanted, now: vec![None; wanted.len()], was_it: false }
    }

    fn see(&mut self, values: &[(ColumnId, String)]) {
        for ((id, _), now) in self.wanted.iter().zip(&mut self.now) {
            if let Some((_, value)) = values.iter().find(|(found, _)| found == id) {
                *now = Some(value.clone());
            }
        }
        let mut both = self.wanted.iter().zip(&self.now);
        self.was_it |= both.all(|((_, wanted), now)| now.as_ref() == Some(wanted));
    }

    /// The life is over: it was that row's where it had its values, or where nothing speaks against it and the row was there
    /// afterwards.
    fn close(&mut self, life: &mut Vec<usize>, own: &mut Vec<usize>, stays: bool) {
        let mut both = self.wanted.iter().zip(&self.now);
        let can_be = both.all(|((_, wanted), now)| now.as_ref().is_none_or(|now| now == wanted));
        if self.was_it || stays && can_be {
            own.append(life);
        }
        life.clear();
        *self = Self::new(self.wanted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(deed: Deed, before: &[(ColumnId, &str)], after: &[(ColumnId, &str)]) -> Told {
        let own =
            |values: &[(ColumnId, &str)]| values.iter().map(|&(id, value)| (id, value.to_owned())).collect();
        Told { deed, before: own(before), after: own(after) }
    }

    #[test]
    fn one_row_after_another() {
        let (id, tenant) = (0, 1);
        let changes = [
            // Before there were tenants.
            told(Deed::Began, &[], &[(id, "7")]),
            told(Deed::Ended, &[(id, "7")], &[]),
            // Of another tenant.
            told(Deed::Began, &[], &[(id, "7"), (tenant, "3")]),
            told(Deed::Ended, &[(id, "7"), (tenant, "3")], &[]),
            // It got its tenant later.
            told(Deed::Began, &[], &[(id, "7"), (tenant, "null")]),
            told(Deed::Went, &[(id, "7"), (tenant, "null")], &[(id, "7"), (tenant, "2")]),
            told(Deed::Went, &[(id, "7")], &[(id, "7")]),
        ];
        let row = |tenant_value: &str| vec![(id, "7".to_owned()), (tenant, tenant_value.to_owned())];
        assert_eq!(of_row(&changes, &row("2"), true), [4, 5, 6]);
        assert_eq!(of_row(&changes, &row("2"), false), [4, 5, 6]);
        assert_eq!(of_row(&changes, &row("3"), true), [2, 3]);
        assert!(of_row(&changes, &row("4"), true).is_empty());
        // Nothing tells its tenant: only the row that was there afterwards can be meant.
        assert_eq!(of_row(&changes[..1], &row("2"), true), [0]);
        assert!(of_row(&changes[..1], &row("2"), false).is_empty());
        assert!(of_row(&changes[..2], &row("2"), true).is_empty());
    }
}
