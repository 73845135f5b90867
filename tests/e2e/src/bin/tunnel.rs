//! One TCP stream over two of our nodes, over two stock ones and over wireguard-go where it is installed, in the same
//! kind of rig and in turn; see `cargo xtask bench tunnel`.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use zt_test_e2e::rig::{Rig, first};
use zt_test_e2e::{Host, Ping, Program, tcp};

const HELP: &str = "usage: tunnel [--peer DIR] [--megabytes N] [--rounds N]

  --peer DIR      folder with the stock zerotier-one to compare with
  --megabytes N   how much each stream moves [200]
  --rounds N      streams of each program, in turn [3]";

const WAIT: Duration = Duration::from_secs(90);

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("tunnel: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[String]) -> Result<()> {
    let (mut peer, mut megabytes, mut rounds) = (None, 200_u64, 3_usize);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let value = words.next().with_context(|| format!("{word} needs a value\n{HELP}"))?;
        match word.as_str() {
            "--peer" => peer = Some(PathBuf::from(value)),
            "--megabytes" => megabytes = value.parse().context(HELP)?,
            "--rounds" => rounds = value.parse().context(HELP)?,
            other => bail!("unknown argument {other}\n{HELP}"),
        }
    }
    let mut tunnels = vec![prepare(&Program::ours()?)?];
    if let Some(peer) = &peer {
        tunnels.push(prepare(&Program::stock(peer)?)?);
    }
    match wireguard::prepare()? {
        Some(tunnel) => tunnels.push(tunnel),
        None => println!("wireguard-go: not measured (needs the programs wireguard-go and wg)"),
    }
    // In turn, so that what else the machine does meets all of them.
    let mut speeds = vec![Vec::new(); tunnels.len()];
    for _ in 0..rounds.max(1) {
        for (tunnel, speeds) in tunnels.iter().zip(&mut speeds) {
            let moved = tcp(&tunnel.hosts()[0], &tunnel.hosts()[1], tunnel.target(), megabytes * 1_000_000)?;
            speeds.push(moved.megabits_per_second());
        }
    }
    println!("one TCP stream of {megabytes} MB, median of {rounds}; MTU 2800 (wireguard-go: 1420)");
    let medians: Vec<f64> = speeds.iter_mut().map(|list| median(list)).collect();
    for (tunnel, speed) in tunnels.iter().zip(&medians) {
        let ratio = medians[0] / speed;
        println!("{:14} {speed:9.0} Mbit/s   ours is {ratio:.2} times that", tunnel.name());
    }
    if peer.is_none() {
        println!("stock: not measured (--peer DIR)");
    }
    Ok(())
}

fn median(list: &mut [f64]) -> f64 {
    list.sort_by(f64::total_cmp);
    list[list.len() / 2]
}

/// Two hosts with a tunnel between them.
enum Tunnel {
    ZeroTier { name: &'static str, rig: Box<Rig>, target: IpAddr },
    WireGuard(Box<wireguard::Pair>),
}

impl Tunnel {
    fn name(&self) -> &'static str {
        match self {
            Self::ZeroTier { name, .. } => name,
            Self::WireGuard(_) => "wireguard-go",
        }
    }

    fn hosts(&self) -> &[Host; 2] {
        match self {
            Self::ZeroTier { rig, .. } => &rig.hosts,
            Self::WireGuard(pair) => &pair.hosts,
        }
    }

    /// Address of the second host inside the tunnel.
    fn target(&self) -> IpAddr {
        match self {
            Self::ZeroTier { target, .. } => *target,
            Self::WireGuard(pair) => pair.target,
        }
    }
}

fn prepare(program: &Program) -> Result<Tunnel> {
    let rig = Rig::with_hosts("tunnel", [program; 3], |lab| {
        Ok([lab.host("a", &["10.0.0.2/24"])?, lab.host("b", &["10.0.0.3/24"])?])
    })?;
    let rig = rig.context("this machine has no namespaces or TAP devices")?;
    let [_, of_b] = rig.join(WAIT)?;
    let target = first(&of_b)?;
    rig.hosts[0].ping(target, Ping { patience: WAIT, ..Ping::default() })?;
    rig.members[0].wait_direct(rig.members[1].address(), WAIT)?;
    tcp(&rig.hosts[0], &rig.hosts[1], target, 5_000_000)?;
    Ok(Tunnel::ZeroTier { name: program.kind(), rig: Box::new(rig), target })
}

mod wireguard {
    //! Two hosts with wireguard-go between them.

    use std::io::Write as _;
    use std::net::IpAddr;
    use std::process::{Command, Stdio};

    use anyhow::{Context as _, Result, bail, ensure};
    use zt_tap::netns::Process;
    use zt_test_e2e::{Host, Lab, Ping};

    use super::{Tunnel, WAIT};

    pub(super) struct Pair {
        pub(super) hosts: [Host; 2],
        pub(super) target: IpAddr,
        _daemons: Vec<Process>,
        _lab: Lab,
    }

    /// `None` when the programs are not installed.
    pub(super) fn prepare() -> Result<Option<Tunnel>> {
        let installed = |program: &str| Command::new(program).arg("--version").output().is_ok();
        if !installed("wireguard-go") || !installed("wg") {
            return Ok(None);
        }
        let lab = Lab::new("wireguard")?.context("this machine has no namespaces")?;
        let hosts = [lab.host("a", &["10.0.0.2/24"])?, lab.host("b", &["10.0.0.3/24"])?];
        let keys = [wg(&["genkey"], None)?, wg(&["genkey"], None)?];
        let public = [wg(&["pubkey"], Some(&keys[0]))?, wg(&["pubkey"], Some(&keys[1]))?];
        let mut daemons = Vec::new();
        for (this, other) in [(0, 1), (1, 0)] {
            // One control socket per device name, in a folder that namespaces share: so each has a name of its own.
            let device = format!("ztwg{this}-{}", std::process::id() % 10_000);
            let mut command = Command::new("wireguard-go");
            command.args(["-f", &device]).env("LOG_LEVEL", "error").stdin(Stdio::null()).stdout(Stdio::null());
            daemons.push(hosts[this].namespace().spawn(command)?);
            let key = lab.folder().join(format!("key{this}"));
            std::fs::write(&key, &keys[this])?;
            let endpoint = format!("10.0.0.{}:51820", other + 2);
            let key = key.to_string_lossy().into_owned();
            let set = ["set", &device, "listen-port", "51820", "private-key", &key, "peer", &public[other]];
            let set = [&set[..], &["allowed-ips", "10.8.0.0/24", "endpoint", &endpoint]].concat();
            zt_test_e2e::wait_for("a control socket of wireguard-go", WAIT, || {
                let mut command = Command::new("wg");
                command.args(&set).stderr(Stdio::null());
                hosts[this].namespace().enter_on_spawn(&mut command)?;
                Ok(command.status()?.success().then_some(()))
            })?;
            hosts[this].add_address(&device, &format!("10.8.0.{}/24", this + 1))?;
            hosts[this].namespace().set_up(&device, true)?;
        }
        let target: IpAddr = "10.8.0.2".parse()?;
        hosts[0].ping(target, Ping { patience: WAIT, ..Ping::default() })?;
        Ok(Some(Tunnel::WireGuard(Box::new(Pair { hosts, target, _daemons: daemons, _lab: lab }))))
    }

    fn wg(arguments: &[&str], input: Option<&str>) -> Result<String> {
        let mut command = Command::new("wg");
        let mut child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        if let Some(input) = input {
            writeln!(child.stdin.take().context("piped")?, "{input}")?;
        }
        let output = child.wait_with_output()?;
        ensure!(output.status.success(), "wg {arguments:?} failed");
        let text = String::from_utf8(output.stdout)?.trim().to_owned();
        if text.is_empty() {
            bail!("wg {arguments:?} printed nothing");
        }
        Ok(text)
    }
}
