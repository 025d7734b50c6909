//! The seals as they are kept: rows of a table of the log, each with the leaves of what it seals.

use super::book::{micros, number, text};
use crate::catalog::Oid;
use crate::pg::trail::reading::access::must_owner;
use crate::pg::trail::reading::{rows, write};
use crate::text::hex::{bytea, from_hex, hex};
use crate::trail::seal::leaves::{Leaf, SIZE, number_of, packed, unpacked};
use crate::trail::seal::merkle::Hash;
use crate::trail::seal::record::{KINDS, Kind, Numbers, Part, Seal};
use crate::trail::seal::sweep::Kept;
use crate::trail::seal::verify::Present;

fn hash(bytes: Option<&str>) -> Hash {
    let bytes = bytes.and_then(from_hex).unwrap_or_default();
    bytes.try_into().unwrap_or([0; 32])
}

/// A row of the log, from the columns of [`hashes`](super::hashing::hashes).
pub fn present(row: &[Option<String>]) -> Present {
    Present {
        leaf: Leaf { id: number(row, 0), at: number(row, 1), hash: hash(text(row, 3)) },
        transaction: text(row, 2).and_then(|transaction| transaction.parse().ok()),
    }
}

/// Whether there is the table of seals.
pub fn has_seals(owner: Oid) -> bool {
    let found = rows(
        Some(owner),
        "SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'dbm_trail' AND c.relname = 'seal' AND c.relkind = 'r' AND c.relowner = n.nspowner",
        &[],
    );
    !found.is_empty()
}

/// Whether it has the column `target`, which it did not always have.
pub fn has_target(owner: Oid) -> bool {
    let found = rows(
        Some(owner),
        "SELECT FROM pg_catalog.pg_attribute a
         JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'dbm_trail' AND c.relname = 'seal' AND a.attname = 'target' AND NOT a.attisdropped",
        &[],
    );
    !found.is_empty()
}

/// All seals, the first first.
pub fn kept(owner: Oid) -> Vec<Kept> {
    if !has_seals(owner) {
        return Vec::new();
    }
    let parts = Kind::ALL.map(|kind| format!("{}, {}_root", kind.plural(), kind.name())).join(", ");
    let target = if has_target(owner) { "target" } else { "NULL" };
    let sql = format!(
        "SELECT seal_id, {}, home, until, next, change_number, event_number, previous, digest, {target}, {parts}
         FROM dbm_trail.seal ORDER BY seal_id",
        micros("sealed_at")
    );
    rows(Some(owner), &sql, &[])
        .iter()
        .map(|row| Kept {
            seal: Seal {
                id: number(row, 0),
                at: number(row, 1),
                home: text(row, 2).unwrap_or_default().to_owned(),
                until: number(row, 3),
                next: number(row, 4),
                numbers: Numbers { change: number(row, 5), event: number(row, 6) },
                parts: Kind::ALL.map(|kind| {
                    let place = 10 + 2 * kind.place();
                    Part { count: number(row, place), root: hash(text(row, place + 1)) }
                }),
                previous: hash(text(row, 7)),
            },
            digest: hash(text(row, 8)),
            target: text(row, 9).and_then(|target| target.parse().ok()),
        })
        .collect()
}

/// The leaves that a seal has of a kind.
pub fn leaves(owner: Oid, kind: Kind, seal: i64) -> Vec<Leaf> {
    let sql =
        format!("SELECT {}_leaves FROM dbm_trail.seal WHERE seal_id = $1::pg_catalog.int8", kind.name());
    let found = rows(Some(owner), &sql, &[Some(seal.to_string())]);
    found
        .first()
        .and_then(|row| text(row, 0))
        .and_then(from_hex)
        .map(|bytes| unpacked(&bytes))
        .unwrap_or_default()
}

/// From which number to which a seal has rows.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// The seal.
    pub seal: i64,
    /// The first of its rows.
    pub first: i64,
    /// The last.
    pub last: i64,
}

/// The ranges of the seals that keep leaves of a kind, and may have rows above a number.
pub fn ranges(owner: Oid, kind: Kind, above: i64) -> Vec<Range> {
    let name = kind.name();
    let number_of_kind = match kind {
        Kind::Shape => "NULL",
        Kind::Activity | Kind::Change => "change_number",
        Kind::Event => "event_number",
    };
    // Of what is kept outside the row and not compressed the server reads no more than that.
    let sql = format!(
        "SELECT seal_id, pg_catalog.substr({name}_leaves, 1, 8),
                pg_catalog.substr({name}_leaves, pg_catalog.length({name}_leaves) - {}, 8)
         FROM dbm_trail.seal
         WHERE pg_catalog.length({name}_leaves) >= {SIZE} AND ({number_of_kind} > $1::pg_catalog.int8) IS NOT FALSE
         ORDER BY seal_id",
        SIZE - 1
    );
    let number_in =
        |row: &[Option<String>], place| text(row, place).and_then(from_hex).map(|bytes| number_of(&bytes));
    rows(Some(owner), &sql, &[Some(above.to_string())])
        .iter()
        .filter_map(|row| {
            let (first, last) = (number_in(row, 1)?, number_in(row, 2)?);
            (last > above).then_some(Range { seal: number(row, 0), first, last })
        })
        .collect()
}

/// So many leaves are read at a time.
const PAGE: usize = 4_000;

/// The numbers of the rows that a seal has of a kind, in pages: of several seals at once not all are in memory.
pub struct NumbersOf {
    owner: Oid,
    kind: Kind,
    seal: i64,
    read: usize,
    page: std::vec::IntoIter<i64>,
    is_over: bool,
}

impl NumbersOf {
    /// Of this seal.
    pub fn new(owner: Oid, kind: Kind, seal: i64) -> Self {
        Self { owner, kind, seal, read: 0, page: Vec::new().into_iter(), is_over: false }
    }

    fn fetch(&mut self) {
        let sql = format!(
            "SELECT pg_catalog.substr({}_leaves, {}, {}) FROM dbm_trail.seal WHERE seal_id = $1::pg_catalog.int8",
            self.kind.name(),
            self.read * SIZE + 1,
            PAGE * SIZE
        );
        let found = rows(Some(self.owner), &sql, &[Some(self.seal.to_string())]);
        let bytes = found.first().and_then(|row| text(row, 0)).and_then(from_hex).unwrap_or_default();
        let numbers: Vec<i64> = bytes.chunks_exact(SIZE).map(number_of).collect();
        self.is_over = numbers.len() < PAGE;
        self.read += numbers.len();
        self.page = numbers.into_iter();
    }
}

impl Iterator for NumbersOf {
    type Item = i64;

    fn next(&mut self) -> Option<i64> {
        if self.page.len() == 0 && !self.is_over {
            self.fetch();
        }
        self.page.next()
    }
}

/// The seals and their digests.
pub fn seals() -> Vec<(Seal, String)> {
    kept(must_owner()).into_iter().map(|kept| (kept.seal, hex(&kept.digest))).collect()
}

/// The digest of a seal.
pub fn hex_digest(seal: &Seal) -> String {
    hex(&seal.digest())
}

/// Keeps a seal with its leaves.
pub fn keep(owner: Oid, seal: &Seal, target: Option<i64>, leaves: &[Vec<Leaf>; KINDS]) {
    let bytes = |bytes: &[u8]| Some(bytea(bytes));
    let number = |number: i64| Some(number.to_string());
    let mut columns =
        "seal_id, sealed_at, home, until, next, change_number, event_number, previous, digest, target"
            .to_owned();
    let mut arguments = vec![
        number(seal.id),
        number(seal.at),
        Some(seal.home.clone()),
        number(seal.until),
        number(seal.next),
        number(seal.numbers.change),
        number(seal.numbers.event),
        bytes(&seal.previous),
        bytes(&seal.digest()),
        target.and_then(number),
    ];
    let mut values = format!(
        "$1::pg_catalog.int8, {}, $3, $4::pg_catalog.int8, $5::pg_catalog.int8, $6::pg_catalog.int8, $7::pg_catalog.int8,
         $8::pg_catalog.bytea, $9::pg_catalog.bytea, $10::pg_catalog.int8",
        super::book::moment(2)
    );
    for kind in Kind::ALL {
        let (name, part, first) = (kind.name(), seal.part(kind), arguments.len() + 1);
        columns.push_str(&format!(", {}, {name}_root, {name}_leaves", kind.plural()));
        values.push_str(&format!(
            ", ${first}::pg_catalog.int8, ${}::pg_catalog.bytea, ${}::pg_catalog.bytea",
            first + 1,
            first + 2
        ));
        arguments.extend([number(part.count), bytes(&part.root), bytes(&packed(&leaves[kind.place()]))]);
    }
    write(Some(owner), &format!("INSERT INTO dbm_trail.seal ({columns}) VALUES ({values})"), &arguments);
}
