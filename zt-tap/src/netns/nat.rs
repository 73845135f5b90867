use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use netlink_sys::protocols::NETLINK_NETFILTER;
use netlink_sys::{Socket, SocketAddr};

use super::Namespace;

/// How a NAT chooses the outer port of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Masquerade {
    /// The inner port where it is free: the mapping does not depend on the destination, so hole
    /// punching works.
    PortPreserving,
    /// A random port for each destination ("symmetric"): hole punching fails.
    RandomPorts,
    /// A port of this range: changing the range and dropping all flows is a NAT that restarted.
    PortRange(u16, u16),
}

/// A namespace that forwards packets of an inner device to an outer one and hides their source.
#[derive(Debug)]
pub struct NatBox {
    namespace: Namespace,
    inside: String,
    outside: String,
}

impl NatBox {
    /// Makes `namespace`, which has both devices already, a NAT for IPv4. From outside only answers
    /// come in; anything else is dropped without a trace, as home routers do.
    ///
    /// # Errors
    /// When forwarding cannot be switched on, or `nft` is missing or fails.
    pub fn new(namespace: Namespace, inside: &str, outside: &str, kind: Masquerade) -> io::Result<Self> {
        namespace.forward()?;
        let nat = Self { namespace, inside: inside.to_owned(), outside: outside.to_owned() };
        nat.set_masquerade(kind)?;
        Ok(nat)
    }

    /// Its namespace.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Changes how ports are chosen; flows that exist keep theirs.
    ///
    /// # Errors
    /// When `nft` is missing or fails.
    pub fn set_masquerade(&self, kind: Masquerade) -> io::Result<()> {
        self.namespace.nft(&self.ruleset(kind))
    }

    /// Forgets all mappings and gives out ports of another range from now on: what hosts behind it
    /// cannot see.
    ///
    /// # Errors
    /// When `nft` is missing or fails, or the kernel refuses.
    pub fn rebind(&self, first_port: u16, last_port: u16) -> io::Result<()> {
        self.set_masquerade(Masquerade::PortRange(first_port, last_port))?;
        self.namespace.flush_conntrack()
    }

    fn ruleset(&self, kind: Masquerade) -> String {
        let Self { inside, outside, .. } = self;
        let (protocols, how) = match kind {
            Masquerade::PortPreserving => (String::new(), String::new()),
            Masquerade::RandomPorts => (String::new(), " fully-random".to_owned()),
            // Ports exist for some protocols only.
            Masquerade::PortRange(first, last) => {
                (" meta l4proto { tcp, udp }".to_owned(), format!(" to :{first}-{last}"))
            }
        };
        // Unwelcome packets are dropped on input too: were they answered, each would leave an
        // entry in the flow table that keeps the port of a later flow from being preserved.
        format!(
            "flush ruleset
             table ip nat {{
               chain out {{
                 type nat hook postrouting priority srcnat;
                 oifname \"{outside}\"{protocols} masquerade{how}
                 oifname \"{outside}\" masquerade
               }}
             }}
             table inet filter {{
               chain pass {{
                 type filter hook forward priority filter; policy drop;
                 ct state established,related accept
                 iifname \"{inside}\" accept
               }}
               chain in {{
                 type filter hook input priority filter; policy drop;
                 ct state established,related accept
                 iifname != \"{outside}\" accept
                 icmp type echo-request accept
                 icmpv6 type {{ echo-request, nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert }} accept
               }}
             }}"
        )
    }
}

impl Namespace {
    /// Gives a ruleset to `nft` in this namespace.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] without the program; with its message when it fails.
    pub fn nft(&self, ruleset: &str) -> io::Result<()> {
        let mut command = Command::new(nft_program()?);
        command.args(["-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        self.enter_on_spawn(&mut command)?;
        let mut child = command.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(ruleset.as_bytes())?;
        }
        let output = child.wait_with_output()?;
        if output.status.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(io::Error::other(format!("nft: {}", text.trim())))
    }

    /// Drops every packet that is sent to or comes from one of the addresses or blocks, on its way
    /// through this namespace or from and to it: a cut link that no device shows. Replaces the cut
    /// made before; no targets heal it.
    ///
    /// # Errors
    /// As [`Namespace::nft`].
    pub fn cut(&self, targets: &[zt_wire::IpPrefix]) -> io::Result<()> {
        let mut rules = String::new();
        for target in targets {
            let family = if target.is_ipv4() { "ip" } else { "ip6" };
            let block = target.network();
            rules.push_str(&format!("{family} saddr {block} drop\n{family} daddr {block} drop\n"));
        }
        let chain =
            |name: &str, hook: &str| format!("chain {name} {{ type filter hook {hook} priority -300;\n{rules} }}\n");
        let chains = [chain("i", "input"), chain("o", "output"), chain("f", "forward")].concat();
        self.nft(&format!("table inet cut {{}}\ndelete table inet cut\ntable inet cut {{\n{chains}}}"))
    }

    /// Forgets all flows of NATs and stateful filters.
    ///
    /// # Errors
    /// Of the kernel.
    pub fn flush_conntrack(&self) -> io::Result<()> {
        const CTNETLINK_DELETE: u16 = (1 << 8) | 2;
        let mut request = Vec::with_capacity(20);
        request.extend(20_u32.to_ne_bytes());
        request.extend(CTNETLINK_DELETE.to_ne_bytes());
        request.extend(((libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16).to_ne_bytes());
        request.extend([0; 8]); // sequence, port
        request.extend([0; 4]); // every family, version 0
        let answer = self.run(|| {
            let mut socket = Socket::new(NETLINK_NETFILTER)?;
            socket.bind_auto()?;
            socket.send_to(&request, &SocketAddr::new(0, 0), 0)?;
            socket.recv_from_full()
        })??;
        let code = answer.0.get(16..20).and_then(|code| code.try_into().ok());
        match code.map(i32::from_ne_bytes) {
            Some(0) => Ok(()),
            Some(code) => Err(io::Error::from_raw_os_error(code.saturating_neg())),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// The program is often outside the PATH of ordinary users.
fn nft_program() -> io::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join("nft"))
        .find(|program| Path::is_file(program))
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the program nft is not installed"))
}
