use proptest::prelude::*;

use super::*;

fn random(seed: u8) -> [u8; 64] {
    core::array::from_fn(|at| (at as u8).wrapping_mul(37) ^ seed)
}

/// Reads a flight from its records; the bytes that follow it.
fn read(mut reader: FlightReader, flight: &[u8]) -> Result<&[u8], NotATunnel> {
    let mut rest = flight;
    loop {
        let (header, after) = rest.split_first_chunk().ok_or(NotATunnel)?;
        let (body, after) = after.split_at_checked(reader.header(*header)?).ok_or(NotATunnel)?;
        rest = after;
        if reader.body(body)? {
            return Ok(rest);
        }
    }
}

#[test]
fn both_ends_know_each_other() {
    for name in [None, Some("root.example")] {
        let hello = client_hello(&random(1), name);
        assert_eq!(classify(&hello), First::Tunnel(hello.len()));
        assert!((0..ENOUGH).all(|length| classify(&hello[..length]) == First::More));
        let mut flight = server_flight(&hello, &random(2), &[5; 900]).expect("that is a hello");
        flight.extend_from_slice(b"data");
        assert_eq!(read(FlightReader::of_server(&hello).unwrap(), &flight), Ok(&b"data"[..]));
        assert_eq!(read(FlightReader::of_client(), &client_finish(&[6; 53])), Ok(&b""[..]));
    }
}

#[test]
fn others_are_told_apart() {
    assert_eq!(classify(b""), First::More);
    assert_eq!(classify(b"GE"), First::More);
    assert_eq!(classify(b"GET / HTTP/1.1\r\n"), First::Http);
    for stranger in
        [&b"POST / HTTP/1.1"[..], b"GOT ", b"SSH-2.0", &[0x17, 3, 3, 0, 4], &[0x16, 2], &[0x16, 3, 1, 0, 9, 2]]
    {
        assert_eq!(classify(stranger), First::Stranger, "{stranger:?}");
    }
    let mut hello = client_hello(&random(1), None);
    hello[SESSION] ^= 1;
    assert_eq!(classify(&hello), First::Tls, "a session ID that was drawn at random");
    hello[SESSION - 1] = 0;
    assert_eq!(classify(&hello[..SESSION]), First::Tls, "none");
    let other = client_hello(&random(3), None);
    let flight = server_flight(&other, &random(2), &[]).expect("a hello");
    assert_eq!(read(FlightReader::of_server(&client_hello(&random(1), None)).unwrap(), &flight), Err(NotATunnel));
}

#[test]
fn a_hello_is_as_long_as_it_says() {
    let hello = client_hello(&random(9), Some("www.example.com"));
    assert_eq!(usize::from(u16::from_be_bytes([hello[3], hello[4]])) + 5, hello.len());
    let message = hello[6..9].iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    assert_eq!(message + 9, hello.len());
}

proptest! {
    #[test]
    fn any_bytes_are_something_and_no_flight_of_junk_is_believed(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = classify(&bytes);
        let _ = server_flight(&bytes, &random(0), &bytes);
        let hello = client_hello(&random(1), None);
        prop_assert!(read(FlightReader::of_server(&hello).unwrap(), &bytes).is_err());
    }
}
