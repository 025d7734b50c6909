//! The server's table locks.

/// A mode in which a relation is locked, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LockMode {
    /// SELECT.
    AccessShare,
    /// SELECT FOR UPDATE and the like.
    RowShare,
    /// INSERT, UPDATE, DELETE.
    RowExclusive,
    /// VACUUM, ANALYZE, CREATE INDEX CONCURRENTLY, VALIDATE CONSTRAINT.
    ShareUpdateExclusive,
    /// CREATE INDEX.
    Share,
    /// CREATE TRIGGER, ADD FOREIGN KEY.
    ShareRowExclusive,
    /// REFRESH MATERIALIZED VIEW CONCURRENTLY.
    Exclusive,
    /// Most of ALTER TABLE, DROP, TRUNCATE.
    AccessExclusive,
}

impl LockMode {
    /// All, weakest first, as the server numbers them from 1.
    pub const ALL: [Self; 8] = [
        Self::AccessShare,
        Self::RowShare,
        Self::RowExclusive,
        Self::ShareUpdateExclusive,
        Self::Share,
        Self::ShareRowExclusive,
        Self::Exclusive,
        Self::AccessExclusive,
    ];

    /// The mode of the server's number, which is the same in all versions.
    pub fn from_number(number: i32) -> Option<Self> {
        usize::try_from(number).ok()?.checked_sub(1).and_then(|place| Self::ALL.get(place).copied())
    }

    /// The server's number.
    pub fn number(self) -> i32 {
        self as i32 + 1
    }

    /// Its name as `pg_locks.mode` has it.
    pub fn catalog_name(self) -> &'static str {
        match self {
            Self::AccessShare => "AccessShareLock",
            Self::RowShare => "RowShareLock",
            Self::RowExclusive => "RowExclusiveLock",
            Self::ShareUpdateExclusive => "ShareUpdateExclusiveLock",
            Self::Share => "ShareLock",
            Self::ShareRowExclusive => "ShareRowExclusiveLock",
            Self::Exclusive => "ExclusiveLock",
            Self::AccessExclusive => "AccessExclusiveLock",
        }
    }

    /// Its name as LOCK TABLE takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::AccessShare => "ACCESS SHARE",
            Self::RowShare => "ROW SHARE",
            Self::RowExclusive => "ROW EXCLUSIVE",
            Self::ShareUpdateExclusive => "SHARE UPDATE EXCLUSIVE",
            Self::Share => "SHARE",
            Self::ShareRowExclusive => "SHARE ROW EXCLUSIVE",
            Self::Exclusive => "EXCLUSIVE",
            Self::AccessExclusive => "ACCESS EXCLUSIVE",
        }
    }

    /// Whether two sessions cannot hold these on one relation at the same time: the table of the manual's section on
    /// explicit locking.
    pub fn conflicts_with(self, other: Self) -> bool {
        use LockMode as M;
        let (weak, strong) = if self <= other { (self, other) } else { (other, self) };
        match strong {
            M::AccessShare | M::RowShare | M::RowExclusive => false,
            M::ShareUpdateExclusive => weak == M::ShareUpdateExclusive,
            M::Share => matches!(weak, M::RowExclusive | M::ShareUpdateExclusive),
            M::ShareRowExclusive => weak >= M::RowExclusive,
            M::Exclusive => weak >= M::RowShare,
            M::AccessExclusive => true,
        }
    }

    /// Whether writers wait for it.
    pub fn blocks_writes(self) -> bool {
        self.conflicts_with(Self::RowExclusive)
    }

    /// Whether readers wait for it.
    pub fn blocks_reads(self) -> bool {
        self.conflicts_with(Self::AccessShare)
    }
}

#[cfg(test)]
mod tests {
    use super::LockMode as M;

    #[test]
    fn conflicts_as_the_manual_lists_them() {
        let rows =
            ["-------X", "------XX", "----XXXX", "---XXXXX", "--XX-XXX", "--XXXXXX", "-XXXXXXX", "XXXXXXXX"];
        for (mode, row) in M::ALL.into_iter().zip(rows) {
            for (other, mark) in M::ALL.into_iter().zip(row.chars()) {
                assert_eq!(mode.conflicts_with(other), mark == 'X', "{mode:?} {other:?}");
            }
        }
    }

    #[test]
    fn numbers_are_the_servers() {
        assert_eq!(M::from_number(8), Some(M::AccessExclusive));
        assert_eq!(M::from_number(0), None);
        assert_eq!(M::Share.number(), 5);
    }

    #[test]
    fn who_waits() {
        assert!(M::Share.blocks_writes() && !M::Share.blocks_reads());
        assert!(M::AccessExclusive.blocks_reads() && !M::ShareUpdateExclusive.blocks_writes());
    }
}
