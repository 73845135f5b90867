//! `zt planet` and `zt moon` without a node.

use super::Folder;
use zt_wire::{Emit as _, Parse as _, Reader, World, WorldKind};

fn folder() -> Folder {
    let folder = Folder::new();
    folder.ok("zt identity generate root.secret root.public");
    folder
}

fn world(folder: &Folder, name: &str) -> World {
    World::parse(&mut Reader::new(&folder.read(name))).expect("a world")
}

#[test]
fn a_planet_is_made_shown_and_added() {
    let folder = folder();
    let made = folder.ok("zt planet create --root root.public=192.0.2.1/9993,2001:db8::1/9993 --id 8b1a9953c4611296");
    assert!(made.contains("8b1a9953c4611296") && made.contains("192.0.2.1/9993, 2001:db8::1/9993"), "{made}");
    let planet = world(&folder, "planet");
    assert_eq!(
        (planet.kind, planet.id, planet.timestamp),
        (WorldKind::Planet, 0x8b1a_9953_c461_1296, 1_795_493_516_754)
    );
    assert!(zt_crypto::verify_world(&planet, &planet.update_key));
    assert!(folder.ok("zt planet show planet").contains("signed by the key which signs its updates"));
    assert!(folder.ok("zt planet add planet").contains("when the node starts"));
    assert_eq!(folder.read("home/planets.d/8b1a9953c4611296.planet"), folder.read("planet"));
    folder.ok("zt planet remove 8b1a9953c4611296");
    folder.fails("zt planet remove 8b1a9953c4611296", "has no added planet");
    folder.ok("zt planet add --only planet");
    assert_eq!(folder.read("home/planet"), folder.read("planet"));
}

#[test]
fn a_template_is_kept_secret_and_signed_again() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = folder();
    folder.ok("zt planet create --root root.public=192.0.2.1/9993");
    let mode = std::fs::metadata(folder.path().join("planet.json")).expect("the template").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let first = world(&folder, "planet");
    folder.fails("zt planet create --root root.public=192.0.2.1/9993", "--yes");
    folder.ok("zt planet sign planet.json --output again");
    assert_eq!(world(&folder, "again"), first);
    folder.ok("zt planet sign planet.json --output again");
    assert_eq!(world(&folder, "again").timestamp, first.timestamp + 1, "later than the one it replaces");
    folder.fails("zt moon sign planet.json", "is the template of a planet");
    folder.fails("zt planet show planet.json", "a template must be signed first");
}

#[test]
fn what_stands_beside_a_planet_is_added_with_it() {
    let folder = folder();
    folder.ok("zt planet create --root root.public=192.0.2.1/9993");
    let roots = |first: &str| format!("{{\"roots\": {{\"8056c2e21c\": [\"{first}\"]}}}}");
    let write = |text: String| std::fs::write(folder.path().join("planet.tcp"), text).expect("our folder");
    let kept = || String::from_utf8(folder.read("home/planet.tcp")).expect("text");
    write(roots("nowhere"));
    folder.fails("zt planet add planet", "planet.tcp: roots.8056c2e21c: \"nowhere\" ignored, write an address");
    write(roots("tcp://192.0.2.1:8443"));
    assert!(folder.ok("zt planet add planet").contains("reached by TCP"));
    assert!(kept().contains("tcp://192.0.2.1:8443"));
    // Another one is added to it, and instead of it.
    write(roots("tls://192.0.2.1").replace("8056c2e21c", "8056c2e21d"));
    folder.ok("zt planet add planet");
    let both = kept();
    assert!(both.contains("8056c2e21c") && both.contains("tls://192.0.2.1"), "{both}");
    folder.ok("zt planet add --only planet");
    assert!(!kept().contains("8056c2e21c"));
}

#[test]
fn a_forged_planet_is_not_added() {
    let folder = folder();
    folder.ok("zt planet create --root root.public=192.0.2.1/9993");
    let mut forged = world(&folder, "planet");
    forged.timestamp += 1;
    folder.write("forged", forged.to_vec());
    folder.fails("zt planet add forged", "the signature of planet");
    folder.fails("zt planet add --only forged", "the signature of planet");
    // A world with the same ID that is not signed by the key which the one in place names.
    folder.ok("zt planet add planet");
    folder.ok(&format!("zt planet create --root root.public=192.0.2.2/9993 --force --id {:x}", forged.id));
    folder.fails("zt planet add planet", "the signature of planet");
}

#[test]
fn mistakes_are_told_with_the_fix() {
    let folder = folder();
    folder.fails("zt planet create --root root.public", "write IDENTITY=IP/PORT");
    folder.fails("zt planet create --root root.public=192.0.2.1", "such as 192.0.2.1/9993");
    folder.fails("zt planet create --root nobody=192.0.2.1/1", "neither an identity nor a readable file");
    folder.fails("zt planet add nowhere", "does not exist");
    folder.fails("zt planet remove 0", "hexadecimal number");
    let roots = " --root root.public=192.0.2.1/1".repeat(5);
    folder.fails(&format!("zt planet create{roots}"), "1 to 4 roots, not 5");
}

#[test]
fn a_moon_is_made_and_added() {
    let folder = folder();
    folder.ok("zt moon create --root root.public=192.0.2.1/9993");
    let moon = world(&folder, "moon");
    let public = String::from_utf8(folder.read("root.public")).expect("text");
    assert_eq!((moon.kind, format!("{:010x}", moon.id)), (WorldKind::Moon, public[..10].to_owned()));
    folder.ok("zt moon add moon");
    assert_eq!(folder.read(&format!("home/moons.d/{:016x}.moon", moon.id)), folder.read("moon"));
    folder.fails("zt planet add moon", "is a moon");
    // What our command makes, the original's tool makes too.
    let (code, out, err) = folder.run("zerotier-idtool genmoon moon.json");
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(out, format!("wrote {:016x}.moon (signed world with timestamp 1795493516754)\n", moon.id));
    assert_eq!(folder.read(&format!("{:016x}.moon", moon.id)), folder.read("moon"));
}

#[test]
fn a_root_that_nobody_reaches_is_not_signed() {
    let folder = folder();
    for (endpoint, reason) in [
        ("192.0.2.1/99999", "a port is a number from 1 to 65535"),
        ("192.0.2.1/65536", "a port is a number"),
        ("192.0.2.1/-1", "a port is a number"),
        ("192.0.2.1/+9993", "a port is a number"),
        ("192.0.2.1/9993x", "a port is a number"),
        ("192.0.2.1/0", "a port is a number"),
        ("192.0.2.1/", "a port is a number"),
        ("192.0.2.1", "such as 192.0.2.1/9993"),
        ("192.0.2.256/9993", "such as 192.0.2.1/9993"),
        ("0.0.0.0/9993", "unspecified"),
        ("0.1.2.3/9993", "this network"),
        ("127.0.0.1/9993", "loopback"),
        ("127.9.9.9/9993", "loopback"),
        ("224.0.0.1/9993", "multicast"),
        ("255.255.255.255/9993", "broadcast"),
        ("250.0.0.1/9993", "reserved"),
        ("::/9993", "unspecified"),
        ("::1/9993", "loopback"),
        ("::ffff:127.0.0.1/9993", "loopback"),
        ("ff02::1/9993", "multicast"),
        ("fe80::1/9993", "link-local"),
    ] {
        for (command, file) in [("planet", "planet"), ("moon", "moon")] {
            folder.fails(&format!("zt {command} create --root root.public={endpoint}"), reason);
            assert!(!folder.path().join(file).exists(), "{endpoint}");
        }
        folder.fails(&format!("zt planet create --root root.public=192.0.2.1/9993,{endpoint}"), reason);
    }
    // Likewise in a template that was edited.
    folder.ok("zt moon create --root root.public=192.0.2.1/9993 --output moon --template moon.json");
    let template = String::from_utf8(folder.read("moon.json")).expect("text");
    for (endpoint, reason) in [("192.0.2.1/99999", "a port is a number"), ("127.0.0.1/9993", "loopback")] {
        folder.write("edited.json", template.replace("192.0.2.1/9993", endpoint));
        folder.fails("zt moon sign edited.json --output edited", reason);
    }
    folder.write("edited.json", template.replace("192.0.2.1/9993", "192.0.2.1/99999"));
    folder.fails("zerotier-idtool genmoon edited.json", "");
    for (line, reason) in [
        ("zt planet create --root root.public=192.0.2.1/9993 --id 10000000000000000", "hexadecimal"),
        ("zt planet create --root root.public=192.0.2.1/9993 --id 0", "hexadecimal"),
        ("zt service --port 65536", "65536"),
        ("zt info --api-port 99999", "99999"),
        ("zt network create --mtu 65536", "65536"),
        ("zt network create --mtu 1279", "1279"),
        ("zt network create --pool 10.0.0.0/33", "10.9.8.0/24"),
        ("zt network create --pool 10.0.0.0/264", "10.9.8.0/24"),
        ("zt network create --route 10.0.0.0/8=10.0.0.256", "no address"),
        ("zt wait online --timeout -1", "-1"),
        ("zt member auth fe39e980ad000001 ffffffffff1", "10 hexadecimal digits"),
        ("zt member auth fe39e980ad000001 b167db3b07 --ip 10.0.0.256", "10.0.0.256"),
    ] {
        folder.fails(line, reason);
    }
}
