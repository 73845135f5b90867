//! The machines that a page talks about.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use super::Machine;
use crate::{Lab, Program};

/// The machines of one page, made when it first names one of them. All have the program `zt`, and `/var/lib/zerotier-one`,
/// `/etc` and `/run` of their own.
///
/// | Name | What runs on it |
/// |---|---|
/// | `shell` | nothing |
/// | `server`, `laptop` | nothing yet: 192.0.2.1 and 192.0.2.2 |
/// | `controller` | root and controller of a network with itself, `a` and `b` as members: 192.0.2.1, in the network 10.77.0.1 |
/// | `a`, `b` | members: 192.0.2.2 and 192.0.2.3, in the network 10.77.0.2 and 10.77.0.3 |
///
/// Where a page says `8056c2e21c000001`, `8056c2e21c` or `fe39e980ad`, the network, its controller or `b` is meant.
#[derive(Debug)]
pub struct Machines {
    lab: Lab,
    machines: BTreeMap<String, Machine>,
    stands_for: Vec<(&'static str, String)>,
    tools: PathBuf,
}

const ADDRESSES: [(&str, &str); 6] = [
    ("shell", "192.0.2.99"),
    ("server", "192.0.2.1"),
    ("laptop", "192.0.2.2"),
    ("controller", "192.0.2.1"),
    ("a", "192.0.2.2"),
    ("b", "192.0.2.3"),
];
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
        symlink(zt, tools.join("zt"))?;
        for (name, text) in TOOLS {
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
            match MEMBERS.iter().any(|(member, _)| *member == name) {
                true => self.network().context("a network of three")?,
                false => self.start(name)?,
            }
        }
        self.machines.get_mut(name).context("no machine")
    }

    /// A text of a page with the names of these machines in it.
    #[must_use]
    pub fn here(&self, text: &str) -> String {
        self.stands_for.iter().fold(text.to_owned(), |text, (page, here)| text.replace(page, here))
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

    /// The controller, and members in its network.
    fn network(&mut self) -> Result<()> {
        let identities = [1, 2, 3].map(|seed| self.lab.identity(seed));
        let planet = self.lab.planet(&[(identities[0].identity(), &["192.0.2.1/9993"])])?;
        let planet_file = self.lab.folder().join("planet");
        fs::write(&planet_file, planet)?;
        for ((name, _), identity) in MEMBERS.iter().zip(&identities) {
            self.start(name)?;
            let machine = self.machine(name)?;
            machine.write("/var/lib/zerotier-one/identity.secret", &identity.to_text())?;
            machine.ok(&format!(
                "chmod 600 /var/lib/zerotier-one/identity.secret; cp {} /var/lib/zerotier-one/planet",
                planet_file.display()
            ))?;
            machine.ok("systemctl start zt")?;
        }
        let controller = self.machine("controller")?;
        controller.ok("zt network create --name home --pool 10.77.0.0/24")?;
        let network = controller.ok("zt network list --ids")?.trim().to_owned();
        for ((_, ip), identity) in MEMBERS.iter().zip(&identities) {
            let address = identity.identity().address;
            controller.ok(&format!("zt member auth {network} {address} --ip {ip}"))?;
        }
        for (name, _) in MEMBERS {
            self.machine(name)?.ok(&format!("zt join {network}"))?;
        }
        for (name, _) in MEMBERS {
            self.machine(name)?.ok(&format!("zt wait network {network}"))?;
        }
        let [controller, _, b] = identities.map(|identity| identity.identity().address.to_string());
        self.stands_for = vec![("8056c2e21c000001", network), ("8056c2e21c", controller), ("fe39e980ad", b)];
        Ok(())
    }
}
