//! Writes a HELLO of protocol 12, cuts and reads it back, and prints what tcpdump would.

use zt_wire::packet::{HEADER_LEN, PROTO_VERSION};
use zt_wire::verb::{Hello, WorldVersion, emit_moons, parse_moons};
use zt_wire::{
    Address, Body, Datagram, Emit, Identity, Message, Packet, SoftwareVersion, Verb, classify, write_header,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let identity = Identity { address: "8056c2e21c".parse()?, public_key: [7; 64] };
    let moons = emit_moons(&[WorldVersion { id: 0x1234, timestamp: 0 }]);
    let hello = Hello {
        protocol: PROTO_VERSION,
        version: SoftwareVersion::new(1, 14, 1),
        timestamp: 1_750_000_000_000,
        identity,
        destination: Some("192.0.2.1/9993".parse()?),
        planet: Some(WorldVersion { id: 0x08ea_c90a, timestamp: 1_644_592_324_813 }),
        moons: &moons,
    };

    let mut header = [0; HEADER_LEN];
    write_header(&mut header, Address::new(0x12_3456_789a), identity.address, hello.verb());
    let mut datagram = header.to_vec();
    datagram.extend(hello.to_vec());

    assert_eq!(classify(&datagram), Datagram::Head);
    let mut packet = Packet::new_checked(datagram)?;
    packet.set_hops(1);
    let mut out = std::io::stdout();
    std::io::Write::write_fmt(&mut out, format_args!("{packet}\n"))?;

    let opened = packet.opened();
    let message = Message::parse(opened.verb(), opened.payload())?;
    std::io::Write::write_fmt(&mut out, format_args!("{message}\n"))?;
    let Message::Hello(back) = &message else { return Err("not a HELLO".into()) };
    assert_eq!(back, &hello);
    assert_eq!(parse_moons(back.moons)?.len(), 1);

    let junk = Message::parse(Verb::HELLO, &opened.payload()[..50]);
    std::io::Write::write_fmt(&mut out, format_args!("{}\n", junk.expect_err("cut short")))?;
    Ok(())
}
