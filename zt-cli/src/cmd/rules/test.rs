//! `zt rules test`: what must become of which frame, and what does.

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::{Value, json};
use zt_netconf::rules::Decision;
use zt_netconf::rules::cases::{Case, Cases, Outcome};
use zt_netconf::rules::script::{ScriptRule, Source};
use zt_netconf::rules::trial::{Barrier, Fate, Party, RuleSet};
use zt_wire::Address;

use super::source::Rules;
use crate::cmd::Report;
use crate::console::Console;
use crate::render::Screen;
use crate::render::table::{Table, Tone};

/// Arguments of `zt rules test`.
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// File of rules
    pub(crate) file: String,
    /// File of cases [default: the same name with .cases]
    #[arg(long, value_name = "FILE")]
    pub(crate) cases: Option<String>,
    /// Show only what is not as it must be
    #[arg(long)]
    pub(crate) failed: bool,
}

/// Pairs of members of one line that are shown each by itself.
const FEW: usize = 2;

/// Runs `zt rules test`.
pub(crate) fn run(args: &TestArgs, console: &mut Console<'_>) -> Result<Report> {
    let rules = Rules::read(&args.file, console)?;
    let found = rules.cases(args.cases.as_deref(), console)?;
    let (name, cases) = found.with_context(|| {
        format!(
            "there are no cases beside {}; write a file of the same name with .cases, or name one with --cases",
            args.file
        )
    })?;
    let trial = Trial::of(&rules, &name, &cases);
    let text = format!("{}{}\n", trial.table(args.failed, console.screen()), trial.summary());
    let code = i32::from(trial.failed() > 0);
    Ok(Report { code, ..Report::new(trial.json(), text) })
}

/// Cases that were judged.
pub(crate) struct Trial<'r> {
    rules: &'r Rules,
    file: &'r str,
    cases: &'r Cases,
    outcomes: Vec<Outcome>,
}

/// Who decided, and where it is written.
struct Reason {
    /// The member at whose end it was.
    at: String,
    /// The capability, by name.
    capability: Option<String>,
    /// Line of the rules, from 1.
    line: Option<u32>,
    /// What is there, or why nothing is.
    text: String,
}

impl<'r> Trial<'r> {
    /// Judges all cases.
    #[must_use]
    pub(crate) fn of(rules: &'r Rules, file: &'r str, cases: &'r Cases) -> Self {
        let outcomes = cases.run(&RuleSet::of(&rules.script));
        Self { rules, file, cases, outcomes }
    }

    /// How many are not as they must be.
    #[must_use]
    pub(crate) fn failed(&self) -> usize {
        self.outcomes.iter().filter(|outcome| !outcome.right).count()
    }

    /// One line about all of them.
    #[must_use]
    pub(crate) fn summary(&self) -> String {
        let (all, failed) = (self.outcomes.len(), self.failed());
        let file = self.file;
        match failed {
            0 => format!("{file}: {all} cases, all as they must be"),
            _ => format!("{file}: {failed} of {all} cases are not as they must be"),
        }
    }

    /// The cases, one a row.
    #[must_use]
    pub(crate) fn table(&self, failed: bool, screen: Screen) -> String {
        let mut table = Table::new(&["", "line", "case", "frame", "must be", "is", "decided by"]);
        let judged: Vec<(&Case, &Outcome)> = self.cases.cases.iter().zip(&self.outcomes).collect();
        let shown = |outcome: &Outcome| !(failed && outcome.right);
        for line in judged.chunk_by(|(a, _), (b, _)| a.line == b.line) {
            let right = line.iter().filter(|(_, outcome)| outcome.right).count();
            let many = right > FEW && !failed;
            if many {
                let (case, _) = line[0];
                table.row([
                    ("ok".to_owned(), Tone::Good),
                    (case.line.to_string(), Tone::Faint),
                    (format!("{right} pairs"), Tone::Plain),
                    (case.words.clone(), Tone::Plain),
                    (self.expected(case), Tone::Plain),
                    (self.fate(case.expected), Tone::Good),
                ]);
            }
            for (case, outcome) in line.iter().filter(|(_, o)| shown(o) && !(many && o.right)) {
                self.row(&mut table, case, outcome);
            }
        }
        if table.is_empty() { String::new() } else { table.render(screen) }
    }

    fn row(&self, table: &mut Table, case: &Case, outcome: &Outcome) {
        let reason = self.reason(case, outcome);
        let (mark, tone) = if outcome.right { ("ok", Tone::Good) } else { ("WRONG", Tone::Bad) };
        table.row([
            (mark.to_owned(), tone),
            (case.line.to_string(), Tone::Faint),
            (format!("{} > {}", self.member(case.from).title(), self.member(case.to).title()), Tone::Plain),
            (case.words.clone(), Tone::Plain),
            (self.expected(case), Tone::Plain),
            (self.fate(outcome.fate), tone),
            (reason.words(), Tone::Faint),
        ]);
    }

    /// For scripts.
    #[must_use]
    pub(crate) fn json(&self) -> Value {
        let case = |(case, outcome): (&Case, &Outcome)| {
            let reason = self.reason(case, outcome);
            json!({
                "line": case.line,
                "from": self.member(case.from).title(),
                "to": self.member(case.to).title(),
                "frame": case.words,
                "expected": self.expected(case),
                "actual": self.fate(outcome.fate),
                "ok": outcome.right,
                "decidedBy": {
                    "member": reason.at, "capability": reason.capability, "line": reason.line, "text": reason.text,
                },
            })
        };
        let cases: Vec<Value> = self.cases.cases.iter().zip(&self.outcomes).map(case).collect();
        json!({"rules": self.rules.name, "file": self.file, "failed": self.failed(), "cases": cases})
    }

    fn member(&self, at: usize) -> &Party {
        &self.cases.members[at]
    }

    fn node(&self, node: Address) -> String {
        let found = self.cases.members.iter().find(|party| party.address == node);
        found.map_or_else(|| node.to_string(), Party::title)
    }

    fn expected(&self, case: &Case) -> String {
        let copy = case.copy.map_or_else(String::new, |node| format!(", copy to {}", self.node(node)));
        format!("{}{copy}", self.fate(case.expected))
    }

    fn fate(&self, fate: Fate) -> String {
        match fate {
            Fate::Accepted => "accept".to_owned(),
            Fate::Dropped => "drop".to_owned(),
            Fate::Redirected(to) => format!("redirect to {}", self.node(to)),
            Fate::ByChance => "maybe".to_owned(),
        }
    }

    fn reason(&self, case: &Case, outcome: &Outcome) -> Reason {
        let (from, to) = (self.member(case.from), self.member(case.to));
        let without =
            |at: &Party, text: &str| Reason { at: at.title(), capability: None, line: None, text: text.to_owned() };
        match outcome.passage.barrier {
            Some(Barrier::SenderIsNoBridge) => return without(from, "a MAC that is not its own, and it is no bridge"),
            Some(Barrier::ReceiverIsNoBridge) => return without(to, "a MAC that is not its own, and it is no bridge"),
            None => {}
        }
        let Some((verdict, at_receiver)) = outcome.passage.decisive() else { return without(from, "nothing") };
        let script = &self.rules.script;
        let at = if at_receiver { to } else { from };
        let held = verdict.by.capability.and_then(|id| script.capabilities.iter().find(|c| c.id == id));
        let table: &[ScriptRule] = held.map_or(&script.rules, |capability| &capability.rules);
        let rule = verdict.by.rule.and_then(|index| table.get(index));
        let Some(rule) = rule else {
            let text = match verdict.decision {
                Decision::NoMatch => "no rule accepts it",
                _ => "an unknown rule",
            };
            return without(at, text);
        };
        let start = rule.statement;
        let source = Source { name: &self.rules.name, text: &self.rules.text, color: false };
        let text = match verdict.decision {
            Decision::Evasive => "headers that hide what a rule asks for".to_owned(),
            _ => statement(source.line(start.line).unwrap_or_default()),
        };
        let capability = held.map(|capability| capability.name.clone());
        Reason { at: at.title(), capability, line: Some(start.line), text }
    }
}

impl Reason {
    fn words(&self) -> String {
        let line = self.line.map_or_else(String::new, |line| format!("line {line}: "));
        let capability = self.capability.as_ref().map_or_else(String::new, |name| format!("capability {name}, "));
        format!("{}, {capability}{line}{}", self.at, self.text)
    }
}

/// A line without its comment, not longer than a table wants.
fn statement(line: &str) -> String {
    let text = line.split(" #").next().unwrap_or(line).trim();
    match text.char_indices().nth(48) {
        Some((end, _)) => format!("{} …", text[..end].trim_end()),
        None => text.to_owned(),
    }
}
