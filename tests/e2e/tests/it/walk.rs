//! The walks of READMEs for two machines, run word for word: each machine a namespace with a shell of its own.

#![expect(clippy::print_stdout, reason = "what the machines print is the record of the walk")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::IpAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use zt_test_e2e::c_host::{CoreLibrary, Example};
use zt_test_e2e::{Host, Lab, Program};

/// Longest time a line of the walk may take.
const PATIENCE: Duration = Duration::from_secs(90);
const DONE: &str = "__line_done__";

/// Fenced blocks of the README with a machine's name, in order.
fn blocks(readme: &str) -> Vec<(String, Vec<String>)> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, Vec<String>)> = None;
    for line in readme.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (Some(_), Some("")) => blocks.extend(open.take()),
            (Some((_, lines)), None) => lines.push(line.to_owned()),
            (None, Some(info)) => {
                if let Some(machine) = info.strip_prefix("sh ") {
                    open = Some((machine.to_owned(), Vec::new()));
                } else if !info.is_empty() {
                    open = Some((String::new(), Vec::new()));
                }
            }
            _ => {}
        }
    }
    blocks.retain(|(machine, _)| !machine.is_empty());
    blocks
}

/// A machine's shell, which keeps its variables from line to line.
struct Shell {
    child: Child,
    lines: Receiver<String>,
}

impl Shell {
    fn start(host: &Host, home: &Path, tools: &Path) -> Self {
        let mut command = Command::new("sh");
        let path = format!("{}:{}", tools.display(), std::env::var("PATH").expect("a PATH"));
        command.env("HOME", home).env("PATH", path).env_remove("ZEROTIER_HOME");
        command.current_dir(home).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        host.namespace().enter_on_spawn(&mut command).expect("a namespace to enter");
        let mut child = command.spawn().expect("sh");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, lines }
    }

    /// Runs one line and returns what it printed; it must succeed.
    fn run(&mut self, line: &str) -> Vec<String> {
        let input = self.child.stdin.as_mut().expect("piped");
        writeln!(input, "{line}\necho {DONE} $?").expect("the shell lives");
        input.flush().expect("the shell lives");
        let mut printed = Vec::new();
        loop {
            let next = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no end of `{line}`: {printed:?}"));
            match next.strip_prefix(DONE) {
                Some(status) => {
                    assert_eq!(status.trim(), "0", "`{line}` failed: {printed:?}");
                    return printed;
                }
                None => printed.push(next),
            }
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // The last background job of the shell is its daemon; it ends by pid, then the shell.
        if let Some(input) = self.child.stdin.as_mut() {
            let _ = writeln!(input, "kill $! 2> /dev/null; wait $!; exit");
        }
        self.child.stdin.take();
        let _ = self.child.wait();
    }
}

/// Stand-ins for `ssh` and `scp` between the two machines, which share a file system here.
fn tools(folder: &Path, zt: &Path, machines: &BTreeMap<IpAddr, (std::path::PathBuf, u32)>) {
    std::fs::create_dir_all(folder).expect("a folder for tools");
    std::os::unix::fs::symlink(zt, folder.join("zt")).expect("a link to zt");
    let mut homes = String::new();
    for (ip, (home, shell)) in machines {
        homes += &format!("  {ip}) home={}; shell={shell} ;;\n", home.display());
    }
    let ssh = format!(
        "#!/bin/sh\nhost=$1; shift\ncase $host in\n{homes}esac\n\
         exec nsenter --net=/proc/$shell/ns/net sh -c \"cd $home && HOME=$home $*\"\n"
    );
    let scp = format!(
        "#!/bin/sh\nhost=${{1%%:*}}; file=${{1#*:}}\ncase $host in\n{homes}esac\nexec cp \"$home/$file\" \"$2\"\n"
    );
    for (name, text) in [("ssh", ssh), ("scp", scp)] {
        use std::os::unix::fs::PermissionsExt;
        let path = folder.join(name);
        std::fs::write(&path, text).expect("a tool");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("a mode");
    }
}

/// Runs the walk of a README; what its last line printed.
fn walk(name: &str, readme: &str, addresses: &[(&str, &str)], programs: &[&Path]) -> Option<Vec<String>> {
    let lab = Lab::new(name).expect("a lab")?;
    let blocks = blocks(readme);
    assert!(blocks.len() >= addresses.len(), "the README holds the walk");
    let Program::Ours(zt) = Program::ours().expect("our program") else { panic!("ours") };
    let tools_folder = lab.folder().join("tools");
    let mut machines = BTreeMap::new();
    let mut shells = BTreeMap::new();
    let mut hosts = Vec::new();
    for (name, address) in addresses {
        let host = lab.host(name, &[&format!("{address}/24")]).expect("a host");
        let home = lab.folder().join(format!("home-{name}"));
        std::fs::create_dir_all(&home).expect("a home");
        for program in programs {
            let link = home.join(program.file_name().expect("a name"));
            std::os::unix::fs::symlink(program, link).expect("a link to a program");
        }
        let shell = Shell::start(&host, &home, &tools_folder);
        machines.insert(address.parse().expect("an address"), (home, shell.child.id()));
        shells.insert(*name, shell);
        hosts.push(host);
    }
    tools(&tools_folder, &zt, &machines);
    let mut last = Vec::new();
    for (machine, lines) in blocks {
        let shell = shells.get_mut(machine.as_str()).unwrap_or_else(|| panic!("machine {machine} of the README"));
        for line in lines {
            println!("{machine}$ {line}");
            last = shell.run(&line);
            for printed in &last {
                println!("{printed}");
            }
        }
    }
    Some(last)
}

#[test]
fn the_readme_walk_works_word_for_word() {
    let addresses = [("server", "192.0.2.1"), ("laptop", "192.0.2.2")];
    let Some(last) = walk("walk", include_str!("../../../../README.md"), &addresses, &[]) else { return };
    assert!(last.iter().any(|line| line.contains("DIRECT")), "the laptop has a direct path: {last:?}");
}

#[test]
fn the_walk_of_the_c_examples_works_word_for_word() {
    let zt1_host = Example::Zt1Host.build(&CoreLibrary::ours().expect("the library")).expect("the example");
    // The README calls it by the name under which it is built there.
    let folder = std::env::temp_dir().join(format!("zt-c-walk-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let program = folder.join("zt1_host");
    std::fs::copy(zt1_host, &program).expect("a copy");
    let addresses = [("one", "192.0.2.1"), ("two", "192.0.2.2")];
    let readme = include_str!("../../../../zt-node/capi/examples/c/README.md");
    let last = walk("c-walk", readme, &addresses, &[&program]);
    std::fs::remove_dir_all(&folder).expect("removed");
    let Some(last) = last else { return };
    assert!(last.iter().any(|line| line.contains(" 0% packet loss")), "every ping is answered: {last:?}");
}
