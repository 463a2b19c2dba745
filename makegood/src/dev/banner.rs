//! What stands on the terminal while the shop runs.

use super::ink::Ink;

/// What there is to say.
pub(super) struct Banner {
    pub(super) app_url: String,
    pub(super) sandbox_url: String,
    /// The port that the sandbox wanted and another program has.
    pub(super) missed_port: Option<u16>,
    pub(super) database: String,
    /// The command prefix under which other commands find the same database; none when they find it by themselves.
    pub(super) elsewhere: String,
    /// The admin token, on the first start only.
    pub(super) token: Option<String>,
    /// Who may sign in to the console, and with which password.
    pub(super) operator: (&'static str, String),
    /// Products that were put on the shelves just now.
    pub(super) stocked: usize,
}

const LABEL_WIDTH: usize = 9;
const ADDRESS_WIDTH: usize = 36;

impl Banner {
    /// For people; nothing but text and, on a terminal, colour.
    pub(super) fn print(&self, ink: Ink) -> String {
        let mut text = format!("\n  {}  {}\n\n", ink.bold("makegood dev"), ink.ribbon("SANDBOX"));
        for (label, address, about) in self.rows() {
            let label = ink.dim(&format!("{label:<LABEL_WIDTH$}"));
            text.push_str(&line(&label, &address, &about, ink));
        }
        text.push('\n');
        for remark in self.remarks() {
            text.push_str(&format!("  {remark}\n"));
        }
        text.push_str(&format!("  {}\n", ink.dim("Ctrl-C stops it; makegood dev --reset begins anew.")));
        text.push('\n');
        text
    }

    fn rows(&self) -> Vec<(&'static str, String, String)> {
        let mut rows = vec![
            ("Shop", self.app_url.clone(), "buy something with card 4242 4242 4242 4242".to_owned()),
            (
                "Console",
                format!("{}/_/", self.app_url),
                format!("sign in as {} with {}", self.operator.0, self.operator.1),
            ),
            ("Mail", format!("{}/dev/mailbox", self.app_url), "what the shop would have sent".into()),
            ("API", format!("{}/api/v1", self.app_url), "described by /openapi.json".into()),
            (
                "Stripe",
                format!("{}/sandbox/v1", self.app_url),
                "the sandbox, for your own code: any key sk_test_…".into(),
            ),
            (
                "",
                format!("{}/v1", self.sandbox_url),
                "the same, for code that takes a host and a port".into(),
            ),
            ("Data", self.database.clone(), format!("look inside: {}makegood orders list", self.elsewhere)),
        ];
        rows.extend(self.token.clone().map(|token| ("Token", token, String::new())));
        rows
    }

    fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.stocked > 0 {
            remarks.push(format!("{} products came from examples/first-shop/shop.toml.", self.stocked));
        }
        if self.token.is_some() {
            remarks.push("The token is an admin's. It is shown this once: Authorization: Bearer mg_…".into());
        }
        if let Some(port) = self.missed_port {
            remarks.push(format!(
                "Port {port} is taken by another program; the sandbox found another one, for this time."
            ));
        }
        remarks
    }
}

fn line(label: &str, address: &str, about: &str, ink: Ink) -> String {
    match about {
        "" => format!("  {label}{address}\n"),
        about => format!("  {label}{address:<ADDRESS_WIDTH$}  {}\n", ink.dim(about)),
    }
}
