//! What waits, until when, and under which name it is given up.

use std::net::SocketAddr;
use std::time::Duration;

use zt_wire::PacketId;
use zt_wire::verb::{Echo, Verb};

use super::*;
use crate::link::{Endpoint, Path};

const T: Mono = Mono(100_000_000);
const PEER: Address = Address::new(5);

fn path(link: u32) -> Path {
    Path { link: LinkId(link), remote: Endpoint::Ip(SocketAddr::from(([10, 0, 0, 1], 9993))) }
}

fn ticket(from: Address) -> Ticket {
    Ticket::new(from, path(1), 0, PacketId(1), T)
}

fn piece(link: u32, number: u8) -> Piece<'static> {
    let total = if number == 0 { 0 } else { 2 };
    Piece { path: path(link), known: true, id: PacketId(9), number, total, bytes: &[7; 40] }
}

fn next_due(w: &Waiting) -> Option<(Mono, &'static str)> {
    w.deadlines().into_iter().filter_map(|(at, what)| Some((at?, what))).min()
}

#[test]
fn nothing_waits_and_nothing_is_due() {
    let mut w = Waiting::default();
    assert!(next_due(&w).is_none() && !w.waits_for_somebody());
    assert!(w.expire(T).iter().all(|(_, n)| *n == 0));
}

#[test]
fn a_message_waits_for_a_route_and_is_given_up_by_its_age() {
    let mut w = Waiting::default();
    assert_eq!(w.keep_unsent(T, PEER, &Echo { data: b"hi" }, SendOptions::default()), None);
    assert!(w.has_unsent(PEER) && w.waits_for_somebody() && w.destinations() == [PEER]);
    let taken = w.take_unsent(PEER);
    assert_eq!((taken[0].verb, taken[0].body.as_slice(), taken.len()), (Verb::ECHO, &b"hi"[..], 1));
    assert!(!w.waits_for_somebody());
    for unsent in taken {
        assert_eq!(w.put_back(unsent), None);
    }
    let given_up = w.expire(T + Duration::from_secs(5));
    assert!(given_up.contains(&(DropReason::SendExpired, 1)) && !w.has_unsent(PEER));
}

#[test]
fn a_full_queue_of_messages_names_what_gives_way() {
    let mut w = Waiting::default();
    let mut keep = |to| w.keep_unsent(T, Address::new(to), &Echo { data: &[] }, SendOptions::default());
    let lost = (0..1_000).filter(|n| keep(100 + n) == Some(DropReason::SendQueueFull)).count();
    let waiting = w.destinations();
    assert_eq!(lost + waiting.len(), 1_000);
    let taken = w.take_unsent(waiting[0]);
    assert_eq!(w.keep_unsent(T, PEER, &Echo { data: &[] }, SendOptions::default()), None);
    for unsent in taken {
        assert_eq!(w.put_back(unsent), Some(DropReason::SendQueueFull), "its place is taken");
    }
}

#[test]
fn a_packet_of_an_unknown_sender_waits_for_its_identity() {
    let mut w = Waiting::default();
    assert_eq!(w.keep_sealed(ticket(PEER), b"sealed", false), None);
    assert!(w.waits_for_somebody() && w.unknown_senders().len() == 1);
    assert!(w.next_ready(T, |_| true).is_none(), "no identity has arrived");
    w.hurry();
    let ready = w.next_ready(T, |a| a == PEER).unwrap();
    assert!(ready.sealed && ready.packet == b"sealed" && ready.ticket.from() == PEER);
    assert!(w.unknown_sender(PEER).is_none());
}

#[test]
fn an_opened_packet_is_tried_again_and_given_up_by_its_first_arrival() {
    let mut w = Waiting::default();
    assert_eq!(w.keep_opened(T, ticket(PEER), b"frame"), None);
    let at = T + crate::rate::QUEUE_RETRY;
    assert_eq!(next_due(&w), Some((at, "retry a deferred packet")));
    let again = w.next_ready(at, |_| true).unwrap();
    assert!(!again.sealed);
    assert_eq!(w.keep_opened(at, again.ticket, &again.packet), None);
    let late = T + Duration::from_secs(5);
    assert!(w.expire(late).contains(&(DropReason::DeferredExpired, 1)));
    assert_eq!(w.keep_opened(late, ticket(PEER), b"frame"), Some(DropReason::DeferredExpired));
}

#[test]
fn pieces_wait_for_each_other_and_go_with_their_link() {
    let (mut w, mut packet) = (Waiting::default(), Vec::new());
    assert_eq!(w.piece(T, piece(1, 0), &mut packet), Step::Incomplete);
    assert_eq!(next_due(&w), Some((T + Duration::from_secs(5), "give up an incomplete packet")));
    assert_eq!(w.piece(T, piece(2, 1), &mut packet), Step::Incomplete, "another path is another packet");
    w.forget_link(LinkId(2));
    assert_eq!((w.piece(T, piece(1, 1), &mut packet), packet.len()), (Step::Complete, 80));
    assert_eq!(w.piece(T, piece(1, 0), &mut packet), Step::Incomplete);
    assert!(w.expire(T + Duration::from_secs(5)).contains(&(DropReason::ReassemblyExpired, 1)));
    assert_eq!(next_due(&w), None);
}
