//! What a path carries is found out, used and shown, and noticed when it becomes less.

use std::time::Duration;

use anyhow::Result;
use zt_test_e2e::path_size::{Change, Divided};
use zt_test_e2e::{Program, figure};

/// TCP does not stall for longer.
const STALL: Duration = Duration::from_secs(3);

#[test]
fn frames_travel_whole_where_the_path_is_wide_and_in_as_few_pieces_as_fit_where_it_is_not() -> Result<()> {
    let Some(divided) = Divided::new("pieces", &Program::ours()?)? else { return Ok(()) };
    for (underlay, pieces) in [(9000, 1.0), (1500, 2.0), (1280, 3.0)] {
        let counted = divided.pieces(underlay)?;
        let size = divided.size()?;
        assert!((counted - pieces).abs() < 0.2, "{counted} pieces over {underlay}");
        assert!(size <= u64::from(underlay) - 28 && size * 3 > u64::from(underlay.min(2900)), "{size} over {underlay}");
    }
    Ok(())
}

fn becomes_narrow(name: &str, change: Change) -> Result<()> {
    let Some(divided) = Divided::new(name, &Program::ours()?)? else { return Ok(()) };
    let stall = divided.stall(change)?;
    let size = divided.size()?;
    assert!(stall.at_end > 0, "it flows again: {stall:?}");
    figure(&format!("{change:?}, then {size} bytes: no byte for"), stall.longest, STALL)?;
    assert!(size <= u64::from(change.after) - 28, "it is shown: {size}");
    Ok(())
}

#[test]
fn a_path_that_shrinks_in_silence_from_jumbo_frames_is_noticed_and_tcp_goes_on() -> Result<()> {
    becomes_narrow("narrow-jumbo", Change { before: 9000, after: 1500, silent: true })
}

#[test]
fn a_path_that_shrinks_in_silence_to_a_tunnel_is_noticed_and_tcp_goes_on() -> Result<()> {
    becomes_narrow("narrow-tunnel", Change { before: 1500, after: 1280, silent: true })
}
