//! The list of all that is looked at.

use std::future::Future;
use std::pin::Pin;

use shop::around::Part;

use super::finding::Seen;
use super::patient::Patient;
use super::{configuration, content, database, outside, queue, security, stripe, webhook};

/// What a probe sees, to come. Nothing at all means: as it must be.
pub type Looking<'a> = Pin<Box<dyn Future<Output = Vec<Seen>> + Send + 'a>>;

/// Without what a probe cannot look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// It can always.
    Nothing,
    /// A configuration whose values have the right form.
    Config,
    /// The same, and a network.
    World,
    /// A database that is open.
    Database,
    /// Storage, streams, mail, secrets.
    Others,
    /// An API key.
    Stripe,
}

/// One thing that is looked at.
pub struct Probe {
    /// Its stable name; its area stands before the dot.
    pub id: &'static str,
    /// What must be so.
    pub about: &'static str,
    /// The parts it belongs to.
    pub parts: &'static [Part],
    /// Which of the six pre-launch checks it belongs to.
    pub prelaunch: Option<u8>,
    /// The runbook that goes on from here.
    pub runbook: Option<&'static str>,
    /// Without what it cannot look.
    pub needs: Needs,
    /// Looks.
    pub look: for<'a> fn(&'a Patient) -> Looking<'a>,
}

impl Probe {
    /// The word before the dot.
    pub fn area(&self) -> &'static str {
        self.id.split('.').next().unwrap_or(self.id)
    }
    /// Whether it belongs to one of these parts; to none at all means all.
    pub fn is_of(&self, parts: &[Part]) -> bool {
        parts.is_empty() || self.parts.iter().any(|part| parts.contains(part))
    }
}

/// A probe as the list holds it.
macro_rules! probe {
    ($id:literal, $about:literal, $needs:ident, $look:path $(, $part:ident)* $(; $number:literal)? $(=> $runbook:literal)?) => {
        Probe {
            id: $id,
            about: $about,
            parts: &[$(Part::$part),*],
            prelaunch: probe!(@number $($number)?),
            runbook: probe!(@runbook $($runbook)?),
            needs: Needs::$needs,
            look: |patient| Box::pin($look(patient)),
        }
    };
    (@number) => { None };
    (@number $number:literal) => { Some($number) };
    (@runbook) => { None };
    (@runbook $runbook:literal) => { Some($runbook) };
}

/// All of it, in the order in which it is shown.
pub const PROBES: &[Probe] = &[
    probe!(
        "config.forms",
        "every setting has the right form",
        Nothing,
        configuration::forms,
        Prelaunch,
        Security,
        Database
    ),
    probe!(
        "config.database",
        "the database is named by an address that is understood",
        Nothing,
        configuration::database,
        Prelaunch,
        Security,
        Database
        => "bootstrap-db-uri"
    ),
    probe!("config.other_database", "no setting names a database that is not used", Nothing, configuration::other_database, Database => "bootstrap-db-uri"),
    probe!("config.warnings", "no setting looks like a mistake", Config, configuration::warnings),
    probe!(
        "config.complete",
        "webhooks and checkouts have what they need",
        Config,
        configuration::complete,
        Prelaunch
    ),
    probe!(
        "config.not_yet",
        "no setting is one that this version does not act on",
        Config,
        configuration::not_yet
    ),
    probe!("database.pool", "nothing waits for a connection", Nothing, database::pool, Database => "db-pool-exhausted"),
    probe!("database.reachable", "the database answers", Nothing, database::reachable, Prelaunch, Database => "bootstrap-db-uri"),
    probe!("database.migrated", "every migration has run", Database, database::migrated, Prelaunch, Database => "bootstrap-db-uri"),
    probe!("database.transactions", "nobody holds a transaction open", Database, database::transactions, Database => "db-pool-exhausted"),
    probe!("database.connections", "the database's server has connections left", Database, database::connections, Database => "db-pool-exhausted"),
    probe!("database.durable", "a commit survives a crash", Database, database::durable, Database),
    probe!("database.clock", "the database's clock agrees with ours", Database, database::clock, Database),
    probe!(
        "database.role",
        "the role of this program cannot rewrite history",
        Database,
        database::role,
        Security,
        Database
    ),
    probe!(
        "database.indexes",
        "orders are found by indexes",
        Database,
        database::indexes,
        Security,
        Database
    ),
    probe!("queue.workers", "workers run", Database, queue::workers, Prelaunch; 3),
    probe!("queue.events", "events are processed soon after they came", Database, queue::events),
    probe!("queue.jobs", "jobs are done soon after they are due", Database, queue::jobs),
    probe!("queue.failed", "no job has given up", Database, queue::failed),
    probe!("queue.checks", "the checks find nothing", Database, queue::checks),
    probe!("secrets.readable", "secrets can be read again", Others, security::readable, Security),
    probe!("secrets.files", "only the owner reads files with secrets", Config, security::files, Security),
    probe!(
        "secrets.admin_token",
        "the first admin's token cannot be guessed",
        Others,
        security::admin_token,
        Security
    ),
    probe!("security.https", "real money goes over HTTPS", Config, security::https, Security, Prelaunch),
    probe!("security.proxies", "only proxies are believed", Config, security::proxies, Security),
    probe!("security.metrics", "metrics are not served to everybody", Config, security::metrics, Security),
    probe!(
        "stripe.key",
        "the API key is a secret one, of one mode with the publishable key",
        Config,
        stripe::key,
        Security,
        Prelaunch
    ),
    probe!(
        "stripe.account",
        "Stripe takes the key, and the account may take money",
        Stripe,
        stripe::account,
        Prelaunch
    ),
    probe!("stripe.permissions", "the key may do what is needed", Stripe, stripe::permissions, Prelaunch),
    probe!("stripe.clock", "Stripe's clock agrees with ours", World, stripe::clock),
    probe!("webhook.endpoint", "Stripe has an endpoint that leads here", Stripe, webhook::endpoint, Prelaunch; 2),
    probe!("webhook.reachable", "the endpoint answers at APP_URL, and only to POST", World, webhook::reachable, Prelaunch, Security; 2),
    probe!("webhook.secret", "what Stripe signs matches a secret", Others, webhook::secret, Prelaunch, Security; 2),
    probe!("mail.server", "the mail server takes mails from us", World, outside::mail),
    probe!("buyers.sign_in", "the keys of the shop's own sign-in can be read", World, outside::sign_in),
    probe!("storage.disk", "the disk of resources takes our credentials, and files", Others, outside::disk, Prelaunch, Content; 4),
    probe!(
        "storage.media",
        "the place of pictures takes our credentials, and pictures",
        Others,
        outside::media,
        Content
    ),
    probe!("stream.films", "the place of films takes our credentials", Others, outside::streams, Prelaunch, Content; 4),
    probe!("content.for_sale", "something is for sale", Database, content::for_sale, Prelaunch, Content; 1),
    probe!("content.prices", "every course that can be bought has a Stripe price", Database, content::prices, Prelaunch, Content; 6),
    probe!("content.prices_at_stripe", "Stripe's prices are those of the catalog", Stripe, content::prices_at_stripe, Prelaunch, Content; 1),
    probe!("content.checks", "courses are published and ordered", Database, content::checks, Prelaunch, Content; 5),
];

#[cfg(test)]
mod tests {
    use kernel::Timestamp;

    use super::*;

    /// What a runbook looks at is there, and whatever is found of it has a cause there.
    #[test]
    fn every_probe_that_a_runbook_looks_at_has_a_cause_in_it() {
        let around = shop::RUNBOOKS.iter().filter(|runbook| runbook.reads == ops::Reads::Surroundings);
        for runbook in around {
            let look = runbook.looks.first().unwrap();
            let doctor: shop::office::doctor::Doctor = serde_json::from_str(look.input).unwrap();
            let of_it = |probe: &&Probe| probe.is_of(&doctor.parts());
            let all: Vec<&str> = PROBES.iter().filter(of_it).map(|probe| probe.id).collect();
            let named = if look.causes.is_empty() { &all[..] } else { look.causes };
            for id in named {
                assert!(all.contains(id), "{}: {id} is not looked at", runbook.id);
                let picked = (runbook.pick)(&shop::runbooks::Facts::around(
                    "all",
                    Timestamp::from_seconds(0),
                    vec![shop::runbooks::Diagnosis {
                        id: (*id).to_owned(),
                        is_error: true,
                        seen: "wrong".into(),
                        fix: "mend it".into(),
                    }],
                ));
                let cause = runbook.cause(picked.cause).unwrap();
                assert_eq!(cause.standing, ops::Standing::Broken, "{}: {id}", runbook.id);
            }
        }
    }

    #[test]
    fn each_of_the_six_prelaunch_checks_is_looked_at_and_every_name_is_its_own() {
        for number in 1..=6 {
            assert!(PROBES.iter().any(|probe| probe.prelaunch == Some(number)), "{number}");
        }
        let mut ids: Vec<&str> = PROBES.iter().map(|probe| probe.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), PROBES.len());
        for probe in PROBES {
            assert!(probe.id.split('.').count() == 2 && !probe.about.is_empty(), "{}", probe.id);
            let is_prelaunch = probe.parts.contains(&Part::Prelaunch);
            assert!(probe.prelaunch.is_none() || is_prelaunch, "{}", probe.id);
        }
    }
}
