//! The plan as EXPLAIN prints it.

use std::ffi::CStr;
use std::ptr;

use pgrx::pg_sys;

use super::analysis::Analysis;
#[cfg(feature = "pg15")]
use super::walk;
use super::{Configuration, hook, plan};
use crate::pg::scan::text_of;

/// The formats of EXPLAIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// XML.
    Xml,
}

impl Format {
    /// By the name that EXPLAIN gives it, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            "yaml" => Some(Self::Yaml),
            "xml" => Some(Self::Xml),
            _ => None,
        }
    }

    fn number(self) -> pg_sys::ExplainFormat::Type {
        match self {
            Self::Text => pg_sys::ExplainFormat::EXPLAIN_FORMAT_TEXT,
            Self::Json => pg_sys::ExplainFormat::EXPLAIN_FORMAT_JSON,
            Self::Yaml => pg_sys::ExplainFormat::EXPLAIN_FORMAT_YAML,
            Self::Xml => pg_sys::ExplainFormat::EXPLAIN_FORMAT_XML,
        }
    }
}

/// What EXPLAIN would print were the indexes there.
pub fn explain(query: &Analysis, configuration: &Configuration, format: Format) -> String {
    let statements = plan::plan(query, configuration);
    if statements.is_empty() && format == Format::Text {
        return "Query rewrites to nothing".to_owned();
    }
    // SAFETY: the state lives in this memory context; groups are opened and closed in pairs.
    unsafe {
        let state = pg_sys::NewExplainState();
        (*state).costs = true;
        (*state).format = format.number();
        pg_sys::ExplainBeginOutput(state);
        for (number, &statement) in statements.iter().enumerate() {
            if number > 0 && format == Format::Text {
                pg_sys::appendStringInfoChar((*state).str_, b'\n' as _);
            }
            // Nobody else has this list: pruning runs stable functions, whose own queries are often planned without one,
            // and their plans are kept.
            let nobodys = pg_sys::makeParamList(0);
            hook::with_configuration(configuration, nobodys, || print(query, statement, state));
        }
        pg_sys::ExplainEndOutput(state);
        let text = text_of(CStr::from_ptr((*(*state).str_).data).to_bytes());
        text.trim_end_matches('\n').to_owned()
    }
}

/// Sets the plan up as EXPLAIN does, which opens its tables and none of its indexes, and prints it.
///
/// The executor's own functions are called, not the hooks of others, which must not meet a made-up index.
///
/// # Safety
/// The statement must come from the planner, the state from NewExplainState().
unsafe fn print(query: &Analysis, statement: *mut pg_sys::PlannedStmt, state: *mut pg_sys::ExplainState) {
    // SAFETY: as the caller vouches; started and ended in pairs, snapshots pushed and popped.
    unsafe {
        // Nothing runs, so there is nothing to compile.
        (*statement).jitFlags = pg_sys::PGJIT_NONE as i32;
        if query.has_parameters {
            forget_pruning(statement);
        }
        pg_sys::PushCopiedSnapshot(pg_sys::GetActiveSnapshot());
        pg_sys::UpdateActiveSnapshotCommandId();
        let description = pg_sys::CreateQueryDesc(
            statement,
            query.text.as_ptr(),
            pg_sys::GetActiveSnapshot(),
            ptr::null_mut(),
            pg_sys::None_Receiver,
            ptr::null_mut(),
            ptr::null_mut(),
            0,
        );
        pg_sys::standard_ExecutorStart(description, explain_flags(query.has_parameters));
        pg_sys::ExplainOpenGroup(c"Query".as_ptr(), ptr::null(), true, state);
        pg_sys::ExplainPrintPlan(state, description);
        pg_sys::ExplainCloseGroup(c"Query".as_ptr(), ptr::null(), true, state);
        pg_sys::standard_ExecutorEnd(description);
        pg_sys::FreeQueryDesc(description);
        pg_sys::PopActiveSnapshot();
    }
}

#[cfg(feature = "pg15")]
fn explain_flags(_: bool) -> i32 {
    pg_sys::EXEC_FLAG_EXPLAIN_ONLY as i32
}

#[cfg(not(feature = "pg15"))]
fn explain_flags(has_parameters: bool) -> i32 {
    let generic = if has_parameters { pg_sys::EXEC_FLAG_EXPLAIN_GENERIC } else { 0 };
    (pg_sys::EXEC_FLAG_EXPLAIN_ONLY | generic) as i32
}

/// Keeps the executor from pruning partitions by the values of parameters, which have none.
#[cfg(feature = "pg15")]
fn forget_pruning(statement: *mut pg_sys::PlannedStmt) {
    use pg_sys::NodeTag as Tag;
    // SAFETY: the tag says what the node is; the plan is ours and thrown away after.
    walk::visit(statement, &mut |plan| unsafe {
        match super::list::tag(plan) {
            Tag::T_Append => (*plan.cast::<pg_sys::Append>()).part_prune_info = ptr::null_mut(),
            Tag::T_MergeAppend => (*plan.cast::<pg_sys::MergeAppend>()).part_prune_info = ptr::null_mut(),
            _ => {}
        }
    });
}

/// Later majors have a flag for it.
#[cfg(not(feature = "pg15"))]
fn forget_pruning(_: *mut pg_sys::PlannedStmt) {}
