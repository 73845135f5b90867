use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::{HostView, InterfaceWatch};

/// Interfaces in memory, for tests and for hosts that know theirs by other means.
///
/// Clones share what is there: give one clone to a node, which gets the news, and keep the other.
#[derive(Debug, Clone, Default)]
pub struct MemoryInterfaces(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    view: HostView,
    /// How often the view was asked for.
    views: usize,
    has_changed: bool,
    watcher: Option<Waker>,
}

impl MemoryInterfaces {
    /// A host with these interfaces.
    #[must_use]
    pub fn new(view: HostView) -> Self {
        Self(Arc::new(Mutex::new(State { view, ..State::default() })))
    }

    /// Changes what is there; the watcher gets news.
    pub fn set(&self, view: HostView) {
        let mut state = self.lock();
        state.view = view;
        state.has_changed = true;
        if let Some(watcher) = state.watcher.take() {
            watcher.wake();
        }
    }

    /// How often the view was asked for.
    #[must_use]
    pub fn views(&self) -> usize {
        self.lock().views
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere cannot leave the state half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InterfaceWatch for MemoryInterfaces {
    fn poll_changed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if std::mem::take(&mut state.has_changed) {
            return Poll::Ready(());
        }
        state.watcher = Some(cx.waker().clone());
        Poll::Pending
    }

    fn view(&mut self) -> io::Result<HostView> {
        let mut state = self.lock();
        state.views += 1;
        Ok(state.view.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Interface;
    use super::*;

    #[test]
    fn a_change_is_news_once() {
        let mut watch = MemoryInterfaces::default();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(watch.poll_changed(&mut cx).is_pending());
        let interfaces = vec![Interface { index: 2, name: "eth0".to_owned(), up: true, ..Interface::default() }];
        let view = HostView { interfaces, ..HostView::default() };
        watch.clone().set(view.clone());
        assert!(watch.poll_changed(&mut cx).is_ready());
        assert_eq!((watch.view().expect("in memory"), watch.views()), (view, 1));
        assert!(watch.poll_changed(&mut cx).is_pending());
    }
}
