//! What is kept of a query besides its counters, as the bytes that lie in shared memory.

use serde::{Deserialize, Serialize};

use super::ParameterType;

/// How many vectors of values are kept of one query.
pub const MOST_SAMPLES: usize = 3;

/// A search_path that takes more than this share of the room is not kept.
const SHARE_OF_PATH: usize = 4;

/// What is kept of a query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The text.
    pub query: String,
    /// Whether the text was cut.
    pub is_truncated: bool,
    /// The types of its parameters.
    pub parameter_types: Vec<ParameterType>,
    /// Values of its parameters.
    pub samples: Vec<Vec<Option<String>>>,
    /// The session's search_path.
    pub search_path: String,
}

/// The same as written: each type once.
#[derive(Deserialize, Serialize)]
struct Written {
    query: String,
    is_truncated: bool,
    types: Vec<(u32, String)>,
    parameters: Vec<usize>,
    samples: Vec<Vec<Option<String>>>,
    search_path: String,
}

impl Record {
    /// As bytes, `room` at most: samples go first, then the types together with the end of the text.
    pub fn encoded(&self, room: usize) -> Vec<u8> {
        for kept in (0..=self.samples.len()).rev() {
            let bytes = self.written(&self.samples[..kept]);
            if bytes.len() <= room {
                return bytes;
            }
        }
        let path_fits = self.search_path.len() <= room / SHARE_OF_PATH;
        let mut cut = Record {
            query: self.query.clone(),
            is_truncated: true,
            search_path: if path_fits { self.search_path.clone() } else { String::new() },
            ..Record::default()
        };
        loop {
            let bytes = cut.written(&[]);
            let Some(excess) = bytes.len().checked_sub(room).filter(|&excess| excess > 0) else {
                return bytes;
            };
            if cut.query.is_empty() {
                return Vec::new();
            }
            // A character may be written as six bytes.
            let length = cut.query.len().saturating_sub(excess.div_ceil(6));
            cut.query.truncate((0..=length).rev().find(|&end| cut.query.is_char_boundary(end)).unwrap_or(0));
        }
    }

    fn written(&self, samples: &[Vec<Option<String>>]) -> Vec<u8> {
        let mut types: Vec<(u32, String)> = Vec::new();
        let parameters = self
            .parameter_types
            .iter()
            .map(|of| {
                types.iter().position(|(oid, _)| *oid == of.oid).unwrap_or_else(|| {
                    types.push((of.oid, of.name.clone()));
                    types.len() - 1
                })
            })
            .collect();
        let written = Written {
            query: self.query.clone(),
            is_truncated: self.is_truncated,
            types,
            parameters,
            samples: samples.to_vec(),
            search_path: self.search_path.clone(),
        };
        serde_json::to_vec(&written).unwrap_or_default()
    }

    /// The same with each of its texts changed.
    pub fn with_every_text(mut self, change: impl Fn(String) -> String) -> Self {
        self.query = change(self.query);
        self.search_path = change(self.search_path);
        for of in &mut self.parameter_types {
            of.name = change(std::mem::take(&mut of.name));
        }
        for value in self.samples.iter_mut().flatten().flatten() {
            *value = change(std::mem::take(value));
        }
        self
    }

    /// From bytes; `None` for what is no record.
    pub fn decoded(bytes: &[u8]) -> Option<Self> {
        let written: Written = serde_json::from_slice(bytes).ok()?;
        let parameter_types = written
            .parameters
            .iter()
            .map(|&place| {
                written.types.get(place).map(|(oid, name)| ParameterType { oid: *oid, name: name.clone() })
            })
            .collect::<Option<Vec<_>>>()?;
        Some(Self {
            query: written.query,
            is_truncated: written.is_truncated,
            parameter_types,
            samples: written.samples,
            search_path: written.search_path,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let of = |oid, name: &str| ParameterType { oid, name: name.to_owned() };
        Record {
            query: "SELECT \"größe\" FROM t\nWHERE a = $1 AND b = $2 AND c = $3".to_owned(),
            is_truncated: false,
            parameter_types: vec![of(23, "integer"), of(25, "text"), of(23, "integer")],
            samples: vec![vec![Some("1".to_owned()), None, Some(String::new())], vec![None; 3]],
            search_path: "\"$user\", public".to_owned(),
        }
    }

    #[test]
    fn comes_back_as_it_went() {
        assert_eq!(Record::decoded(&record().encoded(1000)), Some(record()));
        assert_eq!(Record::decoded(b""), None);
        assert_eq!(Record::decoded(&record().encoded(1000)[..100]), None);
    }

    #[test]
    fn gives_up_samples_first_and_then_the_end_of_the_text() {
        let whole = record().encoded(1000).len();
        let fewer = Record::decoded(&record().encoded(whole - 1)).unwrap();
        assert_eq!(fewer, Record { samples: record().samples[..1].to_vec(), ..record() });
        let without = record().written(&[]).len();
        assert_eq!(Record::decoded(&record().encoded(without)).unwrap().parameter_types.len(), 3);
        let cut = Record::decoded(&record().encoded(without - 30)).unwrap();
        assert!(cut.is_truncated && cut.parameter_types.is_empty());
        assert!(record().query.starts_with(&cut.query) && cut.query.starts_with("SELECT"), "{}", cut.query);
        for room in 0..whole {
            assert!(record().encoded(room).len() <= room, "{room}");
        }
    }

    #[test]
    fn every_text_is_changed() {
        let changed = record().with_every_text(|text| text.to_uppercase());
        assert_eq!(changed.query, record().query.to_uppercase());
        assert_eq!(changed.search_path, "\"$USER\", PUBLIC");
        assert_eq!(changed.parameter_types[1].name, "TEXT");
        let value = Record { samples: vec![vec![Some("a".to_owned()), None]], ..record() };
        let changed = value.with_every_text(|text| text.to_uppercase());
        assert_eq!(changed.samples, [[Some("A".to_owned()), None]]);
    }

    #[test]
    fn a_path_that_is_longer_than_all_room_is_left_out() {
        let long = Record { search_path: "p".repeat(5000), ..record() };
        let cut = Record::decoded(&long.encoded(1000)).unwrap();
        assert_eq!((cut.search_path.as_str(), cut.query == long.query), ("", true));
    }
}
