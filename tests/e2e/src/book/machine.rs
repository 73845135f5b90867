//! A machine with a terminal.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::Host;

/// Longest time that a command may take.
const PATIENCE: Duration = Duration::from_secs(60);
const DONE: &str = "__command_done__";

/// Gives a shell folders of its own where a service writes, and `/etc` as it is here, whose changes nobody else sees;
/// anna has an account.
const FOLDERS: &str = "set -e
mount -t tmpfs tmpfs \"$MACHINE\"
mkdir \"$MACHINE/root\" \"$MACHINE/etc\" \"$MACHINE/work\"
mount -t overlay -o \"lowerdir=/etc,upperdir=$MACHINE/etc,workdir=$MACHINE/work\" overlay /etc
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib
mkdir /var/lib/zerotier-one
echo 'anna:x:4242:4242::/nonexistent:/bin/sh' >> /etc/passwd
cd \"$MACHINE/root\"
export HOME=\"$MACHINE/root\"
exec sh";

/// A shell of root on a host of the laboratory, which keeps its variables and its folder from command to command.
#[derive(Debug)]
pub struct Machine {
    host: Host,
    child: Child,
    lines: Receiver<String>,
}

/// What a command did.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub exit: i32,
    /// What it printed, both streams.
    pub output: Vec<String>,
}

impl Machine {
    /// Sits down at a host; `tools` are found before the programs of this computer, and `folder` is the machine's alone.
    ///
    /// # Errors
    /// Of the kernel: no namespace for mounts, no overlay.
    pub fn new(host: Host, folder: &Path, tools: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", FOLDERS]);
        let path = format!("{}:{}", tools.display(), std::env::var("PATH").context("no PATH")?);
        command.env("PATH", path).env("MACHINE", folder).env_remove("ZEROTIER_HOME").env_remove("ZT_LOG");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        host.namespace().enter_on_spawn(&mut command)?;
        let mut child = command.spawn().context("unshare, of util-linux")?;
        let (sender, lines) = channel();
        let output = BufReader::new(child.stdout.take().context("piped")?);
        let errors = BufReader::new(child.stderr.take().context("piped")?);
        let other = sender.clone();
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        std::thread::spawn(move || errors.lines().map_while(Result::ok).try_for_each(|line| other.send(line)));
        Ok(Self { host, child, lines })
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// It has none, or the shell ended.
    pub fn run(&mut self, command: &str) -> Result<Answer> {
        let input = self.child.stdin.as_mut().context("piped")?;
        writeln!(input, "{{\n{command}\n}} < /dev/null 2>&1\nprintf '\\n{DONE} %s\\n' $?")
            .context("the shell ended")?;
        let mut output: Vec<String> = Vec::new();
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                bail!("no end of `{command}`:\n{}", output.join("\n"));
            };
            match line.strip_prefix(DONE) {
                Some(status) => {
                    // Of the line end before the mark.
                    output.pop_if(|last| last.is_empty());
                    return Ok(Answer { exit: status.trim().parse()?, output });
                }
                None => output.push(line),
            }
        }
    }

    /// As [`Machine::run`]; what it printed.
    ///
    /// # Errors
    /// It fails.
    pub fn ok(&mut self, command: &str) -> Result<String> {
        let answer = self.run(command)?;
        let output = answer.output.join("\n");
        if answer.exit != 0 {
            bail!("`{command}` ended with {}:\n{output}", answer.exit);
        }
        Ok(output)
    }

    /// Starts a command that does not end, and waits until it says something.
    ///
    /// # Errors
    /// It ends.
    pub fn begin(&mut self, command: &str) -> Result<()> {
        self.write("goes-on.sh", command)?;
        self.ok("rm -f goes-on.log; setsid sh goes-on.sh > goes-on.log 2>&1 &")?;
        self.ok("until [ -s goes-on.log ]; do kill -0 $! || break; sleep 0.02; done")?;
        self.ok("kill -0 $! || { cat goes-on.log; false; }").map(drop)
    }

    /// Ends the command that was begun last.
    ///
    /// # Errors
    /// It has ended by itself.
    pub fn end(&mut self) -> Result<()> {
        self.ok("kill -- -$! && { wait $! || :; }").map(drop)
    }

    /// Takes a copy of the files beside a page, texts for people left out, unless it has them.
    ///
    /// # Errors
    /// Of the file system.
    pub fn take(&mut self, folder: &Path) -> Result<()> {
        for entry in fs::read_dir(folder)?.flatten() {
            let path = entry.path();
            if path.is_file() && path.extension().is_some_and(|end| end == "rules" || end == "cases") {
                let name = entry.file_name();
                self.ok(&format!("[ -e '{}' ] || cp '{}' .", name.display(), path.display()))?;
            }
        }
        Ok(())
    }

    /// Has a web server on port 80 with one page.
    ///
    /// # Errors
    /// The port is taken.
    pub fn serve(&self) -> Result<()> {
        let listener = self.host.namespace().run(|| TcpListener::bind("0.0.0.0:80"))??;
        std::thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                let mut room = [0; 4096];
                let _ = client.read(&mut room);
                let _ = client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n");
            }
        });
        Ok(())
    }

    /// Writes a file.
    ///
    /// # Errors
    /// Of the file system.
    pub fn write(&mut self, name: &str, text: &str) -> Result<()> {
        self.ok(&format!("cat > {name} <<'END_OF_FILE'\n{text}\nEND_OF_FILE")).map(drop)
    }

    /// Number of its shell.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Machine {
    /// Ends what runs in the network namespace of the host: nobody else can be there.
    fn drop(&mut self) {
        let here = fs::read_link(format!("/proc/{}/ns/net", self.id()));
        let inside = |process: &PathBuf| {
            fs::read_link(process.join("ns/net")).is_ok_and(|net| here.as_ref().is_ok_and(|here| *here == net))
        };
        // A thread of this process may be there for a moment, by a look at the host's devices; it has the number of us.
        let me = std::process::id();
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
        for process in processes.filter(inside) {
            let number = process.file_name().and_then(|name| name.to_str()?.parse::<i32>().ok());
            let number = number.filter(|&number| u32::try_from(number) != Ok(me));
            if let Some(process) = number.and_then(rustix::process::Pid::from_raw) {
                let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
