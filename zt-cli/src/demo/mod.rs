//! `zt demo`: a whole virtual LAN on this machine, in namespaces of its own, shown step by step.
//!
//! Four daemons (root, controller, two members) with real UDP and TAP devices; nothing outside the namespaces is touched
//! and nothing is left behind. Where TAP devices are refused, the same nodes carry a userspace TCP/IP stack instead and
//! the last line says MEMORY.

mod folder;
mod lab;
mod memory;
mod steps;

use anyhow::{Context as _, Result, bail};
use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant};
use zt_tap::netns::{Namespace, UserNamespace};

/// What the demo is asked to do.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Bytes sent over TCP.
    pub bytes: u64,
    /// Carry the traffic over in-memory ports even if TAP devices work.
    pub memory: bool,
    /// The output is a terminal which wants colours.
    pub color: bool,
    /// This process is the one inside the user namespace.
    pub inside: bool,
}

/// Runs the demo, writing each step to `out` as it happens.
///
/// # Errors
/// A step failed, with what to look at; under `CI=true` also that TAP devices are refused.
pub fn run(options: Options, out: &mut dyn Write) -> Result<()> {
    let mut screen = Screen { out, color: options.color, start: Instant::now() };
    let reason = if options.memory {
        "asked for".to_owned()
    } else {
        match can_use_taps(options) {
            Ok(Means::Here) => return steps::run(options, &mut screen),
            Ok(Means::InUserNamespace) => return in_user_namespace(options),
            Err(error) => format!("{error:#}"),
        }
    };
    if std::env::var_os("CI").is_some_and(|value| value == "true") && !options.memory {
        bail!("this machine refuses namespaces or TAP devices ({reason}), and under CI=true the demo must use them");
    }
    screen.note(&format!("No TAP devices here ({reason}); a userspace stack takes their place."));
    memory::run(options, &mut screen)
}

enum Means {
    Here,
    InUserNamespace,
}

fn can_use_taps(options: Options) -> Result<Means> {
    if UserNamespace::is_needed() && !options.inside {
        // Found out by trying: the child says by its exit status whether it could.
        return Ok(Means::InUserNamespace);
    }
    let namespace = Namespace::new().context("cannot make a network namespace")?;
    let opened = namespace.run(|| {
        let spec = zt_tap::TapSpec { name: "ztprobe".to_owned(), mac: zt_wire::Mac([2, 0, 0, 0, 0, 1]), mtu: 2800 };
        zt_tap::LinuxTap::open(&spec).map(drop)
    });
    opened.context("cannot enter a network namespace")?.context("cannot open a TAP device")?;
    Ok(Means::Here)
}

/// Starts this program again as root of a user namespace.
fn in_user_namespace(options: Options) -> Result<()> {
    let program = std::env::current_exe().context("cannot find this program")?;
    let mut command = Command::new(program);
    command.arg("demo").arg("--inside").arg("--bytes").arg(options.bytes.to_string());
    UserNamespace::wrap(&mut command);
    // A signal ends the child, which removes what it made, and then this process by the child's status.
    let children = folder::Children::default();
    folder::on_stop(children.clone(), folder::PATIENCE_INSIDE, || {}).context("cannot wait for signals")?;
    let status = match command.spawn() {
        Ok(mut child) => {
            children.add(child.id());
            child.wait().context("cannot wait for the demo inside")?
        }
        Err(error) => {
            tracing::debug!(%error, "no user namespace");
            let mut command = Command::new(std::env::current_exe()?);
            command.arg("demo").arg("--memory").arg("--bytes").arg(options.bytes.to_string());
            if std::env::var_os("CI").is_some_and(|value| value == "true") {
                bail!("user namespaces are refused here ({error}), and under CI=true the demo must use them");
            }
            command.status().context("cannot start this program again")?
        }
    };
    if !status.success() {
        bail!("the demo failed inside its user namespace");
    }
    Ok(())
}

/// Where steps are shown.
pub(crate) struct Screen<'a> {
    out: &'a mut dyn Write,
    color: bool,
    start: Instant,
}

impl Screen<'_> {
    /// Says what is being done now.
    pub(crate) fn step(&mut self, text: &str) {
        let at = self.start.elapsed().as_secs_f64();
        let _ = if self.color {
            writeln!(self.out, "\x1b[2m{at:6.2} s\x1b[0m  \x1b[1m{text}\x1b[0m")
        } else {
            writeln!(self.out, "{at:6.2} s  {text}")
        };
        let _ = self.out.flush();
    }

    /// A detail of the step.
    pub(crate) fn note(&mut self, text: &str) {
        let _ = writeln!(self.out, "          {text}");
        let _ = self.out.flush();
    }

    /// A result.
    pub(crate) fn result(&mut self, name: &str, value: &str) {
        let _ = if self.color {
            writeln!(self.out, "          {name:<12} \x1b[32m{value}\x1b[0m")
        } else {
            writeln!(self.out, "          {name:<12} {value}")
        };
        let _ = self.out.flush();
    }
}

/// Tries until it works or the time is over; the last error is the answer then.
pub(crate) fn eventually<T>(what: &str, patience: Duration, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(error) if Instant::now() >= deadline => {
                return Err(error.context(format!("{what}: not within {} s", patience.as_secs())));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}
