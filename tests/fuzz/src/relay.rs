//! Streams at both ends of the TCP relay.

use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::ops::ControlFlow;
use std::time::Duration;

use zt_peer::tcp_relay::{Cause, ClientId, Limits, Server, Verdict};
use zt_wire::Mono;
use zt_wire::record::{Record, RecordReader, header};
use zt_wire::tcp_relay::{FromClient, FromServer, MAX_BODY, write_datagram};

use crate::input::Input;

/// Clients that play.
const CLIENTS: usize = 4;

/// A stream, and a server with some clients: what is cut differently reads the same, what is read is written the same, and
/// nothing grows without bound.
pub fn relay(data: &[u8]) {
    let mut input = Input::new(data);
    match input.u8() % 2 {
        0 => stream(&mut input),
        _ => server(&mut input),
    }
}

fn stream(input: &mut Input<'_>) {
    let (longest, piece) = (u16::from(input.u8()) * 257, usize::from(input.u8()) + 1);
    let stream = input.bytes(usize::MAX).to_vec();
    let read = |piece: usize| {
        let (mut reader, mut records, mut failed) = (RecordReader::new(longest), Vec::new(), false);
        for piece in stream.chunks(piece.max(1)) {
            let taken = reader.take(&mut piece.to_vec(), &mut |record| {
                records.push(match record {
                    Record::Body(body) => Ok(body.to_vec()),
                    Record::TooLong(length) => Err(length),
                });
                ControlFlow::Continue(())
            });
            failed = taken.is_err();
            if failed {
                break;
            }
            assert!(reader.buffered() <= usize::from(longest) && reader.buffered() <= stream.len());
        }
        (records, failed)
    };
    let (records, failed) = read(stream.len());
    assert_eq!(read(piece), (records.clone(), failed));
    for body in records.into_iter().flatten() {
        assert!(body.len() <= usize::from(longest));
        let mut written = Vec::new();
        if let Ok(FromClient::Datagram { to, datagram }) = FromClient::parse(&body) {
            write_datagram(to, datagram, &mut written).expect("it was a record");
            assert_eq!(written[..5], header(body.len() as u16));
            assert_eq!(written[5..], body);
        }
        let mut changed = body.clone();
        if let Ok(FromServer::Datagram { from: SocketAddr::V4(from), datagram }) = FromServer::parse(&mut changed) {
            written.clear();
            write_datagram(from, datagram, &mut written).expect("it was a record");
            assert_eq!(written[5..], body);
        }
    }
}

/// Whatever happens at a server, its sums are right, and it keeps to its bounds.
fn server(input: &mut Input<'_>) {
    let limits = Limits { clients: 3, clients_per_source: 2, queue: 4000, memory: 6000, ..Limits::default() };
    let mut server = Server::new(limits);
    let mut now = Mono::ZERO;
    let mut clients: Vec<(ClientId, RecordReader, usize)> = Vec::new();
    let mut sent = 0;
    while !input.is_empty() {
        let what = input.u8();
        now = now + Duration::from_millis(u64::from(input.u8()) * 37);
        let at = usize::from(input.u8()) % clients.len().max(1);
        match what % 6 {
            0 if clients.len() < CLIENTS => {
                let from = IpAddr::from([10, 0, 0, input.u8() % 3]);
                if let Ok(admitted) = server.handle_connection(now, from) {
                    clients.retain(|(id, _, _)| Some(*id) != admitted.instead_of);
                    clients.push((admitted.id, RecordReader::new(MAX_BODY), 0));
                }
            }
            1 if !clients.is_empty() => {
                let (id, reader, _) = &mut clients[at];
                let length = usize::from(input.u8());
                let mut bytes = input.bytes(length).to_vec();
                let mut over = false;
                let taken = reader.take(&mut bytes, &mut |record| match server.handle_record(now, *id, record) {
                    Verdict::Done => ControlFlow::Continue(()),
                    Verdict::Send(to, datagram) => {
                        assert!(datagram.len() >= 16 && to.port() > 1024);
                        sent += 1;
                        ControlFlow::Continue(())
                    }
                    Verdict::Close(_) => {
                        over = true;
                        ControlFlow::Break(())
                    }
                });
                if taken.is_err() || over {
                    server.handle_closed(*id);
                    clients.remove(at);
                } else {
                    server.handle_inside(now, *id, reader.is_inside());
                }
            }
            2 if !clients.is_empty() => {
                let from = SocketAddrV4::new([44, 1, 1, input.u8()].into(), 9993);
                let length = usize::from(input.u8());
                let datagram = input.bytes(length);
                let waits = datagram.len() + 12;
                if server.handle_datagram(now, clients[at].0, from.into(), datagram, waits) {
                    clients[at].2 += waits;
                }
            }
            3 if !clients.is_empty() => {
                let (id, _, waits) = &mut clients[at];
                let written = (*waits).min(usize::from(input.u8()) * 16);
                server.handle_written(now, *id, written);
                *waits -= written;
            }
            4 => {
                while let Some((id, _)) = server.poll_close(now) {
                    clients.retain(|(other, _, _)| *other != id);
                }
                assert!(server.deadline().is_none_or(|at| at > now));
            }
            _ => {}
        }
        assert_eq!(server.len(), clients.len());
        assert_eq!(server.queued(), clients.iter().map(|(_, _, waits)| waits).sum::<usize>());
        assert!(server.len() <= 3 && server.queued() <= 6000);
        assert_eq!(server.counts().datagrams_out, sent);
    }
    assert!(server.counts().causes().all(|(cause, count)| count > 0 && server.counts().of(cause) == count));
    assert_eq!(server.counts().of(Cause::NotSent), 0, "nobody said so");
}
