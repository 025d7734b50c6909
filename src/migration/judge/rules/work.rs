//! How long a statement takes by its facts alone: what rules on transactions ask.

use super::{add_column, add_column_constraint, column_type, constraint, foreign_key, index, not_null};
use super::{partition, whole_table};
use crate::migration::judge::rule::{Asked, DdlRule, Effect};

/// The rules that find what takes time by the size of the table.
const TIMED: &[DdlRule] = &[
    add_column::VOLATILE_DEFAULT,
    add_column::SERIAL,
    add_column::IDENTITY,
    add_column::GENERATED_STORED,
    add_column::CONSTRAINED_DOMAIN,
    add_column_constraint::INLINE_UNIQUE,
    add_column_constraint::INLINE_PRIMARY_KEY,
    add_column_constraint::INLINE_CHECK,
    add_column_constraint::INLINE_FOREIGN_KEY,
    column_type::REWRITE,
    column_type::INDEX_REBUILD,
    column_type::RECHECK,
    column_type::SET_EXPRESSION,
    column_type::TYPE_CASCADE,
    not_null::SET_NOT_NULL,
    not_null::ADD_NOT_NULL_CONSTRAINT,
    constraint::CHECK,
    constraint::UNIQUE,
    constraint::PRIMARY_KEY,
    constraint::PRIMARY_KEY_NULLABLE,
    constraint::EXCLUSION,
    constraint::ENFORCED,
    foreign_key::NOT_VALID,
    index::CREATE,
    index::REINDEX,
    partition::ATTACH_SCAN,
    partition::ATTACH_SCAN_DEFAULT,
    whole_table::PERSISTENCE,
    whole_table::ACCESS_METHOD,
    whole_table::TABLESPACE,
    whole_table::VACUUM_FULL,
    whole_table::CLUSTER,
];

/// What the action does to every row, if anything: the dearest that a rule finds.
pub fn work(asked: &Asked<'_>) -> Option<Effect> {
    let effects: Vec<Effect> = TIMED
        .iter()
        .filter_map(|rule| (rule.check)(asked))
        .map(|found| found.effect)
        .filter(|effect| matches!(effect, Effect::Rewrite | Effect::Scan | Effect::IndexBuild))
        .collect();
    [Effect::Rewrite, Effect::IndexBuild, Effect::Scan].into_iter().find(|effect| effects.contains(effect))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::ddl::{Alteration, Kind, SetNotNull};
    use crate::migration::judge::sample::Case;

    #[test]
    fn the_dearest_is_told() {
        let scan = Alteration::SetNotNull(SetNotNull { is_there: true, ..SetNotNull::default() });
        for (kind, expected) in [
            (Kind::VacuumFull, Some(Effect::Rewrite)),
            (Kind::Alter(scan), Some(Effect::Scan)),
            (Kind::Alter(Alteration::Owner), None),
        ] {
            let case = Case::alter(Alteration::Owner).with(|action| action.kind = kind);
            let asked = Asked {
                statement: &case.statement,
                action: &case.statement.actions[0],
                session: &case.session,
                threshold: &|_| 0.0,
                says_if_exists: &std::cell::OnceCell::new(),
            };
            assert_eq!(work(&asked), expected);
        }
    }
}
