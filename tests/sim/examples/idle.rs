//! Prints the table of docs/idle.md: what an idle member sends in a day of virtual time.
//!
//! `cargo run --release -p zt-test-sim --example idle`

use std::io::Write as _;
use std::time::Duration;

use zt_test_sim::Idle;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "| Peers | Mode | Packets a day | Bytes a day | with IP and UDP headers |\n|---|---|---|---|---|")?;
    for peers in [1, 10, 100] {
        for (mode, low) in [("usual", false), ("low-bandwidth", true)] {
            let said = Idle::new(31, peers, low).listen(DAY);
            let whole = said.bytes + 28 * said.packets;
            writeln!(out, "| {peers} | {mode} | {} | {} | {whole} |", said.packets, said.bytes)?;
        }
    }
    Ok(())
}
