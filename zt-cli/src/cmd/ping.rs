//! `zt ping`: whether a peer answers, how soon, and by which way.

mod whom;

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use super::{Globals, Report};
use crate::api;
use crate::console::Console;
use crate::render::table::harmless;

/// Peers answer no faster (02 §6.11).
const FASTEST: f64 = 0.2;

/// Arguments of `zt ping`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  zt ping fe39e980ad            four questions, one a second
  zt ping 10.9.8.7 -c 20 -i 0.5 the member that has this address in a joined network
  zt ping fe39e980ad -c 0       until it is stopped
  zt ping fe39e980ad --json

The peer is asked by an ECHO, by the way that traffic to it takes: what is measured is the way between the nodes, not a host behind
them. Nodes of ZeroTier One answer once a second. Exit code: 0 it answered, 1 it did not.")]
pub struct PingArgs {
    /// Node address, or an address that a member has in a joined network
    peer: String,
    /// How often to ask; 0 = until stopped
    #[arg(long, short, value_name = "N", default_value_t = 4)]
    count: u64,
    /// Seconds from one question to the next
    #[arg(long, short, value_name = "SECONDS", default_value_t = 1.0, value_parser = interval)]
    interval: f64,
    /// Seconds to wait for an answer
    #[arg(long, short = 'W', value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=30))]
    timeout: u64,
}

fn interval(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (FASTEST..=3_600.0).contains(seconds));
    seconds.ok_or_else(|| format!("seconds, at least {FASTEST}"))
}

/// What came of the questions.
#[derive(Default)]
struct Tally {
    sent: u64,
    times: Vec<f64>,
    replies: Vec<Value>,
}

/// Runs `zt ping`.
pub fn run(args: &PingArgs, globals: &Globals, console: &mut Console<'_>) -> Result<Report> {
    let node = globals.node(console)?;
    let peer = whom::find(&node, &args.peer)?;
    let body = json!({"timeout": args.timeout * 1_000});
    let mut tally = Tally::default();
    while args.count == 0 || tally.sent < args.count {
        let asked = Instant::now();
        let pong: api::Pong = node.ask(&format!("/peer/{peer}/ping"), &body)?;
        tally.sent += 1;
        let line = tally.note(&peer, &pong);
        if !globals.json && !console.print(format_args!("{line}")) {
            // Nobody sees what would follow.
            break;
        }
        if args.count == 0 || tally.sent < args.count {
            sleep(Duration::from_secs_f64(args.interval).saturating_sub(asked.elapsed()));
        }
    }
    Ok(Report { code: i32::from(tally.times.is_empty()), ..Report::new(tally.json(&peer), tally.summary(&peer)) })
}

impl Tally {
    /// Counts an answer, or that there was none; the line for people.
    fn note(&mut self, peer: &str, pong: &api::Pong) -> String {
        let seq = self.sent;
        let Some(ms) = pong.round_trip.filter(|_| pong.answered) else {
            self.replies.push(json!({"seq": seq, "answered": false}));
            return format!("no answer from {peer}: seq={seq}\n");
        };
        self.times.push(ms);
        let from = pong.from.as_deref().map(harmless).unwrap_or_default();
        self.replies.push(json!({"seq": seq, "answered": true, "time": ms, "from": from, "relayed": pong.relayed}));
        let way = if pong.relayed { format!("relayed by the root at {from}") } else { format!("direct from {from}") };
        format!("answer from {peer}: seq={seq} time={ms:.2} ms, {way}\n")
    }

    /// Shortest, mean and longest time.
    fn times(&self) -> Option<[f64; 3]> {
        let (first, count) = (self.times.first()?, self.times.len());
        let least = self.times.iter().fold(*first, |a, b| a.min(*b));
        let most = self.times.iter().fold(*first, |a, b| a.max(*b));
        Some([least, self.times.iter().sum::<f64>() / count as f64, most])
    }

    /// Percent without an answer.
    fn loss(&self) -> f64 {
        match self.sent {
            0 => 0.0,
            sent => 100.0 * (sent - self.times.len() as u64) as f64 / sent as f64,
        }
    }

    fn json(&self, peer: &str) -> Value {
        let [least, mean, most] =
            self.times().map_or([Value::Null, Value::Null, Value::Null], |times| times.map(Value::from));
        json!({
            "peer": peer, "sent": self.sent, "received": self.times.len(), "lossPercent": self.loss(),
            "min": least, "avg": mean, "max": most, "replies": self.replies,
        })
    }

    fn summary(&self, peer: &str) -> String {
        let mut out = format!("{peer}: {} sent, {} answered, {:.0}% lost", self.sent, self.times.len(), self.loss());
        match self.times() {
            Some([least, mean, most]) => out += &format!("; min/avg/max {least:.2}/{mean:.2}/{most:.2} ms\n"),
            None => out += "\nIs it running and online? `zt peers` shows whether it was heard.\n",
        }
        out
    }
}
