//! The meta store: what it keeps over a restart, what it refuses, what it says of a damaged file.

use std::num::NonZeroU32;
use std::os::unix::fs::PermissionsExt;

use shared::api_key::{KeyKind, Scope};
use tempfile::TempDir;

use super::*;
use crate::clock::FixedClock;
use crate::journal::local::segment::draft_of;
use crate::record::public_seq::MAX_GENERATION;

struct House {
    data: TempDir,
    clock: Arc<FixedClock>,
}

impl House {
    fn new() -> Self {
        Self {
            data: TempDir::new().unwrap(),
            clock: Arc::new(FixedClock::new(Timestamp::from_millis(1_000))),
        }
    }

    fn open(&self) -> Meta {
        self.try_open().unwrap()
    }

    fn try_open(&self) -> Result<Meta, MetaError> {
        Meta::open(self.data.path(), Arc::clone(&self.clock) as Arc<dyn Clock>)
    }

    fn file(&self) -> PathBuf {
        self.data.path().join(META_FILE)
    }
}

fn new_key(meta: &Meta, kind: KeyKind) -> NewKey {
    NewKey::of(meta.workspace(DEFAULT_WORKSPACE).unwrap(), kind)
}

#[test]
fn a_new_folder_has_the_workspace_default_whose_secret_stays() {
    let house = House::new();
    let meta = house.open();
    let workspace = meta.workspace("default").unwrap();
    assert_eq!(workspace.id, WorkspaceId(1));
    let secret = meta.key_of(WorkspaceId(1)).unwrap().0;
    assert_ne!(secret, [0; 32]);
    assert!(meta.key_of(WorkspaceId(2)).is_none());
    drop(meta);

    let meta = house.open();
    assert_eq!(meta.workspaces().len(), 1);
    assert_eq!(meta.key_of(WorkspaceId(1)).unwrap().0, secret);
}

#[test]
fn workspaces_have_names_and_numbers_of_their_own() {
    let house = House::new();
    let meta = house.open();
    for name in ["", "Shop", "a b", "a_b", "é", &"a".repeat(64)] {
        assert!(
            matches!(meta.create_workspace(name), Err(MetaError::WorkspaceName)),
            "{name}"
        );
    }
    assert!(matches!(
        meta.create_workspace("default"),
        Err(MetaError::WorkspaceExists(_))
    ));
    assert_eq!(meta.create_workspace("shop-1").unwrap().id, WorkspaceId(2));
    drop(meta);
    let meta = house.open();
    assert_eq!(
        meta.create_workspace(&"a".repeat(63)).unwrap().id,
        WorkspaceId(3)
    );
    let names: Vec<_> = meta.workspaces().iter().map(|one| one.id.0).collect();
    assert_eq!(names, [1, 2, 3]);
    assert_ne!(
        meta.key_of(WorkspaceId(2)).unwrap().0,
        meta.key_of(WorkspaceId(3)).unwrap().0
    );
}

#[test]
fn a_key_comes_back_as_it_was_made_and_a_secret_one_only_as_its_hash() {
    let house = House::new();
    let meta = house.open();
    let workspace = meta.create_workspace("shop").unwrap();
    let (public, public_plain) = meta
        .create_key(NewKey {
            workspace: Arc::clone(&workspace),
            kind: KeyKind::Public,
            scopes: vec![Scope::Send, Scope::Send],
            origins: [
                "https://shop.example",
                "*.shop.example",
                "https://SHOP.example/",
            ]
            .map(|origin| OriginPattern::parse(origin).unwrap())
            .to_vec(),
            allow_purchases: true,
            rate: NonZeroU32::new(50),
            label: Some("web ünïcode".to_owned()),
            expires_at: Some(Timestamp::from_millis(90_000)),
            operator: false,
        })
        .unwrap();
    house.clock.advance_millis(5);
    let (secret, secret_plain) = meta
        .create_key(NewKey {
            scopes: vec![Scope::Read, Scope::Send],
            ..new_key(&meta, KeyKind::Secret)
        })
        .unwrap();
    assert_eq!(public.id.len(), 20);
    assert_ne!(public.id, secret.id);
    drop(meta);

    let bytes = std::fs::read(house.file()).unwrap();
    let holds = |text: &str| {
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    assert!(holds(public_plain.as_str()));
    assert!(!holds(secret_plain.as_str()));

    let meta = house.open();
    let again = meta.authenticate(&public_plain).unwrap();
    assert_eq!(again.id, public.id);
    assert_eq!(
        (again.workspace, &*again.workspace_name),
        (workspace.id, "shop")
    );
    assert_eq!(again.plain.as_deref(), Some(public_plain.as_str()));
    assert_eq!(again.scopes, [Scope::Send]);
    assert_eq!(again.origins, public.origins);
    assert_eq!(again.origins.len(), 2);
    assert!(again.allow_purchases);
    assert_eq!(again.rate, NonZeroU32::new(50));
    assert_eq!(again.label.as_deref(), Some("web ünïcode"));
    assert_eq!(again.created_at.as_millis(), 1_000);
    assert_eq!(again.expires_at(), Some(Timestamp::from_millis(90_000)));
    assert_eq!(again.last_four, public.last_four);

    let again = meta.authenticate(&secret_plain).unwrap();
    let last = &secret_plain.as_str()[34..];
    assert_eq!(again.last_four.as_deref(), Some(last));
    assert_eq!(again.expires_at(), None);
    assert_eq!(again.id, secret.id);
    assert_eq!(again.plain, None);
    assert_eq!(again.scopes, [Scope::Send, Scope::Read]);
    assert!(again.allows(Scope::Read) && !again.allows(Scope::Admin));
    assert_eq!(meta.keys(WorkspaceId(1)).len(), 1);
    assert_eq!(meta.keys(workspace.id)[0].id, public.id);
}

#[test]
fn a_key_that_cannot_be_is_refused() {
    let house = House::new();
    let meta = house.open();
    let origin = OriginPattern::parse("https://shop.example").unwrap();
    let refused = |new: NewKey| meta.create_key(new).map(|_| ()).unwrap_err();
    let public = || new_key(&meta, KeyKind::Public);
    let secret = || new_key(&meta, KeyKind::Secret);
    for scope in [Scope::Write, Scope::Contacts, Scope::Read, Scope::Admin] {
        for scopes in [vec![scope], vec![Scope::Send, scope]] {
            let error = refused(NewKey { scopes, ..public() });
            assert!(matches!(error, MetaError::PublicKeyScope), "{error}");
        }
    }
    let origins = vec![origin.clone()];
    let error = refused(NewKey {
        origins,
        ..secret()
    });
    assert!(matches!(error, MetaError::SecretKeyOrigins));
    let error = refused(NewKey {
        allow_purchases: true,
        ..secret()
    });
    assert!(matches!(error, MetaError::SecretKeyPurchases));
    for label in ["", "\u{1b}[2J", &"a".repeat(101)] {
        let label = Some(label.to_owned());
        let error = refused(NewKey { label, ..secret() });
        assert!(matches!(error, MetaError::Label(_)));
    }
    let origins = (0..101)
        .map(|port| OriginPattern::parse(&format!("http://localhost:{}", 1000 + port)).unwrap())
        .collect();
    let error = refused(NewKey {
        origins,
        ..public()
    });
    assert!(matches!(error, MetaError::TooManyOrigins(_)));
    assert!(meta.keys(WorkspaceId(1)).is_empty());
}

#[test]
fn a_secret_key_without_scopes_may_send_alone() {
    let house = House::new();
    let meta = house.open();
    let (key, _) = meta.create_key(new_key(&meta, KeyKind::Secret)).unwrap();
    assert_eq!(key.scopes, [Scope::Send]);
}

#[test]
fn revoking_is_durable_and_its_first_time_stands() {
    let house = House::new();
    let meta = house.open();
    let (key, plain) = meta.create_key(new_key(&meta, KeyKind::Secret)).unwrap();
    assert!(matches!(
        meta.revoke_key(WorkspaceId(2), &key.id),
        Err(MetaError::UnknownKey)
    ));
    assert_eq!(key.revoked_at(), None);
    house.clock.advance_millis(10);
    meta.revoke_key(key.workspace, &key.id).unwrap();
    house.clock.advance_millis(10);
    meta.revoke_key(key.workspace, &key.id).unwrap();
    // Whoever holds the key already sees it too.
    assert_eq!(key.revoked_at().map(Timestamp::as_millis), Some(1_010));
    drop(meta);
    let again = house.open().authenticate(&plain).unwrap();
    assert_eq!(again.revoked_at().map(Timestamp::as_millis), Some(1_010));
}

#[test]
fn a_key_is_exposed_once_whoever_sees_it() {
    let house = House::new();
    let meta = house.open();
    let (key, plain) = meta.create_key(new_key(&meta, KeyKind::Secret)).unwrap();
    let first_times: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| usize::from(meta.mark_exposed(&key).unwrap())))
            .collect();
        threads.into_iter().map(|one| one.join().unwrap()).sum()
    });
    assert_eq!(first_times, 1);
    meta.revoke_key(key.workspace, &key.id).unwrap();
    drop(meta);
    let again = house.open().authenticate(&plain).unwrap();
    assert_eq!(again.exposed_at().map(Timestamp::as_millis), Some(1_000));
    assert!(again.revoked_at().is_some());
}

#[test]
fn the_last_use_is_live_in_memory_and_kept_by_a_flush() {
    let house = House::new();
    let meta = house.open();
    let (key, plain) = meta.create_key(new_key(&meta, KeyKind::Secret)).unwrap();
    let at = Timestamp::from_millis;
    meta.touch(&key, at(2_000));
    meta.flush_last_used().unwrap();
    meta.touch(&key, at(3_000));
    meta.touch(&key, at(2_500));
    assert_eq!(meta.keys(key.workspace)[0].last_used_at(), Some(at(3_000)));
    drop(meta);

    let meta = house.open();
    let again = meta.authenticate(&plain).unwrap();
    assert_eq!(again.last_used_at(), Some(at(2_000)));
    meta.flush_last_used().unwrap();
    assert_eq!(again.exposed_at(), None);
}

#[test]
fn the_end_of_the_log_is_kept() {
    let house = House::new();
    let meta = house.open();
    assert_eq!(meta.log_end(), Seq::START);
    meta.set_log_end(Seq(77)).unwrap();
    drop(meta);
    assert_eq!(house.open().log_end(), Seq(77));
}

#[test]
fn a_damaged_file_is_named_and_left_as_it_is() {
    let house = House::new();
    drop(house.open());
    let whole = std::fs::read(house.file()).unwrap();
    let half = whole[..whole.len() / 2].to_vec();
    for damaged in [vec![], b"not a database".to_vec(), vec![7; 8192], half] {
        std::fs::write(house.file(), &damaged).unwrap();
        let error = house.try_open().unwrap_err();
        assert!(matches!(error, MetaError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains(META_FILE), "{error}");
        assert_eq!(std::fs::read(house.file()).unwrap(), damaged);
    }
}

#[test]
fn the_file_is_for_its_user_alone() {
    let house = House::new();
    drop(house.open());
    let mode = std::fs::metadata(house.file())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_missing_file_beside_a_log_is_not_made_anew() {
    let house = House::new();
    let log = house.data.path().join(LOG_FOLDER);
    std::fs::create_dir(&log).unwrap();
    drop(house.open());
    std::fs::remove_file(house.file()).unwrap();
    std::fs::write(log.join("00000000000000000001.redb"), b"").unwrap();
    let error = house.try_open().unwrap_err();
    assert!(matches!(error, MetaError::Missing(_)), "{error}");
    assert!(!house.file().exists());
}

#[test]
fn a_draft_that_a_crash_left_is_thrown_away() {
    let house = House::new();
    std::fs::write(draft_of(&house.file()), b"half").unwrap();
    assert!(house.open().workspace(DEFAULT_WORKSPACE).is_some());
}

#[test]
fn debug_shows_no_key() {
    let house = House::new();
    let meta = house.open();
    let (key, plain) = meta.create_key(new_key(&meta, KeyKind::Public)).unwrap();
    let shown = format!("{key:?} {meta:?} {:?}", meta.workspaces());
    assert!(!shown.contains(plain.as_str()), "{shown}");
    assert!(shown.contains("WorkspaceKey(…)"), "{shown}");
}

#[test]
fn each_restore_begins_a_generation_that_stays_until_the_digits_are_used_up() {
    let house = House::new();
    let meta = house.open();
    assert_eq!(meta.generation(), 1);
    assert_eq!(meta.raise_generation().unwrap(), 2);
    assert_eq!(meta.generation(), 2);
    drop(meta);
    let meta = house.open();
    for generation in 3..=MAX_GENERATION {
        assert_eq!(meta.raise_generation().unwrap(), generation);
    }
    let error = meta.raise_generation().unwrap_err();
    assert!(matches!(error, MetaError::GenerationsUsedUp), "{error}");
    assert!(error.to_string().contains("98 times"), "{error}");
    drop(meta);
    assert_eq!(house.open().generation(), MAX_GENERATION);
}
