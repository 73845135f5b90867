//! The load: by iperf3 where it is installed, so that others can repeat it by hand, else by this program itself.

mod iperf;
mod own;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::Result;
use zt_tap::netns::PingOptions;

use super::peers::{self, Tunnel};
use super::rate::Trial;
use crate::Host;

/// What makes the load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Generator {
    /// iperf3 of this version.
    Iperf3(String),
    /// Threads of this program.
    Own,
}

/// From where to where.
#[derive(Debug, Clone, Copy)]
pub struct Way<'a> {
    /// Who sends.
    pub from: &'a Host,
    /// Who receives.
    pub to: &'a Host,
    /// Address of the receiver inside the tunnel.
    pub target: IpAddr,
    /// Address of the sender inside the tunnel.
    pub source: IpAddr,
}

/// How many streams go in which direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Streams {
    /// So many from the sender to the receiver.
    Forth(usize),
    /// One in each direction.
    BothWays,
}

/// What came of TCP streams.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moved {
    /// Bytes of payload that arrived.
    pub bytes: f64,
    /// Mbit/s of payload that arrived.
    pub megabits: f64,
}

/// What came of a flow of datagrams.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flow {
    /// Rates and loss.
    pub trial: Trial,
    /// Datagrams that arrived.
    pub datagrams: f64,
    /// Those that came behind a later one.
    pub overtaken: f64,
}

/// One TCP stream that goes on until it is dropped.
#[derive(Debug)]
pub enum Stream {
    /// Client and server.
    Iperf3(iperf::Running),
    /// Threads of this program.
    Own(crate::load::Load),
}

impl<'a> Way<'a> {
    /// From the first end of a tunnel to the second.
    #[must_use]
    pub fn through(tunnel: &'a Tunnel) -> Self {
        let ([from, to], [source, target]) = (&tunnel.hosts, tunnel.inside);
        Self { from, to, target, source }
    }
}

impl Generator {
    /// iperf3 if it is installed.
    #[must_use]
    pub fn find() -> Self {
        let printed = peers::printed("iperf3", &["--version"]);
        let version = printed
            .and_then(|text| Some(text.lines().next()?.split_whitespace().take(2).collect::<Vec<_>>().join(" ")));
        version.map_or(Self::Own, Self::Iperf3)
    }

    /// For people.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Iperf3(version) => version.clone(),
            Self::Own => "threads of the benchmark itself (iperf3 is not installed)".to_owned(),
        }
    }

    /// Moves as much as goes by TCP for so long.
    ///
    /// # Errors
    /// No connection, or it breaks.
    pub fn tcp(&self, way: Way<'_>, streams: Streams, time: Duration) -> Result<Moved> {
        match self {
            Self::Iperf3(_) => iperf::tcp(way, streams, time),
            Self::Own => own::tcp(way, streams, time),
        }
    }

    /// Sends datagrams with so many bytes of payload at this rate (datagrams a second) for so long.
    ///
    /// # Errors
    /// No connection.
    pub fn udp(&self, way: Way<'_>, payload: usize, rate: f64, time: Duration) -> Result<Flow> {
        match self {
            Self::Iperf3(_) => iperf::udp(way, payload, rate, time),
            Self::Own => own::udp(way, payload, rate, time),
        }
    }

    /// Starts a TCP stream; it goes on for `most` at the longest.
    ///
    /// # Errors
    /// No connection.
    pub fn stream(&self, way: Way<'_>, most: Duration) -> Result<Stream> {
        match self {
            Self::Iperf3(_) => Ok(Stream::Iperf3(iperf::stream(way, most)?)),
            Self::Own => Ok(Stream::Own(crate::load::Load::start(way.from, way.to, way.target, 1)?)),
        }
    }
}

/// What a ping waits for its answer; one that is lost counts as if it had come then.
const LOST: Duration = Duration::from_secs(1);

/// Round trips of pings, one every `interval` for so long, in microseconds.
///
/// # Errors
/// No socket.
pub fn round_trips(way: Way<'_>, interval: Duration, time: Duration) -> Result<Vec<f64>> {
    let mut pinger = way.from.namespace().pinger(way.target)?;
    let (start, mut all) = (Instant::now(), Vec::new());
    while start.elapsed() < time {
        let sent = Instant::now();
        let trip = pinger.ping(PingOptions { timeout: LOST, ..PingOptions::default() }).unwrap_or(LOST);
        all.push(trip.as_secs_f64() * 1e6);
        std::thread::sleep(interval.saturating_sub(sent.elapsed()));
    }
    Ok(all)
}
