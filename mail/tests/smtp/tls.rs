//! Which server is trusted with a mail and a password, and what one hears that is not.

use std::fs::write;
use std::io::Write;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use mail::Authorities;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};

use super::*;

const HERE: &str = "127.0.0.1";

/// Both ways to be safe, as the settings and as the server say them.
const WAYS: [(Encryption, &str); 2] =
    [(Encryption::StartTls, "starttls"), (Encryption::Implicit, "implicit")];

/// An authority of one's own.
fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// What a server shows, and its key, both as PEM.
type Shown = (String, String);

fn shown(name: &str, signed_by: &CertifiedIssuer<'static, KeyPair>) -> Shown {
    signed(CertificateParams::new(vec![name.to_owned()]).unwrap(), signed_by)
}

fn signed(params: CertificateParams, by: &CertifiedIssuer<'static, KeyPair>) -> Shown {
    let key = KeyPair::generate().unwrap();
    (params.signed_by(&key, by).unwrap().pem(), key.serialize_pem())
}

fn serving(how: &str, (certificate, key): &Shown) -> Option<Server> {
    let folder = tempfile::tempdir().unwrap();
    let files = [folder.path().join("certificate.pem"), folder.path().join("key.pem")];
    write(&files[0], certificate).unwrap();
    write(&files[1], key).unwrap();
    // It has read them when it says its port.
    Server::with(&[how.as_ref(), files[0].as_os_str(), files[1].as_os_str()])
}

/// With a password, and trust in this authority.
fn trusting(trusted: &str, encryption: Encryption, settings: SmtpSettings) -> Smtp {
    Smtp::new(SmtpSettings {
        encryption,
        authorities: Some(Authorities::from_pem(trusted.as_bytes()).unwrap()),
        credentials: Some(("shop".into(), "s3cret".into())),
        ..settings
    })
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_arrives_encrypted_and_signed_in_where_the_certificate_is_trusted() {
    let ours = authority("ours");
    for (encryption, how) in WAYS {
        let Some(mut server) = serving(how, &shown(HERE, &ours)) else { return };
        let smtp = trusting(&ours.pem(), encryption, server.settings());
        smtp.greet().await.unwrap();
        smtp.send(&message("ada@example.com")).await.unwrap();
        let took = server.took();
        assert!(took.contains(r#""tls": true, "user": "shop""#), "{how}: {took}");
        assert_eq!(read_by_python(&took)[0], message("").subject);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_not_trusted_gets_no_mail() {
    let [ours, stranger, impostor] = ["ours", "a stranger", "ours"].map(authority);
    let mut expired = CertificateParams::new(vec![HERE.to_owned()]).unwrap();
    (expired.not_before, expired.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    let of_itself = rcgen::generate_simple_self_signed(vec![HERE.to_owned()]).unwrap();
    let of_itself = (of_itself.cert.pem(), of_itself.signing_key.serialize_pem());
    for (what, says, shown) in [
        ("signed by a stranger", "UnknownIssuer", shown(HERE, &stranger)),
        ("signed by one of the same name", "BadSignature", shown(HERE, &impostor)),
        ("signed by itself", "UnknownIssuer", of_itself),
        ("for another server", "not valid for name", shown("mail.example", &ours)),
        ("for another address", "not valid for name", shown("127.0.0.2", &ours)),
        ("of another year", "expired", signed(expired, &ours)),
    ] {
        for (encryption, how) in WAYS {
            let Some(server) = serving(how, &shown) else { return };
            let smtp = trusting(&ours.pem(), encryption, server.settings());
            let refused = smtp.send(&message("ada@example.com")).await;
            let refused = refused.expect_err(what);
            // Nothing was sent, and once the certificate is mended it will be.
            assert!(
                matches!(&refused, MailError::Unavailable(why) if why.contains(says)),
                "{what}, {how}: {refused}"
            );
            assert!(server.took_nothing_more(), "{what}, {how}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_of_ones_own_is_not_trusted_unasked() {
    let ours = authority("ours");
    for (encryption, how) in WAYS {
        let Some(server) = serving(how, &shown(HERE, &ours)) else { return };
        let unasked = Smtp::new(SmtpSettings { encryption, ..server.settings() }).unwrap();
        let refused = unasked.send(&message("ada@example.com")).await.unwrap_err();
        assert!(refused.to_string().contains("UnknownIssuer"), "{how}: {refused}");
        assert!(server.took_nothing_more(), "{how}");
    }
}

/// A server that never gets as far as TLS: what it says to EHLO and to STARTTLS. It writes down all it hears.
fn reluctant(hello: &'static str, starttls: &'static str) -> (u16, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind((HERE, 0)).unwrap();
    let (port, heard) = (listener.local_addr().unwrap().port(), Arc::new(Mutex::new(Vec::new())));
    let writes = heard.clone();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut lines = BufReader::new(stream.try_clone().unwrap());
            let _ = stream.write_all(b"220 ready\r\n");
            let mut line = Vec::new();
            while lines.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                writes.lock().unwrap().extend(&line);
                let answer = match line.get(..4) {
                    Some(b"EHLO") => hello,
                    Some(b"STAR") => starttls,
                    _ => "250 fine\r\n",
                };
                let _ = stream.write_all(answer.as_bytes());
                line.clear();
            }
        }
    });
    (port, heard)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_hears_neither_password_nor_mail_where_tls_is_asked_for() {
    let (without, with) =
        ("250-shop\r\n250 AUTH PLAIN LOGIN\r\n", "250-shop\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN\r\n");
    let ours = authority("ours");
    for (server, hello, starttls) in [
        ("never", without, "502 unknown\r\n"),
        ("not now", with, "454 TLS not available\r\n"),
        ("goes on without", with, "220 go ahead\r\n250-shop\r\n250 AUTH PLAIN LOGIN\r\n"),
    ] {
        for (encryption, how) in WAYS {
            let (port, heard) = reluctant(hello, starttls);
            let settings = SmtpSettings { port, patience: Duration::from_secs(1), ..local() };
            let refused = trusting(&ours.pem(), encryption, settings).send(&message("ada@example.com")).await;
            assert!(matches!(&refused, Err(MailError::Unavailable(_))), "{server}, {how}: {refused:?}");
            let heard = String::from_utf8_lossy(&heard.lock().unwrap()).into_owned();
            // From this byte on it is the beginning of TLS, which nobody answers.
            let before = heard.split('\u{16}').next().unwrap_or_default().lines();
            let told = before.filter(|line| !["EHLO shop.example", "STARTTLS", "QUIT"].contains(line));
            assert_eq!(told.collect::<Vec<_>>(), Vec::<&str>::new(), "{server}, {how}");
            // The same as base64: what AUTH PLAIN and AUTH LOGIN say.
            for word in ["s3cret", "AHNob3AAczNjcmV0", "czNjcmV0", "AUTH", "MAIL", "ada@", "first"] {
                assert!(!heard.contains(word), "{server}, {how}: {word} in {heard}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_plain_unless_that_was_asked_for() {
    let Some(mut server) = Server::start() else { return };
    let with = |encryption| Smtp::new(SmtpSettings { encryption, ..server.settings() }).unwrap();
    let [safe, implicit, plain] = [Encryption::StartTls, Encryption::Implicit, Encryption::None].map(with);
    for refusing in [safe, implicit] {
        assert!(matches!(refusing.send(&message("bea@example.com")).await, Err(MailError::Unavailable(_))));
    }
    plain.send(&message("ada@example.com")).await.unwrap();
    let took = server.took();
    assert!(took.contains("ada@example.com") && took.contains(r#""tls": false"#), "{took}");
    assert!(server.took_nothing_more());
}
