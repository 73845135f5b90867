//! `settings.userspace`: proxies and forwards of a node without a device (docs/userspace.md). Ours alone; the original
//! ignores it.

use std::net::SocketAddr;

use serde_json::Value;

use super::{LocalConf, socket_address};
use crate::daemon::proxy::{Forward, UserspaceSettings};

/// Most forwards.
const MOST: usize = 256;

impl LocalConf {
    pub(super) fn read_userspace(&mut self, value: &Value) {
        let Value::Object(entries) = value else {
            let example = "settings.userspace: ignored, must be an object such as {\"socks5\": \"127.0.0.1:1080\"}";
            return self.remark(example.to_owned());
        };
        let mut read = UserspaceSettings::default();
        let text = |key: &str| entries.get(key).and_then(Value::as_str).unwrap_or_default();
        let (user, password) = (text("user"), text("password"));
        match (user.is_empty(), password.is_empty()) {
            (false, false) => read.access = Some((user.to_owned(), password.to_owned())),
            (true, true) => {}
            _ => self
                .remark("settings.userspace: user and password must both name something; nobody is let in".to_owned()),
        }
        let is_half = user.is_empty() != password.is_empty();
        for (key, place) in [("socks5", &mut read.socks5), ("httpProxy", &mut read.http_proxy)] {
            let Some(value) = entries.get(key) else { continue };
            let field = format!("settings.userspace.{key}");
            match proxy_address(value.as_str().unwrap_or_default()) {
                None => self.remark(format!("{field}: {value} ignored; write an address such as \"127.0.0.1:1080\"")),
                Some(at) if !at.ip().is_loopback() && read.access.is_none() => self.remark(format!(
                    "{field}: {at} ignored, everybody could use it; give user and password, or an address of loopback"
                )),
                Some(_) if is_half => {}
                Some(at) => *place = Some(at),
            }
        }
        self.read_forwards(entries.get("forwards"), &mut read);
        self.settings.userspace = read;
    }

    fn read_forwards(&mut self, value: Option<&Value>, read: &mut UserspaceSettings) {
        let field = "settings.userspace.forwards";
        let forwards = match value {
            None => return,
            Some(Value::Array(forwards)) => forwards,
            Some(_) => return self.remark(format!("{field}: ignored, must be an array")),
        };
        for (at, value) in forwards.iter().enumerate() {
            match Forward::read(value) {
                Err(why) => self.remark(format!("{field}[{at}] ignored: {why}")),
                Ok(forward) if read.forwards.iter().any(|other| other.id() == forward.id()) => {
                    self.remark(format!("{field}[{at}] ignored: {forward} stands there twice"));
                }
                Ok(_) if read.forwards.len() == MOST => {
                    self.remark(format!("{field}[{at}] ignored: at most {MOST} are kept"));
                }
                Ok(forward) => read.forwards.push(forward),
            }
        }
    }
}

/// Where a proxy listens: `ip:port` or `ip/port`.
pub fn proxy_address(text: &str) -> Option<SocketAddr> {
    text.parse().ok().filter(|at: &SocketAddr| at.port() != 0).or_else(|| socket_address(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(userspace: Value) -> (UserspaceSettings, Vec<String>) {
        let Value::Object(raw) = json!({"settings": {"userspace": userspace}}) else { unreachable!("an object") };
        let conf = LocalConf::from_object(raw).expect("usable");
        (conf.settings.userspace, conf.remarks)
    }

    #[test]
    fn proxies_and_forwards_are_read() {
        let (settings, remarks) = read(json!({
            "socks5": "127.0.0.1:1080",
            "httpProxy": "[::1]:8118",
            "forwards": [
                {"local": "127.0.0.1:8080", "to": "10.9.8.2:80"},
                {"protocol": "udp", "network": "8056c2e21c000001", "port": 53, "to": "127.0.0.1:53"},
            ],
        }));
        assert_eq!(remarks, Vec::<String>::new());
        assert_eq!(settings.socks5, Some("127.0.0.1:1080".parse().expect("an address")));
        let ids: Vec<String> = settings.forwards.iter().map(Forward::id).collect();
        assert_eq!(ids, ["tcp/127.0.0.1:8080", "udp/8056c2e21c000001:53"]);
    }

    #[test]
    fn a_proxy_that_everybody_could_use_is_not_opened() {
        let (settings, remarks) = read(json!({"socks5": "0.0.0.0:1080"}));
        assert_eq!(settings.socks5, None);
        assert!(remarks[0].contains("user and password"), "{remarks:?}");
        let (settings, _) = read(json!({"socks5": "0.0.0.0:1080", "user": "u", "password": "p"}));
        assert!(settings.socks5.is_some());
        let (settings, remarks) = read(json!({"socks5": "127.0.0.1:1080", "user": "u"}));
        assert_eq!((settings.socks5, remarks.len()), (None, 1), "half of a password lets nobody in");
    }

    #[test]
    fn what_is_wrong_with_a_forward_is_named_with_the_fix() {
        for (forward, word) in [
            (json!(7), "object"),
            (json!({"local": "127.0.0.1:80"}), "to: missing"),
            (json!({"local": "127.0.0.1", "to": "10.0.0.1:80"}), "no address with a port"),
            (json!({"local": "127.0.0.1:80", "to": "10.0.0.1"}), "no address with a port"),
            (json!({"network": "x", "port": 80, "to": "127.0.0.1:80"}), "network ID"),
            (json!({"network": "8056c2e21c000001", "to": "127.0.0.1:80"}), "network and port"),
            (json!({"local": "127.0.0.1:80", "to": "a:80", "protocol": "sctp"}), "tcp"),
            (json!({"locl": "127.0.0.1:80", "to": "a:80"}), "locl: unknown"),
        ] {
            let (settings, remarks) = read(json!({"forwards": [forward]}));
            assert!(settings.forwards.is_empty());
            assert!(remarks.len() == 1 && remarks[0].contains(word), "{word}: {remarks:?}");
        }
    }
}
