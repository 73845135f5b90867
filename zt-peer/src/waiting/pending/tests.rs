//! The queues against small models.

use std::net::SocketAddr;
use std::time::Duration;

use proptest::prelude::*;
use zt_wire::PacketId;

use super::*;
use crate::link::{Endpoint, LinkId, Path};

fn path(n: u8) -> Path {
    Path { link: LinkId(1), remote: Endpoint::Ip(SocketAddr::from(([10, 0, 0, n], 9993))) }
}

fn ticket(source: u64, from: u8, at: Mono) -> Ticket {
    Ticket::new(Address::new(source), path(from), 0, PacketId(1), at)
}

fn opened(from: u64, at: Mono) -> Ticket {
    Ticket { verb: Verb::FRAME, ..ticket(from, 1, at) }
}

const T: Mono = Mono(100_000_000);

#[test]
fn strangers_displace_neither_members_nor_strangers_elsewhere() {
    let mut q = DeferQueue::default();
    q.push_opened(T, opened(5, T), b"member");
    q.push_sealed(ticket(6, 1, T), b"honest stranger", false);
    let dropped = (0..1_000).filter(|i| q.push_sealed(ticket(100 + i, 2, T), b"flood", false).is_some()).count();
    assert_eq!(dropped, 1_000 - PER_STRANGER_PATH);
    assert!(q.unknown_sender(Address::new(6)).is_some());
    assert!(q.opened.len() + q.sealed.len() <= 2 + PER_STRANGER_PATH);
    let later = T + QUEUE_RETRY;
    assert_eq!(q.next(later, |_| false).map(|d| d.sealed), Some(false));
}

#[test]
fn a_deferred_packet_keeps_its_age_and_is_given_up() {
    let mut q = DeferQueue::default();
    let mut now = T;
    let mut tries = 0;
    assert!(q.push_opened(now, opened(5, T), b"x").is_none());
    while now < T + Duration::from_secs(10) {
        now = now + Duration::from_millis(100);
        q.expire(now);
        while let Some(d) = q.next(now, |_| true) {
            tries += 1;
            q.push_opened(now, d.ticket, &d.packet);
        }
    }
    assert_eq!((tries, q.opened.len() + q.sealed.len()), (9, 0));
}

#[test]
fn an_arrived_identity_frees_everything_at_once() {
    let mut q = DeferQueue::default();
    q.push_opened(T, opened(5, T), b"x");
    q.push_sealed(ticket(6, 1, T), b"y", false);
    assert!(q.next(T, |_| false).is_none());
    q.hurry();
    assert_eq!(q.deadline(), Some(Mono::ZERO));
    assert!(q.next(T, |a| a == Address::new(6)).is_some());
    assert!(q.next(T, |a| a == Address::new(6)).is_some());
    assert!(q.next(T, |_| true).is_none());
    assert_eq!(q.deadline(), None);
}

#[test]
fn what_one_sender_waited_for_frees_its_packets_only() {
    let mut q = DeferQueue::default();
    q.push_opened(T, opened(5, T), b"x");
    q.push_opened(T, opened(6, T), b"y");
    assert!(q.next(T, |_| false).is_none());
    q.hurry_from(Address::new(6));
    assert!(q.deadline().is_some_and(|at| at <= T));
    assert_eq!(q.next(T, |_| false).map(|d| d.packet), Some(b"y".to_vec()));
    assert!(q.next(T, |_| false).is_none());
}

proptest! {
    /// Order per destination is kept, bounds hold, and nothing is invented or doubled.
    #[test]
    fn the_send_queue_is_a_bounded_fifo_per_destination(
        steps in prop::collection::vec((0u64..4, 0u8..5), 0..400),
    ) {
        let mut q = SendQueue::default();
        let mut model: Vec<Vec<u16>> = vec![Vec::new(); 4];
        for (n, (to, action)) in steps.into_iter().enumerate() {
            let n = u16::try_from(n).expect("few");
            let slot = usize::try_from(to).expect("few");
            if action == 0 {
                let taken: Vec<u16> = q
                    .take_for(Address::new(to + 1))
                    .iter()
                    .map(|u| u16::from_be_bytes([u.body[0], u.body[1]]))
                    .collect();
                prop_assert_eq!(&taken, &model[slot]);
                model[slot].clear();
            } else {
                let body = n.to_be_bytes().to_vec();
                let dropped = q.push(T, Address::new(to + 1), Verb::FRAME, body, SendOptions::default());
                prop_assert_eq!(dropped.is_some(), model[slot].len() == PER_PEER);
                if dropped.is_some() {
                    model[slot].remove(0);
                }
                model[slot].push(n);
            }
        }
        let waiting: usize = model.iter().map(Vec::len).sum();
        prop_assert_eq!(q.expire(T + QUEUE_TIMEOUT), waiting as u64);
    }
}
