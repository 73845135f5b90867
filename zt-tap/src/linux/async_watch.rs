use std::io;
use std::task::{Context, Poll};

use tokio::io::unix::AsyncFd;

use super::InterfaceWatcher;
use crate::interfaces::{HostView, InterfaceWatch};
use crate::sys;

/// The interfaces of a Linux host, for tokio programs: those of the network namespace of the thread that takes the first
/// view, which must be inside a tokio runtime with its I/O driver on.
#[derive(Debug, Default)]
pub struct LinuxInterfaces(Option<AsyncFd<InterfaceWatcher>>);

impl LinuxInterfaces {
    /// Nothing is asked of the kernel before the first view.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl InterfaceWatch for LinuxInterfaces {
    fn poll_changed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(watcher) = &mut self.0 else { return Poll::Pending };
        let mut changed = false;
        while let Poll::Ready(Ok(mut guard)) = watcher.poll_read_ready_mut(cx) {
            // Without news from the kernel a look is the only way to know.
            changed |= guard.get_inner_mut().take_events().unwrap_or(true);
            guard.clear_ready();
        }
        if changed { Poll::Ready(()) } else { Poll::Pending }
    }

    fn view(&mut self) -> io::Result<HostView> {
        let watcher = match self.0.take() {
            Some(watcher) => watcher,
            None => sys::register_watcher(InterfaceWatcher::new()?)?,
        };
        self.0.insert(watcher).get_mut().view()
    }
}
