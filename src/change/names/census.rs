//! Which style prevails among names.

/// A style of naming, written as a person would: `idx_{table}_{columns}`.
pub type Style = &'static str;

/// The style of a name that follows none: it counts, and never prevails.
pub const UNSTYLED: Style = "no recognisable style";

/// The share of the names that makes a style the database's own, unless a user says otherwise.
pub const MAJORITY_SHARE: f64 = 0.6;
/// The fewest names from which a style can be learned, unless a user says otherwise.
pub const MINIMUM_NAMES: f64 = 5.0;

/// What the project asks for where a database has no style of its own.
#[derive(Clone, Copy, Debug)]
pub struct Convention {
    /// The styles that it accepts, the first being the one it recommends.
    pub house: &'static [Style],
    /// Styles that a tool writes when nobody chooses a name: counted, but no name in them is ever an outlier.
    pub tolerated: &'static [Style],
}

/// The style that names are judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prevailing {
    /// The project's convention, because most names follow it or too few speak against it.
    House,
    /// Another one that most names follow.
    Learned(Style),
    /// None reaches the majority.
    Mixed,
}

/// One style's share of the names.
#[derive(Clone, Debug)]
pub struct Vote<'a> {
    /// The style.
    pub style: Style,
    /// How many names follow it.
    pub names: u64,
    /// The first of them by the alphabet, so that OIDs do not matter.
    pub examples: Vec<&'a str>,
}

/// How many names follow which style.
#[derive(Clone, Debug, Default)]
pub struct Census<'a> {
    votes: Vec<Vote<'a>>,
}

impl<'a> Census<'a> {
    const EXAMPLES: usize = 3;

    /// Counts one name.
    pub fn count(&mut self, style: Style, name: &'a str) {
        let position = self.votes.iter().position(|vote| vote.style == style).unwrap_or_else(|| {
            self.votes.push(Vote { style, names: 0, examples: Vec::new() });
            self.votes.len() - 1
        });
        if let Some(vote) = self.votes.get_mut(position) {
            vote.names += 1;
            let place = vote.examples.partition_point(|example| *example < name);
            if place < Self::EXAMPLES && !vote.examples.contains(&name) {
                vote.examples.insert(place, name);
                vote.examples.truncate(Self::EXAMPLES);
            }
        }
    }

    /// How many names were counted.
    pub fn total(&self) -> u64 {
        self.votes.iter().map(|vote| vote.names).sum()
    }

    /// How many names follow a style.
    pub fn names(&self, style: Style) -> u64 {
        self.votes.iter().find(|vote| vote.style == style).map_or(0, |vote| vote.names)
    }

    /// The styles, the most frequent first; by name where they are equally frequent, so that OIDs do not matter.
    pub fn ranking(&self) -> Vec<&Vote<'a>> {
        let mut ranking: Vec<&Vote<'a>> = self.votes.iter().collect();
        ranking.sort_by(|a, b| b.names.cmp(&a.names).then(a.style.cmp(b.style)));
        ranking
    }

    /// The style that prevails: one that at least `share` of at least `minimum` names follow.
    pub fn prevailing(&self, convention: &Convention, share: f64, minimum: f64) -> Prevailing {
        let total = self.total() as f64;
        if total < minimum || total == 0.0 {
            return Prevailing::House;
        }
        let reaches = |names: u64| names as f64 >= share * total;
        let sum = |styles: &[Style]| styles.iter().map(|style| self.names(style)).sum::<u64>();
        let house = sum(convention.house);
        if reaches(house) {
            return Prevailing::House;
        }
        let learned = self
            .ranking()
            .into_iter()
            .find(|vote| vote.style != UNSTYLED && !convention.house.contains(&vote.style));
        match learned {
            Some(vote) if reaches(vote.names) => Prevailing::Learned(vote.style),
            _ if house > 0 && reaches(house + sum(convention.tolerated)) => Prevailing::House,
            _ => Prevailing::Mixed,
        }
    }
}

impl<'a> FromIterator<(Style, &'a str)> for Census<'a> {
    fn from_iter<I: IntoIterator<Item = (Style, &'a str)>>(names: I) -> Self {
        let mut census = Self::default();
        for (style, name) in names {
            census.count(style, name);
        }
        census
    }
}

impl Prevailing {
    /// Whether a name in `style` departs from what prevails.
    pub fn is_outlier(self, style: Style, convention: &Convention) -> bool {
        if convention.tolerated.contains(&style) {
            return false;
        }
        match self {
            Self::House => !convention.house.contains(&style),
            // Where nobody chose the prevailing names, they are no measure for the few that somebody did choose.
            Self::Learned(learned) if convention.tolerated.contains(&learned) => false,
            Self::Learned(learned) => style != learned,
            Self::Mixed => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONVENTION: Convention = Convention { house: &["a", "b"], tolerated: &["tool"] };

    #[test]
    fn examples_are_different_names() {
        let names = ["modified", "created", "modified", "modified"];
        let census: Census<'_> = names.into_iter().map(|name| ("a", name)).collect();
        assert_eq!((census.names("a"), &*census.ranking()[0].examples), (4, &["created", "modified"][..]));
    }

    fn prevailing(votes: &[(Style, usize)]) -> Prevailing {
        let mut census = Census::default();
        for &(style, names) in votes {
            (0..names).for_each(|_| census.count(style, "name"));
        }
        census.prevailing(&CONVENTION, MAJORITY_SHARE, MINIMUM_NAMES)
    }

    #[test]
    fn examples_do_not_depend_on_the_order() {
        let names = ["d", "b", "e", "a", "c"];
        let forth: Census<'_> = names.iter().map(|name| ("s", *name)).collect();
        let back: Census<'_> = names.iter().rev().map(|name| ("s", *name)).collect();
        assert_eq!(forth.ranking()[0].examples, ["a", "b", "c"]);
        assert_eq!(back.ranking()[0].examples, ["a", "b", "c"]);
    }

    #[test]
    fn house_styles_add_up() {
        assert_eq!(prevailing(&[("a", 3), ("b", 3), ("c", 4)]), Prevailing::House);
    }

    #[test]
    fn too_few_names_teach_nothing() {
        assert_eq!(prevailing(&[("c", 4)]), Prevailing::House);
        assert_eq!(prevailing(&[]), Prevailing::House);
        assert_eq!(prevailing(&[("c", 5)]), Prevailing::Learned("c"));
    }

    #[test]
    fn sixty_in_a_hundred_are_a_majority() {
        assert_eq!(prevailing(&[("c", 60), ("a", 40)]), Prevailing::Learned("c"));
        assert_eq!(prevailing(&[("c", 59), ("a", 41)]), Prevailing::Mixed);
    }

    #[test]
    fn names_without_style_never_prevail() {
        assert_eq!(prevailing(&[(UNSTYLED, 90), ("a", 10)]), Prevailing::Mixed);
    }

    #[test]
    fn names_that_a_tool_wrote_side_with_the_house() {
        assert_eq!(prevailing(&[("tool", 5), ("a", 4), ("c", 1)]), Prevailing::House);
        assert_eq!(prevailing(&[("tool", 9), ("a", 1)]), Prevailing::Learned("tool"));
        let learned = Prevailing::Learned("tool");
        assert!(!learned.is_outlier("a", &CONVENTION) && !learned.is_outlier("c", &CONVENTION));
        assert!(!learned.is_outlier(UNSTYLED, &CONVENTION));
        assert!(!Prevailing::House.is_outlier("tool", &CONVENTION));
    }

    #[test]
    fn a_learned_style_makes_the_house_style_an_outlier() {
        let learned = Prevailing::Learned("c");
        assert!(learned.is_outlier("a", &CONVENTION) && !learned.is_outlier("c", &CONVENTION));
        assert!(!Prevailing::Mixed.is_outlier(UNSTYLED, &CONVENTION));
    }
}
