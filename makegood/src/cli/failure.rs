//! Why a command did not do what it was asked: the same words whether the work was done here or by a server.

use kernel::Error;
use serde_json::{Value, json};

use super::exit::Exit;
use crate::http::error_pages::{ErrorPage, when_not_found};

/// A failure as it is shown: what, why, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Its stable name, like `refused_by_guard`.
    pub code: String,
    /// Where its page is, when a server has said so; else it is `/docs/errors/<code>` of the shop.
    pub page: Option<String>,
    /// A few words.
    pub title: String,
    /// What was seen and what was expected.
    pub detail: String,
    /// What to do next; empty where the page is enough.
    pub fix: String,
    /// How the program ends.
    pub exit: Exit,
}

impl Failure {
    /// A failure of this name; the name decides the exit code.
    pub fn new(code: &str, detail: impl Into<String>) -> Self {
        let title = titled(code);
        let (code, exit) = (code.to_owned(), Exit::of(code));
        Failure { code, page: None, title, detail: detail.into(), fix: String::new(), exit }
    }

    /// The same, with what to do next.
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = fix.into();
        self
    }

    /// The same, with what the code's page says to do where nothing better is known: a server answers so, too.
    fn or_as_its_page_says(self) -> Self {
        match ErrorPage::find(&self.code) {
            Some(page) if self.fix.is_empty() => self.fix(page.next),
            _ => self,
        }
    }

    /// The command line cannot be followed.
    pub fn usage(detail: impl Into<String>) -> Self {
        Failure::new("usage", detail).or_as_its_page_says()
    }

    /// Nothing more to say: what was to be said has been said. The program ends so.
    pub fn said(exit: Exit) -> Self {
        let nothing = String::new;
        Failure { code: nothing(), page: None, title: nothing(), detail: nothing(), fix: nothing(), exit }
    }

    /// True when nothing is left to be printed.
    pub fn is_said(&self) -> bool {
        self.code.is_empty()
    }

    /// What a server answered instead of a result (RFC 9457).
    pub fn from_problem(status: u16, problem: &Value) -> Self {
        let text = |key: &str| problem[key].as_str().unwrap_or_default().to_owned();
        let (mut code, mut detail) = (text("code"), text("detail"));
        if code.is_empty() {
            code = code_of_status(status).into();
        }
        if detail.is_empty() {
            detail = format!("the server answered {status}");
        }
        let title = Some(text("title")).filter(|title| !title.is_empty()).unwrap_or_else(|| titled(&code));
        let page = Some(text("type")).filter(|page| page.contains("/docs/errors/"));
        Failure { exit: Exit::of(&code), fix: text("hint"), code, page, title, detail }
    }

    /// As problem JSON, for `--json`, of the shop at `app_url`; empty where that is not known.
    pub fn problem(&self, app_url: &str) -> Value {
        let page = self.page.clone().unwrap_or_else(|| format!("{app_url}/docs/errors/{}", self.code));
        let mut problem = json!({
            "type": page, "title": self.title, "detail": self.detail,
            "code": self.code, "hint": self.fix, "exit_code": self.exit as u8,
        });
        if let Some(runbook) = ErrorPage::find(&self.code).and_then(|page| page.runbook) {
            problem["runbook"] = runbook.into();
        }
        problem
    }
}

/// For an answer that names no code: a proxy's, or another program's.
fn code_of_status(status: u16) -> &'static str {
    match status {
        400 | 405 | 411..=415 | 422 => "invalid_input",
        401 => "unauthenticated",
        403 => "forbidden",
        404 => "not_found",
        409 => "conflict",
        429 | 502..=504 => "busy",
        _ => "internal_error",
    }
}

/// The title of the code's page; without one the code itself, `port_taken` → `Port taken`.
fn titled(code: &str) -> String {
    if let Some(page) = ErrorPage::find(code) {
        return page.title.into();
    }
    let words = code.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = error.code();
        let failure = match error {
            Error::Refused(refusal) => Failure::new(code, refusal.why).fix(refusal.fix),
            Error::Unknown(what) => Failure::new(code, format!("{what}: it may or may not have been done"))
                .fix("look at it before you try again"),
            Error::Busy(what) => Failure::new(code, what).fix("try again in a moment"),
            Error::NotFound { what, id } => {
                Failure::new(code, format!("no {what} {id}")).fix(when_not_found(what).unwrap_or_default())
            }
            other => Failure::new(code, other.to_string()),
        };
        let failure = failure.or_as_its_page_says();
        match &*failure.code {
            // The key is where the server is; whoever sits elsewhere needs none.
            stripe::key::MISSING => {
                let fix = format!(
                    "{}; or work through the server that has it: MAKEGOOD_URL=https://… MAKEGOOD_TOKEN=mg_…",
                    failure.fix
                );
                failure.fix(fix)
            }
            _ => failure,
        }
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Failure::new("internal_error", error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tree::leaves;
    use crate::http::error_pages::LISTS;

    #[test]
    fn a_servers_problem_ends_as_the_same_error_would_end_here() {
        let problem = json!({ "code": "stale_plan", "title": "Stale plan", "detail": "it changed", "hint": "look again" });
        let failure = Failure::from_problem(409, &problem);
        assert_eq!((failure.exit, failure.fix.as_str()), (Exit::Conflict, "look again"));
    }

    #[test]
    fn what_to_do_is_the_same_here_and_through_a_server() {
        let here = |what| Failure::from(Error::not_found(what, "x_1"));
        assert_eq!(here("secret").fix, ErrorPage::find("not_found").unwrap().next);
        for (what, list) in LISTS {
            let there = crate::http::Problem::from(Error::not_found(what, "x_1"));
            assert_eq!((here(what).detail, here(what).fix), (there.detail, there.hint), "{what}");
            assert!(here(what).fix.contains(&format!("`makegood {list}`")), "{what}");
            let path = list.split(" --").next().unwrap();
            assert!(leaves().iter().any(|leaf| leaf.words() == path), "{list} is no command");
        }
        let refused = kernel::Refusal::new("out_of_stock", "0 are left").fix("order fewer");
        assert_eq!(Failure::from(Error::from(refused)).fix, "order fewer");
    }

    #[test]
    fn an_answer_without_a_code_is_judged_by_its_status() {
        for (status, exit) in
            [(401, Exit::Forbidden), (404, Exit::NotFound), (502, Exit::Down), (500, Exit::Error)]
        {
            assert_eq!(Failure::from_problem(status, &Value::Null).exit, exit, "{status}");
        }
    }
}
