//! A file of contacts: each row that says something new is recorded as an `identify`; what is known already is not, so
//! that the same file can be sent again. Rows are taken as they come, so that a file of any length takes the memory of a
//! portion.
//!
//! - `answer`: what became of the rows

mod answer;

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use shared::event::{Event, EventKind};
use shared::time::Timestamp;
use shared::wire::{Arrival, parse_identify};
use tokio::runtime::Handle;

use super::super::files::raw::{RawRow, RawRows};
use super::super::files::{FileFormat, Numbered};
use super::super::incoming::{Incoming, parse};
use super::super::pending::{Became, Pending};
use super::rows::{Form, Screen};
use super::{identified, of_operator};
use crate::app::App;
use crate::auth::{self, Caller};
use crate::body::source::BodySource;
use crate::error::ApiError;
use crate::limits::heavy::Lane;
use crate::metrics::Verdict;
use crate::screen::{self, Carrier};
use store::record::{ContactId, ToldBy, WorkspaceId};
use store::views::ViewError;

pub(crate) use answer::{ImportAnswer, ImportProgress};

/// Rows that are recorded in one go: so many, or as many as have so many bytes.
const PORTION: usize = 1_000;
const PORTION_BYTES: usize = 1024 * 1024;
/// How long it is waited for the views behind a portion.
const PATIENCE: Duration = Duration::from_secs(30);

impl Incoming {
    /// Records what a file says of contacts, row by row as it comes; `told` hears of each portion. Blocks: on a thread
    /// that is none of the runtime's own. The views must be as far as what was acknowledged before.
    ///
    /// # Errors
    /// [`ApiError`]; a part may be recorded then, and sending the file again goes on.
    pub(crate) fn import_contacts(
        &self,
        app: &Arc<App>,
        mut source: BodySource,
        format: FileFormat,
        told: &mut dyn FnMut(ImportProgress),
    ) -> Result<ImportAnswer, ApiError> {
        let imported = self.import_rows(app, &mut source, format, told);
        imported.map_err(|error| source.refuse(&self.parts.headers, error))
    }

    fn import_rows(
        &self,
        app: &Arc<App>,
        source: &mut BodySource,
        format: FileFormat,
        told: &mut dyn FnMut(ImportProgress),
    ) -> Result<ImportAnswer, ApiError> {
        let caller = self.caller(app, None)?;
        // No more than the key may take at once, which is back within a second.
        let burst = self.burst().and_then(|burst| usize::try_from(burst).ok());
        let import = Import {
            portion: burst.map_or(PORTION, |burst| burst.clamp(1, PORTION)),
            apart: Some(app),
            ..self.import(app, &caller)
        };
        let take = |rows| {
            self.wait_for_events(app, rows)?;
            // A file may take as long as whoever sends it wants.
            auth::check_still_good(app, &caller.key)
        };
        let arrival = self.arrival(&caller);
        import.run(source, format, arrival, &|source| source.why(), &take, told)
    }

    fn import<'a>(&self, app: &'a App, caller: &Caller) -> Import<'a> {
        Import {
            app,
            workspace: caller.key.workspace,
            told_by: ToldBy::server_with(caller.key.id.as_str()),
            carrier: Carrier::of(&self.parts),
            portion: PORTION,
            apart: None,
        }
    }

    /// Records what the body, one JSON object as `identify` takes it, says of a contact.
    ///
    /// # Errors
    /// [`ApiError`]; nothing is recorded then.
    pub(crate) async fn import_contact(self, app: &Arc<App>) -> Result<ImportAnswer, ApiError> {
        let app = Arc::clone(app);
        let imported = tokio::task::spawn_blocking(move || {
            let caller = self.caller(&app, None)?;
            let arrival = self.arrival(&caller);
            let row = parse_identify(&parse(&self.text)?, &arrival).outcome;
            let row = match self.screened.rejection(0) {
                Some(rejection) => Err(rejection),
                None => row,
            };
            self.take_events(1)?;
            let mut answer = ImportAnswer::default();
            let import = self.import(&app, &caller);
            import.record(vec![(1, row)], self.received_at, &mut answer)?;
            Ok(answer)
        });
        imported.await.map_err(|_| ApiError::Internal)?
    }
}

/// Records what a file says of contacts, for the operator. Blocks; within a runtime, on a thread that is none of its
/// own.
///
/// # Errors
/// [`ApiError`]; a part may be recorded then.
pub(crate) fn import_file(
    app: &App,
    workspace: WorkspaceId,
    is_csv: bool,
    text: &str,
) -> Result<ImportAnswer, ApiError> {
    let format = if is_csv {
        FileFormat::Csv
    } else {
        FileFormat::Lines
    };
    let import = Import {
        app,
        workspace,
        told_by: ToldBy::server(),
        carrier: Carrier::COMMAND,
        portion: PORTION,
        apart: None,
    };
    let arrival = of_operator(app.clock.now());
    // A text in memory is always read to its end.
    let why = |_: &&[u8]| ApiError::Internal;
    let (take, told) = (&|_| Ok(()), &mut |_| ());
    import.run(text.as_bytes(), format, arrival, &why, take, told)
}

/// What is the same of all rows of a file.
struct Import<'a> {
    app: &'a App,
    workspace: WorkspaceId,
    told_by: ToldBy,
    carrier: Carrier,
    /// So many rows are recorded in one go.
    portion: usize,
    /// The same collector, where rows are read on its threads for heavy work, in turn with others'; `None` where that
    /// is done here.
    apart: Option<&'a Arc<App>>,
}

impl Import<'_> {
    /// Takes a file in portions, each of which is on disk, and in the views, before the next is recorded.
    fn run<R: Read>(
        &self,
        source: R,
        format: FileFormat,
        arrival: Arrival<'static>,
        why: &dyn Fn(&R) -> ApiError,
        take: &dyn Fn(usize) -> Result<(), ApiError>,
        told: &mut dyn FnMut(ImportProgress),
    ) -> Result<ImportAnswer, ApiError> {
        let mut rows = RawRows::new(source, format);
        let screen: &Screen<'_> = &|text| screen::row(self.app, self.carrier, text);
        let form = Arc::new(Form::begin(&mut rows, screen, why)?);
        let mut answer = ImportAnswer::default();
        loop {
            let (mut portion, mut bytes) = (Vec::new(), 0);
            while portion.len() < self.portion && bytes < PORTION_BYTES {
                match rows.next().map_err(|_| why(rows.source()))? {
                    Some((line, row)) => {
                        bytes += row.as_ref().map_or(0, Vec::len);
                        portion.push((line, row));
                    }
                    None => break,
                }
            }
            if portion.is_empty() {
                return Ok(answer);
            }
            take(portion.len())?;
            let received_at = self.app.clock.now();
            let arrival = Arrival {
                received_at,
                ..arrival
            };
            let portion = self.read(&form, portion, arrival)?;
            if answer.recorded > 0 {
                self.settle()?;
            }
            self.record(portion, received_at, &mut answer)?;
            told(answer.progress());
        }
    }

    /// What rows say. Blocks.
    fn read(
        &self,
        form: &Arc<Form>,
        rows: Vec<RawRow>,
        arrival: Arrival<'static>,
    ) -> Result<Vec<Numbered<Event>>, ApiError> {
        let carrier = self.carrier;
        let Some(app) = self.apart else {
            let screen: &Screen<'_> = &|text| screen::row(self.app, carrier, text);
            return Ok(form.read(rows, screen, &arrival));
        };
        let (form, screening) = (Arc::clone(form), Arc::clone(app));
        let read = move || {
            let screen: &Screen<'_> = &|text| screen::row(&screening, carrier, text);
            form.read(rows, screen, &arrival)
        };
        let read = app.heavy.compute(Lane::Workspace(self.workspace), read);
        Handle::current().block_on(read)
    }

    /// Waits until the views reflect what was recorded, since what comes next is compared with that. Blocks.
    fn settle(&self) -> Result<(), ApiError> {
        let end = *self.app.log.committed().borrow();
        let reached = self.app.projector.wait_for(end, PATIENCE);
        let reached = Handle::current().block_on(reached);
        reached.map_err(|_| ApiError::ViewBehind)
    }

    /// Records those rows that say something new. Blocks.
    fn record(
        &self,
        rows: Vec<Numbered<Event>>,
        received_at: Timestamp,
        answer: &mut ImportAnswer,
    ) -> Result<(), ApiError> {
        let good = answer.good_of(rows);
        let looked = look(self.app, self.workspace, good)?;
        Handle::current().block_on(self.append(looked, received_at, answer))
    }

    async fn append(
        &self,
        looked: Vec<(bool, Event)>,
        received_at: Timestamp,
        answer: &mut ImportAnswer,
    ) -> Result<(), ApiError> {
        let (app, workspace) = (self.app, self.workspace);
        let mut pending = Pending::new();
        for (is_new, event) in looked {
            if is_new {
                let told_by = self.told_by.clone();
                let submission = identified(workspace, told_by, event, received_at);
                pending.submit(submission, ());
            } else {
                pending.decide(());
            }
        }
        for became in pending.append(&app.log).await? {
            match became {
                Became::Settled((), settled) => {
                    settled.count(&app.metrics, workspace);
                    answer.recorded += 1;
                    let seq = settled.seq().map(|seq| seq.to_string());
                    answer.seq = seq.or(answer.seq.take());
                }
                Became::Decided(()) => {
                    app.metrics.count_verdict(workspace, Verdict::Duplicate);
                    answer.duplicates += 1;
                }
            }
        }
        Ok(())
    }
}

/// Which of them say something new. Blocks on disk.
fn look(
    app: &App,
    workspace: WorkspaceId,
    events: Vec<Event>,
) -> Result<Vec<(bool, Event)>, ViewError> {
    // Of whom something is recorded here already, more is known than the views tell.
    let mut told_of = HashMap::new();
    let mut looked = Vec::with_capacity(events.len());
    for event in events {
        let email = event.email.as_ref();
        let id = email.and_then(|email| app.views.contact_id(workspace, email.normalised()));
        let said = (
            traits_of(&event).cloned(),
            event.time_sent.then_some(event.time),
        );
        let is_new = match id.and_then(|id| told_of.get(&id)) {
            Some(last) => *last != said,
            None => is_new(app, id, &event)?,
        };
        if let (true, Some(id)) = (is_new, id) {
            told_of.insert(id, said);
        }
        looked.push((is_new, event));
    }
    Ok(looked)
}

/// The traits that a row says, as JSON.
fn traits_of(event: &Event) -> Option<&String> {
    match &event.kind {
        EventKind::Identify { traits } => traits.as_ref(),
        _ => None,
    }
}

/// Whether what a row says is not known yet. Blocks on disk.
fn is_new(app: &App, contact: Option<ContactId>, event: &Event) -> Result<bool, ViewError> {
    let Some(id) = contact else {
        return Ok(true);
    };
    if app.views.contact(id)?.is_none() {
        return Ok(true);
    }
    let said: BTreeMap<String, Box<RawValue>> = match traits_of(event) {
        Some(traits) => serde_json::from_str(traits).unwrap_or_default(),
        None => return Ok(false),
    };
    let known = app.views.traits(id)?;
    let is_all_known = said.iter().all(|(key, value)| match known.get(key) {
        // What was learnt later stays, and a row without a time is of now.
        Some(held) if held.is_servers && event.time_sent => {
            held.value == value.get() || held.time > event.time.as_millis()
        }
        Some(held) => held.is_servers && held.value == value.get(),
        None => value.get() == "null",
    });
    Ok(!is_all_known)
}
