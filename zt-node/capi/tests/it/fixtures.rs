//! What the C programs are given: fixed identities, worlds signed for them, and a packet that no function of this
//! library sends. They are committed as C, so that other tools can build the programs without this test.
//!
//! `ZT_WRITE=1 cargo test -p zt-capi fixtures` writes them anew.

use std::fmt::Write as _;
use std::net::SocketAddr;
use zt_crypto::{KeyPair, PeerKeys, SecretIdentity, SeededEntropy, Suite, sign_world};
use zt_wire::packet::{HEADER_LEN, write_header};
use zt_wire::world::{Root, WorldKind};
use zt_wire::{Emit as _, Identity, InetAddress, Signature, Verb, World};

/// Who takes part; the number is the line in the simulator's list.
const PEOPLE: [(&str, usize); 6] = [("ROOT", 0), ("HUB", 1), ("MASTER", 2), ("ALICE", 3), ("BOB", 4), ("EVE", 5)];

fn identity(number: usize) -> SecretIdentity {
    let text = include_str!("../../../../tests/sim/fixtures/identities.txt");
    SecretIdentity::from_text(text.lines().nth(number).expect("so many identities")).expect("a secret identity")
}

fn world(kind: WorldKind, id: u64, timestamp: u64, roots: &[(usize, &[&str])]) -> Vec<u8> {
    let key = KeyPair::generate(&mut SeededEntropy::new(0xca91));
    let endpoint = |text: &&str| InetAddress::from(text.parse::<SocketAddr>().expect("an address"));
    let root = |(number, at): &(usize, &[&str])| Root {
        identity: *identity(*number).identity(),
        endpoints: at.iter().map(endpoint).collect(),
    };
    let roots = roots.iter().map(root).collect();
    let signature = Signature([0; Signature::LEN]);
    let mut world = World { kind, id, timestamp, update_key: *key.public_key(), signature, roots };
    sign_world(&mut world, &key);
    world.to_vec()
}

/// A packet of the root for ALICE.
fn packet(verb: Verb, id: u64, payload: &[u8]) -> Vec<u8> {
    let (from, to) = (identity(0), identity(3));
    let mut packet = vec![0; HEADER_LEN];
    write_header(packet.first_chunk_mut().expect("just made"), to.address(), from.address(), verb);
    packet[..8].copy_from_slice(&id.to_be_bytes());
    packet.extend_from_slice(payload);
    PeerKeys::new(from.agree(to.identity()).expect("a key")).seal(&mut packet, Suite::Salsa2012Poly1305);
    packet
}

/// Somebody who has ALICE's address and other keys; no node that checks identities takes him.
fn twin() -> SecretIdentity {
    let keys = KeyPair::generate(&mut SeededEntropy::new(0x7a91));
    let identity = Identity { address: identity(3).address(), public_key: *keys.public_key() };
    SecretIdentity::from_parts(identity, keys.secret_bytes()).expect("of one key pair")
}

fn write_bytes(text: &mut String, name: &str, bytes: &[u8]) {
    let _ = write!(text, "\nconst unsigned char {name}[] = {{");
    for (at, byte) in bytes.iter().enumerate() {
        let _ = write!(text, "{}{byte}", if at % 24 == 0 { "\n    " } else { " " });
        let _ = write!(text, ",");
    }
    let _ = writeln!(text, "\n}};\nconst unsigned {name}_LENGTH = sizeof {name};");
}

/// The C source.
fn source() -> String {
    let mut text = String::from(
        "/*\n * Written by tests/it/fixtures.rs: ZT_WRITE=1 cargo test -p zt-capi fixtures\n\
         * SPDX-License-Identifier: MIT OR Apache-2.0\n */\n#include \"fixtures.h\"\n\n",
    );
    for (name, number) in PEOPLE {
        let identity = identity(number);
        let _ = writeln!(text, "const char {name}_SECRET[] =\n    \"{}\";", identity.to_text().as_str());
        let _ = writeln!(text, "const char {name}_PUBLIC[] =\n    \"{}\";", identity.identity());
        let _ = writeln!(text, "const uint64_t {name} = 0x{:010x};", identity.address().as_u64());
    }
    let _ = writeln!(text, "const char TWIN_SECRET[] =\n    \"{}\";", twin().to_text().as_str());
    let root: &[&str] = &["10.0.0.1:9993", "[fd00::1]:9993"];
    write_bytes(&mut text, "PLANET", &world(WorldKind::Planet, 77, 1000, &[(0, root)]));
    let all: [(usize, &[&str]); 4] =
        [(0, root), (2, &["10.0.0.3:9993"]), (3, &["10.0.0.4:9993"]), (4, &["10.0.0.5:9993"])];
    write_bytes(&mut text, "PLANET_OF_ALL", &world(WorldKind::Planet, 78, 1000, &all));
    let moon = identity(1).address().as_u64();
    write_bytes(&mut text, "MOON", &world(WorldKind::Moon, moon, 1000, &[(1, &["10.0.0.2:9993"])]));
    let dictionary = b"event=1005\nnodeId=4e2f33b117\0";
    write_bytes(&mut text, "TRACE_PACKET", &packet(Verb::REMOTE_TRACE, 0x1122_3344_5566_7788, dictionary));
    text
}

#[test]
fn the_fixtures_are_what_they_say() {
    let path = crate::compiler::crate_root().join("tests/c/support/fixtures.c");
    let source = source();
    if std::env::var_os("ZT_WRITE").is_some() {
        std::fs::write(&path, &source).expect("written");
    }
    let committed = std::fs::read_to_string(&path).expect("the fixtures are committed");
    assert!(committed == source, "tests/c/support/fixtures.c is not what this test makes (ZT_WRITE=1 writes it)");
}
