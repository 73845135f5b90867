//! The table of [`zt_test_e2e::mtu_table`] for our program and, beside it, for a stock one; see `cargo xtask mtu`.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use zt_test_e2e::Program;
use zt_test_e2e::mtu_table::{render, table};
use zt_test_e2e::path_size::{CHANGES, Divided, UNDERLAY};

const HELP: &str = "usage: mtu [--paths] [--peer DIR]

  --paths      only pieces of a frame, and stalls when a path changes
  --peer DIR   folder with the stock zerotier-one to print beside ours";

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("mtu: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// True when every cell of ours is right; stock is only printed.
fn run(words: &[String]) -> Result<bool> {
    let (paths_only, words) = match words {
        [first, rest @ ..] if first == "--paths" => (true, rest),
        all => (false, all),
    };
    let peer = match words {
        [] => None,
        [word, folder] if word == "--peer" => Some(PathBuf::from(folder)),
        _ => bail!("{HELP}"),
    };
    let ours = Program::ours()?;
    let programs = [Some(ours), peer.as_ref().map(|peer| Program::stock(peer)).transpose()?];
    let mut right = true;
    for (number, program) in programs.iter().flatten().enumerate() {
        let all_right = (paths_only || print(program)?) & print_paths(program)?;
        right &= all_right || number > 0;
    }
    Ok(right)
}

/// What paths carry; false when TCP stalled for more than three seconds or for good.
fn print_paths(program: &Program) -> Result<bool> {
    let divided = Divided::new("paths", program)?.context("this machine has no namespaces or TAP devices")?;
    println!("{}: datagrams for a frame of 2800 bytes", program.kind());
    for underlay in UNDERLAY {
        match divided.pieces(underlay) {
            Ok(pieces) => println!("  over {underlay:>4}: {pieces:.1}"),
            Err(error) => println!("  over {underlay:>4}: {error:#}"),
        }
    }
    println!("{}: the longest time without a byte of TCP while the path changes", program.kind());
    let mut right = true;
    for change in CHANGES {
        let how = if change.silent { "in silence" } else { "routers fragment" };
        let what = format!("{} to {}, {how}", change.before, change.after);
        match divided.stall(change) {
            Ok(stall) => {
                let seconds = stall.longest.as_secs_f64();
                right &= seconds <= 3.0 && stall.at_end > 0;
                println!("  {what:<30} {seconds:>5.2} s, then {:.1} Mbit/s", stall.at_end as f64 * 8.0 / 3e6);
            }
            Err(error) => {
                right = false;
                println!("  {what:<30} {error:#}");
            }
        }
    }
    Ok(right)
}

fn print(program: &Program) -> Result<bool> {
    let cells = table("mtu", program, |cell| println!("  {} over {}: {cell}", cell.network, cell.underlay))?;
    let cells = cells.context("this machine has no namespaces or TAP devices")?;
    let right = cells.iter().filter(|cell| cell.failures.is_empty()).count();
    println!("{}: {right} of {} right\n{}", program.kind(), cells.len(), render(&cells));
    Ok(right == cells.len())
}
