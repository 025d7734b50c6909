//! Who changes something, and from where: one row for a session, and another whenever that changes.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use pgrx::{IntoDatum, direct_function_call_as_datum, pg_sys};

use super::bare;
use super::column::Value;
use super::writer::write_one;
use super::{context, place};
use crate::catalog::trail::jsonb::Object;
use crate::catalog::trail::layout::ACTIVITY;
use crate::pg::roles;
use crate::pg::value::Text;

/// What a row says, but for its texts.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Header {
    session: pg_sys::Oid,
    outer: pg_sys::Oid,
    current: pg_sys::Oid,
    context: u64,
}

/// The row that was written last.
#[derive(Clone, Copy)]
struct Written {
    header: Header,
    number: i64,
    at: i64,
    /// Where it lies, as long as that does not change.
    leaf: Option<pg_sys::Oid>,
    /// Whether the transaction that wrote it is committed.
    is_settled: bool,
}

/// For so long a row holds for later transactions, in microseconds: whoever clears the log by hand leaves the last hour.
const LONGEST: i64 = 3_600_000_000;
/// The text of a query that is longer is not kept from one transaction to the next, in bytes.
const LONGEST_QUERY: usize = 65_536;

thread_local! {
    static WRITTEN: Cell<Option<Written>> = const { Cell::new(None) };
    /// Grows when a role may have got another name.
    static RENAMES: Cell<u64> = const { Cell::new(0) };
    /// The texts that go with it, whole: hashes of two may be alike.
    static TEXTS: RefCell<Texts> = const { RefCell::new(Texts { query: None, application: None }) };
    /// A context of nothing, a jsonb.
    static EMPTY: Bytes = {
        let mut empty = Vec::new();
        Object::begin(&mut empty, std::iter::empty()).finish();
        Rc::from(empty)
    };
}

struct Texts {
    /// That of the query; `None` where it was not kept.
    query: Option<Vec<u8>>,
    /// What the client calls itself, a text; also where nothing was written yet.
    application: Option<Bytes>,
}

impl Texts {
    /// Whether they are right for what is changed now.
    fn fit(&self, keeps_query: bool) -> bool {
        self.application.as_deref().is_some_and(is_application_name)
            && match &self.query {
                // Also where it is not asked for: the text of another statement must not stand there.
                Some(query) => query_text() == Some(&**query),
                None => !keeps_query || query_text().is_none(),
            }
    }
}

/// Varlenas, remembered as they are.
type Bytes = Rc<[u8]>;

thread_local! {
    /// Names of roles, as texts.
    static NAMES: RefCell<Vec<(pg_sys::Oid, Bytes)>> = const { RefCell::new(Vec::new()) };
    /// From where the client came: its address, an `inet`, and its port.
    static CLIENT: RefCell<Option<(Option<Bytes>, Option<i32>)>> = const { RefCell::new(None) };
}

/// A role got another name, or is gone.
pub fn forget_names() {
    RENAMES.set(RENAMES.get() + 1);
    NAMES.with_borrow_mut(Vec::clear);
    forget();
}

fn forget() {
    if WRITTEN.take().is_some() {
        TEXTS.with_borrow_mut(|texts| texts.query = None);
    }
}

/// A transaction ended, or a subtransaction was rolled back: what it wrote is there for those to come, or may be gone.
pub fn settle(is_committed: bool) {
    let Some(written) = WRITTEN.get() else { return };
    if !is_committed && !written.is_settled {
        forget();
        return;
    }
    let is_long =
        TEXTS.with_borrow(|texts| texts.query.as_ref().is_some_and(|query| query.len() > LONGEST_QUERY));
    if is_committed && is_long {
        forget();
    } else {
        WRITTEN.set(Some(Written { is_settled: written.is_settled || is_committed, ..written }));
    }
}

/// Who changes something.
#[derive(Clone, Copy)]
pub struct Activity {
    /// The number of its row.
    pub number: i64,
    /// The transaction.
    pub transaction: u64,
    /// When it began.
    pub began: i64,
}

/// FNV-1a, which is the same in every version.
pub fn hash(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn query_text<'a>() -> Option<&'a [u8]> {
    // SAFETY: null or a C string that lives as long as the client's statement.
    unsafe {
        let text = pg_sys::debug_query_string;
        (!text.is_null()).then(|| std::ffi::CStr::from_ptr(text).to_bytes())
    }
}

fn application_name<'a>() -> &'a [u8] {
    // SAFETY: null or a C string that lives as long as the setting stays.
    unsafe {
        let name = pg_sys::application_name;
        if name.is_null() { b"" } else { std::ffi::CStr::from_ptr(name).to_bytes() }
    }
}

/// Whether a text is what the client calls itself.
fn is_application_name(text: &[u8]) -> bool {
    text.get(size_of::<u32>()..) == Some(application_name())
}

/// What the client calls itself, a text: the last one, where that is still so. Bytes of the database as they are; a text is
/// a varlena of its bytes, as a bytea is.
fn application() -> Option<Bytes> {
    let known = TEXTS.with_borrow(|texts| texts.application.clone());
    known.filter(|known| is_application_name(known)).or_else(|| {
        let text = application_name().into_datum()?;
        // SAFETY: a varlena that was just made, with a header of four bytes.
        Some(unsafe { bytes(text) })
    })
}

/// The row that was written last, where it says what holds now.
fn written(header: &Header, at: i64, keeps_query: bool) -> Option<Written> {
    WRITTEN.get().filter(|written| {
        let is_young = at.checked_sub(written.at).is_some_and(|age| (0..LONGEST).contains(&age));
        written.header == *header
            && (!written.is_settled || (is_young && written.leaf.is_some()))
            // Where rows go now: it is kept as long as the changes that come with it.
            && written.leaf == place::remembered(&ACTIVITY, at)
            && TEXTS.with_borrow(|texts| texts.fit(keeps_query))
    })
}

/// Who changes something at the moment `at`, the server's; written if it is not yet. `number`: that of the change that is
/// written next.
pub fn current(at: i64, keeps_query: bool, number: i64) -> Activity {
    // SAFETY: takes a transaction number, as a writing transaction has one.
    let transaction = unsafe { pg_sys::GetTopFullTransactionId().value };
    let [session, outer, current] = bare::users();
    let header = Header { session, outer, current, context: context::version() };
    let began = bare::transaction_start();
    if let Some(Written { number, .. }) = written(&header, at, keeps_query) {
        return Activity { number, transaction, began };
    }
    let query = if keeps_query { query_text() } else { None };
    let application = application();
    let renames = RENAMES.get();
    write(number, transaction, &header, at, application.as_ref(), query);
    if RENAMES.get() == renames {
        TEXTS.set(Texts { query: query.map(<[u8]>::to_vec), application });
        let leaf = place::remembered(&ACTIVITY, at);
        WRITTEN.set(Some(Written { header, number, at, leaf, is_settled: false }));
    }
    Activity { number, transaction, began }
}

/// # Safety
/// A varlena, neither compressed nor elsewhere.
unsafe fn bytes(datum: pg_sys::Datum) -> Bytes {
    // SAFETY: as the caller vouches.
    unsafe {
        let pointer = datum.cast_mut_ptr::<pg_sys::varlena>();
        std::slice::from_raw_parts(pointer.cast::<u8>(), pgrx::varsize_any(pointer)).into()
    }
}

/// The name of a role, a text.
fn name_of(role: pg_sys::Oid) -> Bytes {
    let known = NAMES.with_borrow(|names| {
        names.iter().find(|&&(known, _)| known == role).map(|(_, name)| Rc::clone(name))
    });
    known.unwrap_or_else(|| {
        let found = roles::name(role);
        let is_there = found.is_some();
        let name = Text::from(found.unwrap_or_else(|| role.to_u32().to_string())).into_datum();
        // SAFETY: a text that was just made.
        let name = name.map_or_else(|| Rc::from([]), |name| unsafe { bytes(name) });
        if is_there {
            NAMES.with_borrow_mut(|names| names.push((role, Rc::clone(&name))));
        }
        name
    })
}

/// From where the client came. That stays, as long as the process serves it.
fn client() -> (Option<Bytes>, Option<i32>) {
    if let Some(known) = CLIENT.with_borrow(Clone::clone) {
        return known;
    }
    // SAFETY: functions that read what this process knows of its client; null for none.
    let found = unsafe {
        let address = direct_function_call_as_datum(pg_sys::inet_client_addr, &[]);
        let port = direct_function_call_as_datum(pg_sys::inet_client_port, &[]);
        (address.map(|address| bytes(address)), port.map(|port| port.value() as i32))
    };
    CLIENT.with_borrow_mut(|client| client.insert(found).clone())
}

fn write(
    number: i64,
    transaction: u64,
    header: &Header,
    at: i64,
    application: Option<&Bytes>,
    query: Option<&[u8]>,
) {
    let pointer = |bytes: &Bytes| pg_sys::Datum::from(bytes.as_ptr());
    let roles = [header.session, header.outer, header.current].map(name_of);
    let (address, port) = client();
    let nothing = EMPTY.with(Rc::clone);
    // SAFETY: reads what this process knows of itself. Values of the columns' types.
    unsafe {
        let row: [Value; 12] = [
            number.into_datum(),
            Some(pg_sys::Datum::from(at)),
            Some(pg_sys::Datum::from(transaction)),
            Some(pointer(&roles[0])),
            Some(pointer(&roles[1])),
            Some(pointer(&roles[2])),
            pg_sys::MyProcPid.into_datum(),
            address.as_ref().map(pointer),
            port.map(pg_sys::Datum::from),
            application.map(pointer),
            if header.context == 0 { Some(pointer(&nothing)) } else { context_as_jsonb() },
            query.and_then(IntoDatum::into_datum),
        ];
        write_one(&ACTIVITY, at, &row);
    }
}

fn context_as_jsonb() -> Value {
    crate::pg::value::Document::from(context::context()).into_datum()
}

/// A moment of the log's own, when a row of it is written.
pub fn now() -> i64 {
    bare::clock()
}
