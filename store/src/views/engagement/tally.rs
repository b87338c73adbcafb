//! Counts: by class, and the totals that a message adds to its campaign.

use serde::{Deserialize, Serialize};

use crate::attribution::Model;
use crate::record::Class;

/// Whether a person is behind it, by a proxy or not.
pub(crate) fn is_genuine(class: Class) -> bool {
    match class {
        Class::Human | Class::ProxyHuman => true,
        Class::Machine | Class::Bot => false,
    }
}

/// How many of each class. Signed, because differences are added too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) human: i64,
    pub(crate) proxy_human: i64,
    pub(crate) machine: i64,
    pub(crate) bot: i64,
}

impl Tally {
    pub(crate) fn add(&mut self, class: Class, count: i64) {
        let of_class = match class {
            Class::Human => &mut self.human,
            Class::ProxyHuman => &mut self.proxy_human,
            Class::Machine => &mut self.machine,
            Class::Bot => &mut self.bot,
        };
        *of_class += count;
    }

    fn add_all(&mut self, other: &Self, sign: i64) {
        self.human += sign * other.human;
        self.proxy_human += sign * other.proxy_human;
        self.machine += sign * other.machine;
        self.bot += sign * other.bot;
    }

    pub(crate) fn genuine(&self) -> i64 {
        self.human + self.proxy_human
    }

    /// Machines and bots.
    pub(crate) fn machines(&self) -> i64 {
        self.machine + self.bot
    }

    pub(crate) fn all(&self) -> i64 {
        self.genuine() + self.machines()
    }
}

/// Opens or clicks: how many, and of how many messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) total: Tally,
    /// Messages that have any.
    pub(crate) unique_all: i64,
    /// Messages that have one of a machine or bot.
    pub(crate) unique_machines: i64,
    /// Messages that have a genuine one.
    pub(crate) unique_genuine: i64,
}

impl Figures {
    /// Of one message; `implied` where something else shows that there was a genuine one.
    pub(crate) fn of_message(total: Tally, implied: bool) -> Self {
        Self {
            total,
            unique_all: i64::from(implied || total.all() > 0),
            unique_machines: i64::from(total.machines() > 0),
            unique_genuine: i64::from(implied || total.genuine() > 0),
        }
    }

    pub(crate) fn add(&mut self, other: &Self, sign: i64) {
        self.total.add_all(&other.total, sign);
        self.unique_all += sign * other.unique_all;
        self.unique_machines += sign * other.unique_machines;
        self.unique_genuine += sign * other.unique_genuine;
    }
}

/// Money in minor units of one currency, under one model of attribution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Earned {
    pub(crate) model: Model,
    pub(crate) currency: String,
    pub(crate) orders: i64,
    /// Beyond `i64`, because many orders of up to `i64` add up.
    pub(crate) gross: i128,
    pub(crate) refunded: i128,
}

/// What orders have earned: one entry for each model and currency that has any order, in that order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Revenue(Vec<Earned>);

impl Revenue {
    pub(crate) fn add(&mut self, earned: &Earned, sign: i64) {
        let place = |known: &Earned| {
            (known.model, known.currency.as_str()).cmp(&(earned.model, &earned.currency))
        };
        let at = match self.0.binary_search_by(place) {
            Ok(at) => at,
            Err(at) => {
                let none = Earned {
                    orders: 0,
                    gross: 0,
                    refunded: 0,
                    ..earned.clone()
                };
                self.0.insert(at, none);
                at
            }
        };
        let known = &mut self.0[at];
        known.orders += sign * earned.orders;
        known.gross += i128::from(sign) * earned.gross;
        known.refunded += i128::from(sign) * earned.refunded;
        // A row that nothing is left of would make views differ that are equal.
        if known.orders == 0 && known.gross == 0 && known.refunded == 0 {
            self.0.remove(at);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Earned> {
        self.0.iter()
    }
}

/// What one message adds to its campaign, and a campaign has in all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Totals {
    /// Messages that were registered.
    pub(crate) sent: i64,
    pub(crate) opens: Figures,
    pub(crate) clicks: Figures,
    /// Of the messages with a genuine open, those whose open only a genuine click shows.
    pub(crate) inferred_opens: i64,
    pub(crate) unsubscribes: i64,
    /// Messages that were taken and did not bounce later.
    pub(crate) delivered: i64,
    /// Messages that were refused for good.
    pub(crate) bounced: i64,
    /// Messages that their readers called spam.
    pub(crate) complained: i64,
    pub(crate) revenue: Revenue,
    /// Of those that were registered, the ones that a reader's clock finds ahead and has taken off `sent`;
    /// 0 in rows, which know no clock.
    #[serde(skip)]
    pub(crate) planned: i64,
}

impl Totals {
    pub(crate) fn add(&mut self, other: &Self, sign: i64) {
        self.sent += sign * other.sent;
        self.opens.add(&other.opens, sign);
        self.clicks.add(&other.clicks, sign);
        self.inferred_opens += sign * other.inferred_opens;
        self.unsubscribes += sign * other.unsubscribes;
        self.delivered += sign * other.delivered;
        self.bounced += sign * other.bounced;
        self.complained += sign * other.complained;
        self.planned += sign * other.planned;
        for earned in other.revenue.iter() {
            self.revenue.add(earned, sign);
        }
    }
}
