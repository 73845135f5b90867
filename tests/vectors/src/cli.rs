//! `cli.json`: command lines of the three original tools, run by our personalities in a folder of their own, with the
//! daemon's HTTP server answering for a stand-in of the node. Output, error output and exit code are compared.

mod answers;
mod bonds;
mod fixtures;
mod moons;

use std::cell::Cell;
use std::ffi::OsString;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use tokio::net::TcpSocket;
use tokio::sync::watch;
use zt_cli::compat::{cli, idtool, one};
use zt_cli::console::Console;
use zt_cli::daemon::http::{Access, Server, Shared};
use zt_cli::daemon::prepare;
use zt_crypto::SeededEntropy;

use crate::service::Service;
use crate::{Case, Suite, same, text};

/// The suite.
pub(crate) const SUITE: Suite = Suite { file: "cli.json", expected: 266, cases, alter };

/// A moment after everything recorded, for ages of paths.
const CLOCK: i64 = 1_795_500_000_000;

/// The token of the node in these tests.
const TOKEN: &str = "rightrightrightrightrigh";

fn cases(file: &Value) -> Vec<Case> {
    let all = file["cases"].as_array().expect("a list of cases").clone();
    let named = (0..all.len()).map(|number| {
        let name = format!("{number} {}", text(&all[number], "description"));
        let (case, earlier) = (all[number].clone(), all.clone());
        Case::new(name, move || match case["argv"].is_null() {
            // No command line, but what the ones before left in the home.
            true => moons::files(&case, &Run::new(number)?.home()),
            false => Run::new(number)?.execute(&case, &earlier[..number]),
        })
    });
    named.collect()
}

fn alter(file: &mut Value) {
    // The node's values are read back out of the output, its words are not.
    file["cases"][16]["stdout"] = Value::from("200 status fe39e980ad 1.14.1 OFFLINE\n");
}

/// The folders of one case, removed afterwards.
struct Run {
    number: usize,
    root: PathBuf,
    /// A port in use, which stands for the usual one in messages.
    port: Cell<u16>,
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// What a command did.
struct Done {
    code: i32,
    out: String,
    err: String,
}

impl Run {
    fn new(number: usize) -> Result<Self, String> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let unique = format!("zt-cli-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let root = std::env::temp_dir().join(unique);
        let _ = fs::remove_dir_all(&root);
        for folder in ["cwd", "home"] {
            fs::create_dir_all(root.join(folder)).map_err(|e| e.to_string())?;
        }
        Ok(Self { number, root, port: Cell::new(9993) })
    }

    fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    fn execute(&self, case: &Value, earlier: &[Value]) -> Result<(), String> {
        fixtures::write(case, &self.root.join("cwd"), &self.home())?;
        let argv = case["argv"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let argv: Vec<String> = argv.map(|arg| self.place(arg)).collect();
        let asks_node = argv[0] == "zerotier-cli" || argv.iter().any(|arg| arg == "-q");
        let done = if asks_node { self.client(case, earlier, argv)? } else { self.tool(case, argv) };
        self.compare(case, &done)
    }

    /// Real folders for the placeholders.
    fn place(&self, text: &str) -> String {
        let home = self.home().display().to_string();
        text.replace("{HOME}", &home).replace("{CWD}", &self.root.display().to_string())
    }

    /// Placeholders for the real folders.
    fn unplace(&self, text: &str) -> String {
        let home = self.home().display().to_string();
        let text = text.replace(&format!("port {}\n", self.port.get()), "port 9993\n");
        text.replace(&home, "{HOME}").replace(&self.root.display().to_string(), "{CWD}")
    }

    /// The client, against a server of its own unless the recorded one had none.
    fn client(&self, case: &Value, earlier: &[Value], mut argv: Vec<String>) -> Result<Done, String> {
        let state = text(case, "state");
        let service = answers::service(case, earlier)?;
        let without = ["daemon never started", "daemon not running"].contains(&state);
        let server = if without { None } else { Some(Running::start(service)) };
        let closed = ClosedPort::new();
        let port = server.as_ref().map_or(closed.port, |server| server.port);
        if !without {
            fs::write(self.home().join("zerotier-one.port"), port.to_string()).map_err(|e| e.to_string())?;
            fs::write(self.home().join("authtoken.secret"), TOKEN).map_err(|e| e.to_string())?;
        }
        for arg in &mut argv {
            match arg.as_str() {
                "-p9993" => *arg = format!("-p{port}"),
                "-p1" => *arg = format!("-p{}", closed.port),
                _ => {}
            }
        }
        Ok(self.tool(case, argv))
    }

    fn tool(&self, case: &Value, argv: Vec<String>) -> Done {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let by_environment = text(case, "description").contains("ZEROTIER_HOME").then(|| OsString::from(self.home()));
        let env = |name: &str| if name == "ZEROTIER_HOME" { by_environment.clone() } else { None };
        let clock = answers::clock(case);
        let mut entropy = SeededEntropy::new(self.number as u64);
        let mut console = Console {
            input: &mut std::io::empty(),
            out: &mut out,
            err: &mut err,
            folder: self.root.join("cwd"),
            env: &env,
            clock: &move || clock,
            entropy: &mut entropy,
            color: false,
            color_err: false,
            columns: None,
            asks: false,
        };
        let uid = if text(case, "description") == "not root, without -U" { 1000 } else { 0 };
        let code = match argv[0].as_str() {
            "zerotier-idtool" => idtool::run(&argv, &mut console),
            "zerotier-cli" => cli::run(&argv, &mut console),
            _ => self.daemon(case, argv, &mut console, uid),
        };
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Done { code, out: text(out), err: text(err) }
    }

    /// The daemon, up to the moment when its node would start.
    fn daemon(&self, case: &Value, mut argv: Vec<String>, console: &mut Console<'_>, uid: u32) -> i32 {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = taken.local_addr().expect("an address").port();
        // The daemon before would have it on both families.
        let _taken_too = TcpListener::bind(("::1", port));
        if text(case, "description") == "second daemon on a port in use" {
            argv = argv.iter().map(|arg| arg.replace("-p9993", &format!("-p{port}"))).collect();
        }
        self.port.set(port);
        one::run(&argv, console, uid, &mut |options, console| prepare(options, console).map(drop))
    }

    fn compare(&self, case: &Value, done: &Done) -> Result<(), String> {
        let recorded = |name: &str| plain(case[name].as_str().unwrap_or_default());
        let ours = |text: &str| plain(&self.unplace(text));
        if fixtures::is_random(case) {
            return fixtures::compare_random(case, &self.root.join("cwd"), done.code, &done.out, &done.err);
        }
        let aborted = case["exit_code"] == 134;
        if aborted {
            // Deliberate (07 §3): a message and 1 where the original aborts.
            same("exit code", &done.code, &1)?;
            return same("a message", &(done.out.is_empty() && done.err.contains("not valid JSON")), &true);
        }
        same("standard output", &ours(&done.out), &recorded("stdout"))?;
        same("standard error", &ours(&done.err), &recorded("stderr"))?;
        same("exit code", &Some(i64::from(done.code)), &case["exit_code"].as_i64())?;
        self.compare_files(case)
    }

    fn compare_files(&self, case: &Value) -> Result<(), String> {
        for (name, content) in case["file_written"].as_object().into_iter().flatten() {
            let ours = fs::read_to_string(self.root.join("cwd").join(name)).map_err(|e| format!("{name}: {e}"))?;
            // The interfaces are those of another host.
            let title = "Network Interfaces\n------------------\n\n";
            let upto = |text: &str| text.find(title).map(|at| text[..at + title.len()].to_owned());
            same(name, &upto(&self.unplace(&ours)), &upto(content.as_str().unwrap_or_default()))?;
        }
        for (name, content) in case["files"].as_object().into_iter().flatten() {
            let Some(hex) = content["hex"].as_str() else { continue };
            let ours = fs::read(self.root.join("cwd").join(name)).map_err(|e| format!("{name}: {e}"))?;
            crate::equal(name, &ours, &crate::unhex(hex))?;
        }
        self.compare_files_after(case)
    }

    /// Files in the home folder of a daemon that did not start.
    fn compare_files_after(&self, case: &Value) -> Result<(), String> {
        let files = &case["files_after"];
        let names: Vec<String> = match files {
            Value::Array(names) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            Value::Object(files) => files.keys().cloned().collect(),
            _ => return Ok(()),
        };
        // Written by the node itself, which was not started here.
        let by_node = ["metrics.prom", "planet"];
        let wanted: Vec<String> = names.into_iter().filter(|name| !by_node.contains(&name.as_str())).collect();
        let argv = case["argv"].as_array().and_then(|argv| argv.last()?.as_str()).unwrap_or_default();
        let folder = self.place(argv);
        let mut ours = list(Path::new(&folder));
        ours.retain(|name| name != "zt.lock");
        same("files", &ours, &wanted)
    }
}

fn list(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<String> = entries.filter_map(|e| e.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// Help texts without the two notice lines, which are each program's own (07 §1).
fn plain(text: &str) -> String {
    if !text.starts_with("ZeroTier One version") {
        return text.to_owned();
    }
    let lines = text.lines().enumerate().filter(|(i, _)| ![1, 2].contains(i));
    lines.map(|(_, line)| format!("{line}\n")).collect()
}

/// A port on which nothing listens, and nobody else does meanwhile.
struct ClosedPort {
    port: u16,
    _bound: TcpSocket,
}

impl ClosedPort {
    fn new() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        Self { port: socket.local_addr().expect("an address").port(), _bound: socket }
    }
}

/// The daemon's server on a thread of its own.
struct Running {
    port: u16,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    fn start(service: Service) -> Self {
        let (port_sender, port) = std::sync::mpsc::channel();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let access = Access { control_token: TOKEN.to_owned(), ..Access::default() };
                let (_sender, receiver) = watch::channel(access);
                let server = Server::bind(Shared::new(service, receiver), 0).expect("a free port");
                port_sender.send(server.port()).expect("somebody waits for it");
                tokio::select! { () = server.run() => {}, _ = stopped => {} }
            });
        });
        let port = port.recv().expect("the server starts");
        Self { port, stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
