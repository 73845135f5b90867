//! Coverage-guided fuzzing of every target with libFuzzer, on the pinned stable toolchain.
//!
//! The sanitizer-coverage pass is part of the compiler's LLVM and can be asked for without nightly options; `--target` keeps the
//! flags away from build scripts. `cov:` in libFuzzer's lines is the number of edges reached: it has to grow.

use crate::{option, root};
use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Counters per edge, tables of code addresses, and operands of comparisons.
const GUIDED: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";

/// Verbs that have a layout; the message target is run once for each.
const VERBS: std::ops::RangeInclusive<u8> = 0..=22;

/// Calls of the C library in a full run.
const CALLS: u64 = 10_000_000;

/// What line coverage is printed of.
const MEASURED: [(&str, &[&str]); 6] = [
    ("zt-wire", &["zt-wire/src"]),
    ("zt-peer", &["zt-peer/src"]),
    ("zt-netconf", &["zt-netconf/src"]),
    (
        "the rules engine",
        &[
            "zt-netconf/src/rules/auth.rs",
            "zt-netconf/src/rules/classes.rs",
            "zt-netconf/src/rules/explain.rs",
            "zt-netconf/src/rules/fields.rs",
            "zt-netconf/src/rules/policy.rs",
            "zt-netconf/src/rules/program.rs",
            "zt-netconf/src/rules/run.rs",
            "zt-netconf/src/rules/transport.rs",
            "zt-netconf/src/rules/verdict.rs",
        ],
    ),
    ("the rule language", &["zt-netconf/src/rules/script"]),
    ("zt-node/capi", &["zt-node/capi/src"]),
];

/// How long one run lasts.
#[derive(Clone, Copy)]
enum Span {
    Seconds(u64),
    /// Executions of a decoder; scenarios of the engine and the controller.
    Runs(u64, u64),
}

/// Runs all targets, each for its share of the minutes or for a number of executions, then prints the line coverage.
pub(crate) fn fuzz(arguments: &[String]) -> Result<()> {
    let folder = root().join("tests/fuzz");
    let targets = targets(&folder, option(arguments, "--target"))?;
    if arguments.iter().any(|argument| argument == "--coverage") {
        return coverage(&folder, &targets);
    }
    // The engine has most to explore: it gets as much time as all decoders together.
    let shares = targets.len() as u64 + if targets.iter().any(|target| target == "engine") { 11 } else { 0 };
    let minutes: u64 = option(arguments, "--minutes").unwrap_or("10").parse().context("--minutes wants a number")?;
    let share = (minutes * 60 / shares.max(1)).max(2);
    let full = arguments.iter().any(|argument| argument == "--full");
    let runs = option(arguments, "--runs").map(str::parse).transpose().context("--runs wants a number")?;
    build(&folder, GUIDED, "guided", &targets)?;
    for target in &targets {
        let span = match (runs, full, target.as_str()) {
            (Some(runs), ..) => Span::Runs(runs, runs),
            (_, true, _) => Span::Runs(5_000_000, 1_000_000),
            (_, _, "engine") => Span::Seconds(share * 12),
            (..) => Span::Seconds(share),
        };
        run_target(&folder, target, span)?;
    }
    coverage(&folder, &targets)
}

fn targets(folder: &Path, only: Option<&str>) -> Result<Vec<String>> {
    let mut targets: Vec<String> = std::fs::read_dir(folder.join("fuzz_targets"))
        .context("tests/fuzz/fuzz_targets")?
        .filter_map(|entry| entry.ok()?.path().file_stem()?.to_str().map(str::to_owned))
        .filter(|target| only.is_none_or(|only| only == target))
        .collect();
    targets.sort_unstable();
    ensure!(!targets.is_empty(), "no such target in tests/fuzz/fuzz_targets");
    Ok(targets)
}

/// Where a kind of build goes, apart from the ordinary ones, whose flags are others.
fn build_folder(kind: &str) -> PathBuf {
    let base = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    base.join("fuzz").join(kind)
}

fn build(folder: &Path, flags: &str, kind: &str, targets: &[String]) -> Result<()> {
    let status = Command::new("cargo")
        .args(["build", "--release", "--target", TARGET])
        .args(targets.iter().flat_map(|target| ["--bin", target]))
        .env("RUSTFLAGS", flags)
        .env("CARGO_TARGET_DIR", build_folder(kind))
        .current_dir(folder)
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "the fuzz targets do not build");
    Ok(())
}

fn program(kind: &str, target: &str) -> PathBuf {
    build_folder(kind).join(TARGET).join("release").join(target)
}

/// Grows a corpus outside the repository from the committed one; findings go to `artifacts`.
fn run_target(folder: &Path, target: &str, span: Span) -> Result<()> {
    let grown = build_folder("corpus").join(target);
    std::fs::create_dir_all(&grown)?;
    std::fs::create_dir_all(folder.join("artifacts"))?;
    let verbs: Vec<Option<u8>> = if target == "message" { VERBS.map(Some).collect() } else { vec![None] };
    for verb in &verbs {
        let limit = match span {
            Span::Seconds(seconds) => format!("-max_total_time={}", (seconds / verbs.len() as u64).max(1)),
            // It counts calls of the library, not executions, and ends by itself.
            Span::Runs(..) if target == "capi" => "-runs=-1".to_owned(),
            Span::Runs(_, runs) if matches!(target, "engine" | "controller") => format!("-runs={runs}"),
            Span::Runs(runs, _) => format!("-runs={runs}"),
        };
        println!("== fuzz {target}{} {limit}", verb.map(|verb| format!(" verb 0x{verb:02x}")).unwrap_or_default());
        let mut command = Command::new(program("guided", target));
        command.arg(limit).args(["-max_len=4096", "-print_final_stats=1", "-verbosity=0"]);
        command.arg(format!("-artifact_prefix={}/{target}-", folder.join("artifacts").display()));
        command.arg(&grown).arg(folder.join("corpus").join(target));
        if target == "capi" && matches!(span, Span::Runs(..)) {
            command.env("ZT_FUZZ_CALLS", CALLS.to_string());
        }
        if let Some(verb) = verb {
            command.env("ZT_FUZZ_VERB", verb.to_string());
        }
        let status = command.status().context("cannot run the target")?;
        ensure!(status.success(), "{target} found something: see tests/fuzz/artifacts");
    }
    Ok(())
}

/// Runs the corpora through a build with line counters and prints what was reached of the protocol crates.
fn coverage(folder: &Path, targets: &[String]) -> Result<()> {
    let Some(tools) = llvm_tools() else {
        println!("line coverage: needs `rustup component add llvm-tools`");
        return Ok(());
    };
    build(folder, "-Cinstrument-coverage", "lines", targets)?;
    let profiles = build_folder("profiles");
    let _ = std::fs::remove_dir_all(&profiles);
    let mut objects = Vec::new();
    for target in targets {
        let mut command = Command::new(program("lines", target));
        command.args(["-runs=0", "-verbosity=0"]).env("LLVM_PROFILE_FILE", profiles.join(format!("{target}.profraw")));
        for corpus in [folder.join("corpus").join(target), build_folder("corpus").join(target)] {
            if corpus.is_dir() {
                command.arg(corpus);
            }
        }
        let status = command.stderr(std::process::Stdio::null()).status().context("cannot run the target")?;
        ensure!(status.success(), "{target} fails on its corpus");
        objects.push(program("lines", target));
    }
    let merged = profiles.join("all.profdata");
    let raw = std::fs::read_dir(&profiles)?.filter_map(|entry| Some(entry.ok()?.path()));
    let status = Command::new(tools.join("llvm-profdata")).arg("merge").args(raw).arg("-o").arg(&merged).status()?;
    ensure!(status.success(), "llvm-profdata fails");
    for (what, files) in MEASURED {
        let mut command = Command::new(tools.join("llvm-cov"));
        command.args(["export", "--summary-only"]).arg(format!("--instr-profile={}", merged.display()));
        command.arg(&objects[0]);
        objects[1..].iter().for_each(|object| _ = command.arg("--object").arg(object));
        command.arg("--sources").args(files.iter().map(|file| root().join(file)));
        let output = command.output().context("cannot run llvm-cov")?;
        ensure!(output.status.success(), "llvm-cov fails: {}", String::from_utf8_lossy(&output.stderr));
        let (covered, count) = lines_of(&String::from_utf8_lossy(&output.stdout))?;
        // Of what these targets do not come to there is nothing to say.
        if covered == 0 {
            continue;
        }
        println!(
            "line coverage of {what} under fuzz: {covered} of {count} lines, {:.1} %",
            100.0 * covered as f64 / count as f64
        );
    }
    Ok(())
}

/// The totals of a coverage summary: lines covered, and all lines.
fn lines_of(summary: &str) -> Result<(u64, u64)> {
    let totals = summary.split("\"totals\"").nth(1).context("no totals in the summary")?;
    let lines = totals.split("\"lines\":{").nth(1).context("no lines in the totals")?;
    let number = |key: &str| -> Option<u64> {
        let digits = lines.split(&format!("\"{key}\":")).nth(1)?;
        digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    match (number("covered"), number("count")) {
        (Some(covered), Some(count)) => Ok((covered, count)),
        _ => bail!("the summary of llvm-cov has another form"),
    }
}

/// The folder of llvm-profdata and llvm-cov of the pinned toolchain, when that component is installed.
fn llvm_tools() -> Option<PathBuf> {
    let output = Command::new("rustc").args(["--print", "sysroot"]).current_dir(root()).output().ok()?;
    let sysroot = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    let folder = sysroot.join("lib/rustlib").join(TARGET).join("bin");
    folder.join("llvm-cov").is_file().then_some(folder)
}

#[cfg(test)]
mod tests {
    #[test]
    fn totals_are_read_from_a_summary() {
        let summary = r#"{"data":[{"files":[],"totals":{"branches":{"count":1},"lines":{"count":200,"covered":50,"percent":25}}}]}"#;
        assert_eq!(super::lines_of(summary).expect("well-formed"), (50, 200));
    }
}
