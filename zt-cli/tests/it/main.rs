//! Tests of the crate through its public interface.

mod client;
mod fake;
mod http;
mod identity;
mod local;
mod metrics;
mod network_rules;
mod node;
mod overview;
mod rule_cases;
mod rules;
mod terminal;
mod worlds;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use zt_cli::console::Console;
use zt_node::OsEntropy;

/// A folder of its own for each test, removed afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("zt-it-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(path.join("home")).expect("a folder");
        Self(path)
    }

    fn path(&self) -> &Path {
        &self.0
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.0.join(name), content).expect("write");
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.0.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// Runs a command line in this folder, with `home` as the node's home: exit code, output, errors.
    fn run(&self, line: &str) -> (i32, String, String) {
        let args: Vec<String> = line.split(' ').map(str::to_owned).collect();
        self.run_args(&args)
    }

    fn run_args(&self, args: &[String]) -> (i32, String, String) {
        let mut out = Vec::new();
        let (code, err) = self.run_to(args, &mut out);
        (code, String::from_utf8(out).expect("text"), err)
    }

    /// Runs a command line with a file as its standard output: exit code, errors.
    fn run_into(&self, line: &str, file: &str) -> (i32, String) {
        let args: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let mut out = std::fs::File::options().write(true).open(file).expect("a file");
        self.run_to(&args, &mut out)
    }

    /// Likewise with a pipe that nobody reads.
    fn run_into_closed_pipe(&self, line: &str) -> (i32, String) {
        let args: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        self.run_to(&args, &mut writer)
    }

    /// Runs a command line with this on its standard input: exit code, output, errors.
    fn run_fed(&self, line: &str, input: &str) -> (i32, String, String) {
        let args: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let mut out = Vec::new();
        let (code, err) = self.run_with(&args, &mut input.as_bytes(), &mut out);
        (code, String::from_utf8(out).expect("text"), err)
    }

    fn run_to(&self, args: &[String], out: &mut dyn std::io::Write) -> (i32, String) {
        self.run_with(args, &mut std::io::empty(), out)
    }

    fn run_with(&self, args: &[String], input: &mut dyn std::io::Read, out: &mut dyn std::io::Write) -> (i32, String) {
        let mut err = Vec::new();
        let home = OsString::from(self.0.join("home"));
        let mut console = Console {
            input,
            out,
            err: &mut err,
            folder: self.0.clone(),
            env: &|name| (name == "ZEROTIER_HOME").then(|| home.clone()),
            clock: &|| 1_795_493_516_754,
            entropy: &mut OsEntropy,
            color: false,
            color_err: false,
            columns: None,
            asks: false,
        };
        let code = zt_cli::run(args, &mut console);
        (code, String::from_utf8(err).expect("text"))
    }

    /// Runs a command that must work; its output.
    fn ok(&self, line: &str) -> String {
        let (code, out, err) = self.run(line);
        assert_eq!((code, err.as_str()), (0, ""), "{line}: {out}");
        out
    }

    /// Runs a command that must fail with a message holding `text`.
    fn fails(&self, line: &str, text: &str) {
        let (code, out, err) = self.run(line);
        assert_ne!(code, 0, "{line}: {out}");
        assert!(err.contains(text), "{line}: {err}");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
