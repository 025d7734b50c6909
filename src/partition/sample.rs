//! Sets made by hand for tests.

use super::key::{KeyKind, Position, Range};
use super::set::{Partition, Set, StoredPolicy, Strategy};

/// A set without partitions, owned by role 10, in schema public.
pub fn set(name: &str, key: KeyKind) -> Set {
    Set {
        parent: 1_000,
        schema: "public".to_owned(),
        name: name.to_owned(),
        owner: 10,
        strategy: Strategy::Range,
        key_columns: vec![Some("at".to_owned())],
        key_type: "date".to_owned(),
        key: Some(key),
        partitions: Vec::new(),
        references: Vec::new(),
        referenced_by: Vec::new(),
        bound_rest: match key {
            KeyKind::UuidV7 => "-0000-0000-000000000000".to_owned(),
            KeyKind::Ulid => "0".repeat(16),
            _ => String::new(),
        },
        fences: Vec::new(),
    }
}

/// A partition of it, named after its place.
pub fn partition(set: &Set, range: Option<Range>) -> Partition {
    let number = set.partitions.len() + 1;
    Partition {
        relation: set.parent + number as u32,
        schema: set.schema.clone(),
        name: format!("{}_{number}", set.name),
        owner: set.owner,
        is_default: range.is_none(),
        range,
        is_detach_pending: false,
        is_partitioned: false,
        is_foreign: false,
        rows: 0.0,
        blocks: 0,
    }
}

/// A set with these ranges.
pub fn set_of(name: &str, key: KeyKind, ranges: &[(Position, Position)]) -> Set {
    let mut set = set(name, key);
    for &(low, high) in ranges {
        let partition = partition(&set, Some(Range::between(low, high)));
        set.partitions.push(partition);
    }
    set
}

/// A policy as it is stored, for the set of [`set`].
pub fn stored(key_kind: &str, every: &str, origin: &str) -> StoredPolicy {
    StoredPolicy {
        parent: 1_000,
        key_kind: key_kind.to_owned(),
        every: every.to_owned(),
        time_zone: "UTC".to_owned(),
        origin: origin.to_owned(),
        premake: 4,
        retention_action: "drop".to_owned(),
        on_missing: "error".to_owned(),
        max_create: 100,
        max_retire: 0.5,
        name_style: "house".to_owned(),
        is_enabled: true,
        ..StoredPolicy::default()
    }
}
