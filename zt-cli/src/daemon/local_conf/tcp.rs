//! `settings.tcp`: tunnels in streams (docs/tcp.md). Ours alone; the original ignores it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use serde_json::{Map, Value};
use zt_wire::Address;

use super::{LocalConf, boolean, socket_address};
use crate::daemon::tunnel::TcpSettings;
use crate::daemon::tunnel::proxy::Proxies;
use crate::daemon::tunnel::target::Target;
use crate::render::json::without_mark;

/// Most connections that a node is allowed to take: each costs a descriptor.
const MOST: u64 = 65_536;

/// Reads where to listen: `ip/port`, `ip:port`, or a port alone for all addresses of both families.
pub fn listen_addresses(text: &str) -> Option<Vec<SocketAddr>> {
    let text = text.trim();
    if let Ok(port) = text.parse::<u16>() {
        let all = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
        return (port != 0).then(|| all.map(|ip| SocketAddr::new(ip, port)).to_vec());
    }
    let address = text.parse().ok().filter(|at: &SocketAddr| at.port() != 0).or_else(|| socket_address(text))?;
    Some(vec![address])
}

/// Targets of roots, by node address.
pub type Targets = BTreeMap<Address, Vec<Target>>;

/// Reads the file beside a planet: `{"roots": {"8056c2e21c": ["tcp://192.0.2.1:443"]}}`. The second value says what of it
/// cannot be used; an error is about all of it. Nothing at all means no targets.
pub fn targets_beside_planet(text: &[u8]) -> Result<(Targets, Vec<String>), String> {
    let text = without_mark(text);
    if text.iter().all(u8::is_ascii_whitespace) {
        return Ok((Targets::new(), Vec::new()));
    }
    let value: Value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let roots = value.get("roots").ok_or("write {\"roots\": {\"node address\": [\"tcp://192.0.2.1:443\"]}}")?;
    let (mut reader, mut tcp) = (LocalConf::default(), TcpSettings::default());
    reader.read_targets("roots", roots, &mut tcp);
    Ok((tcp.roots, reader.remarks))
}

impl LocalConf {
    pub(super) fn read_tcp(&mut self, value: &Value) {
        let Value::Object(entries) = value else {
            return self.remark("settings.tcp: ignored, must be an object such as {\"listen\": [443]}".to_owned());
        };
        let mut tcp = TcpSettings::default();
        for (key, value) in entries {
            let field = format!("settings.tcp.{key}");
            match key.as_str() {
                "listen" => {
                    for text in self.texts(&field, value) {
                        match listen_addresses(&text) {
                            Some(addresses) => tcp.listen.extend(addresses),
                            None => self.remark(format!("{field}: \"{text}\" ignored, write ip/port or a port")),
                        }
                    }
                }
                "maxConnections" => self.bound(&field, value, &mut tcp.bounds.most),
                "maxPerSource" => self.bound(&field, value, &mut tcp.bounds.per_source),
                "trustedProxies" => tcp.trusted_proxies = self.prefixes(&field, value),
                "connect" => tcp.connect = boolean(value, true),
                "proxy" => self.read_proxy(&field, value, &mut tcp),
                "roots" => self.read_targets(&field, value, &mut tcp),
                "certificate" | "key" => {}
                _ => {}
            }
        }
        self.read_certificate(entries, &mut tcp);
        self.settings.tcp = tcp;
    }

    fn bound(&mut self, field: &str, value: &Value, bound: &mut usize) {
        match self.number(field, value) {
            n @ 1..=MOST => *bound = usize::try_from(n).unwrap_or(*bound),
            n => self.remark(format!("{field}: {n} is outside of 1 to {MOST}, {bound} is used")),
        }
    }

    fn read_proxy(&mut self, field: &str, value: &Value, tcp: &mut TcpSettings) {
        match value.as_str() {
            Some("environment") => tcp.proxy = None,
            Some("none") => tcp.proxy = Some(Proxies::default()),
            // The text is not repeated: it may hold a password.
            text => match text.unwrap_or_default().parse() {
                Ok(proxy) => tcp.proxy = Some(Proxies::always(proxy)),
                Err(error) => self.remark(format!("{field}: ignored, {error}, \"none\" or \"environment\"")),
            },
        }
    }

    fn read_certificate(&mut self, entries: &Map<String, Value>, tcp: &mut TcpSettings) {
        let path = |key: &str| entries.get(key).map(|value| value.as_str().map(PathBuf::from));
        match (path("certificate"), path("key")) {
            (None, None) => {}
            (Some(Some(certificate)), Some(Some(key))) => tcp.tls = Some((certificate, key)),
            _ => self.remark(
                "settings.tcp.certificate and settings.tcp.key: ignored, must both name a file in PEM form".to_owned(),
            ),
        }
    }

    /// Addresses of roots, by node address: here, or in the file beside a planet.
    fn read_targets(&mut self, field: &str, value: &Value, tcp: &mut TcpSettings) {
        let Value::Object(roots) = value else {
            return self.remark(format!("{field}: ignored, must be an object with node addresses as keys"));
        };
        for (key, value) in roots {
            let field = format!("{field}.{key}");
            let Ok(address) = key.parse::<Address>() else {
                self.remark(format!("{field}: ignored, must be a 10-digit node address"));
                continue;
            };
            for text in self.texts(&field, value) {
                match text.parse::<Target>() {
                    Ok(target) => tcp.roots.entry(address).or_default().push(target),
                    Err(error) => self.remark(format!("{field}: \"{text}\" ignored, {error}")),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::tunnel::Bounds;

    fn read(text: &str) -> (TcpSettings, Vec<String>) {
        let conf = LocalConf::parse(format!("{{\"settings\": {{\"tcp\": {text}}}}}").as_bytes()).expect("an object");
        (conf.settings.tcp, conf.remarks)
    }

    #[test]
    fn everything_that_can_be_set() {
        let (tcp, remarks) = read(
            r#"{"listen": ["0.0.0.0/443", "[::]:443", 8443], "maxConnections": 100, "maxPerSource": 9,
                "trustedProxies": ["10.0.0.0/8"], "connect": false, "proxy": "http://user:word@10.0.0.1:3128",
                "certificate": "/c.pem", "key": "/k.pem",
                "roots": {"8056c2e21c": ["tcp://192.0.2.1:443", "wss://root.example/zt"]}}"#,
        );
        assert_eq!(remarks, Vec::<String>::new());
        let shown: Vec<String> = tcp.listen.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["0.0.0.0:443", "[::]:443", "0.0.0.0:8443", "[::]:8443"]);
        assert_eq!((tcp.bounds, tcp.connect), (Bounds { most: 100, per_source: 9 }, false));
        assert_eq!(tcp.trusted_proxies, ["10.0.0.0/8".parse().expect("a range")]);
        assert!(tcp.proxy.is_some_and(|proxies| proxies.of("anybody").is_some()) && tcp.tls.is_some());
        assert_eq!(tcp.roots.values().map(Vec::len).sum::<usize>(), 2);
        assert_eq!(read(r#"{"proxy": "none"}"#).0.proxy, Some(Proxies::default()));
        assert_eq!(read(r#"{"proxy": "environment"}"#).0, TcpSettings::default());
    }

    #[test]
    fn a_file_beside_the_planet_tells_where_its_roots_are() {
        let (targets, remarks) =
            targets_beside_planet(br#"{"roots": {"8056c2e21c": ["tls://192.0.2.1:443", "x"]}}"#).expect("an object");
        assert_eq!((targets.len(), remarks.len()), (1, 1));
        assert_eq!(targets_beside_planet(b" \n"), Ok((Targets::new(), Vec::new())));
        assert!(targets_beside_planet(b"{").is_err() && targets_beside_planet(b"{}").is_err());
    }

    #[test]
    fn what_cannot_be_used_is_named_with_the_fix() {
        let (tcp, remarks) = read(
            r#"{"listen": ["nowhere", "10.0.0.1/0"], "maxConnections": 0, "proxy": "socks5://u:secret@h",
                "certificate": "/c.pem", "roots": {"1": [], "8056c2e21c": ["http://a"]}, "ports": 1}"#,
        );
        assert_eq!(tcp, TcpSettings::default());
        assert_eq!(remarks.len(), 8, "{remarks:#?}");
        assert!(remarks.iter().all(|r| r.starts_with("settings.tcp.") && !r.contains("secret")), "{remarks:#?}");
        assert!(read("443").1[0].starts_with("settings.tcp: ignored"));
    }
}
