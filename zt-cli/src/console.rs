//! What a command may touch of the process it runs in: its streams, folder, environment, clock and randomness.
//!
//! Commands get a [`Console`] instead of reaching for globals, so that the recorded runs of the original tools can be
//! repeated inside a test.

use std::ffi::OsString;
use std::fmt::Arguments;
use std::io::{self, IsTerminal as _, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use zt_crypto::Entropy;

use crate::render::Screen;

/// Longest line that somebody types as an answer, in bytes.
const MAX_LINE: usize = 1024;

/// Surroundings of one command.
pub struct Console<'a> {
    /// Standard input.
    pub input: &'a mut dyn Read,
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
    /// Standard error is one.
    pub color_err: bool,
    /// Columns of the terminal that standard output is; none where it is no terminal.
    pub columns: Option<usize>,
    /// Somebody sits at a terminal, who can be asked.
    pub asks: bool,
}

impl Console<'_> {
    /// Writes to standard output, and says whether that is still of use. What cannot be written is known to the [`Output`] below,
    /// and told at the end.
    pub fn print(&mut self, text: Arguments<'_>) -> bool {
        self.out.write_fmt(text).and_then(|()| self.out.flush()).is_ok()
    }

    /// What text on standard output is made for.
    #[must_use]
    pub fn screen(&self) -> Screen {
        Screen { color: self.color, columns: self.columns }
    }

    /// A line from standard input, without its end; none at the end of the input.
    pub fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        let mut byte = [0];
        // Byte by byte: what follows the line is not ours.
        while line.len() < MAX_LINE && matches!(self.input.read(&mut byte), Ok(1)) && byte[0] != b'\n' {
            line.push(byte[0]);
        }
        (!line.is_empty() || byte[0] == b'\n').then(|| String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned())
    }

    /// Writes to standard error.
    pub fn complain(&mut self, text: Arguments<'_>) {
        let _ = self.err.write_fmt(text);
        let _ = self.err.flush();
    }

    /// A variable of the environment as text; none if it is not there or holds nothing. What is no text comes with marks in its
    /// place, so that whoever reads it refuses it by name.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<String> {
        (self.env)(name).map(|value| value.to_string_lossy().into_owned()).filter(|value| !value.is_empty())
    }

    /// A file name as typed, made absolute against the working folder.
    pub fn file(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.join(name)
    }
}

/// Standard output that remembers when it could not be written. A closed pipe is no error: nobody is left to be told.
pub struct Output<'a> {
    inner: &'a mut dyn Write,
    failed: Option<io::Error>,
}

impl<'a> Output<'a> {
    /// Writes to `inner`.
    pub fn new(inner: &'a mut dyn Write) -> Self {
        Self { inner, failed: None }
    }

    /// The first error, if there was one.
    pub fn failed(self) -> Option<io::Error> {
        self.failed
    }

    fn remember<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &result
            && !matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::Interrupted)
            && self.failed.is_none()
        {
            self.failed = Some(io::Error::new(error.kind(), error.to_string()));
        }
        result
    }
}

impl Write for Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.inner.write(bytes);
        self.remember(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.inner.flush();
        self.remember(result)
    }
}

/// Writes to the standard output of a [`Console`].
#[macro_export]
macro_rules! say {
    ($console:expr, $($text:tt)*) => {{ $console.print(format_args!($($text)*)); }};
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

/// Columns of the terminal that standard output is. Where the terminal does not tell, 80.
#[must_use]
pub fn terminal_columns() -> Option<usize> {
    let out = io::stdout();
    if !out.is_terminal() {
        return None;
    }
    let told = rustix::termios::tcgetwinsize(&out).map_or(0, |size| usize::from(size.ws_col));
    Some(if told == 0 { 80 } else { told })
}
