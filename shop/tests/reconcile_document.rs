//! The document names every cause as the code does.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use shop::reconcile::Cause;

#[test]
fn every_cause_is_explained_in_the_document_as_in_the_code() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/flows/reconcile.md");
    let text = std::fs::read_to_string(file).unwrap();
    for cause in Cause::ALL {
        let row = format!("| `{}` | {} |", cause.as_str(), cause.means());
        assert!(text.contains(&row), "docs/flows/reconcile.md has no row {row}");
    }
    let rows = text.lines().filter(|line| line.starts_with("| `") && line.matches('|').count() == 4);
    assert_eq!(rows.count(), Cause::ALL.len(), "the document explains a cause that is none");
}
