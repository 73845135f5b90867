//! The way of frames through a stack.

use super::*;

impl Stack {
    /// A frame comes. False when it has to wait, because what it leads to has no room.
    pub fn handle_frame(&mut self, now: i64, frame: &[u8]) -> bool {
        if self.outgoing.len() >= MOST_WAITING {
            return false;
        }
        self.now = now;
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        scratch.extend_from_slice(frame);
        match Segment::of(&scratch) {
            Some(segment) => self.handle_segment(now, &mut scratch, &segment),
            None => self.hand_over(now, &scratch),
        }
        self.scratch = scratch;
        true
    }

    fn handle_segment(&mut self, now: i64, frame: &mut [u8], segment: &Segment) {
        if !segment.is_whole(frame) {
            self.counts.bad_checksum += 1;
            return;
        }
        let ends = segment.ends_of_received(frame);
        if segment.flags(frame) & (SYN | ACK | RST) == SYN && !self.admit(ends) {
            self.counts.no_place += 1;
            return;
        }
        let Some(flow) = self.flows.get_mut(&ends) else {
            // Of nobody: smoltcp says so.
            return self.hand_over(now, frame);
        };
        let verdict = flow.handle_received(now, frame, segment);
        if matches!(verdict, Verdict::Pass | Verdict::PassAndRepeat) {
            self.hand_over(now, frame);
        }
        if matches!(verdict, Verdict::PassAndRepeat | Verdict::KeepAndRepeat) {
            self.repeat(now, ends);
        }
    }

    /// Lets smoltcp send again what was not acknowledged.
    fn repeat(&mut self, now: i64, ends: Ends) {
        let Some(flow) = self.flows.get_mut(&ends) else { return };
        for frame in flow.duplicates() {
            self.hand_over(now, &frame);
        }
    }

    fn hand_over(&mut self, now: i64, frame: &[u8]) {
        let mut wire = Wire { incoming: Some(frame), outgoing: &mut self.outgoing };
        self.interface.poll_ingress_single(moment(now), &mut wire, &mut self.sockets);
    }

    /// Shows `each` at most `most` frames that leave.
    pub fn poll_frames(&mut self, now: i64, most: usize, each: &mut dyn FnMut(&[u8])) -> usize {
        self.now = now;
        self.handle_timeouts(now);
        let mut count = 0;
        let mut is_idle = false;
        while count < most {
            if self.leaving.is_some() {
                count += self.give_out(most - count, each);
            } else if let Some(frame) = self.outgoing.pop() {
                self.begin(now, frame);
            } else if is_idle {
                break;
            } else {
                let mut wire = Wire { incoming: None, outgoing: &mut self.outgoing };
                self.interface.poll_egress(moment(now), &mut wire, &mut self.sockets);
                is_idle = self.outgoing.len() == 0;
            }
        }
        if is_idle {
            self.sweep(now);
        }
        count
    }

    /// When [`Stack::poll_frames`] has something to do though nothing happens.
    pub fn poll_at(&mut self, now: i64) -> Option<i64> {
        if self.leaving.is_some() || self.outgoing.len() > 0 {
            return Some(now);
        }
        let stack = self.interface.poll_at(moment(now), &self.sockets).map(|at| at.total_micros());
        let flows = self.flows.values().filter_map(Flow::due).min();
        let lingering = self.lingering.iter().map(|(_, until)| *until).min();
        [stack, flows, lingering].into_iter().flatten().min()
    }

    fn handle_timeouts(&mut self, now: i64) {
        let due = |flow: &Flow| flow.due().is_some_and(|due| due <= now);
        let late: Vec<Ends> = self.flows.iter().filter(|(_, flow)| due(flow)).map(|(ends, _)| *ends).collect();
        for ends in late {
            if self.flows.get_mut(&ends).is_some_and(|flow| flow.handle_timeout(now)) {
                self.repeat(now, ends);
            }
        }
    }

    /// Makes ready what smoltcp sends: a segment of TCP gets its checksum, and a long one is cut.
    fn begin(&mut self, now: i64, mut frame: Frame) {
        let (mut header, mut plan) = (VnetHeader::default(), Vec::new());
        if let Some(segment) = Segment::of(frame.bytes()) {
            let ends = segment.ends_of_sent(frame.bytes());
            header.needs_checksum = true;
            header.checksum_start = u16::try_from(segment.tcp).expect("behind two headers");
            header.checksum_offset = 16;
            if segment.flags(frame.bytes()) & SYN != 0 {
                let mss = most_payload(self.mtu, ends.local.ip());
                segment.set_mss(frame.bytes_mut(), u16::try_from(mss).unwrap_or(u16::MAX));
            }
            let unknown = Flow::new(most_payload(self.mtu, ends.local.ip()));
            let flow = self.flows.get_mut(&ends);
            let step = flow.as_deref().unwrap_or(&unknown).segment_len(&segment);
            if segment.len() > step {
                header.gso = Some(if segment.is_ipv6 { Gso::TcpV6 } else { Gso::TcpV4 });
                header.segment = u16::try_from(step).expect("no longer than the MTU");
            }
            if let Some(flow) = flow {
                if flow.is_again(frame.bytes(), &segment) {
                    plan = flow.plan_again(now, frame.bytes(), &segment, step);
                }
                flow.handle_sent(now, frame.bytes(), &segment);
            }
            segment.leave_checksum(frame.bytes_mut());
        } else if frame.bytes().len() > self.mtu + ETHERNET {
            self.counts.too_long += 1;
            return self.outgoing.reuse(frame);
        }
        match Cut::new(&header, frame.bytes()) {
            Ok(cut) => self.leaving = Some(Leaving { frame, cut, plan, index: 0 }),
            Err(_) => self.outgoing.reuse(frame),
        }
    }

    fn give_out(&mut self, most: usize, each: &mut dyn FnMut(&[u8])) -> usize {
        let Some(leaving) = &mut self.leaving else { return 0 };
        let mut count = 0;
        while count < most && !leaving.cut.is_done() {
            let segment = leaving.cut.next(leaving.frame.bytes_mut());
            if leaving.plan.get(leaving.index).copied().unwrap_or(true) {
                each(segment);
                count += 1;
            }
            leaving.index += 1;
        }
        if leaving.cut.is_done()
            && let Some(done) = self.leaving.take()
        {
            self.outgoing.reuse(done.frame);
        }
        count
    }
}
