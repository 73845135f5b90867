//! What is measured, by name.

/// One thing that is measured of a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// One TCP stream, Mbit/s of payload.
    Tcp1,
    /// Eight TCP streams at a time, Mbit/s of payload of all.
    Tcp8,
    /// One TCP stream in each direction at a time, Mbit/s of payload of both.
    Both,
    /// Datagrams of 64 bytes a second that arrive while less than 1 % is lost.
    Udp64,
    /// The same with 1,400 bytes.
    Udp1400,
    /// Mean of the round trips of an idle tunnel, microseconds.
    PingMean,
    /// Median of them.
    PingP50,
    /// What 99 of 100 are within.
    PingP99,
    /// Median of the round trips beside one full TCP stream, microseconds.
    LoadedP50,
    /// What 99 of 100 are within, beside one full TCP stream.
    LoadedP99,
    /// Seconds of processor time of the tunnel's own processes for each 10⁹ bytes of one TCP stream.
    TunnelCpu,
    /// Seconds of processor time of the whole machine for the same.
    MachineCpu,
    /// Memory of the larger end before the first traffic, MB (10⁶ bytes) that are resident.
    RestRss,
    /// The same, where a page that several share counts in parts.
    RestPss,
    /// Memory of the larger end beside one full TCP stream, MB that are resident.
    LoadRss,
    /// The same, where a page that several share counts in parts.
    LoadPss,
    /// Datagrams of 64 bytes that a relay hands on for each second of its processor time.
    PerRelayCore,
    /// UDP datagrams that came behind a later one, of all that were sent in the round.
    Overtaken,
}

/// Which of two figures is the better one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// The larger.
    More,
    /// The smaller.
    Less,
}

struct Facts {
    id: &'static str,
    title: &'static str,
    unit: &'static str,
    better: Better,
}

impl Measure {
    /// All, in the order of tables.
    pub const ALL: [Self; 18] = [
        Self::Tcp1,
        Self::Tcp8,
        Self::Both,
        Self::Udp64,
        Self::Udp1400,
        Self::PingMean,
        Self::PingP50,
        Self::PingP99,
        Self::LoadedP50,
        Self::LoadedP99,
        Self::TunnelCpu,
        Self::MachineCpu,
        Self::RestRss,
        Self::RestPss,
        Self::LoadRss,
        Self::LoadPss,
        Self::PerRelayCore,
        Self::Overtaken,
    ];

    const fn facts(self) -> Facts {
        use Better::{Less, More};
        let (id, title, unit, better) = match self {
            Self::Tcp1 => ("tcp1", "1 TCP stream", "Mbit/s", More),
            Self::Tcp8 => ("tcp8", "8 TCP streams", "Mbit/s", More),
            Self::Both => ("both", "both ways", "Mbit/s", More),
            Self::Udp64 => ("udp64", "UDP 64 B", "packets/s", More),
            Self::Udp1400 => ("udp1400", "UDP 1400 B", "packets/s", More),
            Self::PingMean => ("pingMean", "ping mean", "µs", Less),
            Self::PingP50 => ("pingP50", "ping p50", "µs", Less),
            Self::PingP99 => ("pingP99", "ping p99", "µs", Less),
            Self::LoadedP50 => ("loadedP50", "loaded p50", "µs", Less),
            Self::LoadedP99 => ("loadedP99", "loaded p99", "µs", Less),
            Self::TunnelCpu => ("tunnelCpu", "CPU, tunnel", "s/GB", Less),
            Self::MachineCpu => ("machineCpu", "CPU, machine", "s/GB", Less),
            Self::RestRss => ("restRss", "RSS at rest", "MB", Less),
            Self::RestPss => ("restPss", "PSS at rest", "MB", Less),
            Self::LoadRss => ("loadRss", "RSS loaded", "MB", Less),
            Self::LoadPss => ("loadPss", "PSS loaded", "MB", Less),
            Self::PerRelayCore => ("perRelayCore", "per core of the relay", "packets/s", More),
            Self::Overtaken => ("overtaken", "overtaken", "datagrams", Less),
        };
        Facts { id, title, unit, better }
    }

    /// Name in JSON and on the command line.
    #[must_use]
    pub const fn id(self) -> &'static str {
        self.facts().id
    }

    /// Name for people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.facts().title
    }

    /// Its unit.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        self.facts().unit
    }

    /// Which of two figures is the better one.
    #[must_use]
    pub const fn better(self) -> Better {
        self.facts().better
    }
}

/// A figure with about three digits that count, and thousands apart.
#[must_use]
pub fn figure(value: f64) -> String {
    let size = value.abs();
    if size >= 1000.0 {
        let digits = format!("{value:.0}");
        let (sign, digits) = digits.strip_prefix('-').map_or(("", digits.as_str()), |digits| ("-", digits));
        let head = digits.len() % 3;
        let mut parts: Vec<&str> = if head == 0 { Vec::new() } else { vec![&digits[..head]] };
        parts.extend((head..digits.len()).step_by(3).map(|at| &digits[at..at + 3]));
        return format!("{sign}{}", parts.join(","));
    }
    match size {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ() {
        let mut ids: Vec<&str> = Measure::ALL.iter().map(|measure| measure.id()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), Measure::ALL.len());
    }

    #[test]
    fn figures_have_the_digits_that_count() {
        let shown = [0.0, 0.456, 3.21, 32.12, 321.2, 3212.6, 13_800.0, 1_234_567.8, -2000.0].map(figure);
        assert_eq!(shown, ["0.00", "0.46", "3.21", "32.1", "321", "3,213", "13,800", "1,234,568", "-2,000"]);
    }
}
