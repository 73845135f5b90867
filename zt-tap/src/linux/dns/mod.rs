//! The resolver of a Linux host: systemd-resolved where it runs, else resolvconf or openresolv.

mod resolvconf;
mod resolved;
mod worker;

use std::ffi::OsString;
use std::task::{Context, Poll};

use tokio::sync::{mpsc, watch};

use crate::dns::{DnsConfig, DnsOutcome, LinkDns};
use resolvconf::Resolvconf;
use worker::{News, Wanted, Worker};

/// Where to find the host's resolver.
#[derive(Clone, Debug, Default)]
pub struct ResolverPlaces {
    /// Address of the message bus; `None`: the system's.
    pub bus: Option<String>,
    /// Folders to look for `resolvconf` in, as in `PATH`; `None`: those of the process, and the system's.
    pub path: Option<OsString>,
    /// Folder of what resolvconf keeps; `None`: the system's. Entries that a killed process left are found there.
    pub records: Option<std::path::PathBuf>,
}

/// Tells the resolver of a Linux host about networks. The work is done by a task of the tokio runtime that polls this.
#[derive(Debug)]
pub struct LinuxDns {
    wanted: watch::Sender<Wanted>,
    news: mpsc::UnboundedReceiver<News>,
    worker: Option<Worker>,
    task: Option<tokio::task::JoinHandle<()>>,
    settled: u64,
    outcomes: std::collections::VecDeque<DnsOutcome>,
}

impl LinuxDns {
    /// `owner` is a word that names this node among others on the host: what it left behind when it was killed is taken away
    /// before anything is set.
    #[must_use]
    pub fn new(owner: &str, places: ResolverPlaces) -> Self {
        let (wanted, orders) = watch::channel(Wanted::default());
        let (sender, news) = mpsc::unbounded_channel();
        let resolvconf = Resolvconf::new(owner, places.path, places.records);
        let worker = Some(Worker::new(orders, sender, places.bus, resolvconf));
        Self { wanted, news, worker, task: None, settled: 0, outcomes: std::collections::VecDeque::new() }
    }

    /// Takes in what the worker has to say; starts it at the first call, which is inside a runtime.
    fn hear(&mut self, cx: &mut Context<'_>) {
        if let Some(worker) = self.worker.take() {
            self.task = Some(tokio::spawn(worker.run()));
        }
        while let Poll::Ready(Some(news)) = self.news.poll_recv(cx) {
            match news {
                News::Outcome(outcome) => self.outcomes.push_back(outcome),
                News::Settled(turn) => self.settled = turn,
            }
        }
    }
}

impl DnsConfig for LinuxDns {
    fn set(&mut self, device: &str, wanted: Option<LinkDns>) {
        // The number of the device is asked for now: a name may be another device's later.
        let index = index_of(device).ok();
        self.wanted.send_modify(|all| {
            all.turn += 1;
            match wanted {
                Some(dns) => drop(all.devices.insert(device.to_owned(), (index, dns))),
                None => drop(all.devices.remove(device)),
            }
        });
    }

    fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<DnsOutcome> {
        self.hear(cx);
        self.outcomes.pop_front().map_or(Poll::Pending, Poll::Ready)
    }

    fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.hear(cx);
        let ended = self.task.as_ref().is_some_and(tokio::task::JoinHandle::is_finished);
        if ended || self.settled >= self.wanted.borrow().turn { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for LinuxDns {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

fn index_of(device: &str) -> std::io::Result<u32> {
    use rustix::net::{AddressFamily, SocketType, netdevice, socket};
    let socket = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    Ok(netdevice::name_to_index(socket, device)?)
}
