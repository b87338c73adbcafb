//! Power cuts in the middle of a checkpoint, simulated by the folder as it stood between its steps: of the
//! files that a step writes any may have reached the disk, and what was not synced is torn.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::Index;
use tempfile::tempdir;

use super::{all, differing, folded, history, log_of, make_up, open};
use crate::views::history::keys;
use crate::views::{Views, durable_cursor};

/// Every file below a folder.
type Image = BTreeMap<PathBuf, Vec<u8>>;

fn image_of(folder: &Path) -> Image {
    let mut image = Image::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_owned();
                image.insert(name, fs::read(path).unwrap());
            }
        }
    }
    image
}

/// What a power cut leaves of the step from one image to the next. A redb file is as it was or as it is to
/// be, which is redb's promise; one of runs may be torn where its step has not ended.
fn cut(before: &Image, after: &Image, luck: &mut impl FnMut() -> u64) -> Image {
    let mut image = before.clone();
    for (path, bytes) in after {
        if before.get(path) == Some(bytes) {
            continue;
        }
        match luck() % 3 {
            0 => {}
            1 => drop(image.insert(path.clone(), bytes.clone())),
            _ if path.extension().is_some_and(|ending| ending == "tail") => {
                let whole = before.get(path).map_or(0, Vec::len);
                let new = bytes.len().saturating_sub(whole) as u64;
                let kept = whole + usize::try_from(luck() % new.max(1)).unwrap();
                let mut torn = bytes[..kept.min(bytes.len())].to_vec();
                torn.resize(torn.len() + usize::try_from(luck() % 600).unwrap(), 0);
                image.insert(path.clone(), torn);
            }
            _ if path.extension().is_some_and(|ending| ending == "run") => {
                // It has its name only once it is synced.
                let half = bytes[..bytes.len() / 2].to_vec();
                image.insert(path.with_extension("draft"), half);
            }
            _ => {}
        }
    }
    for path in before.keys() {
        if !after.contains_key(path) && luck().is_multiple_of(2) {
            image.remove(path);
        }
    }
    image
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn no_power_cut_in_a_checkpoint_makes_an_answer_wrong(
        entries in history(),
        batches in prop::collection::vec(1..700_usize, 1..6),
        cuts in prop::collection::vec((any::<Index>(), any::<u64>()), 8),
    ) {
        let records = all(&log_of(entries));
        let expected = folded(&records);
        let folder = tempdir().unwrap();
        let views = open(&folder);
        let mut images = vec![image_of(folder.path())];
        let mut done = 0;
        for batch in batches {
            let upto = records.len().min(done + batch);
            views.fold(&records[done..upto]).unwrap();
            done = upto;
            views.checkpoint_in_steps(&mut || images.push(image_of(folder.path()))).unwrap();
            images.push(image_of(folder.path()));
        }
        for (at, seed) in cuts {
            let at = at.index(images.len());
            let mut state = seed | 1;
            let mut luck = || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state >> 11
            };
            let left = match images.get(at + 1) {
                Some(next) => cut(&images[at], next, &mut luck),
                None => images[at].clone(),
            };
            let after = tempdir().unwrap();
            for (path, bytes) in left {
                let path = after.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, bytes).unwrap();
            }
            let reached = durable_cursor(after.path());
            let views = Views::open(after.path(), keys()).unwrap();
            let known = records.partition_point(|record| record.seq <= reached);
            make_up(&views, &records[..known]);
            let dump = views.dump().unwrap();
            prop_assert_eq!(differing(&dump, &folded(&records[..known])), [""; 0]);
            make_up(&views, &records);
            prop_assert_eq!(differing(&views.dump().unwrap(), &expected), [""; 0]);
        }
    }
}
