use alloc::vec;

use proptest::prelude::*;

use super::*;

/// What a stream brings when it comes in pieces of this size, as bytes behind a letter.
fn read(mut stream: Stream, bytes: &[u8], piece: usize) -> Result<Vec<(char, Vec<u8>)>, StreamError> {
    let mut seen = Vec::new();
    for piece in bytes.chunks(piece.max(1)) {
        stream.take(&mut piece.to_vec(), &mut |arrived| {
            seen.push(match arrived {
                Arrived::Datagram(bytes) => ('d', bytes.to_vec()),
                Arrived::Alive => ('a', Vec::new()),
                Arrived::TooLong(length) => ('l', length.to_be_bytes().to_vec()),
                Arrived::Ping(body) => ('p', body.to_vec()),
                Arrived::Close => ('c', Vec::new()),
            });
            ControlFlow::Continue(())
        })?;
        assert!(stream.buffered() < usize::from(MAX_PHYS_MTU));
    }
    Ok(seen)
}

fn dresses() -> [(Stream, Stream); 3] {
    [
        (Stream::plain(), Stream::plain()),
        (Stream::websocket(Side::Client), Stream::websocket(Side::Server)),
        (Stream::websocket(Side::Server), Stream::websocket(Side::Client)),
    ]
}

proptest! {
    #[test]
    fn datagrams_come_out_as_they_went_in_however_the_stream_is_cut(
        groups in prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 1..5), 1..6),
        piece in 1_usize..2000,
        key: [u8; 4],
    ) {
        for (from, to) in dresses() {
            let mut bytes = Vec::new();
            for group in &groups {
                from.put(group.iter().map(Vec::as_slice), || key, &mut bytes);
                from.put_control(Opcode::Ping, b"there?", || key, &mut bytes);
            }
            let seen = read(to, &bytes, piece).expect("a stream");
            let datagrams: Vec<_> = seen.iter().filter(|(kind, _)| *kind == 'd').map(|(_, d)| d.clone()).collect();
            prop_assert_eq!(datagrams, groups.concat());
        }
    }

    #[test]
    fn junk_is_an_error_or_waits_and_never_costs_memory(bytes in prop::collection::vec(any::<u8>(), 0..3000), piece in 1_usize..500) {
        for (_, to) in dresses() {
            let _ = read(to, &bytes, piece);
        }
    }
}

#[test]
fn the_borders_of_frames_mean_nothing_to_records() {
    let mut records = Vec::new();
    Stream::plain().put([&[7_u8; 40][..], &[8; 9]].into_iter(), || unreachable!("no mask"), &mut records);
    // One message of three parts, a ping between them, the last part empty.
    let mut bytes = vec![2, 3];
    bytes.extend_from_slice(&records[..3]);
    bytes.extend_from_slice(&[0x89, 2, b'h', b'i']);
    bytes.extend_from_slice(&[0, (records.len() - 3) as u8]);
    bytes.extend_from_slice(&records[3..]);
    bytes.extend_from_slice(&[0x80, 0]);
    for piece in 1..bytes.len() {
        let seen = read(Stream::websocket(Side::Client), &bytes, piece).expect("a stream");
        assert_eq!(seen, [('p', b"hi".to_vec()), ('d', vec![7; 40]), ('d', vec![8; 9])], "{piece}");
    }
}

#[test]
fn a_quiet_stream_is_kept_alive_and_a_long_record_is_passed_over() {
    let mut bytes = Vec::new();
    let stream = Stream::plain();
    stream.put_alive(|| unreachable!("no mask"), &mut bytes);
    stream.put(core::iter::once(&vec![1_u8; 65_535][..]), || unreachable!("no mask"), &mut bytes);
    stream.put(core::iter::once(&[2_u8; 20][..]), || unreachable!("no mask"), &mut bytes);
    assert_eq!(
        read(Stream::plain(), &bytes, 1000).expect("a stream"),
        [('a', vec![]), ('l', vec![0xff, 0xff]), ('d', vec![2; 20])]
    );
}

#[test]
fn what_is_no_record_ends_the_stream_in_every_dress() {
    let junk = b"HTTP/1.1 502 Bad Gateway\r\n\r\n<html>";
    assert_eq!(read(Stream::plain(), junk, 99), Err(StreamError::Record(NotARecord)));
    let mut framed = vec![0x82, junk.len() as u8];
    framed.extend_from_slice(junk);
    assert_eq!(read(Stream::websocket(Side::Client), &framed, 99), Err(StreamError::Record(NotARecord)));
    assert!(matches!(read(Stream::websocket(Side::Client), junk, 99), Err(StreamError::Frame(_))));
}
