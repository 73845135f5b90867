//! A member whose UDP is blocked, and a TCP relay (03 §16): ours as the server, any program as the member.

pub mod abuse;

use std::net::IpAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use serde_json::{Value, json};
use zt_tap::netns::Process;
use zt_wire::NetworkId;

use crate::c_cut::{Loss, longest_silence, lose_udp};
use crate::c_scene::Step;
use crate::rig::{first, network_settings};
use crate::{Daemon, Host, Lab, Ping, Program, wait_for};

const WAIT: Duration = Duration::from_secs(60);
/// Traffic goes by the relay after this at the latest, and by UDP again after this.
const THERE: Duration = Duration::from_secs(6);
const BACK: Duration = Duration::from_secs(5);
/// What a busy machine may add to both.
const MARGIN: Duration = Duration::from_secs(3);

/// What a server is started with.
pub type Server<'a> = &'a dyn Fn() -> Result<Command>;

/// Our server on port 443.
///
/// # Errors
/// Our program cannot be built.
pub fn our_server() -> Result<Command> {
    let Program::Ours(zt) = Program::ours()? else { return Err(anyhow!("not our program")) };
    let mut command = Command::new(zt);
    command.args(["--json", "relay", "--listen", "44.1.1.254:443", "--report", "1", "--log", "debug"]);
    Ok(command)
}

/// A root that is the controller, too, a member B, a relay, and a machine for member A, all with addresses of the
/// Internet: no others are relayed.
pub struct Scene {
    /// Where they are.
    pub lab: Lab,
    /// The root and controller.
    pub root: Daemon,
    /// The machine of member B.
    pub b_host: Host,
    /// Member B.
    pub b: Daemon,
    /// Its address in the network.
    pub b_address: IpAddr,
    /// The machine of member A.
    pub a_host: Host,
    /// The machine of the relay.
    pub relay_host: Host,
    /// The relay.
    pub relay: Process,
    planet: Vec<u8>,
    network: NetworkId,
}

impl Scene {
    /// Starts everything but member A. `None` where the machine offers no namespaces.
    ///
    /// # Errors
    /// Something does not start.
    pub fn new(name: &str, [root, b]: [&Program; 2], server: Server<'_>) -> Result<Option<Self>> {
        let Some(lab) = Lab::new(name)? else { return Ok(None) };
        let root_host = lab.host("root", &["44.1.1.1/24"])?;
        let key = lab.identity(1);
        let planet = lab.planet(&[(key.identity(), &["44.1.1.1/9993"])])?;
        let home = lab.home("root")?.with_identity(&key)?.with_planet(&planet)?;
        let root = root_host.start(root, home)?;
        let network = root.create_network(&network_settings())?;
        let relay_host = lab.host("relay", &["44.1.1.254/24"])?;
        let relay = relay_host.namespace().spawn(server()?)?;
        let b_host = lab.host("b", &["44.1.1.3/24"])?;
        let home = lab.home("b")?.with_planet(&planet)?.with_identity(&lab.identity(3))?;
        let b = b_host.start(b, home)?;
        let a_host = lab.host("a", &["44.1.1.2/24"])?;
        let b_address = "10.9.0.1".parse()?;
        let mut scene = Self { lab, root, b_host, b, b_address, a_host, relay_host, relay, planet, network };
        scene.b_address = scene.join(&scene.b)?;
        Ok(Some(scene))
    }

    /// Starts member A with these settings, and our relay in them.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_a(&self, program: &Program, settings: &Value) -> Result<Daemon> {
        let mut settings = settings.clone();
        settings["tcpFallbackRelay"] = json!("44.1.1.254/443");
        let home = self.lab.home("a")?.with_planet(&self.planet)?.with_identity(&self.lab.identity(2))?;
        let home = home.with_local_conf(&json!({ "settings": settings }))?;
        self.a_host.start(program, home)
    }

    /// Makes a node a member; its address.
    ///
    /// # Errors
    /// It does not come into the network.
    pub fn join(&self, member: &Daemon) -> Result<IpAddr> {
        member.wait_online(WAIT)?;
        member.join(self.network)?;
        member.wait_status(self.network, "ACCESS_DENIED", WAIT)?;
        self.root.authorise(self.network, member.address(), true)?;
        let mut addresses = member.wait_joined(self.network, WAIT)?;
        addresses.sort_by_key(|cidr| cidr.address().is_ipv6());
        first(&addresses)
    }

    /// The last report of the relay, if it is ours.
    ///
    /// # Errors
    /// There is none.
    pub fn report(&self) -> Result<Value> {
        wait_for("a report of the relay", WAIT, || {
            let lines = self.relay.output();
            let mut reports = lines.iter().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            Ok(reports.find(|report| report["connections"].is_u64()))
        })
    }
}

/// Whether a node says that it uses the relay.
fn is_active(node: &Daemon) -> Result<bool> {
    Ok(node.api().get("/status")?["tcpFallbackActive"] == true)
}

/// UDP of a member is cut while it runs, goes again, and is cut from its start: what it does by itself. Pings to the other
/// member go on all the time.
///
/// # Errors
/// The first step that failed. `None` where the machine has no namespaces.
pub fn cut_and_healed(others: [&Program; 2], server: Server<'_>, step: Step<'_>) -> Result<Option<()>> {
    let Some(scene) = Scene::new("relay-cut", others, server)? else { return Ok(None) };
    let b = &scene.b;
    let ours = Program::ours()?;
    let a = scene.start_a(&ours, &json!({}))?;
    let a_address = scene.join(&a)?;
    scene.a_host.ping(scene.b_address, Ping::default())?;
    ensure!(!is_active(&a)?, "UDP works: no relay is needed");

    let start = Instant::now();
    lose_udp(&scene.a_host, Loss::Both)?;
    a.wait("the relay in use", WAIT, || {
        scene.a_host.ping_once(scene.b_address, Duration::from_millis(100))?;
        Ok(is_active(&a)?.then_some(()))
    })?;
    within(start, THERE, "UDP cut to the relay in use", step)?;
    let patience = Ping { patience: patience_with(others[1]), ..Ping::default() };
    scene.a_host.ping(scene.b_address, patience)?;
    step("UDP cut to pings by the relay", start.elapsed());
    scene.b_host.ping(a_address, patience)?;
    ensure!(is_active(&a)?, "the status says so");
    step("UDP cut to pings both ways", start.elapsed());

    let (pinger, target, end) = (Arc::clone(scene.a_host.namespace()), scene.b_address, AtomicBool::new(false));
    let longest = std::thread::scope(|threads| -> Result<Duration> {
        let pings = threads.spawn(|| longest_silence(&pinger, target, &end));
        let mut act = || -> Result<()> {
            let start = Instant::now();
            lose_udp(&scene.a_host, Loss::None)?;
            a.wait("UDP again", WAIT, || Ok((!is_active(&a)?).then_some(())))?;
            within(start, BACK, "UDP allowed to back on UDP", step)?;
            // Until the connection is closed and after it: nobody loses a packet by that.
            let left = |line: &String| line.contains("the TCP relay is left");
            a.wait("end of the connection", WAIT, || Ok(a.output().iter().any(left).then_some(())))?;
            step("UDP allowed to end of the connection", start.elapsed());
            b.wait("a path by UDP", WAIT, || {
                let paths = b.peer(a.address())?.unwrap_or_default()["paths"].clone();
                let mut preferred = paths.as_array().into_iter().flatten().filter(|path| path["preferred"] == true);
                let by_udp =
                    preferred.any(|path| path["address"].as_str().is_some_and(|at| at.starts_with("44.1.1.2/")));
                Ok(by_udp.then_some(()))
            })?;
            Ok(())
        };
        let outcome = act();
        end.store(true, Ordering::Relaxed);
        let longest = pings.join().map_err(|_| anyhow!("the pings panicked"))?;
        outcome.and(longest)
    })?;
    step("longest time without an answer to a ping on the way back", longest);
    ensure!(longest < Duration::from_secs(1), "no ping was answered for {longest:?}");
    a.stop()?;

    lose_udp(&scene.a_host, Loss::Both)?;
    let start = Instant::now();
    let a = scene.start_a(&ours, &json!({}))?;
    a.wait_online(WAIT)?;
    within(start, THERE, "start without UDP to online", step)?;
    scene.a_host.ping(scene.b_address, patience)?;
    step("start without UDP to pings by the relay", start.elapsed());
    a.stop()?;
    Ok(Some(()))
}

/// How long a member may go on sending to where nobody is any more: ours notices, a stock one answers by a path that has
/// been silent for up to 20 s, and then for a while still.
fn patience_with(other: &Program) -> Duration {
    Duration::from_secs(if other.kind() == "stock" { 60 } else { 10 })
}

fn within(start: Instant, limit: Duration, what: &str, step: Step<'_>) -> Result<()> {
    let took = start.elapsed();
    step(what, took);
    ensure!(took < limit + MARGIN, "{what}: {took:?}");
    Ok(())
}

/// A member that is told to use nothing but the relay.
///
/// # Errors
/// The first step that failed. `None` where the machine has no namespaces.
pub fn forced(programs: [&Program; 3], server: Server<'_>, step: Step<'_>) -> Result<Option<()>> {
    let [root, a, b] = programs;
    let Some(scene) = Scene::new("relay-forced", [root, b], server)? else { return Ok(None) };
    // It must not even try.
    lose_udp(&scene.a_host, Loss::Both)?;
    let start = Instant::now();
    let member = scene.start_a(a, &json!({ "forceTcpRelay": true }))?;
    member.wait_online(WAIT)?;
    step("start without UDP to online", start.elapsed());
    let address = scene.join(&member)?;
    step("a member by the relay", start.elapsed());
    scene.a_host.ping(scene.b_address, Ping::default())?;
    scene.b_host.ping(address, Ping::default())?;
    step("pings both ways", start.elapsed());
    let status = member.api().get("/status")?;
    ensure!(status["tcpFallbackActive"] == true, "{status}");
    ensure!(status["config"]["settings"]["listeningOn"] == json!([]), "{status}");
    let sent = crate::tcp(&scene.a_host, &scene.b_host, scene.b_address, 1_000_000)?;
    step("1 MB by TCP inside", sent.elapsed);
    member.stop()?;
    Ok(Some(()))
}

/// A stock member by itself: it turns to the relay after a minute without UDP, if it did not send anything for 2.5 s once
/// (03 §16.2), so nothing is sent here meanwhile.
///
/// # Errors
/// The first step that failed. `None` where the machine has no namespaces.
pub fn stock_falls_back(programs: [&Program; 3], server: Server<'_>, step: Step<'_>) -> Result<Option<()>> {
    let [root, a, b] = programs;
    let Some(scene) = Scene::new("relay-stock", [root, b], server)? else { return Ok(None) };
    let member = scene.start_a(a, &json!({}))?;
    scene.join(&member)?;
    scene.a_host.ping(scene.b_address, Ping::default())?;
    let start = Instant::now();
    lose_udp(&scene.a_host, Loss::Both)?;
    let patience = Duration::from_secs(180);
    member.wait("the relay in use", patience, || Ok(is_active(&member)?.then_some(())))?;
    step("UDP cut to a connection with the relay", start.elapsed());
    scene.a_host.ping(scene.b_address, Ping { patience, ..Ping::default() })?;
    step("UDP cut to pings by the relay", start.elapsed());
    let start = Instant::now();
    lose_udp(&scene.a_host, Loss::None)?;
    member.wait("UDP again", WAIT, || Ok((!is_active(&member)?).then_some(())))?;
    step("UDP allowed to back on UDP", start.elapsed());
    scene.a_host.ping(scene.b_address, Ping::default())?;
    member.stop().context("the stock member ends")?;
    lose_udp(&scene.a_host, Loss::Both)?;
    let start = Instant::now();
    let member = scene.start_a(a, &json!({}))?;
    member.wait_online(patience)?;
    step("start without UDP to online", start.elapsed());
    scene.a_host.ping(scene.b_address, Ping { patience, ..Ping::default() })?;
    step("start without UDP to pings by the relay", start.elapsed());
    member.stop().context("the stock member ends")?;
    Ok(Some(()))
}
