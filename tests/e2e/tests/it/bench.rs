//! The public benchmark, as small as it can be, so that it does not rot.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result};
use zt_test_e2e::Lab;
use zt_test_e2e::bench::measure::Measure;
use zt_test_e2e::bench::{self, Options, json, svg, table};

/// Ours and a tunnel without a program, by the load that needs no other program.
#[test]
fn a_quick_run_measures_ours_and_the_bare_cable_and_can_be_read() -> Result<()> {
    if Lab::new("bench")?.is_none() {
        return Ok(());
    }
    let mut options = Options { only: vec!["ours".to_owned(), "raw".to_owned()], ..Options::default() };
    (options.rounds, options.time, options.trials, options.own_load) = (1, Duration::from_millis(200), 3, true);
    let mut said = String::new();
    let report = bench::run(&options, &mut |text| said.push_str(text))?;

    for id in ["ours", "raw"] {
        let row = report.row(id).with_context(|| format!("{id}: {:?}", report.absent))?;
        assert_eq!(row.faults, Vec::<String>::new(), "{id}");
        let measured: BTreeSet<Measure> = row.series.keys().copied().collect();
        let lacks = |measure: &Measure| !measured.contains(measure);
        let lacking: Vec<Measure> = Measure::ALL.into_iter().filter(lacks).collect();
        let of_programs = [Measure::TunnelCpu, Measure::RestRss, Measure::RestPss, Measure::LoadRss, Measure::LoadPss];
        let expected: Vec<Measure> = match id {
            "raw" => of_programs.into_iter().chain([Measure::PerRelayCore]).collect(),
            _ => vec![Measure::PerRelayCore],
        };
        assert_eq!(lacking, expected, "{id}");
        for measure in [Measure::Tcp1, Measure::Tcp8, Measure::Both, Measure::PingP50, Measure::MachineCpu] {
            assert!(row.median(measure) > Some(0.0), "{id} {measure:?}: {said}");
        }
    }
    let read = json::json(&report);
    assert_eq!(read["tunnels"].as_array().map(Vec::len), Some(2));
    assert!(read["tunnels"][0]["figures"]["tcp1"]["median"].as_f64() > Some(0.0));
    assert!(table::markdown(&report).contains("| raw"));
    assert!(svg::svg(&report).contains("</svg>"));
    Ok(())
}

#[test]
fn a_tunnel_that_does_not_exist_is_refused_with_those_that_do() {
    let options = Options { only: vec!["ours".to_owned(), "carrier-pigeon".to_owned()], ..Options::default() };
    let error = bench::choose(&options).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("carrier-pigeon") && error.contains("vxlan"), "{error}");
}
