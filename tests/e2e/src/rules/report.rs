//! What was tried and what came of it, and the table of all of it.

use std::time::Duration;

/// What a frame (or a whole connection) is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Arrive.
    Pass,
    /// Not arrive.
    Block,
}

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What, as `A→B UDP port 8080`.
    pub what: String,
    /// What was to become of it.
    pub wanted: Wanted,
    /// Why it is not as wanted.
    pub trouble: Option<String>,
    /// Where stock decides otherwise: why ours does not.
    pub deliberate: Option<&'static str>,
}

/// A rule set played by one pairing.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Name of the rule set.
    pub set: String,
    /// Who played, as `ours–stock`.
    pub pairing: String,
    /// What was tried.
    pub checks: Vec<Check>,
    /// What ended it early.
    pub error: Option<String>,
    /// How long it took.
    pub time: Duration,
}

impl Outcome {
    /// Nothing could be tried.
    #[must_use]
    pub fn failed(set: &str, pairing: &str, error: &anyhow::Error) -> Self {
        let error = Some(format!("{error:#}"));
        Self { set: set.to_owned(), pairing: pairing.to_owned(), checks: Vec::new(), error, time: Duration::ZERO }
    }

    /// Whether everything was as wanted.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.error.is_none() && self.checks.iter().all(|check| check.trouble.is_none()) && !self.checks.is_empty()
    }

    /// How many checks of this kind were as wanted.
    #[must_use]
    pub fn good(&self, wanted: Wanted) -> usize {
        self.checks.iter().filter(|check| check.wanted == wanted && check.trouble.is_none()).count()
    }

    /// One cell of the table.
    #[must_use]
    pub fn cell(&self) -> String {
        let counts = format!("{} + {}", self.good(Wanted::Pass), self.good(Wanted::Block));
        match (self.is_ok(), self.checks.iter().any(|check| check.deliberate.is_some())) {
            (false, _) => format!("{counts} FAILED"),
            (true, true) => format!("{counts} ok, differs"),
            (true, false) => format!("{counts} ok"),
        }
    }

    /// What is not as wanted, a line each.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        let head = format!("{}, {}", self.set, self.pairing);
        let checks = self.checks.iter().filter_map(|check| {
            let trouble = check.trouble.as_ref()?;
            Some(format!("{head}: {} (to {:?}): {trouble}", check.what, check.wanted))
        });
        checks.chain(self.error.iter().map(|error| format!("{head}: {error}"))).collect()
    }
}

/// The table of all outcomes: a line for each rule set, a column for each pairing; then what each set tries, and where
/// ours differs on purpose.
#[must_use]
pub fn table(outcomes: &[Outcome]) -> String {
    let mut sets: Vec<&str> = Vec::new();
    let mut pairings: Vec<&str> = Vec::new();
    for outcome in outcomes {
        if !sets.contains(&outcome.set.as_str()) {
            sets.push(&outcome.set);
        }
        if !pairings.contains(&outcome.pairing.as_str()) {
            pairings.push(&outcome.pairing);
        }
    }
    let mut text =
        format!("| Rule set (passed + blocked) | {} |\n|---|{}\n", pairings.join(" | "), "---|".repeat(pairings.len()));
    for set in &sets {
        let cell = |pairing: &&str| {
            let found = outcomes.iter().find(|one| one.set == *set && one.pairing == *pairing);
            found.map_or_else(|| "–".to_owned(), Outcome::cell)
        };
        let cells: Vec<String> = pairings.iter().map(cell).collect();
        text += &format!("| {set} | {} |\n", cells.join(" | "));
    }
    text += "\nWhat passed and what was blocked\n\n";
    for set in &sets {
        let Some(widest) = outcomes.iter().filter(|one| one.set == *set).max_by_key(|one| one.checks.len()) else {
            continue;
        };
        let list = |wanted: Wanted| {
            let names: Vec<&str> =
                widest.checks.iter().filter(|check| check.wanted == wanted).map(|check| check.what.as_str()).collect();
            if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
        };
        text += &format!("* {set}: passed {}; blocked {}\n", list(Wanted::Pass), list(Wanted::Block));
    }
    let mut reasons: Vec<String> = Vec::new();
    for outcome in outcomes {
        for check in &outcome.checks {
            if let Some(why) = check.deliberate {
                let line = format!("* {}: {}: {why}\n", outcome.set, check.what);
                if !reasons.contains(&line) {
                    reasons.push(line);
                }
            }
        }
    }
    if !reasons.is_empty() {
        text += "\nWhere ours differs from stock on purpose\n\n";
        text += &reasons.concat();
    }
    text
}
