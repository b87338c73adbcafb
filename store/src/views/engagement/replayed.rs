//! What the opens and clicks of one message are by all that is known of it: the rules of the fold, over a list.
//! For whoever keeps what happened and not what became of it.

use std::collections::BTreeSet;

use super::hits::{Hit, What};
use super::message::{Click, Message};
use super::tally::is_genuine;
use crate::record::extra::Timing;
use crate::record::{Class, Entry, Seq};

/// See above. Told of what happened in the order of its seqs.
#[derive(Default)]
pub(in crate::views) struct Replayed {
    message: Message,
    told: bool,
    told_at: i64,
    hits: Vec<(u64, Hit)>,
    /// Genuine clicks that a burst has shown to be a machine's.
    in_burst: BTreeSet<u64>,
}

impl Replayed {
    /// It was registered, with so many different pages behind its links.
    pub(in crate::views) fn sent(&mut self, targets: Option<u32>) {
        self.message.register(targets);
    }

    /// It was told when it left, in milliseconds since 1970; the first that tells is believed.
    pub(in crate::views) fn told(&mut self, told_at: i64) {
        if self.told {
            return;
        }
        (self.told, self.told_at) = (true, told_at);
        let judged: Vec<_> = self
            .hits
            .iter()
            .map(|(_, hit)| hit.judged(told_at))
            .collect();
        self.in_burst = self.message.count_again(&self.hits, &judged);
        for ((_, hit), judged) in self.hits.iter_mut().zip(judged) {
            hit.timing = None;
            if let Some((class, _)) = judged {
                hit.class = class;
            }
        }
    }

    /// It was opened.
    pub(in crate::views) fn opened(
        &mut self,
        seq: Seq,
        time: i64,
        class: Class,
        timing: Option<&Timing>,
    ) {
        self.hit(seq, time, class, timing, What::Open);
    }

    /// A link in it was followed.
    pub(in crate::views) fn clicked(
        &mut self,
        seq: Seq,
        time: i64,
        class: Class,
        timing: Option<&Timing>,
        click: Click,
    ) {
        let class = self.class_of(time, class, timing);
        let click = click.of_class(class);
        let gone = self.message.click(click);
        self.in_burst.extend(gone.iter().map(|click| click.seq));
        let what = What::Click {
            click,
            link: 0,
            target: None,
        };
        self.hit(seq, time, class, timing, what);
    }

    fn hit(&mut self, Seq(seq): Seq, time: i64, class: Class, timing: Option<&Timing>, what: What) {
        let class = self.class_of(time, class, timing);
        let timing = timing.filter(|_| !self.told).cloned();
        let hit = Hit {
            time,
            class,
            contact: None,
            what,
            timing: timing.map(|timing| (timing, String::new())),
        };
        self.hits.push((seq, hit));
    }

    fn class_of(&self, time: i64, class: Class, timing: Option<&Timing>) -> Class {
        match timing {
            Some(timing) if self.told => timing.class_at(time.saturating_sub(self.told_at)).0,
            _ => class,
        }
    }

    /// The seqs of what was a person's doing.
    pub(in crate::views) fn genuine(&self) -> impl Iterator<Item = u64> + '_ {
        let is = |(seq, hit): &&(u64, Hit)| is_genuine(hit.class) && !self.in_burst.contains(seq);
        self.hits.iter().filter(is).map(|(seq, _)| *seq)
    }
}

/// The click that an entry tells of; `None` where it tells of none.
pub(in crate::views) fn click_of(
    seq: Seq,
    time: i64,
    class: Class,
    entry: &Entry,
) -> Option<Click> {
    Click::of(seq, time, class, entry)
}
