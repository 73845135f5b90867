//! Hundreds of members at one root by streams: what each costs, and that a slow one costs nobody else anything.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use zt_test_e2e::crowd::{self, Crowd, Dress};
use zt_test_e2e::streams::Scene;

const WAIT: Duration = Duration::from_secs(90);
/// Members that are connected before anything is counted: what a root needs once it has then.
const BEFORE: usize = 16;
const MEMBERS: usize = 500;
/// Bytes that a member may cost.
const MOST: f64 = 60_000.0;

fn root() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 443))
}

fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// A root, and a machine with the addresses of a crowd.
fn scene(name: &str) -> Result<Option<(Scene, zt_test_e2e::Host)>> {
    let Some(scene) = Scene::with_log(name, &json!({ "listen": [443] }), "info")? else { return Ok(None) };
    let host = scene.lab.host("crowd", &["10.0.0.2/24"])?;
    crowd::settle(&host)?;
    scene.root_host.default_route("eth0", [10, 0, 0, 2].into())?;
    Ok(Some((scene, host)))
}

/// Connects members of one dress, and tells what each of them costs the root: idle, and after each has had packets.
fn cost_of(dress: Dress, members: usize) -> Result<Option<[f64; 2]>> {
    let Some((scene, host)) = scene("crowd")? else { return Ok(None) };
    let settings = dress.settings()?;
    let mut crowd = Crowd::new(scene.root_identity());
    crowd.connect(&host, root(), &settings, BEFORE, false)?;
    crowd.meet(WAIT)?;
    let before = scene.root.memory()?;
    crowd.connect(&host, root(), &settings, members, false)?;
    crowd.meet(WAIT)?;
    let each = |now: u64| (now as f64 - before as f64) / members as f64;
    let idle = each(scene.root.memory()?);
    let lost = crowd.exchange(0..crowd.count(), 1, 20, 1400)?;
    ensure!(lost == 0.0, "{lost} of the packets of {dress:?} were lost");
    let busy = each(scene.root.memory()?);
    say(&format!("{dress:?}: {members} members, {idle:.0} bytes each, {busy:.0} when they had packets"));
    Ok(Some([idle, busy]))
}

#[test]
fn five_hundred_members_are_served_and_cost_sixty_kilobytes_each_at_most() -> Result<()> {
    let Some(costs) = cost_of(Dress::Tcp, MEMBERS)? else { return Ok(()) };
    for cost in costs {
        ensure!(cost <= MOST, "{cost} bytes each");
    }
    Ok(())
}

/// The dress that costs most.
#[test]
fn five_hundred_members_by_websockets_inside_of_tls_cost_no_more() -> Result<()> {
    let Some(costs) = cost_of(Dress::Wss, MEMBERS)? else { return Ok(()) };
    for cost in costs {
        ensure!(cost <= MOST, "{cost} bytes each");
    }
    Ok(())
}

/// What the root counts under a name.
fn count_of(scene: &Scene, name: &str) -> Result<u64> {
    let drops = scene.root.api().get("/drops")?;
    let found = drops.as_array().into_iter().flatten().find(|drop| drop["reason"] == name);
    Ok(found.and_then(|drop| drop["count"].as_u64()).unwrap_or(0))
}

#[test]
fn slow_readers_lose_their_own_packets_and_nobody_elses() -> Result<()> {
    const FAST: usize = 60;
    const SLOW: usize = 40;
    let Some((scene, host)) = scene("slow")? else { return Ok(()) };
    let settings = Dress::Tcp.settings()?;
    let mut crowd = Crowd::new(scene.root_identity());
    crowd.connect(&host, root(), &settings, FAST, false)?;
    crowd.connect(&host, root(), &settings, SLOW, true)?;
    crowd.meet(WAIT)?;
    crowd.exchange(0..FAST + SLOW, 1, 50, 1400)?;
    let before = scene.root.memory()?;
    crowd.rest(FAST..FAST + SLOW);
    // More than the kernels at both ends and the root hold for one that does not read.
    crowd.send(0..SLOW, FAST, 300, 1400)?;
    let lost = crowd.exchange(0..SLOW, FAST - SLOW, 50, 1400)?;
    ensure!(lost == 0.0, "{lost} of the packets among those who read were lost");
    let dropped = count_of(&scene, "link-queue-full")?;
    let each = (scene.root.memory()? as f64 - before as f64) / SLOW as f64;
    say(&format!("{dropped} packets for slow ones dropped, {each:.0} bytes more for each of these"));
    ensure!(dropped > 0, "nothing overflowed: {}", scene.root.api().get("/drops")?);
    ensure!(each <= MOST, "{each} bytes each");
    // They were not given up, and what they are sent from now on reaches them.
    crowd.wake();
    let late = crowd.exchange(0..SLOW, FAST, 5, 1400)?;
    ensure!(late <= 0.0, "{late} of the packets for those who read again were lost");
    Ok(())
}

#[test]
fn ten_thousand_that_connect_and_say_nothing_keep_nobody_out() -> Result<()> {
    const SILENT: usize = 10_000;
    const SOURCES: usize = 400;
    let most = crowd::allow_connections(SILENT);
    let Some((scene, host)) = scene("silent")? else { return Ok(()) };
    let settings = Dress::Tcp.settings()?;
    let mut crowd = Crowd::new(scene.root_identity());
    crowd.connect(&host, root(), &settings, 1, false)?;
    crowd.meet(WAIT)?;
    let before = scene.root.memory()?;
    let silent = host.namespace().run(|| -> io::Result<Vec<_>> {
        (0..most).map(|number| crowd::open(100 + number % SOURCES, root(), None)).collect()
    })??;
    crowd.connect(&host, root(), &settings, 10, false)?;
    crowd.meet(WAIT)?;
    let lost = crowd.exchange(0..11, 1, 10, 1400)?;
    let (more, refused) = (scene.root.memory()?.saturating_sub(before) >> 10, count_of(&scene, "tcp-half-open")?);
    say(&format!("{} silent connections, {refused} of them turned away, {more} KiB more", silent.len()));
    ensure!(lost == 0.0, "{lost} of the packets of members were lost");
    ensure!(refused > 0 && more <= 16 << 10, "{more} KiB");
    Ok(())
}
