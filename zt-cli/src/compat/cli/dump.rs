//! `zerotier-cli dump` (07 §2.10).

use std::fmt::Write as _;

use super::Session;
use crate::console::Console;
use crate::daemon::home::{read_file, replace_file};
use crate::daemon::local_conf::LocalConf;
use crate::{COMPATIBLE_VERSION, complain, say};

/// Name of the file written into the working folder.
const FILE: &str = "zerotier_dump.txt";

/// An interface as the dump lists it.
pub(super) struct Interface {
    name: String,
    mtu: u32,
    mac: String,
    addresses: Vec<String>,
}

impl Session<'_> {
    /// Writes status, networks, peers, settings and interfaces into a file for support.
    pub(super) fn dump(&self, console: &mut Console<'_>) -> i32 {
        let mut out = format!("platform: Linux\nzerotier version: {COMPATIBLE_VERSION}\n\n");
        for (title, path) in [("status", "/status"), ("networks", "/network"), ("peers", "/peer")] {
            let answer = self.client.get(path);
            if answer.status != 200 {
                return self.unreachable(console, &answer);
            }
            let _ = write!(out, "{title}\n{}\n{}\n\n", "-".repeat(title.len()), answer.body);
        }
        let conf = read_file(&self.home.join("local.conf")).ok().flatten();
        let conf = conf.map_or("None Present".to_owned(), |text| without_passwords(&text));
        let _ = write!(out, "local.conf\n----------\n{conf}\n\nNetwork Interfaces\n------------------\n\n");
        for (i, interface) in interfaces().iter().enumerate() {
            let title = format!("Interface {i}");
            let _ = write!(out, "{title}\n{}\n", "-".repeat(title.len()));
            let Interface { name, mtu, mac, addresses } = interface;
            let _ = write!(out, "Name: {name}\nMTU: {mtu}\nMAC: {mac}\nAddresses: \n");
            for address in addresses {
                let _ = writeln!(out, "{address}");
            }
        }
        let path = console.file(FILE);
        say!(console, "Writing dump to: {}\n", path.display());
        // Deliberate: an older, longer file leaves no tail behind.
        if replace_file(&path, out.as_bytes(), 0o644).is_err() {
            complain!(console, "Error creating file.\n");
            return 1;
        }
        0
    }
}

/// The settings as somebody else may see them. Deliberate: the original copies the file as it is.
fn without_passwords(text: &[u8]) -> String {
    let shown = String::from_utf8_lossy(text).into_owned();
    let secrets = LocalConf::parse(text).map(|conf| conf.secrets()).unwrap_or_default();
    secrets.iter().fold(shown, |shown, secret| {
        // As it stands in the file, with what JSON escapes.
        let quoted = serde_json::to_string(secret).unwrap_or_default();
        let inside = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
        shown.replace(&quoted, "\"***\"").replace(&format!(":{inside}@"), ":***@")
    })
}

/// Non-loopback interfaces with an IPv4 address, read from `/sys` and `/proc` (06 §5.1 names the same sources).
fn interfaces() -> Vec<Interface> {
    let mut names: Vec<String> = std::fs::read_dir("/sys/class/net")
        .map(|entries| entries.filter_map(|e| e.ok()?.file_name().into_string().ok()).collect())
        .unwrap_or_default();
    names.sort();
    let addresses = host_addresses();
    let fact = |name: &str, what: &str| {
        std::fs::read_to_string(format!("/sys/class/net/{name}/{what}")).unwrap_or_default().trim().to_owned()
    };
    let mut found = Vec::new();
    for name in names {
        let own: Vec<String> = addresses.iter().filter(|(n, _)| *n == name).map(|(_, a)| a.to_string()).collect();
        let loopback = fact(&name, "type") == "772";
        if loopback || !own.iter().any(|a| a.contains('.')) {
            continue;
        }
        let mtu = fact(&name, "mtu").parse().unwrap_or(0);
        found.push(Interface { mtu, mac: fact(&name, "address"), addresses: own, name });
    }
    found
}

/// Addresses of this host by interface, IPv4 first.
fn host_addresses() -> Vec<(String, std::net::IpAddr)> {
    let names = std::fs::read_dir("/sys/class/net").into_iter().flatten();
    let names = names.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    let found = zt_tap::InterfaceWatcher::new().and_then(|mut watcher| watcher.addresses_of(&names));
    let mut found: Vec<_> = found.unwrap_or_default().into_iter().map(|a| (a.interface, a.cidr.address())).collect();
    found.sort_by_key(|(_, address)| address.is_ipv6());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_for_support_holds_no_password() {
        let text = r#"{"settings": {"tcp": {"proxy": "http://anna:p\"w@10.0.0.1:3128"}, "userspace": {"user": "u", "password": "u2"}}}"#;
        let shown = r#"{"settings": {"tcp": {"proxy": "http://anna:***@10.0.0.1:3128"}, "userspace": {"user": "u", "password": "***"}}}"#;
        assert_eq!(without_passwords(text.as_bytes()), shown);
        assert_eq!(without_passwords(b"{ \"settings\": {} }"), "{ \"settings\": {} }");
    }
}
