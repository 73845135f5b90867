//! Members that have no UDP, and a root that listens for TCP.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use serde_json::{Value, json};
use zt_tap::netns::PingOptions;
use zt_wire::{Identity, NetworkId};

use crate::rig::network_settings;
use crate::{Daemon, Host, Lab, Options, Program};

const WAIT: Duration = Duration::from_secs(60);

/// A root and controller at 10.0.0.1 that listens for TCP at 443, and members that are joined as they come.
#[derive(Debug)]
pub struct Scene {
    /// The laboratory.
    pub lab: Lab,
    /// Machine of the root.
    pub root_host: Host,
    /// The root, which is the controller as well.
    pub root: Daemon,
    /// The network.
    pub network: NetworkId,
    planet: Vec<u8>,
    program: Program,
}

/// A member and its machine.
#[derive(Debug)]
pub struct Member {
    /// Its machine.
    pub host: Host,
    /// It.
    pub node: Daemon,
}

impl Scene {
    /// A root with these settings of `tcp`. `None` where the machine has no namespaces.
    ///
    /// # Errors
    /// Something does not start.
    pub fn new(name: &str, tcp: &Value) -> Result<Option<Self>> {
        Self::with_log(name, tcp, "debug")
    }

    /// The same, whose root logs from this level on.
    ///
    /// # Errors
    /// Something does not start.
    pub fn with_log(name: &str, tcp: &Value, log: &'static str) -> Result<Option<Self>> {
        let program = Program::ours()?;
        let Some(lab) = Lab::new(name)? else { return Ok(None) };
        let root_host = lab.host("root", &["10.0.0.1/24"])?;
        let key = lab.identity(1);
        let planet = lab.planet(&[(key.identity(), &["10.0.0.1/9993"])])?;
        let settings = json!({ "settings": { "tcp": tcp } });
        let home = lab.home("root")?.with_identity(&key)?.with_planet(&planet)?.with_local_conf(&settings)?;
        let root =
            root_host.start_with(&program, home, Options { log, drop_in: Options::LOW_PORT, ..Options::default() })?;
        let network = root.create_network(&network_settings())?;
        Ok(Some(Self { lab, root_host, root, network, planet, program }))
    }

    /// Whom the root proves to be.
    #[must_use]
    pub fn root_identity(&self) -> Identity {
        *self.lab.identity(1).identity()
    }

    /// What the root says of its key when it starts.
    ///
    /// # Errors
    /// It says nothing in time.
    pub fn pin(&self) -> Result<String> {
        self.root.wait("pin of the key", WAIT, || {
            let said = self.root.output().into_iter().find_map(|line| {
                let at = line.find("pin=")?;
                Some(line[at..].chars().filter(char::is_ascii_hexdigit).take(64).collect::<String>())
            });
            Ok(said.filter(|pin| pin.len() == 64))
        })
    }

    /// Starts a member with the identity of a seed on a machine, with these settings of `tcp`, and asks for its place in
    /// the network; it need not be online yet.
    ///
    /// # Errors
    /// Something does not start.
    pub fn member(&self, host: Host, seed: u64, tcp: &Value) -> Result<Member> {
        let settings = json!({ "settings": { "tcp": tcp } });
        let home = self.lab.home(host.name())?.with_identity(&self.lab.identity(seed))?;
        let home = home.with_planet(&self.planet)?.with_local_conf(&settings)?;
        let options = Options { log: "debug", ..Options::default() };
        let node = host.start_with(&self.program, home, options)?;
        self.root.authorise(self.network, node.address(), true)?;
        node.join(self.network)?;
        Ok(Member { host, node })
    }

    /// The IPv4 address of a member in the network.
    ///
    /// # Errors
    /// It has none in time.
    pub fn address_of(&self, member: &Member) -> Result<IpAddr> {
        let addresses = member.node.wait_joined(self.network, WAIT)?;
        addresses.iter().map(|cidr| cidr.address()).find(IpAddr::is_ipv4).context("an IPv4 address")
    }

    /// Waits until traffic of a member to the root takes a link of this kind.
    ///
    /// # Errors
    /// Not in time.
    pub fn wait_kind(&self, member: &Member, kind: &str) -> Result<Duration> {
        let start = Instant::now();
        let root = self.root.address();
        member.node.wait(&format!("root over {kind}"), WAIT, || {
            let peer = member.node.peer(root)?;
            let paths = peer.as_ref().and_then(|peer| peer["paths"].as_array().cloned()).unwrap_or_default();
            let used = paths.iter().find(|path| path["preferred"] == true);
            Ok(used.is_some_and(|path| path["link"].as_str().unwrap_or("udp") == kind).then_some(()))
        })?;
        Ok(start.elapsed())
    }
}

/// Pings all the time while something is done; the longest time without an answer.
///
/// # Errors
/// Those of what is done, or no socket.
pub fn longest_silence(host: &Host, target: IpAddr, act: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let (namespace, end) = (host.namespace(), AtomicBool::new(false));
    std::thread::scope(|threads| {
        let pings = threads.spawn(|| {
            let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
            while !end.load(Ordering::Relaxed) {
                let options = PingOptions { timeout: Duration::from_millis(100), ..PingOptions::default() };
                let start = Instant::now();
                if namespace.ping(target, options).is_ok() {
                    longest = longest.max(start.saturating_duration_since(last));
                    last = Instant::now();
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
            longest.max(last.elapsed())
        });
        let done = act();
        end.store(true, Ordering::Relaxed);
        let longest = pings.join().map_err(|_| anyhow!("the pings panicked"))?;
        done.map(|()| longest)
    })
}
