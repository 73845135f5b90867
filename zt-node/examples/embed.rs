//! A node inside a program, with an in-memory port instead of a TAP device:
//!
//! ```sh
//! cargo run -p zt-node --example embed -- planet 8056c2e21c000001
//! ```

#![expect(clippy::print_stdout, reason = "a program for people")]

use zt_crypto::SecretIdentity;
use zt_node::OsEntropy;
use zt_node::{Driver, NodeConfig};
use zt_tap::channel::ChannelTaps;
use zt_wire::{Parse, Reader, World};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(planet), Some(network)) = (arguments.next(), arguments.next()) else {
        return Err("usage: embed PLANET-FILE NETWORK-ID".into());
    };
    let ports = ChannelTaps::new();
    let mut config = NodeConfig::new(SecretIdentity::generate(&mut OsEntropy), Box::new(ports.clone()));
    config.planets.push(World::parse(&mut Reader::new(&std::fs::read(planet)?)).map_err(|error| error.to_string())?);
    let (driver, node) = Driver::new(config)?;
    let network = network.parse().map_err(|_| "a network ID has 16 hexadecimal digits")?;
    let program = async {
        node.join(network).await??;
        // Frames of the network come out of this port, and what is sent into it goes to the network.
        let mut port = std::future::poll_fn(|cx| ports.poll_take(cx)).await;
        loop {
            match port.try_recv() {
                Ok(frame) => println!("frame of {} bytes", frame.len()),
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
            }
        }
    };
    tokio::select! {
        () = driver.run() => Ok(()),
        result = program => result,
    }
}
