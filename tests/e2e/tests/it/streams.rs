//! Ways through where UDP does not get: TCP that passes as TLS, WebSockets, proxies.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use zt_tap::netns::Process;
use zt_test_e2e::c_cut::{Loss, lose_udp};
use zt_test_e2e::streams::{Member, Scene, longest_silence};
use zt_test_e2e::{Cut, Host, Ping, Switch, figure, fronts};

const WAIT: Duration = Duration::from_secs(60);

/// The port from which the root sees a member.
fn port_of(scene: &Scene, member: &Member) -> Result<u16> {
    let seen = scene.root.peer(member.node.address())?.unwrap_or_default();
    let paths = seen["paths"].as_array().cloned().unwrap_or_default();
    let used = paths.iter().find(|path| path["preferred"] == true).context("a path")?;
    let port = used["address"].as_str().and_then(|at| at.split_once('/')).context("an address with its port")?.1;
    Ok(port.parse()?)
}

#[test]
fn without_udp_a_member_comes_by_tcp_and_goes_back_by_itself() -> Result<()> {
    let Some(scene) = Scene::new("tcp", &json!({ "listen": [443] }))? else { return Ok(()) };
    let b = scene.member(scene.lab.host("b", &["10.0.0.3/24"])?, 3, &json!({}))?;
    let of_b = scene.address_of(&b)?;
    let host = scene.lab.host("a", &["10.0.0.2/24"])?;
    lose_udp(&host, Loss::Both)?;
    let start = Instant::now();
    let a = scene.member(host, 2, &json!({}))?;
    a.node.wait_online(WAIT)?;
    figure("start without UDP to online by TCP", start.elapsed(), Duration::from_secs(6))?;
    scene.address_of(&a)?;
    a.host.ping(of_b, Ping { patience: WAIT, ..Ping::default() })?;
    scene.wait_kind(&a, "tcp")?;
    let back = longest_silence(&a.host, of_b, || {
        lose_udp(&a.host, Loss::None)?;
        figure("UDP allowed to root by UDP", scene.wait_kind(&a, "udp")?, Duration::from_secs(5))?;
        a.node.wait_direct(b.node.address(), WAIT)
    })?;
    figure("longest silence on the way back", back, Duration::from_millis(500))?;
    let lost = longest_silence(&a.host, of_b, || {
        lose_udp(&a.host, Loss::Both)?;
        scene.wait_kind(&a, "tcp")?;
        a.host.ping(of_b, Ping { patience: WAIT, ..Ping::default() }).map(drop)
    })?;
    figure("UDP cut to pings by TCP, connected lately", lost, Duration::from_secs(6))?;
    // The other one never had a connection.
    let of_a = scene.address_of(&a)?;
    let lost = longest_silence(&b.host, of_a, || {
        lose_udp(&b.host, Loss::Both)?;
        scene.wait_kind(&b, "tcp")?;
        b.host.ping(of_a, Ping { patience: WAIT, ..Ping::default() }).map(drop)
    })?;
    figure("UDP cut to pings by TCP, by both", lost, Duration::from_secs(6))?;
    // The connection is cut, and nobody is told.
    let lost = longest_silence(&a.host, of_b, || {
        let before = port_of(&scene, &a)?;
        a.host.namespace().nft(&format!(
            "table inet cut {{ chain out {{ type filter hook output priority 0;\ntcp sport {before} drop\n}}\n}}\n"
        ))?;
        a.node.wait("another connection", WAIT, || Ok((port_of(&scene, &a)? != before).then_some(())))?;
        a.host.ping(of_b, Ping { patience: WAIT, ..Ping::default() }).map(drop)
    })?;
    figure("connection cut in silence to pings by another", lost, Duration::from_secs(6))?;
    // The root starts again, and again at once: its members come back by themselves.
    let Scene { mut root, .. } = scene;
    for _ in 0..3 {
        let restarted = Instant::now();
        root = root.restart()?;
        figure("the root was away", restarted.elapsed(), Duration::from_secs(5))?;
        let again = a.host.ping(of_b, Ping { patience: WAIT, ..Ping::default() })?;
        figure("root back to pings by TCP", again, Duration::from_secs(1))?;
    }
    drop(root);
    a.node.stop()
}

/// A scene with a member that is joined, a proxy with a foot inside, and a host from which nothing leads out but that.
struct Office {
    scene: Scene,
    of_b: std::net::IpAddr,
    proxy: Host,
    host: Host,
    b: Member,
    inside: Switch,
}

/// Where the proxy is inside.
const INSIDE: &str = "10.1.0.1";

fn office(name: &str) -> Result<Option<Office>> {
    let Some(scene) = Scene::new(name, &json!({ "listen": [443] }))? else { return Ok(None) };
    let b = scene.member(scene.lab.host("b", &["10.0.0.3/24"])?, 3, &json!({}))?;
    let of_b = scene.address_of(&b)?;
    let proxy = scene.lab.host("proxy", &["10.0.0.9/24"])?;
    let inside = scene.lab.switch()?;
    proxy.plug("eth1", &inside, &[&format!("{INSIDE}/24")])?;
    let host = scene.lab.host("a", &[])?;
    host.unplug("eth0")?;
    host.plug("eth0", &inside, &["10.1.0.2/24"])?;
    Ok(Some(Office { scene, of_b, proxy, host, b, inside }))
}

/// A member that has nothing but this proxy comes by a WebSocket.
fn comes_out(scene: &Scene, host: Host, of_b: std::net::IpAddr, proxy: &str) -> Result<()> {
    let start = Instant::now();
    let a = scene.member(host, 2, &json!({ "proxy": proxy }))?;
    a.node.wait_online(WAIT)?;
    figure("start with nothing but a proxy to online", start.elapsed(), Duration::from_secs(12))?;
    scene.address_of(&a)?;
    a.host.ping(of_b, Ping { patience: WAIT, ..Ping::default() })?;
    scene.wait_kind(&a, "websocket")?;
    a.node.stop()
}

#[test]
fn through_tinyproxy_with_user_and_password_a_member_comes_by_a_websocket() -> Result<()> {
    let Some(tinyproxy) = fronts::program("tinyproxy")? else { return Ok(()) };
    let Some(Office { scene, of_b, proxy, host, b: _b, inside: _inside }) = office("proxy")? else { return Ok(()) };
    let _proxy = fronts::tinyproxy(&tinyproxy, &proxy, INSIDE, &scene.lab.folder())?;
    // With a wrong password first: the log says what to do.
    let start = Instant::now();
    let a = scene.member(host, 2, &json!({ "proxy": "http://anna:wrong@10.1.0.1:8888" }))?;
    a.node.wait("word of the password", WAIT, || {
        Ok(a.node.output().iter().any(|line| line.contains("refuses user and password")).then_some(()))
    })?;
    figure("start to the word that the password is wrong", start.elapsed(), Duration::from_secs(12))?;
    let Member { host, node } = a;
    node.stop()?;
    comes_out(&scene, host, of_b, "http://anna:secret@10.1.0.1:8888")
}

#[test]
fn through_squid_a_member_comes_by_a_websocket() -> Result<()> {
    let Some(squid) = fronts::program("squid")? else { return Ok(()) };
    let Some(Office { scene, of_b, proxy, host, b: _b, inside: _inside }) = office("squid")? else { return Ok(()) };
    let _proxy = fronts::squid(&squid, &proxy, INSIDE, &scene.lab.folder())?;
    comes_out(&scene, host, of_b, "http://10.1.0.1:3128")
}

/// A member that neither UDP nor TCP leads to the root, but a reverse proxy.
fn behind(name: &str, start: impl FnOnce(&Scene, &Host, [&Path; 2], &Path) -> Result<Process>) -> Result<()> {
    let settings = json!({ "listen": [443], "trustedProxies": ["10.0.0.9/32"] });
    let Some(scene) = Scene::new(name, &settings)? else { return Ok(()) };
    let b = scene.member(scene.lab.host("b", &["10.0.0.3/24"])?, 3, &json!({}))?;
    let of_b = scene.address_of(&b)?;
    let front_host = scene.lab.host("front", &["10.0.0.9/24"])?;
    let pin = scene.pin()?;
    let [certificate, key] = ["tcp.crt", "tcp.secret"].map(|file| scene.root.home().join(file));
    let _front = start(&scene, &front_host, [&certificate, &key], &scene.lab.folder())?;
    let host = scene.lab.host("a", &["10.0.0.2/24"])?;
    scene.lab.internet().cut(&Cut::between("10.0.0.2/32", "10.0.0.1/32")?)?;
    let url = format!("wss://10.0.0.9/zt#sha256={pin}");
    let targets = json!({ "roots": { scene.root.address().to_string(): [url] } });
    let start = Instant::now();
    let a = scene.member(host, 2, &targets)?;
    a.node.wait_online(WAIT)?;
    figure("start to online by a reverse proxy", start.elapsed(), Duration::from_secs(12))?;
    scene.address_of(&a)?;
    a.host.ping(of_b, Ping { patience: WAIT, ..Ping::default() })?;
    scene.wait_kind(&a, "websocket")?;
    // The root knows who it is, although all comes from the proxy.
    let seen = scene.root.peer(a.node.address())?.unwrap_or_default();
    let remote = seen["paths"][0]["address"].as_str().unwrap_or_default().to_owned();
    ensure!(remote.starts_with("10.0.0.2/"), "{seen}");
    a.node.stop()
}

#[test]
fn behind_nginx() -> Result<()> {
    let Some(program) = fronts::program("nginx")? else { return Ok(()) };
    behind("nginx", |_, host, tls, folder| fronts::nginx(&program, host, "10.0.0.1:443", tls, folder))
}

#[test]
fn behind_caddy() -> Result<()> {
    let Some(program) = fronts::program("caddy")? else { return Ok(()) };
    behind("caddy", |_, host, tls, folder| fronts::caddy(&program, host, "10.0.0.1:443", tls, folder))
}
