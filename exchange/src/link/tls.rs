//! Whom encrypted calls trust.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;

/// The authorities whose certificates are believed, ready for connections. Made once for a
/// node; a copy is two pointers.
#[derive(Clone, Debug)]
pub struct Trust {
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
}

/// Why a file of authorities cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Untrusted {
    /// A part of the file is no certificate in PEM form.
    #[error("certificate {place} cannot be read: {why}")]
    Unreadable {
        /// Which of the file's certificates, counted from 1.
        place: usize,
        /// What is wrong with it.
        why: String,
    },
    /// The file has no certificate.
    #[error("there is no certificate between BEGIN CERTIFICATE and END CERTIFICATE lines")]
    Empty,
}

impl Default for Trust {
    /// The authorities that browsers trust, as Mozilla publishes them.
    fn default() -> Self {
        let mut roots = RootCertStore::empty();
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        Self::of(roots)
    }
}

impl Trust {
    /// The authorities of a PEM file and nobody else.
    ///
    /// # Errors
    /// [`Untrusted`], where the file has none or one that cannot be read.
    pub fn of_pem(pem: &[u8]) -> Result<Self, Untrusted> {
        let mut roots = RootCertStore::empty();
        for (index, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
            let unreadable = |why: String| Untrusted::Unreadable {
                place: index + 1,
                why,
            };
            let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
            let added = roots.add(certificate);
            added.map_err(|error| unreadable(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(Untrusted::Empty);
        }
        Ok(Self::of(roots))
    }

    fn of(roots: RootCertStore) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider speaks TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let speaking = |protocols: &[&[u8]]| {
            let mut config = config.clone();
            config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
            Arc::new(config)
        };
        Self {
            http1: speaking(&[b"http/1.1"]),
            http2: speaking(&[b"h2", b"http/1.1"]),
        }
    }

    /// The settings of a connection.
    pub(super) fn config(&self, http2: bool) -> Arc<ClientConfig> {
        Arc::clone(if http2 { &self.http2 } else { &self.http1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_refused() {
        let told = |pem: &str| Trust::of_pem(pem.as_bytes()).unwrap_err().to_string();
        assert!(told("").contains("no certificate"));
        let odd = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(told(odd).starts_with("certificate 1 cannot be read"));
        let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n";
        assert!(told(cut).starts_with("certificate 1 cannot be read"));
    }
}
