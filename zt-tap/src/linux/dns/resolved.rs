//! systemd-resolved: `org.freedesktop.resolve1.Manager` on the system's message bus.

use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use zbus::export::futures_core::Stream as _;
use zbus::message::Type;
use zbus::{Connection, MatchRule, MessageStream};

use crate::dns::{DnsError, LinkDns, Resolver};

const SERVICE: &str = "org.freedesktop.resolve1";
const OBJECT: &str = "/org/freedesktop/resolve1";
const INTERFACE: &str = "org.freedesktop.resolve1.Manager";
const BUS: &str = "org.freedesktop.DBus";
const BUS_OBJECT: &str = "/org/freedesktop/DBus";
/// What a service that hangs may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Numbers of the address families in the service's interface.
const INET: i32 = libc::AF_INET;
const INET6: i32 = libc::AF_INET6;

/// What happened to the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// It runs, and knows nothing of before.
    New,
    /// It ended.
    Gone,
}

/// A connection to the bus on which the service is, or may appear.
#[derive(Debug)]
pub(super) struct Resolved {
    connection: Connection,
    owners: MessageStream,
    /// The bus is the system's.
    is_system: bool,
}

impl Resolved {
    /// Connects to a bus; `None` when there is none.
    pub(super) async fn connect(address: Option<&str>) -> Option<Self> {
        let builder = match address {
            Some(address) => zbus::connection::Builder::address(address),
            None => zbus::connection::Builder::system(),
        };
        let connecting = async {
            let connection = builder.method_timeout(TIMEOUT).build().await?;
            let rule = MatchRule::builder()
                .msg_type(Type::Signal)
                .sender(BUS)
                .interface(BUS)
                .member("NameOwnerChanged")
                .arg(0, SERVICE)
                .build()?;
            let owners = MessageStream::for_match_rule(rule, &connection, None).await?;
            Ok::<_, zbus::Error>(Self { connection, owners, is_system: address.is_none() })
        };
        tokio::time::timeout(TIMEOUT, connecting).await.ok()?.ok()
    }

    /// True when the service is on the bus now. It is not started for us: a host that has it installed but does not use it asks
    /// somebody else.
    pub(super) async fn runs(&self) -> bool {
        let reply = self.bus("NameHasOwner").await;
        reply.and_then(|reply| reply.body().deserialize::<bool>()).unwrap_or(false)
    }

    /// False when the service is known to live in another network namespace, whose device numbers mean other devices.
    pub(super) async fn is_of_this_namespace(&self) -> bool {
        let reply = self.bus("GetConnectionUnixProcessID").await;
        let Ok(process) = reply.and_then(|reply| reply.body().deserialize::<u32>()) else { return true };
        let theirs = std::fs::read_link(format!("/proc/{process}/ns/net"));
        let ours = std::fs::read_link("/proc/thread-self/ns/net");
        match (theirs, ours) {
            (Ok(theirs), Ok(ours)) => theirs == ours,
            // Who may not look there (a process of another user, or outside of our sandbox) looks for sockets.
            _ if self.is_system => std::fs::read_to_string("/proc/thread-self/net/unix").is_ok_and(|all| is_here(&all)),
            _ => true,
        }
    }

    /// Gives a device its servers and its domain, in place of what it had.
    pub(super) async fn set(&self, index: u32, dns: &LinkDns) -> Result<(), DnsError> {
        let index = i32::try_from(index).map_err(|_| DnsError::NoSuchDevice)?;
        let servers: Vec<(i32, Vec<u8>)> = dns.servers.iter().map(|server| address(*server)).collect();
        // Searched and routed: not "for routing only".
        let domains = vec![(dns.domain.as_str(), false)];
        let set = async {
            self.call("SetLinkDNS", &(index, servers)).await?;
            self.call("SetLinkDomains", &(index, domains)).await?;
            // By itself the service would ask these servers for all other names too. Older ones do not know the call.
            match self.call("SetLinkDefaultRoute", &(index, false)).await {
                Err(zbus::Error::FDO(error)) if matches!(*error, zbus::fdo::Error::UnknownMethod(_)) => Ok(()),
                result => result,
            }
        };
        let result = set.await;
        if result.is_err() {
            // Servers without their domain would be asked for everything.
            let _ = self.call("RevertLink", &(index,)).await;
        }
        result.map_err(|error| DnsError::Refused(Resolver::Resolved, reason(&error)))
    }

    /// Takes away what a device has. One that is gone has nothing.
    pub(super) async fn revert(&self, index: u32) {
        if let Ok(index) = i32::try_from(index) {
            let _ = self.call("RevertLink", &(index,)).await;
        }
    }

    /// The next change of the service's owner; `None` when the bus is lost.
    pub(super) async fn next_owner(&mut self) -> Option<Owner> {
        loop {
            let message = poll_fn(|cx| Pin::new(&mut self.owners).poll_next(cx)).await?.ok()?;
            let body = message.body();
            let Ok((_, _, new)) = body.deserialize::<(&str, &str, &str)>() else { continue };
            return Some(if new.is_empty() { Owner::Gone } else { Owner::New });
        }
    }

    async fn bus(&self, method: &str) -> zbus::Result<zbus::Message> {
        self.connection.call_method(Some(BUS), BUS_OBJECT, Some(BUS), method, &(SERVICE,)).await
    }

    async fn call<B>(&self, method: &str, body: &B) -> zbus::Result<()>
    where
        B: zbus::export::serde::Serialize + zbus::DynamicType,
    {
        self.connection.call_method(Some(SERVICE), OBJECT, Some(INTERFACE), method, body).await.map(drop)
    }
}

/// Whether sockets of a namespace, as the kernel lists them, are those on which the service or its bus listens.
fn is_here(sockets: &str) -> bool {
    let listening = ["/systemd/resolve/io.systemd.Resolve", "/dbus/system_bus_socket"];
    sockets.lines().any(|line| listening.iter().any(|name| line.ends_with(name)))
}

fn address(ip: IpAddr) -> (i32, Vec<u8>) {
    match ip {
        IpAddr::V4(ip) => (INET, ip.octets().to_vec()),
        IpAddr::V6(ip) => (INET6, ip.octets().to_vec()),
    }
}

/// The service's own words, in one line.
fn reason(error: &zbus::Error) -> String {
    let text = match error {
        zbus::Error::MethodError(name, text, _) => text.clone().unwrap_or_else(|| name.to_string()),
        other => other.to_string(),
    };
    text.replace(|character: char| character.is_control(), " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_of_another_namespace_is_known_by_its_missing_sockets() {
        let head = "Num       RefCount Protocol Flags    Type St Inode Path\n";
        let line = "ffff: 00000002 00000000 00010000 0001 01 18321";
        assert!(is_here(&format!("{head}{line} /run/dbus/system_bus_socket\n")));
        assert!(is_here(&format!("{head}{line}\n{line} /run/systemd/resolve/io.systemd.Resolve\n")));
        assert!(!is_here(&format!("{head}{line} @/tmp/x\n{line} /run/zt/zt.sock\n")));
    }
}
