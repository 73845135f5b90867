//! What help texts promise, tried.

use std::time::Duration;

use anyhow::Result;
use zt_test_e2e::{Lab, Options, Program};

const WAIT: Duration = Duration::from_secs(20);

/// `zt service --log trace`: every packet.
#[test]
fn the_log_shows_every_packet_at_level_trace_and_none_at_debug() -> Result<()> {
    let zt = Program::ours()?;
    for (level, told) in [("trace", true), ("debug", false)] {
        let Some(lab) = Lab::new("trace")? else { return Ok(()) };
        let key = lab.identity(1);
        let planet = lab.planet(&[(key.identity(), &["10.0.0.1/9993"])])?;
        let start = |name: &str, address: &str, seed: u64| {
            let home = lab.home(name)?.with_planet(&planet)?.with_identity(&lab.identity(seed))?;
            lab.host(name, &[address])?.start_with(&zt, home, Options { log: level, ..Options::default() })
        };
        let root = start("root", "10.0.0.1/24", 1)?;
        let member = start("member", "10.0.0.2/24", 2)?;
        member.wait_online(WAIT)?;
        let log = member.output().join("\n");
        for line in ["datagram out", "datagram in", "plain HELLO", "verb=OK"] {
            assert_eq!(log.contains(line), told, "{level}: {line}\n{log}");
        }
        member.stop()?;
        root.stop()?;
    }
    Ok(())
}
