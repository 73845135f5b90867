//! The port of a network: the host's pointer for it, and reports about it in their order.

use super::{NetworkImage, Node, SHOWN_GROUPS, Thread};
use crate::lock::Mutex;
use core::ffi::c_void;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Arc, PoisonError};
use zt_wire::NetworkId;

/// What the host has to do with the port (08 §A.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Up,
    Update,
    Down,
    Destroy,
}

/// The port of one joined network.
pub(crate) struct Port {
    network: NetworkId,
    /// The host's, which it may change in each callback.
    pointer: AtomicPtr<c_void>,
    reports: Mutex<Reports>,
}

/// Reports are made by one thread at a time, so that the host hears them in order; whoever comes meanwhile leaves word.
#[derive(Default)]
struct Reports {
    /// Somebody is in the callback: perhaps the same thread, which must not wait for itself.
    busy: bool,
    /// Something happened meanwhile.
    again: bool,
    told: Option<NetworkImage>,
    /// The host has opened the port.
    open: bool,
    ending: Option<Operation>,
    ended: bool,
}

impl Port {
    pub(super) fn new(network: NetworkId, pointer: *mut c_void) -> Self {
        Self { network, pointer: AtomicPtr::new(pointer), reports: Mutex::default() }
    }

    pub(crate) const fn network(&self) -> NetworkId {
        self.network
    }

    /// Where the host's pointer lies.
    pub(crate) fn pointer_place(&self) -> *mut *mut c_void {
        self.pointer.as_ptr()
    }

    /// The host's pointer.
    pub(crate) fn pointer(&self) -> *mut c_void {
        self.pointer.load(Ordering::Relaxed)
    }
}

impl Node {
    pub(super) fn port(&self, network: NetworkId) -> Option<Arc<Port>> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner).get(&network).cloned()
    }

    /// Tells the host what became of a network, if that differs from what it was told last.
    pub(super) fn report(&self, thread: Thread, port: &Port) {
        while let Some((operation, image)) = self.next_report(port) {
            let result = self.host.port(thread, port, operation, &image);
            let mut reports = port.reports.lock().unwrap_or_else(PoisonError::into_inner);
            reports.busy = false;
            reports.open |= operation == Operation::Up && result == 0;
            drop(reports);
            if matches!(operation, Operation::Up | Operation::Update)
                && let Ok(mut machine) = self.core.lock()
            {
                machine.engine.set_port_error(port.network, (result != 0).then_some(result));
            }
        }
    }

    /// The network was left, or the node goes away.
    pub(super) fn end_port(&self, thread: Thread, port: &Port, operation: Operation) {
        port.reports.lock().unwrap_or_else(PoisonError::into_inner).ending = Some(operation);
        self.report(thread, port);
    }

    /// The next thing to tell; whoever gets it is busy until it says otherwise.
    fn next_report(&self, port: &Port) -> Option<(Operation, NetworkImage)> {
        let mut reports = port.reports.lock().unwrap_or_else(PoisonError::into_inner);
        if reports.busy {
            reports.again = true;
            return None;
        }
        reports.again = false;
        if reports.ended {
            return None;
        }
        if let Some(operation) = reports.ending {
            reports.ended = true;
            // Never told of: nothing to take down.
            let image = reports.told.take()?;
            reports.busy = true;
            return Some((operation, image));
        }
        let machine = self.core.lock().ok()?;
        let image = NetworkImage::of(machine.engine.vl2().network(port.network)?, SHOWN_GROUPS);
        drop(machine);
        if reports.told.as_ref().is_some_and(|told| told.essence() == image.essence()) {
            return None;
        }
        // 08 §A.4: a port that could not be opened is tried again with the next configuration.
        let operation = if reports.open { Operation::Update } else { Operation::Up };
        reports.told = Some(image.clone());
        reports.busy = true;
        Some((operation, image))
    }
}
