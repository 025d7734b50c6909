//! How many different values a table has, told from a sample of its pages.

/// Values of one key in sampled rows, each as a hash, with the number of the page that it was found on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SampledKey {
    /// One entry a sampled row.
    pub rows: Vec<(u64, u32)>,
}

impl SampledKey {
    /// Different values in the whole table.
    ///
    /// The estimator of Haas and Stokes that ANALYZE uses (`n·d / (n − f1 + f1·n/N)`), but counting pages instead of
    /// rows: a value that stands twice on one page was seen once. So rows that lie side by side because they were
    /// written together do not pass for a value that is frequent everywhere.
    pub fn distinct(&self, table_rows: f64, table_pages: f64) -> f64 {
        // Sorted once instead of counted in a map: index selection asks this of a thousand keys.
        let mut found = self.rows.clone();
        found.sort_unstable();
        found.dedup();
        let values = || found.chunk_by(|one, other| one.0 == other.0);
        let seen = values().count() as f64;
        let mut all_pages: Vec<u32> = self.rows.iter().map(|&(_, page)| page).collect();
        // They come in the order of pages.
        all_pages.dedup();
        let (count, sampled_pages) = (self.rows.len() as f64, all_pages.len() as f64);
        if count >= table_rows || sampled_pages >= table_pages || seen == 0.0 {
            return seen;
        }
        let places = found.len() as f64;
        let once = values().filter(|pages| pages.len() == 1).count() as f64;
        let all_places = places * table_pages / sampled_pages;
        let estimate = places * seen / (places - once + once * places / all_places);
        estimate.clamp(seen, table_rows.max(seen))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every tenth page of a table of 10,000 rows, ten a page.
    fn sampled(value: impl Fn(u64) -> u64) -> SampledKey {
        let rows = (0..1000).filter(|page| page % 10 == 3).flat_map(|page: u32| {
            (0..10).map(move |row| (u64::from(page) * 10 + row, page)).collect::<Vec<_>>()
        });
        SampledKey { rows: rows.map(|(number, page)| (value(number), page)).collect() }
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
        let all = SampledKey { rows: (0..100).map(|row| (row % 13, (row / 10) as u32)).collect() };
        assert_eq!(all.distinct(100.0, 10.0), 13.0);
        assert_eq!(SampledKey::default().distinct(0.0, 0.0), 0.0);
    }
}
