use std::collections::BTreeMap;

use super::{Applied, Change, HostConfig, HostError, HostRoute, HostState};

/// A host that only remembers: for programs with a stack of their own, dry runs and tests.
#[derive(Debug, Clone, Default)]
pub struct MemoryHost {
    taps: BTreeMap<String, HostState>,
}

impl MemoryHost {
    /// A host without ports.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What was last applied to `tap`, with addresses and routes as they would be installed.
    #[must_use]
    pub fn state(&self, tap: &str) -> Option<&HostState> {
        self.taps.get(tap)
    }
}

impl HostConfig for MemoryHost {
    fn apply(&mut self, tap: &str, desired: &HostState) -> Result<Applied, HostError> {
        let now = self.taps.entry(tap.to_owned()).or_default();
        let mut changes = Vec::new();
        if let Some(mac) = desired.mac
            && now.mac.replace(mac) != Some(mac)
        {
            changes.push(Change::Mac(mac));
        }
        if let Some(mtu) = desired.mtu
            && now.mtu.replace(mtu) != Some(mtu)
        {
            changes.push(Change::Mtu(mtu));
        }
        if let Some(up) = desired.up
            && now.up.replace(up).unwrap_or(false) != up
        {
            changes.push(if up { Change::Up } else { Change::Down });
        }
        let addresses = desired.distinct_addresses();
        let (gone, new) = difference(&now.addresses, &addresses);
        let routes = desired.installed_routes();
        let (gone_routes, new_routes): (Vec<HostRoute>, _) = difference(&now.routes, &routes);
        changes.extend(gone_routes.into_iter().map(Change::RouteRemoved));
        changes.extend(gone.into_iter().map(Change::AddressRemoved));
        changes.extend(new.into_iter().map(Change::AddressAdded));
        changes.extend(new_routes.into_iter().map(Change::RouteAdded));
        now.addresses = addresses;
        now.routes = routes;
        Ok(Applied { changes, failed: Vec::new() })
    }

    fn remove(&mut self, tap: &str) -> Result<Applied, HostError> {
        if !self.taps.contains_key(tap) {
            return Ok(Applied::default());
        }
        let applied = self.apply(tap, &HostState::gone())?;
        self.taps.remove(tap);
        Ok(applied)
    }
}

/// What is only in `old`, and what is only in `new`.
pub(super) fn difference<T: PartialEq + Copy>(old: &[T], new: &[T]) -> (Vec<T>, Vec<T>) {
    let only = |a: &[T], b: &[T]| a.iter().filter(|x| !b.contains(x)).copied().collect();
    (only(old, new), only(new, old))
}
