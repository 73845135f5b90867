//! Builds and runs the programs of `tests/c`: each one with the shared library, some with the static one too, which takes
//! the linker much longer.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::compiler::crate_root;

/// How a program gets the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Linkage {
    /// `libztcore.a`.
    Static,
    /// `libztcore.so` by its soname.
    Shared,
}

/// What the static library needs of the system.
const SYSTEM: &[&str] = &["-lpthread", "-ldl", "-lm", "-lrt", "-lgcc_s"];

/// Folder with the library that cargo built for these tests: that of the test program itself.
fn library_folder() -> PathBuf {
    let program = std::env::current_exe().expect("a running program has a path");
    program.parent().expect("it is in a folder").to_path_buf()
}

/// Folder of the C programs.
pub(crate) fn folder() -> PathBuf {
    crate_root().join("tests/c")
}

/// Names of all programs, in order.
pub(crate) fn names() -> Vec<String> {
    let names = sources(&folder()).into_iter().filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()));
    names.filter(|name| !name.starts_with("layout_")).collect()
}

/// C sources of a folder, in order.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut sources: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("a folder of C programs")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "c"))
        .collect();
    sources.sort();
    sources
}

/// The compiler and what all our C is built with.
fn compiler() -> Command {
    let mut command = Command::new(std::env::var("CC").unwrap_or_else(|_| "cc".to_owned()));
    command.args(["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-O1"]);
    command.arg("-I").arg(crate_root().join("include")).arg("-I").arg(folder().join("support"));
    command
}

fn run_compiler(mut command: Command, what: &str) {
    let output = command.output().expect("these tests need a C compiler (set CC)");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what} does not build:\n{said}");
}

/// What the programs share, compiled once.
fn support() -> &'static [PathBuf] {
    static BUILT: OnceLock<Vec<PathBuf>> = OnceLock::new();
    BUILT.get_or_init(|| {
        let built = sources(&folder().join("support")).into_iter().map(|source| {
            let name = source.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
            let object = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("support-{name}.o"));
            let mut command = compiler();
            command.arg("-c").arg(&source).arg("-o").arg(&object);
            run_compiler(command, &name);
            object
        });
        built.collect()
    })
}

/// A folder in which the shared library has the name that programs look for.
fn shared_folder(of: &Path) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("shared");
    std::fs::create_dir_all(&folder).expect("a folder");
    let version = env!("CARGO_PKG_VERSION").rsplit_once('.').map_or("0", |(major_and_minor, _)| major_and_minor);
    let link = folder.join(format!("libztcore.so.{version}"));
    if !link.exists() {
        // Two tests may come here at once.
        let _ = std::os::unix::fs::symlink(of.join("libztcore.so"), &link);
    }
    folder
}

fn build(name: &str, linkage: Linkage) -> PathBuf {
    let library = library_folder();
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{linkage:?}"));
    let mut command = compiler();
    command.arg(folder().join(format!("{name}.c"))).args(support()).arg("-Wl,--strip-debug").arg("-o").arg(&program);
    match linkage {
        Linkage::Static => command.arg(library.join("libztcore.a")).args(SYSTEM),
        Linkage::Shared => command.arg("-L").arg(&library).args(["-lztcore", "-lpthread"]),
    };
    run_compiler(command, name);
    program
}

/// Builds and runs a program; panics with what it says if it fails.
pub(crate) fn check(name: &str, linkage: Linkage) {
    let program = build(name, linkage);
    let mut command = Command::new(&program);
    command.current_dir(env!("CARGO_TARGET_TMPDIR"));
    if linkage == Linkage::Shared {
        command.env("LD_LIBRARY_PATH", shared_folder(&library_folder()));
    }
    let output = command.output().expect("the program starts");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{name} ({linkage:?}) {}:\n{}", output.status, String::from_utf8_lossy(&said));
}

/// A test for each program, so that they run side by side and fail by name.
macro_rules! programs {
    ($list:ident: $($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                $crate::programs::check(stringify!($name), $crate::programs::Linkage::Shared);
            }
        )*
        /// Programs that have a test.
        pub(crate) const $list: &[&str] = &[$(stringify!($name)),*];
    };
}
pub(crate) use programs;
