//! Somebody else owns our address: a root says so, and the daemon goes on under a new one (06 §1.4).

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;
use zt_crypto::{PeerKeys, Suite};
use zt_test_e2e::{Lab, Program};
use zt_wire::verb::{ErrorCode, ErrorReply};
use zt_wire::{Body as _, Emit as _, PacketId, Verb, Writer, write_header};

const WAIT: Duration = Duration::from_secs(20);

#[test]
fn a_node_whose_address_is_taken_makes_another() -> Result<()> {
    let Some(lab) = Lab::new("collision")? else { return Ok(()) };
    let (root, own) = (lab.identity(1), lab.identity(2));
    let root_host = lab.host("root", &["10.0.0.1/24"])?;
    let socket = root_host.namespace().run(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 9993)))??;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    let done = Arc::new(AtomicBool::new(false));
    let keys = PeerKeys::new(root.agree(own.identity()).context("keys that agree")?);
    let (own_address, root_address) = (own.address(), root.address());

    // A root that knows another owner of that address.
    let answering = {
        let done = Arc::clone(&done);
        std::thread::spawn(move || -> Result<u32> {
            let (mut buffer, mut answers) = ([0; 2048], 0);
            while !done.load(Ordering::Relaxed) {
                let Ok((len, from)) = socket.recv_from(&mut buffer) else { continue };
                let hello = &buffer[..len];
                if len < 28 || hello[13..18] != own_address.to_bytes() || hello[27] & 0x1f != Verb::HELLO.0 {
                    continue;
                }
                let id = u64::from_be_bytes(hello[..8].try_into().context("eight bytes")?);
                let error = ErrorReply::plain(Verb::HELLO, PacketId(id), ErrorCode::IDENTITY_COLLISION);
                let mut answer = vec![0; 28 + error.encoded_len()];
                let (header, payload) = answer.split_at_mut(28);
                write_header(header.try_into().context("28 bytes")?, own_address, root_address, error.verb());
                error.emit(&mut Writer::new(payload)).ok().context("room was made")?;
                answer[..8].copy_from_slice(&(id ^ 0x55).to_be_bytes());
                keys.seal(&mut answer, Suite::Salsa2012Poly1305);
                socket.send_to(&answer, from)?;
                answers += 1;
            }
            Ok(answers)
        })
    };

    let host = lab.host("node", &["10.0.0.2/24"])?;
    let planet = lab.planet(&[(root.identity(), &["10.0.0.1/9993"])])?;
    let home = lab.home("node")?.with_identity(&own)?.with_planet(&planet)?;
    let network = "8056c2e21c000001";
    home.write(&format!("networks.d/{network}.conf"), b"\n")?;
    let daemon = host.start(&Program::ours()?, home.clone())?;
    let address = daemon.wait("another address", WAIT, || {
        let address = daemon.api().get("/status")?["address"].as_str().unwrap_or_default().to_owned();
        Ok((address != own_address.to_string()).then_some(address))
    })?;
    assert_eq!(home.read("identity.secret.saved_after_collision")?, own.to_text().as_bytes());
    assert!(home.read("identity.secret")?.starts_with(address.as_bytes()));
    assert!(home.read("identity.public")?.starts_with(address.as_bytes()));
    assert_eq!(daemon.api().get(&format!("/network/{network}"))?["id"], json!(network), "still joined");
    done.store(true, Ordering::Relaxed);
    let answers = answering.join().ok().context("the root panicked")??;
    assert!(answers > 0);
    daemon.stop()
}
