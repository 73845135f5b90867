//! When the host's resolver is told about a network.

use crate::nodes::{Node, SharedState, config, member, run, start_root, until};
use serde_json::json;
use zt_netconf::Settings;
use zt_node::Driver;
use zt_node::status::{DnsStatus, NetworkStatus};
use zt_tap::{LinkDns, MemoryDns, Tap as _};
use zt_wire::{NetworkId, World};

const ALLOWED: fn() -> Settings = || Settings { allow_dns: true, ..Settings::default() };

fn start(line: usize, world: &World) -> (Node, MemoryDns) {
    let dns = MemoryDns::new();
    let (mut config, taps, host) = config(line, world, 0);
    config.dns = Box::new(dns.clone());
    let state = SharedState::default();
    config.state = Box::new(state.clone());
    let (driver, handle) = Driver::new(config).expect("loopback can be bound");
    (Node { handle, taps, host, state, task: tokio::task::spawn_local(driver.run()) }, dns)
}

async fn offer(root: &Node, network: NetworkId, domain: &str) {
    let body = json!({"dns": {"domain": domain, "servers": ["10.9.0.53", "fd00::53"]}});
    assert_eq!(root.post(format!("/controller/network/{network}"), body).await, 200);
}

fn link(domain: &str) -> Option<LinkDns> {
    let servers = ["10.9.0.53", "fd00::53"].map(|server| server.parse().expect("address"));
    Some(LinkDns { domain: domain.to_owned(), servers: servers.to_vec() })
}

async fn status(node: &Node) -> NetworkStatus {
    let networks = node.handle.control(|control| control.networks()).await.expect("it runs");
    networks.into_iter().next().expect("joined")
}

#[test]
fn the_resolver_is_told_of_a_network_only_when_allowed_and_forgets_it_when_left() {
    run(async {
        let (root, world) = start_root(false);
        let (alice, dns) = start(1, &world);
        let network = root.network().await;
        offer(&root, network, "lan.example").await;
        alice.join(network).await;
        let device = alice.port().await.info().name.clone();
        alice.becomes("OK").await;
        let shown = status(&alice).await;
        assert_eq!(shown.dns.map(|(domain, _)| domain).as_deref(), Some("lan.example"));
        assert_eq!((dns.of(&device), shown.dns_status), (None, None), "nobody allowed it");
        alice.handle.set_network_settings(network, ALLOWED()).await.expect("it runs").expect("kept");
        until(async || dns.of(&device) == link("lan.example")).await;
        until(async || status(&alice).await.dns_status == Some(DnsStatus::Applied("memory".to_owned()))).await;
        offer(&root, network, "new.example").await;
        until(async || dns.of(&device) == link("new.example")).await;
        offer(&root, network, "").await;
        until(async || dns.of(&device).is_none()).await;
        offer(&root, network, "lan.example").await;
        until(async || dns.of(&device) == link("lan.example")).await;
        alice.handle.set_network_settings(network, Settings::default()).await.expect("it runs").expect("kept");
        until(async || dns.of(&device).is_none()).await;
        alice.handle.set_network_settings(network, ALLOWED()).await.expect("it runs").expect("kept");
        until(async || dns.of(&device) == link("lan.example")).await;
        assert!(alice.handle.control(move |control| control.leave(network)).await.expect("it runs"));
        until(async || dns.of(&device).is_none()).await;
    });
}

#[test]
fn a_node_that_ends_takes_its_networks_from_the_resolver() {
    run(async {
        let (root, world) = start_root(false);
        let (alice, dns) = start(1, &world);
        let network = root.network().await;
        offer(&root, network, "lan.example").await;
        alice.join(network).await;
        let device = alice.port().await.info().name.clone();
        alice.handle.set_network_settings(network, ALLOWED()).await.expect("it runs").expect("kept");
        until(async || dns.of(&device) == link("lan.example")).await;
        alice.stop().await;
        assert_eq!(dns.of(&device), None);
    });
}

#[test]
fn a_host_without_resolver_says_so_with_the_network() {
    run(async {
        let (root, world) = start_root(false);
        let alice = member(1, &world);
        let network = root.network().await;
        offer(&root, network, "lan.example").await;
        alice.join(network).await;
        alice.handle.set_network_settings(network, ALLOWED()).await.expect("it runs").expect("kept");
        let told =
            async || matches!(status(&alice).await.dns_status, Some(DnsStatus::Failed(why)) if why.contains("neither"));
        until(told).await;
    });
}
