//! One trace for people.

use std::fmt;

use crate::api;
use crate::render::table::{Tone, harmless, paint};
use zt_netconf::rules::words::{Ends, Frame};
use zt_netconf::trace::{TraceEvent, key};
use zt_wire::Mac;

/// Prints a trace.
pub(super) struct Line<'a> {
    pub(super) trace: &'a api::Trace,
    /// The rules behind it, a line each.
    pub(super) rules: Vec<String>,
    pub(super) color: bool,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trace, rules, color } = self;
        let network = trace.network.as_deref().unwrap_or("-");
        let head = format!("{}  {}  {network:<16}", time(trace.time), trace.member);
        writeln!(f, "{head}  {}{}", paint(&event(trace), tone(trace), *color), details(trace))?;
        rules.iter().try_for_each(|line| writeln!(f, "{:46}{}", "", paint(line, Tone::Faint, *color)))
    }
}

/// Time of day, UTC.
fn time(unix_ms: i64) -> String {
    let ms = unix_ms.rem_euclid(86_400_000);
    let (s, ms) = (ms / 1000, ms % 1000);
    format!("{:02}:{:02}:{:02}.{ms:03}", s / 3600, s / 60 % 60, s % 60)
}

fn number_of(trace: &api::Trace) -> TraceEvent {
    TraceEvent(u16::from_str_radix(&trace.event, 16).unwrap_or(0))
}

/// What happened.
fn event(trace: &api::Trace) -> String {
    match (number_of(trace), trace.number(key::RESULT)) {
        (TraceEvent::FILTER, Some(result)) => {
            let way = if trace.number(key::INBOUND) == Some(1) { "in" } else { "out" };
            let result = match result {
                0 => "drop",
                1 => "accept",
                2 => "super-accept",
                _ => "unknown result",
            };
            format!("rules, {way}: {result}")
        }
        (event, _) => event.to_string(),
    }
}

fn tone(trace: &api::Trace) -> Tone {
    match (number_of(trace), trace.number(key::RESULT)) {
        (TraceEvent::FILTER, Some(0)) => Tone::Bad,
        (TraceEvent::FILTER, _) => Tone::Good,
        (TraceEvent::RESETTING_PATHS | TraceEvent::CONFIRMING_PATH | TraceEvent::LEARNED_PATH, _) => Tone::Fair,
        (TraceEvent::REDIRECTED, _) => Tone::Fair,
        _ => Tone::Bad,
    }
}

/// The rest of the line, from what the member told; it may tell anything.
fn details(trace: &api::Trace) -> String {
    let mut out = String::new();
    let text = |key: &str| trace.fields.get(key).filter(|text| !text.is_empty()).map(|text| harmless(text));
    if let Some(reason) = text(key::REASON) {
        out += &format!(": {reason}");
    }
    if let Some(credential) = trace.number(key::CREDENTIAL) {
        let id = trace.number(key::CREDENTIAL_ID).unwrap_or(0);
        let whose = address(trace, key::CREDENTIAL_HOLDER).or_else(|| address(trace, key::CREDENTIAL_TARGET));
        out += &format!("; {} {id} of {}", credential_name(credential), whose.unwrap_or_else(|| "-".to_owned()));
    }
    let ends = [address(trace, key::SOURCE), address(trace, key::DESTINATION)];
    if ends.iter().any(Option::is_some) {
        let [from, to] = ends.map(|end| end.unwrap_or_else(|| "-".to_owned()));
        out += &format!("; {from} > {to}");
    }
    if let Some(frame) = frame(trace) {
        out += &format!("; {frame}");
    }
    if let Some(peer) = address(trace, key::REMOTE) {
        let at = text(key::REMOTE_AT).map(|at| format!(" at {at}")).unwrap_or_default();
        out += &format!("; peer {peer}{at}");
    }
    if let Some(capability) = trace.number(key::CAPABILITY).filter(|_| text(key::CAPABILITY_LOG).is_some()) {
        out += &format!("; capability {capability}");
    }
    out
}

/// An address; none for zero, which stands for nobody in particular.
fn address(trace: &api::Trace, key: &str) -> Option<String> {
    trace.number(key).filter(|address| *address != 0).map(|address| format!("{address:010x}"))
}

fn credential_name(kind: u64) -> &'static str {
    match kind {
        1 => "membership certificate",
        2 => "capability",
        3 => "tag",
        4 => "certificate of ownership",
        6 => "revocation",
        _ => "credential",
    }
}

/// The frame in words: with its first bytes, else by its header.
fn frame(trace: &api::Trace) -> Option<String> {
    let ethertype = u16::try_from(trace.number(key::ETHERTYPE)?).ok()?;
    let length = trace.number(key::LENGTH).unwrap_or(0);
    let data = trace.fields.get(key::DATA).and_then(|hex| crate::compat::idtool::unhex(hex)).unwrap_or_default();
    let mac = |key: &str| {
        let [_, _, rest @ ..] = trace.number(key).unwrap_or(0).to_be_bytes();
        Mac(rest)
    };
    let (source, destination) = (mac(key::SOURCE_MAC), mac(key::DESTINATION_MAC));
    if data.is_empty() {
        return Some(format!("ethertype 0x{ethertype:04x} from {source} to {destination}, {length} bytes"));
    }
    let ends = Ends { source, destination, ..Ends::default() };
    let words = Frame { source, destination, ethertype, payload: data.clone() }.words(&ends);
    // Words that spell out all bytes would fill the screen.
    let words = if words.len() > 160 { format!("ethertype 0x{ethertype:04x}") } else { words };
    let cut = if length > data.len() as u64 { format!(", {length} bytes") } else { String::new() };
    Some(format!("{words}{cut}"))
}
