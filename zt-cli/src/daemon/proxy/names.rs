//! Names to addresses: by the servers of the networks first, then by the host's resolver.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use zt_crypto::Entropy as _;
use zt_node::OsEntropy;

use super::target::Host;
use crate::userspace::Ports;

const DNS_PORT: u16 = 53;
/// How long a server is waited for, and how often it is asked.
const PATIENCE: Duration = Duration::from_millis(1500);
const TRIES: usize = 2;
const KIND_A: u16 = 1;
const KIND_AAAA: u16 = 28;

/// The address of a host that some network reaches.
pub(super) async fn look_up(ports: &Ports, host: &Host) -> Option<IpAddr> {
    let name = match host {
        Host::Ip(ip) => return Some(*ip),
        Host::Name(name) => name,
    };
    for (domain, servers) in ports.servers_for(name) {
        let full = if name.contains('.') || domain.is_empty() { name.clone() } else { format!("{name}.{domain}") };
        for server in servers {
            if let Some(ip) = ask(ports, server, &full).await {
                return Some(ip);
            }
        }
    }
    let found: Vec<IpAddr> = tokio::net::lookup_host((name.as_str(), 0)).await.ok()?.map(|at| at.ip()).collect();
    found.iter().find(|ip| ports.to(**ip).is_some()).or(found.first()).copied()
}

/// Asks one server for both kinds of address: IPv4 first, as members always have that or neither.
async fn ask(ports: &Ports, server: IpAddr, name: &str) -> Option<IpAddr> {
    for kind in [KIND_A, KIND_AAAA] {
        for _ in 0..TRIES {
            let id = OsEntropy.next_u64() as u16;
            let query = query(id, name, kind)?;
            let socket = ports.to(server)?.bind_udp(None).ok()?;
            socket.send_to(&query, SocketAddr::new(server, DNS_PORT));
            let mut room = vec![0; 1500];
            let answer = tokio::time::timeout(PATIENCE, async {
                loop {
                    let (count, from) = socket.recv_from(&mut room).await;
                    if from == SocketAddr::new(server, DNS_PORT) && room[..count].starts_with(&id.to_be_bytes()) {
                        break addresses(&room[..count], kind);
                    }
                }
            });
            match answer.await {
                Ok(found) => {
                    if let Some(ip) = found.into_iter().find(|ip| ports.to(*ip).is_some()) {
                        return Some(ip);
                    }
                    break;
                }
                Err(_) => continue,
            }
        }
    }
    None
}

/// A question of one name (RFC 1035 §4.1).
fn query(id: u16, name: &str, kind: u16) -> Option<Vec<u8>> {
    let mut bytes = id.to_be_bytes().to_vec();
    // Recursion is desired; one question.
    bytes.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.trim_end_matches('.').split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..64).contains(length))?;
        bytes.push(length);
        bytes.extend(label.bytes());
    }
    bytes.push(0);
    bytes.extend(kind.to_be_bytes());
    bytes.extend([0, 1]);
    Some(bytes)
}

/// The addresses of one kind in an answer; none where it contradicts itself.
fn addresses(bytes: &[u8], kind: u16) -> Vec<IpAddr> {
    let mut found = Vec::new();
    read_addresses(bytes, kind, &mut found);
    found
}

fn read_addresses(bytes: &[u8], kind: u16, found: &mut Vec<IpAddr>) -> Option<()> {
    let word = |at: usize| Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
    let (questions, answers) = (word(4)?, word(6)?);
    let mut at = 12;
    for _ in 0..questions {
        at = behind_name(bytes, at)? + 4;
    }
    for _ in 0..answers {
        at = behind_name(bytes, at)?;
        let (this, length) = (word(at)?, usize::from(word(at + 8)?));
        let data = bytes.get(at + 10..at + 10 + length)?;
        match (this == kind, length) {
            (true, 4) => found.push(IpAddr::from(*data.first_chunk::<4>()?)),
            (true, 16) => found.push(IpAddr::from(*data.first_chunk::<16>()?)),
            _ => {}
        }
        at += 10 + length;
    }
    Some(())
}

fn behind_name(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *bytes.get(at)? {
            0 => return Some(at + 1),
            length if length & 0xc0 == 0xc0 => return Some(at + 2),
            length => at += 1 + usize::from(length),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_gives_its_addresses() {
        let mut answer = query(7, "web.lan", KIND_A).expect("a name");
        answer[7] = 2;
        // An alias, then its address.
        answer.extend([0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 2, 0xc0, 12]);
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 10, 9, 8, 7]);
        assert_eq!(addresses(&answer, KIND_A), [IpAddr::from([10, 9, 8, 7])]);
        for end in 0..answer.len() {
            assert!(addresses(&answer[..end], KIND_A).is_empty(), "cut at {end}");
        }
        assert_eq!(query(7, "a..b", KIND_A), None);
    }
}
