//! Files on disk, looked at without any lock on the relation.

use std::ffi::CString;
use std::fs;
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use pgrx::pg_sys;

use crate::catalog::{FileLocation, Moment};
use crate::pg::scan::text_of_c_string;

/// How this major's buffer manager names a file.
#[cfg(feature = "pg15")]
pub type Locator = pg_sys::RelFileNode;
/// How this major's buffer manager names a file.
#[cfg(not(feature = "pg15"))]
pub type Locator = pg_sys::RelFileLocator;

/// The tablespace and database that a file location means in this database.
fn tablespace_of(file: FileLocation) -> pg_sys::Oid {
    if file.tablespace != 0 {
        return pg_sys::Oid::from(file.tablespace);
    }
    // SAFETY: a constant of this backend.
    unsafe { pg_sys::MyDatabaseTableSpace }
}

/// The buffer manager's name for a file of this database.
pub fn locator(file: FileLocation) -> Locator {
    // SAFETY: a constant of this backend.
    let database = unsafe { pg_sys::MyDatabaseId };
    #[cfg(feature = "pg15")]
    return Locator {
        spcNode: tablespace_of(file),
        dbNode: database,
        relNode: pg_sys::Oid::from(file.number),
    };
    #[cfg(not(feature = "pg15"))]
    return Locator {
        spcOid: tablespace_of(file),
        dbOid: database,
        relNumber: pg_sys::Oid::from(file.number),
    };
}

/// Whether a relation still has this file. Its lock must be held, or the answer is old at once.
pub fn is_current(relation: pg_sys::Oid, file: FileLocation) -> bool {
    // SAFETY: a syscache look-up, released at once.
    unsafe {
        let tuple =
            pg_sys::SearchSysCache1(pg_sys::SysCacheIdentifier::RELOID as _, pg_sys::Datum::from(relation));
        if tuple.is_null() {
            return false;
        }
        let form = &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_class>();
        let current =
            form.relfilenode.to_u32() == file.number && form.reltablespace.to_u32() == file.tablespace;
        pg_sys::ReleaseSysCache(tuple);
        current
    }
}

/// The number that stands for no backend in the paths of files: those of relations that are not temporary.
const NO_BACKEND: i32 = -1;

/// The path of a permanent relation's main fork, relative to the data directory (where every backend stands).
fn path(file: FileLocation) -> Option<PathBuf> {
    path_of(file, NO_BACKEND)
}

fn path_of(file: FileLocation, backend: i32) -> Option<PathBuf> {
    if file.number == 0 {
        return None;
    }
    // SAFETY: builds a string in the current memory context.
    let path = unsafe {
        let path = pg_sys::GetRelationPath(
            pg_sys::MyDatabaseId,
            tablespace_of(file),
            pg_sys::Oid::from(file.number),
            backend,
            pg_sys::ForkNumber::MAIN_FORKNUM,
        );
        #[cfg(feature = "pg18")]
        let path = path.str_.as_ptr();
        text_of_c_string(path)
    };
    path.map(|path| PathBuf::from(&*path))
}

/// The bytes of the main fork on disk, all segments together; `None` when the file is gone.
pub fn bytes(file: FileLocation) -> Option<u64> {
    segments(&path(file)?, "")
}

/// The same of a temporary relation of this session; not all of it need have been written to the disk.
pub fn bytes_of_own_temporary(file: FileLocation) -> Option<u64> {
    // SAFETY: a constant of this backend.
    #[cfg(any(feature = "pg15", feature = "pg16"))]
    let backend = unsafe { pg_sys::MyBackendId };
    // SAFETY: as above.
    #[cfg(not(any(feature = "pg15", feature = "pg16")))]
    let backend = unsafe { pg_sys::MyProcNumber };
    segments(&path_of(file, backend)?, "")
}

/// The bytes of every fork on disk: main, free space map, visibility map, and the empty copy of unlogged relations.
pub fn bytes_of_all_forks(file: FileLocation) -> Option<u64> {
    let main = path(file)?;
    let others = ["_fsm", "_vm", "_init"].into_iter().filter_map(|fork| segments(&main, fork));
    Some(segments(&main, "")? + others.sum::<u64>())
}

fn segments(main: &Path, fork: &str) -> Option<u64> {
    let named = |segment: u32| {
        let mut name = main.as_os_str().to_owned();
        name.push(fork);
        if segment > 0 {
            name.push(format!(".{segment}"));
        }
        name
    };
    let mut total = fs::metadata(named(0)).ok()?.len();
    // A segment is full (1 GB unless built otherwise) before there is a next one.
    let full = u64::from(pg_sys::RELSEG_SIZE) * u64::from(pg_sys::BLCKSZ);
    let mut last = total;
    for segment in 1_u32.. {
        if last < full {
            break;
        }
        match fs::metadata(named(segment)) {
            Ok(metadata) => last = metadata.len(),
            Err(_) => break,
        }
        total += last;
    }
    Some(total)
}

fn created(path: PathBuf) -> Option<Moment> {
    let created = fs::metadata(path).ok()?.created().ok()?;
    Moment::try_from(created.duration_since(UNIX_EPOCH).ok()?.as_micros()).ok()
}

/// When the file was made: when its relation was created or last rewritten. `None` where the file system does not
/// keep birth times.
pub fn made(file: FileLocation) -> Option<Moment> {
    created(path(file)?)
}

/// When this database's directory was filled: CREATE DATABASE, or a restore of the data directory.
pub fn database_created() -> Option<Moment> {
    // SAFETY: constants of this backend; the path is a C string in the current context.
    let directory = unsafe {
        text_of_c_string(pg_sys::GetDatabasePath(pg_sys::MyDatabaseId, pg_sys::MyDatabaseTableSpace))
    }?;
    created(PathBuf::from(&*directory).join("PG_VERSION"))
}

/// How much room the file system of a tablespace has for the server, 0 for that of the database; `None` where it does not say.
pub fn free_bytes(tablespace: u32) -> Option<u64> {
    let file = FileLocation { tablespace, number: 0 };
    // SAFETY: constants of this backend; the path is a C string in the current context.
    let directory =
        unsafe { text_of_c_string(pg_sys::GetDatabasePath(pg_sys::MyDatabaseId, tablespace_of(file))) }?;
    // A tablespace in which the database has nothing yet has no directory for it.
    let directory = Path::new(&*directory);
    let directory = if directory.exists() { directory } else { directory.parent()? };
    let path = CString::new(directory.to_str()?).ok()?;
    let mut answer = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: a C string, and room for the answer, which is there if the call succeeds.
    let answer = unsafe {
        if libc::statvfs(path.as_ptr(), answer.as_mut_ptr()) != 0 {
            return None;
        }
        answer.assume_init()
    };
    #[allow(clippy::useless_conversion, reason = "other systems have smaller numbers")]
    Some(u64::from(answer.f_bavail).saturating_mul(u64::from(answer.f_frsize)))
}

/// The version that `CREATE EXTENSION` would install, as the extension's control file says; `None` where there is no
/// such file in the usual place.
pub fn default_version(extension: &str) -> Option<Box<str>> {
    let mut buffer = [0 as std::ffi::c_char; pg_sys::MAXPGPATH as usize];
    // SAFETY: both are arrays of MAXPGPATH bytes, the first of them ended by the server at its start.
    let share = unsafe {
        pg_sys::get_share_path((&raw const pg_sys::my_exec_path).cast(), buffer.as_mut_ptr());
        text_of_c_string(buffer.as_mut_ptr())
    }?;
    let path = Path::new(&*share).join("extension").join(format!("{extension}.control"));
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().map(str::trim_start).find_map(|line| line.strip_prefix("default_version"))?;
    let value = line.trim_start().strip_prefix('=')?.trim_start().strip_prefix('\'')?;
    value.split('\'').next().map(Into::into)
}
