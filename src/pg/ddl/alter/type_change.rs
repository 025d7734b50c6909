//! ALTER COLUMN TYPE: whether the server writes every row anew, by its own test on the planned conversion.

use pgrx::pg_sys;

use super::expression::{analysed, variable};
use super::foreign_key::access_method;
use super::{Further, Subject, add_column};
use crate::catalog::LockMode;
use crate::catalog::ddl::TypeChange;
use crate::pg::ddl::attempt::attempt;
use crate::pg::ddl::column::{self, Column};
use crate::pg::ddl::constraint::Known;
use crate::pg::ddl::dependents::Entry;
use crate::pg::ddl::{constraint, dependents, size, touched};
use crate::pg::planner::list::{self, tag};
use crate::pg::scan::{CatalogScan, text_of_c_string};
use crate::syntax::alter_table::behind;
use crate::text::quote_identifier;

/// What makes the server refuse to change the type of a column on which it stands.
const REFUSED: [&str; 8] =
    ["view", "materialized view", "rule", "generated column", "policy", "trigger", "function", "publication"];

/// # Safety
/// The command must be one of the parser, of this kind.
pub unsafe fn facts(
    subject: &Subject,
    command: *mut pg_sys::AlterTableCmd,
    text: &str,
    further: &mut Further,
) -> TypeChange {
    // SAFETY: as the caller vouches: the definition is one of a column.
    let (name, known, definition) = unsafe {
        (
            text_of_c_string((*command).name).map(String::from).unwrap_or_default(),
            column::named(subject.oid, (*command).name),
            (*command).def.cast::<pg_sys::ColumnDef>(),
        )
    };
    // SAFETY: as above.
    let target = unsafe { add_column::resolve((*definition).typeName) };
    let mut facts = TypeChange {
        column: name,
        to: match target {
            Some((type_oid, modifier)) => column::type_name(type_oid, modifier),
            // SAFETY: as above.
            None => unsafe { add_column::written_type((*definition).typeName) },
        },
        using: behind(text, &["USING"]).map(str::to_owned),
        ..TypeChange::default()
    };
    let Some(known) = known else {
        return facts;
    };
    facts.is_there = true;
    facts.from = known.type_name();
    facts.has_default = known.has_default && known.generated == 0;
    facts.sequence = sequence(subject.entries(), known.number);
    facts.dependents = dependents::of_column(subject.oid, known.number, subject.entries());
    facts.dependents.retain(|dependent| REFUSED.contains(&dependent.kind));
    let constraints = constraints(subject.entries(), known.number);
    lock_foreign_keys(subject, &constraints, further);
    let Some(target) = target else {
        return facts;
    };
    // SAFETY: as above.
    if let Some(need) = attempt(|| unsafe { rewrite(subject.oid, &known, definition, target) }) {
        facts.rewrites = need.map(|need| need.rewrites);
        facts.depends_on_time_zone = need.is_some_and(|need| need.depends_on_time_zone);
    }
    if !subject.has_rows() {
        // A view, a foreign table, a composite type: there are no rows to write.
        facts.rewrites = facts.rewrites.map(|_| false);
    }
    // SAFETY: as above.
    let collation = attempt(|| unsafe {
        pg_sys::GetColumnDefCollation(std::ptr::null_mut(), list::copy(definition), target.0)
    });
    let new = Column {
        type_oid: target.0,
        modifier: target.1,
        collation: collation.unwrap_or(known.collation),
        ..known.clone()
    };
    if facts.rewrites == Some(false) {
        facts.rebuilt_indexes = rebuilt_indexes(subject.oid, subject.entries(), &known, &new);
    }
    facts.rechecked_constraints = rechecked(&constraints, &known, &new);
    facts
}

/// Whether the values of a composite type's attribute change, so that tables made of it are written anew; also where
/// nobody can tell.
///
/// # Safety
/// The command must be one of the parser, of this kind.
pub unsafe fn changes_rows(subject: &Subject, command: *mut pg_sys::AlterTableCmd) -> bool {
    // SAFETY: as the caller vouches: the definition is one of a column.
    unsafe {
        let definition = (*command).def.cast::<pg_sys::ColumnDef>();
        let known = column::named(subject.oid, (*command).name);
        let (Some(known), Some(target)) = (known, add_column::resolve((*definition).typeName)) else {
            return false;
        };
        let need = attempt(|| rewrite(subject.oid, &known, definition, target));
        need.flatten().is_none_or(|need| need.rewrites)
    }
}

#[derive(Clone, Copy, Default)]
struct Need {
    rewrites: bool,
    depends_on_time_zone: bool,
}

/// Whether the conversion changes what is stored; `None` where there is no conversion. May raise an ERROR.
///
/// # Safety
/// The definition must be one of the parser.
unsafe fn rewrite(
    relation: pg_sys::Oid,
    column: &Column,
    definition: *mut pg_sys::ColumnDef,
    (type_oid, modifier): (pg_sys::Oid, i32),
) -> Option<Need> {
    // SAFETY: as the caller vouches; each step is the server's own.
    unsafe {
        let using = (*definition).raw_default;
        let from = if using.is_null() {
            variable(column)
        } else {
            analysed(relation, using, pg_sys::ParseExprKind::EXPR_KIND_ALTER_COL_TRANSFORM)
        };
        let state = pg_sys::make_parsestate(std::ptr::null_mut());
        let converted = pg_sys::coerce_to_target_type(
            state,
            from,
            pg_sys::exprType(from),
            type_oid,
            modifier,
            pg_sys::CoercionContext::COERCION_ASSIGNMENT,
            pg_sys::CoercionForm::COERCE_IMPLICIT_CAST,
            -1,
        );
        if converted.is_null() {
            return None;
        }
        pg_sys::assign_expr_collations(state, converted);
        let planned = pg_sys::expression_planner(converted.cast()).cast::<pg_sys::Node>();
        Some(need(planned, column.number))
    }
}

/// The server's own test: what only relabels the column, or puts it into a domain without constraints, leaves the rows
/// as they are.
///
/// # Safety
/// The expression must be a planned one over the columns of one relation.
unsafe fn need(mut expression: *mut pg_sys::Node, number: i16) -> Need {
    use pg_sys::NodeTag as Tag;
    let rewrites = Need { rewrites: true, ..Need::default() };
    let mut converts_time = false;
    // SAFETY: the tag says what the node is.
    unsafe {
        loop {
            match tag(expression) {
                Tag::T_Var if (*expression.cast::<pg_sys::Var>()).varattno == number => break,
                Tag::T_RelabelType => {
                    expression = (*expression.cast::<pg_sys::RelabelType>()).arg.cast();
                }
                Tag::T_CoerceToDomain => {
                    let domain = expression.cast::<pg_sys::CoerceToDomain>();
                    if pg_sys::DomainHasConstraints((*domain).resulttype) {
                        return rewrites;
                    }
                    expression = (*domain).arg.cast();
                }
                Tag::T_FuncExpr => {
                    let call = expression.cast::<pg_sys::FuncExpr>();
                    let shifts = [pg_sys::F_TIMESTAMPTZ_TIMESTAMP, pg_sys::F_TIMESTAMP_TIMESTAMPTZ];
                    let arguments = list::pointers::<pg_sys::Node>((*call).args);
                    let Some(&argument) = arguments.first() else {
                        return rewrites;
                    };
                    if !shifts.contains(&(*call).funcid.to_u32()) {
                        return rewrites;
                    }
                    converts_time = true;
                    expression = argument;
                }
                _ => return rewrites,
            }
        }
        let shifts_time = converts_time && pg_sys::TimestampTimestampTzRequiresRewrite();
        Need { rewrites: shifts_time, depends_on_time_zone: shifts_time }
    }
}

/// The sequence that the column owns, quoted.
fn sequence(entries: &[Entry], number: i16) -> Option<String> {
    let owned = |entry: &Entry| {
        entry.class == pg_sys::RelationRelationId.to_u32()
            && entry.on_column == i32::from(number)
            && matches!(entry.letter, 'a' | 'i')
    };
    entries.iter().filter(|entry| owned(entry)).find_map(|entry| {
        let found = touched::alone(pg_sys::Oid::from(entry.object))?;
        (found.kind == crate::catalog::ddl::TouchedKind::Sequence).then(|| found.qualified())
    })
}

/// The constraints that stand on a column, those of other tables included.
fn constraints(entries: &[Entry], number: i16) -> Vec<Known> {
    let mut found: Vec<Known> = Vec::new();
    for entry in entries {
        if entry.class == constraint::CONSTRAINT
            && entry.on_column == i32::from(number)
            && !found.iter().any(|known| known.oid == entry.object)
        {
            found.extend(constraint::of(entry.object));
        }
    }
    found
}

/// A foreign key is dropped and made anew, for which both tables are locked.
fn lock_foreign_keys(subject: &Subject, constraints: &[Known], further: &mut Further) {
    let table = subject.oid.to_u32();
    for known in constraints.iter().filter(|known| known.letter == 'f') {
        let other = if known.table == table { known.referenced } else { known.table };
        if other != table
            && let Some(other) = touched::of(pg_sys::Oid::from(other))
        {
            further.add(&other, LockMode::AccessExclusive);
        }
    }
}

/// The operator class that an index gets by itself.
fn default_class(type_oid: pg_sys::Oid, method: pg_sys::Oid) -> pg_sys::Oid {
    // SAFETY: a look-up in the catalogs; 0 where there is none.
    unsafe { pg_sys::GetDefaultOpClass(type_oid, method) }
}

fn rebuilt_indexes(relation: pg_sys::Oid, entries: &[Entry], old: &Column, new: &Column) -> Vec<String> {
    let indexes = size::indexes(relation);
    let depending: Vec<u32> = entries
        .iter()
        .filter(|entry| entry.on_column == i32::from(old.number))
        .flat_map(|entry| match entry.class {
            // An index that belongs to a constraint depends on the constraint.
            constraint::CONSTRAINT => constraint::of(entry.object).map(|known| known.index),
            _ => Some(entry.object),
        })
        .collect();
    let rebuilt = indexes.into_iter().filter(|index| {
        depending.contains(&index.to_u32()) && attempt(|| is_rebuilt(*index, old, new)) != Some(false)
    });
    rebuilt.filter_map(|index| Some(touched::alone(index)?.qualified())).collect()
}

/// Whether the server cannot keep the file of an index: it does not compare expressions and predicates, and wants the
/// same operator classes and collations.
fn is_rebuilt(index: pg_sys::Oid, old: &Column, new: &Column) -> bool {
    /// `pg_index_indexrelid_index`.
    const BY_INDEX: u32 = 2679;
    let mut scan = CatalogScan::keyed(pg_sys::IndexRelationId.to_u32(), BY_INDEX, &[(1, index.to_u32())]);
    let (keys, count) = (scan.attribute(c"indkey"), scan.attribute(c"indnkeyatts"));
    let (classes, collations) = (scan.attribute(c"indclass"), scan.attribute(c"indcollation"));
    let (is_valid, predicate) = (scan.attribute(c"indisvalid"), scan.attribute(c"indpred"));
    let expressions = scan.attribute(c"indexprs");
    let Some(row) = scan.next_row() else {
        return false;
    };
    if !row.bool(is_valid) || row.has(predicate) || row.has(expressions) {
        return true;
    }
    let Some(method) = access_method(index) else {
        return true;
    };
    let (columns, classes, collations) =
        (row.int2_array(keys), row.oid_array(classes), row.oid_array(collations));
    let key_count = usize::try_from(row.int2(count)).unwrap_or(0);
    columns.iter().take(key_count).zip(classes.iter().zip(&collations)).any(
        |(&column, (&class, &collation))| {
            if column != old.number {
                return false;
            }
            let class = pg_sys::Oid::from(class);
            let new_class = if class == default_class(old.type_oid, method) {
                default_class(new.type_oid, method)
            } else {
                class
            };
            let new_collation =
                if collation == old.collation.to_u32() { new.collation.to_u32() } else { collation };
            // SAFETY: a look-up of an operator class that exists.
            let is_polymorphic = is_polymorphic(unsafe { pg_sys::get_opclass_input_type(class) });
            new_class != class
                || new_collation != collation
                || (is_polymorphic && new.type_oid != old.type_oid)
        },
    )
}

fn is_polymorphic(type_oid: pg_sys::Oid) -> bool {
    [
        pg_sys::ANYELEMENTOID,
        pg_sys::ANYARRAYOID,
        pg_sys::ANYNONARRAYOID,
        pg_sys::ANYENUMOID,
        pg_sys::ANYRANGEOID,
        pg_sys::ANYMULTIRANGEOID,
    ]
    .contains(&type_oid)
}

/// CHECK constraints are always tested again, foreign keys where the operator that compares both sides changes; what is
/// NOT VALID stays so.
fn rechecked(constraints: &[Known], old: &Column, new: &Column) -> Vec<String> {
    let btree = pg_sys::BTREE_AM_OID;
    let class = |column: &Column| attempt(|| default_class(column.type_oid, btree));
    let compares_otherwise = class(old) != class(new);
    constraints
        .iter()
        .filter(|known| known.is_validated)
        .filter(|known| known.letter == 'c' || (known.letter == 'f' && compares_otherwise))
        .map(|known| quote_identifier(&known.name))
        .collect()
}
