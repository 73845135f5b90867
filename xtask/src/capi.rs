//! The C library under its checkers: the C programs of `zt-node/capi/tests/c`, with valgrind and with sanitizers.

use crate::{answers, cargo, root, run};
use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

const TARGET: &str = "x86_64-unknown-linux-gnu";
/// What the static library needs of the system.
const SYSTEM: &[&str] = &["-lpthread", "-ldl", "-lm", "-lrt", "-lgcc_s"];
/// Makes identities, which takes helgrind minutes and shows it nothing: there is one thread.
const NOT_FOR_HELGRIND: &[&str] = &["identity_new"];

/// `test`, `valgrind` or `sanitize`; without a word all three.
pub(crate) fn capi(arguments: &[String]) -> Result<()> {
    match arguments.first().map(String::as_str) {
        Some("test") => test(),
        Some("valgrind") => valgrind(),
        Some("sanitize") => sanitize(),
        None => test().and_then(|()| valgrind()).and_then(|()| sanitize()),
        Some(other) => bail!("capi has no `{other}`: test, valgrind, sanitize"),
    }
}

/// The tests of the crate, which build and run all programs.
fn test() -> Result<()> {
    cargo(&["test", "-p", "zt-capi"])
}

/// Memcheck: no errors, no definite leaks. Helgrind: no races but those it knows of inside the C library.
fn valgrind() -> Result<()> {
    needs("valgrind", "the package valgrind")?;
    // With locks that helgrind understands.
    let library = build("valgrind", &["--features", "helgrind"], "")?.join("debug/libztcore.a");
    for name in programs()? {
        let program = compile(&name, "valgrind", "cc", &["-g", "-O1"], &library)?;
        let memcheck = ["--leak-check=full", "--errors-for-leak-kinds=definite,indirect"];
        checked("memcheck", &name, valgrind_command(&program).args(memcheck).arg(&program))?;
        if !NOT_FOR_HELGRIND.contains(&name.as_str()) {
            checked("helgrind", &name, valgrind_command(&program).arg("--tool=helgrind").arg(&program))?;
        }
    }
    Ok(())
}

fn valgrind_command(program: &Path) -> Command {
    let mut command = Command::new("valgrind");
    command.args(["--quiet", "--error-exitcode=99"]).env("CHECK_QUICK", "1");
    command.current_dir(program.parent().unwrap_or(program));
    command
}

/// The C side with the sanitizers for addresses and undefined behaviour, the library with that for addresses.
fn sanitize() -> Result<()> {
    needs("clang", "clang with its sanitizers (Debian: clang, libclang-rt-14-dev)")?;
    // The target is named so that build scripts and macros are built without the flag of the library.
    let built = build("sanitize", &["--target", TARGET], "-Zsanitizer=address")?;
    let library = built.join(TARGET).join("debug/libztcore.a");
    for name in programs()? {
        let flags =
            ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"];
        let program = compile(&name, "sanitize", "clang", &flags, &library)?;
        let mut command = Command::new(&program);
        command.current_dir(program.parent().unwrap_or(&program));
        command.env("ASAN_OPTIONS", "detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1");
        checked("sanitizers", &name, &mut command)?;
    }
    Ok(())
}

fn needs(program: &str, package: &str) -> Result<()> {
    ensure!(answers(Command::new(program).arg("--version")), "this needs {package}");
    Ok(())
}

/// Where a kind of build goes, apart from the ordinary ones, whose flags are others.
fn folder(kind: &str) -> PathBuf {
    let base = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    base.join("capi").join(kind)
}

/// Builds the static library, optimised a little: a debug build is several times slower under valgrind. Says where
/// cargo puts what it builds.
fn build(kind: &str, options: &[&str], flags: &str) -> Result<PathBuf> {
    let mut command = Command::new("cargo");
    command.args(["build", "--quiet", "-p", "zt-capi", "--lib"]).args(options);
    command.env("CARGO_TARGET_DIR", folder(kind)).env("CARGO_PROFILE_DEV_OPT_LEVEL", "1");
    if !flags.is_empty() {
        // The address sanitizer is part of the pinned compiler, behind a flag for experiments.
        command.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", flags);
    }
    run(&mut command)?;
    Ok(folder(kind))
}

fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("{}", folder.display()))?;
    let mut sources: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "c"))
        .collect();
    sources.sort();
    Ok(sources)
}

/// Names of the programs.
fn programs() -> Result<Vec<String>> {
    let sources = sources(&root().join("zt-node/capi/tests/c"))?;
    Ok(sources.iter().filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect())
}

fn compile(name: &str, kind: &str, compiler: &str, flags: &[&str], library: &Path) -> Result<PathBuf> {
    let crate_root = root().join("zt-node/capi");
    let tests = crate_root.join("tests/c");
    let program = folder(kind).join(name);
    let mut command = Command::new(compiler);
    command.args(["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror"]).args(flags);
    command.arg("-I").arg(crate_root.join("include")).arg("-I").arg(tests.join("support"));
    command.arg(tests.join(format!("{name}.c"))).args(sources(&tests.join("support"))?);
    command.arg("-o").arg(&program).arg(library).args(SYSTEM);
    run(&mut command)?;
    Ok(program)
}

fn checked(tool: &str, name: &str, command: &mut Command) -> Result<()> {
    let start = Instant::now();
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        eprint!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        bail!("{tool} on {name}: {}", output.status);
    }
    println!("{tool} {name}: ok, {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}
