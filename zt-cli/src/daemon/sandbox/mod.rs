//! What the daemon gives up before it listens to anybody: rights, system calls and files that a node never needs. The TCP relay
//! gives up what a node has besides.
//!
//! It is entered once, while the process has one thread, so that every later thread and every program that the daemon starts
//! (resolvconf) is inside. What the kernel does not have is left out and told: a node on an old kernel is no worse than before.

mod capabilities;
mod files;
mod system_calls;
mod user;

use std::path::PathBuf;

use crate::api;

pub use user::{UserError, become_user};

/// Whether the daemon locks itself in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Sandbox {
    /// With all that the kernel has.
    #[default]
    On,
    /// Not at all: for looking at a fault with a debugger, or where it stands in the way.
    Off,
}

/// What a program needs of the host beyond what every one that talks to others does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// It is a node: it makes devices and routes, sends raw frames and changes what a resolver asks for.
    pub node: bool,
    /// Files and folders that it reads.
    pub read: Vec<PathBuf>,
    /// Files and folders that it changes; the first of a node is the home folder.
    pub write: Vec<PathBuf>,
    /// It listens at a port below 1024.
    pub low_port: bool,
}

/// Enters the sandbox, or does not, and tells what is in force then.
pub fn enter(choice: Sandbox, needs: &Needs) -> api::Sandbox {
    let mut report = api::Sandbox { user: user::name(), ..api::Sandbox::default() };
    if choice == Sandbox::On {
        // The order matters: what comes later could be forbidden by what comes first.
        told("the capabilities", capabilities::drop_unneeded(needs));
        match rustix::thread::set_no_new_privs(true) {
            Ok(()) => report.no_new_privileges = true,
            Err(error) => told("no_new_privs", Err(error.to_string())),
        }
        report.files = files::restrict(needs).unwrap_or_else(|reason| {
            told("the files", Err(reason));
            api::Confined::Off
        });
        report.system_calls = match system_calls::restrict() {
            Ok(()) => api::Confined::On,
            Err(reason) => {
                told("the system calls", Err(reason));
                api::Confined::Off
            }
        };
    }
    report.capabilities = capabilities::held();
    report
}

fn told(what: &str, result: Result<(), String>) {
    if let Err(reason) = result {
        tracing::warn!("{what} stay as they are: {reason}");
    }
}

#[cfg(test)]
mod tests;
