//! What nodes are called, and what of them is known by their kind alone.

use pgrx::pg_sys;

use crate::catalog::plan::{JoinKind, NodeKind};

/// The kind of a node.
pub fn kind(tag: pg_sys::NodeTag) -> NodeKind {
    use pg_sys::NodeTag as Tag;
    match tag {
        Tag::T_Result => NodeKind::Result,
        Tag::T_ProjectSet => NodeKind::ProjectSet,
        Tag::T_ModifyTable => NodeKind::ModifyTable,
        Tag::T_Append => NodeKind::Append,
        Tag::T_MergeAppend => NodeKind::MergeAppend,
        Tag::T_RecursiveUnion => NodeKind::RecursiveUnion,
        Tag::T_BitmapAnd => NodeKind::BitmapAnd,
        Tag::T_BitmapOr => NodeKind::BitmapOr,
        Tag::T_SeqScan => NodeKind::SeqScan,
        Tag::T_SampleScan => NodeKind::SampleScan,
        Tag::T_IndexScan => NodeKind::IndexScan,
        Tag::T_IndexOnlyScan => NodeKind::IndexOnlyScan,
        Tag::T_BitmapIndexScan => NodeKind::BitmapIndexScan,
        Tag::T_BitmapHeapScan => NodeKind::BitmapHeapScan,
        Tag::T_TidScan | Tag::T_TidRangeScan => NodeKind::TidScan,
        Tag::T_SubqueryScan => NodeKind::SubqueryScan,
        Tag::T_FunctionScan | Tag::T_TableFuncScan => NodeKind::FunctionScan,
        Tag::T_ValuesScan => NodeKind::ValuesScan,
        Tag::T_CteScan => NodeKind::CteScan,
        Tag::T_WorkTableScan => NodeKind::WorkTableScan,
        Tag::T_ForeignScan => NodeKind::ForeignScan,
        Tag::T_CustomScan => NodeKind::CustomScan,
        Tag::T_NestLoop => NodeKind::NestLoop,
        Tag::T_MergeJoin => NodeKind::MergeJoin,
        Tag::T_HashJoin => NodeKind::HashJoin,
        Tag::T_Material => NodeKind::Material,
        Tag::T_Memoize => NodeKind::Memoize,
        Tag::T_Sort => NodeKind::Sort,
        Tag::T_IncrementalSort => NodeKind::IncrementalSort,
        Tag::T_Group => NodeKind::Group,
        Tag::T_Agg => NodeKind::Aggregate,
        Tag::T_WindowAgg => NodeKind::WindowAgg,
        Tag::T_Unique => NodeKind::Unique,
        Tag::T_Gather => NodeKind::Gather,
        Tag::T_GatherMerge => NodeKind::GatherMerge,
        Tag::T_Hash => NodeKind::Hash,
        Tag::T_SetOp => NodeKind::SetOp,
        Tag::T_LockRows => NodeKind::LockRows,
        Tag::T_Limit => NodeKind::Limit,
        _ => NodeKind::Other,
    }
}

/// How a join treats rows without a partner.
pub fn join(kind: pg_sys::JoinType::Type) -> JoinKind {
    use pg_sys::JoinType;
    match kind {
        JoinType::JOIN_LEFT => JoinKind::Left,
        JoinType::JOIN_FULL => JoinKind::Full,
        JoinType::JOIN_RIGHT => JoinKind::Right,
        JoinType::JOIN_SEMI => JoinKind::Semi,
        JoinType::JOIN_ANTI => JoinKind::Anti,
        #[cfg(not(feature = "pg15"))]
        JoinType::JOIN_RIGHT_ANTI => JoinKind::Anti,
        #[cfg(feature = "pg18")]
        JoinType::JOIN_RIGHT_SEMI => JoinKind::Semi,
        _ => JoinKind::Inner,
    }
}
