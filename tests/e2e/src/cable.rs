//! A cable between two switches that can be long, bad and narrow.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use zt_tap::netns::Namespace;
use zt_tap::{LinuxTap, TapSpec};
use zt_wire::Mac;

use crate::Switch;

/// Two devices, one at each switch; what one is given comes out of the other. The kernel makes the rate (`tc`), this process
/// the rest: not every kernel can.
#[derive(Debug)]
pub struct Cable {
    ends: [(Arc<Namespace>, String); 2],
    wire: Arc<Wire>,
    threads: Vec<JoinHandle<io::Result<()>>>,
}

/// What both directions have.
#[derive(Debug, Default)]
struct Wire {
    delay_us: AtomicU64,
    loss_permille: AtomicU32,
    end: AtomicBool,
}

/// Longest sleep of an idle direction: how long the end of a cable takes.
const LOOK: Duration = Duration::from_millis(50);
/// More than any frame.
const LONGEST: usize = 65_536;
/// A queue before the cable, as modems have it: frames wait for so long at most.
const QUEUE: &str = "50ms";
/// What may leave at once, in bytes: less than a train of datagrams, so that these are taken apart.
const BURST: &str = "16kb";

impl Cable {
    /// Joins two switches.
    ///
    /// # Errors
    /// Of the kernel.
    pub fn between(one: &Switch, other: &Switch) -> Result<Self> {
        let open = |switch: &Switch, number: u8| -> Result<(LinuxTap, (Arc<Namespace>, String))> {
            let name = switch.next_port();
            let spec = TapSpec { name: name.clone(), mac: Mac([2, 0x7a, 0, 0, 0, number]), mtu: 1500 };
            let tap = switch.namespace().run(|| LinuxTap::open(&spec))??;
            switch.namespace().set_up(&name, true)?;
            switch.namespace().join_bridge(&name, "sw0")?;
            Ok((tap, (Arc::clone(switch.namespace()), name)))
        };
        let (one, at_one) = open(one, 1).context("a cable")?;
        let (other, at_other) = open(other, 2).context("a cable")?;
        let (wire, taps) = (Arc::new(Wire::default()), Arc::new([one, other]));
        let run = |from: usize| {
            let (wire, taps) = (Arc::clone(&wire), Arc::clone(&taps));
            std::thread::spawn(move || wire.carry(taps[from].as_fd(), taps[1 - from].as_fd()))
        };
        Ok(Self { ends: [at_one, at_other], threads: vec![run(0), run(1)], wire })
    }

    /// Frames take so long from now on, in each direction.
    pub fn delay(&self, delay: Duration) {
        self.wire.delay_us.store(u64::try_from(delay.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// So many of a hundred frames are lost from now on, in each direction.
    pub fn lose(&self, percent: u32) {
        self.wire.loss_permille.store(percent * 10, Ordering::Relaxed);
    }

    /// Carries so many Mbit/s from now on, in each direction, with a queue of 50 ms.
    ///
    /// # Errors
    /// `tc` is missing, or the kernel has no token bucket filter.
    pub fn set_rate(&self, megabits: u32) -> Result<()> {
        for (namespace, device) in &self.ends {
            let mut tc = Command::new("tc");
            tc.args(["qdisc", "replace", "dev", device, "root", "tbf", "rate", &format!("{megabits}mbit")]);
            tc.args(["burst", BURST, "latency", QUEUE]);
            let mut process = namespace.spawn(tc).context("cannot run tc (of the package iproute2)")?;
            let status = process.wait(Duration::from_secs(10))?;
            ensure!(status.success(), "tc: {}", process.output().join("\n"));
        }
        Ok(())
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.wire.end.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Wire {
    /// One direction, until the end.
    fn carry(&self, from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> io::Result<()> {
        let mut buffer = vec![0; LONGEST];
        let mut under_way: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
        let mut dice = 0x9e37_79b9_u32;
        while !self.end.load(Ordering::Relaxed) {
            let due = under_way.front().map_or(LOOK, |(at, _)| at.saturating_duration_since(Instant::now()).min(LOOK));
            let timeout = Timespec { tv_sec: 0, tv_nsec: due.subsec_nanos().into() };
            let _ = poll(&mut [PollFd::new(&from, PollFlags::IN)], Some(&timeout));
            let delay = Duration::from_micros(self.delay_us.load(Ordering::Relaxed));
            while let Ok(len) = rustix::io::read(from, &mut buffer) {
                dice ^= dice << 13;
                dice ^= dice >> 17;
                dice ^= dice << 5;
                if dice % 1000 < self.loss_permille.load(Ordering::Relaxed) {
                    continue;
                }
                if delay.is_zero() && under_way.is_empty() {
                    let _ = rustix::io::write(to, &buffer[..len]);
                } else {
                    under_way.push_back((Instant::now() + delay, buffer[..len].to_vec()));
                }
            }
            let now = Instant::now();
            while under_way.front().is_some_and(|(at, _)| *at <= now) {
                // What the other switch does not take is lost, as on any cable.
                let _ = under_way.pop_front().map(|(_, frame)| rustix::io::write(to, &frame));
            }
        }
        Ok(())
    }
}
