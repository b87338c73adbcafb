//! What is taken for one store, and what for a copy or a mixture.

use tempfile::TempDir;

use super::*;

const HERE: &str = "/data";

fn lineage(store: u64, count: u32, random: u32) -> Lineage {
    let mut opening = Opening::next(None, random);
    for _ in 1..count {
        opening = Opening::next(Some(opening), random);
    }
    Lineage { store, opening }
}

fn standing(lineage: Option<Lineage>, state: StoreState) -> Standing {
    Standing { lineage, state }
}

#[test]
fn the_meta_store_is_opened_with_what_running_says() {
    use FoundRunning::{Nothing, Ours};
    let known = Some(lineage(1, 3, 7));
    for (state, found, opens) in [
        (StoreState::Closed, Nothing, true),
        // A crash between the two ends of a start or a stop.
        (StoreState::Closed, Ours, true),
        (StoreState::Opening, Ours, true),
        (StoreState::Open, Ours, true),
        (StoreState::Opening, Nothing, false),
        (StoreState::Open, Nothing, false),
        (StoreState::Accepted, Nothing, true),
        (StoreState::Accepted, Ours, true),
        (StoreState::Backup, Nothing, false),
        (StoreState::Backup, Ours, false),
    ] {
        let checked = standing(known, state).check(Path::new(HERE), found);
        assert_eq!(checked.is_ok(), opens, "{state:?} {found:?}");
    }
}

#[test]
fn files_belong_together_or_it_is_said_which_does_not() {
    let three = lineage(1, 3, 7);
    let file = Path::new("/data/orders.redb");
    let check = |state, part, found: Lineage| {
        standing(Some(three), state)
            .check_file(file, part, Some(found))
            .map_err(|strange| match strange {
                Strange::OtherStore { .. } => "other",
                Strange::MetaOlder { .. } => "meta older",
                Strange::Older { .. } => "older",
                _ => "?",
            })
    };
    let newest = Part::NewestSegment;
    for (state, part, found, expected) in [
        (StoreState::Closed, newest, three, Ok(())),
        (StoreState::Closed, newest, lineage(1, 2, 7), Err("older")),
        // Another copy of the store, which was opened as often.
        (StoreState::Closed, newest, lineage(1, 3, 8), Err("older")),
        (
            StoreState::Open,
            Part::Orders,
            lineage(1, 2, 7),
            Err("older"),
        ),
        (
            StoreState::Closed,
            Part::Rejected,
            lineage(1, 1, 7),
            Err("older"),
        ),
        (
            StoreState::Closed,
            Part::OldSegment,
            lineage(1, 1, 5),
            Ok(()),
        ),
        (StoreState::Opening, newest, lineage(1, 1, 5), Ok(())),
        (StoreState::Accepted, newest, lineage(1, 2, 5), Ok(())),
        (
            StoreState::Opening,
            newest,
            lineage(1, 4, 7),
            Err("meta older"),
        ),
        (
            StoreState::Closed,
            Part::OldSegment,
            lineage(1, 4, 7),
            Err("meta older"),
        ),
        (StoreState::Opening, newest, lineage(2, 3, 7), Err("other")),
        (
            StoreState::Accepted,
            Part::Orders,
            lineage(2, 1, 7),
            Err("other"),
        ),
    ] {
        assert_eq!(
            check(state, part, found),
            expected,
            "{state:?} {part:?} {found:?}"
        );
    }
    let old_meta = standing(None, StoreState::Closed);
    assert!(old_meta.check_file(file, newest, None).is_ok());
    assert!(old_meta.check_file(file, newest, Some(three)).is_err());
    assert!(
        standing(Some(three), StoreState::Closed)
            .check_file(file, newest, None)
            .is_ok()
    );
}

#[test]
fn the_file_running_knows_itself_and_no_copy_of_itself() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    assert_eq!(Running::look(&data).unwrap(), FoundRunning::Nothing);
    let mut running = Running::begin(&data).unwrap();
    assert_eq!(running.found(), FoundRunning::Nothing);
    running.keep();
    drop(running);
    // As a crash leaves it; also under another name, and after another start.
    assert_eq!(Running::look(&data).unwrap(), FoundRunning::Ours);
    let moved = folder.path().join("moved");
    std::fs::rename(&data, &moved).unwrap();
    assert_eq!(Running::begin(&moved).unwrap().found(), FoundRunning::Ours);
    assert_eq!(Running::look(&moved).unwrap(), FoundRunning::Ours);

    let copy = folder.path().join("copy");
    std::fs::create_dir(&copy).unwrap();
    std::fs::copy(moved.join("RUNNING"), copy.join("RUNNING")).unwrap();
    assert!(matches!(Running::begin(&copy), Err(Strange::Copy { .. })));
    // However often it is tried.
    assert!(matches!(Running::look(&copy), Err(Strange::Copy { .. })));
    std::fs::write(copy.join("RUNNING"), "").unwrap();
    assert!(matches!(Running::look(&copy), Err(Strange::Copy { .. })));
    Running::forget(&copy).unwrap();
    assert_eq!(Running::look(&copy).unwrap(), FoundRunning::Nothing);
}

#[test]
fn a_store_that_is_refused_is_left_as_it_was() {
    let folder = TempDir::new().unwrap();
    drop(Running::begin(folder.path()).unwrap());
    assert_eq!(Running::look(folder.path()).unwrap(), FoundRunning::Nothing);
    let mut running = Running::begin(folder.path()).unwrap();
    running.keep();
    drop(running);
    drop(Running::begin(folder.path()).unwrap());
    assert_eq!(Running::look(folder.path()).unwrap(), FoundRunning::Ours);
    Running::begin(folder.path()).unwrap().end().unwrap();
    assert_eq!(Running::look(folder.path()).unwrap(), FoundRunning::Nothing);
}

#[test]
fn a_restore_that_was_cut_short_is_told() {
    let folder = TempDir::new().unwrap();
    running::begin_restore(folder.path()).unwrap();
    let refused = Running::begin(folder.path()).unwrap_err();
    assert!(matches!(refused, Strange::HalfRestored { .. }), "{refused}");
    running::end_restore(folder.path()).unwrap();
    assert_eq!(Running::look(folder.path()).unwrap(), FoundRunning::Nothing);
}
