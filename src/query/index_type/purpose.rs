//! What an index is wanted for.

/// What an index is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// `column = value`, also the lookup of a join.
    Equality,
    /// `<`, `>`, BETWEEN.
    Range,
    /// ORDER BY, with or without LIMIT.
    Sort,
    /// `LIKE 'abc%'`.
    Prefix,
    /// `LIKE '%abc%'`, ILIKE, regular expressions, similarity.
    Pattern,
    /// `@>`, `?`, `= ANY (array)`: values with parts.
    Contains,
    /// `&&` and the other relations of ranges, networks and shapes.
    Overlaps,
    /// ORDER BY distance.
    Nearest,
    /// `@@`.
    FullText,
    /// No two rows with the same values.
    Unique,
    /// Whatever the type is usually asked.
    Any,
}

impl Purpose {
    /// All, with their names in SQL.
    pub const ALL: [(&str, Self); 12] = [
        ("any", Self::Any),
        ("equality", Self::Equality),
        ("join", Self::Equality),
        ("range", Self::Range),
        ("sort", Self::Sort),
        ("prefix", Self::Prefix),
        ("pattern", Self::Pattern),
        ("contains", Self::Contains),
        ("overlaps", Self::Overlaps),
        ("nearest", Self::Nearest),
        ("full_text", Self::FullText),
        ("unique", Self::Unique),
    ];

    /// By its name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.trim().to_ascii_lowercase();
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, purpose)| purpose)
    }

    /// The names, for an error message.
    pub fn names() -> String {
        Self::ALL.map(|(name, _)| name).join(", ")
    }
}
