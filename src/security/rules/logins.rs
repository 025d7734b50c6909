//! Who logs in and can use the rights of a role, whatever he does for it first.

use std::cell::OnceCell;

use rustc_hash::FxHashMap;

use crate::catalog::{Oid, Role, Snapshot};
use crate::security::rights::Rights;
use crate::security::rights::reach::Usable;
use crate::text::quote_identifier;

/// The logins that are no superuser's, which act as every role, by the roles whose rights they can use: they have them, take them by
/// SET ROLE, or grant them to themselves. Each login's memberships are walked once, when the first is asked for.
pub struct Logins<'a> {
    snapshot: &'a Snapshot,
    rights: &'a Rights<'a>,
    interrupt: &'a dyn Fn(),
    /// Which of them are meant.
    is_meant: Box<dyn Fn(&Usable) -> bool + 'a>,
    found: OnceCell<Found>,
}

/// Logins in the order of their names, by their places.
#[derive(Default)]
struct Found {
    names: Vec<String>,
    of_role: FxHashMap<Oid, Vec<u32>>,
    /// Those that grant themselves every role that is no superuser's.
    of_every_role: Vec<u32>,
}

impl<'a> Logins<'a> {
    /// All of them. `interrupt` is called for each.
    pub fn new(snapshot: &'a Snapshot, rights: &'a Rights<'a>, interrupt: &'a dyn Fn()) -> Self {
        Self::with(snapshot, rights, interrupt, |_| true)
    }

    /// Those that can use what `is_meant` wants.
    pub fn with(
        snapshot: &'a Snapshot,
        rights: &'a Rights<'a>,
        interrupt: &'a dyn Fn(),
        is_meant: impl Fn(&Usable) -> bool + 'a,
    ) -> Self {
        Self { snapshot, rights, interrupt, is_meant: Box::new(is_meant), found: OnceCell::new() }
    }

    /// The names of those that can use the rights of a role, in order.
    pub fn of(&self, role: Oid) -> Vec<String> {
        let found = self.found.get_or_init(|| self.find());
        let mut places = found.of_role.get(&role).cloned().unwrap_or_default();
        if self.rights.grantable_for(role).is_some() {
            places.extend(&found.of_every_role);
        }
        places.sort_unstable();
        places.dedup();
        places.into_iter().filter_map(|place| found.names.get(place as usize).cloned()).collect()
    }

    fn find(&self) -> Found {
        let mut logins: Vec<(String, &Role)> = self
            .snapshot
            .roles
            .iter()
            .filter(|login| login.logs_in && !login.is_superuser)
            .map(|login| (quote_identifier(&login.name), login))
            .collect();
        logins.sort_unstable_by(|left, right| left.0.cmp(&right.0));
        let mut found = Found::default();
        for (place, (name, login)) in (0..).zip(logins) {
            (self.interrupt)();
            found.names.push(name);
            let usable = self.rights.usable(login.oid);
            if !(self.is_meant)(&usable) {
                continue;
            }
            if usable.is_every {
                found.of_every_role.push(place);
            }
            for role in usable.roles {
                found.of_role.entry(role).or_default().push(place);
            }
        }
        found
    }
}
