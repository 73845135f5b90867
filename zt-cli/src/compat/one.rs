//! `zerotier-one`: its arguments, messages and exit codes (06 §1.2, 07 §1).

use std::path::Path;
use std::process::Command;

use super::{Personality, banner, cli, idtool, leading_number};
use crate::console::Console;
use crate::daemon::home::Home;
use crate::daemon::{DaemonError, DaemonOptions};
use crate::{COMPATIBLE_VERSION, DEFAULT_PORT, complain, say};

/// Starts a node and returns when it has ended.
pub type Start<'a> = &'a mut dyn FnMut(&DaemonOptions, &mut Console<'_>) -> Result<(), DaemonError>;

/// What the arguments ask for.
#[derive(Debug, PartialEq, Eq)]
enum Parsed {
    Run { home: Option<String>, port: u16, unprivileged: bool, background: bool },
    Version,
    Help(i32),
    Idtool(Vec<String>),
    Cli,
}

/// Runs the daemon or what its switches select; `args[0]` is the name under which it was called, `uid` the effective
/// user. Returns the exit code.
pub fn run(args: &[String], console: &mut Console<'_>, uid: u32, start: Start<'_>) -> i32 {
    let program = &args[0];
    match parse(args) {
        Parsed::Version => {
            say!(console, "{COMPATIBLE_VERSION}\n");
            0
        }
        Parsed::Help(code) => {
            say!(console, "{}", help(program));
            code
        }
        Parsed::Idtool(args) => idtool::run(&args, console),
        Parsed::Cli => cli::run(args, console),
        Parsed::Run { home, port, unprivileged, background } => {
            let home = match Home::resolve(home.as_deref().map(Path::new), console.env) {
                Ok(home) => home,
                Err(error) => {
                    complain!(console, "{program}: {error}\n");
                    return 1;
                }
            };
            let shown = home.path().display().to_string();
            let home = Home::at(console.file(home.path()));
            if let Err(error) = home.create() {
                complain!(console, "{program}: {error}\n");
                return 1;
            }
            if home.file("controller.db").exists() {
                let text = "see instructions in controller/README.md for how to migrate!";
                complain!(console, "{program}: FATAL: an old controller.db exists in {shown} -- {text}\n");
                return 1;
            }
            if !unprivileged && uid != 0 {
                complain!(console, "{program}: must be run as root (uid 0)\n");
                return 1;
            }
            if background {
                return respawn(args, console);
            }
            let options = DaemonOptions { port, quiet: true, ..DaemonOptions::at(home) };
            match start(&options, console) {
                Ok(()) => 0,
                // This one stands without the program's name in the original (06 §3).
                Err(DaemonError::LocalConf(error)) if error.to_string().starts_with("ERROR") => {
                    complain!(console, "{error}\n");
                    1
                }
                Err(error) => {
                    complain!(console, "{program}: fatal error: {error}\n");
                    1
                }
            }
        }
    }
}

/// The help text.
pub fn help(argv0: &str) -> String {
    format!(
        "{}Usage: {argv0} [-switches] [home directory]

Available switches:
  -h                - Display this help
  -v                - Show version
  -U                - Skip privilege check and do not attempt to drop privileges
  -p<port>          - Port for UDP and TCP/HTTP (default: 9993, 0 for random)
  -d                - Fork and run as daemon (Unix-ish OSes)
  -i                - Generate and manage identities (zerotier-idtool)
  -q                - Query API (zerotier-cli)
",
        banner("")
    )
}

fn parse(args: &[String]) -> Parsed {
    let (mut home, mut port, mut unprivileged, mut background) = (None, DEFAULT_PORT, false, false);
    for (i, arg) in args.iter().enumerate().skip(1).filter(|(_, arg)| !arg.is_empty()) {
        let Some(switch) = arg.strip_prefix('-') else {
            if home.replace(arg.clone()).is_some() {
                return Parsed::Help(0);
            }
            continue;
        };
        let mut letters = switch.chars();
        let letter = letters.next();
        let value = letters.as_str();
        match letter {
            Some('v') => return Parsed::Version,
            Some('U') => unprivileged = true,
            Some('d') => background = true,
            Some('p') => match u16::try_from(leading_number(value)) {
                Ok(number) => port = number,
                Err(_) => return Parsed::Help(1),
            },
            Some('i') if value.is_empty() => return Parsed::Idtool(args[i..].to_vec()),
            Some('q') if value.is_empty() => return Parsed::Cli,
            _ => return Parsed::Help(0),
        }
    }
    Parsed::Run { home, port, unprivileged, background }
}

/// Runs the same command line without `-d` in a process of its own, and ends this one with success.
fn respawn(args: &[String], console: &mut Console<'_>) -> i32 {
    let rest = args[1..].iter().filter(|arg| !arg.starts_with("-d"));
    let program = std::env::current_exe().unwrap_or_else(|_| args[0].clone().into());
    let child = Command::new(program).arg(Personality::One.word()).args(rest).current_dir(&console.folder).spawn();
    match child {
        Ok(_) => 0,
        Err(_) => {
            complain!(console, "{}: could not fork\n", args[0]);
            1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &str) -> Parsed {
        parse(&std::iter::once("zerotier-one").chain(args.split(' ')).map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn switches_are_read_like_in_the_original() {
        let run = |home: Option<&str>, port, unprivileged, background| Parsed::Run {
            home: home.map(str::to_owned),
            port,
            unprivileged,
            background,
        };
        assert_eq!(parsed(""), run(None, 9993, false, false));
        assert_eq!(parsed("-U -p9994 /tmp/h"), run(Some("/tmp/h"), 9994, true, false));
        assert_eq!(parsed("-Ux -dx -p"), run(None, 0, true, true));
        assert_eq!(parsed("-p-1"), Parsed::Help(1));
        assert_eq!(parsed("a b"), Parsed::Help(0));
        assert_eq!(parsed("-U -i sign"), Parsed::Idtool(vec!["-i".into(), "sign".into()]));
        assert_eq!(parsed("-q info"), Parsed::Cli);
    }
}
