//! Each attack for a moment: nobody is lost, and nobody else gets more bytes than were sent in its name. How much a node
//! bears is measured by `cargo xtask attacks`.

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Result, ensure};
use zt_test_e2e::Program;
use zt_test_e2e::attacks::{self, Play, Stage};

#[test]
fn attacks_are_borne_and_not_amplified() -> Result<()> {
    let zt = Program::ours()?;
    let Some(stage) = Stage::new(&zt)? else { return Ok(()) };
    let how = Play { time: Duration::from_millis(400), rate: 2_000, amplify_rate: 400, identities: 2 };
    let _ = writeln!(std::io::stdout(), "{}", attacks::HEAD);
    for attack in attacks::all() {
        let measured = stage.play(&attack, &how)?;
        let _ = writeln!(std::io::stdout(), "{}", attacks::line(&attack, &zt, &measured));
        ensure!(measured.loss < 0.5, "{}: members lose each other", attack.name);
        ensure!(measured.meets.is_some(), "{}: members do not find each other afterwards", attack.name);
        let (came, went) = (measured.sent_bytes, measured.returned_bytes);
        ensure!(measured.ratio().is_none_or(|ratio| ratio <= 1.0), "{}: {went} bytes for {came}", attack.name);
    }
    Ok(())
}
