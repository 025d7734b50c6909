//! From which share of the rows on an index stops to pay, as the planner counts.

use crate::catalog::plan::Settings;

/// The server's defaults of cpu_tuple_cost, cpu_index_tuple_cost and cpu_operator_cost.
const TUPLE: f64 = 0.01;
const INDEX_TUPLE: f64 = 0.005;
const OPERATOR: f64 = 0.0025;
/// Entries of a common index on a page.
const ENTRIES: f64 = 350.0;

/// A table as the planner counts its pages.
pub struct Table<'a> {
    /// Its pages.
    pub pages: f64,
    /// Its rows.
    pub tuples: f64,
    /// What pages cost.
    pub settings: &'a Settings,
}

impl Table<'_> {
    /// About what a bitmap scan of a share of the rows costs: rows lie on pages as chance has it.
    fn bitmap(&self, share: f64) -> f64 {
        let rows = share * self.tuples;
        let pages = (2.0 * self.pages * rows / (2.0 * self.pages + rows)).min(self.pages);
        let (random, sequential) = (self.settings.random_page_cost, self.settings.seq_page_cost);
        let page = random - (random - sequential) * (pages / self.pages.max(1.0)).sqrt();
        let index = rows / ENTRIES * random + rows * (INDEX_TUPLE + 2.0 * OPERATOR);
        index + pages * page + rows * (TUPLE + OPERATOR)
    }

    /// The share below which an index costs less than `whole`, the cost of reading all, if it costs `with_index` at
    /// `share`; `None` where it pays there already.
    pub fn break_even(&self, share: f64, with_index: f64, whole: f64) -> Option<f64> {
        if with_index <= whole || self.pages < 1.0 || share <= 0.0 {
            return None;
        }
        // What the planner knows better than we (order on disk, width of the index) shows at the one share it priced.
        let known_better = with_index / self.bitmap(share);
        let (mut pays, mut is_too_much) = (0.0, share);
        for _ in 0..40 {
            let middle = f64::midpoint(pays, is_too_much);
            if known_better * self.bitmap(middle) < whole {
                pays = middle;
            } else {
                is_too_much = middle;
            }
        }
        Some(pays)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_at_which_both_cost_the_same() {
        let settings = Settings::default();
        let table = Table { pages: 20_000.0, tuples: 1_000_000.0, settings: &settings };
        let whole = 20_000.0 + 12_500.0;
        let share = table.break_even(0.9, table.bitmap(0.9), whole).unwrap_or_default();
        assert!((table.bitmap(share) - whole).abs() < 1.0, "{share}");
        assert!((0.001..0.9).contains(&share), "{share}");
    }

    #[test]
    fn an_index_that_pays_has_none() {
        let settings = Settings::default();
        let table = Table { pages: 20_000.0, tuples: 1_000_000.0, settings: &settings };
        assert_eq!(table.break_even(0.1, 100.0, 32_500.0), None);
    }
}
