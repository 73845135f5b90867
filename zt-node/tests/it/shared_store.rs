//! A controller's store that others write to, too.

use crate::nodes::{LOOPBACK, config, identity, run, until};
use crate::rig::planet;
use std::sync::{Arc, Mutex};
use zt_netconf::controller::{Change, Command, Network, NetworkPatch, Record};
use zt_node::{ControllerError, ControllerStore, ControllerStoreError, Driver, News};
use zt_wire::NetworkId;

/// A store in which somebody else is always first.
#[derive(Clone, Default)]
struct Shared {
    news: Arc<Mutex<Option<News>>>,
    asked: Arc<Mutex<usize>>,
}

impl ControllerStore for Shared {
    fn watch(&mut self, news: News) {
        *self.news.lock().expect("no panic inside") = Some(news);
    }
    fn load(&mut self) -> Result<Vec<Record>, ControllerStoreError> {
        Ok(Vec::new())
    }
    fn commit(&mut self, _changes: &[Change]) -> Result<(), ControllerStoreError> {
        *self.asked.lock().expect("no panic inside") += 1;
        Err(ControllerStoreError::Conflict)
    }
}

#[test]
fn what_others_write_is_taken_in_and_a_lost_conflict_is_said() {
    run(async {
        let (mut config, ..) = config(0, &planet(&identity(0), (LOOPBACK, 1).into()), 0);
        let store = Shared::default();
        config.controller = Some(Box::new(store.clone()));
        let (driver, handle) = Driver::new(config).expect("loopback can be bound");
        let task = tokio::task::spawn_local(driver.run());
        let id = NetworkId(identity(0).address().as_u64() << 24 | 5);
        let name = async || {
            let network = handle.controller(Command::GetNetwork(id)).await.ok()?.into_network()?;
            Some(network.name.clone())
        };
        let mut network = Network::new(id, 1);
        (network.revision, network.name) = (1, "elsewhere".to_owned());
        let news = store.news.lock().expect("no panic inside").clone().expect("it is watched");
        assert!(news.tell(vec![Change::put(network)]));
        until(async || name().await.as_deref() == Some("elsewhere")).await;
        assert_eq!(*store.asked.lock().expect("no panic inside"), 0, "it is not written again");
        let patch = NetworkPatch { name: Some("ours".to_owned()), ..NetworkPatch::default() };
        let lost = handle.controller(Command::set_network(id, patch)).await;
        assert_eq!(lost, Err(ControllerError::Conflict));
        until(async || name().await.as_deref() == Some("elsewhere")).await;
        handle.stop().await;
        task.await.expect("no panic");
        assert!(!news.tell(Vec::new()), "the node has ended");
    });
}
