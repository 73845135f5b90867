//! `zerotier-cli bond` and `listbonds` (07 §2.9).

use std::fmt::Write as _;

use serde_json::Value;

use super::{Session, items, number, text};
use crate::console::Console;
use crate::say;

impl Session<'_> {
    /// Runs a `bond` sub-command.
    pub(super) fn bond(&self, console: &mut Console<'_>) -> i32 {
        let peer = self.word(1);
        // The verb is the word behind the peer, even when more words follow.
        let verb = self.word(2);
        match (peer, verb) {
            ("list", _) => self.show(console, "/peer", list),
            ("setmtu", _) => self.set_mtu(console),
            (_, "show") if peer.len() == 10 => self.show(console, &format!("/bond/show/{peer}"), show),
            (_, "rotate") if peer.len() == 10 => {
                let answer = self.client.post(&format!("/bond/rotate/{peer}"), "{}");
                self.done(console, &answer, "rotate", self.options.json)
            }
            _ => {
                say!(console, "(bond) command is missing required arguments\n");
                2
            }
        }
    }

    fn set_mtu(&self, console: &mut Console<'_>) -> i32 {
        // Quirk (07 §2.9): the values are read by position, which works with exactly two switches before the command.
        let path = match self.options.args.as_slice() {
            [_, _, _, _, _, mtu, interface, ip] => format!("/bond/setmtu/{mtu}/{interface}/{ip}"),
            _ => format!("/bond/setmtu/{}//", self.word(2)),
        };
        let answer = self.client.post(&path, "{}");
        if answer.status == 200 {
            say!(console, "200 setmtu OK\n");
            return 0;
        }
        say!(console, "{} Failed to set MTU: {}\n", answer.status, answer.body);
        1
    }
}

/// Text of `bond list`.
pub(super) fn list(peers: &Value, _clock: i64) -> Option<String> {
    let mut out = "    <peer>                        <bondtype>     <links>\n".to_owned();
    let bonded: Vec<&Value> =
        items(peers).iter().filter(|p| p.get("isBonded").and_then(Value::as_bool) == Some(true)).collect();
    for peer in &bonded {
        let (address, policy) = (text(peer, "address"), text(peer, "bondingPolicyStr"));
        let (alive, total) = (number(peer, "numAliveLinks"), number(peer, "numTotalLinks"));
        let _ = writeln!(out, "{address:>10}  {policy:>32}         {alive}/{total}");
    }
    if bonded.is_empty() {
        out += "      NONE\t\t\t\tNONE\t    NONE       NONE\n";
    }
    Some(out)
}

/// Text of `bond <id> show` (07 §2.9.1).
fn show(peer: &Value, _clock: i64) -> Option<String> {
    let mut out = String::new();
    let facts = [
        ("Peer", text(peer, "address").to_owned()),
        ("Bond", text(peer, "bondingPolicyStr").to_owned()),
        ("Link Select Method", number(peer, "linkSelectMethod").to_string()),
        ("Links", format!("{}/{}", number(peer, "numAliveLinks"), number(peer, "numTotalLinks"))),
        ("Failover Interval (ms)", number(peer, "failoverInterval").to_string()),
        ("Up Delay (ms)", number(peer, "upDelay").to_string()),
        ("Down Delay (ms)", number(peer, "downDelay").to_string()),
        ("Packets Per Link", number(peer, "packetsPerLink").to_string()),
    ];
    for (name, value) in facts {
        let _ = writeln!(out, "{name:<22} : {value}");
    }
    let Some(paths) = peer.get("paths") else { return Some(out) };
    let rule = "-".repeat(120);
    let _ = write!(
        out,
        "\nidx                  interface                                  path               socket             local port\n{rule}\n"
    );
    for (i, path) in items(paths).iter().enumerate() {
        let (name, address) = (text(path, "ifname"), text(path, "address"));
        let (socket, port) = (number(path, "localSocket"), number(path, "localPort"));
        let _ = writeln!(out, "{i:>2}: {name:>26} {address:>51} {socket:016x} {port:>12}");
    }
    let _ = write!(
        out,
        "\nidx     lat      pdv    capacity    qual      rx_age      tx_age  eligible  bonded   flows\n{rule}\n"
    );
    for (i, path) in items(paths).iter().enumerate() {
        let float = |key: &str| path.get(key).and_then(Value::as_f64).unwrap_or(0.0);
        let int = |key: &str| number(path, key);
        let _ = writeln!(
            out,
            "{i:>2}: {:>8.2} {:>8.2} {:>10} {:>7.4} {:>11} {:>11} {:>9} {:>7} {:>7}",
            float("latencyMean"),
            float("latencyVariance"),
            int("givenLinkSpeed"),
            float("relativeQuality"),
            int("lastInAge"),
            int("lastOutAge"),
            int("eligible"),
            int("bonded"),
            int("assignedFlowCount"),
        );
    }
    Some(out)
}
