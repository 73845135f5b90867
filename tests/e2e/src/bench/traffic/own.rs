//! The load by threads of this program.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use socket2::SockRef;

use super::{Flow, Moved, Streams, Trial, Way};
use crate::load::Load;

/// How long a receiver waits for what is still under way.
const STRAGGLERS: Duration = Duration::from_millis(100);
/// Larger than what a burst takes.
const BUFFER: usize = 4 << 20;

pub(super) fn tcp(way: Way<'_>, streams: Streams, time: Duration) -> Result<Moved> {
    let (count, back) = match streams {
        Streams::Forth(count) => (count, None),
        Streams::BothWays => (1, Some(Load::start(way.to, way.from, way.source, 1)?)),
    };
    let forth = Load::start(way.from, way.to, way.target, count)?;
    let megabits = std::thread::scope(|threads| {
        let back = back.as_ref().map(|back| threads.spawn(|| back.rate(time)));
        let forth = forth.rate(time);
        let back = back.map_or(Ok(0.0), |back| back.join().map_err(|_| anyhow!("the other direction panicked")));
        back.map(|back| forth + back)
    })?;
    Ok(Moved { bytes: megabits * 1e6 / 8.0 * time.as_secs_f64(), megabits })
}

pub(super) fn udp(way: Way<'_>, payload: usize, rate: f64, time: Duration) -> Result<Flow> {
    let receiver = way.to.namespace().run(|| UdpSocket::bind((way.target, 0)))??;
    receiver.set_read_timeout(Some(STRAGGLERS))?;
    // As large as the kernel allows; refused is as well.
    let _ = SockRef::from(&receiver).set_recv_buffer_size(BUFFER);
    let target = receiver.local_addr()?;
    let sender = way.from.namespace().run(|| UdpSocket::bind((way.source, 0)))??;
    sender.connect(target)?;
    let end = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let received = threads.spawn(|| count(&receiver, &end));
        let start = Instant::now();
        let sent = send(&sender, payload.max(NUMBER), rate, time);
        let elapsed = start.elapsed().as_secs_f64().max(1e-9);
        end.store(true, Ordering::Relaxed);
        let (arrived, overtaken) = received.join().map_err(|_| anyhow!("the receiver panicked"))?;
        let lost = if sent > 0.0 { 1.0 - arrived / sent } else { 1.0 };
        let trial = Trial { sent: sent / elapsed, delivered: arrived / elapsed, lost };
        Ok(Flow { trial, datagrams: arrived, overtaken })
    })
}

/// Bytes of the number at the front of a datagram.
const NUMBER: usize = 8;

/// Sends datagrams with numbers, in bursts of what a tenth of a millisecond has; how many.
fn send(sender: &UdpSocket, payload: usize, rate: f64, time: Duration) -> f64 {
    let (mut datagram, start) = (vec![0; payload], Instant::now());
    let mut sent = 0_u64;
    loop {
        let elapsed = start.elapsed();
        if elapsed >= time {
            return sent as f64;
        }
        let due = (elapsed.as_secs_f64() * rate) as u64;
        if sent >= due {
            std::thread::sleep(Duration::from_micros(100));
        }
        while sent < due && start.elapsed() < time {
            datagram[..NUMBER].copy_from_slice(&sent.to_be_bytes());
            // What the kernel does not take is lost, and counted as that.
            let _ = sender.send(&datagram);
            sent += 1;
        }
    }
}

/// Datagrams that came, and those of them that came behind a later one.
fn count(receiver: &UdpSocket, end: &AtomicBool) -> (f64, f64) {
    let (mut arrived, mut overtaken, mut next) = (0.0, 0.0, 0);
    let mut buffer = [0; 2048];
    loop {
        match receiver.recv(&mut buffer) {
            Ok(len) if len >= NUMBER => {
                arrived += 1.0;
                let number = buffer.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
                if number < next {
                    overtaken += 1.0;
                }
                next = next.max(number + 1);
            }
            // Nothing for a while: that was the last one, if no more are sent.
            Err(_) if end.load(Ordering::Relaxed) => return (arrived, overtaken),
            _ => {}
        }
    }
}
