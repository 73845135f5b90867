//! The log: lines with levels on standard error, as text or JSON, or entries of the journal with fields of their own.

mod filter;
mod limit;

pub use filter::Filter;

use std::io::{self, IsTerminal};
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layered, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry, fmt, reload};

use limit::Limit;

/// What the lines look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// The journal where standard error leads there, else text.
    #[default]
    Auto,
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
    /// Entries of the systemd journal, with fields such as NETWORK and PEER.
    Journal,
}

/// What is logged, and how.
#[derive(Clone, Debug, Default)]
pub struct LogOptions {
    /// How much.
    pub filter: Filter,
    /// In which form.
    pub format: LogFormat,
    /// With colours.
    pub color: bool,
}

/// The log of this process, once it was started.
#[derive(Debug)]
pub struct Logs {
    change: reload::Handle<Targets, Registry>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    filter: Filter,
    /// Counts changes, so that an old wish to go back is known as such.
    changes: u64,
}

static LOGS: OnceLock<Logs> = OnceLock::new();
static LIMIT: OnceLock<Mutex<Limit<Place>>> = OnceLock::new();

/// File and line of a place in the code that logs.
type Place = (&'static str, u32);

/// Starts logging. Called twice, or in a process that logs in its own way, what is there stays.
pub fn start(options: &LogOptions) {
    let (targets, change) = reload::Layer::new(options.filter.targets());
    let state = Mutex::new(State { filter: options.filter.clone(), changes: 0 });
    if filtered(targets).with(output(options)).try_init().is_ok() {
        let _ = LOGS.set(Logs { change, state });
    }
}

/// The log of this process; none when something else than [`start`] set it up.
pub fn running() -> Option<&'static Logs> {
    LOGS.get()
}

impl Logs {
    /// How much is logged now.
    pub fn filter(&self) -> Filter {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).filter.clone()
    }

    /// Logs more or less from now on; the number of this change and what was before, for [`Self::go_back`].
    pub fn set(&self, filter: Filter) -> (u64, Filter) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // It fails only after the logger is gone, with the process.
        let _ = self.change.reload(filter.targets());
        state.changes += 1;
        (state.changes, std::mem::replace(&mut state.filter, filter))
    }

    /// Undoes a change, unless there was another one since.
    pub fn go_back(&self, change: u64, before: Filter) {
        let is_last = self.state.lock().unwrap_or_else(PoisonError::into_inner).changes == change;
        if is_last {
            self.set(before);
        }
    }
}

/// Says how many lines were left out since the last time, and of which place.
pub fn tell_left_out() {
    let Some(limit) = LIMIT.get() else { return };
    let left_out: Vec<_> = {
        let mut limit = limit.lock().unwrap_or_else(PoisonError::into_inner);
        limit.take_left_out().into_iter().map(|(place, count)| (*place, count)).collect()
    };
    for ((file, line), count) in left_out {
        tracing::warn!(
            count,
            place = format_args!("{file}:{line}"),
            "lines of one kind came too often and were left out"
        );
    }
}

/// What decides whether a line is written. They are layers of their own: what the filter of a layer says of a single line is not
/// expected by tracing-subscriber where the line's place is always on, and ends a program that was built with its assertions.
type Filtered = Layered<Bounded, Layered<reload::Layer<Targets, Registry>, Registry>>;

fn filtered(targets: reload::Layer<Targets, Registry>) -> Filtered {
    tracing_subscriber::registry().with(targets).with(Bounded { start: Instant::now() })
}

fn output(options: &LogOptions) -> Box<dyn Layer<Filtered> + Send + Sync> {
    let text = || {
        let color = options.color && io::stderr().is_terminal();
        fmt::layer().with_writer(io::stderr).with_ansi(color).with_target(false).boxed()
    };
    let journal =
        || tracing_journald::layer().map(|layer| layer.with_field_prefix(None).with_syslog_identifier("zt".into()));
    match options.format {
        LogFormat::Text => text(),
        LogFormat::Json => fmt::layer().json().flatten_event(true).with_writer(io::stderr).boxed(),
        LogFormat::Auto if !leads_to_journal() => text(),
        LogFormat::Auto | LogFormat::Journal => journal().map_or_else(|_| text(), |layer| layer.boxed()),
    }
}

/// Standard error is the stream that systemd reads.
fn leads_to_journal() -> bool {
    let told = std::env::var("JOURNAL_STREAM").ok();
    let stream = told.as_deref().and_then(|text| text.split_once(':'));
    let stderr = std::fs::metadata("/proc/self/fd/2").ok().map(|file| (file.dev(), file.ino()));
    stream.and_then(|(device, inode)| Some((device.parse().ok()?, inode.parse().ok()?))) == stderr && stderr.is_some()
}

/// Leaves lines out that come too often; those below `info` are asked for and all come.
struct Bounded {
    start: Instant,
}

impl<S: Subscriber> Layer<S> for Bounded {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if *metadata.level() > Level::INFO {
            return true;
        }
        let Some((file, line)) = place(metadata) else { return true };
        let mut limit = LIMIT.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
        limit.pass(self.start.elapsed(), (file, line))
    }
}

fn place(metadata: &'static Metadata<'static>) -> Option<Place> {
    Some((metadata.file()?, metadata.line()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    /// Keeps the levels of lines that came.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<Level>>>);

    impl<S: Subscriber> Layer<S> for Kept {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            self.0.lock().expect("nobody panics").push(*event.metadata().level());
        }
    }

    #[test]
    fn a_flood_of_one_line_ends_nothing_and_hides_no_other() {
        let filter: Filter = "info".parse().expect("a filter");
        let (targets, change) = reload::Layer::new(filter.targets());
        let kept = Kept::default();
        let flood = || (0..200).for_each(|number| tracing::info!(number, "a flood"));
        let other = || {
            tracing::warn!("another line");
            tracing::debug!("not asked for");
        };
        let came = |level| kept.0.lock().expect("nobody panics").iter().filter(|came| **came == level).count();
        tracing::subscriber::with_default(filtered(targets).with(kept.clone()), || {
            (0..3).for_each(|_| {
                flood();
                other();
            });
            assert_eq!((came(Level::WARN), came(Level::DEBUG)), (3, 0));
            // Some more if the machine stops for seconds between two of them.
            assert!((50..600).contains(&came(Level::INFO)), "{} lines", came(Level::INFO));
            let more: Filter = "debug".parse().expect("a filter");
            change.reload(more.targets()).expect("the log is there");
            other();
            assert_eq!((came(Level::WARN), came(Level::DEBUG)), (4, 1));
        });
    }
}
