//! The log in pieces: no order of its rows is kept, so that whoever reads them by number has to sort them, and whoever may be
//! stopped sorts no more of them than he needs.

/// Windows of numbers, one after the other. Numbers have gaps of any size: a window is made wider while few rows are in one.
#[derive(Clone, Debug)]
pub struct Windows {
    from: i64,
    end: Option<i64>,
    rows: i64,
    width: i64,
    is_first: bool,
    is_over: bool,
}

impl Windows {
    /// Above `from`. `end`: the highest number that is given out, beyond which all is one window; without it all is. `rows`: how
    /// many rows are wanted at a time.
    pub fn new(from: i64, end: Option<i64>, rows: usize) -> Self {
        let rows = i64::try_from(rows).unwrap_or(i64::MAX).max(1);
        Self { from, end, rows, width: rows, is_first: true, is_over: false }
    }

    /// The next: above the first number, and up to the second unless it is the last. `found`: how many rows were in the one
    /// before.
    pub fn next(&mut self, found: usize) -> Option<(i64, Option<i64>)> {
        if self.is_over {
            return None;
        }
        let found = i64::try_from(found).unwrap_or(i64::MAX);
        if self.is_first {
            self.is_first = false;
        } else if found <= self.rows / 4 {
            self.width = self.width.saturating_mul(2);
        } else if found > self.rows {
            self.width = (self.width / 2).max(self.rows);
        }
        let from = self.from;
        let to = from.saturating_add(self.width);
        self.is_over = self.end.is_none_or(|end| to >= end);
        self.from = to;
        Some((from, (!self.is_over).then_some(to)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_follow_each_other_and_the_last_has_no_end() {
        let mut windows = Windows::new(5, Some(26), 10);
        assert_eq!(windows.next(0), Some((5, Some(15))));
        assert_eq!(windows.next(10), Some((15, Some(25))));
        assert_eq!(windows.next(10), Some((25, None)));
        assert_eq!(windows.next(10), None);
        assert_eq!(Windows::new(7, None, 10).next(0), Some((7, None)));
        // What is given out may be below what was sealed, where somebody set a sequence back.
        assert_eq!(Windows::new(7, Some(3), 10).next(0), Some((7, None)));
        assert_eq!(Windows::new(i64::MAX - 1, Some(i64::MAX), 10).next(0), Some((i64::MAX - 1, None)));
    }

    #[test]
    fn gaps_are_passed_in_few_steps() {
        let mut windows = Windows::new(0, Some(1_000_000_000), 10);
        let mut steps = 0;
        let mut widest = 0;
        while let Some((from, to)) = windows.next(0) {
            steps += 1;
            widest = widest.max(to.unwrap_or(from) - from);
        }
        assert!(steps < 30 && widest > 100_000_000, "{steps} {widest}");
    }

    #[test]
    fn where_rows_are_dense_windows_are_narrow_again() {
        let mut windows = Windows::new(0, Some(1_000_000), 10);
        let mut from = 0;
        for _ in 0..5 {
            from = windows.next(0).map_or(0, |(_, to)| to.unwrap_or(0));
        }
        assert_eq!(from, 10 + 20 + 40 + 80 + 160);
        let widths: Vec<i64> = (0..6)
            .filter_map(|_| windows.next(usize::MAX))
            .map(|(from, to)| to.unwrap_or(from) - from)
            .collect();
        assert_eq!(widths, [80, 40, 20, 10, 10, 10]);
    }
}
