//! What was measured: a table for people, JSON for programs, and what was to hold.

use serde_json::{Value, json};
use std::fmt::Write as _;

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Bytes asked of the allocator and not given back, for each.
    Bytes,
    /// Nanoseconds for each packet, or whatever the line names.
    Nanoseconds,
    /// Times that memory was asked for, for each packet.
    Allocations,
}

impl Unit {
    const fn word(self) -> &'static str {
        match self {
            Self::Bytes => "B",
            Self::Nanoseconds => "ns",
            Self::Allocations => "allocs",
        }
    }
}

/// What is to hold.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// From this number on none is above this: what is there once counts for little then.
    Most(usize, f64),
    /// From this number on the last is at most so many times as much.
    Growth(usize, f64),
}

/// One measure at several numbers of things.
struct Line {
    whose: &'static str,
    of: &'static str,
    what: &'static str,
    unit: Unit,
    target: Option<Target>,
    /// Number of things, median, and the half of what the middle half of the rounds spreads over.
    values: Vec<(usize, f64, f64)>,
}

/// All lines, in the order in which they came first.
#[derive(Default)]
pub(crate) struct Figures(Vec<Line>);

/// Where a value belongs.
#[derive(Clone, Copy)]
pub(crate) struct Measure {
    /// A root, a node, a controller.
    pub(crate) whose: &'static str,
    /// What there are many of.
    pub(crate) of: &'static str,
    /// What is measured.
    pub(crate) what: &'static str,
    pub(crate) unit: Unit,
    pub(crate) target: Option<Target>,
}

impl Figures {
    pub(crate) fn add(&mut self, measure: Measure, number: usize, (median, spread): (f64, f64)) {
        let Measure { whose, of, what, unit, target } = measure;
        let same = |line: &Line| line.whose == whose && line.of == of && line.what == what && line.unit == unit;
        let at = self.0.iter().position(same).unwrap_or_else(|| {
            self.0.push(Line { whose, of, what, unit, target, values: Vec::new() });
            self.0.len() - 1
        });
        self.0[at].values.push((number, median, spread));
    }

    /// For people.
    pub(crate) fn table(&self) -> String {
        let mut text = String::new();
        let mut head = ("", "");
        for line in &self.0 {
            if head != (line.whose, line.of) {
                head = (line.whose, line.of);
                _ = writeln!(text, "\n{}, by number of {}", line.whose, line.of);
            }
            _ = write!(text, "  {:<46} {:>6}", line.what, line.unit.word());
            for (number, median, spread) in &line.values {
                let spread = if *spread > 0.0 { format!(" ±{}", short(*spread)) } else { String::new() };
                _ = write!(text, "  {:>22}", format!("{number}: {}{spread}", short(*median)));
            }
            let judged = line.judged().map_or_else(String::new, |(holds, target)| {
                format!("  {target}: {}", if holds { "holds" } else { "does not hold" })
            });
            _ = writeln!(text, "{judged}");
        }
        text
    }

    /// For programs.
    pub(crate) fn json(&self, machine: &str) -> Value {
        let lines = self.0.iter().map(|line| {
            let values = line
                .values
                .iter()
                .map(|(number, median, spread)| json!({ "number": number, "median": median, "spread": spread }));
            let judged = line.judged();
            json!({
                "whose": line.whose,
                "of": line.of,
                "what": line.what,
                "unit": line.unit.word(),
                "values": values.collect::<Vec<_>>(),
                "target": judged.as_ref().map(|(_, target)| target),
                "holds": judged.as_ref().map(|(holds, _)| holds),
            })
        });
        json!({ "machine": machine, "lines": lines.collect::<Vec<_>>() })
    }

    /// Number of targets that do not hold.
    pub(crate) fn missed(&self) -> usize {
        self.0.iter().filter(|line| line.judged().is_some_and(|(holds, _)| !holds)).count()
    }
}

impl Line {
    fn judged(&self) -> Option<(bool, String)> {
        match self.target? {
            Target::Most(from, most) => {
                let mut meant = self.values.iter().filter(|(number, ..)| *number >= from).peekable();
                meant.peek()?;
                let holds = meant.all(|(_, median, _)| *median <= most);
                Some((holds, format!("at most {}", short(most))))
            }
            Target::Growth(from, most) => {
                let (_, first, _) = self.values.iter().find(|(number, ..)| *number >= from)?;
                let (number, last, _) = self.values.last()?;
                if *number <= from {
                    return None;
                }
                let growth = last / first;
                Some((growth <= most, format!("{growth:.2} times that at {from}, at most {most}")))
            }
        }
    }
}

fn short(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        ..0.1 => format!("{value:.4}"),
        ..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}
