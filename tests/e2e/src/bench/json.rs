//! A report as JSON; the format is described in docs/performance.md.

use serde_json::{Map, Value, json};

use super::measure::{Better, Measure};
use super::report::{Report, Row};
use super::targets::{self, Bound};

/// Raised when a field changes its meaning or goes.
const FORMAT: u32 = 1;

/// All of a report.
#[must_use]
pub fn json(report: &Report) -> Value {
    let machine = &report.machine;
    let measures = Measure::ALL.map(|measure| {
        let better = if measure.better() == Better::More { "more" } else { "less" };
        (measure.id().to_owned(), json!({ "title": measure.title(), "unit": measure.unit(), "better": better }))
    });
    let checks = targets::checks(report).into_iter().map(|check| {
        let (least, most) = match check.bound {
            Bound::AtLeast(least) => (Some(least), None),
            Bound::AtMost(most) => (None, Some(most)),
            Bound::Unknown => (None, None),
        };
        json!({
            "target": check.number, "what": check.what, "atLeast": least, "atMost": most,
            "measured": check.measured, "holds": check.holds(),
        })
    });
    json!({
        "format": FORMAT,
        "machine": {
            "cpu": machine.cpu, "cores": machine.cores, "virtual": machine.is_virtual, "kernel": machine.kernel,
            "system": machine.system, "memoryMB": machine.memory,
        },
        "unixSeconds": machine.unix_seconds,
        "command": report.command,
        "load": report.load,
        "rounds": report.rounds,
        "seconds": report.seconds,
        "took": report.took,
        "busyBefore": report.busy,
        "busyIdle": report.busy_idle,
        "debugBuild": report.is_debug,
        "measures": Map::from_iter(measures),
        "tunnels": report.rows.iter().map(tunnel).collect::<Vec<_>>(),
        "absent": report.absent.iter().map(|absent| json!({ "id": absent.id, "why": absent.why })).collect::<Vec<_>>(),
        "targets": checks.collect::<Vec<_>>(),
    })
}

fn tunnel(row: &Row) -> Value {
    let figures = row.series.iter().map(|(measure, series)| {
        let (least, most) = series.range().unzip();
        let figures = json!({
            "median": series.median(), "min": least, "max": most, "spreadPercent": series.spread(),
            "rounds": series.values(),
        });
        (measure.id().to_owned(), figures)
    });
    json!({
        "id": row.id, "section": row.section.id(), "about": row.about, "version": row.version,
        "figures": Map::from_iter(figures), "faults": row.faults,
    })
}

#[cfg(test)]
mod tests {
    use super::super::report::Section;
    use super::super::report::made_up::{report, row};
    use super::*;

    #[test]
    fn what_was_measured_can_be_read_again() {
        let ours = row("ours", Section::Direct, &[(Measure::Tcp1, &[1.0, 3.0, 2.0])]);
        let text = json(&report(vec![ours])).to_string();
        let read: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(read["format"], 1);
        let figures = &read["tunnels"][0]["figures"]["tcp1"];
        assert_eq!((&figures["median"], &figures["min"], &figures["max"]), (&json!(2.0), &json!(1.0), &json!(3.0)));
        assert_eq!(figures["rounds"], json!([1.0, 3.0, 2.0]));
        assert_eq!(read["measures"]["tcp1"]["unit"], "Mbit/s");
        assert_eq!(read["absent"][0]["id"], "tinc");
        assert_eq!(read["targets"][0]["holds"], Value::Null);
    }
}
