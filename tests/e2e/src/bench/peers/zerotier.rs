//! Ours and ZeroTier One, in every pair: a root, which is the controller too, and two members.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{Folders, Peer, Tunnel, WAIT, printed};
use crate::bench::measure::Measure;
use crate::bench::report::Section;
use crate::rig::{Rig, Setup, first};
use crate::{Ping, Program};

/// One pair, and how it is started.
struct Pair {
    id: &'static str,
    about: &'static str,
    section: Section,
    /// Of the root, of who sends, of who receives.
    cast: [Cast; 3],
    /// `settings` of everybody's `local.conf`.
    settings: Value,
    folders: Folders,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cast {
    Ours,
    Stock,
    Old,
}

const AES: &str = "layer 2, AES-GMAC-SIV, MTU 2800";
const SALSA: &str = "layer 2, Salsa20/12 and Poly1305, MTU 2800";

/// Both ends reach each other.
pub(super) fn direct(folders: &Folders) -> Vec<Box<dyn Peer>> {
    [("ours", Cast::Ours), ("stock", Cast::Stock)]
        .map(|(id, cast)| Pair::boxed(folders, id, AES, Section::Direct, [cast; 3], Value::Null))
        .into()
}

/// All goes by the root.
pub(super) fn relayed(folders: &Folders) -> Vec<Box<dyn Peer>> {
    [("ours-relayed", Cast::Ours), ("stock-relayed", Cast::Stock)]
        .map(|(id, cast)| Pair::boxed(folders, id, AES, Section::Relayed, [cast; 3], Value::Null))
        .into()
}

/// Two programs, or less than ours can.
pub(super) fn mixed(folders: &Folders) -> Vec<Box<dyn Peer>> {
    use Cast::{Old, Ours, Stock};
    let plain = json!({ "tapOffload": "none", "udpOffload": "none" });
    let salsa = json!({ "aes": false });
    [
        ("ours-to-stock", AES, [Ours, Ours, Stock], Value::Null),
        ("stock-to-ours", AES, [Ours, Stock, Ours], Value::Null),
        ("ours-no-offloads", "layer 2, AES-GMAC-SIV, MTU 2800, tapOffload and udpOffload none", [Ours; 3], plain),
        ("ours-salsa", SALSA, [Ours; 3], salsa),
        ("ours-to-old", SALSA, [Ours, Ours, Old], Value::Null),
        ("old", SALSA, [Ours, Old, Old], Value::Null),
    ]
    .map(|(id, about, cast, settings)| Pair::boxed(folders, id, about, Section::Mixed, cast, settings))
    .into()
}

impl Pair {
    fn boxed(
        folders: &Folders,
        id: &'static str,
        about: &'static str,
        section: Section,
        cast: [Cast; 3],
        settings: Value,
    ) -> Box<dyn Peer> {
        Box::new(Self { id, about, section, cast, settings, folders: folders.clone() })
    }

    fn program(&self, cast: Cast) -> Result<Program> {
        match cast {
            Cast::Ours => Program::ours(),
            Cast::Stock => {
                Program::stock(self.folders.stock.as_deref().context("name a folder with zerotier-one by --peer DIR")?)
            }
            Cast::Old => {
                let what = "name a folder with a zerotier-one that knows no AES, 1.2.12, by --old DIR";
                Program::stock(self.folders.old.as_deref().context(what)?)
            }
        }
    }
}

impl Peer for Pair {
    fn id(&self) -> &'static str {
        self.id
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn section(&self) -> Section {
        self.section
    }

    fn covers(&self, measure: Measure) -> bool {
        let few = [Measure::Tcp1, Measure::Tcp8, Measure::LoadedP99, Measure::PingMean];
        self.section != Section::Mixed || few.contains(&measure)
    }

    fn find(&self) -> Result<String> {
        let mut named = Vec::new();
        for cast in &self.cast[1..] {
            let (program, name) = match self.program(*cast)? {
                Program::Ours(path) => (path, None),
                Program::Stock(path) => (path, Some("ZeroTier One")),
            };
            let text = printed(&program.to_string_lossy(), &[if name.is_some() { "-v" } else { "--version" }]);
            let text = text.with_context(|| format!("{} cannot be run", program.display()))?;
            named.push(name.into_iter().chain(text.lines().next()).collect::<Vec<_>>().join(" "));
        }
        named.dedup();
        Ok(named.join(" to "))
    }

    fn prepare(&self) -> Result<Tunnel> {
        let programs = [self.program(self.cast[0])?, self.program(self.cast[1])?, self.program(self.cast[2])?];
        let setup = Setup {
            log: "info",
            settings: self.settings.clone(),
            ..Setup::of([&programs[0], &programs[1], &programs[2]])
        };
        let is_relayed = self.section == Section::Relayed;
        let rig = if is_relayed { Rig::apart(self.id, &setup) } else { Rig::with_setup(self.id, &setup) }?;
        let rig = rig.context("this machine has no namespaces or TAP devices")?;
        let [of_a, of_b] = rig.join(WAIT)?;
        let inside = [first(&of_a)?, first(&of_b)?];
        let often = Ping { interval: Duration::from_millis(200), patience: WAIT, ..Ping::default() };
        rig.hosts[0].ping(inside[1], often)?;
        let [a, b] = &rig.members;
        if is_relayed {
            ensure!(!a.is_direct(b.address())?, "the members should not reach each other");
        } else {
            a.wait_direct(b.address(), WAIT)?;
            b.wait_direct(a.address(), WAIT)?;
        }
        let Rig { lab, root_host, root, hosts, members, far, .. } = rig;
        let daemons = members.iter().chain([&root]).map(crate::Daemon::id);
        let daemons = daemons.take(if is_relayed { 3 } else { 2 }).collect();
        let mut tunnel = Tunnel::of(hosts)?;
        (tunnel.daemons, tunnel.inside) = (daemons, inside);
        tunnel.hold((members, root, root_host, far, lab));
        tunnel.answered()
    }
}
