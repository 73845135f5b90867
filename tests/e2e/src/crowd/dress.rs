//! What a connection says before packets flow, in each of the dresses.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned};
use zt_wire::tunnel::Stream;
use zt_wire::tunnel::hello::{FlightReader, client_finish, client_hello};
use zt_wire::tunnel::websocket::Side;

/// A stream of bytes.
pub(super) trait Wire: Read + Write + Send {}

impl<T: Read + Write + Send> Wire for T {}

/// How a connection is dressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dress {
    /// TCP that passes as TLS.
    Tcp,
    /// Real TLS.
    Tls,
    /// A WebSocket.
    Ws,
    /// A WebSocket inside of TLS.
    Wss,
}

/// How connections are made.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Their dress.
    pub dress: Dress,
    tls: Arc<ClientConfig>,
}

impl Dress {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Tcp, Self::Tls, Self::Ws, Self::Wss];

    pub(super) fn stream(self) -> Stream {
        match self {
            Self::Tcp | Self::Tls => Stream::plain(),
            Self::Ws | Self::Wss => Stream::websocket(Side::Client),
        }
    }

    /// Connections of this dress; whoever answers is believed.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn settings(self) -> Result<Settings> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder =
            ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
        let believed = builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider)));
        Ok(Settings { dress: self, tls: Arc::new(believed.with_no_client_auth()) })
    }
}

/// Lets a connection say all that comes before packets.
pub(super) fn put_on(tcp: TcpStream, how: &Settings) -> Result<Box<dyn Wire>> {
    let mut wire: Box<dyn Wire> = match how.dress {
        Dress::Tcp | Dress::Ws => Box::new(tcp),
        Dress::Tls | Dress::Wss => {
            let name = ServerName::try_from("root.example")?;
            let mut tls = StreamOwned::new(ClientConnection::new(Arc::clone(&how.tls), name)?, tcp);
            while tls.conn.is_handshaking() {
                tls.conn.complete_io(&mut tls.sock)?;
            }
            Box::new(tls)
        }
    };
    match how.dress {
        Dress::Tls => {}
        Dress::Tcp => pass_as_tls(&mut wire)?,
        Dress::Ws | Dress::Wss => upgrade(&mut wire)?,
    }
    Ok(wire)
}

fn pass_as_tls(wire: &mut dyn Wire) -> Result<()> {
    let hello = client_hello(&[7; 64], None);
    wire.write_all(&hello)?;
    let mut flight = FlightReader::of_server(&hello)?;
    loop {
        let mut header = [0; 5];
        wire.read_exact(&mut header)?;
        let mut body = vec![0; flight.header(header)?];
        wire.read_exact(&mut body)?;
        if flight.body(&body)? {
            break;
        }
    }
    Ok(wire.write_all(&client_finish(&[7; 53]))?)
}

fn upgrade(wire: &mut dyn Wire) -> Result<()> {
    wire.write_all(
        b"GET / HTTP/1.1\r\nHost: root.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
          Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n\r\n",
    )?;
    wire.flush()?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        wire.read_exact(&mut byte)?;
        head.push(byte[0]);
        ensure!(head.len() < 4096, "a head without an end");
    }
    let head = String::from_utf8(head).context("a head is text")?;
    ensure!(head.starts_with("HTTP/1.1 101 "), "{head}");
    Ok(())
}

/// Believes everybody: VL1 proves who the root is.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
