//! iperf3 as a sender in one namespace and a receiver in the other.

use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use zt_tap::netns::Process;

use super::{Flow, Moved, Streams, Trial, Way};
use crate::wait_for;

/// What starting, connecting and ending may take beside the time of the load.
const PATIENCE: Duration = Duration::from_secs(15);

/// A receiver, and a sender that goes on; both end when dropped, the sender first.
#[derive(Debug)]
#[expect(dead_code, reason = "held for what dropping them does")]
pub struct Running {
    client: Process,
    server: Process,
}

pub(super) fn tcp(way: Way<'_>, streams: Streams, time: Duration) -> Result<Moved> {
    let words = match streams {
        Streams::Forth(count) => vec!["-P".to_owned(), count.to_string()],
        Streams::BothWays => vec!["--bidir".to_owned()],
    };
    moved(&run(way, &words, time)?)
}

pub(super) fn udp(way: Way<'_>, payload: usize, rate: f64, time: Duration) -> Result<Flow> {
    let bits = (rate * payload as f64 * 8.0).round();
    // Its timer decides how long the bursts are in which it sends: one of a tenth of a millisecond, for buffers of
    // receivers are small.
    let words = ["-u", "-l", &payload.to_string(), "-b", &format!("{bits:.0}"), "--pacing-timer", "100"];
    let words: Vec<String> = words.map(str::to_owned).into_iter().chain(buffers()).collect();
    flow(&run(way, &words, time)?)
}

/// Socket buffers as large as the kernel allows, where that is more than what they have anyway: iperf3 ends when it gets less
/// than it asks for.
fn buffers() -> Vec<String> {
    let most = |name: &str| {
        let text = std::fs::read_to_string(format!("/proc/sys/net/core/{name}")).ok()?;
        text.trim().parse::<u64>().ok()
    };
    match (most("rmem_max"), most("wmem_max")) {
        (Some(receive), Some(send)) if receive.min(send) > USUAL_BUFFER => {
            vec!["-w".to_owned(), receive.min(send).min(LARGEST_BUFFER).to_string()]
        }
        _ => Vec::new(),
    }
}

/// What Linux gives a socket that asks for nothing.
const USUAL_BUFFER: u64 = 212_992;
/// Enough for what comes while a receiver does not run.
const LARGEST_BUFFER: u64 = 4 << 20;

pub(super) fn stream(way: Way<'_>, most: Duration) -> Result<Running> {
    let (server, port) = server(way)?;
    let client = way.from.namespace().spawn(client(way, port, &["-J".to_owned()], most))?;
    Ok(Running { client, server })
}

fn run(way: Way<'_>, words: &[String], time: Duration) -> Result<Value> {
    let (mut server, port) = server(way)?;
    let words: Vec<String> = words.iter().cloned().chain(["-J".to_owned()]).collect();
    let mut client = way.from.namespace().spawn(client(way, port, &words, time)).context("iperf3")?;
    client.wait(time + PATIENCE).with_context(|| format!("iperf3: {}", client.output().join(" ")))?;
    // A client that failed leaves its server waiting.
    server.kill();
    // What it printed may come a moment behind its end.
    let result = wait_for("figures of iperf3", PATIENCE, || parse(&client.output().join("\n")))?;
    match result["error"].as_str() {
        Some(error) => bail!("iperf3: {error}"),
        None => Ok(result),
    }
}

/// The object that a client printed, if it is whole.
fn parse(printed: &str) -> Result<Option<Value>> {
    let Some(start) = printed.find('{') else { return Ok(None) };
    // Warnings may stand before and behind it.
    let mut objects = serde_json::Deserializer::from_str(&printed[start..]).into_iter::<Value>();
    Ok(objects.next().transpose()?)
}

/// A server for one test, which listens.
fn server(way: Way<'_>) -> Result<(Process, u16)> {
    // Another port each time, for the one of before may still be closing.
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let port = 5201 + NEXT.fetch_add(1, Ordering::Relaxed) % 2000;
    let mut command = Command::new("iperf3");
    command.args(["-s", "-1", "--forceflush", "-B", &way.target.to_string(), "-p", &port.to_string()]);
    let mut process = way.to.namespace().spawn(command).context("iperf3")?;
    wait_for("iperf3 to listen", PATIENCE, || {
        ensure!(process.exited()?.is_none(), "iperf3 -s: {}", process.output().join(" "));
        Ok(process.output().iter().any(|line| line.contains("listening")).then_some(()))
    })?;
    Ok((process, port))
}

fn client(way: Way<'_>, port: u16, words: &[String], time: Duration) -> Command {
    let mut command = Command::new("iperf3");
    let seconds = (time.as_secs_f64().ceil() as u64).max(1);
    let (target, port, seconds) = (way.target.to_string(), port.to_string(), seconds.to_string());
    command.args(["-c", &target, "-p", &port, "-t", &seconds, "-i", "0", "--connect-timeout", "5000"]).args(words);
    command
}

fn number(value: &Value) -> Result<f64> {
    value.as_f64().context("iperf3 left out a figure")
}

/// What arrived, in both directions if there are two.
fn moved(result: &Value) -> Result<Moved> {
    let end = &result["end"];
    let forth = &end["sum_received"];
    let back = &end["sum_received_bidir_reverse"];
    let both = |name: &str| Ok::<f64, anyhow::Error>(number(&forth[name])? + back[name].as_f64().unwrap_or(0.0));
    Ok(Moved { bytes: both("bytes")?, megabits: both("bits_per_second")? / 1e6 })
}

/// The receiver counts, the sender knows how many there were.
fn flow(result: &Value) -> Result<Flow> {
    let end = &result["end"];
    let (sum, time) = (&end["sum"], number(&end["sum"]["seconds"])?);
    ensure!(time > 0.0, "iperf3 measured no time");
    let (packets, lost) = (number(&sum["packets"])?, number(&sum["lost_packets"])?);
    // What the receiver never heard of is not in its loss, if the last datagrams were lost.
    let sent = end["sum_sent"]["packets"].as_f64().unwrap_or(packets).max(packets);
    let delivered = (packets - lost).max(0.0);
    let streams = end["streams"].as_array().into_iter().flatten();
    let overtaken = streams.filter_map(|stream| stream["udp"]["out_of_order"].as_f64()).sum();
    let part = if sent > 0.0 { 1.0 - delivered / sent } else { 1.0 };
    let trial = Trial { sent: sent / time, delivered: delivered / time, lost: part };
    Ok(Flow { trial, datagrams: delivered, overtaken })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_directions_add_up() {
        let one = json!({ "end": { "sum_received": { "bytes": 1e9, "bits_per_second": 8e9 } } });
        assert_eq!(moved(&one).expect("whole"), Moved { bytes: 1e9, megabits: 8000.0 });
        let mut two = one;
        two["end"]["sum_received_bidir_reverse"] = json!({ "bytes": 5e8, "bits_per_second": 4e9 });
        assert_eq!(moved(&two).expect("whole"), Moved { bytes: 1.5e9, megabits: 12_000.0 });
        assert!(moved(&json!({ "end": {} })).is_err());
    }

    #[test]
    fn an_object_is_found_between_warnings_when_it_is_whole() {
        assert_eq!(parse("").expect("waits"), None);
        assert_eq!(parse("warning: a buffer\n").expect("waits"), None);
        assert!(parse("{\n\t\"end\": {").is_err());
        let whole = parse("warning\n{\"end\": {}}\niperf3: done").expect("whole");
        assert_eq!(whole, Some(json!({ "end": {} })));
    }

    #[test]
    fn loss_is_that_of_all_that_was_sent() {
        let result = json!({ "end": {
            "streams": [{ "udp": { "out_of_order": 3 } }],
            "sum": { "seconds": 2.0, "packets": 1000, "lost_packets": 100 },
            "sum_sent": { "packets": 1800 },
        } });
        let flow = flow(&result).expect("whole");
        assert_eq!((flow.datagrams, flow.overtaken), (900.0, 3.0));
        assert_eq!(flow.trial, Trial { sent: 900.0, delivered: 450.0, lost: 0.5 });
    }
}
