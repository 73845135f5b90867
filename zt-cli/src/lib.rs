#![doc = include_str!("../README.md")]

pub mod api;
pub mod client;
pub mod cmd;
pub mod compat;
pub mod console;
pub mod daemon;
pub mod demo;
mod descriptors;
mod own_end;
pub mod relay;
pub mod render;
pub mod userspace;
pub mod worldfile;

/// Version of ZeroTier One whose command lines, files and HTTP interface this program follows; printed where scripts
/// written for it look for a version.
pub use zt_node::engine::COMPATIBLE_VERSION;

/// Version of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Port of the node and of its local HTTP interface unless told otherwise (06 §1.2).
pub const DEFAULT_PORT: u16 = 9993;

/// Runs the program: one of the original's personalities if the name or the first word says so, else `zt` itself.
/// Returns the exit code, which is not 0 when the output could not be written.
pub fn run(args: &[String], console: &mut console::Console<'_>) -> i32 {
    let mut out = console::Output::new(&mut *console.out);
    let mut watched = console::Console {
        input: &mut *console.input,
        out: &mut out,
        err: &mut *console.err,
        folder: console.folder.clone(),
        env: console.env,
        clock: console.clock,
        entropy: &mut *console.entropy,
        color: console.color,
        color_err: console.color_err,
        columns: console.columns,
        asks: console.asks,
    };
    let code = run_watched(args, &mut watched);
    match out.failed() {
        None => code,
        Some(error) => {
            complain!(console, "cannot write the output: {error}\n");
            if code == 0 { 1 } else { code }
        }
    }
}

fn run_watched(args: &[String], console: &mut console::Console<'_>) -> i32 {
    use compat::Personality;
    let program = args.first().map(String::as_str).unwrap_or("zt");
    if let Some(personality) = Personality::of_program(program) {
        return run_as(personality, args, console);
    }
    if let Some(personality) = args.get(1).and_then(|word| Personality::of_word(word)) {
        let mut renamed = vec![personality.program().to_owned()];
        renamed.extend_from_slice(&args[2..]);
        return run_as(personality, &renamed, console);
    }
    cmd::run(args, console)
}

fn run_as(personality: compat::Personality, args: &[String], console: &mut console::Console<'_>) -> i32 {
    match personality {
        compat::Personality::Idtool => compat::idtool::run(args, console),
        compat::Personality::Cli => compat::cli::run(args, console),
        compat::Personality::One => {
            let uid = rustix::process::geteuid().as_raw();
            compat::one::run(args, console, uid, &mut daemon::run)
        }
    }
}
