//! TLS, where something on the way insists on it. It keeps no secret that VL1 does not keep already; what it is checked for
//! is that a root which has a name or a pinned key is that root.

use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs as ciphers, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig, SignatureScheme,
};
use thiserror::Error;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::target::Trust;
use super::wire::Wire;
use crate::daemon::home::{Home, HomeError, read_file};

/// Key and certificate that a root makes for itself.
const KEY_FILE: &str = "tcp.secret";
const CERTIFICATE_FILE: &str = "tcp.crt";
/// What is spoken inside.
const PROTOCOL: &[u8] = b"http/1.1";
/// What TLS may hold of a connection that takes nothing.
const BUFFERED: usize = 16 << 10;

/// Why TLS cannot be offered.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file of the settings.
    #[error("{0}: {1}")]
    File(String, String),
    /// The home folder.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Key and certificate do not go together, or are of no use.
    #[error("key and certificate cannot be used: {0}")]
    Unusable(String),
}

/// What a listener shows of itself.
#[derive(Clone)]
pub(super) struct Shown {
    pub(super) config: Arc<ServerConfig>,
    /// SHA-256 of its public key, which members may pin.
    pub(super) pin: [u8; 32],
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ciphers::default_provider())
}

/// Reads key and certificate of the settings: PEM, the chain in one file.
pub(super) fn from_files(certificate: &Path, key: &Path) -> Result<Shown, TlsError> {
    let read = |path: &Path| {
        let file = |why: String| TlsError::File(path.display().to_string(), why);
        read_file(path).map_err(|error| file(error.to_string()))?.ok_or_else(|| file("is not there".to_owned()))
    };
    shown(&read(certificate)?, &read(key)?)
}

/// The key that this root made for itself, once.
pub(super) fn of_home(home: &Home) -> Result<Shown, TlsError> {
    if let (Some(certificate), Some(key)) = (home.read(CERTIFICATE_FILE)?, home.read(KEY_FILE)?) {
        return shown(&certificate, &key);
    }
    let unusable = |error: rcgen::Error| TlsError::Unusable(error.to_string());
    let key = rcgen::KeyPair::generate().map_err(unusable)?;
    let mut asked = rcgen::CertificateParams::default();
    asked.distinguished_name.push(rcgen::DnType::CommonName, "localhost");
    let certificate = asked.self_signed(&key).map_err(unusable)?;
    let (certificate, key) = (certificate.pem(), key.serialize_pem());
    home.write(KEY_FILE, key.as_bytes(), 0o600)?;
    home.write(CERTIFICATE_FILE, certificate.as_bytes(), 0o644)?;
    shown(certificate.as_bytes(), key.as_bytes())
}

fn shown(certificate: &[u8], key: &[u8]) -> Result<Shown, TlsError> {
    let unusable = |why: String| TlsError::Unusable(why);
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate).collect();
    let chain = chain.map_err(|error| unusable(error.to_string()))?;
    let pin = chain.first().and_then(pin_of).ok_or_else(|| unusable("no certificate in the file".to_owned()))?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| unusable(error.to_string()))?;
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let config = builder.map_err(|error| unusable(error.to_string()))?.with_no_client_auth();
    let mut config = config.with_single_cert(chain, key).map_err(|error| unusable(error.to_string()))?;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    // Sessions are long, and nothing of a stranger's is kept.
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Shown { config: Arc::new(config), pin })
}

/// SHA-256 of the public key of a certificate.
fn pin_of(certificate: &CertificateDer<'_>) -> Option<[u8; 32]> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    digest::digest(&digest::SHA256, &parsed.subject_public_key_info()).as_ref().try_into().ok()
}

/// Answers a client.
pub(super) async fn accept(wire: Wire, shown: &Shown) -> std::io::Result<Wire> {
    let mut stream = TlsAcceptor::from(Arc::clone(&shown.config)).accept(wire).await?;
    stream.get_mut().1.set_buffer_limit(Some(BUFFERED));
    Ok(Box::new(stream))
}

/// Speaks TLS to a root or what stands in front of it.
pub(super) async fn connect(wire: Wire, host: &str, trust: Trust) -> std::io::Result<Wire> {
    let other = |error: &dyn std::fmt::Display| std::io::Error::other(error.to_string());
    let name = ServerName::try_from(host.to_owned()).map_err(|error| other(&error))?;
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| other(&error))?;
    let mut config = match trust {
        Trust::Platform => builder.with_root_certificates(platform_roots().await?).with_no_client_auth(),
        Trust::Pin(_) | Trust::Anybody => {
            let pin = if let Trust::Pin(pin) = trust { Some(pin) } else { None };
            let verifier = Arc::new(OneKey { pin, provider: provider() });
            builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
        }
    };
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, wire).await?;
    stream.get_mut().1.set_buffer_limit(Some(BUFFERED));
    Ok(Box::new(stream))
}

/// The authorities that this host trusts.
async fn platform_roots() -> std::io::Result<RootCertStore> {
    // Some hundred files.
    let found = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.map_err(std::io::Error::other)?.certs);
    if roots.is_empty() {
        let hint = "this host trusts no authorities: install its package of certificates (ca-certificates), or pin the \
                    root's key with #sha256=… behind its address";
        return Err(std::io::Error::other(hint));
    }
    Ok(roots)
}

/// Believes whoever has one key, or any.
#[derive(Debug)]
struct OneKey {
    pin: Option<[u8; 32]>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for OneKey {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.pin.is_some() && pin_of(end_entity) != self.pin {
            return Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure));
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
