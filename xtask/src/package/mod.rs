//! `cargo xtask package`: what people install, from one static program for each processor.

mod bill;
mod check;
mod image;
mod stage;

use anyhow::{Context as _, Result, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{answers, known_options, option, root, run};

/// Largest program that is shipped, in bytes. What grows it beyond that is noticed.
const LARGEST: u64 = 9_000_000;
/// The tools, by version: another version makes other packages.
const TOOLS: [(&str, &str); 2] = [("cargo-deb", "3.8.0"), ("cargo-generate-rpm", "0.21.1")];

/// What makes the program small: equal functions are one, places that move with it are packed, and there are no tables for
/// unwinding, as a panic ends the program, and its service is started again.
const SMALL: [&str; 5] = [
    "-Clinker-flavor=ld.lld",
    "-Clink-arg=--icf=all",
    "-Clink-arg=--pack-dyn-relocs=relr",
    "-Clink-arg=--no-eh-frame-hdr",
    "-Cforce-unwind-tables=no",
];

/// What can be made.
const KINDS: [&str; 5] = ["static", "deb", "rpm", "tarball", "oci"];

/// A processor and how its world of packages calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Target {
    /// Rust's triple.
    triple: &'static str,
    deb: &'static str,
    rpm: &'static str,
    /// OCI images, Go's word.
    oci: &'static str,
    /// Compiles the C of aws-lc. Against glibc's headers for aarch64: what aws-lc takes of them is the same in musl,
    /// which Rust brings along.
    cc: &'static str,
}

const TARGETS: [Target; 2] = [
    Target { triple: "x86_64-unknown-linux-musl", deb: "amd64", rpm: "x86_64", oci: "amd64", cc: "musl-gcc" },
    Target {
        triple: "aarch64-unknown-linux-musl",
        deb: "arm64",
        rpm: "aarch64",
        oci: "arm64",
        cc: "aarch64-linux-gnu-gcc",
    },
];

/// `cargo xtask package [KIND…] [--target TRIPLE|all] [--program FILE]`, and `cargo xtask package check`.
pub(crate) fn package(arguments: &[String]) -> Result<()> {
    if arguments.first().is_some_and(|word| word == "check") {
        return check::check(&arguments[1..]);
    }
    let kinds = kinds(arguments)?;
    let out = folder();
    fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    known_options(arguments, &["--target", "--program"])?;
    let program = option(arguments, "--program").map(PathBuf::from);
    for target in targets(option(arguments, "--target"))? {
        println!("== {}", target.triple);
        let program = match &program {
            Some(program) => program.clone(),
            None => build(target)?,
        };
        make(target, &program, &kinds, &out)?;
    }
    bill::write(&out)?;
    sums(&out)
}

fn kinds(arguments: &[String]) -> Result<Vec<&'static str>> {
    let words = arguments.iter().take_while(|word| !word.starts_with("--"));
    let mut kinds = Vec::new();
    for word in words {
        match KINDS.iter().find(|kind| *kind == word) {
            Some(kind) => kinds.push(*kind),
            None if word == "all" => kinds.extend(KINDS),
            None => bail!("no package is called `{word}`; choose of {} or all", KINDS.join(", ")),
        }
    }
    Ok(if kinds.is_empty() { KINDS.to_vec() } else { kinds })
}

fn targets(wanted: Option<&str>) -> Result<Vec<Target>> {
    let own = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let wanted = wanted.unwrap_or(&own);
    let found: Vec<Target> = TARGETS.into_iter().filter(|target| wanted == "all" || target.triple == wanted).collect();
    let known = TARGETS.map(|target| target.triple).join(" or ");
    ensure!(!found.is_empty(), "--target {wanted}: packages are made for {known}");
    Ok(found)
}

/// Where packages go.
fn folder() -> PathBuf {
    root().join("target/package")
}

fn target_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The static program, small before quick to build.
fn build(target: Target) -> Result<PathBuf> {
    let Target { triple, cc, .. } = target;
    let found = answers(Command::new(cc).arg("--version"));
    ensure!(found, "{cc} is not installed (Debian: musl-tools, or gcc-aarch64-linux-gnu with libc6-dev-arm64-cross)");
    let name = triple.replace('-', "_");
    let mut command = Command::new("cargo");
    command.args(["build", "--locked", "--profile", "dist", "-p", "zt-cli", "--bin", "zt", "--target", triple]);
    command.env(format!("CC_{name}"), cc);
    // Rust brings musl and this linker along, so that no other C library is needed, and none gets in.
    command.env(format!("CARGO_TARGET_{}_LINKER", name.to_uppercase()), "rust-lld");
    // glibc's checked variants of its functions are not in musl.
    command.env(format!("CFLAGS_{name}"), "-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=0");
    // Without tables for elliptic curves and AVX-512: the packets' own ciphers are ours where a processor has those units,
    // and a handshake of TLS takes some microseconds more.
    command.env("AWS_LC_SYS_SMALL", "1");
    // Where it was built is nobody's matter, and makes two builds differ.
    let remap = format!("--remap-path-prefix={}=/zt", root().display());
    let script = format!("-Clink-arg=-T{}", root().join("xtask/src/package/no_unwind.ld").display());
    command.env("RUSTFLAGS", [&[remap.as_str(), script.as_str()], &SMALL[..]].concat().join(" "));
    run(&mut command)?;
    let program = target_folder().join(triple).join("dist/zt");
    let size = fs::metadata(&program).with_context(|| format!("{} is missing", program.display()))?.len();
    println!("   {size} bytes of {LARGEST} allowed");
    ensure!(size <= LARGEST, "{} has {size} bytes, more than {LARGEST}", program.display());
    try_out(triple, &program)?;
    Ok(program)
}

/// Has what was linked carry traffic between nodes of its own over loopback; that for another processor in an emulator.
fn try_out(triple: &str, program: &Path) -> Result<()> {
    let (processor, _) = triple.split_once('-').unwrap_or((triple, ""));
    let mut command = Command::new(program);
    if processor != std::env::consts::ARCH {
        let emulator = format!("qemu-{processor}");
        if !answers(Command::new(&emulator).arg("--version")) {
            println!("   not tried: no {emulator} here (Debian: qemu-user)");
            return Ok(());
        }
        command = Command::new(emulator);
        command.arg(program);
    }
    run(command.args(["demo", "--memory", "--bytes", "2000000"])).context("what was linked does not work")
}

fn make(target: Target, program: &Path, kinds: &[&str], out: &Path) -> Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    stage::stage(program, &out.join("root"))?;
    let name = |suffix: &str| out.join(format!("zt-{version}-{}{suffix}", target.rpm));
    for kind in kinds {
        match *kind {
            "static" => {
                fs::copy(program, name("-static"))?;
            }
            "deb" => {
                for (variant, package) in [(None, "zt"), (Some("names"), "zt-zerotier-names")] {
                    let file = out.join(format!("{package}_{version}_{}.deb", target.deb));
                    let mut command = tool(0)?;
                    command.args(["--no-build", "--no-strip", "--quiet", "-p", "zt-cli", "--target", target.triple]);
                    command.arg("--output").arg(&file);
                    command.args(variant.iter().flat_map(|variant| ["--variant", variant]));
                    run(command.env("SOURCE_DATE_EPOCH", date()?))?;
                }
            }
            "rpm" => {
                for (variant, package) in [(None, "zt"), (Some("names"), "zt-zerotier-names")] {
                    let file = out.join(format!("{package}-{version}-1.{}.rpm", target.rpm));
                    let mut command = tool(1)?;
                    command.args(["-p", "zt-cli", "--arch", target.rpm, "--source-date", &date()?]);
                    command.args(variant.iter().flat_map(|variant| ["--variant", variant]));
                    run(command.arg("--output").arg(&file))?;
                }
            }
            "tarball" => tarball(&out.join("root"), &name("")).with_context(|| "the tarball")?,
            _ => image::write(target.oci, program, &out.join(format!("zt-{version}-{}.oci.tar", target.oci)))?,
        }
    }
    Ok(())
}

/// One of [`TOOLS`], installed below target/ if it is not there in this version.
fn tool(number: usize) -> Result<Command> {
    let (name, version) = TOOLS[number];
    let folder = target_folder().join("tools");
    let program = folder.join("bin").join(name);
    let said = Command::new(&program).arg("--version").output();
    let fits = said.is_ok_and(|said| String::from_utf8_lossy(&said.stdout).trim().ends_with(version));
    if !fits {
        println!("   installing {name} {version} below {}", folder.display());
        let mut command = Command::new("cargo");
        command.args(["install", "--quiet", "--locked", "--force", name, "--version", version, "--root"]);
        run(command.arg(&folder))?;
    }
    Ok(Command::new(program))
}

/// When the last commit was made, in seconds since 1970: the time of all files, so that packages of one commit are equal.
fn date() -> Result<String> {
    if let Ok(date) = std::env::var("SOURCE_DATE_EPOCH") {
        return Ok(date);
    }
    let output = Command::new("git").args(["log", "-1", "--format=%ct"]).current_dir(root()).output().context("git")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A tar of a folder that is the same whenever and by whomever it is made.
fn tar(folder: &Path, file: &Path) -> Result<()> {
    let mut command = Command::new("tar");
    command.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--format=ustar"]);
    command.arg(format!("--mtime=@{}", date()?)).arg("-C").arg(folder).arg("-cf").arg(file).arg(".");
    run(&mut command)
}

fn tarball(files: &Path, name: &Path) -> Result<()> {
    let folder = name.with_extension("stage");
    let _ = fs::remove_dir_all(&folder);
    let inner = folder.join(name.file_name().context("a name")?);
    stage::copy_tree(files, &inner.join("root"))?;
    stage::put(&root().join("zt-cli/packaging/install.sh"), &inner.join("install.sh"), 0o755)?;
    let tar_file = PathBuf::from(format!("{}.tar", name.display()));
    tar(&folder, &tar_file)?;
    fs::remove_dir_all(&folder)?;
    run(Command::new("gzip").args(["-9", "-n", "-f"]).arg(&tar_file))
}

/// SHA-256 of a file, in hexadecimal digits.
fn sha256(file: &Path) -> Result<String> {
    let output = Command::new("sha256sum").arg(file).output().context("sha256sum (coreutils)")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let digits = text.split(' ').next().unwrap_or_default().trim_start_matches('\\').to_owned();
    ensure!(digits.len() == 64, "sha256sum {}: {}", file.display(), String::from_utf8_lossy(&output.stderr));
    Ok(digits)
}

fn sums(out: &Path) -> Result<()> {
    let mut files: Vec<PathBuf> = fs::read_dir(out)?.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.is_file() && !file.ends_with("SHA256SUMS"));
    files.sort();
    let mut text = String::new();
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        println!("   {name}: {} bytes", fs::metadata(&file)?.len());
        text += &format!("{}  {name}\n", sha256(&file)?);
    }
    fs::write(out.join("SHA256SUMS"), text)?;
    println!("== in {}", out.display());
    Ok(())
}

#[cfg(test)]
mod tests;
