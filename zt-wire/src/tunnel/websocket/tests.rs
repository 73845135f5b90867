use alloc::vec;

use proptest::prelude::*;

use super::*;

/// What the bytes of a server bring to its client.
fn read(bytes: &[u8]) -> Result<Vec<u8>, FrameError> {
    let mut reader = FrameReader::new(Side::Client);
    let mut data = Vec::new();
    for byte in bytes {
        reader.take(&mut [*byte], &mut |piece| {
            if let Piece::Data(bytes) = piece {
                data.extend_from_slice(bytes);
            }
            ControlFlow::Continue(())
        })?;
    }
    Ok(data)
}

#[test]
fn the_frames_of_the_specification() {
    // RFC 6455 §5.7, as binary messages.
    assert_eq!(read(&[0x82, 5, 0x48, 0x65, 0x6c, 0x6c, 0x6f]).unwrap(), b"Hello");
    assert_eq!(read(&[0x02, 3, 0x48, 0x65, 0x6c, 0x80, 2, 0x6c, 0x6f]).unwrap(), b"Hello");
    let mut long = vec![0x82, 0x7e, 1, 0];
    long.extend_from_slice(&[9; 256]);
    assert_eq!(read(&long).unwrap(), [9; 256]);
    let mut reader = FrameReader::new(Side::Server);
    let mut masked = [0x82, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    let mut seen = Vec::new();
    let mut each = |piece: Piece<'_>| {
        if let Piece::Data(bytes) = piece {
            seen.extend_from_slice(bytes);
        }
        ControlFlow::Continue(())
    };
    reader.take(&mut masked, &mut each).unwrap();
    assert_eq!(seen, b"Hello");
}

#[test]
fn what_the_specification_forbids_has_a_name() {
    let cases: [(&[u8], FrameError); 12] = [
        (&[0x81, 2, b'h', b'i'], FrameError::Text),
        (&[0x01, 2, b'h', b'i'], FrameError::Text),
        (&[0xc2, 0], FrameError::Reserved),
        (&[0x83, 0], FrameError::Reserved),
        (&[0x8b, 0], FrameError::Reserved),
        (&[0x82, 0x80, 1, 2, 3, 4], FrameError::Mask),
        (&[0x09, 0], FrameError::Control),
        (&[0x89, 126, 0, 126], FrameError::Control),
        (&[0x80, 0], FrameError::Fragment),
        (&[0x02, 0, 0x82, 0], FrameError::Fragment),
        (&[0x82, 126, 0, 125], FrameError::Length),
        (&[0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0], FrameError::Length),
    ];
    for (bytes, error) in cases {
        assert_eq!(read(bytes), Err(error), "{bytes:02x?}");
    }
    let unmasked = FrameReader::new(Side::Server).take(&mut [0x82, 1, 0], &mut |_| ControlFlow::Continue(()));
    assert_eq!(unmasked, Err(FrameError::Mask));
}

#[test]
fn a_frame_of_any_length_costs_nothing() {
    let mut reader = FrameReader::new(Side::Client);
    let mut each = |_: Piece<'_>| ControlFlow::Continue(());
    reader.take(&mut [0x82, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], &mut each).unwrap();
    for _ in 0..100 {
        reader.take(&mut [0; 10_000], &mut each).unwrap();
    }
}

proptest! {
    #[test]
    fn what_is_wrapped_comes_out(body in prop::collection::vec(any::<u8>(), 0..70_000), key: [u8; 4], piece in 1_usize..9000) {
        for (from, to) in [(Side::Client, Side::Server), (Side::Server, Side::Client)] {
            let mut out = vec![0xaa];
            out.resize(1 + MAX_HEADER, 0);
            out.extend_from_slice(&body);
            wrap(from, Opcode::Binary, || key, 1, &mut out);
            let mut seen = Vec::new();
            let mut reader = FrameReader::new(to);
            for piece in out[1..].chunks_mut(piece) {
                reader.take(piece, &mut |piece| {
                    if let Piece::Data(bytes) = piece {
                        seen.extend_from_slice(bytes);
                    }
                    ControlFlow::Continue(())
                }).unwrap();
            }
            prop_assert_eq!(&seen, &body);
        }
    }
}
