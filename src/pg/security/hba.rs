//! The lines of `pg_hba.conf` as they stand on disk.

use crate::catalog::security::{HbaAddress, HbaConnection, HbaLine};
use crate::pg::query::rows;
use crate::pg::value::Text;

const MAY_READ: &str =
    "SELECT pg_catalog.has_function_privilege('pg_catalog.pg_hba_file_rules()', 'EXECUTE')";

const LINES: &str = "SELECT (pg_catalog.to_jsonb(h) ->> 'line_number')::pg_catalog.int4, h.type, h.database, h.user_name, h.address,
            h.netmask, h.auth_method, h.error, pg_catalog.to_jsonb(h) ->> 'file_name',
            ARRAY(SELECT CASE WHEN o ~ '^[^=]*(passwd|secret)' THEN pg_catalog.split_part(o, '=', 1) || '=...' ELSE o END
                  FROM pg_catalog.unnest(h.options) o)
     FROM pg_catalog.pg_hba_file_rules() h";

/// Every line in order; `None` where the caller may not read them. To be run with a pinned search_path.
pub fn lines() -> Option<Vec<HbaLine>> {
    let may_read = rows(MAY_READ, &[], |row| row.get::<bool>(1)).into_iter().flatten().any(|may| may);
    may_read.then(read)
}

fn read() -> Vec<HbaLine> {
    let text = |text: Option<Text>| text.map(Text::into_string).unwrap_or_default();
    let mut lines = rows(LINES, &[], |row| {
        let list = |list: Option<Vec<Option<Text>>>| -> Box<[Box<str>]> {
            list.unwrap_or_default().into_iter().flatten().map(|text| text.into_string().into()).collect()
        };
        let (address, netmask) = (text(row.get(5)?), row.get::<Text>(6)?);
        let netmask = netmask.map(Text::into_string);
        let kind = text(row.get(2)?);
        let parsed = (!address.is_empty()).then(|| HbaAddress::parse(&address, netmask.as_deref()));
        let written = match &parsed {
            Some(HbaAddress::Network(network, bits)) => format!("{network}/{bits}"),
            _ => address,
        };
        Ok(HbaLine {
            number: row.get::<i32>(1)?.unwrap_or(0),
            file: row.get::<Text>(9)?.map(|file| file.into_string().into()),
            connection: HbaConnection::parse(&kind).unwrap_or_default(),
            databases: list(row.get(3)?),
            users: list(row.get(4)?),
            address: parsed,
            written_address: written.into(),
            method: text(row.get(7)?).into(),
            options: list(row.get(10)?),
            error: row.get::<Text>(8)?.map(|error| error.into_string().into()),
        })
    });
    // A file of the usual name is not told of.
    let main = lines.first().and_then(|line| line.file.clone());
    for line in &mut lines {
        if line.file == main {
            line.file = None;
        }
    }
    lines
}
