//! Streams of datagrams in every dress, and the first bytes of one.

use std::ops::ControlFlow;

use zt_wire::packet::MAX_PHYS_MTU;
use zt_wire::tunnel::hello::{FlightReader, classify, client_hello, server_flight};
use zt_wire::tunnel::websocket::Side;
use zt_wire::tunnel::{Arrived, Stream};

use crate::input::Input;

/// What a dress is made of: a maker of one end, and of the other.
type Dress = (fn() -> Stream, fn() -> Stream);

const DRESSES: [Dress; 3] = [
    (Stream::plain, Stream::plain),
    (|| Stream::websocket(Side::Client), || Stream::websocket(Side::Server)),
    (|| Stream::websocket(Side::Server), || Stream::websocket(Side::Client)),
];

/// A first flight; or a stream of junk, cut anywhere, that keeps no more than a datagram; or datagrams, which come out as they
/// went in however their stream is cut.
pub fn tunnel(data: &[u8]) {
    let mut input = Input::new(data);
    let (from, to) = DRESSES[input.below(DRESSES.len())];
    match input.below(3) {
        0 => flights(&mut input),
        1 => {
            let mut end = to();
            while !input.is_empty() {
                let length = input.below(256);
                let mut piece = input.bytes(length).to_vec();
                if end.take(&mut piece, &mut |_| ControlFlow::Continue(())).is_err() {
                    return;
                }
                assert!(end.buffered() < usize::from(MAX_PHYS_MTU));
            }
        }
        _ => datagrams(&mut input, &from(), to()),
    }
}

fn flights(input: &mut Input<'_>) {
    let bytes = input.some_bytes();
    let _ = classify(bytes);
    let _ = server_flight(bytes, &[1; 64], bytes);
    let hello = client_hello(&[2; 64], None);
    for mut reader in [FlightReader::of_server(&hello).expect("ours"), FlightReader::of_client()] {
        let mut rest = bytes;
        while let Some((header, after)) = rest.split_first_chunk() {
            let Ok(length) = reader.header(*header) else { break };
            let Some((body, after)) = after.split_at_checked(length) else { break };
            rest = after;
            if !matches!(reader.body(body), Ok(false)) {
                break;
            }
        }
    }
}

fn datagrams(input: &mut Input<'_>, from: &Stream, mut to: Stream) {
    let (mut sent, mut bytes) = (Vec::new(), Vec::new());
    let piece = 1 + usize::from(input.u8());
    while !input.is_empty() {
        let length = 1 + input.below(64);
        let datagram = input.bytes(length).to_vec();
        if !datagram.is_empty() {
            let key = [input.u8(), 1, 2, 3];
            from.put(std::iter::once(datagram.as_slice()), || key, &mut bytes);
            sent.push(datagram);
        }
        from.put_alive(|| [4; 4], &mut bytes);
    }
    let mut seen = Vec::new();
    for piece in bytes.chunks_mut(piece) {
        let taken = to.take(piece, &mut |arrived| {
            match arrived {
                Arrived::Datagram(datagram) => seen.push(datagram.to_vec()),
                Arrived::Alive => {}
                other => panic!("{other:?}"),
            }
            ControlFlow::Continue(())
        });
        taken.expect("what was written can be read");
    }
    assert_eq!(seen, sent);
}
