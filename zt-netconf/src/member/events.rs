//! What the owner of a `Vl2` has to act on, in order; what only repeats waits once.

use std::collections::VecDeque;

use zt_wire::ident::NetworkId;

use super::carrier::Vl2Event;

/// Events that wait for the owner. Of each network there is at most one of a kind, but for [`Vl2Event::Up`] and
/// [`Vl2Event::Down`], which follow calls of the owner.
#[derive(Debug, Default)]
pub(super) struct Events {
    waiting: VecDeque<Vl2Event>,
}

impl Events {
    /// Queues an event; one that only repeats what still waits is left out, and the newest text of a network is kept.
    pub(super) fn push(&mut self, event: Vl2Event) {
        match &event {
            Vl2Event::Persist { network, .. } => self.forget_text(*network),
            Vl2Event::ConfigUpdated { .. } | Vl2Event::RequestOwnController { .. } if self.waiting.contains(&event) => {
                return;
            }
            _ => {}
        }
        self.waiting.push_back(event);
    }

    /// The oldest event.
    pub(super) fn pop(&mut self) -> Option<Vl2Event> {
        self.waiting.pop_front()
    }

    /// A network was left: its text is not to be kept.
    pub(super) fn forget_text(&mut self, id: NetworkId) {
        self.waiting.retain(|event| !matches!(event, Vl2Event::Persist { network, .. } if *network == id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_waits_once_and_the_newest_text_is_kept() {
        let (a, b) = (NetworkId(1), NetworkId(2));
        let text = |network, text: &[u8]| Vl2Event::Persist { network, text: text.to_vec() };
        let mut events = Events::default();
        for n in 0..1000_u32 {
            events.push(text(a, &n.to_be_bytes()));
            events.push(text(b, b"b"));
            events.push(Vl2Event::ConfigUpdated { network: a });
            events.push(Vl2Event::RequestOwnController { network: a, metadata: vec![1] });
        }
        let all: Vec<_> = std::iter::from_fn(|| events.pop()).collect();
        let updated = Vl2Event::ConfigUpdated { network: a };
        let asked = Vl2Event::RequestOwnController { network: a, metadata: vec![1] };
        assert_eq!(all, [updated.clone(), asked, text(a, &999_u32.to_be_bytes()), text(b, b"b")]);
        events.push(updated.clone());
        assert_eq!(events.pop(), Some(updated), "what was taken may be said again");
    }

    #[test]
    fn a_network_that_was_left_is_not_written_again() {
        let (a, b) = (NetworkId(1), NetworkId(2));
        let mut events = Events::default();
        for network in [a, b] {
            events.push(Vl2Event::Persist { network, text: Vec::new() });
        }
        events.forget_text(a);
        events.push(Vl2Event::Down { network: a });
        let left = std::iter::from_fn(|| events.pop());
        assert!(left.eq([Vl2Event::Persist { network: b, text: Vec::new() }, Vl2Event::Down { network: a }]));
    }
}
