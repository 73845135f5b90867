//! What a command may touch of the process it runs in: output streams, folder, environment, clock and randomness.
//!
//! Commands get a [`Console`] instead of reaching for globals, so that the recorded runs of the original tools can be
//! repeated inside a test.

use std::ffi::OsString;
use std::fmt::Arguments;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use zt_crypto::Entropy;

/// Surroundings of one command.
pub struct Console<'a> {
    /// Standard output.
    pub out: &'a mut dyn Write,
    /// Standard error.
    pub err: &'a mut dyn Write,
    /// Folder against which relative file names are resolved.
    pub folder: PathBuf,
    /// Looks up an environment variable.
    pub env: &'a dyn Fn(&str) -> Option<OsString>,
    /// Wall clock, milliseconds since 1970.
    pub clock: &'a dyn Fn() -> i64,
    /// Randomness for keys and tokens.
    pub entropy: &'a mut dyn Entropy,
    /// Standard output is a terminal which wants colours.
    pub color: bool,
}

impl Console<'_> {
    /// Writes to standard output. A closed pipe is no error: nobody is left to be told.
    pub fn print(&mut self, text: Arguments<'_>) {
        let _ = self.out.write_fmt(text);
        let _ = self.out.flush();
    }

    /// Writes to standard error.
    pub fn complain(&mut self, text: Arguments<'_>) {
        let _ = self.err.write_fmt(text);
        let _ = self.err.flush();
    }

    /// A file name as typed, made absolute against the working folder.
    pub fn file(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.join(name)
    }
}

/// Writes to the standard output of a [`Console`].
#[macro_export]
macro_rules! say {
    ($console:expr, $($text:tt)*) => { $console.print(format_args!($($text)*)) };
}

/// Writes to the standard error of a [`Console`].
#[macro_export]
macro_rules! complain {
    ($console:expr, $($text:tt)*) => { $console.complain(format_args!($($text)*)) };
}

/// Wall clock of the system, milliseconds since 1970.
pub fn system_clock() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}

/// Randomness of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&mut self, out: &mut [u8]) {
        getrandom::fill(out).expect("the system has a random number generator");
    }
}
