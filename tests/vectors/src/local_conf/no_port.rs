//! A host that gives no port: a running node, and what its interface shows.

use std::io;

use serde_json::Value;
use zt_cli::daemon::http::{Access, Caller};
use zt_cli::daemon::joined;
use zt_crypto::{SecretIdentity, SeededEntropy};
use zt_node::{Driver, NodeConfig};
use zt_tap::{Tap, TapFactory, TapSpec};
use zt_wire::NetworkId;

use crate::http_api::ask;
use crate::service::Service;
use crate::{same, text};

/// No device can be made.
struct None;

impl TapFactory for None {
    fn open(&self, _spec: &TapSpec) -> io::Result<Box<dyn Tap>> {
        Err(io::Error::new(io::ErrorKind::PermissionDenied, "no TAP here"))
    }
}

/// Deliberate (06 §4.7): the network keeps its record, says PORT_ERROR, and the node goes on.
pub(super) fn run(case: &Value) -> Result<(), String> {
    same("told", &text(case, "stderr").contains("unable to configure virtual network port"), &true)?;
    same("it ends as asked", &case["exit"]["code"], &Value::from(0))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let identity = SecretIdentity::generate(&mut SeededEntropy::new(2));
    let mut config = NodeConfig::new(identity, Box::new(None));
    config.ports = Vec::new();
    let ids = [NetworkId(0x4ab9_28c5_faf0_1900), NetworkId(0x4ab9_28c5_fabd_ee0f)];
    let networks = runtime.block_on(async {
        let (driver, handle) = Driver::new(config).map_err(|error| error.to_string())?;
        let run = tokio::task::LocalSet::new();
        run.run_until(async {
            let node = tokio::task::spawn_local(driver.run());
            for id in ids {
                handle.join(id).await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
            }
            let networks = loop {
                let networks = handle.control(|control| control.networks()).await.map_err(|error| error.to_string())?;
                if networks.iter().all(|network| network.port_error != 0) {
                    break networks;
                }
                tokio::task::yield_now().await;
            };
            handle.stop().await;
            node.await.map_err(|error| error.to_string())?;
            Ok::<_, String>(networks)
        })
        .await
    })?;
    let service = Service { networks: networks.iter().map(joined::network).collect(), ..Service::default() };
    let access = Access { control_token: "token".to_owned(), ..Access::default() };
    let caller = Caller::loopback();
    let request = "GET /network HTTP/1.1\r\nX-ZT1-Auth: token\r\n\r\n";
    let ((_, body), _) = ask(service, access, caller, request, false)?;
    let shown: Value = serde_json::from_str(&body).map_err(|error| error.to_string())?;
    for id in ids {
        let found = shown.as_array().into_iter().flatten().find(|network| network["id"] == id.to_string());
        let found = found.ok_or_else(|| format!("{id} is not shown"))?;
        same("status", &found["status"], &Value::from("PORT_ERROR"))?;
        same("code", &found["portError"], &Value::from(-999))?;
    }
    Ok(())
}
