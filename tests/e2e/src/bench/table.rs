//! A report as Markdown, which a terminal shows as well.

use std::fmt::Write as _;

use super::measure::{Better, Measure, figure};
use super::report::{Report, Row, Section};
use super::targets;

const TABLES: [(&str, &[Measure]); 3] = [
    ("throughput", &[Measure::Tcp1, Measure::Tcp8, Measure::Both, Measure::Udp64, Measure::Udp1400]),
    ("round trips", &[Measure::PingMean, Measure::PingP50, Measure::PingP99, Measure::LoadedP50, Measure::LoadedP99]),
    (
        "cost",
        &[
            Measure::TunnelCpu,
            Measure::MachineCpu,
            Measure::RestRss,
            Measure::RestPss,
            Measure::LoadRss,
            Measure::LoadPss,
            Measure::PerRelayCore,
            Measure::Overtaken,
        ],
    ),
];

/// Part of the processors that a quiet machine may have busy.
const BUSY: f64 = 0.05;

const COMPARED: &[Measure] = &[
    Measure::Tcp1,
    Measure::Tcp8,
    Measure::Both,
    Measure::Udp64,
    Measure::Udp1400,
    Measure::PingP50,
    Measure::LoadedP99,
    Measure::TunnelCpu,
    Measure::MachineCpu,
    Measure::LoadRss,
];

/// All of a report.
#[must_use]
pub fn markdown(report: &Report) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "Machine: {}", report.machine.line());
    let _ = writeln!(text, "Command: `{}`, load by {}", report.command, report.load);
    let Report { rounds, seconds, took, .. } = report;
    let plural = if *rounds == 1 { "" } else { "s" };
    let _ = writeln!(
        text,
        "Medians of {rounds} round{plural}, ± half the range; TCP for {seconds} s each; {took:.0} s in all"
    );
    let [before, idle] = [report.busy, report.busy_idle].map(|part| part * 100.0);
    let _ =
        writeln!(text, "Processors busy: {before:.1} % before the start, {idle:.1} % with all tunnels up and idle\n");
    text.push_str(&warnings(report));
    for section in Section::ALL {
        let rows: Vec<&Row> = report.rows.iter().filter(|row| row.section == section).collect();
        if rows.is_empty() {
            continue;
        }
        for (name, measures) in TABLES {
            let cell = |row: &Row, measure: Measure| value(row, measure);
            let title = format!("{}: {name}", section.title());
            text.push_str(&table(&title, &rows, measures, |measure| measure.unit().to_owned(), cell));
        }
        let reference = section.reference();
        let title = format!("{}: how many times better {reference} is", section.title());
        let cell = |row: &Row, measure: Measure| times(report, reference, row, measure);
        let others: Vec<&Row> = rows.into_iter().filter(|row| row.id != reference).collect();
        text.push_str(&table(&title, &others, COMPARED, |_| String::new(), cell));
    }
    text.push_str(&programs(report));
    text.push_str(&checks(report));
    text
}

/// What makes figures worth less.
fn warnings(report: &Report) -> String {
    let mut text = String::new();
    if report.is_debug {
        text.push_str("WARNING: a debug build; nothing here says anything of speed\n\n");
    }
    if report.busy > BUSY {
        let percent = report.busy * 100.0;
        let _ = writeln!(
            text,
            "WARNING: other work kept the machine {percent:.0} % busy before the run; repeat it when there is none\n"
        );
    }
    if report.rounds < 5 {
        text.push_str("WARNING: fewer than five rounds\n\n");
    }
    text
}

/// One table; columns of which no row has anything are left out.
fn table(
    title: &str,
    rows: &[&Row],
    measures: &[Measure],
    unit: impl Fn(Measure) -> String,
    cell: impl Fn(&Row, Measure) -> Option<String>,
) -> String {
    let shown: Vec<Measure> =
        measures.iter().copied().filter(|measure| rows.iter().any(|row| cell(row, *measure).is_some())).collect();
    if shown.is_empty() {
        return String::new();
    }
    let mut lines = vec![vec![title.to_owned()]];
    lines[0].extend(shown.iter().map(|measure| match unit(*measure) {
        unit if unit.is_empty() => measure.title().to_owned(),
        unit => format!("{}, {unit}", measure.title()),
    }));
    for row in rows {
        let mut line = vec![row.id.to_owned()];
        line.extend(shown.iter().map(|measure| cell(row, *measure).unwrap_or_else(|| "–".to_owned())));
        lines.push(line);
    }
    aligned(&lines, 1)
}

/// Lines of cells, the first of which is the head, as a table of Markdown; the first columns hold words, the others
/// figures.
fn aligned(lines: &[Vec<String>], words: usize) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0).max(3)).collect();
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            let _ = if column < words { write!(text, "| {cell:width$} ") } else { write!(text, "| {cell:>width$} ") };
        }
        text.push_str("|\n");
        if number == 0 {
            for (column, width) in widths.iter().enumerate() {
                let _ = write!(text, "|{}{}", "-".repeat(width + 1), if column < words { "-" } else { ":" });
            }
            text.push_str("|\n");
        }
    }
    text.push('\n');
    text
}

fn value(row: &Row, measure: Measure) -> Option<String> {
    let series = row.series.get(&measure)?;
    let median = figure(series.median()?);
    Some(series.spread().map_or_else(|| median.clone(), |spread| format!("{median} ±{spread:.0}%")))
}

/// Above 1 the reference is the better one, whether more or less is good.
fn times(report: &Report, reference: &str, row: &Row, measure: Measure) -> Option<String> {
    let ratio = match measure.better() {
        Better::More => report.ratio(measure, reference, row.id)?,
        Better::Less => report.ratio(measure, row.id, reference)?,
    };
    Some(format!("{ratio:.2}"))
}

fn programs(report: &Report) -> String {
    let mut text = String::from("Measured:\n");
    for row in &report.rows {
        let _ = writeln!(text, "* {}: {} ({})", row.id, row.version, row.about);
        for fault in &row.faults {
            let _ = writeln!(text, "  * failed: {fault}");
        }
    }
    if !report.absent.is_empty() {
        text.push_str("\nNot measured:\n");
        for absent in &report.absent {
            let _ = writeln!(text, "* {}: {}", absent.id, absent.why);
        }
    }
    text.push('\n');
    text
}

fn checks(report: &Report) -> String {
    let head = ["", "target", "wanted", "measured", "verdict"].map(str::to_owned).to_vec();
    let lines = targets::checks(report).into_iter().map(|check| {
        let measured = check.measured.map_or_else(|| "–".to_owned(), figure);
        vec![check.number.to_string(), check.what.to_owned(), check.wanted(), measured, check.verdict().to_owned()]
    });
    aligned(&std::iter::once(head).chain(lines).collect::<Vec<_>>(), 2)
}

#[cfg(test)]
mod tests {
    use super::super::report::made_up::{report, row};
    use super::*;

    #[test]
    fn a_table_has_medians_spreads_and_ratios() {
        let ours =
            row("ours", Section::Direct, &[(Measure::Tcp1, &[90.0, 100.0, 110.0]), (Measure::LoadedP99, &[200.0])]);
        let stock = row("stock", Section::Direct, &[(Measure::Tcp1, &[25.0]), (Measure::LoadedP99, &[500.0])]);
        let text = markdown(&report(vec![ours, stock]));
        let line = |start: &str| text.lines().filter(|line| line.starts_with(start)).collect::<Vec<_>>();
        assert!(line("| ours")[0].contains("100 ±10%"), "{text}");
        let compared = line("| stock").pop().expect("a line");
        let cells: Vec<&str> = compared.split('|').map(str::trim).filter(|cell| !cell.is_empty()).collect();
        assert_eq!(cells, ["stock", "4.00", "2.50"], "{text}");
        assert!(text.contains("50 % busy") && text.contains("fewer than five rounds"), "{text}");
        assert!(text.contains("* tinc: tincd is not installed"), "{text}");
        assert!(!text.contains("UDP 64 B, packets/s"), "a column without figures: {text}");
    }

    #[test]
    fn cells_stand_below_each_other() {
        let text = aligned(&[vec!["a".into(), "µs".into()], vec!["long name".into(), "12345".into()]], 1);
        let widths: Vec<usize> = text.lines().filter(|l| !l.is_empty()).map(|line| line.chars().count()).collect();
        assert_eq!(widths, [widths[0]; 3], "{text}");
    }
}
