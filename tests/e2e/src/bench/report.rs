//! What a run found.

use std::collections::BTreeMap;

use super::machine::Machine;
use super::measure::Measure;
use super::series::Series;

/// All of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Where it ran.
    pub machine: Machine,
    /// The words of the command line.
    pub command: String,
    /// What made the load, with its version.
    pub load: String,
    /// Rounds that were asked for.
    pub rounds: usize,
    /// Seconds of each TCP measurement.
    pub seconds: f64,
    /// Seconds that the run took.
    pub took: f64,
    /// Part of all processors that was busy before anything was started, from 0 to 1.
    pub busy: f64,
    /// The same when all tunnels were up, and idle.
    pub busy_idle: f64,
    /// Our programs are not optimised, so that no figure means anything.
    pub is_debug: bool,
    /// What was measured, in the order of tables.
    pub rows: Vec<Row>,
    /// What was not.
    pub absent: Vec<Absent>,
}

/// One tunnel.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Name on the command line and in JSON.
    pub id: &'static str,
    /// In which table it stands.
    pub section: Section,
    /// Layer, cipher, MTU.
    pub about: &'static str,
    /// The program and its version.
    pub version: String,
    /// The figures of all rounds.
    pub series: BTreeMap<Measure, Series>,
    /// Measurements that failed, with the round.
    pub faults: Vec<String>,
}

/// What kind of tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// Both ends reach each other.
    Direct,
    /// All packets go by a third machine.
    Relayed,
    /// Two programs, or something switched off.
    Mixed,
}

/// A tunnel that could not be measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absent {
    /// Its name.
    pub id: &'static str,
    /// What is missing, and how to get it.
    pub why: String,
}

impl Section {
    /// All, in the order of tables.
    pub const ALL: [Self; 3] = [Self::Direct, Self::Relayed, Self::Mixed];

    /// For people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Relayed => "relayed by a third machine",
            Self::Mixed => "two programs, or less than ours can",
        }
    }

    /// The name of that in JSON.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Relayed => "relayed",
            Self::Mixed => "mixed",
        }
    }

    /// The row that the others of the section are compared with.
    #[must_use]
    pub const fn reference(self) -> &'static str {
        match self {
            Self::Direct | Self::Mixed => "ours",
            Self::Relayed => "ours-relayed",
        }
    }
}

impl Report {
    /// The row of a tunnel.
    #[must_use]
    pub fn row(&self, id: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.id == id)
    }

    /// The median of a measure of a tunnel.
    #[must_use]
    pub fn median(&self, id: &str, measure: Measure) -> Option<f64> {
        self.row(id)?.median(measure)
    }

    /// How many times the figure of one tunnel is that of another.
    #[must_use]
    pub fn ratio(&self, measure: Measure, one: &str, other: &str) -> Option<f64> {
        let (one, other) = (self.median(one, measure)?, self.median(other, measure)?);
        (other > 0.0).then_some(one / other)
    }
}

impl Row {
    /// The median of a measure.
    #[must_use]
    pub fn median(&self, measure: Measure) -> Option<f64> {
        self.series.get(&measure)?.median()
    }

    /// Takes in a figure of a round.
    pub fn push(&mut self, measure: Measure, value: f64) {
        self.series.entry(measure).or_default().push(value);
    }
}

/// Reports for the tests of what is made of them.
#[cfg(test)]
pub(super) mod made_up {
    use super::*;

    /// A row with these figures.
    pub(in super::super) fn row(id: &'static str, section: Section, figures: &[(Measure, &[f64])]) -> Row {
        let series = figures.iter().map(|(measure, values)| (*measure, values.iter().copied().collect()));
        Row { id, section, about: "made up", version: "1.0".to_owned(), series: series.collect(), faults: Vec::new() }
    }

    /// A report with these rows.
    pub(in super::super) fn report(rows: Vec<Row>) -> Report {
        let machine = Machine {
            cpu: "Some <CPU>".to_owned(),
            cores: 2,
            is_virtual: true,
            kernel: "Linux 6.1".to_owned(),
            system: "Some Linux".to_owned(),
            memory: 8000,
            unix_seconds: 1_700_000_000,
        };
        let absent = vec![Absent { id: "tinc", why: "tincd is not installed (apt-get install tinc)".to_owned() }];
        let (command, load) = ("tunnel --quick".to_owned(), "iperf 3.12".to_owned());
        Report {
            machine,
            command,
            load,
            rounds: 3,
            seconds: 1.0,
            took: 12.0,
            busy: 0.5,
            busy_idle: 0.01,
            is_debug: false,
            rows,
            absent,
        }
    }
}
