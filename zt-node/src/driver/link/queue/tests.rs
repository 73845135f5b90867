use super::*;
use std::net::SocketAddr;

fn train(bytes: &[u8], segment: usize) -> Outgoing<'_> {
    Outgoing {
        remote: Endpoint::Ip(SocketAddr::from(([192, 0, 2, 1], 9993))),
        bytes,
        segment,
        ttl: None,
        dont_fragment: false,
    }
}

fn push(queue: &mut Queue, train: &Outgoing<'_>, share: Share) -> usize {
    train.count().saturating_sub(queue.push(train, Lane::USUAL, share))
}

/// Empties a queue: the first byte and the length of each train that leaves.
fn leave(queue: &mut Queue) -> Vec<(u8, usize)> {
    let mut out = Vec::new();
    while let Some(train) = queue.front() {
        let (first, length, count) = (train.bytes[0], train.bytes.len(), train.count());
        out.push((first, length));
        queue.consume(count);
    }
    assert_eq!((queue.bytes, queue.trains, queue.len(), queue.is_empty()), (0, 0, 0, true));
    out
}

#[test]
fn datagrams_of_a_lane_leave_in_the_order_in_which_they_came() {
    let mut queue = Queue::default();
    let all: Vec<u8> = (0..=255).cycle().take(1000).collect();
    assert_eq!(push(&mut queue, &train(&all[..600], 100), Share::Frames), 6);
    assert_eq!(push(&mut queue, &Outgoing { ttl: Some(2), ..train(&all[600..], 150) }, Share::Frames), 3);
    assert_eq!(queue.len(), 9);
    assert_eq!(queue.front(), Some(train(&all[..600], 100)));
    queue.consume(2);
    assert_eq!(queue.front(), Some(train(&all[200..600], 100)));
    queue.consume(4);
    assert_eq!(queue.front(), Some(Outgoing { ttl: Some(2), ..train(&all[600..], 150) }));
    queue.consume(2);
    assert_eq!(queue.front(), Some(Outgoing { ttl: Some(2), ..train(&all[900..], 150) }), "a shorter last one");
    assert_eq!(queue.len(), 1);
    queue.consume(1);
    assert!(queue.is_empty() && queue.front().is_none());
}

#[test]
fn a_queue_takes_whole_datagrams_until_it_is_full() {
    let mut queue = Queue::default();
    let bytes = vec![7; 60_000];
    let mut taken = 0;
    while let 1.. = push(&mut queue, &train(&bytes, 1000), Share::Frames) {
        taken = queue.len();
    }
    assert_eq!(taken, MOST_BYTES / 4 * 3 / 1000);
    // What keeps the paths alive still has room, and leaves first.
    assert_eq!(push(&mut queue, &train(&[1; 200], 200), Share::All), 1);
    assert_eq!(queue.front(), Some(train(&[1; 200], 200)));
    while let 1.. = push(&mut queue, &train(&bytes, 1000), Share::All) {}
    assert!(queue.bytes <= MOST_BYTES);
}

#[test]
fn tiny_datagrams_do_not_make_a_long_queue() {
    let mut queue = Queue::default();
    while push(&mut queue, &train(&[7; 4], 4), Share::All) > 0 {}
    assert_eq!(queue.len(), MOST_TRAINS);
}

#[test]
fn a_preferred_bucket_leaves_first_and_the_others_do_not_starve() {
    let mut queue = Queue::default();
    let lane = |bucket| Lane::new(bucket, 0);
    for _ in 0..20 {
        for bucket in [8, 4, 0] {
            assert_eq!(queue.push(&train(&[bucket; 1000], 1000), lane(bucket), Share::Frames), 0);
        }
    }
    let left: Vec<u8> = leave(&mut queue).into_iter().map(|(bucket, _)| bucket).collect();
    assert!(left[..20].iter().all(|bucket| *bucket == 0), "{left:?}");
    assert!(left[20..40].iter().all(|bucket| *bucket == 4), "{left:?}");
    // A flood of preferred ones does not keep the others in for ever.
    let mut queue = Queue::default();
    queue.push(&train(&[8; 1000], 1000), lane(8), Share::Frames);
    let mut turns = 0;
    loop {
        queue.push(&train(&[0; 60_000], 1000), lane(0), Share::Frames);
        let Some(train) = queue.front() else { panic!("something waits") };
        let (first, count) = (train.bytes[0], train.count());
        queue.consume(count);
        turns += 1;
        if first == 8 {
            break;
        }
        assert!(turns < 100, "it waits for ever");
    }
}

#[test]
fn flows_of_a_bucket_take_turns_by_their_bytes() {
    let mut queue = Queue::default();
    for _ in 0..100 {
        queue.push(&train(&[1; 1000], 1000), Lane::new(0, 1), Share::Frames);
    }
    for _ in 0..10 {
        queue.push(&train(&[2; 1000], 1000), Lane::new(0, 2), Share::Frames);
    }
    let left = leave(&mut queue);
    let last = left.iter().rposition(|(flow, _)| *flow == 2).expect("there were some");
    assert!(last < 40, "ten of a short flow do not wait for a hundred of a long one: {last}");
}

#[test]
fn what_is_preferred_finds_room_and_a_long_flow_gives_way_to_a_short_one() {
    let mut queue = Queue::default();
    let bulk = vec![9; 60_000];
    while queue.push(&train(&bulk, 1000), Lane::USUAL, Share::Frames) == 0 {}
    let full = queue.len();
    let last = full % 60;
    let lost = queue.push(&train(&[1; 1000], 1000), Lane::new(0, 0), Share::Frames);
    assert_eq!((lost, queue.len()), (last, full - last + 1), "the youngest of the bulk is lost");
    assert_eq!(queue.front(), Some(train(&[1; 1000], 1000)));
    // Another flow of the same bucket is not shut out either.
    while queue.push(&train(&bulk, 1000), Lane::USUAL, Share::Frames) == 0 {}
    let other = Outgoing { remote: Endpoint::Ip(SocketAddr::from(([192, 0, 2, 2], 1))), ..train(&[2; 1000], 1000) };
    queue.push(&other, Lane::USUAL, Share::Frames);
    assert!(leave(&mut queue).contains(&(2, 1000)));
}

#[test]
fn the_books_are_right_whatever_happens() {
    let (mut queue, mut seed) = (Queue::default(), 1_u32);
    let bytes = vec![7; 60_000];
    let mut next = |below: u32| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) % below
    };
    for _ in 0..20_000 {
        let (length, segment) = (1 + next(60_000) as usize, 1 + next(1500) as usize);
        let lane = Lane::new(next(10) as u8, next(256) as u8);
        let share = if next(4) == 0 { Share::All } else { Share::Frames };
        let before = queue.len();
        let train = train(&bytes[..length], segment);
        let lost = queue.push(&train, lane, share);
        assert_eq!(queue.len(), before + train.count() - lost);
        assert!(queue.bytes <= MOST_BYTES && queue.trains <= MOST_TRAINS);
        if next(2) == 0
            && let Some(front) = queue.front()
        {
            let count = front.count();
            queue.consume(1 + next(u32::try_from(count).expect("few")) as usize);
        }
    }
    leave(&mut queue);
}
