//! The links that a member opens: a datagram for a root is what makes it connect there.
//!
//! VL1 hands datagrams to these links while its level says that nothing better works. They wait here until a connection is
//! there; one that breaks is made again with the next, which VL1 sends at once.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep};
use zt_node::driver::{LinkIo, Outgoing, Received, SendError};
use zt_node::status::Unsent;
use zt_peer::Endpoint;
use zt_wire::time::Mono;
use zt_wire::tunnel::Stream;

use super::connect::{Attempt, ConnectError, connect};
use super::counts::Counts;
use super::plan::{Plan, Rank};
use super::streams::{Established, Streams};
use super::target::Target;
use super::wire::Wire;

/// Datagrams that wait for a connection, and their bytes.
const MOST_WAITING: usize = 32;
const MOST_WAITING_BYTES: usize = 16 << 10;
/// A datagram that waited so long is no use any more (03 §1: queue timeout).
const STALE: Duration = Duration::from_secs(5);
/// After a failure, doubled with each further one.
const RETRY: Duration = Duration::from_millis(250);
const RETRY_AT_MOST: Duration = Duration::from_secs(30);
/// A connection that worked and broke is tried for this long without doubling that: a root that starts again, or a cut that
/// was mended, is noticed at once.
const RESUME: Duration = Duration::from_secs(10);
/// The pause between attempts meanwhile.
const RESUME_RETRY: Duration = Duration::from_millis(100);
/// A connection that ended sooner and brought nothing is a failure as well.
const SHORT_LIFE: Duration = Duration::from_secs(2);
/// Connections are kept for so long after a better level worked.
const KEEP: Duration = Duration::from_secs(30);

/// What the links of a member are told.
#[derive(Default)]
pub(super) struct Told {
    plan: Mutex<Arc<Plan>>,
    version: AtomicU64,
    level: AtomicI32,
    locals: Mutex<Vec<IpAddr>>,
}

impl Told {
    pub(super) fn plan(&self) -> Arc<Plan> {
        Arc::clone(&self.plan.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn set_plan(&self, plan: Plan) {
        let mut present = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        if **present != plan {
            *present = Arc::new(plan);
            self.version.fetch_add(1, Ordering::Release);
        }
    }

    pub(super) fn set_level(&self, level: i32) {
        self.level.store(level, Ordering::Relaxed);
    }

    pub(super) fn set_locals(&self, locals: Vec<IpAddr>) {
        *self.locals.lock().unwrap_or_else(PoisonError::into_inner) = locals;
    }

    /// The host has no address at present by which anybody is reached.
    fn has_no_address(&self) -> bool {
        self.locals.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// An address to connect from: the best first, another one after each failure.
    fn local(&self, is_ipv4: bool, failures: u32) -> Option<IpAddr> {
        let locals = self.locals.lock().unwrap_or_else(PoisonError::into_inner);
        let fitting: Vec<IpAddr> = locals.iter().copied().filter(|ip| ip.is_ipv4() == is_ipv4).collect();
        fitting.get(failures as usize % fitting.len().max(1)).copied()
    }
}

/// A root that is to be reached.
struct Dial {
    waiting: Vec<(Instant, Vec<u8>)>,
    is_running: bool,
    failures: u32,
    /// How often the pause before the next attempt was doubled.
    doubled: u32,
    not_before: Instant,
    opened: Option<Instant>,
    /// When a connection that had worked broke.
    broke: Option<Instant>,
}

type Outcome = (SocketAddr, Result<(Wire, Stream, Target), (Target, ConnectError)>);

/// The connections of one rank and family.
pub(super) struct DialLink {
    rank: Rank,
    is_ipv4: bool,
    told: Arc<Told>,
    plan: Arc<Plan>,
    version: u64,
    streams: Streams,
    dials: BTreeMap<SocketAddr, Dial>,
    tasks: JoinSet<Outcome>,
    timer: Pin<Box<Sleep>>,
    armed: Option<Instant>,
    /// Since when a better level works.
    spare: Option<Instant>,
    /// What was said last of those that cannot be reached: told when it changes.
    said: BTreeMap<SocketAddr, String>,
    /// A connection was made again, and nothing waited for it that is of use: roots are to be greeted.
    has_moved: bool,
}

impl DialLink {
    pub(super) fn new(rank: Rank, is_ipv4: bool, told: Arc<Told>, counts: Counts) -> Self {
        let (plan, version) = (told.plan(), told.version.load(Ordering::Acquire));
        Self {
            rank,
            is_ipv4,
            told,
            plan,
            version,
            streams: Streams::new(counts),
            dials: BTreeMap::new(),
            tasks: JoinSet::new(),
            timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
            armed: None,
            spare: None,
            said: BTreeMap::new(),
            has_moved: false,
        }
    }

    /// Keeps a datagram until there is a connection.
    fn keep(&mut self, remote: SocketAddr, train: &Outgoing<'_>) -> Result<usize, Unsent> {
        if !self.dials.contains_key(&remote) && self.plan.targets(self.rank, remote).is_empty() {
            return Err(Unsent::NoConnection);
        }
        let now = Instant::now();
        let dial = self.dials.entry(remote).or_insert_with(|| Dial {
            waiting: Vec::new(),
            is_running: false,
            failures: 0,
            doubled: 0,
            not_before: now,
            opened: None,
            broke: None,
        });
        dial.waiting.retain(|(since, _)| now.saturating_duration_since(*since) < STALE);
        let held: usize = dial.waiting.iter().map(|(_, bytes)| bytes.len()).sum();
        if dial.waiting.len() + train.count() > MOST_WAITING || held + train.bytes.len() > MOST_WAITING_BYTES {
            return Err(Unsent::QueueFull);
        }
        dial.waiting.extend(train.datagrams().map(|datagram| (now, datagram.to_vec())));
        self.start(remote, now);
        Ok(train.count())
    }

    /// Connects, unless that is under way or failed just now.
    fn start(&mut self, remote: SocketAddr, now: Instant) {
        let Some(dial) = self.dials.get_mut(&remote) else { return };
        if dial.is_running || dial.not_before > now {
            return;
        }
        let targets = self.plan.targets(self.rank, remote);
        if targets.is_empty() {
            self.dials.remove(&remote);
            return;
        }
        dial.is_running = true;
        let from = self.told.local(self.is_ipv4, dial.failures);
        let proxies = &self.plan.proxies;
        let attempt = |target: Target| {
            let proxy = proxies.of(&target.host).filter(|_| self.rank == Rank::WebSocket).cloned();
            Attempt { proxy, target, from }
        };
        let attempts = targets.into_iter().map(attempt).collect();
        self.tasks.spawn(async move { (remote, connect(attempts).await) });
    }

    /// An attempt has come to its end.
    fn finished(&mut self, (remote, outcome): Outcome) {
        let now = Instant::now();
        let Some(dial) = self.dials.get_mut(&remote) else { return };
        dial.is_running = false;
        match outcome {
            Ok((wire, stream, target)) => {
                tracing::info!(%target, "connected to a root");
                self.said.remove(&remote);
                dial.opened = Some(now);
                let mut waiting = std::mem::take(&mut dial.waiting);
                waiting.retain(|(since, _)| now.saturating_duration_since(*since) < STALE);
                self.has_moved |= dial.broke.take().is_some() && waiting.is_empty();
                self.streams.insert(Established { wire, stream, remote, place: None });
                for (_, datagram) in waiting {
                    let (end, segment) = (Endpoint::Ip(remote), datagram.len());
                    let train = Outgoing { remote: end, bytes: &datagram, segment, ttl: None, dont_fragment: false };
                    // One that the new connection takes no more is lost as one on the way is.
                    let _ = self.streams.send(remote, &train);
                }
            }
            Err((target, error)) => {
                dial.fail(now);
                let said = format!("{target}: {error}");
                if self.told.has_no_address() {
                    // Without any network there is nothing to tell of each root.
                    tracing::debug!(%target, %error, "cannot connect to a root");
                } else if self.said.get(&remote) != Some(&said) {
                    tracing::info!(%target, %error, "cannot connect to a root; told again when that changes");
                    self.said.insert(remote, said);
                }
            }
        }
    }

    /// What is due: attempts that were put off, and the end of connections that are not needed.
    fn tend(&mut self, cx: &mut Context<'_>) {
        let now = Instant::now();
        let is_needed = self.told.level.load(Ordering::Relaxed) >= self.rank as i32;
        self.spare = if is_needed || (self.streams.is_empty() && self.dials.is_empty()) {
            None
        } else {
            Some(self.spare.unwrap_or(now))
        };
        if self.spare.is_some_and(|since| now.saturating_duration_since(since) >= KEEP) {
            self.streams.clear();
            self.dials.clear();
            self.tasks.abort_all();
            self.spare = None;
        }
        for dial in self.dials.values_mut() {
            dial.waiting.retain(|(since, _)| now.saturating_duration_since(*since) < STALE);
        }
        let wanting = self.dials.iter().filter(|(_, dial)| dial.is_wanted(is_needed, now));
        let wanting: Vec<(SocketAddr, Instant)> = wanting.map(|(remote, dial)| (*remote, dial.not_before)).collect();
        let mut due = self.spare.map(|since| since + KEEP);
        for (remote, at) in wanting {
            if at <= now {
                self.start(remote, now);
            } else {
                due = Some(due.map_or(at, |before| before.min(at)));
            }
        }
        self.arm(due, cx);
    }

    fn arm(&mut self, due: Option<Instant>, cx: &mut Context<'_>) {
        let Some(due) = due else {
            self.armed = None;
            return;
        };
        if self.armed != Some(due) {
            self.timer.as_mut().reset(due);
            self.armed = Some(due);
        }
        if self.timer.as_mut().poll(cx).is_ready() {
            self.armed = None;
            cx.waker().wake_by_ref();
        }
    }

    /// Takes over another plan. An error: there is nothing left to do here.
    fn follow(&mut self) -> io::Result<()> {
        let version = self.told.version.load(Ordering::Acquire);
        if version != self.version {
            (self.version, self.plan) = (version, self.told.plan());
        }
        if self.plan.wants(self.rank, self.is_ipv4) { Ok(()) } else { Err(io::Error::other("no root is reached so")) }
    }
}

impl Dial {
    /// Whether it is to be tried when it may be: something waits, or a connection broke just now that is needed.
    fn is_wanted(&self, is_needed: bool, now: Instant) -> bool {
        !self.is_running && self.opened.is_none() && (!self.waiting.is_empty() || (is_needed && self.resumes(now)))
    }

    fn resumes(&self, now: Instant) -> bool {
        self.broke.is_some_and(|at| now.saturating_duration_since(at) < RESUME)
    }

    fn fail(&mut self, now: Instant) {
        let wait = if self.resumes(now) {
            RESUME_RETRY
        } else {
            let doubled = self.doubled;
            self.doubled = (doubled + 1).min(10);
            RETRY.saturating_mul(1 << doubled).min(RETRY_AT_MOST)
        };
        self.failures = self.failures.saturating_add(1);
        self.not_before = now + wait;
    }
}

impl LinkIo for DialLink {
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
        each: &mut dyn FnMut(Received<'_>),
    ) -> Poll<io::Result<()>> {
        let changed = self.told.version.load(Ordering::Acquire) != self.version;
        if changed {
            self.follow()?;
        }
        while let Poll::Ready(Some(done)) = self.tasks.poll_join_next(cx) {
            if let Ok(outcome) = done {
                self.finished(outcome);
            }
        }
        if self.dials.is_empty() && self.streams.is_empty() {
            return Poll::Pending;
        }
        self.tend(cx);
        self.streams.poll_receive(cx, buffer, each).map(Ok)
    }

    fn poll_send(&mut self, _now: Mono, _cx: &mut Context<'_>, train: &Outgoing<'_>) -> Poll<Result<usize, SendError>> {
        let Endpoint::Ip(remote) = train.remote else {
            return Poll::Ready(Err(SendError::Unsent { datagrams: train.count(), cause: Unsent::NoConnection }));
        };
        Poll::Ready(match self.streams.contains(remote) {
            true => self.streams.send(remote, train),
            false => self.keep(remote, train).map_err(|cause| SendError::Unsent { datagrams: train.count(), cause }),
        })
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.streams.flush();
        // What was started in this turn is waited for.
        if self.tasks.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while let Poll::Ready(Some(done)) = self.tasks.poll_join_next(cx) {
            if let Ok(outcome) = done {
                self.finished(outcome);
                cx.waker().wake_by_ref();
            }
        }
        Poll::Ready(Ok(()))
    }

    fn take_path_down(&mut self) -> Option<Endpoint> {
        let down = self.streams.take_down()?;
        let now = Instant::now();
        if let Some(dial) = self.dials.get_mut(&down.remote)
            && let Some(opened) = dial.opened.take()
        {
            let was_short = now.saturating_duration_since(opened) < SHORT_LIFE;
            if was_short && !down.has_served {
                dial.fail(now);
            } else {
                (dial.failures, dial.doubled, dial.broke) = (0, 0, Some(now));
                dial.not_before = if was_short { now + RESUME_RETRY } else { now };
            }
        }
        Some(Endpoint::Ip(down.remote))
    }

    fn handle_resume(&mut self) {
        self.streams.clear();
        let now = Instant::now();
        for dial in self.dials.values_mut() {
            // What is closed now served well.
            dial.opened = None;
            (dial.failures, dial.doubled, dial.broke, dial.not_before) = (0, 0, Some(now), now);
        }
    }

    fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.has_moved)
    }
}
