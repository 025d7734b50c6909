//! What is a change of the database, and of no danger for those who work in it.

use pgrx::pg_sys;
use pgrx::pg_sys::NodeTag as Tag;
use pgrx::pg_sys::ObjectType as Object;

use super::names::{Named, pointers, tag};
use crate::catalog::LockMode;
use crate::catalog::ddl::{Action, Kind};

/// One action a relation that is locked, or one without any; nothing for what is no change.
///
/// # Safety
/// The node must live through the call.
pub unsafe fn actions(node: *mut pg_sys::Node) -> Vec<Action> {
    // SAFETY: as the caller vouches; the tag says what the node is.
    let locked = unsafe {
        match tag(node) {
            // Writers, who call nextval(), wait for it.
            Tag::T_AlterSeqStmt => {
                one((*node.cast::<pg_sys::AlterSeqStmt>()).sequence, LockMode::ShareRowExclusive)
            }
            Tag::T_CreateStatsStmt => relations((*node.cast::<pg_sys::CreateStatsStmt>()).relations),
            Tag::T_CommentStmt => {
                let statement = node.cast::<pg_sys::CommentStmt>();
                described((*statement).objtype, (*statement).object)
            }
            Tag::T_SecLabelStmt => {
                let statement = node.cast::<pg_sys::SecLabelStmt>();
                described((*statement).objtype, (*statement).object)
            }
            Tag::T_CreatePublicationStmt => {
                published((*node.cast::<pg_sys::CreatePublicationStmt>()).pubobjects)
            }
            Tag::T_AlterPublicationStmt => {
                published((*node.cast::<pg_sys::AlterPublicationStmt>()).pubobjects)
            }
            _ => Vec::new(),
        }
    };
    if locked.is_empty() && is_known(tag(node)) { vec![Action::new(Kind::Other)] } else { locked }
}

/// # Safety
/// A node of the parser.
unsafe fn one(name: *mut pg_sys::RangeVar, mode: LockMode) -> Vec<Action> {
    // SAFETY: as the caller vouches.
    unsafe { vec![Named::of(name).action(Kind::Other, mode)] }
}

/// # Safety
/// A list of the parser.
unsafe fn relations(list: *mut pg_sys::List) -> Vec<Action> {
    pointers::<pg_sys::RangeVar>(list)
        .into_iter()
        .filter(|&name| tag(name) == Tag::T_RangeVar)
        // SAFETY: as the caller vouches.
        .flat_map(|name| unsafe { one(name, LockMode::ShareUpdateExclusive) })
        .collect()
}

/// The relation of COMMENT ON and SECURITY LABEL, if it is about one or about a column.
///
/// # Safety
/// A node of the parser.
unsafe fn described(object_type: Object::Type, object: *mut pg_sys::Node) -> Vec<Action> {
    let without_last = match object_type {
        Object::OBJECT_TABLE
        | Object::OBJECT_VIEW
        | Object::OBJECT_MATVIEW
        | Object::OBJECT_INDEX
        | Object::OBJECT_SEQUENCE
        | Object::OBJECT_FOREIGN_TABLE => false,
        Object::OBJECT_COLUMN => true,
        // For a constraint, a trigger, a rule or a policy the table is locked no more than by a query.
        _ => return Vec::new(),
    };
    if tag(object) != Tag::T_List {
        return Vec::new();
    }
    let named = Named::of_list(object.cast(), without_last);
    named.map(|named| named.action(Kind::Other, LockMode::ShareUpdateExclusive)).into_iter().collect()
}

/// The tables that a publication gets, keeps or gives away.
///
/// # Safety
/// A list of the parser.
unsafe fn published(objects: *mut pg_sys::List) -> Vec<Action> {
    pointers::<pg_sys::PublicationObjSpec>(objects)
        .into_iter()
        // SAFETY: as the caller vouches.
        .filter_map(|object| unsafe { (*object).pubtable.as_ref() })
        // SAFETY: as above.
        .flat_map(|table| unsafe { one(table.relation, LockMode::ShareUpdateExclusive) })
        .collect()
}

/// Changes of the database that lock no table for long and read none.
fn is_known(tag: Tag) -> bool {
    matches!(
        tag,
        Tag::T_AlterCollationStmt
            | Tag::T_AlterDatabaseRefreshCollStmt
            | Tag::T_AlterDatabaseSetStmt
            | Tag::T_AlterDatabaseStmt
            | Tag::T_AlterDefaultPrivilegesStmt
            | Tag::T_AlterEventTrigStmt
            | Tag::T_AlterExtensionContentsStmt
            | Tag::T_AlterExtensionStmt
            | Tag::T_AlterFdwStmt
            | Tag::T_AlterForeignServerStmt
            | Tag::T_AlterFunctionStmt
            | Tag::T_AlterObjectDependsStmt
            | Tag::T_AlterOpFamilyStmt
            | Tag::T_AlterOperatorStmt
            | Tag::T_AlterOwnerStmt
            | Tag::T_AlterPublicationStmt
            | Tag::T_AlterRoleSetStmt
            | Tag::T_AlterRoleStmt
            | Tag::T_AlterSeqStmt
            | Tag::T_AlterStatsStmt
            | Tag::T_AlterSubscriptionStmt
            | Tag::T_AlterSystemStmt
            | Tag::T_AlterTSConfigurationStmt
            | Tag::T_AlterTSDictionaryStmt
            | Tag::T_AlterTableSpaceOptionsStmt
            | Tag::T_AlterTypeStmt
            | Tag::T_AlterUserMappingStmt
            | Tag::T_CommentStmt
            | Tag::T_CompositeTypeStmt
            | Tag::T_CreateAmStmt
            | Tag::T_CreateCastStmt
            | Tag::T_CreateConversionStmt
            | Tag::T_CreateEventTrigStmt
            | Tag::T_CreateExtensionStmt
            | Tag::T_CreateFdwStmt
            | Tag::T_CreateForeignServerStmt
            | Tag::T_CreateFunctionStmt
            | Tag::T_CreateOpClassStmt
            | Tag::T_CreateOpFamilyStmt
            | Tag::T_CreatePLangStmt
            | Tag::T_CreatePublicationStmt
            | Tag::T_CreateRangeStmt
            | Tag::T_CreateRoleStmt
            | Tag::T_CreateSeqStmt
            | Tag::T_CreateStatsStmt
            | Tag::T_CreateSubscriptionStmt
            | Tag::T_CreateTableSpaceStmt
            | Tag::T_CreateTransformStmt
            | Tag::T_CreateUserMappingStmt
            | Tag::T_CreatedbStmt
            | Tag::T_DefineStmt
            | Tag::T_DropRoleStmt
            | Tag::T_DropSubscriptionStmt
            | Tag::T_DropTableSpaceStmt
            | Tag::T_DropUserMappingStmt
            | Tag::T_GrantRoleStmt
            | Tag::T_GrantStmt
            | Tag::T_ImportForeignSchemaStmt
            | Tag::T_ReassignOwnedStmt
            | Tag::T_SecLabelStmt
    )
}
