//! Whose certificate is good enough. The authority and the certificate in `../tls` are for this test
//! only, until 2126.

use std::io::{Read, Write};
use std::sync::Arc;

use mutirao::delivery::Api;

use super::*;

/// Answers every connection with an opened ticket, over TLS.
fn tls_server() -> u16 {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let chain = CertificateDer::from_pem_slice(include_bytes!("../tls/server.pem")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../tls/server.key")).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_no_client_auth()
        .with_single_cert(vec![chain], key)
        .expect("they fit");
    let config = Arc::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).expect("a connection");
            let mut tls = rustls::StreamOwned::new(connection, stream);
            let mut request = [0; 4_096];
            if tls.read(&mut request).is_ok_and(|n_read| n_read != 0) {
                let _ = tls.write_all(&opened());
                tls.conn.send_close_notify();
                let _ = tls.flush();
            }
        }
    });
    port
}

#[tokio::test]
async fn only_a_trusted_certificate_will_do() {
    let ca_file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/tls/ca.pem");
    let port = tls_server();
    let open = async |host: &str, ca_file: &str| {
        let url = format!("https://{host}:{port}").parse().expect("an address");
        let settings =
            HubSoftSettings { ca_file: Some(ca_file.into()), ..HubSoftSettings::new(url, token("t")) };
        let hubsoft = HubSoft::new(settings).expect("a client");
        hubsoft.open(&parsed(&raw()), marker("1"), &Turnstile::default()).await
    };
    assert_eq!(short(&open("127.0.0.1", ca_file).await), "answered");
    // An authority that did not sign it.
    let foreign = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/tls/server.pem");
    let refused = open("127.0.0.1", foreign).await;
    assert_eq!((short(&refused).as_str(), refused.latency), ("not_sent tls", Duration::ZERO));
}

#[test]
fn an_authority_file_that_is_none_is_refused() {
    let url: mutirao::hubsoft::BaseUrl = "https://erp.example.com.br".parse().expect("an address");
    for (file, words) in [("Cargo.toml", "holds no certificate in PEM form"), ("nowhere.pem", "cannot read")]
    {
        let settings = HubSoftSettings::new(url.clone(), token("t"));
        let refused = HubSoft::new(HubSoftSettings { ca_file: Some(file.into()), ..settings });
        let message = refused.err().map(|it| it.to_string()).unwrap_or_default();
        assert!(message.contains(words), "{message}");
    }
}
