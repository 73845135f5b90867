//! The rounds.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::machine::Machine;
use super::measure::{Measure, figure};
use super::options::Options;
use super::peers::{self, Peer, Tunnel};
use super::rate::RateSearch;
use super::report::{Absent, Report, Row, Section};
use super::series::quantile;
use super::traffic::{Generator, Streams, Way, round_trips};
use super::usage::{self, Memory};

/// What a run says while it goes on: pieces of lines.
pub type Say<'a> = &'a mut dyn FnMut(&str);

/// A tunnel that is up, what was found of it, and where its searches for a rate were last.
struct Entry {
    peer: Box<dyn Peer>,
    tunnel: Tunnel,
    row: Row,
    found: [Option<f64>; UDP.len()],
}

const UDP: [(Measure, usize); 2] = [(Measure::Udp64, 64), (Measure::Udp1400, 1400)];
/// Where the first search for a rate starts, in datagrams a second.
const START: f64 = 30_000.0;
/// Trials of a later one.
const TRIALS: u32 = 3;
/// Of one trial.
const TRIAL: Duration = Duration::from_secs(1);
/// Between pings of an idle tunnel, and beside a stream.
const PINGS: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(10)];
/// How long the machine is looked at while it should be idle.
const LOOK: Duration = Duration::from_secs(1);
/// What a stream has to come to its speed before pings beside it count.
const SETTLE: Duration = Duration::from_millis(500);

/// Measures what the options ask for.
///
/// # Errors
/// Names that do not exist, or nothing that can be measured. A tunnel that does not work is named in the report instead.
pub fn run(options: &Options, say: Say<'_>) -> Result<Report> {
    let start = Instant::now();
    let busy_before = busy()?;
    let load = if options.own_load { Generator::Own } else { Generator::find() };
    let (chosen, mut absent) = choose(options)?;
    let mut entries = Vec::new();
    for (peer, version) in chosen {
        say(&format!("{:18}", peer.id()));
        let begun = Instant::now();
        match peer.prepare() {
            Ok(tunnel) => {
                say(&format!("up after {:.1} s\n", begun.elapsed().as_secs_f64()));
                entries.push(Entry::new(peer, tunnel, version));
            }
            Err(error) => {
                say("does not come up\n");
                absent.push(Absent { id: peer.id(), why: format!("{version} did not come up: {}", brief(&error)) });
            }
        }
    }
    if entries.is_empty() {
        let why: Vec<String> = absent.iter().map(|absent| format!("{}: {}", absent.id, absent.why)).collect();
        bail!("nothing can be measured:\n{}", why.join("\n"));
    }
    let busy_idle = busy()?;
    let load_name = load.name();
    for round in 1..=options.rounds {
        // In turn, so that what else the machine does meets all of them.
        for entry in &mut entries {
            say(&format!("round {round}/{} {:18}", options.rounds, entry.row.id));
            Rounds { options, load: &load, round }.measure(entry, &mut *say);
            say("\n");
        }
    }
    Ok(Report {
        machine: Machine::here(),
        command: options.command.clone(),
        load: load_name,
        rounds: options.rounds,
        seconds: options.time.as_secs_f64(),
        took: start.elapsed().as_secs_f64(),
        busy: busy_before,
        busy_idle,
        is_debug: cfg!(debug_assertions) && std::env::var_os("ZT_PROGRAM").is_none(),
        rows: entries.into_iter().map(|entry| entry.row).collect(),
        absent,
    })
}

/// A tunnel of this machine with the version of its program.
pub type Found = (Box<dyn Peer>, String);

/// What the options ask for: what this machine has, with its version, and what it lacks.
///
/// # Errors
/// A name that does not exist.
pub fn choose(options: &Options) -> Result<(Vec<Found>, Vec<Absent>)> {
    let all = peers::all(&options.folders);
    for name in &options.only {
        let is_section = Section::ALL.iter().any(|section| section.id() == name);
        if !is_section && !all.iter().any(|peer| peer.id() == name) {
            let names = all.iter().map(|peer| peer.id()).chain(Section::ALL.map(Section::id));
            bail!("--only {name}: there are {}", names.collect::<Vec<_>>().join(", "));
        }
    }
    let (mut chosen, mut absent) = (Vec::new(), Vec::new());
    for peer in all.into_iter().filter(|peer| options.wants(peer.id(), peer.section())) {
        match peer.find() {
            Ok(version) => chosen.push((peer, version)),
            Err(error) => absent.push(Absent { id: peer.id(), why: format!("{error:#}") }),
        }
    }
    Ok((chosen, absent))
}

impl Entry {
    fn new(peer: Box<dyn Peer>, tunnel: Tunnel, version: String) -> Self {
        let row = Row {
            id: peer.id(),
            section: peer.section(),
            about: peer.about(),
            version,
            series: std::collections::BTreeMap::default(),
            faults: Vec::new(),
        };
        Self { peer, tunnel, row, found: [None; UDP.len()] }
    }

    fn covers(&self, measure: Measure) -> bool {
        self.peer.covers(measure)
    }
}

/// One round of one tunnel.
struct Rounds<'a> {
    options: &'a Options,
    load: &'a Generator,
    round: usize,
}

/// What a measurement found.
type Figures = Vec<(Measure, f64)>;

impl Rounds<'_> {
    /// All measurements; one that fails is noted, and the others go on.
    fn measure(&self, entry: &mut Entry, say: Say<'_>) {
        if self.round == 1 {
            self.note(entry, &mut *say, "memory", |_, tunnel| {
                let memory = larger_end(tunnel)?;
                Ok(memory.map_or_else(Vec::new, |m| vec![(Measure::RestRss, m.rss), (Measure::RestPss, m.pss)]))
            });
        }
        if entry.covers(Measure::PingMean) {
            self.note(entry, &mut *say, "ping", Self::idle);
        }
        self.note(entry, &mut *say, "1 TCP stream", Self::one_stream);
        if entry.covers(Measure::Tcp8) {
            self.note(entry, &mut *say, "8 TCP streams", |this, tunnel| {
                let moved = this.load.tcp(Way::through(tunnel), Streams::Forth(8), this.options.time)?;
                Ok(vec![(Measure::Tcp8, moved.megabits)])
            });
        }
        if entry.covers(Measure::Both) {
            self.note(entry, &mut *say, "both ways", |this, tunnel| {
                let moved = this.load.tcp(Way::through(tunnel), Streams::BothWays, this.options.time)?;
                Ok(vec![(Measure::Both, moved.megabits)])
            });
        }
        if entry.covers(Measure::LoadedP99) {
            self.note(entry, &mut *say, "ping beside a stream", Self::loaded);
        }
        let mut overtaken = None;
        for (number, (measure, payload)) in UDP.into_iter().enumerate() {
            if entry.covers(measure) {
                let mut found = entry.found[number];
                self.note(entry, &mut *say, measure.title(), |this, tunnel| {
                    let (figures, late) = this.search(tunnel, measure, payload, &mut found)?;
                    overtaken = Some(overtaken.unwrap_or(0.0) + late);
                    Ok(figures)
                });
                entry.found[number] = found;
            }
        }
        if let Some(overtaken) = overtaken {
            entry.row.push(Measure::Overtaken, overtaken);
        }
    }

    fn note(
        &self,
        entry: &mut Entry,
        say: Say<'_>,
        what: &str,
        measurement: impl FnOnce(&Self, &Tunnel) -> Result<Figures>,
    ) {
        match measurement(self, &entry.tunnel) {
            Ok(figures) => {
                if let Some((measure, value)) = figures.first() {
                    say(&format!("  {} {}", measure.id(), figure(*value)));
                }
                for (measure, value) in figures {
                    entry.row.push(measure, value);
                }
            }
            Err(error) => {
                say(&format!("  {what} failed"));
                entry.row.faults.push(format!("round {}, {what}: {error:#}", self.round));
            }
        }
    }

    fn idle(&self, tunnel: &Tunnel) -> Result<Figures> {
        let trips = round_trips(Way::through(tunnel), PINGS[0], self.options.time / 2)?;
        let mean = trips.iter().sum::<f64>() / trips.len().max(1) as f64;
        let part = |part| quantile(&trips, part).unwrap_or(f64::NAN);
        Ok(vec![(Measure::PingMean, mean), (Measure::PingP50, part(0.5)), (Measure::PingP99, part(0.99))])
    }

    fn one_stream(&self, tunnel: &Tunnel) -> Result<Figures> {
        let before = (cpu_of(tunnel)?, usage::of_machine()?);
        let moved = self.load.tcp(Way::through(tunnel), Streams::Forth(1), self.options.time)?;
        let after = (cpu_of(tunnel)?, usage::of_machine()?);
        let gigabytes = moved.bytes / 1e9;
        let mut figures = vec![(Measure::Tcp1, moved.megabits)];
        if !tunnel.daemons.is_empty() {
            figures.push((Measure::TunnelCpu, (after.0 - before.0) / gigabytes));
        }
        figures.push((Measure::MachineCpu, (after.1 - before.1) / gigabytes));
        Ok(figures)
    }

    fn loaded(&self, tunnel: &Tunnel) -> Result<Figures> {
        let way = Way::through(tunnel);
        let stream = self.load.stream(way, self.options.time * 2 + SETTLE * 2)?;
        std::thread::sleep(SETTLE);
        let trips = round_trips(way, PINGS[1], self.options.time)?;
        let memory = larger_end(tunnel)?;
        drop(stream);
        let part = |part| quantile(&trips, part).unwrap_or(f64::NAN);
        let mut figures = vec![(Measure::LoadedP99, part(0.99)), (Measure::LoadedP50, part(0.5))];
        if let Some(memory) = memory {
            figures.extend([(Measure::LoadRss, memory.rss), (Measure::LoadPss, memory.pss)]);
        }
        Ok(figures)
    }

    /// The rate of datagrams; beside it how many were overtaken.
    fn search(
        &self,
        tunnel: &Tunnel,
        measure: Measure,
        payload: usize,
        found: &mut Option<f64>,
    ) -> Result<(Figures, f64)> {
        let mut search = match *found {
            Some(rate) => RateSearch::near(rate, TRIALS),
            None => RateSearch::new(START, self.options.trials),
        };
        let (mut overtaken, mut per_core, mut last) = (0.0, 0.0, 0.0);
        while let Some(rate) = search.next() {
            last = rate;
            let before = tunnel.relay().map(usage::of_process).transpose()?;
            let flow = self.load.udp(Way::through(tunnel), payload, rate, TRIAL.min(self.options.time))?;
            let after = tunnel.relay().map(usage::of_process).transpose()?;
            let best = search.best();
            search.record(flow.trial);
            overtaken += flow.overtaken;
            if let Some((before, after)) = before.zip(after).filter(|_| search.best() > best) {
                per_core = flow.datagrams / (after - before);
            }
        }
        let mut figures = vec![(measure, search.best())];
        if search.best() == 0.0 {
            // Wherever it was before, it is not there now.
            *found = None;
            bail!("1 % or more was lost at every rate that was tried, at last at {} a second", figure(last));
        }
        *found = Some(search.best());
        if measure == Measure::Udp64 && per_core > 0.0 {
            figures.push((Measure::PerRelayCore, per_core));
        }
        Ok((figures, overtaken))
    }
}

/// Part of all processors that is busy now, from 0 to 1.
fn busy() -> Result<f64> {
    let (before, start) = (usage::of_machine()?, Instant::now());
    std::thread::sleep(LOOK);
    let used = usage::of_machine()? - before;
    let there = std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64);
    Ok(used / start.elapsed().as_secs_f64() / there)
}

/// An error without the output of programs that is part of it: of each cause the first line.
fn brief(error: &anyhow::Error) -> String {
    let causes = error.chain().map(|cause| cause.to_string().lines().next().unwrap_or_default().to_owned());
    causes.collect::<Vec<_>>().join(" ")
}

/// Processor time of all processes of a tunnel.
fn cpu_of(tunnel: &Tunnel) -> Result<f64> {
    tunnel.daemons.iter().map(|id| usage::of_process(*id)).sum()
}

/// Memory of the larger of the two ends; `None` if they are in the kernel.
fn larger_end(tunnel: &Tunnel) -> Result<Option<Memory>> {
    let mut largest: Option<Memory> = None;
    for id in tunnel.daemons.iter().take(2) {
        let memory = usage::memory_of(*id)?;
        let before = largest.unwrap_or_default();
        largest = Some(Memory { rss: memory.rss.max(before.rss), pss: memory.pss.max(before.pss) });
    }
    Ok(largest)
}
