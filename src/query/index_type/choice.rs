//! The decision table.

use super::Purpose;
use crate::catalog::target::{Situation, Target, Values};

/// Pages from which a BRIN index can be worth having: below, any index is read in one go.
const BRIN_PAGES: f64 = 1024.0;
/// How closely rows must follow the order of values for BRIN to skip pages.
const BRIN_CORRELATION: f64 = 0.9;
/// Mean bytes of a value from which a hash index, which stores four bytes of each, is smaller than a B-tree.
const HASH_WIDTH: f64 = 48.0;
/// Bytes that an entry of a B-tree may have at most (a third of a page); values vary, so half of it is the limit here.
const BTREE_WIDTH: f64 = 2704.0 / 2.0;
/// The share of NULLs or of the most frequent value from which a partial index saves most of the entries.
const PARTIAL_SHARE: f64 = 0.7;

/// What kind of index a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// B-tree.
    Btree,
    /// B-tree with INCLUDE columns.
    Covering,
    /// B-tree on a part of the rows.
    Partial,
    /// Hash.
    Hash,
    /// GIN.
    Gin,
    /// GiST.
    Gist,
    /// SP-GiST.
    Spgist,
    /// BRIN.
    Brin,
}

impl Form {
    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Btree => "btree",
            Self::Covering => "btree covering",
            Self::Partial => "btree partial",
            Self::Hash => "hash",
            Self::Gin => "gin",
            Self::Gist => "gist",
            Self::Spgist => "spgist",
            Self::Brin => "brin",
        }
    }
}

/// How a form fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Take this one.
    Best,
    /// Works, at a price that the reason names.
    Possible,
    /// Does not serve the purpose.
    Unfit,
}

impl Verdict {
    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Best => "best",
            Self::Possible => "possible",
            Self::Unfit => "unfit",
        }
    }
}

/// One line of the answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// What kind of index.
    pub form: Form,
    /// How it fares.
    pub verdict: Verdict,
    /// Why, with the facts of this table.
    pub reason: String,
    /// CREATE INDEX without a name; `None` for what does not serve.
    pub definition: Option<String>,
}

/// Weighs the forms for a purpose, the best first.
pub fn choose(situation: &Situation, purpose: Purpose) -> Vec<Choice> {
    let Some(first) = situation.columns.first() else { return Vec::new() };
    let purpose = if purpose == Purpose::Any { usual_purpose(first) } else { purpose };
    let judge = Judge { situation, purpose, first };
    let mut choices: Vec<Choice> =
        [judge.btree(), judge.hash(), judge.gin(), judge.gist(), judge.spgist(), judge.brin()]
            .into_iter()
            .chain(judge.partial())
            .chain(judge.covering())
            .collect();
    // What fits the table's own facts goes before what serves any table.
    let is_candidate = |verdict: Verdict| move |choice: &&Choice| choice.verdict == verdict;
    let winner = choices
        .iter()
        .filter(is_candidate(Verdict::Best))
        .min_by_key(|choice| match choice.form {
            Form::Partial => 0,
            Form::Brin => 1,
            _ => 2,
        })
        .or_else(|| choices.iter().find(is_candidate(Verdict::Possible)))
        .map(|choice| choice.form);
    for choice in choices.iter_mut().filter(|choice| choice.verdict != Verdict::Unfit) {
        let is_winner = Some(choice.form) == winner;
        choice.verdict = if is_winner { Verdict::Best } else { Verdict::Possible };
    }
    choices.sort_by_key(|choice| choice.verdict);
    choices
}

/// What values of a kind are usually asked.
fn usual_purpose(column: &Target) -> Purpose {
    match column.values {
        Values::Array | Values::Jsonb => Purpose::Contains,
        Values::SearchVector => Purpose::FullText,
        Values::Range | Values::Network | Values::Geometric => Purpose::Overlaps,
        Values::Ordered => Purpose::Range,
        Values::Text | Values::Boolean | Values::Json | Values::Other => Purpose::Equality,
    }
}

struct Judge<'a> {
    situation: &'a Situation,
    purpose: Purpose,
    first: &'a Target,
}

impl Judge<'_> {
    fn choice(&self, form: Form, verdict: Verdict, reason: String, tail: Option<String>) -> Choice {
        let definition = tail.map(|tail| format!("CREATE INDEX ON {} {tail}", self.situation.table));
        Choice { form, verdict, reason, definition }
    }

    fn unfit(&self, form: Form, reason: impl Into<String>) -> Choice {
        self.choice(form, Verdict::Unfit, reason.into(), None)
    }

    fn name(&self) -> &str {
        &self.first.profile.name
    }

    /// The columns joined by commas, the first with an operator class.
    fn columns(&self, class: &str) -> String {
        let names = self.situation.columns.iter().map(|column| column.profile.name.clone());
        let mut names: Vec<String> = names.collect();
        if let Some(first) = names.first_mut().filter(|_| !class.is_empty()) {
            first.push(' ');
            first.push_str(class);
        }
        names.join(", ")
    }

    fn is_single(&self) -> bool {
        self.situation.columns.len() == 1
    }

    fn orders(&self) -> bool {
        self.situation.columns.iter().all(|column| column.methods.btree)
    }

    fn widest(&self) -> f64 {
        self.situation.columns.iter().map(|column| column.profile.width).sum()
    }

    fn follows_disk(&self) -> Option<f64> {
        self.first.profile.correlation.filter(|correlation| correlation.abs() >= BRIN_CORRELATION)
    }

    fn btree(&self) -> Choice {
        let columns = self.columns("");
        if !self.orders() {
            return self.unfit(
                Form::Btree,
                format!("type {} has no order that a B-tree could keep", self.unordered()),
            );
        }
        if self.widest() > BTREE_WIDTH {
            return self.unfit(
                Form::Btree,
                format!(
                    "values of {columns} have {:.0} bytes on average; an entry may have 2704 at most, and a longer \
                     value would make INSERT fail",
                    self.widest()
                ),
            );
        }
        let best = |reason: String, tail: String| self.choice(Form::Btree, Verdict::Best, reason, Some(tail));
        match self.purpose {
            Purpose::Equality if self.first.values == Values::Boolean && self.is_single() => self.choice(
                Form::Btree,
                Verdict::Possible,
                format!(
                    "finds {columns}, but half of the rows are no use: only a rare value is worth an index"
                ),
                Some(format!("({columns})")),
            ),
            Purpose::Equality => best(
                format!("finds {} by value, and sorts by it as well", self.distinct()),
                format!("({columns})"),
            ),
            Purpose::Range => best(format!("reads a range of {columns} in order"), format!("({columns})")),
            Purpose::Sort => best(
                format!("returns rows in the order of {columns}, from either end, so that LIMIT stops early"),
                format!("({columns})"),
            ),
            Purpose::Unique => Choice {
                definition: Some(format!("CREATE UNIQUE INDEX ON {} ({columns})", self.situation.table)),
                ..best("is the only access method that keeps values unique".into(), String::new())
            },
            Purpose::Prefix => self.btree_of_prefixes(),
            Purpose::Pattern => self.unfit(
                Form::Btree,
                "is sorted by the first character, which a pattern such as '%abc%' does not have",
            ),
            Purpose::Contains => {
                self.unfit(Form::Btree, "compares whole values and knows nothing of the parts in them")
            }
            Purpose::Overlaps => self.unfit(Form::Btree, "has one order, and overlap has none"),
            Purpose::Nearest => self.unfit(Form::Btree, "knows order and not distance"),
            Purpose::FullText => self.unfit(Form::Btree, "compares whole documents, not their words"),
            Purpose::Any => self.unfit(Form::Btree, "is not asked for anything"),
        }
    }

    fn btree_of_prefixes(&self) -> Choice {
        let name = self.name();
        if self.first.values != Values::Text {
            return self.unfit(
                Form::Btree,
                format!("{name} is {}, and only texts have prefixes", self.first.type_name),
            );
        }
        let (class, reason) = if self.first.compares_bytes {
            ("", format!("the collation of {name} compares bytes, so that a plain B-tree finds prefixes"))
        } else if self.first.type_name.starts_with("char") && !self.first.type_name.starts_with("character v")
        {
            ("bpchar_pattern_ops", format!("compares {name} byte by byte, as a search for prefixes needs"))
        } else {
            ("text_pattern_ops", format!("compares {name} byte by byte, as a search for prefixes needs"))
        };
        let tail = format!("({})", self.columns(class));
        self.choice(Form::Btree, Verdict::Best, reason, Some(tail))
    }

    fn hash(&self) -> Choice {
        if self.purpose != Purpose::Equality {
            return self.unfit(Form::Hash, "answers = and nothing else");
        }
        if !self.is_single() {
            return self.unfit(Form::Hash, "takes one column only");
        }
        if !self.first.methods.hash {
            return self.unfit(Form::Hash, format!("type {} has no hash function", self.first.type_name));
        }
        let (name, width) = (self.name(), self.first.profile.width);
        let tail = Some(format!("USING hash ({name})"));
        let is_rare =
            self.first.profile.distinct.is_some_and(|distinct| distinct * 20.0 > self.situation.rows);
        if width >= HASH_WIDTH && is_rare {
            let verdict =
                if width > BTREE_WIDTH || !self.orders() { Verdict::Best } else { Verdict::Possible };
            return self.choice(
                Form::Hash,
                verdict,
                format!("stores four bytes of each of the {width:.0}-byte values; no range, no sort, no index-only scan"),
                tail,
            );
        }
        let verdict = if self.orders() { Verdict::Possible } else { Verdict::Best };
        let reason = if is_rare {
            format!("values of {width:.0} bytes are short: a B-tree is as fast and does more")
        } else {
            format!("equal values of {name} share no entry, as they do in a B-tree")
        };
        self.choice(Form::Hash, verdict, reason, tail)
    }

    fn gin(&self) -> Choice {
        let columns = self.columns("");
        let best = |reason: String, tail: String| {
            self.choice(Form::Gin, Verdict::Best, reason, Some(format!("USING gin ({tail})")))
        };
        match (self.purpose, self.first.values) {
            (Purpose::Contains, Values::Jsonb) => best(
                "finds documents by what is in them; jsonb_path_ops serves @> alone and is smaller, the default serves \
                 ? as well (then leave it out)"
                    .into(),
                self.columns("jsonb_path_ops"),
            ),
            (Purpose::Contains, Values::Array) if self.first.methods.gin => {
                best(format!("has one entry for each element of {columns}"), columns)
            }
            (Purpose::FullText, Values::SearchVector) => {
                best("has one entry for each word; best where reads outnumber writes".into(), columns)
            }
            (Purpose::Pattern, Values::Text) => self.trigrams(Form::Gin),
            (Purpose::Contains | Purpose::FullText, Values::Json) => self
                .unfit(Form::Gin, "json is text without operators: change the column's type to jsonb first"),
            (Purpose::FullText, Values::Text) => self.choice(
                Form::Gin,
                Verdict::Best,
                "indexes the words of the text; queries must use the same expression and configuration"
                    .into(),
                Some(format!("USING gin (to_tsvector('simple', {}))", self.name())),
            ),
            _ => self.unfit(Form::Gin, "finds values by their parts, which are not asked for here"),
        }
    }

    fn gist(&self) -> Choice {
        let columns = self.columns("");
        let has_all = self.situation.columns.iter().all(|column| column.methods.gist);
        let tail = || Some(format!("USING gist ({columns})"));
        match (self.purpose, self.first.values) {
            (Purpose::Pattern, Values::Text) => self.trigrams(Form::Gist),
            (Purpose::FullText, Values::SearchVector) => self.choice(
                Form::Gist,
                Verdict::Possible,
                "is cheaper to write than GIN and reads rows that do not match".into(),
                tail(),
            ),
            (Purpose::Overlaps | Purpose::Nearest | Purpose::Contains, Values::Network) => self.choice(
                Form::Gist,
                if self.purpose == Purpose::Nearest { Verdict::Unfit } else { Verdict::Best },
                "knows which networks contain which".into(),
                (self.purpose != Purpose::Nearest)
                    .then(|| format!("USING gist ({})", self.columns("inet_ops"))),
            ),
            (Purpose::Overlaps | Purpose::Contains, Values::Range | Values::Geometric) if has_all => self
                .choice(
                    Form::Gist,
                    Verdict::Best,
                    format!(
                        "knows which values of {columns} overlap or contain others, and can back EXCLUDE"
                    ),
                    tail(),
                ),
            (Purpose::Nearest, Values::Geometric) if has_all => self.choice(
                Form::Gist,
                Verdict::Best,
                format!("returns rows by their distance (ORDER BY {} <-> ...)", self.name()),
                tail(),
            ),
            (Purpose::Equality | Purpose::Range | Purpose::Sort, _) => self
                .unfit(Form::Gist, "serves plain comparisons only with btree_gist, and slower than a B-tree"),
            _ => {
                self.unfit(Form::Gist, format!("has no operators of type {} for this", self.first.type_name))
            }
        }
    }

    fn trigrams(&self, form: Form) -> Choice {
        match &self.situation.trigram {
            Some((gin, gist)) => {
                let (class, verdict, reason) = match form {
                    Form::Gin => {
                        (gin, Verdict::Best, "finds any three letters in a row; a pattern needs that many")
                    }
                    _ => (gist, Verdict::Possible, "also sorts by similarity (<->), and is slower to search"),
                };
                let tail = format!("USING {} ({})", form.name(), self.columns(class));
                self.choice(form, verdict, reason.to_owned(), Some(tail))
            }
            None if self.situation.has_trigram_package => {
                self.unfit(form, "needs the operators of pg_trgm: CREATE EXTENSION pg_trgm, then ask again")
            }
            None => self.unfit(form, "needs the extension pg_trgm, which is not available on this server"),
        }
    }

    fn spgist(&self) -> Choice {
        if !self.is_single() {
            return self.unfit(Form::Spgist, "takes one key column only");
        }
        if !self.first.methods.spgist {
            return self.unfit(Form::Spgist, format!("does not know type {}", self.first.type_name));
        }
        let tail = Some(format!("USING spgist ({})", self.name()));
        match (self.purpose, self.first.values) {
            (Purpose::Prefix, Values::Text) => self.choice(
                Form::Spgist,
                Verdict::Possible,
                "is a tree of prefixes: small where many values begin alike (URLs, paths)".into(),
                tail,
            ),
            (Purpose::Overlaps | Purpose::Contains, Values::Range | Values::Network | Values::Geometric)
            | (Purpose::Nearest, Values::Geometric) => self.choice(
                Form::Spgist,
                Verdict::Possible,
                "divides the space without overlap: faster than GiST for points and for values spread evenly"
                    .into(),
                tail,
            ),
            _ => self.unfit(Form::Spgist, "is for points, prefixes, networks and ranges"),
        }
    }

    fn brin(&self) -> Choice {
        let name = self.name();
        if !matches!(self.purpose, Purpose::Range | Purpose::Equality | Purpose::Overlaps)
            || !self.first.methods.brin
        {
            return self.unfit(Form::Brin, "knows the smallest and largest value of 128 pages, and no more");
        }
        let Some(correlation) = self.follows_disk() else {
            let known = self.first.profile.correlation;
            let known =
                known.map_or("is not known; run ANALYZE".to_owned(), |known| format!("is {known:.2}"));
            return self.unfit(
                Form::Brin,
                format!(
                    "rows must lie in the order of {name}; their correlation {known}, of 0.9 that it takes"
                ),
            );
        };
        let pages = self.situation.pages;
        if pages < BRIN_PAGES {
            return self.unfit(
                Form::Brin,
                format!("the table has {pages:.0} pages; BRIN skips pages by the hundred and pays from 1024"),
            );
        }
        let distinct = self.first.profile.distinct.unwrap_or(1.0);
        let reads_ranges = self.purpose == Purpose::Range;
        // A point in a table of few distinct values reads as much as a range.
        let verdict =
            if reads_ranges && pages >= 64.0 * BRIN_PAGES { Verdict::Best } else { Verdict::Possible };
        self.choice(
            Form::Brin,
            verdict,
            format!(
                "rows lie in the order of {name} (correlation {correlation:.2}): a thousandth of a B-tree's size, \
                 but each look-up reads at least 128 pages; {distinct:.0} different values"
            ),
            Some(format!("USING brin ({})", self.columns(""))),
        )
    }

    fn partial(&self) -> Option<Choice> {
        let is_for =
            matches!(self.purpose, Purpose::Equality | Purpose::Range | Purpose::Sort | Purpose::Unique);
        if !is_for || !self.orders() {
            return None;
        }
        let (name, nulls) = (self.name(), self.first.profile.null_fraction);
        let columns = self.columns("");
        if nulls >= PARTIAL_SHARE {
            let unique = if self.purpose == Purpose::Unique { "UNIQUE " } else { "" };
            return Some(Choice {
                definition: Some(format!(
                    "CREATE {unique}INDEX ON {} ({columns}) WHERE {name} IS NOT NULL",
                    self.situation.table
                )),
                ..self.choice(
                    Form::Partial,
                    Verdict::Best,
                    format!(
                        "{:.0} % of {name} are NULL and need no entry; = and ranges imply IS NOT NULL",
                        nulls * 100.0
                    ),
                    None,
                )
            });
        }
        let common = self.first.most_common_share;
        if self.purpose == Purpose::Equality && common >= PARTIAL_SHARE {
            return Some(self.choice(
                Form::Partial,
                Verdict::Possible,
                format!(
                    "{:.0} % of the rows have one value of {name}: where queries ask for the others only, leave it \
                     out by WHERE {name} <> that value, and repeat the condition in the queries",
                    common * 100.0
                ),
                None,
            ));
        }
        None
    }

    fn covering(&self) -> Option<Choice> {
        let [key, rest @ ..] = self.situation.columns.as_slice() else { return None };
        if rest.is_empty() || self.purpose != Purpose::Equality || !key.methods.btree {
            return None;
        }
        let included: Vec<&str> = rest.iter().map(|column| column.profile.name.as_str()).collect();
        let included = included.join(", ");
        Some(self.choice(
            Form::Covering,
            Verdict::Possible,
            format!(
                "where {included} is only returned and never searched by: answers from the index alone; INCLUDE gives \
                 up the sharing of equal entries, so the index grows"
            ),
            Some(format!("({}) INCLUDE ({included})", key.profile.name)),
        ))
    }

    fn unordered(&self) -> &str {
        let without = self.situation.columns.iter().find(|column| !column.methods.btree);
        without.map_or("", |column| &column.type_name)
    }

    fn distinct(&self) -> String {
        match self.first.profile.distinct {
            Some(distinct) => format!("{:.0} different values of {}", distinct, self.name()),
            None => self.columns(""),
        }
    }
}
