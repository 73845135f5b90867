//! The C and C++ compilers of this machine.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A language and the strictness that the headers must stand.
#[derive(Clone, Copy)]
pub(crate) enum Language {
    /// C11, every warning an error.
    C,
    /// C++17, every warning an error.
    Cpp,
}

impl Language {
    /// Variable that names the compiler, its usual name, and its arguments.
    fn command(self) -> (&'static str, &'static str, &'static [&'static str]) {
        match self {
            Self::C => ("CC", "cc", &["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-xc"]),
            Self::Cpp => ("CXX", "c++", &["-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-xc++"]),
        }
    }
}

/// Folder of this crate.
pub(crate) fn crate_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Builds a program of one source text that includes our headers by `zt1/ZeroTierOne.h` and `ZeroTierOne.h`, and
/// needs no library. Panics with the words of the compiler. `name` must be the caller's alone: tests run side by side.
pub(crate) fn build(language: Language, name: &str, source: &str) -> PathBuf {
    let (variable, usual, arguments) = language.command();
    let compiler = std::env::var(variable).unwrap_or_else(|_| usual.to_owned());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let text = folder.join(format!("{name}.txt"));
    let program = folder.join(name);
    std::fs::write(&text, source).expect("the source can be written");
    let output = Command::new(&compiler)
        .args(arguments)
        .arg("-I")
        .arg(crate_root().join("include"))
        .arg(&text)
        .arg("-o")
        .arg(&program)
        .output()
        .unwrap_or_else(|e| panic!("these tests need a compiler, and {compiler} does not start (set {variable}): {e}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{compiler} refuses {}:\n{said}", text.display());
    program
}

/// Runs a program of [`build`]; panics with its output if it fails.
pub(crate) fn run(program: &Path) {
    let output = Command::new(program).output().expect("the program starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{} says:\n{said}", program.display());
}
