//! What processes and the machine use.

use std::fs;

use anyhow::{Context as _, Result};

/// Ticks in a second of the times in `/proc`: `USER_HZ`, which is 100 on every architecture of today.
const TICKS: f64 = 100.0;

/// Processor time of a process so far, with what the kernel did in its calls; all its threads, and children that were
/// waited for. Seconds.
///
/// # Errors
/// It has ended.
pub fn of_process(id: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).with_context(|| format!("process {id}"))?;
    process_time(&text).with_context(|| format!("/proc/{id}/stat"))
}

/// Processor time of all processors so far that was not idle, and not stolen by a hypervisor: programs, kernel and interrupts. Seconds.
///
/// # Errors
/// Of `/proc`.
pub fn of_machine() -> Result<f64> {
    machine_time(&fs::read_to_string("/proc/stat")?).context("/proc/stat")
}

/// Memory of a process.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Memory {
    /// MB (10⁶ bytes) that are resident.
    pub rss: f64,
    /// The same, where a page that several processes share counts in parts.
    pub pss: f64,
}

/// Memory of a process now.
///
/// # Errors
/// It has ended.
pub fn memory_of(id: u32) -> Result<Memory> {
    let text = fs::read_to_string(format!("/proc/{id}/smaps_rollup")).with_context(|| format!("process {id}"))?;
    memory(&text).with_context(|| format!("/proc/{id}/smaps_rollup"))
}

fn process_time(stat: &str) -> Option<f64> {
    // The name is in brackets and may hold anything, brackets too.
    let fields: Vec<&str> = stat[stat.rfind(')')? + 1..].split_whitespace().collect();
    let ticks = fields.get(11..15)?.iter().map(|field| field.parse::<f64>().ok()).sum::<Option<f64>>()?;
    Some(ticks / TICKS)
}

fn machine_time(stat: &str) -> Option<f64> {
    let fields: Vec<f64> = stat.lines().next()?.split_whitespace().skip(1).map_while(|f| f.parse().ok()).collect();
    let [user, nice, system, _idle, _waiting, interrupts, soft, ..] = fields[..] else { return None };
    Some((user + nice + system + interrupts + soft) / TICKS)
}

fn memory(rollup: &str) -> Option<Memory> {
    let field = |name: &str| {
        let line = rollup.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim().trim_end_matches(" kB").parse::<f64>().ok()? * 1024.0 / 1e6)
    };
    Some(Memory { rss: field("Rss:")?, pss: field("Pss:")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_behind_any_name() {
        let line = "12 (a) b) S 1 2 3 0 -1 4194304 9 8 7 6 150 50 25 75 20 0 4 0 100 5 6";
        assert_eq!(process_time(line), Some(3.0));
        assert_eq!(process_time("12 (a) S 1"), None);
        assert!(of_process(std::process::id()).expect("this one") >= 0.0);
    }

    #[test]
    fn idle_and_stolen_time_is_not_used() {
        assert_eq!(machine_time("cpu  100 200 300 9999 9999 40 60 9999 0 0\ncpu0 1"), Some(7.0));
        assert_eq!(machine_time("cpu 1 2"), None);
        assert!(of_machine().expect("/proc") > 0.0);
    }

    #[test]
    fn memory_is_read_in_megabytes() {
        let text = "55 - 7f ---p 00 00:00 0 [rollup]\nRss:   10000 kB\nPss:    5000 kB\nPss_Dirty: 1 kB\n";
        assert_eq!(memory(text), Some(Memory { rss: 10.24, pss: 5.12 }));
        assert!(memory_of(std::process::id()).expect("this one").rss > 0.0);
    }
}
