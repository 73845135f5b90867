//! The `zt` command: picks what to run from the name it was called by and its first word.

use std::env;
use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use zt_cli::console::{Console, system_clock, terminal_columns};
use zt_node::{LargePages, OsEntropy};

/// A root with 20,000 peers and more has tables that gain by it.
#[global_allocator]
static ALLOCATOR: LargePages = LargePages;

fn main() -> ExitCode {
    let args: Vec<String> = env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
    let wanted = env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && !dumb;
    let mut console = Console {
        input: &mut io::stdin(),
        out: &mut io::stdout(),
        err: &mut io::stderr(),
        folder: env::current_dir().unwrap_or_default(),
        env: &|name| env::var_os(name),
        clock: &system_clock,
        entropy: &mut OsEntropy,
        color: wanted && io::stdout().is_terminal(),
        color_err: wanted && io::stderr().is_terminal(),
        columns: terminal_columns(),
        asks: io::stdin().is_terminal() && io::stderr().is_terminal(),
    };
    // Statuses are those of the shell: 134 and the like are never made here, so the low byte is enough.
    ExitCode::from(zt_cli::run(&args, &mut console) as u8)
}
