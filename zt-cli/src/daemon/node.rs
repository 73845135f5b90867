//! The node behind the interface: started from a prepared home, served until a signal asks it to stop.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinError;
use tokio::time::MissedTickBehavior;
use zt_crypto::Entropy as _;
use zt_netconf::Settings;
use zt_node::driver::{Control, Ethernet, EthernetHandle, StateKey, TcpRelay, TcpRelayHandle, create_folder};
use zt_node::{Driver, FileState, Handle, NodeConfig, StateStore as _};
use zt_peer::{PhysicalPrefix, VirtualPeer};
use zt_wire::{IpPrefix, NetworkId, Parse as _, Reader, World};

use super::backend::{NodeBackend, Ports};
use super::home::Home;
use super::http::{Access, LocalSocket, Server, Shared};
use super::local_conf::{LocalConf, LocalConfError, Watch};
use super::notify::{self, Manager};
use super::port_mapping::{PortMapper, Wish};
use super::prepare::heed_log;
use super::proxy::{Requested, Ways};
use super::signals::StopSignals;
use super::store::Store;
use super::surroundings::{Make, Start, Stop, Surroundings};
use super::tunnel::{Keeper, Tunnels};
use super::{DaemonError, Prepared, logs, metrics_file};
use crate::api;
use crate::userspace;
use zt_node::OsEntropy;

/// How often `local.conf` is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// In which of these rounds it is said what the log left out.
const TELL: u64 = 10;

/// Somebody who changed `local.conf` and waits until the node has taken it up.
pub(super) type Asked = oneshot::Sender<Result<(), LocalConfError>>;

/// What changes links that settings are about.
type LinkHandles = (TcpRelayHandle, EthernetHandle);

/// Why a node ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// A signal.
    Asked,
    /// A root says that its address belongs to another identity.
    Collision,
}

/// What a node stands on, and what stops it.
pub(super) struct Ground<'a> {
    pub(super) make: &'a Make,
    pub(super) stop: &'a Stop,
    /// Stacks of this process in place of what `make` makes.
    pub(super) userspace: Option<&'a Requested>,
}

/// What a node runs in, and the signals that stop it: one that comes before the node runs is not lost.
pub(super) fn runtime() -> io::Result<(Runtime, StopSignals)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let signals = {
        let _inside = runtime.enter();
        StopSignals::new()?
    };
    Ok((runtime, signals))
}

/// Runs the node of a prepared home until a signal asks it to stop, or it needs another identity.
pub(super) async fn serve(
    prepared: Prepared,
    ground: &Ground<'_>,
    sandbox: &api::Sandbox,
    (manager, mut signals): (Option<(&Manager, Duration)>, StopSignals),
) -> Result<End, DaemonError> {
    let Prepared { home, lock, identity, control_token, metrics_token, local_conf, watch, port, sockets, .. } =
        prepared;
    let tunnels = Tunnels::new(prepared.proxies);
    let ports = udp_ports(port, &local_conf);
    let address = identity.identity().address;
    let (relay_source, relay) = TcpRelay::new(local_conf.settings.tcp_relay());
    let nets = ground.userspace.map(|_| userspace::Ports::new());
    let around = match &nets {
        Some(nets) => Surroundings::of_userspace(nets),
        None => (ground.make)(&Start { address, local_conf: &local_conf })?,
    };
    let mut config = node_config(&home, identity, &local_conf, &ports, around)?;
    config.links.push(Box::new(relay_source));
    let (ethernet_source, ethernet) = Ethernet::new(address, local_conf.settings.ethernet.clone());
    config.links.push(Box::new(ethernet_source));
    config.links.push(Box::new(tunnels.source()));
    let mut keeper = Keeper::new(tunnels.clone(), home.clone(), address, prepared.listen_tcp);
    tunnels.bind(&keeper.settings(&local_conf.settings.tcp)).map_err(|(at, error)| {
        DaemonError::Node(format!("cannot listen for TCP at {at} (--listen-tcp, settings.tcp.listen): {error}"))
    })?;
    let (driver, handle) = Driver::new(config).map_err(|error| node_error(error.kind(), &error))?;
    let sockets = sockets.iter().filter_map(|path| local_socket(path)).collect();
    let access = |conf: &LocalConf| Access {
        control_token: control_token.clone(),
        metrics_token: metrics_token.clone(),
        allow_from: conf.settings.allow_management_from.clone(),
        read_token: read_token(&home),
        allow_hosts: conf.settings.allow_hosts.clone(),
        jsonp: conf.settings.allow_jsonp,
        apps: conf.settings.enable_web_server.then(|| app_folder(&home)),
    };
    let (access_sender, access_receiver) = watch::channel(access(&local_conf));
    let (wish_sender, wish_receiver) = watch::channel(mapping_wish(&ports, &local_conf));
    let mut mapper = PortMapper::new(handle.clone(), wish_receiver, format!("zt {address}"));
    let shown = shown_ports(&ports, &local_conf);
    let (conf, links, mapping) = (local_conf.clone(), (relay.clone(), ethernet.clone()), mapper.shown());
    let wanted =
        |conf: &LocalConf| ground.userspace.map(|asked| asked.over(&conf.settings.userspace)).unwrap_or_default();
    let (ways_sender, ways_receiver) = watch::channel(wanted(&local_conf));
    let (ways, ways_shown) = nets.map(|nets| Ways::new(nets, handle.clone(), ways_receiver)).unzip();
    let (taker, asked) = mpsc::channel(1);
    let backend = NodeBackend::new(handle.clone(), home.clone(), conf, shown, links, mapping, tunnels.counts().clone())
        .told_to(taker)
        .confined(sandbox.clone())
        .with_ways(ways_shown);
    let conf = backend.local_conf();
    let shared = Shared::new(backend, access_receiver);
    let server = Server::bind(shared.clone(), port)?.with_local(sockets);
    tracing::info!(version = crate::VERSION, %address, port, udp = ?ports, home = %home.path().display(), "node started");
    let settings = {
        let (handle, ports, links) = (handle.clone(), ports.clone(), (relay, ethernet));
        let home = &home;
        async move {
            apply(&handle, &local_conf, &ports, &links).await;
            tell_planets(&handle).await;
            keeper.tend(&handle, &local_conf.settings.tcp).await;
            let look = || {
                let token = read_token(home);
                access_sender.send_if_modified(|access| {
                    let differs = access.read_token != token;
                    access.read_token = token;
                    differs
                });
            };
            let change = |conf: &LocalConf| {
                let _ = access_sender.send(access(conf));
                let _ = wish_sender.send(mapping_wish(&ports, conf));
                let _ = ways_sender.send(wanted(conf));
            };
            let mut follower = Follower { watch, handle: &handle, ports: &ports, links: &links, shared: &conf, keeper };
            follower.follow(asked, (look, change)).await;
        }
    };
    let told = async {
        match manager {
            Some((manager, ready_after)) => notify::follow(manager, &handle, ready_after).await,
            None => std::future::pending().await,
        }
    };
    let ways = async {
        match ways {
            Some(ways) => ways.run().await,
            None => std::future::pending().await,
        }
    };
    // A task of its own: what else the daemon waits for is not looked at with each packet.
    let mut run = tokio::spawn(driver.run());
    let end = tokio::select! {
        ended = &mut run => {
            come_to_its_end(ended);
            return Err(DaemonError::Node("the node ended by itself".to_owned()));
        }
        () = server.run() => return Err(DaemonError::Node("the http interface ended by itself".to_owned())),
        () = settings => return Err(DaemonError::Node("local.conf is not followed any more".to_owned())),
        () = mapper.run() => return Err(DaemonError::Node("the mapped port is not kept any more".to_owned())),
        () = told => return Err(DaemonError::Node("the service manager is not told any more".to_owned())),
        () = metrics_file::keep(&home, &shared) => return Err(DaemonError::Node("metrics.prom is not kept any more".to_owned())),
        () = ways => return Err(DaemonError::Node("the proxies ended by themselves".to_owned())),
        () = ground.stop.wait() => End::Asked,
        signal = signals.wait() => {
            tracing::info!(signal, "stopping");
            End::Asked
        }
        () = handle.identity_collision() => {
            tracing::error!("starting again with a new identity; the old one is in identity.secret.saved_after_collision");
            End::Collision
        }
    };
    notify::stopping(manager.map(|(manager, _)| manager));
    tokio::select! {
        ended = &mut run => come_to_its_end(ended),
        () = async { mapper.withdraw().await; handle.stop().await; std::future::pending::<()>().await } => {}
    }
    let _ = home.remove("zerotier-one.pid");
    drop(lock);
    Ok(end)
}

/// The read-only token, empty if there is none.
fn read_token(home: &Home) -> String {
    let token = home.read_token(&mut OsEntropy);
    token.inspect_err(|error| tracing::debug!(%error, "no read-only token")).ok().flatten().unwrap_or_default()
}

/// A socket in the file system; without one, tokens are needed as ever.
fn local_socket(path: &Path) -> Option<LocalSocket> {
    let bound = LocalSocket::bind(path);
    bound
        .inspect_err(|error| tracing::warn!(%error, socket = %path.display(), "no socket for commands without a token"))
        .ok()
}

/// The folder of web apps, made if it is missing (06 §4.14).
fn app_folder(home: &Home) -> PathBuf {
    let folder = home.file("app");
    if let Err(error) = create_folder(&folder) {
        tracing::warn!(%error, folder = %folder.display(), "settings.enableWebServer: the folder cannot be made");
    }
    folder
}

/// A panic in the node's task goes on in this one.
fn come_to_its_end(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && let Ok(panic) = error.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
}

pub(super) fn node_error(kind: io::ErrorKind, error: &dyn std::fmt::Display) -> DaemonError {
    DaemonError::Node(match kind {
        io::ErrorKind::PermissionDenied => {
            format!("{error}; run as root or with the capabilities NET_ADMIN and NET_RAW")
        }
        io::ErrorKind::AddrInUse => format!("{error}; another program uses the port, choose another with -p"),
        _ => error.to_string(),
    })
}

/// The primary port, and a secondary one unless that is switched off (06 §5.3).
fn udp_ports(primary: u16, conf: &LocalConf) -> Vec<u16> {
    let settings = &conf.settings;
    let mut ports = vec![primary];
    if settings.allow_secondary_port {
        let secondary = match settings.secondary_port {
            0 => 20_000 + u16::try_from(OsEntropy.below(45_500)).unwrap_or(0),
            port => port,
        };
        if secondary != primary {
            ports.push(secondary);
        }
    }
    ports.extend(tertiary(conf).filter(|port| !ports.contains(port)));
    ports
}

/// The third port, which is mapped in place of the primary one.
fn tertiary(conf: &LocalConf) -> Option<u16> {
    let settings = &conf.settings;
    Some(settings.tertiary_port).filter(|port| settings.port_mapping_enabled && *port != 0)
}

fn mapping_wish(ports: &[u16], conf: &LocalConf) -> Wish {
    let port = tertiary(conf).or(ports.first().copied()).unwrap_or(0);
    Wish { enabled: conf.settings.port_mapping_enabled, port }
}

fn shown_ports(ports: &[u16], conf: &LocalConf) -> Ports {
    let tertiary = tertiary(conf);
    let secondary = ports.get(1).copied().filter(|port| Some(*port) != tertiary);
    Ports {
        primary: ports.first().copied().unwrap_or(0),
        secondary: secondary.unwrap_or(0),
        tertiary: tertiary.unwrap_or(0),
    }
}

fn node_config(
    home: &Home,
    identity: zt_crypto::SecretIdentity,
    conf: &LocalConf,
    ports: &[u16],
    around: Surroundings,
) -> Result<NodeConfig, DaemonError> {
    let mut config = NodeConfig::new(identity, around.taps);
    let state = FileState::new(home.path());
    config.planets = built_in_planets(&state)?;
    config.state = Box::new(state);
    config.ports = if conf.settings.force_tcp_relay { Vec::new() } else { ports.to_vec() };
    config.bind = conf.settings.bind.clone();
    config.udp_offloads = conf.settings.udp_offload;
    config.aes = conf.settings.aes;
    config.interface_blacklist = conf.settings.interface_prefix_blacklist.clone();
    (config.host, config.dns, config.interfaces) = (around.host, around.dns, around.interfaces);
    config.device_names = device_map(home)?;
    let folder = controller_folder(conf).unwrap_or_else(|| home.file("controller.d"));
    let (store, imported) = Store::open(home.path(), &folder).map_err(|error| DaemonError::Node(error.to_string()))?;
    if let Some(imported) = imported {
        let (networks, members) = imported.counts();
        tracing::info!(networks, members, folder = %folder.display(), "controller data of ZeroTier One imported");
        for file in &imported.skipped {
            tracing::warn!(file = %file.display(), "not imported: not a network or member object");
        }
    }
    config.controller = Some(Box::new(store));
    Ok(config)
}

/// Where ZeroTier One kept its controller's data, if `local.conf` says.
pub(super) fn controller_folder(conf: &LocalConf) -> Option<PathBuf> {
    let path = conf.raw.get("settings")?.get("controllerDbPath")?.as_str()?;
    (!path.starts_with("postgres:")).then(|| PathBuf::from(path))
}

/// The public planet when the home names no planet of its own. A damaged planet is no reason to talk to strangers.
fn built_in_planets(state: &FileState) -> Result<Vec<World>, DaemonError> {
    let keys = state.keys().map_err(|error| DaemonError::Node(format!("cannot read the home folder: {error}")))?;
    let own: Vec<StateKey> =
        keys.into_iter().filter(|key| matches!(key, StateKey::Planet | StateKey::ExtraPlanet(_))).collect();
    let is_whole = |key: &StateKey| {
        let bytes = state.load(*key).ok().flatten().unwrap_or_default();
        World::parse(&mut Reader::new(&bytes)).is_ok_and(|world| zt_crypto::verify_world(&world, &world.update_key))
    };
    for key in own.iter().filter(|key| !is_whole(key)) {
        tracing::error!(
            ?key,
            "the planet is damaged and not used; put a copy of the file back (or remove it, which selects the public \
             planet) and start again"
        );
    }
    if !own.is_empty() {
        return Ok(Vec::new());
    }
    Ok(vec![World::parse(&mut Reader::new(zt_node::PUBLIC_PLANET)).expect("the built-in planet is tested")])
}

/// Device names of `devicemap` (06 §8.1). A line that is none is named in the log.
fn device_map(home: &Home) -> Result<BTreeMap<NetworkId, String>, DaemonError> {
    let text = home.read("devicemap")?.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut names = BTreeMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let pair = line.split_once('=').and_then(|(id, name)| Some((id.trim().parse().ok()?, name.trim())));
        match pair.filter(|(_, name)| !name.is_empty()) {
            Some((id, name)) => drop(names.insert(id, name.to_owned())),
            None => tracing::warn!(line, "devicemap: ignored; write a network ID of 16 digits, =, and a device name"),
        }
    }
    Ok(names)
}

/// Says whose roots are used.
async fn tell_planets(handle: &Handle) {
    for planet in handle.engine(|engine, _| engine.planets()).await.unwrap_or_default() {
        let id = format_args!("{:016x}", planet.id).to_string();
        tracing::info!(id, roots = planet.roots.len(), "planet in use");
    }
}

/// Hands the settings that work without a restart to the node.
async fn apply(handle: &Handle, conf: &LocalConf, ports: &[u16], links: &LinkHandles) {
    let physical: Vec<PhysicalPrefix> = conf
        .physical
        .iter()
        .map(|entry| PhysicalPrefix {
            prefix: entry.prefix,
            trusted_path_id: entry.trusted_path_id,
            mtu: entry.mtu,
            blacklist: entry.blacklist,
        })
        .collect();
    let blocks: Vec<IpPrefix> = conf
        .physical
        .iter()
        .filter(|entry| entry.blacklist && entry.prefix.bits() > 0)
        .map(|entry| entry.prefix)
        .collect();
    let peers: Vec<VirtualPeer> = conf
        .peers
        .iter()
        .map(|(address, entry)| VirtualPeer {
            address: *address,
            attempt: entry.try_addresses.clone(),
            blacklist: entry.blacklist.clone(),
        })
        .collect();
    let settings = conf.settings.clone();
    let bonding = conf.bonding.clone();
    let ports = ports_after(ports, conf);
    let (relay, ethernet) = links.clone();
    let change = move |control: &mut Control<'_>| {
        relay.set(settings.tcp_relay());
        ethernet.set(settings.ethernet);
        control.set_physical(physical);
        control.set_virtual(peers);
        control.set_bonding(bonding);
        control.set_low_bandwidth(settings.low_bandwidth_mode);
        control.set_interface_blacklist(settings.interface_prefix_blacklist, blocks);
        if let Err(error) = control.set_bind(settings.bind, ports) {
            tracing::warn!(%error, "the new `bind` setting cannot be taken up");
        }
    };
    // A node that has stopped needs no settings.
    let _ = handle.control(change).await;
}

/// The ports after a change of the file: the control port stays, UDP follows.
fn ports_after(present: &[u16], conf: &LocalConf) -> Vec<u16> {
    let settings = &conf.settings;
    if settings.force_tcp_relay {
        return Vec::new();
    }
    let mut ports = vec![settings.primary_port.filter(|port| *port != 0).or(present.first().copied()).unwrap_or(0)];
    if settings.allow_secondary_port {
        let secondary = match settings.secondary_port {
            0 => present.get(1).copied(),
            port => Some(port),
        };
        ports.extend(secondary.filter(|port| *port != ports[0]));
    }
    ports.extend(tertiary(conf).filter(|port| !ports.contains(port)));
    ports
}

/// Takes up changes of `local.conf` while the node runs.
struct Follower<'a> {
    watch: Watch,
    handle: &'a Handle,
    ports: &'a [u16],
    links: &'a LinkHandles,
    /// The settings in force, as they are shown.
    shared: &'a std::sync::Mutex<LocalConf>,
    keeper: Keeper,
}

impl Follower<'_> {
    /// Looks from time to time, and at once when somebody who wrote the file asks; who asks is answered when all of it is in
    /// force. A file that cannot be used changes nothing and is reported.
    async fn follow(&mut self, mut asked: mpsc::Receiver<Asked>, (look, change): (impl Fn(), impl Fn(&LocalConf))) {
        let mut rounds = tokio::time::interval(LOOK);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        rounds.reset();
        let mut round = 0_u64;
        loop {
            let waiting = tokio::select! {
                _ = rounds.tick() => None,
                Some(waiting) = asked.recv() => Some(waiting),
            };
            if waiting.is_none() {
                if round.is_multiple_of(TELL) {
                    logs::tell_left_out();
                }
                round += 1;
                look();
            }
            let taken = self.look(&change).await;
            let tcp = self.in_force().settings.tcp;
            self.keeper.tend(self.handle, &tcp).await;
            if let Some(waiting) = waiting {
                let _ = waiting.send(taken);
            }
        }
    }

    /// Takes up what has changed.
    async fn look(&mut self, change: &impl Fn(&LocalConf)) -> Result<(), LocalConfError> {
        let conf = match self.watch.poll() {
            None => return Ok(()),
            Some(Err(error)) => {
                tracing::error!("local.conf was not taken up: {error}; {}", error.hint());
                return Err(error);
            }
            Some(Ok(conf)) => conf,
        };
        for remark in &conf.remarks {
            tracing::warn!("local.conf: {remark}");
        }
        let before = self.in_force();
        for waits in before.waits_for_start(&conf) {
            tracing::warn!("local.conf: {waits}");
        }
        heed_log(Some(&before), &conf);
        apply(self.handle, &conf, self.ports, self.links).await;
        change(&conf);
        *self.shared.lock().unwrap_or_else(PoisonError::into_inner) = conf;
        tracing::info!("local.conf taken up");
        Ok(())
    }

    fn in_force(&self) -> LocalConf {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Settings of a network after a change that names some of them.
pub(super) fn merged(mut settings: Settings, change: super::http::NetworkSettings) -> Settings {
    settings.allow_managed = change.allow_managed.unwrap_or(settings.allow_managed);
    settings.allow_list = change.allow_managed_list.unwrap_or(settings.allow_list);
    settings.allow_global = change.allow_global.unwrap_or(settings.allow_global);
    settings.allow_default = change.allow_default.unwrap_or(settings.allow_default);
    settings.allow_dns = change.allow_dns.unwrap_or(settings.allow_dns);
    settings.clamp_mss = change.clamp_mss.unwrap_or(settings.clamp_mss);
    settings
}
