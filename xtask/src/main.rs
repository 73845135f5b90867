//! Automation of the workspace: `cargo xtask <command>`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool talks on its terminal")]

mod arm;
mod attacks;
mod bench;
mod book;
mod capi;
mod ci;
mod fuzz;
mod install;
mod interop;
mod mtu;
mod package;
mod sleep;
mod tidy;

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const HELP: &str = "\
Automation of the zt workspace.

Usage: cargo xtask <command> [options]

  ci                      everything that CI runs: tidy, format, licences, lints, documentation, test
  test                    the whole test suite: vectors, properties, simulation, namespaces
  tidy                    what needs no compiler: dependency table, file sizes, names, citations, links
  vectors                 recorded cases, with the number passed per file
  fuzz [--minutes N]      every fuzz target, coverage guided, N minutes in all (default 10), then the line coverage;
                          --target T: one of them; --full: 5 million runs each, 1 million scenarios, 10 million calls of the C library;
                          --runs N: N executions each; --coverage: only that
  bench [what]            tunnel, bonding, streams, crypto, codec, offload, engine, rules, scale or capi
                          (default: crypto, codec, offload, engine, rules)
  book                    docs/ as HTML in target/book, by mdbook if it is there; that its contents are whole and its links lead
                          somewhere is proved without it
  arm                     on a machine that is no aarch64: all of it type-checks for one, and zt-crypto's tests pass in an emulator
                          (qemu-user); --crypto: those tests alone
  capi [what]             the C library: test | valgrind | sanitize (default: all): its C programs, the same under memcheck
                          and helgrind, and with the sanitizers for addresses and undefined behaviour
  install-capi            the C library: headers, libztcore (also as libzerotiercore), pkg-config files;
                          --prefix DIR (default /usr/local), --libdir NAME (lib), --destdir DIR
  interop --peer DIR      all role combinations with the stock binaries in DIR, and C hosts;
                          --core FILE: a C host on the stock core's library, too
  attacks                 floods and amplifications in namespaces: loss, latency, processor, memory, bytes out for each byte in;
                          --peer DIR: stock beside it, --only TEXT, --seconds N, --rate N, --json
  mtu [--peer DIR]        every MTU of a network over every MTU below, changed while the nodes run; DIR: stock beside it
  package [what]          what people install, in target/package: static | deb | rpm | tarball | oci (default: all), with a bill of
                          materials and checksums; --target TRIPLE|all (default: this processor), --program FILE: one that is built
  package check           the packages on a fresh Debian with systemd in a container: --base DIR: a tree of debootstrap,
                          --stock DIR: the take-over from ZeroTier One, too; --openrc DIR, --runit DIR: trees with these; as root
  package check oci       the image in Podman: a root and a member without devices; --podman COMMAND: with its global options
  sleep [--seconds N]     a daemon stopped, a host asleep, for N seconds (600), and clocks that jump by an hour: when there is traffic again

Examples:
  cargo xtask test
  cargo xtask bench tunnel --peer ~/zerotier-1.14.1
  cargo xtask bench bonding --peer ~/zerotier-1.14.1
  cargo xtask interop --peer ~/zerotier-1.14.1 --old ~/zerotier-1.2.12
";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rest = arguments.get(1..).unwrap_or_default();
    // Words of `test` are those of the test programs.
    if arguments.first().is_some_and(|word| word != "test") && rest.iter().any(|word| word == "--help" || word == "-h")
    {
        print!("{HELP}");
        return Ok(());
    }
    match arguments.first().map(String::as_str) {
        Some("ci") => ci::ci(),
        Some("test") => ci::test(rest),
        Some("sleep") => sleep::sleep(rest),
        Some("tidy") => tidy::tidy(),
        Some("vectors") => ci::vectors(),
        Some("fuzz") => fuzz::fuzz(rest),
        Some("bench") => bench::bench(rest),
        Some("book") => book::book(),
        Some("arm") => arm::arm(rest),
        Some("capi") => capi::capi(rest),
        Some("install-capi") => install::install(rest),
        Some("attacks") => attacks::attacks(rest),
        Some("interop") => interop::interop(rest),
        Some("package") => package::package(rest),
        Some("mtu") => mtu::mtu(rest),
        None | Some("help" | "--help" | "-h") => {
            print!("{HELP}");
            Ok(())
        }
        Some(other) => bail!("unknown command `{other}`; `cargo xtask help` lists all"),
    }
}

/// The root of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is inside the workspace").to_path_buf()
}

/// The value after `--name`, if given.
fn option<'a>(arguments: &'a [String], name: &str) -> Option<&'a str> {
    let at = arguments.iter().position(|argument| argument == name)?;
    arguments.get(at + 1).map(String::as_str)
}

/// Refuses an option that would do nothing.
fn known_options(arguments: &[String], known: &[&str]) -> Result<()> {
    match arguments.iter().find(|argument| argument.starts_with('-') && !known.contains(&argument.as_str())) {
        Some(unknown) => bail!("{unknown} is no option here; there is {}", known.join(", ")),
        None => Ok(()),
    }
}

/// Runs a cargo command in the root of the workspace and fails when it fails.
fn cargo(arguments: &[&str]) -> Result<()> {
    run(Command::new("cargo").args(arguments))
}

/// Whether a command is there and does its work, whatever it prints.
fn answers(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Runs a command in the root of the workspace and fails when it fails.
fn run(command: &mut Command) -> Result<()> {
    let status = command.current_dir(root()).status().with_context(|| format!("cannot run {command:?}"))?;
    if !status.success() {
        bail!("{command:?} failed ({status})");
    }
    Ok(())
}
