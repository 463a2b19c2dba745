//! What must be true of content, as far as rows tell. Whether files and films are there is looked at by `courses check`.

use db::Tx;
use kernel::Result;
use ops::{Check, Found, Mend, Severity};

use super::{Fault, store};
use crate::catalog;

/// The content's checks.
pub const CHECKS: [Check; 3] = [OUT_OF_ORDER, HOLLOW, WITHOUT_STRIPE_PRICE];

const OUT_OF_ORDER: Check = Check {
    name: "content_out_of_order",
    severity: Severity::Ticket,
    must: "modules, lessons and files are numbered from 1 without gaps and repeats",
    means: "Somebody has changed positions past the import. Import the course's file again.",
    find: |tx, _, most| {
        let mut all = Vec::new();
        for id in store::out_of_order(tx, most)? {
            let wrong = store::course(tx, &id)?.map(|course| course.disorder()).unwrap_or_default();
            all.extend(wrong.into_iter().map(|text| found(&id, text, None)));
        }
        Ok(all)
    },
};

const HOLLOW: Check = Check {
    name: "content_hollow",
    severity: Severity::Ticket,
    must: "what is published shows its buyers something",
    means: "Buyers find a course, a module or a lesson with nothing in it. Publish what belongs there, or take the course back \
            until it is there.",
    find: |tx, _, most| {
        let mut all = Vec::new();
        for id in store::hollow(tx, most)? {
            let wrong = store::course(tx, &id)?.map(|course| course.hollow()).unwrap_or_default();
            let mend = || Mend {
                operation: "courses.unpublish",
                input: serde_json::json!({ "course": id }),
                command: format!("makegood courses unpublish {id}"),
            };
            all.extend(wrong.into_iter().map(|text| found(&id, text, Some(mend()))));
        }
        Ok(all)
    },
};

const WITHOUT_STRIPE_PRICE: Check = Check {
    name: "course_without_stripe_price",
    severity: Severity::Ticket,
    must: "every published course that can be bought has a price at Stripe (`stripe_price_id`)",
    means: "It can be bought here, but not by a Payment Link, and Stripe's reports do not know it. Make the price at Stripe and \
            name it in the catalog file.",
    find: |tx, _, most| {
        let faults = unmapped(tx, None)?.into_iter().take(most.unsigned_abs() as usize);
        Ok(faults.map(|fault| found(&fault.subject, fault.text, None)).collect())
    },
};

fn found(course: &str, text: String, mend: Option<Mend>) -> Found {
    Found { subject: course.to_owned(), text: format!("{course}: {text}"), since: None, mend }
}

/// What can be bought, costs something, is published and has no price at Stripe.
pub(super) fn unmapped(tx: &mut Tx<'_>, only: Option<&str>) -> Result<Vec<Fault>> {
    let prices = catalog::unmapped(tx, only)?;
    let mut products: Vec<String> = prices.iter().map(|price| price.product_id.clone()).collect();
    products.dedup();
    let published = store::published(tx, &products)?;
    let ours = prices.into_iter().filter(|price| published.contains(&price.product_id));
    let fault = |price: catalog::Price| {
        let text = format!("its price in {} has no stripe_price_id", price.currency);
        Fault::new(&price.product_id, "without_stripe_price", &price.product_id, text)
    };
    Ok(ours.map(fault).collect())
}
