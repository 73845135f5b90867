//! What is left to kernels, and what comes of it where they can less, or are asked for less.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use zt_test_e2e::rig::network_settings;
use zt_test_e2e::{Daemon, Host, Lab, Program, tcp, udp};

const PATIENCE: Duration = Duration::from_secs(20);

/// What a member leaves to its kernel: `tapOffload`, `udpOffload`.
const LEVELS: [(&str, &str); 4] = [("none", "none"), ("checksums", "send"), ("tcp", "receive"), ("all", "all")];

/// Payloads of UDP in one frame each, of two MTUs below, and in fragments of IP.
const LENGTHS: [usize; 5] = [1, 64, 1400, 2752, 9000];

#[test]
fn members_of_every_level_carry_tcp_and_udp_to_those_of_every_other() -> Result<()> {
    let Some(lab) = Lab::new("offload")? else { return Ok(()) };
    let zt = Program::ours()?;
    let root_host = lab.host("root", &["10.0.0.1/24"])?;
    let key = lab.identity(1);
    let planet = lab.planet(&[(key.identity(), &["10.0.0.1/9993"])])?;
    let root = root_host.start(&zt, lab.home("root")?.with_identity(&key)?.with_planet(&planet)?)?;
    let mut settings = network_settings();
    settings["private"] = false.into();
    let network = root.create_network(&settings)?;

    let members: Vec<(Host, Daemon)> = (2..)
        .zip(LEVELS)
        .map(|(number, (tap, udp))| {
            let host = lab.host(tap, &[&format!("10.0.0.{number}/24")])?;
            let settings = json!({ "settings": { "tapOffload": tap, "udpOffload": udp, "portMappingEnabled": false } });
            let home = lab.home(tap)?.with_planet(&planet)?.with_identity(&lab.identity(number))?;
            let daemon = host.start(&zt, home.with_local_conf(&settings)?)?;
            daemon.join(network)?;
            Ok((host, daemon))
        })
        .collect::<Result<_>>()?;
    let addresses =
        members.iter().map(|(_, daemon)| daemon.wait_joined(network, PATIENCE)).collect::<Result<Vec<_>>>()?;

    for ((_, daemon), (tap, udp)) in members.iter().zip(LEVELS) {
        let offload = daemon.api().get("/status")?["ztOffload"].clone();
        let port = &offload["tap"][0];
        // A kernel before 6.2 has no more than TCP.
        ensure!(port["fromKernel"] == tap || tap == "all" && port["fromKernel"] == "tcp", "{tap}: {offload}");
        ensure!(port["toKernel"] == port["fromKernel"] && offload["udp"]["level"] == udp, "{tap}, {udp}: {offload}");
        ensure!(offload["udp"]["receiveBuffer"].as_u64() >= Some(4 << 20), "a root may have any: {offload}");
    }

    for (from, _) in &members {
        for ((to, _), addresses) in members.iter().zip(&addresses).filter(|((to, _), _)| to.name() != from.name()) {
            // IPv4, and one of the two of IPv6.
            for family in [false, true] {
                let address = addresses.iter().map(|cidr| cidr.address()).find(|address| address.is_ipv6() == family);
                let Some(address) = address else { continue };
                tcp(from, to, address, 1_000_000)?;
                udp(from, to, address, &LENGTHS, PATIENCE)?;
            }
        }
    }
    Ok(())
}
