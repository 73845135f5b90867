//! What the project wants of itself, and whether a run shows it.

use super::measure::{Measure, figure};
use super::report::Report;

/// One thing that is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// Number of the target it belongs to.
    pub number: u8,
    /// What has to hold.
    pub what: &'static str,
    /// The bound.
    pub bound: Bound,
    /// What was measured, if all that it takes was.
    pub measured: Option<f64>,
}

/// What a figure has to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// So much or more.
    AtLeast(f64),
    /// So much or less.
    AtMost(f64),
    /// Another figure of the run is missing that sets the bound.
    Unknown,
}

impl Check {
    /// Whether it holds; `None` if it was not measured.
    #[must_use]
    pub fn holds(&self) -> Option<bool> {
        let measured = self.measured?;
        match self.bound {
            Bound::AtLeast(least) => Some(measured >= least),
            Bound::AtMost(most) => Some(measured <= most),
            Bound::Unknown => None,
        }
    }

    /// The same in words.
    #[must_use]
    pub fn verdict(&self) -> &'static str {
        match self.holds() {
            Some(true) => "holds",
            Some(false) => "does not hold",
            None => "not measured",
        }
    }

    /// The bound in words.
    #[must_use]
    pub fn wanted(&self) -> String {
        match self.bound {
            Bound::AtLeast(least) => format!("≥ {}", figure(least)),
            Bound::AtMost(most) => format!("≤ {}", figure(most)),
            Bound::Unknown => "–".to_owned(),
        }
    }
}

/// All targets against a report; ratios are of medians of this run.
#[must_use]
pub fn checks(report: &Report) -> Vec<Check> {
    use Measure::{LoadRss, LoadedP99, PerRelayCore, PingMean, Tcp1, Tcp8, TunnelCpu, Udp64};
    let least = |number, what, least, measured| Check { number, what, bound: Bound::AtLeast(least), measured };
    let most = |number, what, most: Option<f64>, measured| {
        let bound = most.map_or(Bound::Unknown, Bound::AtMost);
        Check { number, what, bound, measured }
    };
    let ratio = |measure, one, other| report.ratio(measure, one, other);
    vec![
        least(1, "1 TCP stream: ours / stock", 6.0, ratio(Tcp1, "ours", "stock")),
        least(1, "1 TCP stream: ours / wireguard-go", 2.0, ratio(Tcp1, "ours", "wireguard-go")),
        least(1, "1 TCP stream: ours / vxlan", 0.45, ratio(Tcp1, "ours", "vxlan")),
        least(1, "8 TCP streams: ours / stock", 6.0, ratio(Tcp8, "ours", "stock")),
        least(1, "8 TCP streams: ours / wireguard-go", 2.0, ratio(Tcp8, "ours", "wireguard-go")),
        least(1, "8 TCP streams: ours / vxlan", 0.45, ratio(Tcp8, "ours", "vxlan")),
        least(2, "relayed, 1 TCP stream: ours / stock", 4.0, ratio(Tcp1, "ours-relayed", "stock-relayed")),
        least(
            2,
            "packets a second relayed per core of the root",
            500_000.0,
            report.median("ours-relayed", PerRelayCore),
        ),
        least(3, "UDP 64 B: ours / vxlan", 0.95, ratio(Udp64, "ours", "vxlan")),
        most(3, "CPU seconds of the tunnel per GB of TCP", Some(2.0), report.median("ours", TunnelCpu)),
        least(4, "1 TCP stream: ours to stock / stock to stock", 1.5, ratio(Tcp1, "ours-to-stock", "stock")),
        least(4, "1 TCP stream: stock to ours / stock to stock", 1.5, ratio(Tcp1, "stock-to-ours", "stock")),
        most(
            5,
            "ping p99 beside a stream, µs: at most wireguard-go's",
            report.median("wireguard-go", LoadedP99),
            report.median("ours", LoadedP99),
        ),
        most(
            5,
            "idle ping mean, µs: at most 2 times vxlan's and 100",
            report.median("vxlan", PingMean).map(|mean| 2.0 * mean + 100.0),
            report.median("ours", PingMean),
        ),
        most(5, "datagrams overtaken in ours", Some(0.0), overtaken(report)),
        least(6, "1 TCP stream, Salsa20/12 only: ours / 1.2.12", 2.5, ratio(Tcp1, "ours-salsa", "old")),
        most(7, "memory beside a stream, MB RSS", Some(40.0), report.median("ours", LoadRss)),
        least(8, "1 TCP stream, no offloads: ours / stock", 2.5, ratio(Tcp1, "ours-no-offloads", "stock")),
    ]
}

/// Of all rounds: one is one too many, so it is no median.
fn overtaken(report: &Report) -> Option<f64> {
    let series = report.row("ours")?.series.get(&Measure::Overtaken)?;
    Some(series.values().iter().sum())
}

#[cfg(test)]
mod tests {
    use super::super::report::Section;
    use super::super::report::made_up::{report, row};
    use super::*;

    fn found(checks: &[Check], what: &str) -> (Option<f64>, Option<bool>) {
        let check = checks.iter().find(|check| check.what.contains(what)).expect(what);
        (check.measured, check.holds())
    }

    #[test]
    fn targets_are_ratios_of_medians_of_one_run() {
        let ours = row(
            "ours",
            Section::Direct,
            &[
                (Measure::Tcp1, &[600.0, 601.0, 0.0]),
                (Measure::LoadedP99, &[500.0]),
                (Measure::PingMean, &[250.0]),
                (Measure::Overtaken, &[0.0, 1.0, 0.0]),
            ],
        );
        let stock = row("stock", Section::Direct, &[(Measure::Tcp1, &[100.0])]);
        let vxlan = row("vxlan", Section::Direct, &[(Measure::Tcp1, &[1500.0]), (Measure::PingMean, &[50.0])]);
        let wireguard = row("wireguard-go", Section::Direct, &[(Measure::LoadedP99, &[500.0])]);
        let checks = checks(&report(vec![ours, stock, vxlan, wireguard]));
        assert_eq!(found(&checks, "1 TCP stream: ours / stock"), (Some(6.0), Some(true)));
        assert_eq!(found(&checks, "1 TCP stream: ours / vxlan"), (Some(0.4), Some(false)));
        assert_eq!(found(&checks, "1 TCP stream: ours / wireguard-go"), (None, None));
        assert_eq!(found(&checks, "ping p99"), (Some(500.0), Some(true)));
        assert_eq!(found(&checks, "idle ping"), (Some(250.0), Some(false)));
        assert_eq!(found(&checks, "overtaken"), (Some(1.0), Some(false)));
    }

    #[test]
    fn every_target_is_named_and_unknown_without_figures() {
        let checks = checks(&report(Vec::new()));
        let mut numbers: Vec<u8> = checks.iter().map(|check| check.number).collect();
        numbers.dedup();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8]);
        assert!(checks.iter().all(|check| check.verdict() == "not measured"));
    }
}
