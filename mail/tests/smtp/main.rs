//! Against a real SMTP server from PyPI: what it takes, refuses and loses.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod tls;

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use mail::{Encryption, MailError, Mailer, Message, Smtp, SmtpSettings};

const PYTHON_PACKAGE: &str = "aiosmtpd==1.4.6";

/// Where the package lies; it stays between runs.
fn python() -> Result<PathBuf, String> {
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = INSTALLING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("smtp-python");
    let python = folder.join("bin/python");
    let done = folder.join(PYTHON_PACKAGE);
    let installed = done.exists()
        || (runs(Command::new("python3").args(["-m", "venv"]).arg(&folder))
            && runs(Command::new(&python).args(["-m", "pip", "install", "--quiet", PYTHON_PACKAGE]))
            && std::fs::write(&done, "").is_ok());
    if installed { Ok(python) } else { Err(format!("{PYTHON_PACKAGE} could not be installed")) }
}

fn runs(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// The server while it runs.
struct Server {
    process: Child,
    port: u16,
    said: Lines<BufReader<ChildStdout>>,
}

impl Server {
    /// None, in one line, where it cannot be had.
    fn start() -> Option<Server> {
        Server::with(&[])
    }

    /// The same, secured in this way with the certificate and the key of these files.
    fn with(secured: &[&OsStr]) -> Option<Server> {
        let python = match python() {
            Ok(python) => python,
            Err(missing) => {
                assert!(std::env::var_os("CI").is_none(), "{missing}");
                println!("not run: mail to a real SMTP server, because {missing}");
                return None;
            }
        };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/smtp/server.py");
        let mut command = Command::new(python);
        command.arg(script).args(secured).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut said = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = said.next().unwrap().unwrap().parse().unwrap();
        Some(Server { process, port, said })
    }

    fn settings(&self) -> SmtpSettings {
        SmtpSettings { port: self.port, ..local() }
    }

    fn smtp(&self) -> Smtp {
        Smtp::new(self.settings()).unwrap()
    }

    /// The next mail that it took, as one line of JSON.
    fn took(&mut self) -> String {
        self.said.next().unwrap().unwrap()
    }

    /// Ends it, and says whether it took no mail since it was asked last.
    fn took_nothing_more(mut self) -> bool {
        self.process.kill().unwrap();
        self.said.next().is_none()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A server on this machine, without a port and with nothing that makes it safe.
fn local() -> SmtpSettings {
    SmtpSettings {
        host: "127.0.0.1".into(),
        port: 0,
        encryption: Encryption::None,
        authorities: None,
        credentials: None,
        from_address: "shop@shop.example".into(),
        from_name: Some("The Shöp".into()),
        patience: Duration::from_secs(5),
    }
}

fn message(to: &str) -> Message {
    Message {
        to: to.into(),
        reply_to: None,
        subject: "Grüße aus dem Laden — 你好".into(),
        // A line that is a dot ends a mail; a line of dots must arrive as it is; a long line is folded.
        text: format!("first\r\n.\r\n..\r\nFrom here\r\n{}\r\nlast ü", "x".repeat(3_000)),
        html: Some("<p>Grüße</p>".into()),
    }
}

/// What Python's own reader makes of a mail that was taken: subject, sender, text, HTML.
fn read_by_python(took: &str) -> Vec<String> {
    let script = "import base64,email,email.policy,json,sys\n\
        m=email.message_from_bytes(base64.b64decode(json.loads(sys.argv[1])['content']),policy=email.policy.default)\n\
        p=[m['subject'],m['from'],m.get_body(('plain',)).get_content(),m.get_body(('html',)).get_content(),str(len(m.defects))]\n\
        p.append(m['message-id']); p.append(m['date'])\n\
        print(json.dumps(p))";
    let output = Command::new(python().unwrap()).args(["-c", script, took]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_arrives_as_it_was_written() {
    let Some(mut server) = Server::start() else { return };
    let sent = message("ada@example.com");
    server.smtp().send(&sent).await.unwrap();
    let first = server.took();
    let read = read_by_python(&first);
    assert_eq!(read[0], sent.subject);
    assert!(read[1].contains("The Shöp") && read[1].contains("shop@shop.example"), "{}", read[1]);
    assert_eq!(read[2].replace("\r\n", "\n").trim_end(), sent.text.replace("\r\n", "\n"));
    assert!(read[3].contains("Grüße"));
    assert_eq!(read[4], "0", "no defects");
    server.smtp().send(&sent).await.unwrap();
    assert_eq!(read_by_python(&server.took())[5], read[5], "the same mail has the same id");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_says_decides_whether_it_is_tried_again() {
    let Some(mut server) = Server::start() else { return };
    let smtp = server.smtp();
    let refused = smtp.send(&message("unknown@example.com")).await;
    assert!(matches!(&refused, Err(MailError::Refused(why)) if why.contains("no such user")), "{refused:?}");
    let spam = smtp.send(&message("spam@example.com")).await;
    assert!(matches!(&spam, Err(MailError::Refused(why)) if why.contains("looks like spam")), "{spam:?}");
    let later = smtp.send(&message("later@example.com")).await;
    assert!(matches!(&later, Err(MailError::Unavailable(why)) if why.contains("greylisted")), "{later:?}");
    // The server has taken it, and the answer was lost: nobody may say that it was not sent.
    let lost = smtp.send(&message("lost@example.com")).await;
    assert!(matches!(&lost, Err(MailError::Unknown(_))), "{lost:?}");
    assert!(server.took().contains("lost@example.com"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_sent_only_where_it_is_safe_and_a_wrong_one_gives_no_mail_up() {
    let Some(mut server) = Server::start() else { return };
    let with = |password: &str| SmtpSettings {
        credentials: Some(("shop".into(), password.into())),
        ..server.settings()
    };
    let wrong = Smtp::new(with("wrong")).unwrap();
    assert!(matches!(wrong.greet().await, Err(MailError::Unavailable(_))));
    assert!(matches!(wrong.send(&message("ada@example.com")).await, Err(MailError::Unavailable(_))));
    let right = Smtp::new(with("s3cret")).unwrap();
    right.greet().await.unwrap();
    right.send(&message("ada@example.com")).await.unwrap();
    // A server without STARTTLS is not used where it was asked for, and hears no password.
    for encryption in [Encryption::StartTls, Encryption::Implicit] {
        let safe = Smtp::new(SmtpSettings { encryption, ..with("s3cret") }).unwrap();
        assert!(matches!(safe.send(&message("ada@example.com")).await, Err(MailError::Unavailable(_))));
    }
    assert!(server.took().contains("\"user\": \"shop\""));
}
