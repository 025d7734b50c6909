//! Views that show what policies hide.

use rustc_hash::{FxHashMap, FxHashSet};

use super::words::{OnRelation, grantees, kind_of, listed, rights, together};
use crate::catalog::security::privilege;
use crate::catalog::{Oid, Privileges, Relation, RelationKind, Snapshot};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::security::rights::Rights;

/// `security.view_bypasses_row_security`: a view that reads a guarded table as somebody whom its policies do not bind.
pub const VIEW_BYPASSES_ROW_SECURITY: Rule = Rule {
    id: "security.view_bypasses_row_security",
    dimension: Dimension::Security,
    severity: Severity::Critical,
    title: "View that shows the rows of every tenant",
    why: "A view reads its tables as its owner, and policies are asked for the owner too. A materialized view holds what its \
          owner saw, and no policy can be put on it.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-createview.html",
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let rights = rights(snapshot);
    let mut reads: Reads = FxHashMap::default();
    for &(view, relation) in &snapshot.security.views {
        reads.entry(view).or_default().push(relation);
    }
    for relation in snapshot.judged_relations() {
        (facts.interrupt)();
        verdicts.examine(1);
        let is_materialized = relation.kind == RelationKind::MaterializedView;
        if !is_materialized && (relation.kind != RelationKind::View || is_invoker(relation)) {
            continue;
        }
        let mut guarded = Vec::new();
        let walk = Walk { snapshot, rights: &rights, reads: &reads };
        walk.reached(relation.oid, relation.owner, &mut FxHashSet::default(), &mut guarded);
        if guarded.is_empty() {
            continue;
        }
        let wanted = if is_materialized { privilege::SELECT } else { privilege::SELECT | WRITES };
        let others = OnRelation::given(snapshot, relation, wanted, |grantee| {
            grantee != relation.owner && !rights.bypasses_row_security(grantee)
        });
        if others.is_empty() {
            continue;
        }
        let mut tables: Vec<String> = guarded.iter().map(|&oid| snapshot.relation_name(oid)).collect();
        tables.sort();
        tables.dedup();
        let name = snapshot.relation_name(relation.oid);
        let whom = grantees(&rights, &others.grants());
        let (kind, guarded, to) = (kind_of(relation), listed(&tables), listed(&whom));
        let message = if together(&others.grants()) & privilege::SELECT != 0 {
            format!("{kind} {name} shows {to} every row of {guarded}, past its policies")
        } else {
            format!("{kind} {name} lets {to} write every row of {guarded}, past its policies")
        };
        let (fix, undo) = if is_materialized {
            others.revoked(&rights, &format!("TABLE {name}"), relation.owner)
        } else {
            (
                format!("ALTER VIEW {name} SET (security_invoker = true);"),
                match relation.options.iter().find_map(|option| option.strip_prefix("security_invoker=")) {
                    Some(value) => format!("ALTER VIEW {name} SET (security_invoker = {value});"),
                    None => format!("ALTER VIEW {name} RESET (security_invoker);"),
                },
            )
        };
        let mut finding = Finding::new(name, snapshot.schema_name(relation.schema), message)
            .evidence("tables", tables)
            .evidence("granted_to", whom)
            .fix(fix, undo);
        if !is_materialized {
            finding = finding
                .evidence("check", "those who use the view then need privileges on its tables themselves");
        }
        verdicts.find(finding);
    }
}

/// What changes rows through a view.
const WRITES: Privileges = privilege::INSERT | privilege::UPDATE | privilege::DELETE;

/// Whether a view reads as whoever asks it; the option is a boolean as the server reads one.
fn is_invoker(view: &Relation) -> bool {
    view.options.iter().filter_map(|option| option.strip_prefix("security_invoker=")).any(|value| {
        matches!(&*value.to_ascii_lowercase(), "true" | "tru" | "tr" | "t" | "on" | "yes" | "ye" | "y" | "1")
    })
}

/// What each view reads.
type Reads = FxHashMap<Oid, Vec<Oid>>;

/// What is needed to look below a view.
struct Walk<'a> {
    snapshot: &'a Snapshot,
    rights: &'a Rights<'a>,
    reads: &'a Reads,
}

impl Walk<'_> {
    /// The guarded tables below a view that are read past their policies on the way. A view that reads as whoever asks it
    /// passes the owner of the outer one on; one that reads as its own owner reads as that, whoever asks the outer one. What
    /// a materialized view holds was read by its owner, and by the owners of the views below it.
    fn reached(&self, view: Oid, reader: Oid, seen: &mut FxHashSet<(Oid, Oid)>, found: &mut Vec<Oid>) {
        if !seen.insert((view, reader)) {
            return;
        }
        for &below in self.reads.get(&view).into_iter().flatten() {
            let Some(relation) = self.snapshot.relation(below) else { continue };
            match relation.kind {
                RelationKind::View if is_invoker(relation) => self.reached(below, reader, seen, found),
                RelationKind::View | RelationKind::MaterializedView => {
                    self.reached(below, relation.owner, seen, found);
                }
                RelationKind::Table | RelationKind::PartitionedTable if relation.row_security => {
                    let owns =
                        self.rights.has_rights_of(reader, relation.owner) && !relation.force_row_security;
                    if self.rights.bypasses_row_security(reader) || owns {
                        found.push(below);
                    }
                }
                _ => (),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Grant;
    use crate::catalog::sample::{Sample, run};

    fn found(edit: impl FnOnce(&mut Sample, Oid, Oid)) -> Vec<Finding> {
        let mut sample = Sample::with_roles(&[(20_000, "app"), (20_001, "owner")]);
        let table = sample.keyed_table("orders");
        sample.edit_table(table, |table| (table.row_security, table.owner) = (true, 20_001));
        let view = sample.table("all_orders");
        sample.edit_table(view, |view| {
            view.kind = RelationKind::View;
            view.acl = Some([Grant { grantee: 20_000, grantor: 10, privileges: privilege::SELECT }].into());
        });
        sample.snapshot.security.views.insert((view, table));
        edit(&mut sample, table, view);
        run(&VIEW_BYPASSES_ROW_SECURITY, &sample.finish()).0
    }

    #[test]
    fn a_view_of_a_superuser_shows_everything() {
        let found = found(|_, _, _| {});
        assert_eq!(
            found[0].message,
            "view public.all_orders shows app every row of public.orders, past its policies"
        );
        assert_eq!(found[0].undo.as_deref(), Some("ALTER VIEW public.all_orders RESET (security_invoker);"));
    }

    #[test]
    fn invokers_in_any_spelling_and_owners_that_are_bound_are_right() {
        for value in ["true", "t", "on", "Yes", "1"] {
            let none = found(|sample, _, view| {
                sample.edit_table(view, |view| {
                    view.options = [format!("security_invoker={value}").into()].into()
                });
            });
            assert!(none.is_empty(), "{value}");
        }
        assert!(found(|sample, _, view| sample.edit_table(view, |view| view.owner = 20_000)).is_empty());
        let forced = found(|sample, table, view| {
            sample.edit_table(view, |view| view.owner = 20_001);
            sample.edit_table(table, |table| table.force_row_security = true);
        });
        assert!(forced.is_empty());
        assert_eq!(found(|sample, _, view| sample.edit_table(view, |view| view.owner = 20_001)).len(), 1);
    }

    #[test]
    fn what_lies_between_passes_the_owner_on() {
        let found = found(|sample, table, view| {
            let inner = sample.table("inner_orders");
            sample.edit_table(inner, |inner| {
                inner.kind = RelationKind::View;
                inner.options = ["security_invoker=on".into()].into();
            });
            sample.snapshot.security.views = [(view, inner), (inner, table)].into_iter().collect();
        });
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn a_view_over_one_that_reads_as_its_own_owner_shows_what_that_one_reads() {
        for (owner, shown) in [(10, 1), (20_000, 0)] {
            // Nobody was granted the inner one, and the owner of the outer one is bound by the policies himself.
            let found = found(|sample, table, view| {
                let inner = sample.table("inner_orders");
                sample.edit_table(inner, |inner| (inner.kind, inner.owner) = (RelationKind::View, owner));
                sample.edit_table(view, |view| view.owner = 20_002);
                sample.snapshot.security.views = [(view, inner), (inner, table)].into_iter().collect();
            });
            assert_eq!(found.len(), shown);
        }
    }

    #[test]
    fn a_grant_on_a_column_and_one_to_write_count() {
        let found = found(|sample, _, view| {
            sample.edit_table(view, |view| view.acl = None);
            sample.column(view, "note", crate::catalog::types::builtin::TEXT);
            let column = sample.snapshot.columns.iter_mut().find(|column| column.relation == view).unwrap();
            column.acl = Some([Grant { grantee: 20_000, grantor: 10, privileges: privilege::UPDATE }].into());
        });
        assert_eq!(
            found[0].message,
            "view public.all_orders lets app write every row of public.orders, past its policies"
        );
    }

    #[test]
    fn a_materialized_view_is_taken_away() {
        let found = found(|sample, _, view| {
            sample.edit_table(view, |view| view.kind = RelationKind::MaterializedView);
        });
        assert_eq!(found[0].fix.as_deref(), Some("REVOKE SELECT ON TABLE public.all_orders FROM app;"));
    }
}
