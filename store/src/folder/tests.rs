//! The data folder: who may have it, of which version it is, and what is no folder of ours.

use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::*;

/// Its names, sorted.
fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_folder_that_is_not_there_is_made_for_this_user_alone() {
    let parent = TempDir::new().unwrap();
    let path = parent.path().join("a");
    let folder = DataFolder::open(&path).unwrap();
    assert_eq!(folder.path(), path);
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o700
    );
    let format = std::fs::read_to_string(path.join("FORMAT")).unwrap();
    assert_eq!(format, "misar-store 3\n");
    assert_eq!(names(&path), ["FORMAT", "LOCK"]);
}

#[test]
fn an_empty_folder_becomes_one_also_after_a_start_that_was_cut_short() {
    let parent = TempDir::new().unwrap();
    std::fs::write(parent.path().join("LOCK"), "").unwrap();
    std::fs::write(parent.path().join("FORMAT.draft"), "mis").unwrap();
    std::fs::create_dir(parent.path().join("lost+found")).unwrap();
    drop(DataFolder::open(parent.path()).unwrap());
    drop(DataFolder::open(parent.path()).unwrap());
    DataFolder::open_existing(parent.path()).unwrap();
}

#[test]
fn a_folder_is_open_once_and_free_again_when_it_is_dropped() {
    let parent = TempDir::new().unwrap();
    let folder = DataFolder::open(parent.path()).unwrap();
    for second in [DataFolder::open, DataFolder::open_existing] {
        let error = second(parent.path()).unwrap_err();
        assert!(matches!(error, FolderError::Held(_)), "{error}");
    }
    drop(folder);
    DataFolder::open(parent.path()).unwrap();
}

#[test]
fn a_folder_with_other_things_in_it_is_left_as_it_is() {
    let parent = TempDir::new().unwrap();
    std::fs::write(parent.path().join("holiday.jpg"), "").unwrap();
    for open in [DataFolder::open, DataFolder::open_existing] {
        let error = open(parent.path()).unwrap_err();
        assert!(matches!(error, FolderError::Foreign(_)), "{error}");
    }
    assert_eq!(names(parent.path()), ["holiday.jpg"]);
}

#[test]
fn a_folder_of_the_format_before_says_ours_once_it_may_be_written_and_not_before() {
    let opens = [DataFolder::open, DataFolder::open_existing];
    let olds = ["misar-store 1\n", "misar-store 2\n"];
    for (open, old) in opens
        .into_iter()
        .flat_map(|open| olds.map(|old| (open, old)))
    {
        let parent = TempDir::new().unwrap();
        let path = parent.path();
        let format = || std::fs::read_to_string(path.join("FORMAT")).unwrap();
        std::fs::write(path.join("FORMAT"), old).unwrap();
        // What a start that was cut short left.
        std::fs::write(path.join("FORMAT.draft"), "misar-store 3").unwrap();
        DataFolder::open_to_read(path).unwrap();
        assert_eq!(format(), old);
        let folder = open(path).unwrap();
        assert_eq!(format(), "misar-store 3\n");
        assert_eq!(names(path), ["FORMAT", "LOCK"]);
        drop(folder);
        open(path).unwrap();
        DataFolder::open_to_read(path).unwrap();
        assert_eq!(format(), "misar-store 3\n");
    }
}

#[test]
fn another_format_is_refused() {
    let parent = TempDir::new().unwrap();
    let format = parent.path().join("FORMAT");
    std::fs::write(&format, "misar-store 4\n").unwrap();
    for open in [
        DataFolder::open,
        DataFolder::open_existing,
        DataFolder::open_to_read,
    ] {
        let sentence = open(parent.path()).unwrap_err().to_string();
        assert!(
            sentence.ends_with(
                "was written by a newer misar (format 4); this one reads formats up to 3: use a newer misar"
            ),
            "{sentence}"
        );
    }
    for text in [
        "",
        "misar-store",
        "misar-store 0\n",
        "misar-store1\n",
        "other 1\n",
        "\u{0}",
    ] {
        std::fs::write(&format, text).unwrap();
        let error = DataFolder::open(parent.path()).unwrap_err();
        assert!(matches!(error, FolderError::Foreign(_)), "{text:?} {error}");
    }
    assert_eq!(names(parent.path()), ["FORMAT"]);
}

#[test]
fn what_only_reads_makes_no_folder() {
    let parent = TempDir::new().unwrap();
    let path = parent.path().join("typo");
    let error = DataFolder::open_existing(&path).unwrap_err();
    assert!(matches!(error, FolderError::Absent(_)), "{error}");
    assert!(!path.exists());
    let error = DataFolder::open_existing(parent.path()).unwrap_err();
    assert!(matches!(error, FolderError::Absent(_)), "{error}");
    assert!(names(parent.path()).is_empty());
}

#[test]
fn a_file_in_the_place_of_the_folder_is_refused() {
    let parent = TempDir::new().unwrap();
    let path = parent.path().join("file");
    std::fs::write(&path, "").unwrap();
    for open in [
        DataFolder::open,
        DataFolder::open_existing,
        DataFolder::open_to_read,
    ] {
        let error = open(&path).unwrap_err();
        assert!(matches!(error, FolderError::NotAFolder(_)), "{error}");
    }
}

#[test]
fn a_folder_above_that_is_missing_is_not_made() {
    let parent = TempDir::new().unwrap();
    let path = parent.path().join("a/b");
    let error = DataFolder::open(&path).unwrap_err();
    assert!(matches!(error, FolderError::NoParent { .. }), "{error}");
    assert!(names(parent.path()).is_empty());
}

#[test]
fn whoever_reads_alone_keeps_out_who_writes_and_makes_nothing() {
    let parent = TempDir::new().unwrap();
    drop(DataFolder::open(parent.path()).unwrap());
    let reader = DataFolder::open_to_read(parent.path()).unwrap();
    DataFolder::open_to_read(parent.path()).unwrap();
    let error = DataFolder::open(parent.path()).unwrap_err();
    assert!(matches!(error, FolderError::Held(_)), "{error}");
    drop(reader);
    let writer = DataFolder::open(parent.path()).unwrap();
    let error = DataFolder::open_to_read(parent.path()).unwrap_err();
    assert!(matches!(error, FolderError::Held(_)), "{error}");
    drop(writer);
    std::fs::remove_file(parent.path().join("LOCK")).unwrap();
    DataFolder::open_to_read(parent.path()).unwrap();
    assert_eq!(names(parent.path()), ["FORMAT"]);
}
