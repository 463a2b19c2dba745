//! A course promises what is not there. This file decides by what was looked at; plain values only.

use ops::{About, Cause, Look, Mend, Picked, Quote, Reads};
use serde_json::json;

use super::{broken, fine, relocate};
use crate::runbooks::{Facts, Runbook};

/// The definition.
pub const RUNBOOK: Runbook = Runbook {
    id: "content-check",
    title: "Course content is not as it must be",
    symptom: "Before a launch, or after an import: lessons are out of order or empty, a film or a file is missing, a course that is sold has no price at Stripe.",
    seed: &[
        Quote {
            from: "seed 000, Pre-Launch Checks",
            text: "Seed/imported course content is published and ordered.",
        },
        Quote {
            from: "seed 000, Pre-Launch Checks",
            text: "Every purchasable course has a non-null `stripe_price_id`.",
        },
        Quote {
            from: "seed 000, Add/Update Course Content",
            text: "Verify `stream_video_id` and resource object keys exist.",
        },
    ],
    rows: &["V3"],
    checks: &["content_out_of_order", "content_hollow", "course_without_stripe_price"],
    alerts: &[],
    looks: &[Look {
        task: "courses.check",
        input: "{}",
        causes: &["file_missing", "film_missing", "not_asked"],
    }],
    subject: "the course or download: the product's id",
    about: About::Other(|facts| facts.content.is_some()),
    reads: Reads::Content,
    causes: CAUSES,
    operations: &["courses.unpublish", "courses.publish", "resources.relocate", "courses.import"],
    pick,
};

const SOON: &str =
    "A part of your course is not there yet. We are putting it in place, and will tell you when it is.";

const CAUSES: &[Cause] = &[
    broken(
        "shows_nothing",
        "Something is published and shows nothing. The course is taken out of sight until its lessons are published.",
        &["courses.unpublish"],
        SOON,
    ),
    broken(
        "file_missing",
        "A file does not lie where the shop looks for it. Put it there, or say under which name it lies.",
        &["resources.relocate"],
        SOON,
    ),
    broken(
        "film_missing",
        "The player's service knows no such film. Name the right one in the content file, and import it again.",
        &[],
        SOON,
    ),
    broken(
        "out_of_order",
        "Positions have gaps or stand there twice: they were changed past the import. Import the content file again.",
        &[],
        "The lessons of your course are shown in the wrong order. We are putting them right.",
    ),
    broken(
        "without_stripe_price",
        "It is published and can be bought, and no price at Stripe stands for it. Make the price there, name it in the catalog file, and import that.",
        &[],
        "You can buy this course in our shop; the link that you have does not work yet.",
    ),
    broken(
        "not_asked",
        "The disk or the player's service could not be asked, so nobody knows whether all is there.",
        &[],
        "We are checking that everything in your course is there. You need to do nothing.",
    ),
    fine(
        "all_there",
        "It is in order, and every film and every file is there.",
        "Your course is complete. Please try again.",
    ),
];

fn pick(facts: &Facts) -> Picked {
    let unpublish = |course: &str| Mend {
        operation: "courses.unpublish",
        input: json!({ "course": course }),
        command: format!("makegood courses unpublish {course}"),
    };
    if let Some(fault) = facts.lacks(&["hollow"]) {
        return Picked::new("shows_nothing", fault.text.clone()).mend(unpublish(&fault.course));
    }
    if let Some(fault) = facts.lacks(&["file_missing"]) {
        return Picked::new("file_missing", fault.text.clone()).mend(relocate(&fault.subject));
    }
    for cause in ["film_missing", "out_of_order", "without_stripe_price", "not_asked"] {
        if let Some(fault) = facts.lacks(&[cause]) {
            return Picked::new(cause, fault.text.clone());
        }
    }
    Picked::new("all_there", "nothing is missing")
}
