//! Pictures of the shop: what may be uploaded, where it lies, and what became of an upload whose answer was lost. Files
//! that buyers pay for are no business of this room.

mod asset;
pub mod checks;
mod picture;
pub(crate) mod store;
pub mod tasks;
mod upload;
pub mod views;

use jobs::{Claimed, Fate};
use kernel::Result;

pub use asset::{Asset, AssetStatus};
pub use picture::{KINDS, Kind, LONGEST_SIDE, MOST_PIXELS, Picture, judge};
pub use store::newest;
pub use upload::{SETTLE, Upload, upload};

use crate::seam::Seam;

/// Does the job of this room.
pub async fn run(seam: &Seam, job: &Claimed) -> Result<Fate> {
    upload::settle(seam, job).await
}
