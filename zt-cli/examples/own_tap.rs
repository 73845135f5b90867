//! The whole daemon inside a program, on ports of the program's own: HTTP interface, home folder, `local.conf`, controller and
//! command line are those of `zt service`.
//!
//! ```sh
//! cargo run -p zt-cli --example own_tap
//! ```
//!
//! The port here prints nothing and sends nothing: it notes what the node does with it. `userspace_stack` puts a TCP/IP
//! stack behind such a port.

#![expect(clippy::print_stdout, reason = "a program for people")]

use anyhow::{Context as _, Result, anyhow, ensure};
use serde_json::{Value, json};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use zt_cli::client::Client;
use zt_cli::daemon::home::Home;
use zt_cli::daemon::{Daemon, DaemonOptions, Surroundings};
use zt_crypto::{KeyPair, SecretIdentity, sign_world};
use zt_node::OsEntropy;
use zt_tap::{Tap, TapFactory, TapInfo, TapSpec};
use zt_wire::{Emit as _, FrameBatch, InetAddress, Root, Signature, World, WorldKind};

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(30);

// ---- The port ------------------------------------------------------------------------------------------------------

/// What the node did with the ports of this program.
#[derive(Clone, Default)]
struct Noted(Arc<(Mutex<Notes>, Condvar)>);

#[derive(Default)]
struct Notes {
    opened: Vec<String>,
    mtus: Vec<u16>,
}

impl Noted {
    fn note(&self, change: impl FnOnce(&mut Notes)) {
        change(&mut self.0.0.lock().unwrap_or_else(PoisonError::into_inner));
        self.0.1.notify_all();
    }

    /// Waits until the notes say something.
    fn wait<T>(&self, what: &str, mut found: impl FnMut(&Notes) -> Option<T>) -> Result<T> {
        let notes = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (notes, _) = self
            .0
            .1
            .wait_timeout_while(notes, PATIENCE, |notes| found(notes).is_none())
            .unwrap_or_else(PoisonError::into_inner);
        found(&notes).with_context(|| format!("{what}: not in time"))
    }
}

struct OwnTap {
    info: TapInfo,
    noted: Noted,
}

impl Tap for OwnTap {
    fn info(&self) -> &TapInfo {
        &self.info
    }

    fn poll_recv(&mut self, _cx: &mut Context<'_>, _batch: &mut FrameBatch) -> Poll<io::Result<usize>> {
        // The program behind this port never sends. One that does wakes the task when there are frames.
        Poll::Pending
    }

    fn poll_send(&mut self, _cx: &mut Context<'_>, batch: &FrameBatch) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(batch.len()))
    }

    fn set_mtu(&mut self, mtu: u16) -> io::Result<()> {
        self.info.mtu = mtu;
        self.noted.note(|notes| notes.mtus.push(mtu));
        Ok(())
    }
}

impl TapFactory for Noted {
    fn open(&self, spec: &TapSpec) -> io::Result<Box<dyn Tap>> {
        self.note(|notes| notes.opened.push(spec.name.clone()));
        Ok(Box::new(OwnTap { info: spec.clone().into(), noted: self.clone() }))
    }
}

// ---- The program ---------------------------------------------------------------------------------------------------

fn main() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("zt-own-tap-{}", std::process::id()));
    let result = run(&folder);
    let _ = std::fs::remove_dir_all(&folder);
    result
}

fn run(folder: &Path) -> Result<()> {
    prepare(folder)?;
    let noted = Noted::default();
    let taps = noted.clone();
    let options = DaemonOptions::embedded(Home::at(folder));
    let daemon = Daemon::new(options).on(move |_| Ok(Surroundings::with_taps(Box::new(taps.clone()))));
    let stop = daemon.stop();
    let thread = std::thread::spawn(move || daemon.run());
    let result = use_it(folder, &noted);
    stop.now();
    thread.join().map_err(|_| anyhow!("the daemon panicked"))??;
    result
}

/// A home with an identity that is also the root, so that the example speaks to nobody else.
fn prepare(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let identity = SecretIdentity::generate(&mut OsEntropy);
    std::fs::write(folder.join("identity.secret"), identity.to_text().as_bytes())?;
    let key = KeyPair::generate(&mut OsEntropy);
    let endpoint = InetAddress::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 9)));
    let roots = vec![Root { identity: *identity.identity(), endpoints: vec![endpoint] }];
    let (update_key, signature) = (*key.public_key(), Signature([0; 96]));
    let mut world = World { kind: WorldKind::Planet, id: 1, timestamp: 1, update_key, signature, roots };
    sign_world(&mut world, &key);
    std::fs::write(folder.join("planet"), world.to_vec())?;
    let settings = json!({"settings": {"bind": ["127.0.0.1"], "portMappingEnabled": false}});
    Ok(std::fs::write(folder.join("local.conf"), settings.to_string())?)
}

/// What any client of the HTTP interface does.
fn use_it(folder: &Path, noted: &Noted) -> Result<()> {
    let client = client(folder)?;
    let node = ask(&client, "/status", None)?;
    let address = node["address"].as_str().context("an address")?;
    let network = ask(&client, &format!("/controller/network/{address}______"), Some(json!({ "private": false })))?;
    let id = network["id"].as_str().context("a network")?;
    ask(&client, &format!("/network/{id}"), Some(json!({})))?;
    let name = noted.wait("a port for the network", |notes| notes.opened.first().cloned())?;
    println!("the node opened {name} for {id}");
    let shown = ask(&client, &format!("/network/{id}"), None)?;
    ensure!(shown["portDeviceName"] == name.as_str(), "{shown}");
    ask(&client, &format!("/controller/network/{id}"), Some(json!({ "mtu": 1400 })))?;
    let mtu = noted.wait("the network's new MTU", |notes| notes.mtus.last().copied())?;
    println!("and told it that the MTU of the network is {mtu} now");
    ensure!(mtu == 1400, "{mtu}");
    Ok(())
}

/// A client of the daemon, once it answers.
fn client(folder: &Path) -> Result<Client> {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).map(|text| text.trim().to_owned());
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let (Ok(port), Ok(token)) = (read("zerotier-one.port"), read("authtoken.secret"))
            && let Ok(port) = port.parse()
        {
            let client = Client::new("127.0.0.1", port, token);
            if client.get("/status").status == 200 {
                return Ok(client);
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(anyhow!("the daemon does not answer"))
}

fn ask(client: &Client, path: &str, body: Option<Value>) -> Result<Value> {
    let answer = match body {
        Some(body) => client.post(path, &body.to_string()),
        None => client.get(path),
    };
    ensure!(answer.status == 200, "{path}: {} {}", answer.status, answer.body);
    Ok(serde_json::from_str(&answer.body)?)
}

#[test]
fn the_daemon_opens_ports_of_the_program_and_tells_them_the_networks_mtu() {
    main().expect("a daemon on own ports");
}
