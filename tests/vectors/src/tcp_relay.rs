//! `tcp-relay.json`: a node that reaches its root through a TCP relay (03 §16), as our server and our client see it.

use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::ops::ControlFlow;

use serde_json::Value;
use zt_peer::tcp_relay::{Cause, ClientId, Limits, Server, Verdict};
use zt_wire::record::{Record, RecordReader, header};
use zt_wire::tcp_relay::{FromClient, FromServer, MAX_BODY, Unusable, write_datagram, write_greeting};
use zt_wire::{Mono, SoftwareVersion};

use crate::{Case, Suite, equal, hex, list, same, text, unhex};

/// This file and how to execute it.
pub(crate) const SUITE: Suite = Suite {
    file: "tcp-relay.json",
    expected: 17,
    cases,
    alter: |file| file["events"][1]["records"][0]["port"] = 9994.into(),
};

fn cases(file: &Value) -> Vec<Case> {
    let events = file["events"].as_array().cloned().unwrap_or_default();
    let mut cases: Vec<Case> = (0..events.len())
        .map(|at| {
            let so_far = events[..=at].to_vec();
            Case::new(format!("event {at}"), move || replay(&so_far))
        })
        .collect();
    cases.extend(list(file, "negative", negative));
    cases
}

/// A server with the one client of the recording.
struct Relay {
    server: Server,
    client: ClientId,
    reader: RecordReader,
    /// What the server is to send as UDP, and to the client.
    udp: Vec<(SocketAddrV4, Vec<u8>)>,
    stream: Vec<u8>,
}

impl Relay {
    fn new() -> Result<Self, String> {
        let mut server = Server::new(Limits::default());
        let admitted = server.handle_connection(Mono::ZERO, IpAddr::from([10, 88, 0, 3])).map_err(|e| e.to_string())?;
        let reader = RecordReader::new(MAX_BODY);
        Ok(Self { server, client: admitted.id, reader, udp: Vec::new(), stream: Vec::new() })
    }

    fn hear(&mut self, now: Mono, bytes: &[u8]) -> Result<(), String> {
        let Self { server, client, reader, udp, .. } = self;
        let mut closed = None;
        let heard = reader.take(&mut bytes.to_vec(), &mut |record: Record<'_>| {
            match server.handle_record(now, *client, record) {
                Verdict::Done => {}
                Verdict::Send(to, datagram) => udp.push((to, datagram.to_vec())),
                Verdict::Close(cause) => closed = Some(cause),
            }
            ControlFlow::Continue(())
        });
        heard.map_err(|e| e.to_string())?;
        same("closed", &closed, &None)
    }
}

/// The last of some events, after those before it.
fn replay(events: &[Value]) -> Result<(), String> {
    let mut relay = Relay::new()?;
    for event in events {
        let now = Mono::from_millis(event["timeMs"].as_f64().unwrap_or(0.0) as u64);
        let bytes = unhex(text(event, "hex"));
        let from_client = text(event, "from").starts_with("10.88.0.3:");
        match (text(event, "transport"), from_client) {
            ("tcp", true) => {
                same_records(event, &bytes, true)?;
                relay.hear(now, &bytes)?;
            }
            ("tcp", false) => {
                same_records(event, &bytes, false)?;
                equal("to the client", &std::mem::take(&mut relay.stream), &bytes)?;
            }
            _ if text(event, "from").starts_with("44.1.1.254:") => {
                let (to, datagram) =
                    if relay.udp.is_empty() { return Err("nothing".into()) } else { relay.udp.remove(0) };
                same("destination", &to.to_string().as_str(), &text(event, "to"))?;
                equal("datagram", &datagram, &bytes)?;
            }
            _ => {
                let from: SocketAddrV4 = text(event, "from").parse().map_err(|_| "no address")?;
                let client = relay.client;
                let passes = relay.server.handle_datagram(now, client, from.into(), &bytes, bytes.len() + 12);
                same("passed on", &passes, &true)?;
                write_datagram(from, &bytes, &mut relay.stream).map_err(|e| e.to_string())?;
            }
        }
    }
    Ok(())
}

/// The records of an event are read as they were, and written again as they came.
fn same_records(event: &Value, bytes: &[u8], from_client: bool) -> Result<(), String> {
    let recorded = event["records"].as_array().ok_or("no records")?;
    let (mut read, mut written) = (Vec::new(), Vec::new());
    let mut reader = RecordReader::new(MAX_BODY);
    let taken = reader.take(&mut bytes.to_vec(), &mut |record: Record<'_>| {
        if let Record::Body(body) = record {
            read.push(body.to_vec());
        }
        ControlFlow::Continue(())
    });
    taken.map_err(|e| e.to_string())?;
    same("records", &read.len(), &recorded.len())?;
    for (mut body, recorded) in read.into_iter().zip(recorded) {
        same("length", &Some(body.len() as u64), &recorded["bodyLength"].as_u64())?;
        same("header", &hex(&header(body.len() as u16)).as_str(), &text(recorded, "recordHeader"))?;
        let (address, datagram) = match from_client {
            true => match FromClient::parse(&body).map_err(|e| e.to_string())? {
                FromClient::Greeting(version) => {
                    let number = |name: &str| recorded["greeting"][name].as_u64().unwrap_or(u64::MAX);
                    let told =
                        SoftwareVersion::new(number("major") as u8, number("minor") as u8, number("revision") as u16);
                    same("greeting", &version, &told)?;
                    write_greeting(version, &mut written);
                    continue;
                }
                FromClient::Datagram { to, datagram } => (to, datagram.to_vec()),
            },
            false => match FromServer::parse(&mut body).map_err(|e| e.to_string())? {
                FromServer::Datagram { from: SocketAddr::V4(from), datagram } => (from, datagram.to_vec()),
                other => return Err(format!("{other:?}")),
            },
        };
        let told = format!("{}:{}", text(recorded, "ip"), recorded["port"]);
        same("address", &address.to_string(), &told)?;
        equal("datagram", &datagram, &unhex(text(recorded, "datagram")))?;
        write_datagram(address, &datagram, &mut written).map_err(|e| e.to_string())?;
    }
    equal("written", &written, bytes)
}

/// What has no effect, or ends a connection.
fn negative(case: &Value) -> Result<(), String> {
    let (bytes, reaction) = (unhex(text(case, "bytes")), text(case, "reaction"));
    if text(case, "direction") == "server to client" {
        let mut body = bytes[5..].to_vec();
        let closes = matches!(FromServer::parse(&mut body), Err(Unusable::Address | Unusable::AddressType(_)));
        return same("closes", &closes, &reaction.contains("client closes"));
    }
    let mut relay = Relay::new()?;
    relay.hear(Mono::ZERO, &[0x17, 3, 3, 0, 4, 1, 14, 0, 1])?;
    relay.hear(Mono::ZERO, &bytes)?;
    same("sent", &relay.udp.len(), &0)?;
    let dropped: Vec<Cause> = relay.server.counts().causes().map(|(cause, _)| cause).collect();
    let cause = match reaction {
        text if text.contains("shorter than 16") => Cause::TooShort,
        text if text.contains("body length 5") => Cause::BadLength,
        text if text.contains("address type 6") => Cause::AddressType,
        other => return Err(format!("not known: {other}")),
    };
    same("dropped", &dropped, &vec![cause])
}
