//! Restores: what comes back, and what is refused.

use super::*;

#[tokio::test]
async fn a_backup_of_the_format_before_is_restored_and_one_of_a_newer_misar_is_refused() {
    let store = Store::new();
    store.append(1..=3).await;
    let dir = store.path("backup");
    store.take(&dir, false).unwrap();
    let data = store.path("restored");
    restored(&dir, &data).unwrap();
    let format = || std::fs::read_to_string(data.join("FORMAT")).unwrap();
    assert_eq!(format(), "misar-store 1\n");
    drop(DataFolder::open(&data).unwrap());
    assert_eq!(format(), "misar-store 3\n");
    assert_eq!(records_of(&data), store.records());

    std::fs::write(store.path("data").join("FORMAT"), "misar-store 4\n").unwrap();
    store.take(&dir, true).unwrap();
    let other = store.path("other");
    let refused = restored(&dir, &other).unwrap_err();
    assert!(refused.contains("newer misar (format 4)"), "{refused}");
    assert!(!other.exists());
}

#[tokio::test]
async fn a_damaged_backup_is_refused_by_name_before_anything_is_made() {
    let store = Store::new();
    store.append(1..=10).await;
    let dir = store.path("backup");
    store.take(&dir, false).unwrap();
    let files: Vec<_> = contents(&dir)
        .into_iter()
        .filter(|(path, content)| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            !["manifest.json", "BACKUP", "LOCK"].contains(&name.as_str()) && !content.is_empty()
        })
        .collect();
    assert!(files.len() >= 6);
    let to = store.path("restored");
    for (path, content) in files {
        let mut flipped = content.clone();
        flipped[content.len() / 2] ^= 1;
        for damaged in [flipped, content[..content.len() - 1].to_vec()] {
            std::fs::write(&path, damaged).unwrap();
            let refused = restored(&dir, &to).unwrap_err();
            let name = path.file_name().unwrap().to_string_lossy();
            assert!(
                refused.contains(&*name) && refused.contains("damaged"),
                "{refused}"
            );
            assert!(!to.exists());
        }
        std::fs::remove_file(&path).unwrap();
        assert!(restored(&dir, &to).is_err());
        std::fs::write(&path, content).unwrap();
    }
    let manifest = std::fs::read_to_string(dir.join("manifest.json")).unwrap();
    for damaged in [
        String::new(),
        manifest[..manifest.len() / 2].to_owned(),
        manifest.replace("\"version\": 1", "\"version\": 2"),
        manifest.replace("\"path\": \"meta.redb\"", "\"path\": \"../meta.redb\""),
    ] {
        std::fs::write(dir.join("manifest.json"), damaged).unwrap();
        let refused = restored(&dir, &to).unwrap_err();
        assert!(refused.contains("manifest.json"), "{refused}");
        assert!(!to.exists());
    }
    std::fs::write(dir.join("manifest.json"), manifest).unwrap();
    restored(&dir, &to).unwrap();
}

#[tokio::test]
async fn a_restore_overwrites_nothing() {
    let store = Store::new();
    store.append(1..=3).await;
    let dir = store.path("backup");
    store.take(&dir, false).unwrap();
    let full = store.path("full");
    std::fs::create_dir(&full).unwrap();
    std::fs::write(full.join("letters.txt"), "dear all").unwrap();
    let once = store.path("once");
    restored(&dir, &once).unwrap();
    let half = store.path("half");
    std::fs::create_dir(&half).unwrap();
    store::lineage::begin_restore(&half).unwrap();
    for (to, said) in [
        (full, "is not empty"),
        (once, "holds a store already"),
        (store.path("data"), "holds a store already"),
        (half, "has not come to its end"),
        (store.path("nowhere/data"), "make that folder first"),
        (dir.join("data"), "inside the backup"),
    ] {
        let refused = restored(&dir, &to).unwrap_err();
        assert!(refused.contains(said), "{}: {refused}", to.display());
    }
    let empty = store.path("empty");
    std::fs::create_dir(&empty).unwrap();
    std::fs::create_dir(empty.join("lost+found")).unwrap();
    restored(&dir, &empty).unwrap();
}

#[tokio::test]
async fn the_files_of_a_backup_are_no_store() {
    let store = Store::new();
    store.append(1..=3).await;
    let dir = store.path("backup");
    store.take(&dir, false).unwrap();
    let data = store.path("by hand");
    std::fs::create_dir(&data).unwrap();
    let meta = contents(&dir)
        .into_keys()
        .find(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("meta.")
        })
        .unwrap();
    std::fs::copy(meta, data.join("meta.redb")).unwrap();
    let meta = Meta::open(&data, Arc::new(SystemClock)).unwrap();
    let refused = meta
        .standing()
        .check(&data, store::lineage::FoundRunning::Nothing);
    assert!(refused.unwrap_err().to_string().contains("misar restore"));
}

#[tokio::test]
async fn a_log_without_its_beginning_is_restored_without_it_and_what_is_hidden_is_in_no_backup() {
    let store = Store::new();
    store.append(1..=11).await;
    let retain = |upto: u64| {
        let retaining = Retaining {
            data: &store.path("data"),
            keys: Arc::clone(&store.meta) as _,
            cache: 1 << 20,
            erased: &[],
        };
        let made = retaining.up_to(&store.log, Seq(upto), &|| false, &mut |_, _| {});
        made.unwrap();
    };
    retain(4);
    assert_eq!(store.log.drop_before(Seq(6)).unwrap(), Seq(5));
    store.log.redact(vec![Seq(6), Seq(11)]).await.unwrap();
    let dir = store.path("backup");
    assert_eq!(store.take(&dir, false).unwrap().events, 7);
    let to = store.path("restored");
    restored(&dir, &to).unwrap();
    let found = records_of(&to);
    assert_eq!(found, store.records());
    // All that is left of what was dropped.
    assert_eq!(retained(&to).unwrap(), Some(Seq(4)));
    let meta = Arc::new(Meta::open(&to, Arc::new(SystemClock)).unwrap());
    let ada = meta.workspace("default").unwrap().id;
    let views = Views::open(&to, Arc::clone(&meta) as _).unwrap();
    assert_eq!(views.cursor(), Seq(4));
    let ada = views.contact_id(ada, "ada@example.com").unwrap();
    assert!(views.contact(ada).unwrap().is_some());
    drop((views, meta));
    let redacted: Vec<u64> = found
        .iter()
        .filter(|record| record.entry.redacted)
        .map(|record| record.seq.0)
        .collect();
    assert_eq!((found[0].seq, redacted), (Seq(5), vec![6, 11]));
    // Brought up to date once more of the beginning has gone.
    store.append(12..=14).await;
    retain(8);
    store.log.drop_before(Seq(9)).unwrap();
    assert_eq!(store.take(&dir, true).unwrap().events, 6);
    let kept = std::fs::read_dir(dir.join("retained")).unwrap();
    let kept: Vec<_> = kept.map(|one| one.unwrap().file_name()).collect();
    assert_eq!(kept, [format!("{:020}-000000", 8).as_str()]);
    let to = store.path("restored again");
    restored(&dir, &to).unwrap();
    assert_eq!(retained(&to).unwrap(), Some(Seq(8)));
}
