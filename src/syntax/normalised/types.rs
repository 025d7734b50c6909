//! Which types parameters may have had where the server cannot decide.

use super::Failure;
use super::repair::{closing, opening};
use crate::catalog::Oid;
use crate::catalog::types::builtin;
use crate::syntax::tokens::{Kind, Token, tokens};

/// `interval`
const INTERVAL: Oid = 1186;

/// What constants usually are, the likeliest first.
const USUAL: [Oid; 9] = [
    builtin::INT4,
    builtin::NUMERIC,
    INTERVAL,
    builtin::TEXT,
    builtin::DATE,
    builtin::TIMESTAMP,
    builtin::TIMESTAMPTZ,
    builtin::FLOAT8,
    builtin::BOOL,
];

/// What sums and means are made of.
const NUMBERS: [Oid; 4] = [builtin::NUMERIC, builtin::INT4, builtin::FLOAT8, INTERVAL];

/// Aggregates that take numbers and no text.
const SUMS: [&str; 12] = [
    "sum",
    "avg",
    "stddev",
    "stddev_samp",
    "stddev_pop",
    "variance",
    "var_samp",
    "var_pop",
    "abs",
    "sign",
    "ceil",
    "floor",
];

/// Types for some parameters.
pub type Choice = Vec<(usize, Oid)>;

/// What to try after the server refused the text: each choice gives types to parameters that have none yet.
pub fn choices(text: &str, failure: &Failure, known: &[Oid]) -> Vec<Choice> {
    let Some(position) = failure.position else { return Vec::new() };
    let all: Vec<Token<'_>> = tokens(text).into_iter().filter(|token| token.kind != Kind::Comment).collect();
    let Some(byte) = text.char_indices().nth(position - 1).map(|(byte, _)| byte) else { return Vec::new() };
    let Some(place) = all.iter().position(|token| token.end() > byte) else { return Vec::new() };
    let near = Near { tokens: &all, known };
    match failure.sqlstate.as_str() {
        // could not determine data type of parameter
        "42P18" => near.same(&near.at(place), &[builtin::TEXT, builtin::INT4]),
        // inconsistent types deduced for parameter
        "42P08" => near.same(
            &near.at(place),
            &[
                builtin::TEXT,
                builtin::INT4,
                builtin::INT8,
                builtin::NUMERIC,
                builtin::TIMESTAMPTZ,
                builtin::DATE,
            ],
        ),
        // operator or function is not unique, does not exist; types do not match; cannot be cast
        "42725" | "42883" | "42804" | "42846" => near.around(place),
        _ => Vec::new(),
    }
}

struct Near<'a> {
    tokens: &'a [Token<'a>],
    known: &'a [Oid],
}

impl Near<'_> {
    /// The parameter at that token, if its type is open: none was chosen, and no cast gives it one.
    fn open(&self, position: usize) -> Option<usize> {
        let Kind::Parameter(number) = self.tokens.get(position)?.kind else { return None };
        let is_known =
            number.checked_sub(1).and_then(|place| self.known.get(place)).is_some_and(|&oid| oid != 0);
        let following = self.tokens.get(position + 1);
        let is_cast = following.is_some_and(|token| token.is_sign("::"))
            || (following.is_some_and(|token| token.is("as"))
                && position >= 2
                && self.tokens[position - 2].is("cast"));
        (!is_known && !is_cast).then_some(number)
    }

    fn at(&self, position: usize) -> Vec<usize> {
        self.open(position).into_iter().collect()
    }

    /// The open parameters within a range of tokens.
    fn within(&self, first: usize, last: usize) -> Vec<usize> {
        let mut found: Vec<usize> = (first..=last).filter_map(|position| self.open(position)).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Those of them that may become the value of the whole: not what is only compared, as in
    /// `CASE WHEN a = $1 THEN $2 ELSE $3 END`.
    fn values_within(&self, first: usize, last: usize) -> Vec<usize> {
        let is_compared = |position: usize| {
            let sides = [position.checked_sub(1), Some(position + 1)];
            sides.into_iter().flatten().filter_map(|side| self.tokens.get(side)).any(|token| {
                (token.kind == Kind::Sign
                    && matches!(token.text, "=" | "<>" | "!=" | "<" | ">" | "<=" | ">="))
                    || is_comparison(token)
                    || token.is("and")
            }) || (position > 0 && self.tokens[position - 1].is("when"))
        };
        let mut found: Vec<usize> = (first..=last)
            .filter(|&position| !is_compared(position) && !self.is_in_list(position))
            .filter_map(|position| self.open(position))
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Whether it stands in the list of an IN.
    fn is_in_list(&self, position: usize) -> bool {
        let is_item = |token: &Token<'_>| matches!(token.kind, Kind::Parameter(_)) || token.is_sign(",");
        let before = self.tokens[..position].iter().rposition(|token| !is_item(token));
        before.is_some_and(|open| self.is_sign(open, "(") && open > 0 && self.tokens[open - 1].is("in"))
    }

    /// All of one type, first those that may become the value, then all.
    fn typed(&self, first: usize, last: usize, types: &[Oid]) -> Vec<Choice> {
        let (values, all) = (self.values_within(first, last), self.within(first, last));
        let mut found = self.same(&values, types);
        if all.len() > values.len() {
            found.extend(self.same(&all, types));
        }
        found
    }

    /// All of these parameters of one type, for each of the types.
    fn same(&self, parameters: &[usize], types: &[Oid]) -> Vec<Choice> {
        if parameters.is_empty() {
            return Vec::new();
        }
        types.iter().map(|&oid| parameters.iter().map(|&parameter| (parameter, oid)).collect()).collect()
    }

    fn is_sign(&self, position: usize, sign: &str) -> bool {
        self.tokens.get(position).is_some_and(|token| token.is_sign(sign))
    }

    /// What to try for the function, operator or expression at that token.
    fn around(&self, place: usize) -> Vec<Choice> {
        let token = &self.tokens[place];
        let is_name = matches!(token.kind, Kind::Word | Kind::Quoted);
        let (range, mut found) = if is_name && self.is_call(place) {
            self.of_call(place)
        } else if token.is("case") {
            let end = self.end_of_case(place);
            (vec![(place, end)], self.typed(place, end, &USUAL))
        } else if token.kind == Kind::Sign && !token.is_sign("(") || is_comparison(token) {
            self.of_operator(place)
        } else {
            let end = self.end_of_operand(place);
            (vec![(place, end)], self.same(&self.within(place, end), &USUAL))
        };
        found.extend(self.of_aliases(&range));
        if found.is_empty() {
            found = self.nearest(place);
        }
        found
    }

    /// Whether a name, perhaps qualified, calls a function.
    fn is_call(&self, place: usize) -> bool {
        self.opening_of_call(place).is_some()
    }

    fn opening_of_call(&self, mut place: usize) -> Option<usize> {
        while self.is_sign(place + 1, ".") {
            place += 2;
        }
        self.is_sign(place + 1, "(").then_some(place + 1)
    }

    /// The arguments of a call: all of one type, or the first of another than the rest, as in `substr($1, $2, $3)`.
    fn of_call(&self, place: usize) -> (Vec<(usize, usize)>, Vec<Choice>) {
        let open = self.opening_of_call(place).unwrap_or(place);
        let close = closing(self.tokens, open).unwrap_or(self.tokens.len().saturating_sub(1));
        let parameters = self.within(open, close);
        let name = &self.tokens[open.saturating_sub(1)];
        if name.is_any(&SUMS) {
            return (vec![(open, close)], self.typed(open, close, &NUMBERS));
        }
        let mut found = self.typed(open, close, &USUAL);
        if let [first, rest @ ..] = parameters.as_slice()
            && !rest.is_empty()
        {
            let pairs = [
                (builtin::TEXT, builtin::INT4),
                (builtin::NUMERIC, builtin::INT4),
                (builtin::TEXT, builtin::TIMESTAMP),
                (builtin::TIMESTAMP, builtin::TEXT),
                (builtin::DATE, INTERVAL),
            ];
            let mixed = pairs.map(|(one, others)| {
                std::iter::once((*first, one)).chain(rest.iter().map(|&other| (other, others))).collect()
            });
            // Behind the first three, which are what is meant most often.
            let behind = found.len().min(3);
            found.splice(behind..behind, mixed);
        }
        (vec![(open, close)], found)
    }

    /// The operands: those that are a parameter by themselves, then all parameters in them.
    fn of_operator(&self, place: usize) -> (Vec<(usize, usize)>, Vec<Choice>) {
        let left = place.checked_sub(1).map(|end| (self.start_of_operand(end), end));
        let right = (place + 1 < self.tokens.len()).then(|| (place + 1, self.end_of_operand(place + 1)));
        let ranges: Vec<(usize, usize)> = left.into_iter().chain(right).collect();
        let is_single = |&&(first, last): &&(usize, usize)| {
            // A sign or parentheses around it do not matter.
            (first..=last).filter(|&position| self.tokens[position].kind != Kind::Sign).count() == 1
        };
        let collect = |ranges: &mut dyn Iterator<Item = &(usize, usize)>| {
            let mut all: Vec<usize> = ranges.flat_map(|&(first, last)| self.within(first, last)).collect();
            all.sort_unstable();
            all.dedup();
            all
        };
        let single = collect(&mut ranges.iter().filter(is_single));
        let all = collect(&mut ranges.iter());
        let mut values: Vec<usize> =
            ranges.iter().flat_map(|&(first, last)| self.values_within(first, last)).collect();
        values.sort_unstable();
        values.dedup();
        let mut found = self.same(&single, &USUAL);
        if values.len() > single.len() {
            found.extend(self.same(&values, &USUAL));
        }
        if all.len() > single.len().max(values.len()) {
            found.extend(self.same(&all, &USUAL));
        }
        // 30 * interval '1 day', date '2000-01-01' + 5
        if let [one, other] = all.as_slice() {
            for (first, second) in
                [(builtin::DATE, builtin::INT4), (builtin::TIMESTAMP, INTERVAL), (builtin::INT4, INTERVAL)]
            {
                found.push(vec![(*one, first), (*other, second)]);
            }
        }
        (ranges, found)
    }

    fn start_of_operand(&self, end: usize) -> usize {
        let token = &self.tokens[end];
        let mut start = if token.is_sign(")") || token.is_sign("]") {
            opening(self.tokens, end).unwrap_or(end)
        } else if token.is("end") {
            self.start_of_case(end)
        } else {
            end
        };
        // The name of a function, or of the table before a column.
        if start < end
            && start > 0
            && matches!(self.tokens[start - 1].kind, Kind::Word | Kind::Quoted)
            && !self.tokens[start - 1]
                .is_any(&["and", "or", "where", "select", "on", "when", "then", "else", "in"])
        {
            start -= 1;
        }
        while start >= 2 && self.is_sign(start - 1, ".") {
            start -= 2;
        }
        start
    }

    fn end_of_operand(&self, start: usize) -> usize {
        let last = self.tokens.len() - 1;
        let mut end = start.min(last);
        while end < last && (self.is_sign(end, "-") || self.is_sign(end, "+")) {
            end += 1;
        }
        while self.is_sign(end + 1, ".") && end + 2 <= last {
            end += 2;
        }
        if self.tokens[end].is("case") {
            return self.end_of_case(end);
        }
        if self.tokens[end].is_any(&["any", "all", "some", "array"])
            || (matches!(self.tokens[end].kind, Kind::Word | Kind::Quoted)
                && (self.is_sign(end + 1, "(") || self.is_sign(end + 1, "[")))
        {
            end = (end + 1).min(last);
        }
        if self.is_sign(end, "(") || self.is_sign(end, "[") {
            end = closing(self.tokens, end).unwrap_or(end);
        }
        end
    }

    fn end_of_case(&self, start: usize) -> usize {
        let mut depth = 0_usize;
        for (position, token) in self.tokens.iter().enumerate().skip(start) {
            if token.is("case") {
                depth += 1;
            } else if token.is("end") {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return position;
                }
            }
        }
        self.tokens.len() - 1
    }

    fn start_of_case(&self, end: usize) -> usize {
        let mut depth = 0_usize;
        for position in (0..=end).rev() {
            if self.tokens[position].is("end") {
                depth += 1;
            } else if self.tokens[position].is("case") {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return position;
                }
            }
        }
        end
    }

    /// `sum(x.net)` where a subquery says `CASE … THEN $1 END AS net`: the parameters of what the name stands for.
    fn of_aliases(&self, ranges: &[(usize, usize)]) -> Vec<Choice> {
        let mut parameters = Vec::new();
        for &(first, last) in ranges {
            for position in first..=last.min(self.tokens.len() - 1) {
                let token = &self.tokens[position];
                let is_name = matches!(token.kind, Kind::Word | Kind::Quoted)
                    && !self.is_sign(position + 1, "(")
                    && !self.is_sign(position + 1, ".");
                if is_name {
                    parameters.extend(self.definition_of(&token.name()));
                }
            }
        }
        parameters.sort_unstable();
        parameters.dedup();
        self.same(
            &parameters,
            &[builtin::NUMERIC, builtin::INT4, builtin::DATE, builtin::TIMESTAMP, INTERVAL],
        )
    }

    /// The open parameters of all items of SELECT lists with that name.
    fn definition_of(&self, name: &str) -> Vec<usize> {
        let mut found = Vec::new();
        for (position, token) in self.tokens.iter().enumerate().skip(1) {
            let is_alias = matches!(token.kind, Kind::Word | Kind::Quoted)
                && token.name() == name
                && (self.tokens[position - 1].is("as")
                    || self.tokens[position - 1].is("end")
                    || self.tokens[position - 1].is_sign(")")
                    || matches!(self.tokens[position - 1].kind, Kind::Parameter(_)));
            if is_alias {
                found.extend(self.within(self.start_of_item(position - 1), position - 1));
            } else if matches!(token.kind, Kind::Word | Kind::Quoted) && token.name() == name {
                found.extend(self.column_of_list(position));
            }
        }
        found
    }

    /// The open parameters of the item that a column of `WITH r (n, m) AS (SELECT $1, $2 …)` names.
    fn column_of_list(&self, position: usize) -> Vec<usize> {
        let is_item =
            |token: &Token<'_>| matches!(token.kind, Kind::Word | Kind::Quoted) || token.is_sign(",");
        let Some(open) = self.tokens[..position].iter().rposition(|token| !is_item(token)) else {
            return Vec::new();
        };
        let number = self.tokens[open..position].iter().filter(|token| token.is_sign(",")).count();
        let Some(close) = closing(self.tokens, open).filter(|&close| close > position) else {
            return Vec::new();
        };
        let body = (close + 1..self.tokens.len().min(close + 5)).find(|&at| self.is_sign(at, "("));
        let Some(select) = body.filter(|_| self.tokens[close + 1].is("as")).map(|body| body + 1) else {
            return Vec::new();
        };
        if !self.tokens.get(select).is_some_and(|token| token.is("select")) {
            return Vec::new();
        }
        let mut start = select + 1;
        for _ in 0..number {
            start = self.end_of_item(start) + 2;
        }
        let end = self.end_of_item(start.min(self.tokens.len() - 1));
        self.within(start, end)
    }

    /// The last token of the item of a SELECT list that begins there.
    fn end_of_item(&self, start: usize) -> usize {
        let mut depth = 0_usize;
        for position in start..self.tokens.len() {
            let token = &self.tokens[position];
            if token.is_sign("(") {
                depth += 1;
            } else if token.is_sign(")") {
                if depth == 0 {
                    return position.saturating_sub(1);
                }
                depth -= 1;
            } else if depth == 0 && (token.is_sign(",") || token.is_any(&["from", "union", "where"])) {
                return position.saturating_sub(1);
            }
        }
        self.tokens.len() - 1
    }

    fn start_of_item(&self, end: usize) -> usize {
        let mut depth = 0_usize;
        for position in (0..=end).rev() {
            let token = &self.tokens[position];
            if token.is_sign(")") {
                depth += 1;
            } else if token.is_sign("(") {
                if depth == 0 {
                    return position + 1;
                }
                depth -= 1;
            } else if depth == 0 && (token.is_sign(",") || token.is("select") || token.is("distinct")) {
                return position + 1;
            }
        }
        0
    }

    /// The three open parameters nearest to the token, one by one.
    fn nearest(&self, place: usize) -> Vec<Choice> {
        const FEW: usize = 3;
        let mut open: Vec<(usize, usize)> = (0..self.tokens.len())
            .filter_map(|position| self.open(position).map(|number| (position.abs_diff(place), number)))
            .collect();
        open.sort_unstable();
        open.truncate(FEW);
        let types = [builtin::INT4, builtin::NUMERIC, builtin::TEXT, builtin::DATE, builtin::TIMESTAMP];
        open.iter().flat_map(|&(_, number)| types.map(|oid| vec![(number, oid)])).collect()
    }
}

/// Whether a word compares as an operator does.
fn is_comparison(token: &Token<'_>) -> bool {
    token.is_any(&["in", "like", "ilike", "between", "is", "similar"])
}
