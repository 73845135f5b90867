//! Ways through where UDP does not get: TCP that passes as TLS, WebSockets, proxies.

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;
use zt_test_e2e::Ping;
use zt_test_e2e::c_cut::{Loss, lose_udp};
use zt_test_e2e::streams::{Scene, longest_silence};

const WAIT: Duration = Duration::from_secs(60);

fn figure(what: &str, measured: Duration, limit: Duration) -> Result<()> {
    let mark = if measured <= limit { "" } else { "  OVER THE LIMIT" };
    let _ = writeln!(std::io::stdout(), "{:8.3} s  {what} (limit {limit:?}){mark}", measured.as_secs_f64());
    let strict = std::env::var_os("ZT_STRICT").is_some_and(|value| value == "1");
    ensure!(!strict || measured <= limit, "{what}: {measured:?}, limit {limit:?}");
    Ok(())
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
    // The root starts again: its members come back by themselves.
    let Scene { root, .. } = scene;
    let restarted = Instant::now();
    let root = root.restart()?;
    figure("the root was away", restarted.elapsed(), Duration::from_secs(5))?;
    let again = a.host.ping(of_b, Ping { patience: WAIT, ..Ping::default() })?;
    figure("root back to pings by TCP", again, Duration::from_secs(1))?;
    drop(root);
    a.node.stop()
}
