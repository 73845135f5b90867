//! Keeps the tunnels in step with the settings, with the worlds, and with the files that both name.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use zt_node::Handle;
use zt_wire::{Address, World};

use super::target::Target;
use super::{TcpSettings, Tunnels};
use crate::daemon::home::{Home, read_file};
use crate::daemon::local_conf::targets_beside_planet;

/// Beside the planet in the home folder: where its roots are reached by streams.
pub const SIDECAR: &str = "planet.tcp";

/// A file as it was seen last.
#[derive(Debug, Default)]
struct Seen {
    path: PathBuf,
    stamp: Option<(SystemTime, u64)>,
}

/// See the module.
pub struct Keeper {
    tunnels: Tunnels,
    home: Home,
    own: Address,
    /// Of the command line.
    listen: Vec<SocketAddr>,
    applied: Option<TcpSettings>,
    roots: Vec<(Address, Vec<SocketAddr>)>,
    sidecar: Seen,
    beside_planet: BTreeMap<Address, Vec<Target>>,
    certificate: [Seen; 2],
}

impl Seen {
    /// Whether it is another, or has changed, since the last call.
    fn changed(&mut self, path: &Path) -> bool {
        let stamp = std::fs::metadata(path).ok().and_then(|file| Some((file.modified().ok()?, file.len())));
        let changed = stamp != self.stamp || path != self.path;
        (self.stamp, self.path) = (stamp, path.to_owned());
        changed
    }
}

impl Keeper {
    /// Nothing is applied yet. `listen`: beside what the settings say.
    #[must_use]
    pub fn new(tunnels: Tunnels, home: Home, own: Address, listen: Vec<SocketAddr>) -> Self {
        Self {
            tunnels,
            home,
            own,
            listen,
            applied: None,
            roots: Vec::new(),
            sidecar: Seen::default(),
            beside_planet: BTreeMap::new(),
            certificate: Default::default(),
        }
    }

    /// Settings with what the command line and the planet's file add.
    #[must_use]
    pub fn settings(&self, configured: &TcpSettings) -> TcpSettings {
        let mut settings = configured.clone();
        settings.listen.extend(&self.listen);
        settings.listen.sort_unstable();
        settings.listen.dedup();
        for (address, targets) in &self.beside_planet {
            settings.roots.entry(*address).or_insert_with(|| targets.clone());
        }
        settings
    }

    /// Brings the tunnels in step; called every second.
    pub async fn tend(&mut self, handle: &Handle, configured: &TcpSettings) {
        self.read_sidecar();
        let settings = self.settings(configured);
        // A node that has stopped has no worlds.
        let Ok(worlds) = handle.engine(|engine, _| (engine.planets(), engine.moons())).await else { return };
        let moons = worlds.1.into_iter().filter_map(|moon| moon.world);
        let roots = self.roots_of(worlds.0.into_iter().chain(moons));
        let renewed = settings.tls.as_ref().is_some_and(|(certificate, key)| {
            let [seen_certificate, seen_key] = &mut self.certificate;
            seen_certificate.changed(certificate) | seen_key.changed(key)
        });
        let same = self.applied.as_ref() == Some(&settings);
        if same && !renewed && roots == self.roots {
            return;
        }
        if (!same || renewed)
            && let Err(error) = self.tunnels.apply(&settings, &self.home)
        {
            tracing::error!(%error, "settings.tcp: TLS is not offered");
        }
        self.tunnels.set_roots(&settings, &roots);
        (self.applied, self.roots) = (Some(settings), roots);
        // The node's next turn takes it up.
        let _ = handle.control(|_| ()).await;
    }

    fn roots_of(&self, worlds: impl Iterator<Item = World>) -> Vec<(Address, Vec<SocketAddr>)> {
        let mut roots: BTreeMap<Address, Vec<SocketAddr>> = BTreeMap::new();
        for root in worlds.flat_map(|world| world.roots).filter(|root| root.identity.address != self.own) {
            let known = roots.entry(root.identity.address).or_default();
            for at in root.endpoints.iter().filter_map(|endpoint| endpoint.socket_addr()) {
                if !known.contains(&at) {
                    known.push(at);
                }
            }
        }
        roots.into_iter().collect()
    }

    fn read_sidecar(&mut self) {
        let path = self.home.file(SIDECAR);
        if !self.sidecar.changed(&path) {
            return;
        }
        let read = read_file(&path).map_err(|error| error.to_string());
        self.beside_planet = match read.and_then(|text| targets_beside_planet(&text.unwrap_or_default())) {
            Ok((targets, remarks)) => {
                for remark in remarks {
                    tracing::warn!("{SIDECAR}: {remark}");
                }
                targets
            }
            Err(error) => {
                tracing::error!("{SIDECAR} is not used: {error}");
                BTreeMap::new()
            }
        };
    }
}
