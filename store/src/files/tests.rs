//! Files for their owner alone, and what lies in the place of one.

use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::entries::{Open, check};
use super::*;

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).unwrap().mode() & 0o777
}

#[test]
fn what_is_made_is_for_its_owner_alone() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    create(&at("made")).unwrap();
    create_anew(&at("anew")).unwrap();
    open_or_create(&at("opened")).unwrap();
    copy(&at("made"), &at("copied")).unwrap();
    drop(database::create_anew(&at("base"), 1_024).unwrap());
    for name in ["made", "anew", "opened", "copied", "base"] {
        assert_eq!(mode(&at(name)), FILE_MODE, "{name}");
    }
    create_folder(&at("folder")).unwrap();
    assert_eq!(mode(&at("folder")), FOLDER_MODE);
}

#[test]
fn a_copy_does_not_take_the_mode_over() {
    let folder = TempDir::new().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    std::fs::write(&from, "text").unwrap();
    std::fs::set_permissions(&from, Permissions::from_mode(0o644)).unwrap();
    copy(&from, &to).unwrap();
    assert_eq!(
        (mode(&to), read(&to).unwrap().as_slice()),
        (FILE_MODE, &b"text"[..])
    );
}

#[test]
fn a_link_is_not_opened_and_not_written_through() {
    let folder = TempDir::new().unwrap();
    let (target, link) = (folder.path().join("target"), folder.path().join("link"));
    std::fs::write(&target, "text").unwrap();
    for leads_somewhere in [true, false] {
        if !leads_somewhere {
            std::fs::remove_file(&target).unwrap();
        }
        symlink(&target, &link).unwrap();
        for opened in [
            open(&link),
            open_or_create(&link),
            open_to_read(&link),
            open_folder(&link),
        ] {
            let error = opened.unwrap_err();
            assert!(is_operators(&error), "{error}");
            assert!(error.to_string().contains("is a symbolic link"), "{error}");
        }
        assert_eq!(create(&link).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(target.exists(), leads_somewhere);
        assert!(is_taken(&link));
        // The link goes, not what it leads to.
        create_anew(&link).unwrap();
        assert_eq!(target.exists(), leads_somewhere);
        std::fs::remove_file(&link).unwrap();
    }
    let real = folder.path().join("real");
    std::fs::create_dir(&real).unwrap();
    symlink(&real, &link).unwrap();
    let error = create_folder(&link).unwrap_err();
    assert!(error.to_string().contains("is a symbolic link"), "{error}");
}

#[test]
fn what_is_no_file_is_not_opened() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("folder");
    std::fs::create_dir(&path).unwrap();
    for opened in [open(&path), open_or_create(&path), open_to_read(&path)] {
        let error = opened.unwrap_err();
        assert!(error.to_string().contains("is no file"), "{error}");
    }
    let file = folder.path().join("file");
    create(&file).unwrap();
    let error = create_folder(&file).unwrap_err();
    assert!(error.to_string().contains("is no folder"), "{error}");
}

#[test]
fn an_empty_file_is_no_database_and_is_left_empty() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("base");
    create(&path).unwrap();
    assert!(database::open(&path, 1_024).is_err());
    assert!(database::open_to_read(&path, 1_024).is_err());
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
}

#[test]
fn looking_alone_changes_nothing_and_closing_adds_no_rights() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("meta.redb");
    std::fs::write(&path, "").unwrap();
    for (before, open, after) in [
        (0o664, Open::Leave, 0o664),
        (0o664, Open::Close, 0o600),
        (0o755, Open::Close, 0o600),
        (0o440, Open::Close, 0o400),
        (0o400, Open::Close, 0o400),
    ] {
        std::fs::set_permissions(&path, Permissions::from_mode(before)).unwrap();
        check(folder.path(), open).unwrap();
        assert_eq!(mode(&path), after, "{before:o}");
    }
}

#[test]
fn links_of_others_are_no_concern() {
    let folder = TempDir::new().unwrap();
    symlink("/nowhere", folder.path().join("notes")).unwrap();
    symlink("/nowhere", folder.path().join("current.txt")).unwrap();
    check(folder.path(), Open::Close).unwrap();
    symlink("/nowhere", folder.path().join("any.redb")).unwrap();
    assert!(check(folder.path(), Open::Leave).is_err());
}

/// The folders of retention checkpoints are named by how far they reach: what lay in them was looked at by nobody.
#[test]
fn what_lies_in_a_retention_checkpoint_is_closed_to_others_and_no_link() {
    let folder = TempDir::new().unwrap();
    let checkpoint = folder.path().join("retained/00000000000000000004-000001");
    std::fs::create_dir_all(&checkpoint).unwrap();
    let files = ["ERASED", "SINCE", "views-terms.redb"].map(|name| checkpoint.join(name));
    for path in &files {
        std::fs::write(path, "").unwrap();
        std::fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
    }
    std::fs::set_permissions(&checkpoint, Permissions::from_mode(0o755)).unwrap();
    check(folder.path(), Open::Close).unwrap();
    assert_eq!(mode(&checkpoint), FOLDER_MODE);
    assert_eq!(files.map(|path| mode(&path)), [FILE_MODE; 3]);
    symlink("/nowhere", checkpoint.join("views-events.redb")).unwrap();
    assert!(check(folder.path(), Open::Leave).is_err());
}
