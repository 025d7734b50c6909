//! How many different values a table has, told from a sample of its pages.

/// One key in one sampled row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SampledRow {
    /// Which of its columns are NULL, a bit each.
    pub nulls: u64,
    /// A hash of its values.
    pub value: u64,
    /// The page on which it was found.
    pub page: u32,
}

/// The keys of sampled rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SampledKey {
    /// One entry a sampled row, in the order of pages.
    pub rows: Vec<SampledRow>,
}

impl SampledKey {
    /// Different values in the whole table.
    ///
    /// Keys in which the same columns are NULL are estimated together and apart from the others: where a column is NULL
    /// now and then, few values without it are shared by rows from everywhere, and would make the many with it pass for
    /// as frequent.
    pub fn distinct(&self, table_rows: f64, table_pages: f64) -> f64 {
        let mut sampled_pages: Vec<u32> = self.rows.iter().map(|row| row.page).collect();
        sampled_pages.dedup();
        let (count, sampled_pages) = (self.rows.len() as f64, sampled_pages.len() as f64);
        // Sorted once instead of counted in a map: index selection asks this of a thousand keys.
        let mut places = self.rows.clone();
        places.sort_unstable();
        places.dedup();
        if count >= table_rows || sampled_pages >= table_pages {
            return places.chunk_by(is_same_key).count() as f64;
        }
        let estimate: f64 = places
            .chunk_by(|one, other| one.nulls == other.nulls)
            .map(|alike| estimated(alike, table_pages / sampled_pages))
            .sum();
        estimate.min(table_rows)
    }
}

fn is_same_key(one: &SampledRow, other: &SampledRow) -> bool {
    one.nulls == other.nulls && one.value == other.value
}

/// Different keys where so many times as many pages are as were sampled.
///
/// The estimator of Haas and Stokes that ANALYZE uses (`n·d / (n − f1 + f1·n/N)`), but counting pages instead of rows: a
/// value that stands twice on one page was seen once. So rows that lie side by side because they were written together
/// do not pass for a value that is frequent everywhere.
fn estimated(sorted: &[SampledRow], growth: f64) -> f64 {
    let values = || sorted.chunk_by(is_same_key);
    let (places, seen) = (sorted.len() as f64, values().count() as f64);
    let once = values().filter(|pages| pages.len() == 1).count() as f64;
    (places * seen / (places - once + once / growth)).max(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every tenth page of a table of 10,000 rows, ten a page.
    fn sampled(value: impl Fn(u64) -> u64) -> SampledKey {
        let rows = (0..1000).filter(|page| page % 10 == 3).flat_map(|page: u32| {
            (0..10).map(move |row| (u64::from(page) * 10 + row, page)).collect::<Vec<_>>()
        });
        SampledKey { rows: rows.map(|(number, page)| row(value(number), page)).collect() }
    }

    fn row(value: u64, page: u32) -> SampledRow {
        SampledRow { nulls: 0, value, page }
    }

    fn estimate(value: impl Fn(u64) -> u64) -> f64 {
        sampled(value).distinct(10_000.0, 1000.0)
    }

    /// Scatters numbers over the table by chance: a multiplication alone would spread them too evenly.
    fn scattered(number: u64) -> u64 {
        let product = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (product ^ (product >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ (mixed >> 31)
    }

    #[test]
    fn unique_values_are_as_many_as_rows() {
        assert_eq!(estimate(|number| number), 10_000.0);
    }

    #[test]
    fn few_values_are_all_seen() {
        assert_eq!(estimate(|number| scattered(number) % 7), 7.0);
    }

    #[test]
    fn neighbours_with_one_value_do_not_hide_the_rest() {
        // Five rows of each value, side by side: 2,000 values, of which ANALYZE's estimator would see 200.
        assert_eq!(estimate(|number| number / 5), 2000.0);
    }

    #[test]
    fn repeated_values_far_apart_are_found() {
        let found = estimate(|number| scattered(number) % 2000);
        assert!((1500.0..2600.0).contains(&found), "{found}");
    }

    #[test]
    fn a_sample_of_all_pages_is_exact() {
        let all =
            SampledKey { rows: (0..100).map(|number| row(number % 13, (number / 10) as u32)).collect() };
        assert_eq!(all.distinct(100.0, 10.0), 13.0);
        assert_eq!(SampledKey::default().distinct(0.0, 0.0), 0.0);
    }

    #[test]
    fn few_values_with_null_do_not_hide_the_many_without() {
        // Every tenth row has NULL and one of 40 values; the others are unique.
        let mut key = sampled(|number| number);
        for row in key.rows.iter_mut().filter(|row| row.value % 10 == 0) {
            (row.nulls, row.value) = (1, scattered(row.value) % 40);
        }
        let found = key.distinct(10_000.0, 1000.0);
        assert!((9_030.0..9_060.0).contains(&found), "{found}");
    }
}
