//! The public benchmark, as small as it can be, so that it does not rot.

use std::time::Duration;

use anyhow::{Context as _, Result};
use zt_test_e2e::Lab;
use zt_test_e2e::bench::measure::Measure;
use zt_test_e2e::bench::{self, Options, json, svg, table};

/// What every tunnel has a figure of.
const ALWAYS: [Measure; 9] = [
    Measure::Tcp1,
    Measure::Tcp8,
    Measure::Both,
    Measure::PingMean,
    Measure::PingP50,
    Measure::PingP99,
    Measure::LoadedP50,
    Measure::LoadedP99,
    Measure::MachineCpu,
];
/// What a tunnel with programs has as well. Processor time is counted in steps that a short stream may not reach.
const OF_PROGRAMS: [Measure; 4] = [Measure::RestRss, Measure::RestPss, Measure::LoadRss, Measure::LoadPss];

/// Ours, direct and relayed, and a tunnel without a program, by the load that needs no other program.
#[test]
fn a_quick_run_measures_ours_and_the_bare_cable_and_can_be_read() -> Result<()> {
    if Lab::new("bench")?.is_none() {
        return Ok(());
    }
    let only = ["ours", "ours-relayed", "raw"];
    let mut options = Options { only: only.map(str::to_owned).to_vec(), ..Options::default() };
    (options.rounds, options.time, options.trials, options.own_load) = (1, Duration::from_millis(200), 4, true);
    let mut said = String::new();
    let report = bench::run(&options, &mut |text| said.push_str(text))?;

    for id in only {
        let row = report.row(id).with_context(|| format!("{id}: {:?}", report.absent))?;
        let of_programs = OF_PROGRAMS.iter().filter(|_| id != "raw");
        for measure in ALWAYS.iter().chain(of_programs) {
            assert!(row.median(*measure) > Some(0.0), "{id} {measure:?}: {said} {:?}", row.faults);
        }
        assert_eq!(row.series.contains_key(&Measure::TunnelCpu), id != "raw");
        // A machine with other work may lose at every rate; that is said, and nothing else may fail.
        let lossy = row.faults.iter().filter(|fault| fault.contains("was lost at every rate")).count();
        assert_eq!(lossy, row.faults.len(), "{:?}", row.faults);
        let rates = [Measure::Udp64, Measure::Udp1400].iter().filter(|rate| row.median(**rate) > Some(0.0)).count();
        assert_eq!(rates + lossy, 2, "{id}: {said} {:?}", row.faults);
    }
    let read = json::json(&report);
    assert_eq!(read["tunnels"].as_array().map(Vec::len), Some(3));
    assert!(read["tunnels"][0]["figures"]["tcp1"]["median"].as_f64() > Some(0.0));
    let text = table::markdown(&report);
    assert!(text.contains("| raw") && text.contains("| ours-relayed"), "{text}");
    assert!(svg::svg(&report).contains("</svg>"));
    Ok(())
}

#[test]
fn a_tunnel_that_does_not_exist_is_refused_with_those_that_do() {
    let options = Options { only: vec!["ours".to_owned(), "carrier-pigeon".to_owned()], ..Options::default() };
    let error = bench::choose(&options).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("carrier-pigeon") && error.contains("vxlan"), "{error}");
}
