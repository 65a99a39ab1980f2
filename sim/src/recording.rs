//! From production to the simulator: the life of a real node, as `archivas node --record` wrote it,
//! played again on a simulated disk.

use archivas::record::{Mark, PlayError, Played, play};
use archivas::store::Store;
use archivas_scenarios::draws::Draws;

use crate::disk::Disk;
use crate::disk::image::Image;
use crate::trace::{NO_NODE, Trace};

/// Plays `recording` on a disk that holds `database`, or nothing; `told` hears of each new tip.
///
/// # Errors
/// When it cannot be played, and at the first call that shows a difference.
///
/// # Panics
/// When a simulated disk refuses bytes that it was just given room for.
pub fn replay(
    recording: &[u8],
    database: Option<Vec<u8>>,
    told: &mut dyn FnMut(&Mark),
) -> Result<Played, PlayError> {
    let disk = Disk::new(NO_NODE, "recorded", Draws::new(0), Trace::new(|| 0));
    match database {
        Some(bytes) => {
            let mut image = Image::default();
            let written = image.set_len(bytes.len() as u64);
            let written = written.and_then(|()| image.write(0, &bytes));
            written.expect("an image takes what fits into it");
            image.sync();
            disk.load(image);
        }
        None => Store::create(disk.plug())?,
    }
    play(recording, Store::open(disk.plug())?, told)
}
