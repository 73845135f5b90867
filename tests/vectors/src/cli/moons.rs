//! Files of a node that was told to orbit a moon.

use std::fs;
use std::path::Path;

use serde_json::Value;
use zt_crypto::{SecretIdentity, SeededEntropy};
use zt_node::{Driver, FileState, NodeConfig};
use zt_tap::channel::ChannelTaps;
use zt_wire::{Address, Parse as _, Reader, World};

use crate::{equal, same, unhex};

/// A running node with its files in a folder is told to orbit; where the recorded one has the moon, it is given it.
pub(super) fn files(case: &Value, home: &Path) -> Result<(), String> {
    let recorded = case["files"].as_object().cloned().unwrap_or_default();
    let world = recorded.values().next().and_then(Value::as_str).map(unhex);
    let moon = match &world {
        Some(bytes) => Some(World::parse(&mut Reader::new(bytes)).map_err(|error| error.to_string())?),
        None => None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let identity = SecretIdentity::generate(&mut SeededEntropy::new(1));
        let mut config = NodeConfig::new(identity, Box::new(ChannelTaps::new()));
        config.state = Box::new(FileState::new(home));
        config.ports = Vec::new();
        let (driver, handle) = Driver::new(config).map_err(|error| error.to_string())?;
        let run = tokio::task::LocalSet::new();
        run.run_until(async {
            let node = tokio::task::spawn_local(driver.run());
            let id = moon.as_ref().map_or(0x0f_845a_2d0e, |moon| moon.id);
            let orbit = handle.keep(move |control| control.orbit(id, Some(Address::new(id)))).await;
            orbit.map_err(|error| error.to_string())?.1.map_err(|error| error.to_string())?;
            if let Some(moon) = moon {
                let (taken, kept) =
                    handle.keep(move |control| control.add_world(moon)).await.map_err(|error| error.to_string())?;
                taken.map_err(|error| error.to_string())?;
                kept.map_err(|error| error.to_string())?;
            }
            handle.stop().await;
            node.await.map_err(|error| error.to_string())
        })
        .await
    })?;
    let folder = home.join("moons.d");
    let mut names: Vec<String> =
        fs::read_dir(&folder).into_iter().flatten().filter_map(|e| e.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    same("files", &names, &recorded.keys().cloned().collect())?;
    for (name, bytes) in &recorded {
        let ours = fs::read(folder.join(name)).map_err(|error| format!("{name}: {error}"))?;
        equal(name, &ours, &unhex(bytes.as_str().unwrap_or_default()))?;
    }
    Ok(())
}
