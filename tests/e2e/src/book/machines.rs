//! The machines that a page talks about.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::Machine;
use crate::program::{unit_command, unit_user};
use crate::{Lab, Program};

/// The machines of one page, made when it first names one of them. All have the program `zt`, and `/var/lib/zerotier-one`,
/// `/etc` and `/run` of their own.
///
/// | Name | What runs on it |
/// |---|---|
/// | `shell` | nothing |
/// | `server`, `laptop` | nothing yet: 192.0.2.1 and 192.0.2.2 |
/// | `first`, `second` | the service, online by a root elsewhere, and no network yet: 192.0.2.1 and 192.0.2.2 |
/// | `controller` | root and controller of a network with itself, `a` and `b` as members: 192.0.2.1, in the network 10.77.0.1 |
/// | `a`, `b` | members: 192.0.2.2 and 192.0.2.3, in the network 10.77.0.2 and 10.77.0.3 |
/// | `guest` | nothing yet; its user has a home folder `~/.zt` with the planet of `controller`, whose network lets everybody in. `b` has a web server |
///
/// Where a page says `8056c2e21c000001`, `8056c2e21c` or `fe39e980ad`, the network `home`, its controller and the other member
/// (`b`, `second`) are meant.
#[derive(Debug)]
pub struct Machines {
    lab: Lab,
    machines: BTreeMap<String, Machine>,
    stands_for: Vec<(&'static str, String)>,
    tools: PathBuf,
}

const ADDRESSES: [(&str, &str); 10] = [
    ("shell", "192.0.2.99"),
    ("server", "192.0.2.1"),
    ("laptop", "192.0.2.2"),
    ("root", "192.0.2.9"),
    ("first", "192.0.2.1"),
    ("second", "192.0.2.2"),
    ("controller", "192.0.2.1"),
    ("a", "192.0.2.2"),
    ("b", "192.0.2.3"),
    ("guest", "192.0.2.4"),
];
/// Of a service.
const HOME: &str = "/var/lib/zerotier-one";
/// What pages call the network.
const NETWORK: &str = "8056c2e21c000001";
const MEMBERS: [(&str, &str); 3] = [("controller", "10.77.0.1"), ("a", "10.77.0.2"), ("b", "10.77.0.3")];

/// What stands for programs that a namespace cannot have: an init system, and ways to the other machine.
const TOOLS: [(&str, &str); 4] = [
    ("systemctl", include_str!("systemctl.sh")),
    ("ssh", include_str!("ssh.sh")),
    ("scp", include_str!("scp.sh")),
    ("sudo", "#!/bin/sh\nexec \"$@\"\n"),
];

impl Machines {
    /// No machine yet; `None` where there are no namespaces here.
    ///
    /// # Errors
    /// As [`Lab::new`], and `zt` cannot be built.
    pub fn new(name: &str) -> Result<Option<Self>> {
        let Some(lab) = Lab::new(name)? else { return Ok(None) };
        let Program::Ours(zt) = Program::ours()? else { bail!("our program") };
        let tools = lab.folder().join("tools");
        fs::create_dir_all(&tools)?;
        symlink(&zt, tools.join("zt"))?;
        let as_unit = unit_user().map(|user| unit_command(&user, "", Path::new(HOME), Some(&lab.folder()), &zt));
        let as_unit: Vec<String> = as_unit.into_iter().flatten().map(|word| format!("'{}'", word.display())).collect();
        let as_unit = format!("#!/bin/sh\nexec {} \"$@\"\n", as_unit.join(" "));
        for (name, text) in TOOLS.into_iter().chain([("as-unit", as_unit.as_str())]) {
            let path = tools.join(name);
            fs::write(&path, text)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        }
        Ok(Some(Self { lab, machines: BTreeMap::new(), stands_for: Vec::new(), tools }))
    }

    /// A machine by its name.
    ///
    /// # Errors
    /// There is none of this name, or it cannot be made.
    pub fn machine(&mut self, name: &str) -> Result<&mut Machine> {
        if !self.machines.contains_key(name) {
            match name {
                "controller" | "a" | "b" => self.network().context("a network of three")?,
                "guest" => self.guest().context("a guest of the network")?,
                "first" | "second" => self.serve(&["root", "first", "second"]).context("two nodes and a root")?,
                _ => self.start(name)?,
            }
        }
        self.machines.get_mut(name).context("no machine")
    }

    /// A text of a page with the names of these machines in it.
    ///
    /// # Errors
    /// The network that a page makes is not there yet.
    pub fn here(&mut self, text: &str) -> Result<String> {
        let mut text = text.to_owned();
        if text.contains(NETWORK) {
            // Who hosts it: the page made it meanwhile, or the laboratory did.
            let host = self.machines.keys().find(|name| ["first", "controller"].contains(&name.as_str())).cloned();
            let listed = self.machine(&host.context("nobody hosts the network")?)?.ok("zt network list")?;
            let home = listed.lines().find(|line| line.contains("home")).context("no network home")?;
            text = text.replace(NETWORK, home.split_whitespace().next().unwrap_or_default());
        }
        Ok(self.stands_for.iter().fold(text, |text, (page, here)| text.replace(page, here)))
    }

    fn start(&mut self, name: &str) -> Result<()> {
        let (_, address) = ADDRESSES.iter().find(|(known, _)| *known == name).context("no machine has this name")?;
        let host = self.lab.host(name, &[&format!("{address}/24")])?;
        let folder = self.lab.folder().join(name);
        let machine = Machine::new(host, &folder, &self.tools)?;
        // Where the stand-ins for ssh and scp find it.
        for known in [*address, name] {
            let place = format!("{} {}\n", machine.id(), folder.join("root").display());
            fs::write(self.tools.join(format!("{known}.machine")), place)?;
        }
        self.machines.insert(name.to_owned(), machine);
        Ok(())
    }

    /// Starts machines with the service; the first one is the root.
    fn serve(&mut self, names: &[&str]) -> Result<()> {
        let identities: Vec<_> = (1..).zip(names).map(|(seed, _)| self.lab.identity(seed)).collect();
        let root = ADDRESSES.iter().find(|(known, _)| *known == names[0]).context("a known root")?;
        let planet = self.lab.planet(&[(identities[0].identity(), &[&format!("{}/9993", root.1)])])?;
        let planet_file = self.lab.folder().join("planet");
        fs::write(&planet_file, planet)?;
        for (name, identity) in names.iter().zip(&identities) {
            self.start(name)?;
            let machine = self.machine(name)?;
            machine.write("/var/lib/zerotier-one/identity.secret", &identity.to_text())?;
            machine.ok("chmod 600 /var/lib/zerotier-one/identity.secret")?;
            machine.ok(&format!("cp {} /var/lib/zerotier-one/planet", planet_file.display()))?;
            machine.ok("systemctl start zt")?;
        }
        let address = |at: usize| identities[at].identity().address.to_string();
        let host = usize::from(names[0] == "root");
        self.stands_for = vec![("8056c2e21c", address(host)), ("fe39e980ad", address(names.len() - 1))];
        Ok(())
    }

    /// The controller, and members in its network.
    fn network(&mut self) -> Result<()> {
        self.serve(&MEMBERS.map(|(name, _)| name))?;
        self.machine("controller")?.ok("zt network create --name home --pool 10.77.0.0/24")?;
        let network = self.here(NETWORK)?;
        for (name, ip) in MEMBERS {
            let address = self.machine(name)?.ok("zt info --address")?;
            self.machine("controller")?.ok(&format!("zt member auth {network} {address} --ip {ip}"))?;
            self.machine(name)?.ok(&format!("zt join {network}"))?;
        }
        for (name, _) in MEMBERS {
            self.machine(name)?.ok(&format!("zt wait network {network}"))?;
        }
        Ok(())
    }

    /// Somebody without rights, whom the network lets in, and what is to be seen there.
    fn guest(&mut self) -> Result<()> {
        self.machine("controller")?.ok("zt network set home --private no")?;
        self.machine("b")?.serve()?;
        self.start("guest")?;
        let planet = self.lab.folder().join("planet");
        self.machine("guest")?.ok(&format!("mkdir -m 700 ~/.zt && cp {} ~/.zt/planet", planet.display())).map(drop)
    }
}
