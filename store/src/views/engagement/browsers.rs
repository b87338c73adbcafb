//! What browsers did without an address: counted for whom it belongs to, and for somebody else once that turns out
//! otherwise. And what pages say of messages: an event under a browser of a contact that names a message to them
//! is a touch, as a click of that message is.
//!
//! Key of [`NAMED`](super::NAMED): workspace (u32), length of the messageId (u16), messageId, then the key of the
//! deed that names it. Value: nothing.

use serde::{Deserialize, Serialize};

use super::contact::{kind_of, widen};
use super::order::{TouchKind, Touched};
use super::rows::{decode, encode, key};
use super::score::Kind;
use super::tally::is_genuine;
use super::{BROWSERS_OF, DID, Fold, SAID, happened_at, hits};
use crate::record::{Class, ContactId, Entry, Fact, Seq, Source, WorkspaceId};
use crate::views::identity::{self, At, Span, at_of, key_of};
use crate::views::rows::Rows;
use crate::views::view::Happening;

/// Genuine, and without an address.
const COUNTED: u8 = 0;
/// A machine's.
const OF_MACHINES: u8 = 1;
/// Counted by its address already; a page names a message in it.
const ADDRESSED: u8 = 2;

/// What is kept of a deed.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Deed {
    /// As what it is weighed; `None` where it counts for nothing.
    weighed: Option<Kind>,
    is_page: bool,
    /// Of a genuine event of a page.
    message_id: Option<String>,
    /// The contact that it names by address.
    addressed: Option<ContactId>,
}

/// A deed, and when it was done.
type Dated = (At, Deed);

impl Fold<'_> {
    /// Takes in what an event says of a browser.
    pub(super) fn browser(
        &mut self,
        happening: &Happening<'_>,
        class: Class,
        time: i64,
    ) -> Result<(), redb::Error> {
        let entry = happening.entry;
        let Some(browser) = happening.browser else {
            return Ok(());
        };
        let (workspace, seq) = (entry.workspace, happening.seq.0);
        let at = At { time, seq };
        let addressed = happening.contact.map(|contact| contact.id);
        if let (Fact::Identify { .. }, Some(contact)) = (&entry.fact, addressed) {
            return self.identified(workspace, browser, at, contact);
        }
        let is_page = entry.source() == Source::Browser;
        let names = entry
            .fact
            .message_id()
            .filter(|_| is_page && is_genuine(class));
        let kind = match addressed {
            None if is_genuine(class) => COUNTED,
            None => OF_MACHINES,
            Some(_) if names.is_some() => ADDRESSED,
            Some(_) => return Ok(()),
        };
        let deed = Deed {
            weighed: kind_of(entry),
            is_page,
            message_id: names.map(|id| id.as_str().to_owned()),
            addressed,
        };
        self.browsers.put(browser, kind, at, &encode(&deed)?);
        if let Some(message_id) = &deed.message_id {
            let named = named_key(workspace, message_id, browser, kind, at);
            self.named.insert(&named, &[]);
        }
        if let Some(contact) = addressed {
            self.browsers.name(browser, contact);
        }
        match self.browsers.owner(browser, at)? {
            Some(owner) if kind == COUNTED => self.take_in(workspace, owner, &[(at, deed)]),
            Some(owner) if addressed == Some(owner) => {
                self.page_touches(workspace, owner, at, &deed)
            }
            _ => Ok(()),
        }
    }

    /// A browser is said to be this contact's.
    fn identified(
        &mut self,
        workspace: WorkspaceId,
        browser: u32,
        at: At,
        contact: ContactId,
    ) -> Result<(), redb::Error> {
        let Some(shift) = self.browsers.say(browser, at, contact)? else {
            return Ok(());
        };
        let mut left = Some(shift.span);
        while let Some(span) = left {
            let (deeds, rest) = self.deeds(browser, COUNTED, span)?;
            left = rest;
            if let Some(from) = shift.from {
                self.give_away(workspace, from, &deeds)?;
            }
            self.take_in(workspace, contact, &deeds)?;
        }
        let mut left = Some(shift.span);
        while let Some(span) = left {
            let (deeds, rest) = self.deeds(browser, ADDRESSED, span)?;
            left = rest;
            for (at, deed) in &deeds {
                if let Some(from) = shift.from.filter(|from| deed.addressed == Some(*from)) {
                    self.page_touches_not(workspace, from, *at)?;
                }
                if deed.addressed == Some(contact) {
                    self.page_touches(workspace, contact, *at, deed)?;
                }
            }
        }
        Ok(())
    }

    /// What a browser did is this contact's.
    fn take_in(
        &mut self,
        workspace: WorkspaceId,
        contact: ContactId,
        deeds: &[Dated],
    ) -> Result<(), redb::Error> {
        if deeds.is_empty() {
            return Ok(());
        }
        self.contact(workspace, contact, |row| {
            for (at, deed) in deeds {
                row.take_in(deed.weighed, deed.is_page, at.time);
            }
        })?;
        for (at, deed) in deeds {
            self.page_touches(workspace, contact, *at, deed)?;
        }
        Ok(())
    }

    /// It is theirs no more.
    fn give_away(
        &mut self,
        workspace: WorkspaceId,
        contact: ContactId,
        deeds: &[Dated],
    ) -> Result<(), redb::Error> {
        if deeds.is_empty() {
            return Ok(());
        }
        for (at, _) in deeds.iter().filter(|(_, deed)| deed.message_id.is_some()) {
            self.page_touches_not(workspace, contact, *at)?;
        }
        let left = self.may_be_taken_back(workspace, contact)?;
        self.contact(workspace, contact, |row| {
            let deeds = deeds.iter();
            let deeds = deeds.map(|(at, deed)| (deed.weighed, deed.is_page, at.time));
            row.give_away(deeds, left);
        })
    }

    /// The first and the last of a contact's genuine events that can be taken back.
    pub(super) fn may_be_taken_back(
        &self,
        workspace: WorkspaceId,
        contact: ContactId,
    ) -> Result<Option<(i64, i64)>, redb::Error> {
        let touched = self.orders.touched(workspace, contact)?;
        Ok(match self.browsers.seen(contact, COUNTED)? {
            Some(seen) => widen(touched, seen),
            None => touched,
        })
    }

    /// It is known, or known otherwise, whom a message was sent to.
    pub(super) fn sent_to(
        &mut self,
        workspace: WorkspaceId,
        message_id: &str,
        before: Option<ContactId>,
        after: Option<ContactId>,
    ) -> Result<(), redb::Error> {
        let of_message = key(
            workspace,
            &[&hits::length(message_id), message_id.as_bytes()],
        );
        let named = self.named.beginning_with(&of_message)?;
        let named: Vec<_> = named
            .map(|row| Ok(row?.0[of_message.len()..].to_vec()))
            .collect::<Result<_, redb::Error>>()?;
        for place in named {
            let Some((browser, [kind, at @ ..])) = place.split_first_chunk() else {
                continue;
            };
            let (browser, at) = (u32::from_be_bytes(*browser), at_of(at));
            let Some(deed) = self.browsers.get(browser, *kind, at)? else {
                continue;
            };
            let deed: Deed = decode(&deed)?;
            let Some(owner) = self.browsers.owner(browser, at)? else {
                continue;
            };
            if deed.addressed.is_some_and(|addressed| addressed != owner) {
                continue;
            }
            if before == Some(owner) {
                self.page_touches_not(workspace, owner, at)?;
            }
            if after == Some(owner) {
                self.page_touches(workspace, owner, at, &deed)?;
            }
        }
        Ok(())
    }

    /// A deed of a contact is a touch, where it names a message that was sent to them.
    fn page_touches(
        &mut self,
        workspace: WorkspaceId,
        contact: ContactId,
        at: At,
        deed: &Deed,
    ) -> Result<(), redb::Error> {
        let Some(message_id) = &deed.message_id else {
            return Ok(());
        };
        let row = key(workspace, &[message_id.as_bytes()]);
        let message = self.messages.peek(&row)?;
        if message.is_none_or(|message| message.contact != Some(contact)) {
            return Ok(());
        }
        let windows = self.windows(workspace)?;
        let orders = &mut self.orders;
        let moves = orders.touch(workspace, contact, touched(at), message_id, &windows)?;
        self.credit(workspace, &moves)
    }

    /// It is none, or theirs no more.
    fn page_touches_not(
        &mut self,
        workspace: WorkspaceId,
        contact: ContactId,
        at: At,
    ) -> Result<(), redb::Error> {
        let windows = self.windows(workspace)?;
        let orders = &mut self.orders;
        let moves = orders.untouch(workspace, contact, touched(at), &windows)?;
        self.credit(workspace, &moves)
    }

    /// A contact was erased: nothing is left of what their browsers did without an address, and of what named them;
    /// the log has it without a browser, so that a rebuild does not know whose it was either.
    pub(super) fn forget_browsers(
        &mut self,
        workspace: WorkspaceId,
        contact: ContactId,
    ) -> Result<(), redb::Error> {
        for browser in self.browsers.of(contact)? {
            for span in self.browsers.spans(browser, contact)? {
                for kind in [COUNTED, OF_MACHINES] {
                    let mut left = Some(span);
                    while let Some(span) = left {
                        let (deeds, rest) = self.deeds(browser, kind, span)?;
                        left = rest;
                        for (at, deed) in &deeds {
                            self.page_touches_not(workspace, contact, *at)?;
                            self.forget_deed(workspace, browser, kind, *at, deed)?;
                        }
                    }
                }
            }
            // What names others may belong to them once nothing says any more that the browser was this contact's.
            let mut left = Some(Span::ALL);
            let mut of_others = Vec::new();
            while let Some(span) = left {
                let (deeds, rest) = self.deeds(browser, ADDRESSED, span)?;
                left = rest;
                for (at, deed) in deeds {
                    if deed.addressed == Some(contact) {
                        self.page_touches_not(workspace, contact, at)?;
                        self.forget_deed(workspace, browser, ADDRESSED, at, &deed)?;
                    } else if self.browsers.owner(browser, at)? == Some(contact) {
                        of_others.push((at, deed));
                    }
                }
            }
            self.browsers.unsay(browser, contact)?;
            for (at, deed) in of_others {
                if let Some(owner) = self.browsers.owner(browser, at)?
                    && deed.addressed == Some(owner)
                {
                    self.page_touches(workspace, owner, at, &deed)?;
                }
            }
        }
        Ok(())
    }

    fn forget_deed(
        &mut self,
        workspace: WorkspaceId,
        browser: u32,
        kind: u8,
        at: At,
        deed: &Deed,
    ) -> Result<(), redb::Error> {
        if let Some(message_id) = &deed.message_id {
            let named = named_key(workspace, message_id, browser, kind, at);
            self.named.remove(&named)?;
        }
        self.browsers.remove(browser, kind, at)
    }

    /// The first deeds of a kind in a span, and what of it is left.
    fn deeds(
        &self,
        browser: u32,
        kind: u8,
        span: Span,
    ) -> Result<(Vec<Dated>, Option<Span>), redb::Error> {
        let (deeds, left) = self.browsers.deeds(browser, kind, span)?;
        let deeds = deeds.iter().map(|(at, deed)| Ok((*at, decode(deed)?)));
        Ok((deeds.collect::<Result<_, redb::Error>>()?, left))
    }
}

fn touched(At { time, seq }: At) -> Touched {
    let kind = TouchKind::Click;
    Touched { kind, time, seq }
}

fn named_key(workspace: WorkspaceId, message_id: &str, browser: u32, kind: u8, at: At) -> Vec<u8> {
    key(
        workspace,
        &[
            &hits::length(message_id),
            message_id.as_bytes(),
            &browser.to_be_bytes(),
            &[kind],
            &key_of(at),
        ],
    )
}

/// To whom belongs what a browser, by its number, did without an address; `None` where nobody is known, and of what
/// was erased, whatever the log still says of it.
pub(in crate::views) fn owner(
    rows: &Rows,
    browser: u32,
    entry: &Entry,
    seq: Seq,
) -> Result<Option<ContactId>, redb::Error> {
    let time = happened_at(entry);
    let at = At { time, seq: seq.0 };
    for kind in [COUNTED, OF_MACHINES] {
        if identity::is_there(&rows.tables[DID], browser, kind, at)? {
            return identity::owner(&rows.tables[SAID], browser, at);
        }
    }
    Ok(None)
}

/// The browsers, by their numbers, that were named together with a contact.
pub(in crate::views) fn browsers_of(
    rows: &Rows,
    contact: ContactId,
) -> Result<Vec<u32>, redb::Error> {
    identity::of(&rows.tables[BROWSERS_OF], contact)
}

/// How many events of theirs without an address belong to a contact.
pub(in crate::views) fn count_in_browsers(
    rows: &Rows,
    contact: ContactId,
) -> Result<u64, redb::Error> {
    let mut count = 0;
    for browser in browsers_of(rows, contact)? {
        for span in identity::spans(&rows.tables[SAID], browser, contact)? {
            for kind in [COUNTED, OF_MACHINES] {
                count += identity::count(&rows.tables[DID], browser, kind, span)?;
            }
        }
    }
    Ok(count)
}
