//! `zerotier-cli get` (07 §2.8).

use serde_json::Value;

use super::{Session, items, text};
use crate::console::Console;
use crate::{complain, say};

impl Session<'_> {
    /// Prints one property of a joined network.
    pub(super) fn get(&self, console: &mut Console<'_>) -> i32 {
        if self.word(1).len() != 16 {
            complain!(console, "invalid format: must be a 16-digit (network) ID\n");
            return 2;
        }
        if self.word(2).is_empty() {
            complain!(console, "invalid format: include a property name to get\n");
            return 2;
        }
        let (answer, networks) = match self.ask(console, "/network") {
            Ok(found) => found,
            Err(code) => return code,
        };
        let network = items(&networks).iter().find(|n| text(n, "id") == self.word(1));
        match network {
            // Quirk (07 §2.8): neither an unknown network nor an unknown property is a failure.
            None => complain!(console, "unknown network ID, check that you are a member of the network\n"),
            Some(network) => say!(console, "{}", property(network, self.word(2))),
        }
        if answer.status == 200 { 0 } else { self.fail(console, &answer) }
    }
}

fn property(network: &Value, name: &str) -> String {
    let addresses = network.get("assignedAddresses").map(items).unwrap_or_default();
    let addresses: Vec<&str> = addresses.iter().filter_map(Value::as_str).collect();
    let bare = |text: &str| text.split('/').next().unwrap_or_default().to_owned();
    let lines = |wanted: &dyn Fn(&str) -> bool| -> String {
        let found: Vec<String> = addresses.iter().filter(|a| wanted(a)).map(|a| bare(a)).collect();
        found.join("\n") + "\n"
    };
    match name {
        "ip" => lines(&|_| true),
        "ip4" => lines(&|a| a.contains('.')),
        "ip6" => lines(&|a| a.contains(':')),
        "ip6plane" => six_plane(&addresses, &bare),
        "ip6prefix" => six_plane(&addresses, &|a| bare(a).chars().take(24).collect()),
        _ => match network.get(name) {
            Some(Value::String(text)) if text != "-" => format!("{text}\n"),
            Some(Value::Number(n)) => format!("{}\n", crate::daemon::local_conf::integer(&Value::Number(n.clone()), 0)),
            Some(Value::Bool(b)) => format!("{}\n", u8::from(*b)),
            _ => "error, unknown property name\n".to_owned(),
        },
    }
}

/// Quirk (07 §2.8): the separator follows a match unless it is the last IPv6 address, so an empty line may be left over.
fn six_plane(addresses: &[&str], shown: &dyn Fn(&str) -> String) -> String {
    let v6: Vec<&str> = addresses.iter().copied().filter(|a| a.contains(':')).collect();
    let mut out = String::new();
    for (i, address) in v6.iter().enumerate() {
        if address.starts_with("fc") {
            out += &shown(address);
            if i + 1 < v6.len() {
                out.push('\n');
            }
        }
    }
    out + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn properties_print_like_the_original() {
        let network = json!({
            "assignedAddresses": ["fc00::1/40", "fd00::2/88", "10.0.0.1/24"], "name": "", "mtu": -1, "metric": 1.5,
            "bridge": true, "dash": "-", "routes": [],
        });
        assert_eq!(property(&network, "ip"), "fc00::1\nfd00::2\n10.0.0.1\n");
        assert_eq!(property(&network, "ip4"), "10.0.0.1\n");
        assert_eq!(property(&network, "ip6plane"), "fc00::1\n\n");
        assert_eq!(property(&network, "name"), "\n");
        assert_eq!(property(&network, "mtu"), "18446744073709551615\n");
        assert_eq!(property(&network, "metric"), "1\n");
        assert_eq!(property(&network, "bridge"), "1\n");
        for unknown in ["dash", "routes", "nosuch"] {
            assert_eq!(property(&network, unknown), "error, unknown property name\n");
        }
        assert_eq!(property(&json!({}), "ip"), "\n");
    }
}
