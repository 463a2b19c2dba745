//! AWS's own library and moto's Secrets Manager against ours: the signature is botocore's, and moto moves the stages.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use testkit::on_both_engines;

use crate::doors::{answered, event, now};
use crate::manager::{ACCESS_KEY, ACCESS_SECRET, Fake};
use crate::refreshed;

const PACKAGES: [&str; 3] = ["moto[secretsmanager,server]==5.2.1", "boto3", "setuptools"];

fn runs(command: &mut Command) -> bool {
    let output = command.stdin(Stdio::null()).output();
    output.is_ok_and(|output| {
        if !output.status.success() {
            eprintln!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        output.status.success()
    })
}

/// A Python that has the packages: the machine's own, else one of ours; `None` when they cannot be had.
fn python() -> Option<PathBuf> {
    if runs(Command::new("python3").args(["-c", "import boto3, moto.server"])) {
        return Some("python3".into());
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python-aws");
    let (python, done) = (folder.join("bin/python"), folder.join("done"));
    let installed = done.exists()
        || (runs(Command::new("python3").args(["-m", "venv"]).arg(&folder))
            && runs(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(PACKAGES))
            && std::fs::write(done, "").is_ok());
    installed.then_some(python)
}

/// Where nothing can be installed, a developer is told; in CI it is a failure.
fn not_run(what: &str) {
    assert!(std::env::var_os("CI").is_none(), "{what} could not be installed");
    println!("not run: {what} could not be installed, so it has not been compared with ours");
}

/// Signs what was sent once more, with botocore, at the time that the request names.
const SIGN: &str = r#"
import sys, json, datetime
import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
asked = json.load(sys.stdin)
at = datetime.datetime.strptime(asked["date"], "%Y%m%dT%H%M%SZ")
botocore.auth.get_current_datetime = lambda remove_tzinfo=True: at
request = AWSRequest("POST", asked["url"], headers=asked["headers"], data=asked["body"])
botocore.auth.SigV4Auth(Credentials(asked["id"], asked["secret"]), "secretsmanager", asked["region"]).add_auth(request)
print(request.headers["Authorization"])
"#;

/// Writes a secret by boto3, as an operator's own tools do.
const PUT: &str = r#"
import sys, boto3
client = boto3.client("secretsmanager", endpoint_url=sys.argv[1], region_name="ap-southeast-1",
    aws_access_key_id="AKIDOFTHETESTS", aws_secret_access_key="x")
try:
    client.create_secret(Name=sys.argv[2], SecretString=sys.argv[3])
except client.exceptions.ResourceExistsException:
    client.put_secret_value(SecretId=sys.argv[2], SecretString=sys.argv[3])
print(client.describe_secret(SecretId=sys.argv[2])["ARN"])
"#;

fn said(python: &Path, script: &str, arguments: &[&str], input: &str) -> String {
    let mut command = Command::new(python);
    command.args(["-c", script]).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

struct Moto {
    child: Child,
    url: String,
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn moto(python: &Path) -> Moto {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new(python);
    command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let moto = Moto { child, url: format!("http://127.0.0.1:{port}") };
    for _ in 0..600 {
        if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            return moto;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("moto did not come up");
}

on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn botocore_signs_our_request_as_we_do(test: TestDb) {
        let Some(python) = tokio::task::spawn_blocking(python).await.unwrap() else { return not_run("boto3") };
        let fake = Fake::start().await;
        fake.put("stripe/prod/hook", "whsec_first");
        let mut places = fake.environment();
        places.push(("SECRETS_AWS_SESSION_TOKEN", "a-session/token+of==".into()));
        places.push(("STRIPE_WEBHOOK_SECRET_ARN", "stripe/prod/hook".into()));
        places.push(("STRIPE_WEBHOOK_SECRET", String::new()));
        let wish = crate::doors::Wish { environment: places, ..Default::default() };
        let server = crate::doors::Server::start_as(&test, wish).await;
        let came = fake.came();
        assert_eq!(came.len(), 2);
        for came in came {
            let text = |name: &str| came.headers[name].to_str().unwrap().to_owned();
            assert_eq!(text("x-amz-security-token"), "a-session/token+of==");
            let signed = ["content-type", "x-amz-date", "x-amz-target", "x-amz-security-token"];
            let headers: serde_json::Map<String, Value> =
                signed.iter().map(|name| ((*name).to_owned(), text(name).into())).collect();
            let asked = json!({ "url": format!("{}/", fake.url), "headers": headers, "body": came.body,
                "date": text("x-amz-date"), "id": ACCESS_KEY, "secret": ACCESS_SECRET, "region": "ap-southeast-1" });
            let theirs = said(&python, SIGN, &[], &asked.to_string());
            assert_eq!(text("authorization"), theirs);
        }
        server.stop().await;
    }

    async fn a_secret_that_boto3_rotates_in_moto_counts_with_the_one_before(test: TestDb) {
        let Some(python) = tokio::task::spawn_blocking(python).await.unwrap() else { return not_run("moto") };
        let moto = moto(&python).await;
        let put = |text: &str| said(&python, PUT, &[&moto.url, "shop/hook", text], "");
        put(r#"{"webhookSecret":"whsec_moto_0"}"#);
        let arn = put(r#"{"webhookSecret":"whsec_moto_1"}"#);
        let environment = vec![
            ("SECRETS_AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
            ("SECRETS_AWS_SECRET_ACCESS_KEY", ACCESS_SECRET.to_owned()),
            ("SECRETS_AWS_ENDPOINT", moto.url.clone()),
            ("STRIPE_WEBHOOK_SECRET_ARN", arn),
            ("STRIPE_WEBHOOK_SECRET", String::new()),
        ];
        let wish = crate::doors::Wish { environment, ..Default::default() };
        let server = crate::doors::Server::start_as(&test, wish).await;
        put(r#"{"webhookSecret":"whsec_moto_2"}"#);
        refreshed(&server).await;
        for (by, status) in [("whsec_moto_1", 200), ("whsec_moto_2", 200), ("whsec_moto_9", 401)] {
            let body = event(&format!("evt_{by}")).to_string().into_bytes();
            let signature = stripe::sign(&body, &stripe::Secret::new(by).unwrap(), now());
            let answer = answered(server.webhook_request(body).header("Stripe-Signature", signature)).await;
            assert_eq!(answer.status, status, "{by}");
        }
        server.stop().await;
    }
}
