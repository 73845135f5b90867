//! A default route through a member.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;
use zt_tap::netns::Namespace;

use super::super::cast::Role::{A, B, C};
use super::super::frame::{self, Frame, SYN};
use super::super::plan::{Plan, RuleSet};
use super::super::report::Wanted;
use super::super::scene::{PATIENCE, Scene};

pub(super) const SETS: &[RuleSet] = &[RuleSet::new("a default route", exit, try_exit)];

/// Mail may not leave: B is the way out, and takes no TCP 25 for another.
fn exit() -> Plan {
    Plan { rules: "drop ipprotocol tcp and dport 25; accept;", ..Plan::default() }
}

fn try_exit(s: &Scene<'_>) -> Result<()> {
    let (a, b) = (s.member(A), s.member(B));
    // A host on the internet, which only B knows.
    let outside = s.cast.lab.switch()?;
    b.host.plug("wan0", &outside, &["203.0.113.1/24", "2001:db8::1/64"])?;
    b.host.namespace().forward()?;
    let web = s.cast.lab.host("web", &[])?;
    web.plug("eth1", &outside, &["203.0.113.9/24", "2001:db8::9/64"])?;
    web.default_route("eth1", "203.0.113.1".parse()?)?;
    web.default_route("eth1", "2001:db8::1".parse()?)?;
    masquerade(b.host.namespace())?;
    let own = s.controller()?.api().get(&format!("/controller/network/{}", s.network))?["routes"].clone();
    let mut routes = own.as_array().cloned().context("routes")?;
    let via = |target: &str, via: String| json!({ "target": target, "via": via });
    routes.push(via("0.0.0.0/0", s.v4(B).to_string()));
    routes.push(via("::/0", s.v6(B).to_string()));
    s.change(&json!({ "routes": routes }))?;
    let server = "203.0.113.9".parse()?;
    let path = format!("/network/{}", s.network);
    s.note("A pings out without allowDefault", Wanted::Block, a.host.silent(server, Duration::from_millis(300)));
    a.daemon.api().post(&path, &json!({ "allowDefault": true }))?;
    // Stock looks after its routes every half a minute.
    s.note("A pings out", Wanted::Pass, a.host.ping(server, patient()).map(drop));
    s.note("A pings out over IPv6", Wanted::Pass, a.host.ping("2001:db8::9".parse()?, patient()).map(drop));
    s.note("A→out TCP", Wanted::Pass, crate::tcp(&a.host, &web, server, 100_000).map(drop));
    s.note("A reaches the root beside it", Wanted::Pass, a.host.ping("10.0.1.1".parse()?, patient()).map(drop));
    let mail = frame::ipv4(s.v4(A), [203, 0, 113, 9].into(), 6, 0, &frame::tcp(40000, 25, SYN));
    s.blocked("mail", A, B, &Frame { head: mail, ..s.tcp4(A, B, 40000, 25, SYN) });
    s.note(
        "C pings out, who does not want it",
        Wanted::Block,
        s.member(C).host.silent(server, Duration::from_millis(300)),
    );
    a.daemon.api().post(&path, &json!({ "allowDefault": false }))?;
    let gone = crate::wait_for("an end", PATIENCE * 2, || {
        Ok(a.host.ping_once(server, Duration::from_millis(200))?.is_none().then_some(()))
    });
    s.note("A pings out when it does not want it any more", Wanted::Block, gone);
    s.control(A, B)?;
    b.host.unplug("wan0")
}

fn patient() -> crate::Ping {
    crate::Ping { patience: PATIENCE * 2, interval: Duration::from_millis(250), ..crate::Ping::default() }
}

fn masquerade(namespace: &Namespace) -> Result<()> {
    Ok(namespace.nft(
        "table inet exit { chain out { type nat hook postrouting priority srcnat; oifname \"wan0\" masquerade\n}\n}\n",
    )?)
}
