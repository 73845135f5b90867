//! The machine that figures are of.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

/// What has to be said of a machine beside a figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// As the processor calls itself.
    pub cpu: String,
    /// Processors that this process may use.
    pub cores: usize,
    /// Whether it is a virtual one.
    pub is_virtual: bool,
    /// Kernel and its version.
    pub kernel: String,
    /// The distribution.
    pub system: String,
    /// MB (10⁶ bytes) of memory.
    pub memory: u64,
    /// When, in seconds since 1970.
    pub unix_seconds: u64,
}

impl Machine {
    /// This one, now.
    #[must_use]
    pub fn here() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let (cpu, is_virtual) = processor(&read("/proc/cpuinfo"));
        Self {
            cpu,
            is_virtual,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: format!("Linux {}", read("/proc/sys/kernel/osrelease").trim()),
            system: system(&read("/etc/os-release")),
            memory: memory(&read("/proc/meminfo")),
            unix_seconds: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        }
    }

    /// In one line.
    #[must_use]
    pub fn line(&self) -> String {
        let Self { cpu, cores, kernel, system, memory, .. } = self;
        let kind = if self.is_virtual { "virtual, " } else { "" };
        format!("{cpu}, {kind}{cores} cores, {memory} MB, {kernel}, {system}")
    }
}

/// The model, and whether a hypervisor is below.
fn processor(cpuinfo: &str) -> (String, bool) {
    let field = |names: &[&str]| {
        let mut fields = cpuinfo.lines().filter_map(|line| line.split_once(':'));
        fields.find(|(name, _)| names.contains(&name.trim())).map(|(_, value)| value.trim().to_owned())
    };
    let model = field(&["model name", "Model", "Hardware"]).unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    // Clouds hide the name, so the numbers that tell the generation go with it.
    let numbers = field(&["cpu family"]).zip(field(&["model"]));
    let model = match numbers {
        Some((family, number)) => format!("{model} (family {family}, model {number})"),
        None => model,
    };
    let flags = field(&["flags", "Features"]).unwrap_or_default();
    (model, flags.split_whitespace().any(|flag| flag == "hypervisor"))
}

fn system(os_release: &str) -> String {
    let name = os_release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.map_or("unknown", |name| name.trim_matches('"')).to_owned()
}

fn memory(meminfo: &str) -> u64 {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) * 1024 / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_is_named_with_its_numbers() {
        let text = "processor\t: 0\ncpu family\t: 6\nmodel\t\t: 207\nmodel name\t: Some(R) Xeon\nflags\t\t: fpu hypervisor aes\n";
        assert_eq!(processor(text), ("Some(R) Xeon (family 6, model 207)".to_owned(), true));
        assert_eq!(processor("Features : fp asimd\nModel : A board\n"), ("A board".to_owned(), false));
        assert_eq!(processor("").0, std::env::consts::ARCH);
    }

    #[test]
    fn system_and_memory_are_read() {
        assert_eq!(system("NAME=x\nPRETTY_NAME=\"Some Linux 1\"\n"), "Some Linux 1");
        assert_eq!(memory("MemTotal:       24682876 kB\nMemFree: 1 kB\n"), 25_275);
        assert!(Machine::here().line().contains("cores"));
    }
}
