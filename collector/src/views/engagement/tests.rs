//! Tests of what people did with messages: golden scenarios, and random histories against an
//! oracle that knows the rules and none of the fold's shortcuts.

mod golden;
mod oracle;
mod random;

use tempfile::{TempDir, tempdir};

use crate::log::Log;
use crate::log::decide::WorkspaceKeys as _;
use crate::log::record::{ContactId, Record, WorkspaceId};
use crate::views::history::{Keys, keys};
use crate::views::{Dump, Views, rebuild};

/// Views with the folder that they lie in.
struct Folded {
    views: Views,
    _folder: TempDir,
}

fn live<'a>(batches: impl Iterator<Item = &'a [Record]>) -> Folded {
    let folder = tempdir().unwrap();
    let views = Views::open(folder.path(), keys()).unwrap();
    for batch in batches {
        views.fold(batch).unwrap();
    }
    Folded {
        views,
        _folder: folder,
    }
}

fn rebuilt(log: &dyn Log) -> Folded {
    let folder = tempdir().unwrap();
    rebuild(folder.path(), keys(), log, &mut |_, _| {}).unwrap();
    Folded {
        views: Views::open(folder.path(), keys()).unwrap(),
        _folder: folder,
    }
}

fn dump_of(folded: &Folded) -> Dump {
    folded.views.dump().unwrap()
}

fn email(who: &str) -> String {
    format!("{who}@example.com")
}

fn contact_of(workspace: WorkspaceId, who: &str) -> ContactId {
    Keys.key_of(workspace).unwrap().contact(&email(who))
}
